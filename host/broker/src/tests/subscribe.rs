//! Subscriptions and retained messages.

use super::*;

#[test]
fn each_filter_is_granted_as_asked() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribe(1, 3, &[("x", 0), ("y/+", 1), ("z/#", 2)]);
    test.expect(1, &["SUBACK id=3 q0, q1, q2"]);
    let subscriptions: Vec<_> = test.core.subscriptions("a").collect();
    let expected = [
        ("x", QoS::AtMostOnce),
        ("y/+", QoS::AtLeastOnce),
        ("z/#", QoS::ExactlyOnce),
    ];
    assert_eq!(subscriptions, expected);
}

#[test]
fn overlapping_subscriptions_deliver_once_with_the_highest_qos() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribe(1, 1, &[("t/#", 0), ("t/x", 2), ("+/x", 1)]);
    test.expect(1, &["SUBACK id=1 q0, q2, q1"]);
    test.inject_message("t/x", "hi", 2, false);
    test.expect(1, &["PUBLISH q2 id=1 t/x 2 bytes \"hi\""]);
}

#[test]
fn a_second_subscription_replaces_the_first() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 2);
    test.subscribed(1, "t", 0);
    test.inject_message("t", "hi", 2, false);
    test.expect(1, &["PUBLISH q0 t 2 bytes \"hi\""]);
}

#[test]
fn wildcards_leave_dollar_topics_alone() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribe(1, 1, &[("#", 0), ("+/x", 0)]);
    test.expect(1, &["SUBACK id=1 q0, q0"]);
    test.inject_message("$SYS/x", "hi", 0, false);
    test.expect(1, &[]);
}

#[test]
fn unsubscribing_ends_delivery() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 0);
    test.send(1, unsubscribe(5, "t"));
    test.send(1, unsubscribe(6, "never/was"));
    test.expect(1, &["UNSUBACK id=5", "UNSUBACK id=6"]);
    test.inject_message("t", "hi", 0, false);
    test.expect(1, &[]);
}

#[test]
fn retained_messages_come_with_the_subscription() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t/1", 1);
    test.connect(2, "b");
    test.send(2, retained(publish(1, 1, "t/1", "old")));
    test.send(2, retained(publish(1, 2, "t/1", "new")));
    test.send(2, retained(publish(0, 0, "t/2", "two")));
    // To those who were there before, they are messages like others.
    test.expect(
        1,
        &[
            "PUBLISH q1 id=1 t/1 3 bytes \"old\"",
            "PUBLISH q1 id=2 t/1 3 bytes \"new\"",
        ],
    );
    test.connect(3, "c");
    test.subscribe(3, 1, &[("t/+", 1)]);
    let expected = [
        "SUBACK id=1 q1",
        "PUBLISH q1 id=1 retained t/1 3 bytes \"new\"",
        "PUBLISH q0 retained t/2 3 bytes \"two\"",
    ];
    test.expect(3, &expected);
    // Again with each SUBSCRIBE.
    test.subscribe(3, 2, &[("t/2", 1)]);
    test.expect(3, &["SUBACK id=2 q1", expected[2]]);
}

#[test]
fn an_empty_retained_message_clears_the_topic() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 0);
    test.inject_message("t", "hi", 0, true);
    test.inject_message("t", "", 0, true);
    test.expect(1, &["PUBLISH q0 t 2 bytes \"hi\"", "PUBLISH q0 t 0 bytes"]);
    test.subscribed(1, "t", 0);
}
