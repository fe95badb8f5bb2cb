//! How the connection is secured.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use rustls::pki_types::ServerName;
use tempfile::TempDir;

use super::*;
use crate::wire::certificates::Ca;
use crate::wire::{Address, TlsIdentity, TlsOptions, TlsVersion};

const SERVER: &str = "server = 'mqtts://broker'\n";

fn options(server_name: &str) -> TlsOptions {
    TlsOptions {
        ca_file: None,
        identity: None,
        alpn: Vec::new(),
        server_name: ServerName::try_from(server_name.to_owned()).unwrap(),
        min_version: TlsVersion::Tls12,
    }
}

/// Checks what these lines mean for `mqtts://broker`.
#[track_caller]
fn check_tls(lines: &str, change: impl FnOnce(&mut TlsOptions)) {
    let mut expect = options("broker");
    change(&mut expect);
    let config = load(&format!("{SERVER}{lines}")).unwrap();
    assert_eq!(config.servers[0].tls, Some(expect), "{lines}");
}

#[track_caller]
fn check_tls_refused(lines: &str, expect: &str) {
    check_refused(&format!("{SERVER}{lines}"), expect);
}

#[test]
fn a_server_needs_no_more_than_its_address() {
    for (server, host, port) in [
        ("broker", "broker", 8883),
        ("my_broker:443", "my_broker", 443),
        ("192.168.0.1", "192.168.0.1", 8883),
        ("[::1]:1", "::1", 1),
    ] {
        check(&format!("server = 'mqtts://{server}'"), |c| {
            let host = host.to_owned();
            c.servers[0].tls = Some(options(&host));
            c.servers[0].address = Address { host, port };
        });
    }
    let config = load("server = 'mqtts://[fe80::1%eth0]'").unwrap();
    assert_eq!(config.servers[0].tls, Some(options("fe80::1")));
}

#[test]
fn each_key_of_tls_is_read() {
    check_tls("[tls]", |_| {});
    check_tls("tls.alpn = ['a', 'b']", |o| {
        o.alpn = vec!["a".into(), "b".into()];
    });
    check_tls("tls.alpn = []", |_| {});
    check_tls("tls.min-version = '1.2'", |_| {});
    check_tls("tls.min-version = '1.3'", |o| {
        o.min_version = TlsVersion::Tls13;
    });
    for name in ["other.example", "127.0.0.1"] {
        check_tls(&format!("tls.server-name = '{name}'"), |o| {
            o.server_name = ServerName::try_from(name).unwrap();
        });
    }
}

#[test]
fn tls_needs_a_server_that_speaks_it() {
    let reason =
        "tls: is for a server that begins with mqtts:// or wss://, which this one does not";
    check_refused("[tls]", &format!("1:1: {reason}"));
    check_refused(
        "server = 'mqtt://broker'\n[tls]\nca-file = 'ca.pem'",
        &format!("2:1: {reason}"),
    );
    let error = load_with("", &[("JACKALOPE_TLS_MIN_VERSION", "1.3")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "JACKALOPE_TLS_MIN_VERSION: is for a server that begins with mqtts:// or wss://, \
         which this one does not"
    );
}

#[test]
fn wrong_values_of_tls() {
    let version = r#"is not a version of TLS; write "1.2" or "1.3""#;
    for (value, shown) in [("1.2", "1.2"), ("'1.1'", "\"1.1\""), ("'TLS'", "\"TLS\"")] {
        check_tls_refused(
            &format!("tls.min-version = {value}"),
            &format!("2:19: tls.min-version: {shown} {version}"),
        );
    }
    let alpn = r#"is not a list of protocols of 1 to 255 bytes; write e.g. ["mqtt"]"#;
    let long = format!("['{}']", "x".repeat(256));
    for (value, shown) in [
        ("'mqtt'", "\"mqtt\""),
        ("['']", "a list"),
        ("[1]", "a list"),
        (&long, "a list"),
    ] {
        check_tls_refused(
            &format!("tls.alpn = {value}"),
            &format!("2:12: tls.alpn: {shown} {alpn}"),
        );
    }
    check_tls_refused(
        "tls.server-name = 'a b'",
        r#"2:19: tls.server-name: "a b" is no name that a certificate can be for"#,
    );
    check_refused(
        "server = 'mqtts://-a'",
        r#"1:10: server: "-a" is no name that a certificate can be for; say one in tls.server-name"#,
    );
    check_tls_refused(
        "tls.key-file = 'k'",
        "2:16: tls.key-file: needs tls.certificate-file, too",
    );
    check_tls_refused(
        "tls.certificate-file = 'c'",
        "2:24: tls.certificate-file: needs tls.key-file, too",
    );
    for key in ["ca-file", "certificate-file", "key-file"] {
        let others = match key {
            "ca-file" => "",
            "key-file" => "tls.certificate-file = 'c'\n",
            _ => "tls.key-file = 'k'\n",
        };
        let error = load(&format!("{SERVER}{others}tls.{key} = ''")).unwrap_err();
        let expect = format!("tls.{key}: \"\" is not a path");
        assert!(error.to_string().ends_with(&expect), "{error}");
    }
    check_tls_refused(
        "tls.ca-file = 'missing.pem'",
        "2:15: tls.ca-file: \"missing.pem\" cannot be read: \
         No such file or directory (os error 2)",
    );
}

/// A directory with the files of a gateway, and a configuration in it.
struct Disk(TempDir);

impl Disk {
    fn new() -> Self {
        let disk = Self(tempfile::tempdir().unwrap());
        let ca = Ca::new("ours");
        let issued = ca.issue(&["gateway"]);
        disk.write("ca.pem", &ca.pem(), 0o644);
        disk.write("c.pem", &issued.certificate.pem(), 0o644);
        disk.write("k.pem", &issued.key.serialize_pem(), 0o600);
        disk
    }

    fn write(&self, name: &str, content: &str, mode: u32) {
        let path = self.path(name);
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn load(&self, lines: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
        self.write("j.toml", &format!("{SERVER}{lines}"), 0o644);
        let variables = variables
            .iter()
            .map(|(name, value)| (name.into(), value.into()));
        Config::load(Some(&self.path("j.toml")), variables)
    }

    fn all(&self) -> TlsOptions {
        TlsOptions {
            ca_file: Some(self.path("ca.pem")),
            identity: Some(TlsIdentity {
                certificate: self.path("c.pem"),
                key: self.path("k.pem"),
            }),
            ..options("broker")
        }
    }
}

const FILES: &str = "[tls]\nca-file = 'ca.pem'\ncertificate-file = 'c.pem'\nkey-file = 'k.pem'\n";

#[test]
fn files_of_tls_are_beside_the_configuration() {
    let disk = Disk::new();
    assert_eq!(
        disk.load(FILES, &[]).unwrap().servers[0].tls.clone(),
        Some(disk.all())
    );
}

#[test]
fn variables_of_tls_go_before_the_file() {
    let disk = Disk::new();
    let [ca, certificate, key] = ["ca.pem", "c.pem", "k.pem"].map(|name| disk.path(name));
    let variables = [
        ("JACKALOPE_TLS_CA_FILE", ca.to_str().unwrap()),
        (
            "JACKALOPE_TLS_CERTIFICATE_FILE",
            certificate.to_str().unwrap(),
        ),
        ("JACKALOPE_TLS_KEY_FILE", key.to_str().unwrap()),
        ("JACKALOPE_TLS_SERVER_NAME", "other"),
        ("JACKALOPE_TLS_ALPN", "a,b"),
        ("JACKALOPE_TLS_MIN_VERSION", "1.3"),
    ];
    let expect = TlsOptions {
        alpn: vec!["a".into(), "b".into()],
        min_version: TlsVersion::Tls13,
        server_name: ServerName::try_from("other").unwrap(),
        ..disk.all()
    };
    let file = FILES.replace(".pem", ".missing");
    for lines in ["", &file] {
        let config = disk.load(lines, &variables).unwrap();
        assert_eq!(config.servers[0].tls, Some(expect.clone()), "{lines}");
    }
    let mut known: Vec<_> = variables.map(|(name, _)| name).to_vec();
    known.sort_unstable();
    let mut all: Vec<_> = env::names()
        .filter(|name| name.starts_with("JACKALOPE_TLS_"))
        .collect();
    all.sort_unstable();
    assert_eq!(known, all);
}

#[test]
fn files_that_do_not_do() {
    let disk = Disk::new();
    let refused = |line: &str| {
        let error = disk.load(FILES, &[]).unwrap_err().to_string();
        assert_eq!(error, format!("{}:{line}", disk.path("j.toml").display()));
    };
    let other = Ca::new("theirs").issue(&["gateway"]);
    disk.write("k.pem", &other.key.serialize_pem(), 0o600);
    refused(
        "5:12: tls.key-file: \"k.pem\" does not belong to the certificate in tls.certificate-file",
    );
    disk.write("k.pem", &other.key.serialize_pem(), 0o644);
    refused(&format!(
        "5:12: tls.key-file: \"k.pem\" is open to other users (mode 644); run `chmod 600 {}`",
        disk.path("k.pem").display()
    ));
    disk.write("c.pem", "", 0o644);
    disk.write("k.pem", "", 0o600);
    refused("4:20: tls.certificate-file: \"c.pem\" holds no certificate");
    disk.write("ca.pem", "", 0o644);
    refused("3:11: tls.ca-file: \"ca.pem\" holds no certificate");
}
