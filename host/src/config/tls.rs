//! How the connection is secured.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use rustls::pki_types::ServerName;
use toml::Value;

use super::entry::{Entry, Origin, Refusal};
use super::file::{Tls, Written};
use super::resolve::{path, set};
use crate::wire::{TlsFile, TlsIdentity, TlsOptions, TlsVersion};

/// Refuses what is written of TLS, where there is no server for it: whoever wrote
/// it takes the connection for secure.
pub(super) fn refuse(written: &Written) -> Result<(), Refusal> {
    match &written.tls {
        None => Ok(()),
        Some(table) => Err(Refusal {
            origin: a_variable(&table.keys).unwrap_or(Origin::File(table.span.clone())),
            key: "tls",
            reason: "is for a server that begins with mqtts:// or wss://, which this one does not"
                .into(),
        }),
    }
}

/// What is written of TLS to this host, after a look into the files that it names.
pub(super) fn resolve(
    written: &Written,
    host: &str,
    directory: &Path,
) -> Result<TlsOptions, Refusal> {
    let table = written.tls.as_ref();
    let none = Tls::default();
    let keys = table.map_or(&none, |table| &table.keys);
    let mut options = TlsOptions {
        ca_file: None,
        identity: identity(keys, directory)?,
        alpn: Vec::new(),
        server_name: server_name(written, keys, host)?,
        min_version: TlsVersion::Tls12,
    };
    let ca_file = |entry: &Entry| file(entry, directory).map(Some);
    set(&mut options.ca_file, &keys.ca_file, "tls.ca-file", ca_file)?;
    set(&mut options.alpn, &keys.alpn, "tls.alpn", alpn)?;
    set(
        &mut options.min_version,
        &keys.min_version,
        "tls.min-version",
        version,
    )?;
    check_files(keys, &options)?;
    Ok(options)
}

fn file(entry: &Entry, directory: &Path) -> Result<PathBuf, String> {
    Ok(entry.place(directory, path(entry)?))
}

fn identity(keys: &Tls, directory: &Path) -> Result<Option<TlsIdentity>, Refusal> {
    const CERTIFICATE: &str = "tls.certificate-file";
    const KEY: &str = "tls.key-file";
    match (&keys.certificate_file, &keys.key_file) {
        (None, None) => Ok(None),
        (Some(entry), None) => Err(entry.refuse(CERTIFICATE, format!("needs {KEY}, too"))),
        (None, Some(entry)) => Err(entry.refuse(KEY, format!("needs {CERTIFICATE}, too"))),
        (Some(certificate), Some(key)) => Ok(Some(TlsIdentity {
            certificate: file(certificate, directory)
                .map_err(|reason| certificate.refuse(CERTIFICATE, reason))?,
            key: file(key, directory).map_err(|reason| key.refuse(KEY, reason))?,
        })),
    }
}

/// Whom the certificate must be for: who is named, else the broker's host.
fn server_name(written: &Written, keys: &Tls, host: &str) -> Result<ServerName<'static>, Refusal> {
    const NO_NAME: &str = "is no name that a certificate can be for";
    if let Some(entry) = &keys.server_name {
        let name = entry
            .text()
            .and_then(|text| ServerName::try_from(text.to_owned()).map_err(|_| entry.but(NO_NAME)));
        return name.map_err(|reason| entry.refuse("tls.server-name", reason));
    }
    // The zone of an address is this machine's affair.
    let host = host.split_once('%').map_or(host, |(address, _)| address);
    let refused = || {
        let origin = written.server.as_ref().map(|entry| entry.origin.clone());
        Refusal {
            origin: origin.unwrap_or(Origin::File(0..0)),
            key: "server",
            reason: format!("{host:?} {NO_NAME}; say one in tls.server-name"),
        }
    };
    match host.parse::<IpAddr>() {
        Ok(address) => Ok(ServerName::from(address)),
        Err(_) => ServerName::try_from(host.to_owned()).map_err(|_| refused()),
    }
}

/// A list of names; in a variable with commas between them.
fn alpn(entry: &Entry) -> Result<Vec<String>, String> {
    let texts: Option<Vec<&str>> = match (&entry.value, &entry.origin) {
        (Value::Array(values), _) => values.iter().map(Value::as_str).collect(),
        (Value::String(text), Origin::Variable(_)) => Some(text.split(',').collect()),
        _ => None,
    };
    let texts = texts.filter(|texts| texts.iter().all(|text| (1..=255).contains(&text.len())));
    let texts = texts.ok_or_else(|| {
        entry.but(r#"is not a list of protocols of 1 to 255 bytes; write e.g. ["mqtt"]"#)
    })?;
    Ok(texts.into_iter().map(str::to_owned).collect())
}

fn version(entry: &Entry) -> Result<TlsVersion, String> {
    match entry.value.as_str() {
        Some("1.2") => Ok(TlsVersion::Tls12),
        Some("1.3") => Ok(TlsVersion::Tls13),
        _ => Err(entry.but(r#"is not a version of TLS; write "1.2" or "1.3""#)),
    }
}

fn check_files(keys: &Tls, options: &TlsOptions) -> Result<(), Refusal> {
    options.check().map_err(|error| {
        let (entry, key) = match error.file {
            TlsFile::Ca => (&keys.ca_file, "tls.ca-file"),
            TlsFile::Certificate => (&keys.certificate_file, "tls.certificate-file"),
            TlsFile::Key => (&keys.key_file, "tls.key-file"),
        };
        match entry {
            Some(entry) => entry.refuse(key, entry.but(error.what)),
            None => Refusal {
                origin: Origin::File(0..0),
                key,
                reason: error.to_string(),
            },
        }
    })
}

/// Where the table is written, if it is not in the file.
fn a_variable(keys: &Tls) -> Option<Origin> {
    let entries = [
        &keys.ca_file,
        &keys.certificate_file,
        &keys.key_file,
        &keys.server_name,
        &keys.alpn,
        &keys.min_version,
    ];
    let mut origins = entries.into_iter().flatten().map(|entry| &entry.origin);
    origins
        .find(|origin| matches!(origin, Origin::Variable(_)))
        .cloned()
}
