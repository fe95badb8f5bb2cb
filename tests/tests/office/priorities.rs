//! Which letters of a guest go first, and which give their places up.

use jackalope::office::{
    Answer, Delivery, Effects, GuestId, Incoming, Letter, Outcome, OutcomeWord, Overflow, Payload,
    Priority, Qos, Reason, Settings, Ticket, WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id_of, kept_session, settings, with_room_for,
    with_work_list,
};

use Priority::{High, Low, Normal};

fn post(test: &mut TestOffice, priority: Priority) -> Ticket {
    post_by(test, A, priority)
}

fn post_by(test: &mut TestOffice, guest: GuestId, priority: Priority) -> Ticket {
    let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
    let ticket = letter.ticket;
    test.post_letter(guest, Letter { priority, ..letter });
    ticket
}

/// Room for three letters a guest.
fn three(overflow: Overflow) -> Settings {
    let bounds = WorkListSettings {
        max: 3,
        overflow,
        ..WorkListSettings::default()
    };
    with_work_list(bounds, settings())
}

fn displaced(ticket: Ticket) -> (Ticket, OutcomeWord) {
    (ticket, OutcomeWord::Displaced)
}

#[test]
fn the_highest_goes_first_and_one_priority_in_its_order() {
    let mut test = TestOffice::offline(settings());
    for priority in [Low, Normal, High, Normal, High, Low] {
        post(&mut test, priority);
    }
    test.connect(false);
    let order = ["t/3", "t/5", "t/2", "t/4", "t/1", "t/6"];
    assert_eq!(test.topics(), order);

    // And again in the same order.
    test.lose_connection();
    test.connect(false);
    assert_eq!(test.topics(), order);
}

#[test]
fn a_high_one_goes_before_those_that_wait_and_after_those_that_have_gone() {
    let mut test = TestOffice::online(settings());
    post(&mut test, Normal);
    post(&mut test, Normal);
    test.publish();
    post(&mut test, High);
    assert_eq!(test.topics(), ["t/3", "t/2"]);
}

#[test]
fn the_priority_of_one_guest_is_nothing_to_another() {
    let mut test = TestOffice::offline(settings());
    for _ in 0..2 {
        post_by(&mut test, B, Low);
    }
    for _ in 0..3 {
        post(&mut test, High);
    }
    test.connect(false);
    // They take turns all the same.
    assert_eq!(test.topics(), ["t/1", "t/3", "t/2", "t/4", "t/5"]);
}

#[test]
fn what_the_broker_has_no_room_for_goes_again_before_those_of_its_priority() {
    let mut test = TestOffice::online(settings());
    let letters: Vec<_> = [High, Normal].map(|it| post(&mut test, it)).into();
    let sent = test.publishes();
    post(&mut test, Normal);
    let refused = |delivery: Delivery| Incoming::Refused {
        delivery,
        reason: Reason::QUOTA_EXCEEDED,
    };
    test.receive(refused(sent[1].delivery));
    post(&mut test, High);
    test.pass(SECOND);
    let again: Vec<_> = test
        .publishes()
        .iter()
        .map(|it| it.topic.to_string())
        .collect();
    assert_eq!(again, ["t/4", "t/2", "t/3"]);
    test.receive(Incoming::PubAck(id_of(&sent[0])));
    assert_eq!(test.outcomes(), [(letters[0], OutcomeWord::Delivered)]);
}

#[test]
fn a_kept_session_goes_on_and_what_is_new_goes_by_its_priority() {
    let mut test = TestOffice::online(kept_session());
    post(&mut test, High);
    post(&mut test, Low);
    test.publishes();
    test.lose_connection();
    post(&mut test, Normal);
    test.connect(true);
    let again = test.publishes();
    let topics: Vec<_> = again.iter().map(|it| (&*it.topic, it.duplicate)).collect();
    assert_eq!(topics, [("t/1", true), ("t/3", false), ("t/2", true)]);
}

#[test]
fn the_oldest_of_the_lowest_priority_gives_its_place_up() {
    let mut test = TestOffice::offline(three(Overflow::DropOldest));
    test.take_calls();
    let high = post(&mut test, High);
    let first_low = post(&mut test, Low);
    let second_low = post(&mut test, Low);
    let normal = post(&mut test, Normal);
    assert_eq!(test.outcomes(), [displaced(first_low)]);
    // One that is not higher than the lowest takes the place of the lowest.
    let third_low = post(&mut test, Low);
    assert_eq!(test.outcomes(), [displaced(second_low)]);
    post(&mut test, High);
    assert_eq!(test.outcomes(), [displaced(third_low)]);
    post(&mut test, High);
    assert_eq!(test.outcomes(), [displaced(normal)]);
    post(&mut test, High);
    assert_eq!(test.outcomes(), [displaced(high)], "of highs the oldest");
}

#[test]
fn one_that_finds_only_higher_ones_is_displaced_itself() {
    let mut test = TestOffice::offline(three(Overflow::DropOldest));
    test.take_calls();
    for _ in 0..3 {
        post(&mut test, High);
    }
    let normal = post(&mut test, Normal);
    let told = test.told();
    assert_eq!(
        (told[0].ticket, told[0].outcome),
        (normal, Outcome::Displaced { sent: false })
    );
    test.connect(false);
    assert_eq!(test.topics(), ["t/1", "t/2", "t/3"]);
}

#[test]
fn nothing_is_displaced_for_one_that_does_not_fit_beside_higher_ones() {
    let bounds = WorkListSettings {
        max_bytes: 100,
        ..WorkListSettings::default()
    };
    let mut test = TestOffice::offline(with_work_list(bounds, settings()));
    test.take_calls();
    let mut post = |priority, size| {
        let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
        let payload = Payload::new(vec![0; size - 9]);
        let letter = Letter {
            priority,
            payload,
            ..letter
        };
        assert_eq!(letter.size(), size);
        let ticket = letter.ticket;
        test.post_letter(A, letter);
        (ticket, test.outcomes())
    };
    post(High, 60);
    let (low, _) = post(Low, 20);
    let (too_large, outcomes) = post(Normal, 41);
    assert_eq!(outcomes, [displaced(too_large)], "the low one stays");
    assert_eq!(post(Normal, 40).1, [displaced(low)]);
}

#[test]
fn a_low_one_in_flight_gives_its_place_up_as_well() {
    let mut test = TestOffice::online(three(Overflow::DropOldest));
    let low = post(&mut test, Low);
    test.publish();
    for _ in 0..3 {
        post(&mut test, High);
    }
    let told = test.told();
    assert_eq!(
        (told[0].ticket, told[0].outcome),
        (low, Outcome::Displaced { sent: true })
    );
}

#[test]
fn by_drop_newest_those_that_wait_stay() {
    let mut test = TestOffice::offline(three(Overflow::DropNewest));
    test.take_calls();
    for _ in 0..3 {
        post(&mut test, Low);
    }
    // Whatever its priority is.
    let newest = post(&mut test, High);
    let told = test.told();
    assert_eq!(
        (told[0].ticket, told[0].outcome),
        (newest, Outcome::Displaced { sent: false })
    );
    test.connect(false);
    assert_eq!(test.topics(), ["t/1", "t/2", "t/3"]);
    // Each guest has its own bound.
    post_by(&mut test, B, Normal);
    assert_eq!(test.topics(), ["t/5"]);
}

#[test]
fn by_drop_newest_a_call_may_publish_and_an_operator_as_well() {
    let mut test = TestOffice::online(three(Overflow::DropNewest));
    for _ in 0..2 {
        post(&mut test, Normal);
    }
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let room = test.call().expect("a message").room;
    assert!(room.accept > 3 && room.keep == 3, "{room:?}");
    let letters = (0..2).map(|_| test.letter(Qos::AtLeastOnce, TWO_HOURS));
    let letters: Vec<_> = letters.collect();
    let displaced_of_call = letters[1].ticket;
    let effects = Effects {
        letters: letters.into(),
        ..Effects::default()
    };
    test.answer(A, Answer::Done(effects));
    assert_eq!(test.outcomes(), [displaced(displaced_of_call)]);
    let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
    let ticket = letter.ticket;
    assert_eq!(test.office.submit(test.now, A, letter), Ok(()));
    assert_eq!(test.outcomes(), [displaced(ticket)]);
}

#[test]
fn what_is_displaced_at_once_ends_a_circle_of_publishing_again() {
    let mut test = TestOffice::offline(three(Overflow::DropNewest));
    test.take_calls();
    for _ in 0..4 {
        post(&mut test, Normal);
    }
    // A guest that publishes again what was displaced would be called for ever.
    let mut calls = 0;
    while let Some(call) = test.call() {
        calls += 1;
        assert!(calls < 100, "it is called without a pause");
        let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
        let effects = Effects {
            letters: [letter].into(),
            ..Effects::default()
        };
        test.answer(call.guest, Answer::Done(effects));
    }
}

#[test]
fn a_letter_that_is_held_back_holds_back_lower_ones() {
    let mut test = TestOffice::online(with_room_for(500, settings()));
    for _ in 0..200 {
        post(&mut test, Normal);
    }
    let sent = test.publishes();
    assert!(sent.len() < 200, "the window is full");
    post(&mut test, High);
    // One of QoS 0 needs no place in the window.
    let low = test.letter(Qos::AtMostOnce, TWO_HOURS);
    test.post_letter(
        A,
        Letter {
            priority: Low,
            ..low
        },
    );
    assert_eq!(test.hand_out(), None);
    test.receive(Incoming::PubAck(id_of(&sent[0])));
    assert_eq!(test.topics(), ["t/201"]);
}

#[test]
fn one_that_is_not_kept_yet_holds_back_no_lower_one() {
    let mut test = TestOffice::online(Settings {
        is_durable: true,
        ..settings()
    });
    while test.office.poll_commit().is_some() {
        test.office.handle_committed();
    }
    post(&mut test, Normal);
    assert!(test.office.poll_commit().is_some());
    post(&mut test, High);
    test.office.handle_committed();
    assert_eq!(test.topics(), ["t/1"]);
    assert!(test.office.poll_commit().is_some());
    test.office.handle_committed();
    assert_eq!(test.topics(), ["t/2"]);
}
