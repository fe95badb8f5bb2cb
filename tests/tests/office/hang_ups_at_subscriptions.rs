//! Subscriptions after which the broker ends connections and says nothing.

use std::time::Duration;

use jackalope::office::{
    Call, Disconnection, Incoming, Notice, OutcomeWord, Outgoing, PacketId, Payload, Qos, Reason,
    Settings, StatusTopic, Time,
};
use jackalope_tests::office::{A, B, SECOND, TWO_HOURS, TestOffice, connack, id_of, settings};

/// Connects, without an answer to any subscription.
fn connect(test: &mut TestOffice) {
    test.dial();
    test.receive(connack(false));
}

/// The packet that is next, which must ask for these filters.
#[track_caller]
fn subscribe(test: &mut TestOffice, expect: &[&str]) -> PacketId {
    let Some(Outgoing::Subscribe { id, filters, .. }) = test.packet() else {
        panic!("no SUBSCRIBE");
    };
    let filters: Vec<_> = filters.iter().map(|(filter, _)| &**filter).collect();
    assert_eq!(filters, expect);
    id
}

fn grant(test: &mut TestOffice, id: PacketId, count: usize) {
    let granted = vec![Ok(Qos::AtLeastOnce); count];
    test.receive(Incoming::SubAck { id, granted });
}

/// The broker has hung up three times before it answered.
fn with_suspects(settings: Settings) -> TestOffice {
    let mut test = TestOffice::offline(settings);
    for _ in 0..3 {
        connect(&mut test);
        subscribe(&mut test, &["a/+", "both", "b/#"]);
        test.lose_connection();
    }
    test.take_calls();
    test.notices();
    test
}

/// It does so at `both` and answers the others.
fn with_one_refused(settings: Settings) -> TestOffice {
    let mut test = with_suspects(settings);
    connect(&mut test);
    let id = subscribe(&mut test, &["a/+"]);
    grant(&mut test, id, 1);
    subscribe(&mut test, &["both"]);
    test.lose_connection();
    test
}

/// When the subscription that is taken for refused is tried again.
fn next_try(test: &mut TestOffice) -> Option<Time> {
    let mut notices = test.notices().into_iter();
    notices.find_map(|notice| match notice {
        Notice::SubscriptionHangsUp { filter, next_try } => {
            assert_eq!(&*filter, "both");
            Some(next_try)
        }
        _ => None,
    })
}

#[test]
fn one_after_which_the_broker_hangs_up_goes_alone_and_is_taken_for_refused() {
    let mut test = with_one_refused(settings());
    assert!(next_try(&mut test).is_some_and(|at| at >= test.now + 30 * SECOND));
    // All others are served.
    connect(&mut test);
    let told = test.take_calls();
    for guest in [A, B] {
        let filter = "both".into();
        let granted = false;
        let refused = (guest, Call::Subscription { filter, granted });
        assert!(told.contains(&refused), "{told:?}");
    }
    let id = subscribe(&mut test, &["a/+"]);
    grant(&mut test, id, 1);
    let id = subscribe(&mut test, &["b/#"]);
    grant(&mut test, id, 1);
    assert_eq!(test.packets(), []);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.topics(), ["t/1"]);
}

/// Connects, and all others are granted.
fn connect_others(test: &mut TestOffice) {
    connect(test);
    let mut rest = 2;
    while rest > 0 {
        let Some(Outgoing::Subscribe { id, filters, .. }) = test.packet() else {
            panic!("no SUBSCRIBE");
        };
        assert!(filters.iter().all(|(filter, _)| &**filter != "both"));
        grant(test, id, filters.len());
        rest -= filters.len();
    }
    test.take_calls();
}

#[test]
fn it_is_tried_again_alone_after_pauses_that_grow() {
    let mut test = with_one_refused(Settings {
        keep_alive: Duration::ZERO,
        ..settings()
    });
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        let at = next_try(&mut test).expect("it is taken for refused");
        let pause = at.since(test.now);
        assert!(pause <= Duration::from_hours(1));
        longest = longest.max(pause);
        connect_others(&mut test);
        test.packets();
        test.pass(at.since(test.now));
        subscribe(&mut test, &["both"]);
        test.post(Qos::AtMostOnce, TWO_HOURS);
        assert_eq!(test.packets(), [], "it is alone");
        test.notices();
        test.lose_connection();
    }
    assert!(longest >= Duration::from_mins(30), "{longest:?}");
    // And when it is granted, it is one like any other.
    let at = next_try(&mut test).expect("it is taken for refused");
    connect_others(&mut test);
    test.packets();
    test.pass(at.since(test.now));
    let id = subscribe(&mut test, &["both"]);
    grant(&mut test, id, 1);
    test.lose_connection();
    connect(&mut test);
    subscribe(&mut test, &["a/+", "both", "b/#"]);
}

#[test]
fn a_suspect_waits_for_what_is_under_way_and_letters_for_its_answer() {
    let mut test = with_one_refused(settings());
    let at = next_try(&mut test).expect("it is taken for refused");
    connect_others(&mut test);
    while test.now + 30 * SECOND < at {
        test.pass(30 * SECOND);
        test.packets();
        test.receive(Incoming::PingResp);
    }
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    let letter = test.publish();
    test.pass(at.since(test.now));
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.packets(), [], "the letter is not answered");
    test.receive(Incoming::PubAck(id_of(&letter)));
    let id = subscribe(&mut test, &["both"]);
    assert_eq!(test.packets(), [], "nor is the subscription");
    grant(&mut test, id, 1);
    assert_eq!(test.topics(), ["t/2"]);
}

#[test]
fn nobody_waits_longer_than_5_s() {
    let mut test = with_suspects(settings());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    connect(&mut test);
    for filter in ["a/+", "both", "b/#"] {
        subscribe(&mut test, &[filter]);
        assert_eq!(test.packets(), []);
        let due = test.office.next_timeout();
        assert!(due.is_some_and(|at| at <= test.now + 5 * SECOND));
        test.pass(5 * SECOND);
    }
    assert_eq!(test.topics(), ["t/1"]);
}

#[test]
fn those_that_are_answered_are_no_suspects() {
    let mut test = with_suspects(settings());
    connect(&mut test);
    for filter in ["a/+", "both", "b/#"] {
        let id = subscribe(&mut test, &[filter]);
        grant(&mut test, id, 1);
    }
    test.lose_connection();
    connect(&mut test);
    subscribe(&mut test, &["a/+", "both", "b/#"]);
}

#[test]
fn a_hang_up_long_after_one_says_nothing_about_it() {
    let mut test = TestOffice::offline(settings());
    for _ in 0..10 {
        connect(&mut test);
        subscribe(&mut test, &["a/+", "both", "b/#"]);
        test.pass(5 * SECOND);
        test.lose_connection();
    }
}

#[test]
fn another_broker_is_asked_for_all_of_them() {
    let mut test = with_one_refused(settings());
    test.office.set_broker(1, true);
    connect(&mut test);
    subscribe(&mut test, &["a/+", "both", "b/#"]);
}

#[test]
fn what_a_broker_of_mqtt_5_says_instead_is_the_same() {
    let mut test = TestOffice::offline(settings());
    for _ in 0..3 {
        connect(&mut test);
        subscribe(&mut test, &["a/+", "both", "b/#"]);
        // "Topic filter not accepted".
        test.receive(Incoming::Disconnect(Reason(0x8f), None));
        let reason = Disconnection::Ended(Reason(0x8f));
        assert_eq!(test.office.poll_close(), Some(reason));
    }
    connect(&mut test);
    subscribe(&mut test, &["a/+"]);
}

#[test]
fn the_status_is_not_taken_for_the_reason() {
    let mut test = TestOffice::offline(Settings {
        status_topic: Some(StatusTopic {
            topic: "status".into(),
            online: Payload::new("online"),
            offline: Payload::new("offline"),
            qos: Qos::AtLeastOnce,
            retain: true,
        }),
        ..settings()
    });
    for _ in 0..3 {
        test.post(Qos::AtLeastOnce, TWO_HOURS);
        connect(&mut test);
        subscribe(&mut test, &["a/+", "both", "b/#"]);
        assert!(test.packets().len() > 1);
        test.lose_connection();
    }
    assert!(!test.notices().contains(&Notice::StatusUnanswered));
    connect(&mut test);
    for filter in ["a/+", "both", "b/#"] {
        let id = subscribe(&mut test, &[filter]);
        assert_eq!(test.packets(), [], "not even the status");
        grant(&mut test, id, 1);
    }
    assert_eq!(test.topics(), ["status", "t/1", "t/2", "t/3"]);
}

#[test]
fn a_letter_is_found_as_fast_if_the_broker_sees_it_before_it_answers() {
    let mut test = TestOffice::offline(settings());
    let letter = test.post(Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..3 {
        connect(&mut test);
        subscribe(&mut test, &["a/+", "both", "b/#"]);
        assert_eq!(test.topics(), ["t/1"]);
        test.lose_connection();
    }
    connect(&mut test);
    for filter in ["a/+", "both", "b/#"] {
        let id = subscribe(&mut test, &[filter]);
        grant(&mut test, id, 1);
    }
    assert_eq!(test.topics(), ["t/1"]);
    test.lose_connection();
    assert_eq!(test.outcomes(), [(letter, OutcomeWord::Refused)]);
}
