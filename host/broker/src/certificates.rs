//! Certificates that a broker makes for itself.

use std::error::Error;
use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};

/// Whom a broker is taken for, and a client by it: a certificate authority that
/// nobody else knows, and what it has issued. New ones each time.
#[derive(Debug, Clone)]
pub struct Certificates {
    ca: String,
    broker: Issued,
    client: Issued,
}

#[derive(Debug, Clone)]
struct Issued {
    certificate: String,
    key: String,
}

impl Certificates {
    /// Makes them: for a broker at `localhost`, 127.0.0.1 and ::1, and for a client.
    ///
    /// # Errors
    /// There is no randomness.
    pub fn new() -> Result<Self, rcgen::Error> {
        let mut params = CertificateParams::default();
        params.distinguished_name = rcgen::DistinguishedName::new();
        let key = KeyPair::generate()?;
        // With a name of its own, one of an earlier start is unknown and not forged.
        let own: u64 = key
            .public_key_raw()
            .iter()
            .rev()
            .take(8)
            .fold(0, |own, byte| (own << 8) | u64::from(*byte));
        let name = format!("CA of a fake broker, {own:x}");
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = CertifiedIssuer::self_signed(params, key)?;
        let names = ["localhost", "127.0.0.1", "::1"];
        let server = ExtendedKeyUsagePurpose::ServerAuth;
        Ok(Self {
            broker: issue(&ca, "fake broker", &names, server)?,
            client: issue(&ca, "client", &[], ExtendedKeyUsagePurpose::ClientAuth)?,
            ca: ca.pem(),
        })
    }

    /// The authority's certificate, in PEM: what a client has to trust.
    pub fn ca(&self) -> &str {
        &self.ca
    }

    /// A certificate for a client and its key, in PEM.
    pub fn client(&self) -> (&str, &str) {
        (&self.client.certificate, &self.client.key)
    }

    /// Writes what clients need into a directory: `ca.pem`, `client.pem` and
    /// `client.key`, which only this user can read. Files of these names are
    /// replaced.
    ///
    /// # Errors
    /// A file cannot be written.
    pub fn write_to(&self, directory: &Path) -> io::Result<()> {
        fs::write(directory.join("ca.pem"), &self.ca)?;
        fs::write(directory.join("client.pem"), &self.client.certificate)?;
        let key = directory.join("client.key");
        // One that is there may be open to others.
        match fs::remove_file(&key) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(key)?;
        file.write_all(self.client.key.as_bytes())
    }

    /// What a server needs of them. With `demands_client`, who shows no certificate of
    /// this authority is let go.
    pub(crate) fn server(
        &self,
        demands_client: bool,
    ) -> Result<ServerConfig, Box<dyn Error + Send + Sync>> {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()?;
        let builder = if demands_client {
            let mut roots = RootCertStore::empty();
            roots.add(certificate(&self.ca)?)?;
            let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
            builder.with_client_cert_verifier(verifier.build()?)
        } else {
            builder.with_no_client_auth()
        };
        let chain = vec![certificate(&self.broker.certificate)?];
        let key = PrivateKeyDer::from_pem_slice(self.broker.key.as_bytes())?;
        Ok(builder.with_single_cert(chain, key)?)
    }
}

fn issue(
    ca: &CertifiedIssuer<'_, KeyPair>,
    name: &str,
    names: &[&str],
    usage: ExtendedKeyUsagePurpose,
) -> Result<Issued, rcgen::Error> {
    let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.extended_key_usages = vec![usage];
    let key = KeyPair::generate()?;
    Ok(Issued {
        certificate: params.signed_by(&key, ca)?.pem(),
        key: key.serialize_pem(),
    })
}
