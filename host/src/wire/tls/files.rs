//! The files of TLS: certificates and keys, PEM or DER.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use rustls::pki_types::pem::{self, PemObject};
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::wire::open_to_others;

/// No such file is larger, in bytes: the CAs of a system are a quarter of one MiB.
const MAX: u64 = 4 << 20;

/// Who the gateway is to the broker, as files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsIdentity {
    /// Its certificate, with those between it and a CA that the broker knows.
    pub certificate: PathBuf,
    /// The private key of that: PKCS#8, SEC1 or PKCS#1, not encrypted.
    pub key: PathBuf,
}

/// Which file is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TlsFile {
    /// `tls.ca-file`.
    Ca,
    /// `tls.certificate-file`.
    Certificate,
    /// `tls.key-file`.
    Key,
}

/// What is wrong with a file. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFileError {
    /// Which one.
    pub file: TlsFile,
    /// Where it is.
    pub path: PathBuf,
    /// What is wrong with it, as what is said after its name.
    pub what: String,
}

impl fmt::Display for TlsFileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.file {
            TlsFile::Ca => "CA",
            TlsFile::Certificate => "certificate",
            TlsFile::Key => "key",
        };
        write!(f, "{kind} file {} {}", self.path.display(), self.what)
    }
}

impl std::error::Error for TlsFileError {}

impl TlsFile {
    /// Reads it. A key must be one that no other user can read.
    pub(super) fn read(self, path: &Path) -> Result<Vec<u8>, TlsFileError> {
        let unreadable = |error| self.error(path, format!("cannot be read: {error}"));
        // A pipe could not be read a second time, and might be waited for.
        if !fs::metadata(path).map_err(unreadable)?.is_file() {
            return Err(self.error(path, "is not a regular file".into()));
        }
        let file = File::open(path).map_err(unreadable)?;
        let about = file.metadata().map_err(unreadable)?;
        if self == Self::Key
            && let Some(mode) = open_to_others(&about)
        {
            let path_shown = path.display();
            let what =
                format!("is open to other users (mode {mode:o}); run `chmod 600 {path_shown}`");
            return Err(self.error(path, what));
        }
        let mut bytes = Vec::new();
        file.take(MAX + 1)
            .read_to_end(&mut bytes)
            .map_err(unreadable)?;
        if bytes.len() as u64 > MAX {
            return Err(self.error(path, "is larger than 4 MiB".into()));
        }
        Ok(bytes)
    }

    pub(super) fn error(self, path: &Path, what: String) -> TlsFileError {
        TlsFileError {
            file: self,
            path: path.to_owned(),
            what,
        }
    }
}

/// The certificates in a file, at least one; else what is wrong with the file.
pub(super) fn certificates(bytes: &[u8]) -> Result<Vec<CertificateDer<'static>>, String> {
    if !is_pem(bytes) {
        return match bytes.first() {
            // What every certificate begins with.
            Some(0x30) => Ok(vec![CertificateDer::from(bytes.to_vec())]),
            _ => Err("holds no certificate".into()),
        };
    }
    let certificates: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    match certificates.map_err(|error| damaged(&error))? {
        none if none.is_empty() => Err("holds no certificate".into()),
        certificates => Ok(certificates),
    }
}

/// The private key in a file; else what is wrong with the file.
pub(super) fn key(bytes: &[u8]) -> Result<PrivateKeyDer<'static>, String> {
    const ENCRYPTED: &str = "holds an encrypted key, which the gateway cannot read; \
        write it without a passphrase, e.g. with `openssl pkey`";
    let holds = |text: &str| {
        bytes
            .windows(text.len())
            .any(|part| part == text.as_bytes())
    };
    if !is_pem(bytes) {
        let key = PrivateKeyDer::try_from(bytes.to_vec());
        return key.map_err(|_| "holds no private key".into());
    }
    if holds("-----BEGIN ENCRYPTED PRIVATE KEY-----") || holds("Proc-Type: 4,ENCRYPTED") {
        return Err(ENCRYPTED.into());
    }
    PrivateKeyDer::from_pem_slice(bytes).map_err(|error| match error {
        pem::Error::NoItemsFound => "holds no private key".into(),
        error => damaged(&error),
    })
}

/// The error is not shown: it may hold a line of the file.
fn damaged(error: &pem::Error) -> String {
    match error {
        pem::Error::MissingSectionEnd { .. } => "is damaged: its end is missing".into(),
        _ => "is damaged: it is no PEM".into(),
    }
}

fn is_pem(bytes: &[u8]) -> bool {
    const BEGIN: &[u8] = b"-----BEGIN ";
    bytes.windows(BEGIN.len()).any(|part| part == BEGIN)
}
