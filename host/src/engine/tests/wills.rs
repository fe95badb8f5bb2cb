//! Brokers that do not take the last will.

use super::*;
use crate::office::LastWill;

/// How the will goes out: the flags of the CONNECT that was written (section 3.1.2.3).
fn flags(machine: &Recorder) -> Option<u8> {
    // They come after type, length, name and level of the protocol.
    machine.written.get(9).copied()
}

#[test]
fn the_same_broker_is_asked_again_at_once_and_not_the_next_one() {
    let only = Handshake {
        versions: Versions::Only(Version::V5),
        ..handshake()
    };
    let with_will = Settings {
        last_will: Some(LastWill {
            topic: "will".into(),
            payload: Payload::new("gone"),
            qos: Qos::ExactlyOnce,
            retain: true,
            delay: Duration::ZERO,
            properties: None,
        }),
        ..settings(vec![guest(&[])], true)
    };
    let (engine, mut machine) = dialed_with(with_will, &only);
    let mut engine = engine.with_brokers(2, None);
    let mut next = |answer: &[u8]| {
        while engine.turn(&mut machine) {}
        let flags = flags(&machine);
        machine.written.clear();
        machine.receive(answer);
        while engine.turn(&mut machine) {}
        // The next connection is due at once.
        while engine.turn(&mut machine) {}
        assert!(machine.deeds().contains(&Deed::Dialed));
        engine.handle_dialed(&mut machine, Ok(&only));
        (engine.broker(), flags)
    };
    assert_eq!(next(b"\x20\x03\x00\x9a\x00"), (0, Some(0b11_0110)));
    assert_eq!(next(b"\x20\x05\x00\x9b\x02\x24\x00"), (0, Some(0b01_0110)));
    assert_eq!(next(b"\x20\x03\x00\x99\x00"), (0, Some(0b00_0110)));
    // It is not for the will any more.
    assert_eq!(next(b"\x20\x03\x00\x99\x00"), (1, Some(0b00_0010)));
}
