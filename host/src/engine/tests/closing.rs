//! The end of a connection while much is under way, and what becomes of it on the
//! next one.

use super::*;
use crate::office::{Disconnection, Notice, Outcome};

/// A session that the broker keeps, with one guest that is subscribed to nothing.
fn kept(version: Version) -> (Engine, Recorder) {
    let (mut engine, mut machine) = dialed(vec![guest(&[])], false, &handshake_of(version));
    accept(&mut engine, &mut machine, version, false);
    (engine, machine)
}

fn handshake_of(version: Version) -> Handshake {
    Handshake {
        versions: Versions::Only(version),
        session_expiry: SECOND,
        ..handshake()
    }
}

fn accept(engine: &mut Engine, machine: &mut Recorder, version: Version, session_present: bool) {
    let present = u8::from(session_present);
    match version {
        Version::V4 => machine.receive(&[0x20, 2, present, 0]),
        Version::V5 => machine.receive(&[0x20, 3, present, 0, 0]),
    }
    while engine.turn(machine) {}
}

/// The broker has closed a connection that was to end, and the next one is there.
fn connect_again(engine: &mut Engine, machine: &mut Recorder, version: Version) {
    machine.is_ended = true;
    while engine.turn(machine) {}
    assert!(machine.deeds().contains(&Deed::Closed));
    machine.is_ended = false;
    machine.now += 1_000;
    while engine.turn(machine) {}
    assert!(machine.deeds().contains(&Deed::Dialed));
    machine.written.clear();
    engine.handle_dialed(machine, Ok(&handshake_of(version)));
    rest(engine, machine);
    accept(engine, machine, version, true);
}

/// What was written since the last time, without what is not whole: the first byte
/// of each packet, and the rest behind its length.
fn packets(machine: &mut Recorder) -> Vec<(u8, Vec<u8>)> {
    let mut packets = Vec::new();
    while machine.written.len() >= 2 && machine.written.len() >= 2 + size(machine) {
        let packet = machine.written.split_to(2 + size(machine));
        packets.push((packet[0], packet[2..].to_vec()));
    }
    packets
}

fn size(machine: &Recorder) -> usize {
    assert!(machine.written[1] < 0x80, "its length has one byte");
    usize::from(machine.written[1])
}

/// A letter of topic `t`: where its packet id is.
fn id_of(packet: &[u8]) -> [u8; 2] {
    [packet[3], packet[4]]
}

fn outcomes(engine: &mut Engine) -> Vec<(u64, Outcome)> {
    let office = engine.office_mut();
    let notices = std::iter::from_fn(|| office.poll_notice());
    let outcome = |notice| match notice {
        Notice::Outcome {
            ticket, outcome, ..
        } => Some((ticket.0, outcome)),
        _ => None,
    };
    notices.filter_map(outcome).collect()
}

fn reconnect(engine: &mut Engine, machine: &mut Recorder) {
    let now = machine.now();
    engine.office.handle_reconnect(now);
    while engine.turn(machine) {}
}

#[test]
fn disconnect_does_not_wait_for_a_full_window_and_its_letters_go_on_afterwards() {
    for version in [Version::V4, Version::V5] {
        let (mut engine, mut machine) = kept(version);
        for ticket in 1..=110 {
            engine.post(&mut machine, ticket, Qos::AtLeastOnce, 60 * SECOND);
        }
        machine.written.clear();
        while engine.turn(&mut machine) {}
        let before = packets(&mut machine);
        assert_eq!(before.len(), 100, "the window is full");

        reconnect(&mut engine, &mut machine);
        assert_eq!(
            packets(&mut machine),
            [(0xe0, vec![])],
            "nothing but DISCONNECT"
        );
        assert!(machine.deeds().contains(&Deed::ShutDown));
        // What still comes says nothing any more.
        machine.receive(&[0x40, 2, 0, 1]);
        connect_again(&mut engine, &mut machine, version);
        let again = packets(&mut machine);
        let ids =
            |packets: &[(u8, Vec<u8>)]| packets.iter().map(|it| id_of(&it.1)).collect::<Vec<_>>();
        assert_eq!(ids(&again), ids(&before));
        assert!(
            again.iter().all(|(first, _)| *first == 0x3a),
            "QoS 1 and DUP"
        );

        for (_, packet) in &again {
            let [a, b] = id_of(packet);
            machine.receive(&[0x40, 2, a, b]);
        }
        while engine.turn(&mut machine) {}
        let rest = packets(&mut machine);
        assert_eq!(rest.len(), 10);
        for (first, packet) in &rest {
            assert_eq!(*first, 0x32, "for the first time");
            let [a, b] = id_of(packet);
            machine.receive(&[0x40, 2, a, b]);
        }
        while engine.turn(&mut machine) {}
        let delivered = |ticket| (ticket, Outcome::Delivered);
        let expect: Vec<_> = (1..=110).map(delivered).collect();
        assert_eq!(outcomes(&mut engine), expect);
    }
}

#[test]
fn a_new_connection_in_the_middle_of_a_flush_finishes_the_packet_at_hand_alone() {
    let (mut engine, mut machine) = kept(Version::V4);
    let qualities = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];
    // Three are written, and half of the fourth.
    for (ticket, qos) in (1..).zip(qualities.into_iter().cycle().take(9)) {
        engine.post(&mut machine, ticket, qos, 60 * SECOND);
    }
    machine.written.clear();
    machine.room = 105 + 107 + 107 + 50;
    while engine.turn(&mut machine) {}
    let before = packets(&mut machine);
    assert_eq!(before.len(), 3);
    assert!(!machine.written.is_empty());

    reconnect(&mut engine, &mut machine);
    machine.room = usize::MAX;
    while engine.turn(&mut machine) {}
    let rest = packets(&mut machine);
    let firsts: Vec<_> = rest.iter().map(|(first, _)| *first).collect();
    assert_eq!(firsts, [0x30, 0xe0], "the fourth, and DISCONNECT");
    let delivered = |ticket| (ticket, Outcome::Delivered);
    assert_eq!(outcomes(&mut engine), [1, 4].map(delivered));

    connect_again(&mut engine, &mut machine, Version::V4);
    let again = packets(&mut machine);
    let firsts: Vec<_> = again.iter().map(|(first, _)| first & 0xf6).collect();
    // All others, each once and in their order, under the ids that they had.
    assert_eq!(firsts, [0x32, 0x34, 0x32, 0x34, 0x30, 0x32, 0x34]);
    assert_eq!(id_of(&again[0].1), id_of(&before[1].1));
    assert_eq!(id_of(&again[1].1), id_of(&before[2].1));
    assert!(again[0].0 & 8 != 0 && again[1].0 & 8 != 0, "DUP");
    assert_eq!(outcomes(&mut engine), [delivered(7)]);
}

#[test]
fn a_letter_that_expires_in_a_flush_that_is_cut_short_is_not_written() {
    let (mut engine, mut machine) = kept(Version::V4);
    engine.post(&mut machine, 1, Qos::ExactlyOnce, 60 * SECOND);
    engine.post(&mut machine, 2, Qos::ExactlyOnce, SECOND);
    machine.written.clear();
    machine.room = 50;
    while engine.turn(&mut machine) {}
    reconnect(&mut engine, &mut machine);
    machine.room = usize::MAX;
    while engine.turn(&mut machine) {}
    assert_eq!(packets(&mut machine).len(), 2, "the first, and DISCONNECT");
    connect_again(&mut engine, &mut machine, Version::V4);
    let again = packets(&mut machine);
    assert_eq!(again.len(), 1, "{again:?}");
    let [a, b] = id_of(&again[0].1);
    machine.receive(&[0x50, 2, a, b]);
    while engine.turn(&mut machine) {}
    assert_eq!(packets(&mut machine), [(0x62, vec![a, b])]);
    assert_eq!(
        outcomes(&mut engine),
        [(2, Outcome::Expired { sent: false })]
    );
}

/// What the broker of MQTT 5 is told when it sends these bytes.
#[track_caller]
fn check_told(bytes: &[u8], reason: u8, expect: &str) {
    let (mut engine, mut machine) = kept(Version::V5);
    engine.post(&mut machine, 1, Qos::AtLeastOnce, 60 * SECOND);
    while engine.turn(&mut machine) {}
    outcomes(&mut engine);
    machine.written.clear();
    machine.deeds();
    machine.receive(bytes);
    while engine.turn(&mut machine) {}
    assert_eq!(packets(&mut machine), [(0xe0, vec![reason])]);
    assert!(
        machine
            .deeds()
            .starts_with(&[Deed::Wrote(3), Deed::ShutDown])
    );
    let office = engine.office_mut();
    let mut notices = std::iter::from_fn(|| office.poll_notice());
    let reason = notices.find_map(|notice| match notice {
        Notice::Offline { reason, .. } => Some(reason),
        _ => None,
    });
    let reason = reason.expect("it is offline");
    assert!(reason.to_string().contains(expect), "{reason}");
    assert!(!matches!(reason, Disconnection::Closed));
    connect_again(&mut engine, &mut machine, Version::V5);
    assert_eq!(packets(&mut machine).len(), 1, "the letter goes on");
}

#[test]
fn a_broker_of_mqtt_5_is_told_what_is_wrong() {
    check_told(b"\x30\x07\x00\x01a\x03\x23\x00\x11", 0x94, "MQTT-3.3.2-11");
    check_told(b"\x30\x07\x00\x01a\x03\x23\x00\x00", 0x94, "MQTT-3.3.2-8");
    check_told(
        b"\x30\x06\x00\x00\x03\x23\x00\x01",
        0x82,
        "stands for something",
    );
    check_told(b"\x30\x03\x00\x00\x00", 0x82, "a topic name is valid");
    check_told(b"\x30\x04\x00\x01a\x05", 0x81, "malformed");
    // What the post office finds.
    check_told(b"\x20\x03\x00\x00\x00", 0x82, "one CONNACK a connection");
}
