//! TLS, by sockets: who does not get through it, and how that is told.

use std::io::Write as _;
use std::sync::Arc;

use bytes::Buf;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::listener::{Client, run_with};
use super::*;

const PLAIN: &str = "#1 TLS FAILED: the client began without TLS, and has to show a certificate, \
    which takes TLS";

/// Runs a test against a broker that speaks TLS with these certificates.
fn run(demands_client: bool, test: impl AsyncFnOnce(Broker, Certificates)) {
    let certificates = Certificates::new().unwrap();
    let tls = TlsOptions {
        certificates: certificates.clone(),
        demands_client,
    };
    let options = Options {
        tls: Some(tls),
        ..Options::default()
    };
    run_with(options, async |broker| test(broker, certificates).await);
}

/// TLS of a client that trusts the authority of these certificates, and shows the
/// certificate of a client, if there is one.
fn tls(trusted: &Certificates, own: Option<(&str, &str)>) -> ClientConnection {
    let certificate = |pem: &str| CertificateDer::from_pem_slice(pem.as_bytes()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(certificate(trusted.ca())).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots);
    let config = match own {
        Some((chain, key)) => {
            let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
            let chain = vec![certificate(chain)];
            builder.with_client_auth_cert(chain, key).unwrap()
        }
        None => builder.with_no_client_auth(),
    };
    let name = ServerName::try_from("localhost").unwrap();
    ClientConnection::new(Arc::new(config), name).unwrap()
}

/// Sends CONNECT through TLS; whether there is an answer.
async fn connects(broker: &Broker, mut tls: ClientConnection) -> bool {
    let Client { mut stream, .. } = Client::open(broker).await;
    let packet = encode(&Packet::Connect(connect("a")));
    tls.writer().write_all(&packet).unwrap();
    let mut input = BytesMut::new();
    loop {
        let has_failed = loop {
            match tls.read_tls(&mut (&mut input).reader()) {
                Ok(0) | Err(_) => break false,
                Ok(_) => {}
            }
            match tls.process_new_packets() {
                Ok(state) if state.plaintext_bytes_to_read() > 0 => return true,
                Ok(_) => {}
                Err(_) => break true,
            }
        };
        if send(&mut stream, &mut tls).await.is_err() || has_failed {
            return false;
        }
        if !matches!(stream.read_buf(&mut input).await, Ok(1..)) {
            return false;
        }
    }
}

async fn send(stream: &mut TcpStream, tls: &mut ClientConnection) -> std::io::Result<()> {
    let mut output = Vec::new();
    while tls.wants_write() {
        tls.write_tls(&mut output)?;
    }
    stream.write_all(&output).await
}

/// What the broker tells of the first connection that did not get through.
async fn failure(broker: &Broker) -> String {
    let mut events = broker.events();
    let failed = |event: &Event| matches!(event, Event::TlsFailed { .. });
    let failure = events.wait_for(failed).await.unwrap();
    let closed = events.next_event().await.unwrap();
    assert_eq!(closed.to_string(), "#1 closed: TLS failed");
    failure.to_string()
}

#[test]
fn who_trusts_the_authority_gets_through() {
    run(false, async |broker, certificates| {
        assert!(connects(&broker, tls(&certificates, None)).await);
        // TLS is offered, and nobody has to take it.
        Client::connect(&broker, "plain").await;
    });
    run(true, async |broker, certificates| {
        let own = certificates.client();
        assert!(connects(&broker, tls(&certificates, Some(own))).await);
        assert!(broker.with(|core| core.is_connected("a")));
    });
}

#[test]
fn who_does_not_trust_the_authority_is_told_of() {
    run(false, async |broker, _| {
        let another = Certificates::new().unwrap();
        assert!(!connects(&broker, tls(&another, None)).await);
        let expected = "#1 TLS FAILED: in the handshake: received fatal alert: UnknownCA";
        assert_eq!(failure(&broker).await, expected);
    });
}

#[test]
fn who_shows_no_certificate_is_told_of_where_one_is_demanded() {
    run(true, async |broker, certificates| {
        assert!(!connects(&broker, tls(&certificates, None)).await);
        let expected = "#1 TLS FAILED: in the handshake: peer sent no certificates";
        assert_eq!(failure(&broker).await, expected);
    });
}

#[test]
fn who_shows_the_certificate_of_another_authority_is_told_of() {
    run(true, async |broker, certificates| {
        let another = Certificates::new().unwrap();
        let own = Some(another.client());
        assert!(!connects(&broker, tls(&certificates, own)).await);
        let failure = failure(&broker).await;
        assert!(
            failure.contains("in the handshake: invalid peer certificate"),
            "{failure}"
        );
    });
}

#[test]
fn who_hangs_up_in_the_handshake_is_told_of() {
    run(false, async |broker, certificates| {
        let Client { mut stream, .. } = Client::open(&broker).await;
        send(&mut stream, &mut tls(&certificates, None))
            .await
            .unwrap();
        drop(stream);
        let expected = "#1 TLS FAILED: the client hung up in the handshake";
        assert_eq!(failure(&broker).await, expected);
    });
}

#[test]
fn what_is_no_tls_after_the_handshake_is_told_apart() {
    run(false, async |broker, certificates| {
        let Client { mut stream, .. } = Client::open(&broker).await;
        let mut tls = tls(&certificates, None);
        let mut input = BytesMut::new();
        while tls.is_handshaking() {
            send(&mut stream, &mut tls).await.unwrap();
            stream.read_buf(&mut input).await.unwrap();
            tls.read_tls(&mut (&mut input).reader()).unwrap();
            tls.process_new_packets().unwrap();
        }
        send(&mut stream, &mut tls).await.unwrap();
        stream
            .write_all(&encode(&Packet::Connect(connect("a"))))
            .await
            .unwrap();
        let failure = failure(&broker).await;
        assert!(
            failure.contains("TLS FAILED: after the handshake: "),
            "{failure}"
        );
    });
}

#[test]
fn who_begins_without_tls_is_let_go_where_a_certificate_is_demanded() {
    let websocket = &b"GET /mqtt HTTP/1.1\r\nHost: x\r\n\r\n"[..];
    for first in [&encode(&Packet::Connect(connect("a")))[..], websocket] {
        run(true, async |broker, _| {
            let mut client = Client::open(&broker).await;
            client.stream.write_all(first).await.unwrap();
            assert_eq!(client.read().await, None);
            assert_eq!(client.input, b""[..], "nothing is said without TLS");
            assert_eq!(failure(&broker).await, PLAIN);
            assert!(!broker.with(|core| core.is_connected("a")));
        });
    }
}
