//! TLS under a transport, with a server in memory at the other end.

mod errors;
mod files;
mod transport;

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::crypto::ring;
use rustls::pki_types::{ServerName, UnixTime};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::time_provider::TimeProvider;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::certificates::{Ca, Issued};
use super::*;
use crate::office::{Disconnection, Time};
use crate::wire::fixtures::{connect, handshake};
use crate::wire::{Layers, Pace, Transport, TransportError, Version};

/// 2026-11-25 03:00:00 UTC, always.
#[derive(Debug)]
struct Clock;

impl TimeProvider for Clock {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            1_795_575_600,
        )))
    }
}

/// A directory for the files of a gateway.
struct Files(TempDir);

impl Files {
    fn new() -> Self {
        Self(TempDir::new().expect("there is a place for temporary files"))
    }

    fn write(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("it can be written");
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).expect("it is ours");
        path
    }

    /// Options that trust this CA, for the server `broker`.
    fn trusting(&self, ca: &Ca) -> TlsOptions {
        TlsOptions {
            ca_file: Some(self.write("ca.pem", ca.pem())),
            identity: None,
            alpn: Vec::new(),
            server_name: ServerName::try_from("broker").expect("it is a name"),
            min_version: TlsVersion::Tls12,
        }
    }

    fn identity(&self, issued: &Issued) -> TlsIdentity {
        TlsIdentity {
            certificate: self.write("gateway.pem", issued.certificate.pem()),
            key: self.write("gateway.key", issued.key.serialize_pem()),
        }
    }
}

/// A server that shows this certificate, with these versions, and wants one of
/// this CA.
fn server(
    issued: &Issued,
    versions: &[&'static rustls::SupportedProtocolVersion],
    clients: Option<&Ca>,
) -> ServerConfig {
    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_details(provider.clone(), Arc::new(Clock))
        .with_protocol_versions(versions)
        .expect("there are such versions");
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(ca) => {
            let mut roots = RootCertStore::empty();
            roots.add(ca.der()).expect("it is valid");
            let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
            builder.with_client_cert_verifier(verifier.build().expect("there is a CA"))
        }
    };
    let mut config = builder
        .with_single_cert(issued.chain(), issued.secret())
        .expect("they belong together");
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config
}

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A transport and a server, with the network between them in the test's hands.
struct Pair {
    now: Time,
    transport: Transport,
    server: ServerConnection,
    /// What the server has opened.
    opened: Vec<u8>,
    /// How much the network carries at once.
    piece: usize,
}

impl Pair {
    fn new(client: &TlsClient, server: &ServerConfig) -> Self {
        let tls = client.begin().expect("its files are fine");
        let layers = Layers {
            tls: Some(Box::new(tls)),
            websocket: None,
        };
        let now = at(0);
        let transport = Transport::new(
            now,
            Version::V4,
            &handshake(),
            &connect(),
            Pace::default(),
            layers,
        );
        Self {
            now,
            transport: transport.expect("it can be encoded"),
            server: ServerConnection::new(Arc::new(server.clone())).expect("it is valid"),
            opened: Vec::new(),
            piece: usize::MAX,
        }
    }

    /// A pair with the usual certificates, on which CONNECT has arrived.
    fn connected() -> Self {
        let (files, ca) = (Files::new(), Ca::new("ours"));
        let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
        let server = server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None);
        let mut pair = Self::new(&client, &server);
        pair.run().expect("they understand each other");
        assert_eq!(pair.opened, connect_bytes());
        pair.opened.clear();
        pair.acknowledge();
        pair
    }

    /// Has the kernel take so many bytes at most, and returns them.
    fn take(&mut self, count: usize) -> Vec<u8> {
        self.transport.seal(self.now);
        let output = self.transport.output_mut();
        let bytes = output.bytes();
        let taken = bytes[..count.min(bytes.len())].to_vec();
        output.handle_taken(self.now, taken.len());
        taken
    }

    /// Has the server get these bytes.
    fn give_to_server(&mut self, bytes: &[u8]) {
        for mut piece in bytes.chunks(self.piece.min(bytes.len()).max(1)) {
            while !piece.is_empty() {
                let read = self.server.read_tls(&mut piece).expect("it reads");
                if read == 0 {
                    return;
                }
                // What it does not like it says in an alert.
                if let Ok(state) = self.server.process_new_packets() {
                    let mut opened = vec![0; state.plaintext_bytes_to_read()];
                    self.server
                        .reader()
                        .read_exact(&mut opened)
                        .expect("there is so much");
                    self.opened.extend(opened);
                }
            }
        }
    }

    /// Has the gateway get what the server sends.
    fn give_to_gateway(&mut self) -> Result<bool, TransportError> {
        let mut bytes = Vec::new();
        while self.server.wants_write() {
            self.server
                .write_tls(&mut bytes)
                .expect("a vector takes all");
        }
        self.bring(&bytes)
    }

    fn bring(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        for piece in bytes.chunks(self.piece.min(bytes.len()).max(1)) {
            let room = self.transport.room_for_input().expect("all was read");
            room.extend_from_slice(piece);
            self.transport.handle_read()?;
            while self.transport.poll_packet().expect("it is MQTT").is_some() {}
        }
        Ok(!bytes.is_empty())
    }

    /// Lets both talk until they are silent.
    fn run(&mut self) -> Result<(), TransportError> {
        loop {
            let bytes = self.take(self.piece);
            self.give_to_server(&bytes);
            if !self.give_to_gateway()? && bytes.is_empty() {
                return Ok(());
            }
        }
    }

    fn server_sends(&mut self, packets: &[u8]) {
        self.server
            .writer()
            .write_all(packets)
            .expect("it takes all");
    }

    fn acknowledge(&mut self) {
        let now = self.now;
        self.transport.output_mut().handle_unacknowledged(now, 0);
    }
}

fn connect_bytes() -> BytesMut {
    let mut bytes = BytesMut::new();
    crate::wire::encode_connect(&handshake(), &connect(), &mut bytes).expect("it is valid");
    bytes
}
