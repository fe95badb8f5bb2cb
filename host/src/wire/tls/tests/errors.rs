//! What does not fit together, and what is said of it.

use rcgen::{BasicConstraints, IsCa, date_time_ymd};

use super::*;

/// What a gateway with these options says of this server.
#[track_caller]
fn failure(options: TlsOptions, server: &ServerConfig) -> String {
    let client = TlsClient::new(options, Arc::new(Clock));
    let mut pair = Pair::new(&client, server);
    let error = pair.run().expect_err("they do not fit together");
    assert!(pair.opened.is_empty(), "nothing was said to the server");
    error.to_string()
}

/// The same, when the certificate of the server is the fault.
#[track_caller]
fn check_certificate(
    names: &[&str],
    change: impl FnOnce(&mut rcgen::CertificateParams),
    expect: &str,
) {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let server = server(&ca.issue_with(names, change), rustls::ALL_VERSIONS, None);
    assert_eq!(failure(files.trusting(&ca), &server), expect);
}

#[test]
fn a_stranger() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let server = server(
        &Ca::new("theirs").issue(&["broker"]),
        rustls::ALL_VERSIONS,
        None,
    );
    assert_eq!(
        failure(files.trusting(&ca), &server),
        "the broker's certificate is signed by no CA of tls.ca-file"
    );
    let namesake = Ca::new("ours").issue(&["broker"]);
    assert_eq!(
        failure(
            files.trusting(&ca),
            &super::server(&namesake, rustls::ALL_VERSIONS, None)
        ),
        "the broker's certificate is signed by a CA that has the name of a trusted one \
         but another key; was the CA made anew?"
    );
    assert_eq!(
        TlsError::UnknownIssuer(Trust::System).to_string(),
        "the broker's certificate is signed by no CA that this machine knows; \
         if it is your own CA, name its certificate in tls.ca-file"
    );
}

#[test]
fn a_certificate_out_of_time() {
    check_certificate(
        &["broker"],
        |params| params.not_after = date_time_ymd(2026, 11, 24),
        "the broker's certificate expired at 2026-11-24 00:00:00 UTC; \
         this machine's clock says 2026-11-25 03:00:00 UTC",
    );
    check_certificate(
        &["broker"],
        |params| params.not_before = date_time_ymd(2026, 11, 26),
        "this machine's clock is behind: it says 2026-11-25 03:00:00 UTC, \
         and the broker's certificate is valid from 2026-11-26 00:00:00 UTC on",
    );
}

#[test]
fn a_certificate_for_others() {
    check_certificate(
        &["a.example", "127.0.0.1"],
        |_| {},
        "the broker's certificate is for a.example, 127.0.0.1 and not for broker; \
         if that is the right broker, say its name in tls.server-name",
    );
    check_certificate(
        &[],
        |_| {},
        "the broker's certificate is for no name at all (subjectAltName), so not for broker",
    );
}

#[test]
fn a_certificate_of_an_authority() {
    check_certificate(
        &["broker"],
        |params| params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained),
        "the broker's certificate is that of a CA (CA:TRUE), which no server may use; \
         give the broker one that the CA has signed",
    );
}

/// What is said to a gateway without a certificate, or with one of a stranger.
#[track_caller]
fn check_identity(
    version: &'static rustls::SupportedProtocolVersion,
    identity: Option<&Issued>,
    expect: &str,
) {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let server = server(&ca.issue(&["broker"]), &[version], Some(&ca));
    let options = TlsOptions {
        identity: identity.map(|issued| files.identity(issued)),
        ..files.trusting(&ca)
    };
    assert_eq!(failure(options, &server), expect);
}

#[test]
fn a_server_that_wants_a_certificate() {
    let theirs = Ca::new("theirs").issue(&["gateway"]);
    for version in [&rustls::version::TLS12, &rustls::version::TLS13] {
        check_identity(
            version,
            None,
            "the broker wants a certificate of this gateway; \
             name it in tls.certificate-file and tls.key-file",
        );
        check_identity(
            version,
            Some(&theirs),
            "the broker refused the certificate of tls.certificate-file: it does not know the CA",
        );
    }
}

#[test]
fn a_certificate_of_the_gateway_out_of_time() {
    let ca = Ca::new("ours");
    let expired = ca.issue_with(&["gateway"], |params| {
        params.not_after = date_time_ymd(2026, 11, 24);
    });
    let (files, server) = (
        Files::new(),
        server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, Some(&ca)),
    );
    let options = TlsOptions {
        identity: Some(files.identity(&expired)),
        ..files.trusting(&ca)
    };
    assert_eq!(
        failure(options, &server),
        "the broker refused the certificate of tls.certificate-file: it has expired"
    );
}

#[test]
fn no_version_in_common() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let server = server(&ca.issue(&["broker"]), &[&rustls::version::TLS12], None);
    let options = TlsOptions {
        min_version: TlsVersion::Tls13,
        ..files.trusting(&ca)
    };
    assert_eq!(
        failure(options, &server),
        "the broker speaks no version of TLS that tls.min-version allows"
    );
}

#[test]
fn no_protocol_in_common() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let mut server = server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None);
    server.alpn_protocols = vec![b"http/1.1".to_vec()];
    let options = |alpn: &str| TlsOptions {
        alpn: vec![alpn.into()],
        ..files.trusting(&ca)
    };
    assert_eq!(
        failure(options("mqtt"), &server),
        "the broker speaks no protocol of tls.alpn"
    );
    let client = TlsClient::new(options("http/1.1"), Arc::new(Clock));
    let mut pair = Pair::new(&client, &server);
    pair.run().expect("they understand each other");
    assert_eq!(pair.server.alpn_protocol(), Some(&b"http/1.1"[..]));
}

fn pair() -> Pair {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    Pair::new(
        &client,
        &server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None),
    )
}

#[test]
fn a_server_that_does_not_speak_tls() {
    for answer in [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        "SSH-2.0-x\r\n",
        " \u{2}\0\0aaaaaa",
    ] {
        let mut pair = pair();
        pair.take(usize::MAX);
        let error = pair.bring(answer.as_bytes()).expect_err("it is no TLS");
        assert_eq!(
            error.to_string(),
            "the server does not speak TLS on this port; \
             without TLS, its address begins with mqtt:// or ws://"
        );
    }
}

#[test]
fn a_server_that_hangs_up() {
    let mut pair = pair();
    let shown = |pair: &Pair| {
        let ended = pair.transport.ended(Disconnection::Closed);
        ended.to_string()
    };
    assert_eq!(
        shown(&pair),
        "the server closed the connection without a word of TLS; \
         perhaps there is no TLS on this port (mqtt:// or ws://)"
    );
    let hello = pair.take(usize::MAX);
    pair.give_to_server(&hello);
    let mut bytes = Vec::new();
    pair.server
        .write_tls(&mut bytes)
        .expect("a vector takes all");
    pair.bring(&bytes[..10]).expect("it is TLS so far");
    assert_eq!(
        shown(&pair),
        "the broker closed the connection within the TLS handshake"
    );
}

#[test]
fn a_server_of_tls_that_is_spoken_to_without() {
    let transport = Transport::new(
        at(0),
        Version::V4,
        &handshake(),
        &connect(),
        Pace::default(),
        Layers::default(),
    );
    let mut transport = transport.expect("it can be encoded");
    let alert = [0x15, 3, 3, 0, 2, 2, 70];
    transport
        .room_for_input()
        .expect("nothing was read")
        .extend_from_slice(&alert);
    transport.handle_read().expect("there is no TLS");
    let error = transport.poll_packet().expect_err("it is no MQTT");
    assert_eq!(
        error.to_string(),
        "the broker speaks TLS on this port; its address begins with mqtts://"
    );
}

#[test]
fn what_is_wrong_is_said_to_the_server_as_well() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let server = server(
        &Ca::new("theirs").issue(&["broker"]),
        rustls::ALL_VERSIONS,
        None,
    );
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    let mut pair = Pair::new(&client, &server);
    pair.run().expect_err("it is a stranger");
    let alert = pair.take(usize::MAX);
    assert_eq!(pair.take(usize::MAX), [0_u8; 0], "and nothing else");
    let read = pair.server.read_tls(&mut &alert[..]);
    assert_eq!(read.expect("it reads"), alert.len());
    assert_eq!(
        pair.server.process_new_packets().expect_err("it is told"),
        rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA)
    );
}
