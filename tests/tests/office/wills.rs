//! Last wills that the broker does not take.

use std::time::Duration;

use jackalope::office::{
    Disconnection, LastWill, Notice, Payload, Qos, Reason, Settings, StatusTopic, WillRefusal,
};
use jackalope_tests::office::{SECOND, TestOffice, connack, settings};

const PAYLOAD_NOT_VALID: Reason = Reason(0x99);
const NOT_AUTHORIZED: u8 = 0x87;

fn offline() -> TestOffice {
    TestOffice::offline(Settings {
        last_will: Some(LastWill {
            topic: "will".into(),
            payload: Payload::new("gone"),
            qos: Qos::ExactlyOnce,
            retain: true,
            delay: Duration::ZERO,
            properties: None,
        }),
        ..settings()
    })
}

/// Begins a connection, and says with which will.
fn dial(test: &mut TestOffice) -> Option<(Qos, bool)> {
    test.dial().will.map(|will| (will.qos, will.retain))
}

fn end(test: &mut TestOffice, reason: Disconnection) {
    test.office.handle_disconnected(test.now, reason);
}

/// The broker refuses the connection for its will, and the next one begins at once.
#[track_caller]
fn refuse(test: &mut TestOffice, reason: Disconnection) -> Option<(Qos, bool)> {
    end(test, reason);
    test.pass(Duration::ZERO);
    let connect = test.office.poll_connect(test.now).expect("it is due");
    connect.will.map(|will| (will.qos, will.retain))
}

fn refused(test: &mut TestOffice) -> Vec<WillRefusal> {
    let refused = |notice| match notice {
        Notice::WillRefused { topic, refusal } => {
            assert_eq!(&*topic, "will");
            Some(refusal)
        }
        _ => None,
    };
    test.notices().into_iter().filter_map(refused).collect()
}

#[test]
fn it_has_the_highest_quality_of_service_that_the_broker_takes() {
    for (reason, expect) in [
        (Disconnection::Refused(0x9b), Qos::AtLeastOnce),
        (
            Disconnection::RefusedQos(Qos::AtLeastOnce),
            Qos::AtLeastOnce,
        ),
        (Disconnection::RefusedQos(Qos::AtMostOnce), Qos::AtMostOnce),
    ] {
        let mut test = offline();
        assert_eq!(dial(&mut test), Some((Qos::ExactlyOnce, true)));
        assert_eq!(refuse(&mut test, reason), Some((expect, true)));
        assert_eq!(refused(&mut test), [WillRefusal::Qos(expect)]);
        test.receive(connack(false));
        // That lasts, and is not said again.
        test.lose_connection();
        assert_eq!(dial(&mut test), Some((expect, true)));
        assert_eq!(refused(&mut test), []);
    }
}

#[test]
fn it_goes_down_step_by_step_where_the_broker_does_not_say_how_far() {
    let mut test = offline();
    dial(&mut test);
    let mut told = Vec::new();
    for qos in [Qos::AtLeastOnce, Qos::AtMostOnce] {
        let will = refuse(&mut test, Disconnection::Refused(0x9b));
        assert_eq!(will, Some((qos, true)));
        told.push(WillRefusal::Qos(qos));
    }
    assert_eq!(refuse(&mut test, Disconnection::Refused(0x9b)), None);
    told.push(WillRefusal::Broker(Reason::QOS_NOT_SUPPORTED));
    assert_eq!(refused(&mut test), told);
    // Without a will it is a refusal like any other.
    end(&mut test, Disconnection::Refused(0x9b));
    test.pass(Duration::ZERO);
    assert_eq!(test.office.poll_connect(test.now), None);
}

#[test]
fn it_is_not_retained_where_the_broker_retains_nothing() {
    let mut test = offline();
    dial(&mut test);
    let will = refuse(&mut test, Disconnection::Refused(0x9a));
    assert_eq!(will, Some((Qos::ExactlyOnce, false)));
    let will = refuse(&mut test, Disconnection::RefusedQos(Qos::AtMostOnce));
    assert_eq!(will, Some((Qos::AtMostOnce, false)));
    let expect = [WillRefusal::Retain, WillRefusal::Qos(Qos::AtMostOnce)];
    assert_eq!(refused(&mut test), expect);
}

#[test]
fn the_one_of_the_status_topic_gives_way_as_well() {
    let mut test = TestOffice::offline(Settings {
        status_topic: Some(StatusTopic {
            topic: "will".into(),
            online: Payload::new("online"),
            offline: Payload::new("offline"),
            qos: Qos::AtLeastOnce,
            retain: true,
        }),
        ..settings()
    });
    dial(&mut test);
    let will = refuse(&mut test, Disconnection::Refused(0x9a));
    assert_eq!(will, Some((Qos::AtLeastOnce, false)));
}

#[test]
fn it_is_left_out_where_the_broker_refuses_it_otherwise() {
    for code in [0x90, 0x95, 0x99] {
        let mut test = offline();
        dial(&mut test);
        assert_eq!(refuse(&mut test, Disconnection::Refused(code)), None);
        assert_eq!(refused(&mut test), [WillRefusal::Broker(Reason(code))]);
        test.receive(connack(false));
        test.lose_connection();
        assert_eq!(dial(&mut test), None);
    }
}

#[test]
fn another_broker_is_asked_for_it_as_configured() {
    let mut test = offline();
    dial(&mut test);
    let code = PAYLOAD_NOT_VALID.0;
    assert_eq!(refuse(&mut test, Disconnection::Refused(code)), None);
    end(&mut test, Disconnection::Closed);
    test.office.set_broker(1, true);
    assert_eq!(dial(&mut test), Some((Qos::ExactlyOnce, true)));
    end(&mut test, Disconnection::Closed);
    test.office.set_broker(0, true);
    assert_eq!(dial(&mut test), None, "what was learnt lasts");
}

/// The broker ends so many connections in a row, each begun with the will.
#[track_caller]
fn end_with_will(test: &mut TestOffice, times: u32, reason: &Disconnection) {
    for _ in 0..times {
        assert!(dial(test).is_some());
        end(test, reason.clone());
    }
}

#[test]
fn it_is_left_out_where_the_broker_hangs_up_with_it_and_not_without() {
    for reason in [
        Disconnection::Closed,
        Disconnection::Reset,
        Disconnection::Refused(5),
        Disconnection::Refused(NOT_AUTHORIZED),
    ] {
        let mut test = offline();
        end_with_will(&mut test, 3, &reason);
        assert_eq!(dial(&mut test), None);
        assert_eq!(refused(&mut test), []);
        test.receive(connack(false));
        assert_eq!(refused(&mut test), [WillRefusal::HangsUp]);
        test.lose_connection();
        // To be sure.
        end_with_will(&mut test, 1, &reason);
        for _ in 0..5 {
            assert_eq!(dial(&mut test), None);
            test.receive(connack(false));
            test.lose_connection();
        }
        assert_eq!(refused(&mut test), [], "it is said once");
    }
}

#[test]
fn a_broker_that_comes_back_is_not_taken_for_one_that_hangs_up_at_it() {
    let mut test = offline();
    end_with_will(&mut test, 3, &Disconnection::Closed);
    assert_eq!(dial(&mut test), None);
    test.receive(connack(false));
    test.lose_connection();
    for _ in 0..5 {
        assert!(dial(&mut test).is_some());
        test.receive(connack(false));
        test.pass(SECOND);
        test.lose_connection();
    }
}

#[test]
fn a_broker_that_hangs_up_without_it_as_well_does_so_for_something_else() {
    let mut test = offline();
    for _ in 0..3 {
        end_with_will(&mut test, 3, &Disconnection::Closed);
        assert_eq!(dial(&mut test), None);
        end(&mut test, Disconnection::Closed);
    }
    // Nor is it for what is no answer at all.
    for _ in 0..10 {
        end_with_will(&mut test, 1, &Disconnection::Failed("not there".into()));
    }
    assert_eq!(refused(&mut test), []);
}
