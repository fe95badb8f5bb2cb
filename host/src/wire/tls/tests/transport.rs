//! Which letter is in which bytes.

use proptest::prelude::*;

use super::*;
use crate::office::{Carried, Delivery, Dispatch, Outgoing, Payload, Publish, Ticket};
use crate::wire::{GRACE, Stuck, encode};

fn publish(payload: Vec<u8>) -> Publish {
    Publish {
        topic: "t".into(),
        payload: Payload::new(payload),
        delivery: Delivery::AtMostOnce,
        retain: false,
        duplicate: false,
        properties: None,
        lifetime: None,
    }
}

fn bytes_of(size: usize) -> BytesMut {
    let mut bytes = BytesMut::new();
    encode(Outgoing::Publish(publish(vec![7; size])), &mut bytes).expect("it is valid");
    bytes
}

impl Pair {
    /// Adds a letter of QoS 0 with so much payload.
    fn push(&mut self, ticket: u64, size: usize, expires: Option<Time>) {
        let dispatch = Dispatch {
            packet: Outgoing::Publish(publish(vec![7; size])),
            expires,
            carried: Carried::Letter(Ticket(ticket)),
        };
        self.transport
            .push(self.now, dispatch)
            .expect("it is valid");
    }

    fn written(&mut self) -> Vec<u64> {
        let output = self.transport.output_mut();
        letters(std::iter::from_fn(|| output.poll_written()))
    }

    fn recalled(&mut self) -> Vec<u64> {
        let now = self.now;
        let output = self.transport.output_mut();
        letters(std::iter::from_fn(|| output.poll_recalled(now)))
    }

    /// How long the records are that are to be written now.
    fn records(&mut self) -> usize {
        self.transport.seal(self.now);
        self.transport.output().bytes().len()
    }
}

fn letters(carried: impl Iterator<Item = Carried>) -> Vec<u64> {
    let tickets = carried.map(|carried| match carried {
        Carried::Letter(Ticket(ticket)) => ticket,
        other => panic!("{other:?}"),
    });
    tickets.collect()
}

#[test]
fn packets_pass_in_pieces_of_any_size() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    let issued = ca.issue(&["broker"]);
    for versions in [&[&rustls::version::TLS12], &[&rustls::version::TLS13]] {
        let server = server(&issued, versions, None);
        for piece in [1, 2, 3, 5, 7, 100, 1_000, 20_000] {
            let mut pair = Pair::new(&client, &server);
            pair.piece = piece;
            pair.run().expect("they understand each other");
            assert_eq!(pair.opened, connect_bytes());
            pair.opened.clear();

            pair.push(1, 40_000, None);
            pair.push(2, 10, None);
            pair.run().expect("it goes on");
            assert_eq!(pair.opened, [bytes_of(40_000), bytes_of(10)].concat());
            assert_eq!(pair.written(), [1, 2]);

            let mut seen = Vec::new();
            for size in [10, 40_000] {
                pair.server_sends(&bytes_of(size));
                let mut bytes = Vec::new();
                while pair.server.wants_write() {
                    pair.server
                        .write_tls(&mut bytes)
                        .expect("a vector takes all");
                }
                for piece in bytes.chunks(piece) {
                    let room = pair.transport.room_for_input().expect("all was read");
                    room.extend_from_slice(piece);
                    pair.transport.handle_read().expect("it is TLS");
                    while let Some(packet) = pair.transport.poll_packet().expect("it is MQTT") {
                        seen.push(packet);
                    }
                }
            }
            let sent = [10, 40_000]
                .map(|size| crate::office::Incoming::Publish(publish(vec![7; size]), Vec::new()));
            assert_eq!(seen, sent);
        }
    }
}

#[test]
fn nothing_but_the_handshake_goes_out_before_the_server_is_known() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    let server = server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None);
    let mut pair = Pair::new(&client, &server);
    let hello = pair.take(usize::MAX);
    assert!(!hello.is_empty());
    assert_eq!(pair.take(usize::MAX), [0_u8; 0]);
    assert!(pair.transport.output().unwritten() > 0, "CONNECT waits");
}

#[test]
fn a_letter_is_told_written_with_its_last_byte() {
    let mut pair = Pair::connected();
    pair.push(1, 10, None);
    pair.push(2, 10, None);
    let size = pair.records();
    let first = pair.take(size - 1);
    assert_eq!(pair.written(), [0_u64; 0]);
    let last = pair.take(1);
    assert_eq!(pair.written(), [1, 2]);
    pair.give_to_server(&[first, last].concat());
    assert_eq!(pair.opened, [bytes_of(10), bytes_of(10)].concat());
}

#[test]
fn a_letter_that_fits_into_no_record_is_told_written_with_the_last_one() {
    let mut pair = Pair::connected();
    pair.push(1, 40_000, None);
    let size = pair.records();
    assert!(size > 40_000, "a fast network gets all at once");
    pair.take(size - 1);
    assert_eq!(pair.written(), [0_u64; 0]);
    pair.take(1);
    assert_eq!(pair.written(), [1]);
    assert!(!pair.transport.output().is_done());
    pair.acknowledge();
    assert!(pair.transport.output().is_done());
}

#[test]
fn a_slow_network_gets_a_record_at_a_time() {
    let mut pair = Pair::connected();
    pair.push(1, 10, None);
    let size = pair.records();
    pair.take(size - 1);
    pair.push(2, 40_000, Some(at(1_000)));
    pair.push(3, 10, Some(at(1_000)));
    pair.transport.output_mut().handle_blocked();
    pair.take(1);
    pair.transport.output_mut().handle_blocked();
    assert!((1..17_000).contains(&pair.records()));
    pair.now = at(1_000);
    assert_eq!(pair.recalled(), [3], "none of it is in a record");
}

#[test]
fn what_is_in_no_record_is_recalled() {
    let mut pair = Pair::connected();
    pair.push(1, 10, Some(at(1_000)));
    let size = pair.records();
    let mut sent = pair.take(size - 1);
    pair.push(2, 10, Some(at(1_000)));
    pair.push(3, 10, None);
    assert_eq!(pair.recalled(), [0_u64; 0]);
    pair.now = at(1_000);
    assert_eq!(pair.recalled(), [2]);
    sent.extend(pair.take(1));
    sent.extend(pair.take(usize::MAX));
    pair.give_to_server(&sent);
    assert_eq!(pair.opened, [bytes_of(10), bytes_of(10)].concat());
    assert_eq!(pair.written(), [1, 3]);
}

#[test]
fn before_the_handshake_is_over_everything_can_be_recalled() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    let server = server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None);
    let mut pair = Pair::new(&client, &server);
    pair.push(1, 10, Some(at(1_000)));
    let hello = pair.take(usize::MAX);
    pair.give_to_server(&hello);
    pair.now = at(1_000);
    assert_eq!(pair.recalled(), [1]);
    pair.run().expect("they understand each other");
    assert_eq!(pair.opened, connect_bytes());
}

/// Begins a letter of this size, of which the kernel takes so many bytes, and
/// checks that the connection ends after its time.
#[track_caller]
fn check_overdue(size: usize, taken: usize) {
    let mut pair = Pair::connected();
    pair.push(1, size, Some(at(1_000)));
    assert!(pair.records() > 0);
    pair.take(taken);
    pair.now = at(1_000);
    assert_eq!(pair.recalled(), [0_u64; 0]);
    let end = at(1_000) + GRACE;
    assert_eq!(pair.transport.output().next_timeout(), Some(end));
    assert_eq!(
        pair.transport
            .output()
            .check(Time::from_millis(end.as_millis() - 1)),
        Ok(())
    );
    assert_eq!(pair.transport.output().check(end), Err(Stuck::Overdue));
}

#[test]
fn what_was_begun_ends_the_connection_when_it_does_not_arrive() {
    for (size, taken) in [
        (10, 0),
        (10, 1),
        (10, usize::MAX),
        (40_000, 0),
        (40_000, usize::MAX),
    ] {
        check_overdue(size, taken);
    }
}

#[test]
fn what_has_arrived_ends_nothing() {
    let mut pair = Pair::connected();
    pair.push(1, 40_000, Some(at(1_000)));
    pair.push(2, 10, Some(at(500)));
    pair.run().expect("it goes on");
    pair.acknowledge();
    assert_eq!(pair.transport.output().check(at(1_000_000)), Ok(()));
    assert_eq!(pair.transport.output().next_timeout(), None);
}

#[test]
fn the_end_in_good_order_is_said_to_mqtt_and_to_tls() {
    let mut pair = Pair::connected();
    pair.push(1, 40_000, None);
    pair.records();
    pair.push(2, 10, None);
    let now = pair.now;
    pair.transport.finish(now, None);
    pair.run().expect("it goes on");
    let expect = [&bytes_of(40_000)[..], &[0xe0, 0]].concat();
    assert_eq!(
        pair.opened, expect,
        "the rest of what was begun, DISCONNECT"
    );
    let state = pair.server.process_new_packets().expect("all is well");
    assert!(state.peer_has_closed(), "close_notify");
    assert_eq!(pair.transport.output().unwritten(), 0);
    assert_eq!(pair.take(usize::MAX), [0_u8; 0]);
}

#[test]
fn the_end_within_the_handshake_says_nothing_to_mqtt() {
    let (files, ca) = (Files::new(), Ca::new("ours"));
    let client = TlsClient::new(files.trusting(&ca), Arc::new(Clock));
    let server = server(&ca.issue(&["broker"]), rustls::ALL_VERSIONS, None);
    let mut pair = Pair::new(&client, &server);
    pair.take(usize::MAX);
    let now = pair.now;
    pair.transport.finish(now, None);
    assert!(!pair.take(usize::MAX).is_empty(), "close_notify");
    assert_eq!(pair.transport.output().unwritten(), 0);
}

#[test]
fn the_peer_ends_in_good_order() {
    let mut pair = Pair::connected();
    assert_eq!(pair.transport.closed_by_peer(), None);
    pair.server_sends(&bytes_of(10));
    pair.server.send_close_notify();
    pair.give_to_gateway().expect("all is well");
    let closed = pair.transport.closed_by_peer();
    assert_eq!(closed, Some(Disconnection::Closed));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Letters of any size and the kernel in any mood: all arrives in its order,
    /// and a letter is told written with the record that ends it.
    #[test]
    fn any_letters_and_any_kernel(
        steps in prop::collection::vec((0..3u8, 0..40_000usize), 1..30),
    ) {
        let mut pair = Pair::connected();
        let (mut sent, mut expect, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut ticket = 0;
        for (step, size) in steps {
            match step {
                0 => {
                    ticket += 1;
                    pair.push(ticket, size, None);
                    expect.extend(bytes_of(size));
                }
                1 => sent.extend(pair.take(size)),
                _ => {
                    let bytes = std::mem::take(&mut sent);
                    pair.give_to_server(&bytes);
                }
            }
            told.extend(pair.written());
        }
        loop {
            let bytes = pair.take(usize::MAX);
            if bytes.is_empty() {
                break;
            }
            sent.extend(bytes);
        }
        pair.give_to_server(&sent);
        told.extend(pair.written());
        prop_assert_eq!(told, (1..=ticket).collect::<Vec<_>>());
        prop_assert!(pair.opened == expect);
    }
}
