//! Messages: whom they go to and when they are acknowledged.

use jackalope::office::{
    Answer, Call, Delivery, Effects, GuestId, Incoming, Notice, OutcomeWord, Outgoing, Payload, Qos,
};
use jackalope_tests::office::{A, B, SECOND, TWO_HOURS, TestOffice, id, kept_session, settings};

#[test]
fn a_message_is_acknowledged_when_all_its_guests_have_taken_it() {
    let mut test = TestOffice::online(settings());
    test.deliver("both", Delivery::AtLeastOnce(id(7)), false);
    assert_eq!(test.packets(), []);
    let first = test.call().expect("a message");
    let second = test.call().expect("a message for the other");
    assert_ne!(first.guest, second.guest);
    assert_eq!(test.call(), None, "one call at a time");
    test.answer(first.guest, Answer::Done(Effects::default()));
    assert_eq!(test.packets(), []);
    test.answer(
        second.guest,
        Answer::Rejected("no".into(), Effects::default()),
    );
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
}

#[test]
fn a_qos_2_message_is_handed_over_once() {
    let mut test = TestOffice::online(kept_session());
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(test.take_calls().len(), 1);
    assert_eq!(test.packets(), [Outgoing::PubRec(id(7))]);
    test.lose_connection();
    test.connect(true);
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(test.packets(), [Outgoing::PubRec(id(7))]);
    assert_eq!(test.take_calls(), []);
    test.receive(Incoming::PubRel(id(7)));
    assert_eq!(test.packets(), [Outgoing::PubComp(id(7))]);
}

#[test]
fn a_failing_message_is_given_up_after_three_retries() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtLeastOnce(id(7)), false);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = test.now;
        let mut assignment = test.call();
        while assignment.is_none() {
            test.now = test.office.next_timeout().expect("it is tried again");
            assignment = test.call();
        }
        pauses.push(test.now.since(before).as_millis());
        assert_eq!(test.packets(), []);
        test.answer(A, Answer::Failed("a trap".into()));
    }
    assert_eq!(pauses, [0, 0, 100, 200], "repeated failures back off");
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
    let given_up = |notice: &Notice| matches!(notice, Notice::GivenUp { guest: A, .. });
    assert_eq!(
        test.notices()
            .iter()
            .filter(|notice| given_up(notice))
            .count(),
        1
    );
}

#[test]
fn a_message_put_off_holds_back_messages_and_not_events() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/1", Delivery::AtMostOnce, false);
    test.deliver("a/2", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    let ticket = test.post(Qos::AtMostOnce, TWO_HOURS);
    test.publishes();
    test.answer(A, Answer::Retry("waiting for an outcome".into()));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
    assert_eq!(test.call(), None);
    test.pass(SECOND);
    let topics: Vec<_> = test
        .take_calls()
        .into_iter()
        .map(|(_, call)| match call {
            Call::Message(message) => message.topic.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(topics, ["a/1", "a/2"]);
}

#[test]
fn one_failing_guest_does_not_hold_back_another() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert_eq!(test.call().map(|it| it.guest), Some(A));
    test.deliver("b/x", Delivery::AtLeastOnce(id(9)), false);
    assert_eq!(test.call().map(|it| it.guest), Some(B));
    test.answer(B, Answer::Done(Effects::default()));
    assert_eq!(test.packets(), [Outgoing::PubAck(id(9))]);
}

#[test]
fn a_network_that_takes_no_acknowledgements_stops_the_reading() {
    let mut test = TestOffice::online(settings());
    let mut taken = 0;
    while test.office.wants_read() {
        taken += 1;
        test.deliver("a/x", Delivery::AtLeastOnce(id(taken)), false);
        test.take_calls();
        assert!(taken <= 1_000, "nothing buffers without bound");
    }
    assert_eq!(test.packets().len(), usize::from(taken));
    assert!(test.office.wants_read());
}

#[test]
fn a_local_message_needs_no_connection_and_no_acknowledgement() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let payload = Payload::new("x");
    test.office
        .handle_local_message(test.now, "both".into(), payload, None);
    let told: Vec<GuestId> = test
        .take_calls()
        .into_iter()
        .map(|(guest, _)| guest)
        .collect();
    assert_eq!(told, [A, B]);
    test.connect(false);
    assert_eq!(test.packets(), []);
}
