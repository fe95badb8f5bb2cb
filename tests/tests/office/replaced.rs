//! Letters that take the place of those of the same key.

use jackalope::office::{
    Answer, Delivery, DisplacedBy, Effects, GuestId, Incoming, Letter, NotAccepted, Notice,
    Outcome, OutcomeWord, Overflow, Priority, Qos, Reason, Ticket, Tray, WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id_of, kept_session, settings, with_work_list,
};

fn keyed(test: &mut TestOffice, key: &str) -> Letter {
    Letter {
        replace_key: Some(key.into()),
        ..test.letter(Qos::AtLeastOnce, TWO_HOURS)
    }
}

fn post(test: &mut TestOffice, key: &str) -> Ticket {
    post_by(test, A, key)
}

fn post_by(test: &mut TestOffice, guest: GuestId, key: &str) -> Ticket {
    let letter = keyed(test, key);
    let ticket = letter.ticket;
    test.post_letter(guest, letter);
    ticket
}

fn plain(test: &mut TestOffice) -> Ticket {
    test.post(Qos::AtLeastOnce, TWO_HOURS)
}

/// Which letters were displaced, and for what, as the log is told.
fn displaced_by(test: &mut TestOffice) -> Vec<(Ticket, DisplacedBy)> {
    let by = |notice| match notice {
        Notice::Outcome { ticket, by, .. } => by.map(|by| (ticket, by)),
        _ => None,
    };
    test.notices().into_iter().filter_map(by).collect()
}

fn displaced(ticket: Ticket) -> (Ticket, OutcomeWord) {
    (ticket, OutcomeWord::Displaced)
}

/// What was told of the only letter that has an outcome.
#[track_caller]
fn told(test: &mut TestOffice) -> (Ticket, Outcome) {
    let told = test.told();
    assert_eq!(told.len(), 1, "{told:?}");
    (told[0].ticket, told[0].outcome)
}

#[test]
fn of_what_waits_the_last_of_a_key_goes_in_the_place_of_the_first() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let first = post(&mut test, "state");
    plain(&mut test);
    let other = post(&mut test, "other");
    let second = post(&mut test, "state");
    assert_eq!(test.outcomes(), [displaced(first)]);
    post(&mut test, "state");
    assert_eq!(test.outcomes(), [displaced(second)]);
    // Of another guest it is another key.
    post_by(&mut test, B, "state");
    assert_eq!(test.outcomes(), []);
    test.connect(false);
    assert_eq!(test.topics(), ["t/5", "t/6", "t/2", "t/3"]);
    assert_eq!(test.office.open_letters(), 4);
    assert!(
        test.office
            .letters(test.now, A)
            .any(|it| it.ticket == other)
    );
}

#[test]
fn the_new_one_has_its_own_ttl_topic_and_tag() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let short = Letter {
        ttl: SECOND,
        tag: Some("old".into()),
        ..keyed(&mut test, "state")
    };
    test.post_letter(A, short);
    let new = Letter {
        topic: "elsewhere".into(),
        tag: Some("new".into()),
        ..keyed(&mut test, "state")
    };
    test.post_letter(A, new);
    assert_eq!(test.told()[0].tag.as_deref(), Some("old"));
    test.pass(2 * SECOND);
    test.connect(false);
    let publish = test.publish();
    assert_eq!(&*publish.topic, "elsewhere");
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.told()[0].tag.as_deref(), Some("new"));
}

#[test]
fn one_in_flight_stays_and_the_new_one_waits() {
    let mut test = TestOffice::online(settings());
    let in_flight = post(&mut test, "state");
    let sent = test.publish();
    let waiting = post(&mut test, "state");
    let last = post(&mut test, "state");
    assert_eq!(test.outcomes(), [displaced(waiting)]);
    assert_eq!(test.topics(), ["t/3"]);
    test.receive(Incoming::PubAck(id_of(&sent)));
    assert_eq!(test.outcomes(), [(in_flight, OutcomeWord::Delivered)]);
    assert_eq!(
        test.office.letters(test.now, A).next().map(|it| it.ticket),
        Some(last)
    );
}

#[test]
fn a_new_session_does_not_begin_with_stale_states() {
    let mut test = TestOffice::online(settings());
    let stale = [(); 3].map(|()| {
        let ticket = post(&mut test, "state");
        test.publish();
        ticket
    });
    test.lose_connection();
    let last = post(&mut test, "state");
    assert_eq!(test.outcomes(), [], "they may go on in the session");
    test.notices();
    test.connect(false);
    let outcomes = test
        .notices()
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Outcome {
                ticket, outcome, ..
            } => Some((ticket, outcome)),
            _ => None,
        });
    let expect = stale.map(|it| (it, Outcome::Displaced { sent: true }));
    assert_eq!(outcomes.collect::<Vec<_>>(), expect);
    let publish = test.publish();
    assert_eq!((&*publish.topic, last), ("t/4", Ticket(4)));
}

#[test]
fn a_kept_session_goes_on_with_what_is_in_flight_and_the_last_one_comes_behind() {
    let mut test = TestOffice::online(kept_session());
    post(&mut test, "state");
    test.publish();
    test.lose_connection();
    post(&mut test, "state");
    test.connect(true);
    let again = test.publishes();
    let again: Vec<_> = again.iter().map(|it| (&*it.topic, it.duplicate)).collect();
    assert_eq!(again, [("t/1", true), ("t/2", false)]);
}

#[test]
fn one_that_was_delivered_is_not_followed_by_an_older_one() {
    let mut test = TestOffice::online(settings());
    let old = post(&mut test, "state");
    let sent = test.publish();
    post(&mut test, "state");
    let newer = test.publish();
    test.receive(Incoming::PubAck(id_of(&newer)));
    test.outcomes();
    // The broker has no room for the old one, which would go again.
    test.receive(Incoming::Refused {
        delivery: sent.delivery,
        reason: Reason::QUOTA_EXCEEDED,
    });
    assert_eq!(told(&mut test), (old, Outcome::Displaced { sent: true }));
    assert_eq!(displaced_by(&mut test), [(old, DisplacedBy::ReplaceKey)]);
    test.pass(2 * SECOND);
    assert_eq!(test.topics(), [""; 0]);
    assert_eq!(test.office.open_letters(), 0);
}

#[test]
fn what_was_sent_before_and_waits_again_is_replaced_and_may_have_arrived() {
    let mut test = TestOffice::online(settings());
    let old = Letter {
        qos: Qos::AtMostOnce,
        ..keyed(&mut test, "state")
    };
    let ticket = old.ticket;
    test.post_letter(A, old);
    let handed_out = test.hand_out().expect("it goes");
    test.office.handle_begun(1);
    test.lose_connection();
    post(&mut test, "state");
    assert_eq!(told(&mut test), (ticket, Outcome::Displaced { sent: true }));
    // What was written of the old one is nothing to the new one.
    test.office.handle_written(test.now, handed_out.carried);
    assert_eq!(test.office.open_letters(), 1);
    test.connect(false);
    assert_eq!(test.topics(), ["t/2"]);
}

#[test]
fn one_of_another_priority_goes_by_its_own() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let low = Letter {
        priority: Priority::Low,
        ..keyed(&mut test, "state")
    };
    let ticket = low.ticket;
    test.post_letter(A, low);
    plain(&mut test);
    post(&mut test, "state");
    assert_eq!(test.outcomes(), [displaced(ticket)]);
    assert_eq!(displaced_by(&mut test), [(ticket, DisplacedBy::ReplaceKey)]);
    test.connect(false);
    assert_eq!(test.topics(), ["t/2", "t/3"]);
}

/// Room for two letters.
fn two(overflow: Overflow) -> TestOffice {
    let bounds = WorkListSettings {
        max: 2,
        overflow,
        ..WorkListSettings::default()
    };
    let mut test = TestOffice::online(with_work_list(bounds, settings()));
    test.lose_connection();
    test.take_calls();
    test
}

#[test]
fn on_a_full_work_list_the_new_one_has_the_room_of_the_old_one() {
    for overflow in [Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject] {
        let mut test = two(overflow);
        plain(&mut test);
        let old = post(&mut test, "state");
        let new = keyed(&mut test, "state");
        assert_eq!(test.office.submit(test.now, A, new), Ok(()));
        assert_eq!(test.outcomes(), [displaced(old)], "{overflow:?}");
        assert_eq!(displaced_by(&mut test), [(old, DisplacedBy::ReplaceKey)]);
    }
    let mut test = two(Overflow::Reject);
    plain(&mut test);
    plain(&mut test);
    let new = keyed(&mut test, "state");
    let submitted = test.office.submit(test.now, A, new);
    assert_eq!(submitted, Err(NotAccepted::Full));
}

#[test]
fn a_larger_one_displaces_others_and_not_the_one_whose_place_it_takes_twice() {
    let bounds = WorkListSettings {
        max_bytes: 40,
        ..WorkListSettings::default()
    };
    let mut test = TestOffice::offline(with_work_list(bounds, settings()));
    test.take_calls();
    let old = post(&mut test, "state");
    let next = plain(&mut test);
    let larger = Letter {
        payload: jackalope::office::Payload::new([0; 25]),
        ..keyed(&mut test, "state")
    };
    let size = larger.size();
    assert_eq!(size, 34);
    test.post_letter(A, larger);
    assert_eq!(test.outcomes(), [displaced(next), displaced(old)]);
    let by = [
        (next, DisplacedBy::Overflow),
        (old, DisplacedBy::ReplaceKey),
    ];
    assert_eq!(displaced_by(&mut test), by);
    assert_eq!(test.office.standing(A).bytes, size);
}

#[test]
fn a_call_may_publish_more_of_one_key_where_nothing_else_finds_room() {
    let mut test = two(Overflow::Reject);
    plain(&mut test);
    let old = post(&mut test, "state");
    test.connect(false);
    test.take_calls();
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let room = test.call().expect("a message").room;
    assert_eq!(room.free, 0);
    let mut tray = Tray::default();
    let letters = [(); 2].map(|()| keyed(&mut test, "state"));
    for letter in letters {
        let size = letter.size();
        assert_eq!(tray.check(&room, None, size), Err(NotAccepted::Full));
        assert_eq!(
            tray.check(&room, Some("else"), size),
            Err(NotAccepted::Full)
        );
        assert_eq!(tray.check(&room, Some("state"), size), Ok(()));
        tray.put(&room, letter);
    }
    // The old one goes out while the guest is at its call.
    let sent = test.publishes();
    assert_eq!(sent.len(), 2);
    let effects = tray.take();
    assert_eq!(effects.letters.len(), 1, "the last wins");
    let last = effects.letters[0].ticket;
    test.answer(A, Answer::Done(effects));
    let told: Vec<_> = test
        .told()
        .iter()
        .map(|it| (it.ticket, it.outcome))
        .collect();
    let of_call = (Ticket(last.0 - 1), Outcome::Displaced { sent: false });
    assert_eq!(told, [of_call, (old, Outcome::Displaced { sent: true })]);
    let by = [of_call.0, old].map(|ticket| (ticket, DisplacedBy::ReplaceKey));
    assert_eq!(displaced_by(&mut test), by);
    assert_eq!(test.office.standing(A).letters, 2);
    assert_eq!(test.topics(), ["t/4"]);
}

#[test]
fn a_circle_of_replacing_ends_in_pauses() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    post(&mut test, "state");
    post(&mut test, "state");
    let mut calls = 0;
    while let Some(call) = test.call() {
        calls += 1;
        assert!(calls < 100, "it is called without a pause");
        let effects = Effects {
            letters: [keyed(&mut test, "state")].into(),
            ..Effects::default()
        };
        test.answer(call.guest, Answer::Done(effects));
    }
}
