//! When what has changed is handed out to be kept.

use super::*;

/// Online, with two guests and a work list that is kept, and nothing to do.
fn online() -> (Engine, Recorder) {
    let settings = Settings {
        is_durable: true,
        ..settings(vec![guest(&["a"]), guest(&["b"])], true)
    };
    let (mut engine, mut machine) = dialed_with(settings, &handshake());
    machine.receive(CONNACK);
    while engine.turn(&mut machine) {}
    machine.receive(b"\x90\x04\x00\x01\x01\x01");
    rest(&mut engine, &mut machine);
    (engine, machine)
}

/// One that is a large group by itself.
fn large(ticket: u64) -> Letter {
    Letter {
        payload: Payload::new([7; 300 << 10]),
        ..letter(ticket, Qos::AtMostOnce, SECOND)
    }
}

/// The guest of this topic publishes a letter. Returns what is done then.
fn publish(engine: &mut Engine, machine: &mut Recorder, topic: &str, letter: Letter) -> Vec<Deed> {
    machine.message(topic, 1);
    machine.posts = Some(letter);
    engine.turn(machine);
    machine.deeds()
}

#[test]
fn a_large_group_is_handed_out_before_the_next_guest_is_called() {
    let (mut engine, mut machine) = online();
    machine.message("b", 2);
    let deeds = publish(&mut engine, &mut machine, "a", large(1));
    let expect = [Deed::Called(0), Deed::Committed(1), Deed::Called(1)];
    assert_eq!(deeds, expect);
}

#[test]
fn a_small_group_waits_until_the_one_before_is_kept() {
    let (mut engine, mut machine) = online();
    let small = |ticket| letter(ticket, Qos::AtMostOnce, SECOND);
    let deeds = publish(&mut engine, &mut machine, "a", small(1));
    assert_eq!(deeds, [Deed::Called(0), Deed::Committed(1)]);
    for ticket in [2, 3] {
        let deeds = publish(&mut engine, &mut machine, "a", small(ticket));
        assert_eq!(deeds, [Deed::Called(0)]);
    }
    engine.handle_committed(&mut machine);
    assert_eq!(machine.deeds(), [Deed::Committed(2)]);
}

#[test]
fn a_large_group_waits_for_nothing_but_four_that_are_under_way() {
    let (mut engine, mut machine) = online();
    for ticket in [1, 2, 3, 4] {
        let deeds = publish(&mut engine, &mut machine, "a", large(ticket));
        assert_eq!(deeds, [Deed::Called(0), Deed::Committed(1)]);
    }
    let deeds = publish(&mut engine, &mut machine, "a", large(5));
    assert_eq!(deeds, [Deed::Called(0)]);
    engine.handle_committed(&mut machine);
    assert_eq!(machine.deeds(), [Deed::Committed(1)]);
}
