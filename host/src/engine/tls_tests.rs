//! An engine that speaks TLS, on a machine with a server at its other end.

use std::io::{self, Read};
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use rustls::crypto::ring;
use rustls::pki_types::ServerName;
use rustls::server::WebPkiClientVerifier;
use rustls::time_provider::DefaultTimeProvider;
use rustls::{RootCertStore, ServerConfig, ServerConnection};
use tempfile::TempDir;

use super::*;
use crate::office::{Assignment, BackoffSettings, GoneGuests, Notice, Qos, Settings};
use crate::wire::certificates::Ca;
use crate::wire::{Layers, TlsClient, TlsOptions, TlsVersion};

const CONNACK: &[u8] = b"\x20\x02\x00\x00";

struct ServerMachine {
    now: u64,
    server: ServerConnection,
    is_silent: bool,
    /// Whether nothing can be written any more once the server has had enough.
    breaks: bool,
    is_broken: bool,
    /// What the server has sent, and what can be read of it.
    held: BytesMut,
    input: BytesMut,
    is_ended: bool,
    opened: Vec<u8>,
    failure: Option<rustls::Error>,
    is_closed: bool,
}

impl ServerMachine {
    fn give_to_server(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() && self.failure.is_none() {
            self.server.read_tls(&mut bytes).expect("it reads");
            match self.server.process_new_packets() {
                Ok(state) => {
                    let mut opened = vec![0; state.plaintext_bytes_to_read()];
                    let mut reader = self.server.reader();
                    reader.read_exact(&mut opened).expect("there is so much");
                    self.opened.extend(opened);
                }
                Err(error) => self.failure = Some(error),
            }
        }
        self.fetch();
    }

    fn fetch(&mut self) {
        let mut sent = Vec::new();
        while self.server.wants_write() {
            self.server
                .write_tls(&mut sent)
                .expect("a vector takes all");
        }
        self.held.extend_from_slice(&sent);
        self.is_broken = self.breaks && self.failure.is_some();
        if !self.is_silent && !self.is_broken {
            self.input.unsplit(self.held.split());
        }
    }
}

impl Machine for ServerMachine {
    fn now(&mut self) -> Time {
        Time::from_millis(self.now)
    }

    fn dial(&mut self, _: usize) {}

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let count = self.input.len().min(buffer.capacity() - buffer.len());
        if count == 0 && !self.is_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer.extend_from_slice(&self.input.split_to(count));
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.is_broken {
            self.input.unsplit(self.held.split());
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.give_to_server(bytes);
        Ok(bytes.len())
    }

    fn unacknowledged(&mut self) -> usize {
        0
    }

    fn shutdown(&mut self) {
        self.is_ended = true;
    }

    fn close(&mut self) {
        self.is_closed = true;
    }

    fn reset(&mut self) {}

    fn call(&mut self, _: Assignment) -> Option<Answer> {
        None
    }
}

/// An engine that has just been connected to a server, which shows a certificate
/// of `server` to a gateway that trusts `ours`, and may want one of its own.
fn dialed(ours: &Ca, server: &Ca, wants_certificate: bool) -> (Engine, ServerMachine) {
    let second = Duration::from_secs(1);
    let settings = Settings {
        clean_session: true,
        keep_alive: Duration::ZERO,
        backoff: BackoffSettings {
            min: second,
            max: second,
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size: 1 << 20,
        max_qos: Qos::ExactlyOnce,
        carries_properties: true,
        guests: Vec::new(),
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 1,
    };
    let handshake = Handshake {
        versions: Versions::Only(Version::V4),
        session_expiry: Duration::ZERO,
        client_id: "gateway".into(),
        keep_alive: Duration::ZERO,
        login: None,
        max_packet_size: 1 << 20,
    };
    let files = TempDir::new().expect("there is a place for temporary files");
    let ca_file = files.path().join("ca.pem");
    std::fs::write(&ca_file, ours.pem()).expect("it can be written");
    let options = TlsOptions {
        ca_file: Some(ca_file),
        identity: None,
        alpn: Vec::new(),
        server_name: ServerName::try_from("broker").expect("it is a name"),
        min_version: TlsVersion::Tls13,
    };
    let client = TlsClient::new(options, Arc::new(DefaultTimeProvider));

    let provider = Arc::new(ring::default_provider());
    let builder = ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .expect("there are such versions");
    let mut roots = RootCertStore::empty();
    roots.add(ours.der()).expect("it is valid");
    let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), provider);
    let verifier = match wants_certificate {
        true => verifier,
        false => verifier.allow_unauthenticated(),
    };
    let issued = server.issue(&["broker"]);
    let config = builder
        .with_client_cert_verifier(verifier.build().expect("there is a CA"))
        .with_single_cert(issued.chain(), issued.secret())
        .expect("they belong together");
    let mut machine = ServerMachine {
        now: 1_000,
        server: ServerConnection::new(Arc::new(config)).expect("it is valid"),
        is_silent: false,
        breaks: false,
        is_broken: false,
        held: BytesMut::new(),
        input: BytesMut::new(),
        is_ended: false,
        opened: Vec::new(),
        failure: None,
        is_closed: false,
    };
    let mut engine = Engine::new(Office::new(Time::from_millis(machine.now), settings));
    while engine.turn(&mut machine) {}
    let layers = Layers {
        tls: Some(Box::new(client.begin().expect("its files are fine"))),
        websocket: None,
    };
    engine.handle_dialed_through(&mut machine, Ok((&handshake, layers)));
    (engine, machine)
}

/// Why the connection has ended, if it has not ended in good order.
fn reason(engine: &mut Engine) -> Option<String> {
    let office = engine.office_mut();
    let mut notices = std::iter::from_fn(|| office.poll_notice());
    notices.find_map(|notice| match notice {
        Notice::Offline { reason, .. } => Some(reason.to_string()),
        _ => None,
    })
}

/// Turns until nothing is left to do at this moment.
fn run(engine: &mut Engine, machine: &mut ServerMachine) {
    while engine.turn(machine) || !machine.input.is_empty() && !engine.is_closed() {}
}

#[test]
fn a_session_through_tls_from_its_beginning_to_its_end() {
    let ca = Ca::new("ours");
    let (mut engine, mut machine) = dialed(&ca, &ca, false);
    run(&mut engine, &mut machine);
    assert_eq!(machine.opened[0], 0x10, "CONNECT");
    machine.opened.clear();
    io::Write::write_all(&mut machine.server.writer(), CONNACK).expect("it takes all");
    machine.fetch();
    run(&mut engine, &mut machine);
    assert_eq!(engine.office().status(), crate::office::Status::Online);

    engine.finish(&mut machine);
    run(&mut engine, &mut machine);
    assert_eq!(machine.opened, [0xe0, 0], "DISCONNECT");
    let state = machine.server.process_new_packets();
    assert!(state.expect("all is well").peer_has_closed());
    assert!(engine.is_closed() && machine.is_closed);
    assert_eq!(reason(&mut engine), None);
}

#[test]
fn a_server_that_never_answers() {
    let ca = Ca::new("ours");
    let (mut engine, mut machine) = dialed(&ca, &ca, false);
    machine.is_silent = true;
    run(&mut engine, &mut machine);
    let timeout = engine.next_timeout().expect("it does not wait for ever");
    machine.now = timeout.as_millis().max(21_000);
    run(&mut engine, &mut machine);
    let expect = "no answer from the broker within 20 s";
    assert_eq!(reason(&mut engine).as_deref(), Some(expect));
}

#[test]
fn what_is_wrong_is_said_to_both_sides() {
    let ours = Ca::new("ours");
    let (mut engine, mut machine) = dialed(&ours, &Ca::new("theirs"), false);
    run(&mut engine, &mut machine);
    let expect = "the broker's certificate is signed by no CA of tls.ca-file";
    assert_eq!(reason(&mut engine).as_deref(), Some(expect));
    let alert = rustls::Error::AlertReceived(rustls::AlertDescription::UnknownCA);
    assert_eq!(machine.failure, Some(alert));
}

#[test]
fn a_refusal_is_read_although_nothing_can_be_written_any_more() {
    let ca = Ca::new("ours");
    let (mut engine, mut machine) = dialed(&ca, &ca, true);
    machine.breaks = true;
    run(&mut engine, &mut machine);
    let expect = "the broker wants a certificate of this gateway; \
        name it in tls.certificate-file and tls.key-file";
    assert_eq!(reason(&mut engine).as_deref(), Some(expect));
}
