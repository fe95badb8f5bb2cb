//! Files of all kinds, and files that change.

use rustls::HandshakeKind;

use super::*;

#[track_caller]
fn check_refused(options: &TlsOptions, expect: &str) {
    let error = options.check().expect_err("it cannot be used").to_string();
    assert_eq!(error, expect);
    let client = TlsClient::new(options.clone(), Arc::new(Clock));
    assert_eq!(client.begin().expect_err("nor then"), expect);
}

#[test]
fn certificates_and_keys_of_every_form() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let issued = ca.issue(&["gateway"]);
    let der = TlsIdentity {
        certificate: files.write("gateway.der", issued.certificate.der()),
        key: files.write("key.der", issued.key.serialize_der()),
    };
    for identity in [files.identity(&issued), der] {
        let options = TlsOptions {
            ca_file: Some(files.write("ca.der", ca.der())),
            identity: Some(identity),
            ..files.trusting(&ca)
        };
        assert_eq!(options.check(), Ok(()));
    }
    for (certificate, key) in [
        (
            include_bytes!("keys/rsa.pem").as_slice(),
            include_bytes!("keys/rsa-pkcs1.key").as_slice(),
        ),
        (
            include_bytes!("keys/ec.pem"),
            include_bytes!("keys/ec-sec1.key"),
        ),
    ] {
        let identity = TlsIdentity {
            certificate: files.write("c", certificate),
            key: files.write("k", key),
        };
        let options = TlsOptions {
            identity: Some(identity),
            ..files.trusting(&ca)
        };
        assert_eq!(options.check(), Ok(()));
    }
}

#[test]
fn files_that_cannot_be_used() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let (issued, other) = (ca.issue(&["gateway"]), ca.issue(&["gateway"]));
    let good = TlsOptions {
        identity: Some(files.identity(&issued)),
        ..files.trusting(&ca)
    };
    let place = files.0.path().display();

    let with_ca = |content: &[u8]| TlsOptions {
        ca_file: Some(files.write("other.pem", content)),
        ..good.clone()
    };
    for (content, what) in [
        (b"".as_slice(), "holds no certificate"),
        (b"hello", "holds no certificate"),
        (
            issued.key.serialize_pem().as_bytes(),
            "holds no certificate",
        ),
        (
            b"\x30\x03abc",
            "holds a certificate that cannot be understood",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\nAAAA\n",
            "is damaged: its end is missing",
        ),
        (
            b"-----BEGIN CERTIFICATE-----\n%%%%\n-----END CERTIFICATE-----\n",
            "is damaged: it is no PEM",
        ),
    ] {
        check_refused(
            &with_ca(content),
            &format!("CA file {place}/other.pem {what}"),
        );
    }

    let with_key = |content: &[u8]| {
        let key = files.write("other.key", content);
        let certificate = files.write("gateway.pem", issued.certificate.pem());
        TlsOptions {
            identity: Some(TlsIdentity { certificate, key }),
            ..good.clone()
        }
    };
    const ENCRYPTED: &str = "holds an encrypted key, which the gateway cannot read; \
        write it without a passphrase, e.g. with `openssl pkey`";
    for (content, what) in [
        (issued.certificate.pem().as_bytes(), "holds no private key"),
        (b"hello", "holds no private key"),
        (
            other.key.serialize_pem().as_bytes(),
            "does not belong to the certificate in tls.certificate-file",
        ),
        (
            b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n",
            ENCRYPTED,
        ),
        (
            b"-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END RSA PRIVATE KEY-----\n",
            ENCRYPTED,
        ),
        (
            b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
            "holds a key of a kind that TLS does not know here",
        ),
    ] {
        check_refused(&with_key(content), &format!("key file {place}/other.key {what}"));
    }

    let missing = TlsOptions {
        ca_file: Some(files.0.path().join("missing")),
        ..good.clone()
    };
    check_refused(
        &missing,
        &format!("CA file {place}/missing cannot be read: No such file or directory (os error 2)"),
    );
    let directory = TlsOptions {
        ca_file: Some(files.0.path().to_owned()),
        ..good
    };
    check_refused(
        &directory,
        &format!("CA file {place} is not a regular file"),
    );
}

#[test]
fn a_key_that_others_can_read() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let options = TlsOptions {
        identity: Some(files.identity(&ca.issue(&["gateway"]))),
        ..files.trusting(&ca)
    };
    let key = files.0.path().join("gateway.key");
    for mode in [0o644, 0o640, 0o604, 0o620, 0o601] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("it is ours");
        let key = key.display();
        check_refused(
            &options,
            &format!(
                "key file {key} is open to other users (mode {mode:o}); run `chmod 600 {key}`"
            ),
        );
    }
    for mode in [0o600, 0o400] {
        fs::set_permissions(&key, fs::Permissions::from_mode(mode)).expect("it is ours");
        assert_eq!(options.check(), Ok(()));
    }
}

#[test]
fn a_session_is_resumed_until_a_file_changes() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let options = TlsOptions {
        identity: Some(files.identity(&ca.issue(&["gateway"]))),
        ..files.trusting(&ca)
    };
    let client = TlsClient::new(options, Arc::new(Clock));
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        let mut server = server(&ca.issue(&["broker"]), &[version], Some(&ca));
        server.session_storage = rustls::server::ServerSessionMemoryCache::new(4);
        let kind = || {
            let mut pair = Pair::new(&client, &server);
            pair.run().expect("they understand each other");
            pair.server.handshake_kind()
        };
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        // Rotated.
        files.identity(&ca.issue(&["gateway"]));
        assert_eq!(kind(), Some(HandshakeKind::Full));
        assert_eq!(kind(), Some(HandshakeKind::Resumed));
        files.write("gateway.key", "");
        client.begin().expect_err("it cannot be used");
        files.identity(&ca.issue(&["gateway"]));
        assert_eq!(kind(), Some(HandshakeKind::Full));
    }
}
