//! Back to the preferred broker.

use super::*;

/// With the second of two brokers, which has accepted.
fn elsewhere(version: Version) -> (Engine, Recorder, Handshake) {
    let handshake = Handshake {
        versions: Versions::Only(version),
        session_expiry: SECOND,
        ..handshake()
    };
    let (engine, mut machine) = dialed(vec![guest(&[])], false, &handshake);
    let mut engine = engine.with_brokers(2, None);
    while engine.broker() == 0 {
        machine.is_ended = true;
        while engine.turn(&mut machine) {}
        machine.is_ended = false;
        machine.now += 1_000;
        while engine.turn(&mut machine) {}
        while engine.turn(&mut machine) {}
        engine.handle_dialed(&mut machine, Ok(&handshake));
    }
    machine.receive(match version {
        Version::V4 => b"\x20\x02\x00\x00",
        Version::V5 => b"\x20\x03\x00\x00\x00",
    });
    rest(&mut engine, &mut machine);
    assert_eq!(
        (engine.broker(), engine.office.status()),
        (1, Status::Online)
    );
    (engine, machine, handshake)
}

/// What goes out when it is left.
fn goodbye(version: Version) -> &'static [u8] {
    match version {
        Version::V4 => b"\xe0\x00",
        // The session expires at once.
        Version::V5 => b"\xe0\x07\x00\x05\x11\x00\x00\x00\x00",
    }
}

#[test]
fn another_broker_is_left_for_good_when_nothing_is_in_flight() {
    for version in [Version::V4, Version::V5] {
        let (mut engine, mut machine, _) = elsewhere(version);
        assert!(engine.handle_reachable(&mut machine));
        assert_eq!(&machine.written[..], goodbye(version));
        assert_eq!(engine.broker(), 0);
    }
}

#[test]
fn letters_that_are_in_flight_may_arrive_first() {
    let (mut engine, mut machine, _) = elsewhere(Version::V5);
    engine.post(&mut machine, 1, Qos::AtLeastOnce, 60 * SECOND);
    while engine.turn(&mut machine) {}
    let [_, _, _, _, _, a, b, ..] = machine.written[..] else {
        panic!("no letter");
    };
    machine.written.clear();
    assert!(engine.handle_reachable(&mut machine));
    while engine.turn(&mut machine) {}
    assert!(machine.written.is_empty());
    machine.receive(&[0x40, 2, a, b]);
    while engine.turn(&mut machine) {}
    assert_eq!(&machine.written[..], goodbye(Version::V5));
    assert_eq!(engine.office.open_letters(), 0);
}

#[test]
fn they_have_10_s_for_it() {
    let (mut engine, mut machine, _) = elsewhere(Version::V5);
    engine.post(&mut machine, 1, Qos::AtLeastOnce, 60 * SECOND);
    while engine.turn(&mut machine) {}
    machine.written.clear();
    let begun = Time::from_millis(machine.now);
    assert!(engine.handle_reachable(&mut machine));
    assert!(!engine.handle_reachable(&mut machine), "that is known");
    let due = engine.next_timeout().expect("it is left then");
    assert_eq!(due, begun + 10 * SECOND);
    machine.now += 10_000;
    while engine.turn(&mut machine) {}
    assert_eq!(&machine.written[..], goodbye(Version::V5));
}

#[test]
fn a_session_that_is_come_back_for_is_kept() {
    let (mut engine, mut machine, _) = elsewhere(Version::V5);
    let now = machine.now();
    engine.office.handle_reconnect(now);
    while engine.turn(&mut machine) {}
    assert_eq!(&machine.written[..], b"\xe0\x00");
}
