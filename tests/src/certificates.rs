//! Certificates for brokers and gateways of tests.

use std::fmt;
use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, date_time_ymd,
};
use tempfile::TempDir;

/// A directory with a certificate authority in it, `ca.pem`, and what it issues.
pub struct Certificates {
    directory: TempDir,
    ca: CertifiedIssuer<'static, KeyPair>,
}

impl Certificates {
    /// A new authority, that nobody knows, with a certificate for a broker at
    /// 127.0.0.1 and `localhost`: `broker.pem` and `broker.key`. With
    /// `openssl.cnf`, OpenSSL speaks no version above TLS 1.2.
    pub fn new() -> Self {
        let directory = TempDir::new().expect("there is a place for temporary files");
        let mut params = CertificateParams::default();
        let name = format!("CA of {}", directory.path().display());
        params.distinguished_name.push(DnType::CommonName, name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let ca = CertifiedIssuer::self_signed(params, new_key()).expect("it is valid");
        let certificates = Self { directory, ca };
        write(certificates.path("ca.pem"), &certificates.ca.pem());
        write(
            certificates.path("openssl.cnf"),
            "openssl_conf = a\n[a]\nssl_conf = b\n[b]\nsystem_default = c\n\
             [c]\nMaxProtocol = TLSv1.2\n",
        );
        certificates.issue("broker", &["127.0.0.1", "localhost"]);
        certificates
    }

    /// Where a file of this name is.
    pub fn path(&self, name: &str) -> String {
        self.directory.path().join(name).display().to_string()
    }

    /// Issues a certificate for these names: `NAME.pem` and `NAME.key`, in the
    /// place of older ones.
    pub fn issue(&self, name: &str, names: &[&str]) {
        self.issue_between(name, names, 1975, 4096);
    }

    /// The same, valid from the beginning of one year to that of another.
    pub fn issue_between(&self, name: &str, names: &[&str], from: i32, until: i32) {
        let names: Vec<_> = names.iter().copied().map(str::to_owned).collect();
        let mut params = CertificateParams::new(names).expect("they are names");
        params.distinguished_name.push(DnType::CommonName, name);
        params.not_before = date_time_ymd(from, 1, 1);
        params.not_after = date_time_ymd(until, 1, 1);
        params.extended_key_usages = vec![
            ExtendedKeyUsagePurpose::ServerAuth,
            ExtendedKeyUsagePurpose::ClientAuth,
        ];
        let key = new_key();
        let certificate = params.signed_by(&key, &self.ca).expect("it is valid");
        write(self.path(&format!("{name}.pem")), &certificate.pem());
        write(self.path(&format!("{name}.key")), &key.serialize_pem());
    }

    /// The lines that have a mosquitto speak TLS on this port.
    pub(crate) fn for_broker(&self, port: u16) -> String {
        format!(
            // Started by root, it would turn into somebody who may not read them.
            "user root\nallow_anonymous true\nlistener {port} 127.0.0.1\n\
             cafile {}\ncertfile {}\nkeyfile {}\n",
            self.path("ca.pem"),
            self.path("broker.pem"),
            self.path("broker.key"),
        )
    }
}

impl Default for Certificates {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificates")
            .field(&self.directory)
            .finish()
    }
}

fn new_key() -> KeyPair {
    KeyPair::generate().expect("there is randomness")
}

fn write(path: impl AsRef<Path>, content: &str) {
    let path = path.as_ref();
    fs::write(path, content).expect("it can be written");
    fs::set_permissions(path, Permissions::from_mode(0o600)).expect("it is ours");
}
