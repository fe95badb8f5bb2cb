//! The status topic: what the gateway says of itself, and that it holds up no
//! letter.

use jackalope::office::{
    Delivery, Disconnection, Incoming, Notice, OutcomeWord, Outgoing, Payload, Publish, Qos,
    Reason, Refusal, Settings, StatusTopic, Terms,
};
use jackalope_tests::office::{
    SECOND, TWO_HOURS, TestOffice, id_of, kept_session, one_guest, settings,
};

fn with_status(qos: Qos, settings: Settings) -> Settings {
    let status = StatusTopic {
        topic: "status".into(),
        online: Payload::new("online"),
        offline: Payload::new("offline"),
        qos,
        retain: true,
    };
    Settings {
        status_topic: Some(status),
        ..settings
    }
}

/// Online, and the status is due.
fn online() -> TestOffice {
    TestOffice::online(with_status(Qos::AtLeastOnce, settings()))
}

#[track_caller]
fn check_said(publish: &Publish, expect: &str, qos: Qos) {
    assert_eq!(&*publish.topic, "status");
    assert_eq!(&*publish.payload, expect.as_bytes());
    assert_eq!((publish.delivery.qos(), publish.retain), (qos, true));
}

/// Expects that it says to be online, and returns how.
#[track_caller]
fn online_said(test: &mut TestOffice) -> Publish {
    let publish = test.publish();
    check_said(&publish, "online", Qos::AtLeastOnce);
    publish
}

/// Expects that it says to be offline.
#[track_caller]
fn farewell(test: &mut TestOffice) -> Publish {
    match test.office.poll_farewell().map(|dispatch| dispatch.packet) {
        Some(Outgoing::Publish(publish)) => publish,
        other => panic!("no farewell: {other:?}"),
    }
}

#[test]
fn it_is_said_once_a_connection_before_all_letters_and_after_the_subscriptions() {
    let mut test = TestOffice::offline(with_status(Qos::AtLeastOnce, settings()));
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    // Which expects SUBSCRIBE before anything else.
    test.connect(false);
    let said = online_said(&mut test);
    assert!(!said.duplicate);
    assert_eq!(test.topics(), ["t/1"]);
    test.receive(Incoming::PubAck(id_of(&said)));
    assert_eq!(test.packets(), []);
    let unexpected = |notice: &Notice| matches!(notice, Notice::Unexpected { .. });
    assert!(!test.notices().iter().any(unexpected));

    test.lose_connection();
    test.connect(false);
    online_said(&mut test);
    assert_eq!(test.topics(), ["t/1"]);
}

#[test]
fn the_last_will_says_the_opposite() {
    let mut with_will = with_status(Qos::AtLeastOnce, settings());
    for guest in &mut with_will.guests {
        guest.has_will = true;
    }
    let mut test = TestOffice::offline(with_will);
    // No guest is asked for another one.
    let will = test.dial().will.expect("there is one");
    assert_eq!((&*will.topic, &*will.payload), ("status", &b"offline"[..]));
    assert_eq!((will.qos, will.retain), (Qos::AtLeastOnce, true));
}

#[test]
fn there_is_a_farewell_before_an_end_in_good_order_and_before_no_other() {
    let mut test = online();
    assert_eq!(test.office.poll_farewell(), None, "it was not said yet");
    let said = online_said(&mut test);
    test.receive(Incoming::PubAck(id_of(&said)));
    test.office.handle_reconnect(test.now);
    check_said(&farewell(&mut test), "offline", Qos::AtLeastOnce);
    assert_eq!(test.office.poll_farewell(), None, "once");

    test.connect(false);
    online_said(&mut test);
    test.lose_connection();
    assert_eq!(test.office.poll_farewell(), None);

    test.connect(false);
    online_said(&mut test);
    test.pass(60 * SECOND);
    test.packets();
    test.pass(30 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));
    assert_eq!(test.office.poll_farewell(), None);

    test.connect(false);
    online_said(&mut test);
    test.office.handle_shutdown(test.now);
    // The id of the first is not free: at most once, as nothing else can be.
    check_said(&farewell(&mut test), "offline", Qos::AtMostOnce);
}

#[test]
fn what_is_not_acknowledged_is_said_again_under_the_same_id_in_a_kept_session() {
    let mut test = TestOffice::online(with_status(Qos::AtLeastOnce, kept_session()));
    let first = online_said(&mut test);
    test.lose_connection();
    test.connect(true);
    let again = online_said(&mut test);
    assert_eq!((again.duplicate, id_of(&again)), (true, id_of(&first)));
    test.receive(Incoming::PubAck(id_of(&again)));
    test.lose_connection();
    test.connect(true);
    assert!(!online_said(&mut test).duplicate);
    test.lose_connection();
    test.connect(false);
    assert!(!online_said(&mut test).duplicate);
}

#[test]
fn its_exchange_counts_for_the_receive_maximum() {
    for (most, qos, letters) in [(3, Qos::AtLeastOnce, 2), (1, Qos::AtMostOnce, 1)] {
        let mut test = TestOffice::offline(with_status(Qos::AtLeastOnce, one_guest()));
        for _ in 0..5 {
            test.post(Qos::AtLeastOnce, TWO_HOURS);
        }
        let terms = Terms {
            receive_maximum: most,
            ..Terms::default()
        };
        test.connect_on(false, terms);
        check_said(&test.publish(), "online", qos);
        assert_eq!(test.topics().len(), letters);
    }
}

#[test]
fn it_goes_down_with_the_quality_of_service() {
    let mut test = TestOffice::offline(with_status(Qos::AtLeastOnce, settings()));
    let terms = Terms {
        max_qos: Qos::AtMostOnce,
        ..Terms::default()
    };
    test.connect_on(false, terms);
    check_said(&test.publish(), "online", Qos::AtMostOnce);
    test.office.handle_reconnect(test.now);
    check_said(&farewell(&mut test), "offline", Qos::AtMostOnce);
}

#[test]
fn what_the_broker_does_not_take_is_told_and_is_nobodys_letter() {
    let mut test = online();
    test.notices();
    let delivery = Delivery::AtLeastOnce(id_of(&online_said(&mut test)));
    let reason = Reason(0x87);
    test.receive(Incoming::Refused { delivery, reason });
    let refused = Notice::StatusRefused {
        topic: "status".into(),
        refusal: Refusal::Broker(reason),
    };
    assert_eq!(test.notices(), [refused]);
    assert_eq!(test.outcomes(), []);
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_farewell(), None);

    let mut test = TestOffice::offline(with_status(Qos::AtLeastOnce, settings()));
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    let terms = Terms {
        retain_available: false,
        ..Terms::default()
    };
    test.connect_on(false, terms);
    assert_eq!(test.topics(), ["t/1"]);
    let refused = Notice::StatusRefused {
        topic: "status".into(),
        refusal: Refusal::Retain,
    };
    assert!(test.notices().contains(&refused));
}

#[test]
fn a_broker_that_hangs_up_at_it_is_not_taken_for_one_that_hangs_up_at_a_letter() {
    let mut test = TestOffice::offline(with_status(Qos::AtLeastOnce, settings()));
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..10 {
        test.connect(false);
        online_said(&mut test);
        assert_eq!(test.topics(), ["t/1"]);
        test.lose_connection();
        assert!(test.notices().contains(&Notice::StatusUnanswered));
    }
    test.connect(false);
    let said = online_said(&mut test);
    test.receive(Incoming::PubAck(id_of(&said)));
    let letter = test.publish();
    test.receive(Incoming::PubAck(id_of(&letter)));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
}
