//! PUBLISH in both directions.

use super::*;

#[test]
fn messages_reach_subscribers_with_the_lower_qos() {
    for (published, subscribed, line) in [
        (0, 2, "PUBLISH q0 t 2 bytes \"hi\""),
        (1, 0, "PUBLISH q0 t 2 bytes \"hi\""),
        (1, 1, "PUBLISH q1 id=1 t 2 bytes \"hi\""),
        (1, 2, "PUBLISH q1 id=1 t 2 bytes \"hi\""),
        (2, 1, "PUBLISH q1 id=1 t 2 bytes \"hi\""),
        (2, 2, "PUBLISH q2 id=1 t 2 bytes \"hi\""),
    ] {
        let mut test = Test::new();
        test.connect(1, "a");
        test.subscribed(1, "t", subscribed);
        test.inject_message("t", "hi", published, false);
        test.expect(1, &[line]);
    }
}

#[test]
fn qos_0_is_not_acknowledged() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.send(1, publish(0, 0, "t", "hi"));
    test.expect(1, &[]);
    test.expect_messages(&["t hi"]);
}

#[test]
fn qos_1_is_acknowledged_and_delivered_each_time() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.publish(1, 7, "t", "hi");
    test.send(1, again(publish(1, 7, "t", "hi")));
    test.expect(1, &["PUBACK id=7", "PUBACK id=7"]);
    test.expect_messages(&["t hi", "t hi"]);
    test.expect_no_violation();
}

#[test]
fn qos_2_is_delivered_once_at_pubrel() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.send(1, publish(2, 7, "t", "hi"));
    test.send(1, again(publish(2, 7, "t", "hi")));
    test.expect(1, &["PUBREC id=7", "PUBREC id=7"]);
    test.expect_messages(&[]);
    test.send(1, pubrel(7));
    test.send(1, pubrel(7));
    test.expect(1, &["PUBCOMP id=7", "PUBCOMP id=7"]);
    test.expect_messages(&["t hi"]);
    test.expect_no_violation();
}

#[test]
fn qos_2_can_be_delivered_at_publish() {
    let mut test = Test::with(CoreOptions {
        deliver_qos2: DeliverQos2::AtPublish,
        ..CoreOptions::default()
    });
    test.connect(1, "a");
    test.send(1, publish(2, 7, "t", "hi"));
    test.send(1, again(publish(2, 7, "t", "hi")));
    test.expect_messages(&["t hi"]);
    test.send(1, pubrel(7));
    test.expect_messages(&["t hi"]);
}

#[test]
fn a_packet_id_is_free_again_after_its_exchange() {
    let mut test = Test::new();
    test.connect(1, "a");
    for payload in ["one", "two"] {
        test.send(1, publish(2, 7, "t", payload));
        test.send(1, pubrel(7));
        test.publish(1, 7, "t", "three");
    }
    test.expect_messages(&["t one", "t three", "t two", "t three"]);
    test.expect_no_violation();
}

#[test]
fn a_pubrel_out_of_nowhere_is_answered() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.send(1, pubrel(9));
    test.expect(1, &["PUBCOMP id=9"]);
    test.expect_no_violation();
}

#[test]
fn qos_2_goes_out_in_four_steps() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 2);
    test.inject_message("t", "hi", 2, false);
    test.expect(1, &["PUBLISH q2 id=1 t 2 bytes \"hi\""]);
    test.send(1, pubrec(1));
    test.send(1, pubrec(1));
    test.expect(1, &["PUBREL id=1", "PUBREL id=1"]);
    test.send(1, pubcomp(1));
    test.send(1, pubcomp(1));
    test.expect(1, &[]);
    test.expect_no_violation();
}

#[test]
fn late_acknowledgements_are_left_alone() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.send(1, puback(3));
    test.send(1, pubcomp(3));
    test.expect(1, &[]);
    test.send(1, pubrec(3));
    test.expect(1, &["PUBREL id=3"]);
    test.expect_no_violation();
}

#[test]
fn the_window_limits_what_is_under_way() {
    let mut test = Test::with(CoreOptions {
        window: 2,
        ..CoreOptions::default()
    });
    test.connect(1, "a");
    test.subscribed(1, "t", 2);
    for payload in ["1", "2", "3", "4"] {
        test.inject_message("t", payload, 2, false);
    }
    test.inject_message("t", "0", 0, false);
    test.expect(
        1,
        &[
            "PUBLISH q2 id=1 t 1 bytes \"1\"",
            "PUBLISH q2 id=2 t 1 bytes \"2\"",
            "PUBLISH q0 t 1 bytes \"0\"",
        ],
    );
    test.send(1, pubrec(2));
    test.expect(1, &["PUBREL id=2"]);
    test.send(1, pubcomp(2));
    test.expect(1, &["PUBLISH q2 id=3 t 1 bytes \"3\""]);
}

#[test]
fn what_does_not_fit_the_queue_is_dropped() {
    let mut test = Test::with(CoreOptions {
        window: 1,
        queue: 2,
        ..CoreOptions::default()
    });
    test.connect(1, "a");
    test.subscribed(1, "t", 1);
    for payload in ["1", "2", "3", "4"] {
        test.inject_message("t", payload, 1, false);
    }
    assert_eq!(test.core.dropped(), 1);
    for id in 1..=3 {
        test.send(1, puback(id));
    }
    test.expect(
        1,
        &[
            "PUBLISH q1 id=1 t 1 bytes \"1\"",
            "PUBLISH q1 id=2 t 1 bytes \"2\"",
            "PUBLISH q1 id=3 t 1 bytes \"3\"",
        ],
    );
}

#[test]
fn a_sender_gets_its_own_message_if_it_is_subscribed() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "#", 0);
    test.publish(1, 1, "t", "hi");
    test.expect(1, &["PUBLISH q0 t 2 bytes \"hi\"", "PUBACK id=1"]);
}

#[test]
fn the_log_of_messages_is_bounded() {
    let mut test = Test::with(CoreOptions {
        messages_kept: 2,
        ..CoreOptions::default()
    });
    for payload in ["1", "2", "3"] {
        test.inject_message("t", payload, 0, false);
    }
    test.expect_messages(&["t 2", "t 3"]);
}

#[test]
fn what_is_injected_is_checked() {
    let mut test = Test::new();
    let mut inject = |topic: &str, size: usize| {
        let payload = vec![0; size];
        test.core
            .publish(test.now, topic, payload, QoS::AtMostOnce, false)
    };
    let long = "x".repeat(65_536);
    let wildcard = PublishError::Topic(Violation::WildcardInName);
    assert_eq!(inject("a/+", 0), Err(wildcard));
    assert_eq!(
        inject("", 0),
        Err(PublishError::Topic(Violation::EmptyTopic))
    );
    assert_eq!(inject(&long, 0), Err(PublishError::TopicTooLong));
    assert_eq!(inject("t", 1024 * 1024), Err(PublishError::TooLarge));
    assert_eq!(inject("t", 1024 * 1024 - 5), Ok(()));
}
