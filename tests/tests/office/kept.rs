//! What is to outlive the gateway: what waits until it is kept.

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Call, Change, Delivery, Effects, GoneGuests, GuestId, Incoming, Letter, NO_SESSION,
    NotAccepted, OutcomeWord, Outgoing, Overflow, Payload, Qos, Remaining, Schedule, SessionChange,
    Settings, Tray, WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, connack, guest, id, id_of, kept_session, with_work_list,
};

fn durable() -> Settings {
    Settings {
        is_durable: true,
        ..kept_session()
    }
}

/// From the next one on, no session is kept.
fn begin_clean_sessions(test: &mut TestOffice) {
    let settings = Settings {
        clean_session: true,
        ..durable()
    };
    let (now, session) = (test.now, SessionChange::New);
    let places = [Some(A), Some(B)];
    test.office.handle_changed(now, settings, &places, session);
}

/// With a session that is kept.
fn online() -> TestOffice {
    online_as(durable())
}

fn online_as(settings: Settings) -> TestOffice {
    let mut test = TestOffice::offline(settings);
    test.dial();
    test.receive(connack(false));
    test.keep();
    test.grant_subscriptions();
    test.take_calls();
    test.keep();
    test
}

#[test]
fn a_letter_is_not_sent_before_it_is_kept() {
    let mut test = online();
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.packets(), []);
    let changes = test.office.poll_commit().expect("a letter");
    assert!(matches!(&changes[..], [Change::Accepted(_)]), "{changes:?}");
    assert_eq!(test.packets(), []);
    test.office.handle_commit_failed("the disk is full".into());
    assert_eq!(test.packets(), []);
    test.office.handle_committed();
    assert_eq!(test.packets().len(), 1);
}

#[test]
fn letters_go_out_when_their_own_group_is_kept() {
    let mut test = online();
    for _ in 0..4 {
        test.post(Qos::AtLeastOnce, TWO_HOURS);
        assert!(test.office.poll_commit().is_some());
    }
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.office.poll_commit(), None, "four groups at a time");
    for topic in ["t/1", "t/2", "t/3", "t/4", "t/5"] {
        assert_eq!(test.packets(), []);
        test.office.handle_committed();
        assert_eq!(test.office.poll_commit().is_some(), topic == "t/1");
        assert_eq!(test.topics(), [topic]);
    }
}

#[test]
fn no_guest_is_called_while_much_is_not_kept_whether_it_is_handed_out_or_not() {
    let mut test = online_as(Settings {
        max_packet_size: 20 << 20,
        ..durable()
    });
    for handed_out in [true, true, true, false] {
        let payload = Payload::new(vec![0; 9 << 20]);
        let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
        test.post_letter(A, Letter { payload, ..letter });
        assert!(!handed_out || test.office.poll_commit().is_some());
    }
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert_eq!(test.take_calls(), []);
    test.office.handle_committed();
    assert_eq!(test.take_calls().len(), 1);
}

#[test]
fn nothing_more_is_handed_out_behind_a_group_that_has_failed() {
    let mut test = online();
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert!(test.office.poll_commit().is_some());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.office.handle_commit_failed("the disk is full".into());
    assert_eq!(test.office.poll_commit(), None);
    test.office.handle_committed();
    assert!(test.office.poll_commit().is_some());
    assert_eq!(test.topics(), ["t/1"]);
}

#[test]
fn a_message_is_acknowledged_when_its_own_group_is_kept() {
    let mut test = online();
    for number in [7, 8] {
        test.deliver("a/x", Delivery::ExactlyOnce(id(number)), false);
        test.take_calls();
        assert!(test.office.poll_commit().is_some());
    }
    for number in [7, 8] {
        test.office.handle_committed();
        assert_eq!(test.packets(), [Outgoing::PubRec(id(number))]);
    }
}

/// A letter of a key.
fn state(test: &mut TestOffice) -> Letter {
    Letter {
        replace_key: Some("state".into()),
        ..test.letter(Qos::AtLeastOnce, TWO_HOURS)
    }
}

const POLICIES: [Overflow; 3] = [Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject];

/// A work list with room for so many letters.
fn online_with(max: usize, overflow: Overflow) -> TestOffice {
    let bounds = WorkListSettings {
        max,
        overflow,
        ..WorkListSettings::default()
    };
    online_as(with_work_list(bounds, durable()))
}

#[test]
fn a_key_is_sent_however_often_it_is_replaced() {
    for overflow in POLICIES {
        for max in [1, 2, 100] {
            check_key(max, overflow);
        }
    }
}

/// A key that is replaced whenever a group is under way, beside a letter that the broker
/// does not acknowledge if there is room for both.
#[track_caller]
fn check_key(max: usize, overflow: Overflow) {
    let mut test = online_with(max, overflow);
    let post = |test: &mut TestOffice| {
        let letter = state(test);
        assert_eq!(test.office.submit(test.now, A, letter), Ok(()));
    };
    post(&mut test);
    let other = (max > 1).then(|| test.post(Qos::AtLeastOnce, TWO_HOURS));
    let other = other.map(|ticket| format!("t/{}", ticket.0));
    let (mut sent, mut told) = (0, Vec::new());
    for _ in 0..10 {
        assert!(test.office.poll_commit().is_some());
        // The first of these is not in the group, and the second takes its place.
        post(&mut test);
        post(&mut test);
        assert!(test.office.standing(A).letters <= max + 1, "{overflow:?}");
        test.office.handle_committed();
        let publishes = test.publishes().into_iter();
        for publish in publishes.filter(|it| other.as_deref() != Some(&*it.topic)) {
            test.receive(Incoming::PubAck(id_of(&publish)));
            sent += 1;
        }
        told.extend(test.outcomes());
    }
    assert!(test.office.standing(A).letters <= max, "{overflow:?}");
    let count = |word| told.iter().filter(|it| it.1 == word).count();
    let all = (
        sent,
        count(OutcomeWord::Delivered),
        count(OutcomeWord::Displaced),
    );
    // In each round one has gone out, and another has given its place up.
    assert_eq!(all, (10, 10, 10), "{max} {overflow:?}: {told:?}");
}

#[test]
fn what_a_call_may_publish_finds_room_beside_a_key_that_is_being_kept() {
    let mut test = online_with(2, Overflow::Reject);
    let first = state(&mut test);
    test.post_letter(A, first);
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let room = test.call().expect("a message").room;
    let mut tray = Tray::default();
    for letter in [state(&mut test), test.letter(Qos::AtLeastOnce, TWO_HOURS)] {
        let key = letter.replace_key.clone();
        let check = tray.check(&room, key.as_deref(), letter.size());
        assert_eq!(check, Ok(()));
        tray.put(&room, letter);
    }
    assert!(test.office.poll_commit().is_some());
    test.answer(A, Answer::Done(tray.take()));
    assert_eq!(test.outcomes(), []);
    assert_eq!(test.office.standing(A).letters, 3);
    let another = test.letter(Qos::AtLeastOnce, TWO_HOURS);
    let submitted = test.office.submit(test.now, A, another);
    assert_eq!(submitted, Err(NotAccepted::Full));
}

/// One that was taken over in an earlier life is taken over again, and goes first.
#[test]
fn a_place_is_handed_on_from_life_to_life() {
    let mut test = TestOffice::offline(durable());
    test.take_calls();
    let letters = [(); 3].map(|()| state(&mut test));
    let [first, other, last] = letters;
    let other = Letter {
        replace_key: None,
        ..other
    };
    for (letter, place) in [(last, Some(first.ticket)), (other, None)] {
        let remaining = Remaining {
            posted: Some(test.now),
            deadline: test.now + TWO_HOURS,
            is_held: false,
            place,
        };
        test.office.restore_letter(A, letter, remaining);
    }
    let next = state(&mut test);
    test.post_letter(A, next);
    let places = test.keep().into_iter().filter_map(|change| match change {
        Change::Accepted(kept) => Some(kept.place),
        _ => None,
    });
    assert!(places.eq([Some(first.ticket)]));
    test.dial();
    test.receive(connack(false));
    test.keep();
    test.grant_subscriptions();
    assert_eq!(test.topics(), ["t/4", "t/2"]);
}

#[test]
fn a_message_is_acknowledged_when_what_it_led_to_is_kept() {
    for delivery in [Delivery::AtLeastOnce(id(7)), Delivery::ExactlyOnce(id(7))] {
        let mut test = online();
        test.deliver("a/x", delivery, false);
        assert!(test.call().is_some());
        let mut effects = Effects::default();
        effects
            .letters
            .push_back(test.letter(Qos::AtLeastOnce, TWO_HOURS));
        test.answer(A, Answer::Done(effects));
        assert_eq!(test.packets(), []);
        test.keep();
        let acknowledged = match delivery {
            Delivery::ExactlyOnce(id) => Outgoing::PubRec(id),
            _ => Outgoing::PubAck(id(7)),
        };
        assert_eq!(test.packets().first(), Some(&acknowledged));
    }
}

#[test]
fn a_duplicate_of_a_guest_that_is_gone_is_acknowledged_no_earlier() {
    let mut test = online();
    let delivery = Delivery::ExactlyOnce(id(7));
    test.deliver("a/x", delivery, false);
    test.take_calls();
    let settings = Settings {
        guests: Vec::new(),
        ..durable()
    };
    let now = test.now;
    let session = SessionChange::None;
    test.office.handle_changed(now, settings, &[], session);
    test.lose_connection();
    test.dial();
    test.receive(connack(true));
    test.deliver("a/x", delivery, true);
    let is_answer = |packet: &Outgoing| matches!(packet, Outgoing::PubRec(_));
    assert!(!test.packets().iter().any(is_answer));
    test.keep();
    assert!(test.packets().iter().any(is_answer));
}

#[test]
fn nothing_comes_in_a_new_session_before_it_is_known_after_a_crash() {
    let mut test = online();
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    test.take_calls();
    test.keep();
    test.lose_connection();
    test.dial();
    test.receive(connack(false));
    assert_eq!(test.packets(), [], "no SUBSCRIBE");
    let changes = test.office.poll_commit();
    assert_eq!(changes, Some(vec![Change::Session(0)]));
    assert_eq!(test.packets(), [], "it is only handed out");
    test.office.handle_committed();
    test.grant_subscriptions();
}

#[test]
fn pubcomp_waits_until_the_message_is_forgotten() {
    let mut test = online();
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    test.take_calls();
    let taken = test.keep();
    assert!(taken.contains(&Change::Received(id(7))), "{taken:?}");
    assert_eq!(test.packets(), [Outgoing::PubRec(id(7))]);
    test.receive(Incoming::PubRel(id(7)));
    assert_eq!(test.packets(), []);
    assert_eq!(test.keep(), [Change::Released(id(7))]);
    assert_eq!(test.packets(), [Outgoing::PubComp(id(7))]);
}

/// Ends a call with a timer that is due once, in a second.
fn answer_with_timer(test: &mut TestOffice, guest: GuestId) {
    let mut effects = Effects::default();
    let set = effects.timers.set(None, 1, "x", Schedule::once(SECOND));
    assert_eq!(set, Ok(()));
    test.answer(guest, Answer::Done(effects));
}

#[test]
fn the_last_call_of_one_that_is_dropped_leaves_the_timers_of_whoever_has_its_name_by_then() {
    let mut test = online();
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert_eq!(test.call().map(|call| call.guest), Some(A));
    answer_with_timer(&mut test, A);
    test.pass(SECOND);
    let call = test.call().expect("its timer is due");
    assert!(matches!(call.call, Call::Timer(_)), "{call:?}");

    // It goes, and is back before that call is over.
    let mut change = |guests: &[&[&str]], places: &[Option<GuestId>]| {
        let settings = Settings {
            guests: guests.iter().map(|filters| guest(filters)).collect(),
            gone_guests: GoneGuests::Drop,
            ..durable()
        };
        let session = SessionChange::None;
        test.office
            .handle_changed(test.now, settings, places, session)
    };
    change(&[&["b/#", "both"]], &[Some(B)]);
    let places = change(&[&["b/#", "both"], &["a/+"]], &[Some(B), None]);
    let back = places[1];
    assert_eq!(test.call().map(|call| call.guest), Some(back));
    answer_with_timer(&mut test, back);
    test.keep();

    test.answer(A, Answer::Done(Effects::default()));
    assert_eq!(test.keep(), []);
}

/// `A` is given these timers, each of them once in an hour, and it is kept what comes of
/// that.
fn give_timers(test: &mut TestOffice, names: &[&str]) -> Vec<Change> {
    let mut settings = durable();
    let given = names.iter().map(|name| {
        let name = Arc::from(*name);
        (name, Schedule::once(3_600 * SECOND))
    });
    settings.guests[0].timers.given = given.collect();
    let (now, session) = (test.now, SessionChange::None);
    let places = [Some(A), Some(B)];
    test.office.handle_changed(now, settings, &places, session);
    test.keep()
}

/// `A` sets the timer `x` for a moment in a second, and that is kept.
fn set_timer(test: &mut TestOffice) {
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    answer_with_timer(test, A);
    let kept = test.keep();
    let is_set = |it: &Change| matches!(it, Change::Timer { timer: Some(_), .. });
    assert!(kept.iter().any(is_set), "{kept:?}");
}

#[test]
fn a_timer_that_another_one_is_given_for_does_not_come_back() {
    let mut test = online();
    set_timer(&mut test);
    let kept = give_timers(&mut test, &["x", "y"]);
    let is_removed =
        |it: &Change| matches!(it, Change::Timer { name, timer: None, .. } if **name == *"x");
    assert!(matches!(&kept[..], [it] if is_removed(it)), "{kept:?}");
    assert_eq!(give_timers(&mut test, &["y"]), []);
    let left = test.office.timers(test.now, A).map(|it| it.name);
    assert!(left.eq([Arc::from("y")]));
}

#[test]
fn a_timer_that_was_set_stays_when_its_name_is_given_no_more() {
    let mut test = online();
    assert_eq!(give_timers(&mut test, &["x"]), []);
    set_timer(&mut test);
    assert_eq!(give_timers(&mut test, &["x"]), [], "it is given as before");
    assert_eq!(give_timers(&mut test, &[]), []);
    test.pass(SECOND);
    let call = test.call().expect("it is due").call;
    assert!(matches!(call, Call::Timer(due) if &*due.name == "x"));
}

/// The next life of a gateway whose session was kept with this name, with brokers of these.
fn in_a_next_life(session: u64, sessions: &[u64]) -> TestOffice {
    let mut test = TestOffice::offline(Settings {
        sessions: sessions.to_vec(),
        ..durable()
    });
    test.office.restore_session(session, [id(7)].into_iter());
    test
}

#[test]
fn a_session_with_another_broker_or_of_another_client_is_not_taken_for_the_one_that_is_kept() {
    for sessions in [&[12, 11][..], &[12]] {
        let mut test = in_a_next_life(11, sessions);
        assert!(test.dial().clean_session);
        test.receive(connack(false));
        assert_eq!(test.keep(), [Change::Session(12)]);
        test.grant_subscriptions();
        test.take_calls();
        test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
        assert!(test.call().is_some(), "it is a new message");
    }
}

#[test]
fn a_session_goes_on_that_is_with_the_same_broker() {
    let mut test = in_a_next_life(11, &[11, 12]);
    assert!(!test.dial().clean_session);
    test.receive(connack(true));
    test.take_calls();
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert!(test.call().is_none(), "it was taken");
}

#[test]
fn a_session_that_is_kept_is_over_when_one_begins_that_is_not() {
    let mut test = online();
    test.lose_connection();
    begin_clean_sessions(&mut test);
    for expect in [&[Change::Session(NO_SESSION)][..], &[]] {
        test.dial();
        test.receive(connack(false));
        assert_eq!(test.keep(), expect);
        test.lose_connection();
    }
    let mut next = TestOffice::offline(durable());
    next.office.restore_session(NO_SESSION, [].into_iter());
    assert!(
        next.dial().clean_session,
        "the broker may have that from before"
    );
}

#[test]
fn the_age_of_a_letter_of_an_earlier_life_is_told_where_it_is_known() {
    let mut test = TestOffice::offline(durable());
    for posted in [None, Some(test.now)] {
        let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
        let remaining = Remaining {
            posted,
            deadline: test.now + TWO_HOURS,
            is_held: posted.is_none(),
            place: None,
        };
        test.office.restore_letter(A, letter, remaining);
    }
    let ages = test.office.letters(test.now, A).map(|letter| letter.age);
    assert!(ages.eq([None, Some(Duration::ZERO)]));
}

#[test]
fn a_message_of_a_session_that_is_kept_is_known_until_another_has_begun() {
    let mut test = online();
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    assert!(test.call().is_some());
    test.lose_connection();
    begin_clean_sessions(&mut test);
    // Whether the broker accepts is not known.
    assert!(test.dial().clean_session);
    test.answer(A, Answer::Done(Effects::default()));
    assert_eq!(test.keep(), [Change::Received(id(7))]);
}

#[test]
fn a_session_that_only_the_broker_knows_of_is_kept_from_then_on() {
    let mut test = TestOffice::offline(durable());
    test.dial();
    test.receive(connack(true));
    assert_eq!(test.keep(), [Change::Session(0)]);
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    test.take_calls();
    assert_eq!(test.keep(), [Change::Received(id(7))]);
}
