//! The bound of a work list in bytes.

use std::sync::Arc;

use jackalope::office::{
    Answer, Call, Delivery, Effects, Incoming, Letter, NotAccepted, Outcome, OutcomeWord, Overflow,
    Payload, Properties, Qos, Settings, Ticket, WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id_of, settings, with_work_list,
};

/// How many bytes a letter takes beside its payload: fixed header, topic `t/1` with its
/// length, packet id.
const HEAD: usize = 2 + 2 + 3 + 2;

/// Two guests, whose letters may take a hundred bytes.
fn hundred(overflow: Overflow) -> Settings {
    let bounds = WorkListSettings {
        max_bytes: 100,
        overflow,
        ..WorkListSettings::default()
    };
    with_work_list(bounds, settings())
}

/// A letter that takes so many bytes.
fn letter(test: &mut TestOffice, size: usize) -> Letter {
    let letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
    let payload = Payload::new(vec![0; size - HEAD]);
    let letter = Letter { payload, ..letter };
    assert_eq!(letter.size(), size);
    letter
}

fn post(test: &mut TestOffice, size: usize) -> Ticket {
    let letter = letter(test, size);
    let ticket = letter.ticket;
    test.post_letter(A, letter);
    ticket
}

fn bytes(test: &TestOffice) -> usize {
    test.office.standing(A).bytes
}

#[test]
fn the_oldest_letters_are_displaced_until_one_more_fits() {
    let mut test = TestOffice::offline(hundred(Overflow::DropOldest));
    test.take_calls();
    let old: Vec<_> = (0..4).map(|_| post(&mut test, 25)).collect();
    assert_eq!((test.outcomes(), bytes(&test)), (vec![], 100));
    post(&mut test, 30);
    let displaced = |ticket: &Ticket| (*ticket, OutcomeWord::Displaced);
    assert_eq!(test.outcomes(), [displaced(&old[0]), displaced(&old[1])]);
    assert_eq!(bytes(&test), 80);
    post(&mut test, 20);
    assert_eq!((test.outcomes(), bytes(&test)), (vec![], 100));
    test.connect(false);
    assert_eq!(test.topics(), ["t/3", "t/4", "t/5", "t/6"]);
}

#[test]
fn a_letter_as_large_as_the_bound_goes_alone_and_a_larger_one_displaces_nothing() {
    let mut test = TestOffice::offline(hundred(Overflow::DropOldest));
    test.take_calls();
    let small = post(&mut test, 10);
    let too_large = post(&mut test, 101);
    assert_eq!(test.outcomes(), [(too_large, OutcomeWord::Refused)]);
    post(&mut test, 100);
    assert_eq!(test.outcomes(), [(small, OutcomeWord::Displaced)]);
    assert_eq!(bytes(&test), 100);
}

#[test]
fn what_is_in_flight_is_displaced_as_well() {
    let mut test = TestOffice::online(hundred(Overflow::DropOldest));
    let sent = post(&mut test, 60);
    test.publish();
    post(&mut test, 60);
    let told = test.told();
    assert_eq!(
        (told[0].ticket, told[0].outcome),
        (sent, Outcome::Displaced { sent: true })
    );
    assert_eq!(test.topics(), ["t/2"]);
}

#[test]
fn each_guest_has_its_own_bound() {
    let mut settings = hundred(Overflow::DropOldest);
    settings.guests[1].work_list.max_bytes = 50;
    let mut test = TestOffice::offline(settings);
    test.take_calls();
    post(&mut test, 100);
    let of_b: Vec<_> = (0..2)
        .map(|_| {
            let letter = letter(&mut test, 30);
            let ticket = letter.ticket;
            test.post_letter(B, letter);
            ticket
        })
        .collect();
    assert_eq!(test.outcomes(), [(of_b[0], OutcomeWord::Displaced)]);
    assert_eq!((bytes(&test), test.office.standing(B).bytes), (100, 30));
}

#[test]
fn whatever_becomes_of_a_letter_its_bytes_are_free() {
    let mut test = TestOffice::online(hundred(Overflow::DropOldest));
    post(&mut test, 40);
    let publish = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(bytes(&test), 0, "delivered");

    test.post(Qos::AtLeastOnce, SECOND);
    assert_ne!(bytes(&test), 0);
    test.pass(SECOND);
    assert_eq!(bytes(&test), 0, "expired");

    test.lose_connection();
    let cancelled = post(&mut test, 40);
    let answer = test.office.handle_cancel(test.now, cancelled);
    assert_eq!(answer, Ok(Outcome::Expired { sent: false }));
    assert_eq!(bytes(&test), 0, "cancelled");
}

#[test]
fn properties_count() {
    let mut test = TestOffice::offline(hundred(Overflow::DropOldest));
    let plain = letter(&mut test, 20);
    let properties = Properties {
        user: vec![("name".into(), "value".into())],
        ..Properties::default()
    };
    // Five bytes beside name and value, and one for the length of all.
    let size = plain.size() + 5 + 4 + 5 + 1;
    let with = Letter {
        properties: Some(Arc::new(properties)),
        ..plain
    };
    assert_eq!(with.size(), size);
    test.post_letter(A, with);
    assert_eq!(bytes(&test), size);
}

#[test]
fn where_nothing_is_displaced_a_call_is_told_how_much_fits() {
    let mut test = TestOffice::online(hundred(Overflow::Reject));
    post(&mut test, 40);
    test.publish();
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let room = test.call().expect("a message").room;
    assert_eq!((room.free_bytes, room.keep_bytes), (60, 100));
    assert_eq!(room.check_room(0, 60, (1, 60)), Ok(()));
    assert_eq!(room.check_room(1, 41, (2, 61)), Err(NotAccepted::Full));

    let refused = post(&mut test, 61);
    test.answer(A, Answer::Done(Effects::default()));
    assert_eq!(test.outcomes(), [(refused, OutcomeWord::Refused)]);
}

#[test]
fn what_a_call_publishes_displaces_what_was_there_before() {
    let mut test = TestOffice::online(hundred(Overflow::DropOldest));
    let old = post(&mut test, 60);
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let assignment = test.call().expect("a message");
    assert!(matches!(assignment.call, Call::Message(_)));
    assert_eq!(assignment.room.free_bytes, usize::MAX);
    let letters = (0..2).map(|_| letter(&mut test, 50)).collect();
    let effects = Effects {
        letters,
        ..Effects::default()
    };
    test.answer(A, Answer::Done(effects));
    assert_eq!(test.outcomes(), [(old, OutcomeWord::Displaced)]);
    assert_eq!(bytes(&test), 100);
}

#[test]
fn what_is_larger_than_the_bound_is_not_accepted_and_the_rule_is_named() {
    for overflow in [Overflow::DropOldest, Overflow::Reject] {
        let mut test = TestOffice::offline(hundred(overflow));
        let small = letter(&mut test, 10);
        assert_eq!(test.office.submit(test.now, A, small), Ok(()));
        let too_large = letter(&mut test, 101);
        let submitted = test.office.submit(test.now, A, too_large);
        let why = submitted.expect_err("it is larger than the bound");
        assert_eq!(why, NotAccepted::LargerThanWorkList(101, 100));
        assert_eq!(
            why.to_string(),
            "`work-list.max-bytes` allows no more than 100 bytes, and this letter takes 101"
        );
        assert_eq!(bytes(&test), 10, "nothing was displaced");
    }
}
