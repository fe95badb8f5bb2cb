//! The connection: its beginning, keep-alive and the last will.

use std::time::Duration;

use jackalope::office::{
    Answer, Call, Delivery, Disconnection, Incoming, LastWill, Outgoing, Payload, Qos, Status,
};
use jackalope_tests::office::{SECOND, TWO_HOURS, TestOffice, connack, settings};

#[test]
fn keep_alive_goes_on_while_a_guest_is_at_a_call() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    for _ in 0..10 {
        test.pass(60 * SECOND);
        assert_eq!(test.packets(), [Outgoing::PingReq]);
        test.receive(Incoming::PingResp);
        assert_eq!(test.office.poll_close(), None);
    }
}

#[test]
fn a_silent_broker_is_given_up_within_one_and_a_half_keep_alives() {
    let mut test = TestOffice::online(settings());
    test.pass(60 * SECOND);
    assert_eq!(test.packets(), [Outgoing::PingReq]);
    test.pass(29 * SECOND);
    assert_eq!(test.office.poll_close(), None);
    test.pass(SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));
    assert_eq!(test.office.status(), Status::Offline);
}

#[test]
fn sending_alone_does_not_prove_that_the_broker_lives() {
    let mut test = TestOffice::online(settings());
    for _ in 0..6 {
        test.pass(10 * SECOND);
        test.post(Qos::AtMostOnce, TWO_HOURS);
        assert_eq!(test.office.poll_close(), None);
        let packets = test.packets();
        assert!(!packets.is_empty());
    }
    test.pass(30 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));
}

#[test]
fn guests_are_asked_for_the_last_will_and_the_first_answer_counts() {
    let mut with_wills = settings();
    for guest in &mut with_wills.guests {
        guest.has_will = true;
    }
    let will = |topic: &str| LastWill {
        topic: topic.into(),
        payload: Payload::new("gone"),
        qos: Qos::AtLeastOnce,
        retain: true,
        delay: Duration::ZERO,
        properties: None,
    };
    with_wills.last_will = Some(will("configured"));
    let asked = |answers: [Option<LastWill>; 2]| {
        let mut test = TestOffice::offline(with_wills.clone());
        test.take_calls();
        test.pass(Duration::ZERO);
        for _ in 0..2 {
            let assignment = test.call().expect("both are asked");
            assert_eq!(assignment.call, Call::LastWill);
            test.answer(
                assignment.guest,
                Answer::Will(answers[assignment.guest.index()].clone()),
            );
        }
        test.dial().will.map(|will| will.topic.to_string())
    };
    assert_eq!(asked([Some(will("a")), Some(will("b"))]), Some("a".into()));
    assert_eq!(asked([None, Some(will("b"))]), Some("b".into()));
    assert_eq!(asked([None, None]), Some("configured".into()));
    assert_eq!(
        asked([Some(will("not/#")), None]),
        Some("configured".into())
    );
}

#[test]
fn a_guest_that_does_not_answer_does_not_keep_the_gateway_offline() {
    let mut with_will = settings();
    with_will.guests[0].has_will = true;
    let mut test = TestOffice::offline(with_will);
    assert!(test.call().is_some(), "busy with being told: offline");
    test.pass(Duration::ZERO);
    assert_eq!(test.office.poll_connect(test.now), None);
    test.pass(2 * SECOND);
    test.pass(Duration::ZERO);
    assert!(test.office.poll_connect(test.now).is_some());
}

#[test]
fn reconnecting_is_at_once_and_not_more_often_than_the_shortest_pause() {
    let mut test = TestOffice::online(settings());
    test.pass(10 * SECOND);
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    test.pass(Duration::ZERO);
    assert!(test.office.poll_connect(test.now).is_some());
    test.receive(connack(false));
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    test.pass(SECOND - Duration::from_millis(1));
    assert_eq!(test.office.poll_connect(test.now), None);
    test.pass(Duration::from_millis(1));
    assert!(test.office.poll_connect(test.now).is_some());
}

#[test]
fn a_broker_that_breaks_the_rules_is_left() {
    let mut test = TestOffice::offline(settings());
    test.dial();
    test.receive(Incoming::PingResp);
    assert!(matches!(
        test.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));

    let mut test = TestOffice::online(settings());
    test.receive(connack(false));
    assert!(matches!(
        test.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));
}

#[test]
fn another_broker_is_tried_at_once_where_one_does_not_accept() {
    let mut test = TestOffice::offline(settings());
    for reason in [
        Disconnection::Failed("not there".into()),
        Disconnection::Refused(5),
        Disconnection::Closed,
    ] {
        test.office.set_broker(0, true);
        test.dial();
        test.office.handle_disconnected(test.now, reason);
        test.pass(Duration::ZERO);
        assert!(test.office.poll_connect(test.now).is_some());
        test.office.set_broker(1, false);
        test.lose_connection();
        test.pass(Duration::ZERO);
        assert_eq!(
            test.office.poll_connect(test.now),
            None,
            "after all of them"
        );
    }
    // One that had accepted is tried again after a pause.
    test.office.set_broker(1, true);
    test.connect(false);
    test.lose_connection();
    test.pass(Duration::ZERO);
    assert_eq!(test.office.poll_connect(test.now), None);
}
