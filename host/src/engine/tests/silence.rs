//! Brokers that do not answer CONNECT.

use super::*;

/// How long a broker has for its answer.
const PATIENCE_MS: u64 = 20_000;

/// The level of the protocol in the CONNECT that was written.
fn level(machine: &Recorder) -> Option<u8> {
    // It comes after type, length and name of the protocol.
    machine.written.get(8).copied()
}

/// With MQTT 5, if the broker speaks it, and CONNECT written.
fn asked(handshake: &Handshake) -> (Engine, Recorder) {
    let (mut engine, mut machine) = dialed(vec![guest(&[])], true, handshake);
    while engine.turn(&mut machine) {}
    (engine, machine)
}

/// The broker says nothing, and the next connection begins.
fn next(engine: &mut Engine, machine: &mut Recorder, handshake: &Handshake) {
    machine.now += PATIENCE_MS;
    while engine.turn(machine) {}
    assert!(machine.deeds().contains(&Deed::Reset));
    machine.written.clear();
    machine.now += 1_000;
    while engine.turn(machine) {}
    assert!(machine.deeds().contains(&Deed::Dialed));
    engine.handle_dialed(machine, Ok(handshake));
    while engine.turn(machine) {}
}

#[test]
fn a_broker_that_does_not_answer_is_asked_in_the_other_version() {
    let either = Handshake {
        versions: Versions::Any,
        ..handshake()
    };
    let (mut engine, mut machine) = asked(&either);
    for expected in [5, 4, 5, 4] {
        assert_eq!(level(&machine), Some(expected));
        next(&mut engine, &mut machine, &either);
    }
}

#[test]
fn a_version_that_is_the_only_one_is_never_another() {
    let only = Handshake {
        versions: Versions::Only(Version::V5),
        ..handshake()
    };
    let (mut engine, mut machine) = asked(&only);
    next(&mut engine, &mut machine, &only);
    assert_eq!(level(&machine), Some(5));
}

#[test]
fn a_connection_that_takes_no_connect_says_nothing_about_versions() {
    let either = Handshake {
        versions: Versions::Any,
        ..handshake()
    };
    let (mut engine, mut machine) = dialed(vec![guest(&[])], true, &either);
    machine.room = 0;
    next(&mut engine, &mut machine, &either);
    assert_eq!(level(&machine), None);
    machine.room = usize::MAX;
    while engine.turn(&mut machine) {}
    assert_eq!(level(&machine), Some(5));
}
