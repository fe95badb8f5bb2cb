//! What becomes of what a guest has while it is gone from the configuration.

use std::sync::Arc;

use jackalope::office::{
    Answer, Assignment, Belongings, Call, Change, Delivery, Effects, GoneGuests, GuestId,
    GuestSettings, Incoming, Letter, MAX_GONE, Notice, Outcome, Payload, Qos, Schedule,
    SessionChange, Settings, Status, TimerSettings, WorkListSettings,
};
use jackalope_tests::office::{A, B, SECOND, TWO_HOURS, TestOffice, guest, id, id_of, settings};

/// The place of a third guest.
const C: GuestId = GuestId(2);

/// One of these names, which wants no messages.
fn named(name: &str) -> GuestSettings {
    GuestSettings {
        name: name.into(),
        ..guest(&[])
    }
}

fn guests(names: &[&str]) -> Settings {
    Settings {
        guests: names.iter().map(|name| named(name)).collect(),
        ..settings()
    }
}

/// With `a` and `b`.
fn online() -> TestOffice {
    TestOffice::online(guests(&["a", "b"]))
}

/// The guests are others. Returns their places.
fn change(
    test: &mut TestOffice,
    gone_guests: GoneGuests,
    all: &[(Option<GuestId>, GuestSettings)],
) -> Vec<GuestId> {
    let to = Settings {
        guests: all.iter().map(|(_, guest)| guest.clone()).collect(),
        gone_guests,
        ..settings()
    };
    let places: Vec<_> = all.iter().map(|(place, _)| *place).collect();
    let session = SessionChange::None;
    test.office.handle_changed(test.now, to, &places, session)
}

fn without_b(test: &mut TestOffice, gone_guests: GoneGuests) {
    let places = change(test, gone_guests, &[(Some(A), named("a"))]);
    assert_eq!(places, [A]);
}

/// `b` is there again. Returns its place.
fn with_b(test: &mut TestOffice, b: GuestSettings) -> GuestId {
    let places = change(test, GoneGuests::Keep, &[(Some(A), named("a")), (None, b)]);
    places[1]
}

/// A letter with a tag.
fn tagged(test: &mut TestOffice) -> Letter {
    Letter {
        tag: Some("tag".into()),
        ..test.letter(Qos::AtLeastOnce, TWO_HOURS)
    }
}

/// What a call leaves: a letter, a value, a timer in 10 s and one each 7 s.
fn effects(test: &mut TestOffice) -> Effects {
    let mut effects = Effects::default();
    effects.letters.push_back(tagged(test));
    let value = Some(Payload::new("value"));
    effects.state.insert("key".into(), value);
    for (name, schedule) in [
        ("once", Schedule::once(10 * SECOND)),
        ("often", Schedule::every(7 * SECOND)),
    ] {
        assert_eq!(effects.timers.set(None, 10, name, schedule), Ok(()));
    }
    effects
}

/// Has `b` called.
#[track_caller]
fn call_b(test: &mut TestOffice) -> Assignment {
    test.lose_connection();
    let call = test.call();
    let other = match &call {
        Some(call) if call.guest == A => {
            test.answer(A, Answer::Done(Effects::default()));
            test.call()
        }
        _ => None,
    };
    let call = other
        .or(call)
        .expect("it hears that the connection is gone");
    assert_eq!(call.guest, B);
    call
}

/// `b` has done all that, and heard of nothing since.
fn with_all(test: &mut TestOffice) {
    call_b(test);
    let effects = effects(test);
    test.answer(B, Answer::Done(effects));
    test.connect(false);
}

#[test]
fn one_that_is_back_has_all_that_it_had() {
    let mut test = online();
    with_all(&mut test);
    let publish = test.publish();
    // One outcome it was not told when it goes, the other comes while it is gone.
    let second = tagged(&mut test);
    test.post_letter(B, second);
    let other = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    without_b(&mut test, GoneGuests::Keep);
    assert!(test.office.is_gone(B) && test.office.has_anything(B));
    test.receive(Incoming::PubAck(id_of(&other)));
    test.pass(23 * SECOND);
    assert_eq!(test.take_calls(), [], "it is called with nothing");

    assert_eq!(with_b(&mut test, named("b")), B);
    let call = test.call().expect("it hears how things are");
    assert_eq!(call.call, Call::Connection(Status::Online));
    assert_eq!(call.kept.values().count(), 1);
    test.answer(B, Answer::Done(Effects::default()));
    let calls = test.take_calls();
    let mut told = Vec::new();
    let mut timers = Vec::new();
    for (guest, call) in calls {
        assert_eq!(guest, B);
        match call {
            Call::Outcomes(outcomes) => told.extend(outcomes),
            Call::Timer(due) => timers.push(due.name.to_string()),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(told.len(), 2, "{told:?}");
    for told in told {
        assert_eq!(told.outcome, Outcome::Delivered);
        assert_eq!(told.tag.as_deref(), Some("tag"));
    }
    assert_eq!(timers, ["once"], "what was due meanwhile");
    // 28 s after it was set, and not 7 s after it is back.
    test.pass(5 * SECOND);
    let calls = test.take_calls();
    assert!(
        matches!(&calls[..], [(B, Call::Timer(due))] if due.missed == 0 && &*due.name == "often"),
        "{calls:?}"
    );
}

#[test]
fn its_own_letters_are_on_its_work_list_again() {
    let mut test = online();
    test.lose_connection();
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    without_b(&mut test, GoneGuests::Keep);
    let one = GuestSettings {
        work_list: WorkListSettings {
            max: 1,
            ..WorkListSettings::default()
        },
        ..named("b")
    };
    assert_eq!(with_b(&mut test, one), B);
    let second = test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    let left: Vec<_> = test
        .office
        .letters(test.now, B)
        .map(|it| it.ticket)
        .collect();
    assert_eq!(left, [second]);
}

#[test]
fn nothing_is_left_of_one_that_is_dropped() {
    for is_kept_first in [false, true] {
        let mut test = online();
        with_all(&mut test);
        let publish = test.publish();
        let second = tagged(&mut test);
        let ticket = second.ticket;
        test.post_letter(B, second);
        test.receive(Incoming::PubAck(id_of(&publish)));
        test.notices();
        if is_kept_first {
            without_b(&mut test, GoneGuests::Keep);
        }
        without_b(&mut test, GoneGuests::Drop);
        assert!(!test.office.has_anything(B));
        assert_eq!(test.packets(), [], "the letter that waited");
        let expired = Outcome::Expired { sent: false };
        let said = test.notices();
        let is_said = |notice: &Notice| matches!(notice, Notice::Outcome { guest: B, ticket: of, outcome, .. } if *of == ticket && *outcome == expired);
        assert!(said.iter().any(is_said), "{said:?}");
        test.pass(60 * SECOND);
        assert_eq!(test.take_calls(), []);
        // Another guest has the place, and nothing of it.
        assert_eq!(with_b(&mut test, named("b")), B);
        let call = test.call().expect("it hears how things are");
        assert_eq!(call.kept.values().count(), 0);
        assert_eq!(call.timers, None);
        test.answer(B, Answer::Done(Effects::default()));
        assert_eq!(test.take_calls(), []);
    }
}

#[test]
fn one_that_is_back_by_the_change_that_drops_others_has_all_that_it_had() {
    let mut test = online();
    with_all(&mut test);
    let nobody = change(&mut test, GoneGuests::Keep, &[]);
    assert_eq!(nobody, []);
    let places = change(&mut test, GoneGuests::Drop, &[(None, named("b"))]);
    assert_eq!(places, [B]);
    assert_eq!(test.office.standing(B).letters, 1);
    let call = test.call().expect("it hears how things are");
    assert_eq!(call.kept.values().count(), 1);
    assert!(call.timers.is_some());
}

#[test]
fn what_is_in_flight_of_one_that_is_dropped_is_not_gone_on_with() {
    let mut test = online();
    test.post_by(B, Qos::ExactlyOnce, TWO_HOURS);
    let publish = test.publish();
    test.receive(Incoming::PubRec(id_of(&publish)));
    without_b(&mut test, GoneGuests::Drop);
    assert_eq!(
        test.packets(),
        [],
        "no PUBREL, at which it would be delivered"
    );
    assert_eq!(test.office.open_letters(), 0);
    // Its place is not free before that exchange is over.
    let all = [(Some(A), named("a")), (None, named("c"))];
    assert_eq!(change(&mut test, GoneGuests::Keep, &all), [A, C]);
}

#[test]
fn what_it_is_given_begins_anew_and_does_not_take_the_place_of_what_it_has_set() {
    let given = |name: &str| (Arc::from(name), Schedule::every(100 * SECOND));
    let b = GuestSettings {
        timers: TimerSettings {
            max: 10,
            given: vec![given("given"), given("often")],
        },
        ..named("b")
    };
    let mut test = TestOffice::online(Settings {
        guests: vec![named("a"), b.clone()],
        ..settings()
    });
    with_all(&mut test);
    test.pass(50 * SECOND);
    test.take_calls();
    let due_in = |test: &TestOffice, name: &str| {
        let mut timers = test.office.timers(test.now, B);
        timers.find(|it| &*it.name == name).map(|it| it.due_in)
    };
    let before = due_in(&test, "often");
    assert!(before.is_some_and(|it| it <= 7 * SECOND), "{before:?}");
    let own = Belongings {
        letters: 1,
        values: 1,
        timers: 1,
        outcomes: 0,
    };
    assert_eq!(
        test.office.belongings(B),
        own,
        "what it was given is not its own"
    );
    without_b(&mut test, GoneGuests::Keep);
    assert_eq!(test.office.belongings(B), own);
    assert_eq!(due_in(&test, "given"), None);
    with_b(&mut test, b);
    assert_eq!(due_in(&test, "given"), Some(100 * SECOND));
    assert_eq!(due_in(&test, "often"), before);
}

#[test]
fn what_its_last_call_leaves_is_kept_as_a_whole() {
    let mut test = online();
    call_b(&mut test);
    without_b(&mut test, GoneGuests::Keep);
    let effects = effects(&mut test);
    test.answer(B, Answer::Done(effects));
    assert_eq!(test.office.standing(B).letters, 1);
    test.pass(20 * SECOND);
    assert_eq!(with_b(&mut test, named("b")), B);
    let call = test.call().expect("it hears how things are");
    assert_eq!(call.kept.values().count(), 1);
    test.answer(B, Answer::Done(Effects::default()));
    let calls = test.take_calls();
    assert!(
        matches!(&calls[..], [(B, Call::Timer(due))] if &*due.name == "once"),
        "{calls:?}"
    );
}

#[test]
fn what_the_last_call_of_one_that_is_dropped_leaves_goes_whatever_is_chosen_by_then() {
    let mut test = online();
    call_b(&mut test);
    without_b(&mut test, GoneGuests::Drop);
    without_b(&mut test, GoneGuests::Keep);
    let effects = effects(&mut test);
    test.answer(B, Answer::Done(effects));
    assert!(!test.office.has_anything(B));
}

#[test]
fn what_its_last_call_was_told_in_vain_it_is_told_again() {
    let mut test = online();
    with_all(&mut test);
    let publish = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    let call = test.call().expect("it has an outcome to hear");
    assert!(matches!(call.call, Call::Outcomes(_)), "{call:?}");
    without_b(&mut test, GoneGuests::Keep);
    test.answer(B, Answer::Failed("trap".into()));
    test.pass(8 * SECOND);
    assert_eq!(test.take_calls(), []);
    with_b(&mut test, named("b"));
    let told = test.told();
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(test.told(), [], "and once");

    test.pass(6 * SECOND);
    let call = test.call().expect("its timer is due");
    assert!(
        matches!(&call.call, Call::Timer(due) if &*due.name == "once" || &*due.name == "often")
    );
    without_b(&mut test, GoneGuests::Keep);
    test.answer(B, Answer::Failed("trap".into()));
    with_b(&mut test, named("b"));
    let calls = test.take_calls();
    let once = calls
        .iter()
        .filter(|(_, call)| matches!(call, Call::Timer(due) if &*due.name == "once"));
    assert_eq!(once.count(), 1, "{calls:?}");
}

#[test]
fn one_that_is_back_while_its_last_call_goes_on_is_called_after_that() {
    for is_timer in [false, true] {
        let mut test = online();
        match is_timer {
            true => {
                with_all(&mut test);
                test.pass(10 * SECOND);
                let mut call = test.call().expect("it is due");
                while !matches!(&call.call, Call::Timer(due) if &*due.name == "once") {
                    test.answer(call.guest, Answer::Done(Effects::default()));
                    call = test.call().expect("it is due");
                }
            }
            false => drop(call_b(&mut test)),
        }
        without_b(&mut test, GoneGuests::Keep);
        assert_eq!(with_b(&mut test, named("b")), B);
        assert!(test.office.standing(B).is_at_call);
        assert_eq!(
            test.call().map(|call| call.guest),
            None,
            "one call at a time"
        );
        test.answer(B, Answer::Done(Effects::default()));
        let status = match is_timer {
            true => Status::Online,
            false => Status::Offline,
        };
        assert_eq!(test.take_calls(), [(B, Call::Connection(status))]);
    }
}

#[test]
fn one_that_hears_of_no_outcomes_any_more_has_none_to_hear() {
    let mut test = TestOffice::online(Settings {
        is_durable: true,
        ..guests(&["a", "b"])
    });
    let letter = tagged(&mut test);
    let ticket = letter.ticket;
    test.post_letter(B, letter);
    test.keep();
    let publish = test.publish();
    without_b(&mut test, GoneGuests::Keep);
    test.receive(Incoming::PubAck(id_of(&publish)));
    let kept = test.keep();
    let is_kept = |it: &Change| matches!(it, Change::Concluded { guest, told } if &**guest == "b" && told.ticket == ticket);
    assert!(kept.iter().any(is_kept), "{kept:?}");
    let deaf = GuestSettings {
        outcomes: 0,
        ..named("b")
    };
    with_b(&mut test, deaf);
    assert_eq!(test.told(), []);
    assert_eq!(test.keep(), [Change::Over(ticket)]);
}

#[test]
fn what_is_kept_in_memory_ends_somewhere() {
    let mut test = TestOffice::online(Settings {
        guests: vec![named("a")],
        ..settings()
    });
    for number in 0..MAX_GONE + 2 {
        let name = format!("guest {number}");
        let all = [(Some(A), named("a")), (None, named(&name))];
        let place = change(&mut test, GoneGuests::Keep, &all)[1];
        test.post_by(place, Qos::AtLeastOnce, TWO_HOURS);
        while let Some(call) = test.call() {
            let mut done = Effects::default();
            if call.guest == place {
                let value = Some(Payload::new("value"));
                done.state.insert("key".into(), value);
            }
            test.answer(call.guest, Answer::Done(done));
        }
        without_b(&mut test, GoneGuests::Keep);
    }
    let forgotten = |notice: Notice| match notice {
        Notice::Forgotten { guest } => Some(guest),
        _ => None,
    };
    let forgotten: Vec<_> = test.notices().into_iter().filter_map(forgotten).collect();
    assert_eq!(forgotten, [B, C]);
    assert_eq!(test.office.open_letters(), MAX_GONE + 2, "letters go out");
    for (name, state) in [("guest 1", 0), ("guest 2", 1)] {
        let all = [(Some(A), named("a")), (None, named(name))];
        let place = change(&mut test, GoneGuests::Keep, &all)[1];
        let call = test.call().expect("it hears how things are");
        assert_eq!(
            (call.guest, call.kept.values().count()),
            (place, state),
            "{name}"
        );
        test.answer(place, Answer::Done(Effects::default()));
        test.take_calls();
    }
}

#[test]
fn messages_that_wait_for_it_are_acknowledged_whatever_is_kept() {
    for gone_guests in [GoneGuests::Keep, GoneGuests::Drop] {
        let mut test = TestOffice::online(Settings {
            guests: vec![
                named("a"),
                GuestSettings {
                    name: "b".into(),
                    ..guest(&["b/#"])
                },
            ],
            ..settings()
        });
        test.deliver("b/1", Delivery::AtLeastOnce(id(7)), false);
        without_b(&mut test, gone_guests);
        let acknowledged = jackalope::office::Outgoing::PubAck(id(7));
        assert!(test.packets().contains(&acknowledged));
        assert_eq!(test.office.standing(B).messages, 0);
    }
}
