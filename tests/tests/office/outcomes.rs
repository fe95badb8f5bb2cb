//! What guests are told of their letters, and how: in lists, one by one, or not.

use std::sync::Arc;

use jackalope::office::{
    Answer, Call, Delivery, Effects, GuestSettings, Incoming, Letter, LetterOutcome, MAX_OUTCOMES,
    Notice, Outcome, OutcomeWord, Properties, Qos, Reason, Refusal, Refused, Settings, Status,
    Terms, Ticket, WorkListSettings,
};
use jackalope_tests::office::{
    A, SECOND, TWO_HOURS, TestOffice, guest, id_of, one_guest, with_room_for,
};

/// One guest, which is told so many outcomes at once.
fn told(outcomes: usize) -> Settings {
    Settings {
        guests: vec![GuestSettings {
            outcomes,
            work_list: WorkListSettings {
                max: 1_000,
                ..WorkListSettings::default()
            },
            ..guest(&["a/{x}/{rest...}", "a/#"])
        }],
        ..one_guest()
    }
}

/// Letters that have expired, and nobody was told.
fn expired(test: &mut TestOffice, letters: usize) -> Vec<Ticket> {
    let tickets = (0..letters).map(|_| test.post(Qos::AtLeastOnce, SECOND));
    let tickets = tickets.collect();
    test.pass(SECOND);
    tickets
}

/// The tickets of the next call, which must be about outcomes.
#[track_caller]
fn call(test: &mut TestOffice) -> Vec<Ticket> {
    match test.call().map(|assignment| assignment.call) {
        Some(Call::Outcomes(told)) => told.iter().map(|told| told.ticket).collect(),
        other => panic!("no outcomes: {other:?}"),
    }
}

fn done(test: &mut TestOffice) {
    test.answer(A, Answer::Done(Effects::default()));
}

fn failed(test: &mut TestOffice) {
    test.answer(A, Answer::Failed("a trap".into()));
    test.pass(60 * SECOND);
}

#[test]
fn all_that_are_known_are_told_at_once_up_to_a_bound() {
    let mut test = TestOffice::offline(told(MAX_OUTCOMES));
    test.take_calls();
    let tickets = expired(&mut test, 600);
    for expect in tickets.chunks(MAX_OUTCOMES) {
        assert_eq!(call(&mut test), expect);
        done(&mut test);
    }
    assert_eq!(test.call(), None);
    assert_eq!(test.office.untold_outcomes(), 0);
}

#[test]
fn other_events_keep_their_place_among_outcomes() {
    let mut test = TestOffice::offline(told(MAX_OUTCOMES));
    test.take_calls();
    let before = expired(&mut test, 2);
    test.dial();
    test.receive(Incoming::ConnAck {
        session_present: false,
        terms: Terms::default(),
    });
    let after = expired(&mut test, 2);
    assert_eq!(call(&mut test), before);
    done(&mut test);
    assert_eq!(
        test.call().map(|assignment| assignment.call),
        Some(Call::Connection(Status::Online))
    );
    done(&mut test);
    assert_eq!(call(&mut test), after);
}

#[test]
fn after_a_failure_outcomes_are_told_one_by_one_and_the_one_that_fails_is_given_up() {
    let mut test = TestOffice::offline(told(MAX_OUTCOMES));
    test.take_calls();
    let tickets = expired(&mut test, 3);
    assert_eq!(call(&mut test), tickets);
    let later = expired(&mut test, 2);
    failed(&mut test);
    assert_eq!(call(&mut test), tickets[..1]);
    done(&mut test);
    // The first call, and three retries.
    for _ in 0..4 {
        assert_eq!(call(&mut test), tickets[1..2]);
        failed(&mut test);
    }
    let given_up = |notice: &Notice| match notice {
        Notice::GivenUp {
            call: Call::Outcomes(told),
            ..
        } => told.iter().map(|it| it.ticket).eq([tickets[1]]),
        _ => false,
    };
    assert_eq!(test.notices().iter().filter(|it| given_up(it)).count(), 1);
    assert_eq!(call(&mut test), tickets[2..]);
    done(&mut test);
    assert_eq!(call(&mut test), later, "together again");
    done(&mut test);
    assert_eq!(test.office.untold_outcomes(), 0);
}

#[test]
fn a_guest_that_hears_of_none_is_not_called_and_is_owed_none() {
    let mut test = TestOffice::offline(told(0));
    test.take_calls();
    expired(&mut test, 3);
    assert_eq!(test.call(), None);
    assert_eq!(test.office.untold_outcomes(), 0);
    let logged = |notice: &Notice| matches!(notice, Notice::Outcome { .. });
    assert_eq!(test.notices().iter().filter(|it| logged(it)).count(), 3);
}

#[test]
fn a_guest_that_hears_nothing_of_its_subscriptions_is_not_called() {
    let mut settings = told(1);
    settings.guests[0].hears_subscriptions = false;
    let mut test = TestOffice::offline(settings);
    test.connect(false);
    let subscribed = |notice: &Notice| matches!(notice, Notice::Subscribed { .. });
    assert_eq!(test.notices().iter().filter(|it| subscribed(it)).count(), 2);
    test.lose_connection();
    let calls = test.take_calls();
    assert_eq!(calls, [(A, Call::Connection(Status::Offline))]);
}

#[track_caller]
fn check(told: &[LetterOutcome], ticket: Ticket, tag: Option<&str>, outcome: Outcome) {
    let tag = tag.map(Arc::from);
    let expect = LetterOutcome {
        ticket,
        tag,
        outcome,
    };
    assert_eq!(told, [expect]);
}

#[test]
fn a_tag_comes_back_whatever_becomes_of_its_letter() {
    let mut test = TestOffice::online(told(1));
    let tagged = |test: &mut TestOffice, ttl| {
        let letter = test.letter(Qos::AtLeastOnce, ttl);
        let ticket = letter.ticket;
        let tag = Some("about the door".into());
        test.post_letter(A, Letter { tag, ..letter });
        ticket
    };
    let tag = Some("about the door");
    let ticket = tagged(&mut test, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubAck(id));
    check(&test.told(), ticket, tag, Outcome::Delivered);

    let ticket = tagged(&mut test, SECOND);
    test.pass(SECOND);
    check(&test.told(), ticket, tag, Outcome::Expired { sent: false });

    let ticket = tagged(&mut test, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::Refused {
        delivery: Delivery::AtLeastOnce(id),
        reason: Reason(0x87),
    });
    let refused = Outcome::Refused(Refused::NotAuthorized);
    check(&test.told(), ticket, tag, refused);
}

#[test]
fn what_was_sent_is_known_when_it_expires_or_is_displaced() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut test = TestOffice::online(told(1));
        let ticket = test.post(qos, SECOND);
        let dispatch = test.hand_out().expect("it is due");
        test.pass(SECOND);
        let unsent = Outcome::Expired { sent: false };
        check(&test.told(), ticket, None, unsent);
        test.recall(&dispatch);
    }
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut test = TestOffice::online(told(1));
        let ticket = test.post(qos, 2 * SECOND);
        test.publish();
        // Sent on an earlier connection is sent, too.
        test.lose_connection();
        test.take_calls();
        test.pass(2 * SECOND);
        let sent = Outcome::Expired { sent: true };
        check(&test.told(), ticket, None, sent);
    }
    let mut test = TestOffice::online(with_room_for(1, told(1)));
    let first = test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.publish();
    let second = test.post(Qos::AtLeastOnce, TWO_HOURS);
    check(&test.told(), first, None, Outcome::Displaced { sent: true });
    let third = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let unsent = Outcome::Displaced { sent: false };
    check(&test.told(), second, None, unsent);
    // The network will be given it, although it has not taken any of it yet.
    test.hand_out().expect("it is due");
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    check(&test.told(), third, None, Outcome::Displaced { sent: true });
}

#[test]
fn a_letter_that_was_sent_on_an_earlier_connection_only_was_sent() {
    let mut test = TestOffice::online(told(1));
    let ticket = test.post(Qos::AtLeastOnce, 90 * SECOND);
    test.publish();
    test.lose_connection();
    test.connect(false);
    let dispatch = test.hand_out().expect("it is sent again");
    test.pass(90 * SECOND);
    let sent = Outcome::Expired { sent: true };
    check(&test.told(), ticket, None, sent);
    test.recall(&dispatch);
}

#[test]
fn a_letter_that_was_sent_was_sent_while_the_next_connection_begins() {
    let mut test = TestOffice::online(told(1));
    let ticket = test.post(Qos::ExactlyOnce, 90 * SECOND);
    test.publish();
    test.lose_connection();
    test.pass(60 * SECOND);
    test.dial();
    // CONNECT is written, in which there is no letter.
    test.office.handle_begun(0);
    test.pass(30 * SECOND);
    let sent = Outcome::Expired { sent: true };
    check(&test.told(), ticket, None, sent);
}

fn with_properties(test: &mut TestOffice) -> Letter {
    let properties = Properties {
        content_type: Some("text/plain".into()),
        ..Properties::default()
    };
    Letter {
        properties: Some(Arc::new(properties)),
        ..test.letter(Qos::AtLeastOnce, TWO_HOURS)
    }
}

#[test]
fn a_letter_with_properties_goes_to_a_broker_that_carries_them_and_is_refused_by_another() {
    let terms = Terms {
        carries_properties: true,
        properties: 6,
        ..Terms::default()
    };
    let mut test = TestOffice::offline(told(1));
    test.take_calls();
    let letter = with_properties(&mut test);
    test.post_letter(A, letter.clone());
    test.connect_on(false, terms);
    assert_eq!(test.publish().properties, letter.properties);

    let mut test = TestOffice::offline(told(1));
    test.take_calls();
    let letter = with_properties(&mut test);
    let ticket = letter.ticket;
    test.post_letter(A, letter);
    test.connect(false);
    assert_eq!(test.packets(), []);
    let why = |notice: &Notice| {
        matches!(
            notice,
            Notice::LetterRefused {
                refusal: Refusal::Properties,
                ..
            }
        )
    };
    assert!(test.notices().iter().any(why));
    let refused = Outcome::Refused(Refused::Properties);
    check(&test.told(), ticket, None, refused);
}

#[test]
fn properties_count_for_the_largest_packet() {
    let terms = |max_packet_size| Terms {
        carries_properties: true,
        properties: 6,
        max_packet_size,
        ..Terms::default()
    };
    // Header, topic, packet id, payload, all properties with their length.
    let size = 2 + (2 + 3) + 2 + 1 + (1 + 5 + 3 + 10);
    for (max, expect) in [(size, 1), (size - 1, 0)] {
        let mut test = TestOffice::offline(told(1));
        let letter = with_properties(&mut test);
        test.post_letter(A, letter);
        test.connect_on(false, terms(max));
        assert_eq!(test.publishes().len(), expect, "{max}");
    }
}

#[test]
fn what_a_call_may_publish_is_what_is_allowed_at_the_moment() {
    let mut test = TestOffice::offline(Settings {
        max_qos: Qos::AtLeastOnce,
        ..told(1)
    });
    let room = test.call().expect("it is offline").room;
    assert_eq!(
        (room.max_qos, room.carries_properties),
        (Qos::AtLeastOnce, true)
    );
    done(&mut test);
    test.connect_on(
        false,
        Terms {
            max_qos: Qos::AtMostOnce,
            ..Terms::default()
        },
    );
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let room = test.call().expect("a message").room;
    assert_eq!(
        (room.max_qos, room.carries_properties),
        (Qos::AtMostOnce, false)
    );
    done(&mut test);
    test.lose_connection();
    let room = test.call().expect("it is offline").room;
    assert_eq!(
        (room.max_qos, room.carries_properties),
        (Qos::AtLeastOnce, true)
    );
}

#[test]
fn subscriptions_are_asked_for_with_no_more_than_what_is_allowed() {
    let mut test = TestOffice::offline(Settings {
        max_qos: Qos::AtMostOnce,
        ..told(1)
    });
    test.connect(false);
    let granted = |notice: &Notice| match notice {
        Notice::Subscribed { qos, .. } => Some(*qos),
        _ => None,
    };
    let granted: Vec<_> = test.notices().iter().filter_map(granted).collect();
    assert_eq!(granted, [Qos::AtMostOnce; 2]);
}

#[test]
fn a_message_says_which_subscription_it_matches_and_how_long_it_is_good() {
    let mut test = TestOffice::online(told(1));
    for (topic, subscription, levels) in [
        (
            "a/1/2/3",
            "a/{x}/{rest...}",
            vec![("x", "1"), ("rest", "2/3")],
        ),
        ("a", "a/#", vec![]),
    ] {
        test.deliver(topic, Delivery::AtMostOnce, false);
        let Some(Call::Message(message)) = test.call().map(|it| it.call) else {
            panic!("no message")
        };
        assert_eq!(&**message.subscription.as_str(), subscription);
        assert_eq!(message.subscription.levels(topic), levels);
        assert_eq!(message.expires, None);
        done(&mut test);
    }
    assert_eq!(test.outcomes(), [] as [(Ticket, OutcomeWord); 0]);
}
