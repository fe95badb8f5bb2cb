//! TLS between the gateway and the broker of a simulation.
//!
//! What it draws at random changes nothing of what happens: its records are as long
//! each time. So the signature of the certificate has a fixed length, and no session
//! of TLS is resumed.

use std::io::{Read, Write};
use std::sync::{Arc, OnceLock};

use jackalope::wire::{Tls, TlsClient, TlsOptions, TlsVersion};
use rcgen::{CertificateParams, KeyPair, PKCS_ED25519, SerialNumber};
use rustls::crypto::ring;
use rustls::pki_types::{PrivateKeyDer, ServerName};
use rustls::server::NoServerSessionStorage;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{AlertDescription, ServerConfig, ServerConnection};
use tempfile::NamedTempFile;

const NAME: &str = "broker";

/// What all simulations share.
struct Shared {
    authority: NamedTempFile,
    server: Arc<ServerConfig>,
}

static SHARED: OnceLock<Shared> = OnceLock::new();

impl Shared {
    fn new() -> Self {
        let key = KeyPair::generate_for(&PKCS_ED25519).expect("there are such keys");
        let mut params = CertificateParams::new([NAME.to_owned()]).expect("it is a name");
        params.serial_number = Some(SerialNumber::from(1));
        let certificate = params.self_signed(&key).expect("it is valid");
        let mut authority = NamedTempFile::new().expect("there is a place for temporary files");
        let written = authority.write_all(certificate.pem().as_bytes());
        written.expect("a temporary file can be written");
        let secret = PrivateKeyDer::try_from(key.serialize_der()).expect("it is a key");
        let provider = Arc::new(ring::default_provider());
        let mut server = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("there are such versions")
            .with_no_client_auth()
            .with_single_cert(vec![certificate.der().clone()], secret)
            .expect("they belong together");
        server.session_storage = Arc::new(NoServerSessionStorage {});
        server.send_tls13_tickets = 0;
        Self {
            authority,
            server: Arc::new(server),
        }
    }
}

/// What the gateway of one simulation makes connections with.
pub(crate) fn client() -> TlsClient {
    let shared = SHARED.get_or_init(Shared::new);
    let options = TlsOptions {
        ca_file: Some(shared.authority.path().to_owned()),
        identity: None,
        alpn: Vec::new(),
        server_name: ServerName::try_from(NAME).expect("it is a name"),
        min_version: TlsVersion::Tls13,
    };
    TlsClient::new(options, Arc::new(DefaultTimeProvider))
}

/// The gateway's end of a connection.
pub(crate) fn begin(client: &TlsClient) -> Result<Box<Tls>, String> {
    client
        .begin()
        .map(Box::new)
        .map_err(|error| error.to_string())
}

/// The broker's end of a connection.
#[derive(Debug)]
pub(crate) struct Server {
    connection: ServerConnection,
    /// The gateway has let go before there was a session of TLS.
    pub(crate) is_over: bool,
}

impl Server {
    pub(crate) fn new() -> Self {
        let config = SHARED.get_or_init(Shared::new).server.clone();
        let mut server = ServerConnection::new(config).expect("it is valid");
        server.set_buffer_limit(None);
        Self {
            connection: server,
            is_over: false,
        }
    }

    /// Bytes have arrived. Returns what was in them.
    pub(crate) fn open(&mut self, mut bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut opened = Vec::new();
        while !bytes.is_empty() {
            let read = self.connection.read_tls(&mut bytes);
            read.map_err(|error| error.to_string())?;
            let state = match self.connection.process_new_packets() {
                Ok(state) => state,
                Err(rustls::Error::AlertReceived(AlertDescription::CloseNotify)) => {
                    self.is_over = true;
                    break;
                }
                Err(error) => return Err(error.to_string()),
            };
            let before = opened.len();
            opened.resize(before + state.plaintext_bytes_to_read(), 0);
            let read = self.connection.reader().read_exact(&mut opened[before..]);
            read.map_err(|error| error.to_string())?;
        }
        Ok(opened)
    }

    pub(crate) fn seal(&mut self, bytes: &[u8]) -> Result<(), String> {
        let written = self.connection.writer().write_all(bytes);
        written.map_err(|error| error.to_string())
    }

    pub(crate) fn finish(&mut self) {
        self.connection.send_close_notify();
    }

    /// What is to go over the network.
    pub(crate) fn poll_output(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut bytes).is_err() {
                break;
            }
        }
        bytes
    }
}
