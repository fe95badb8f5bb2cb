//! Sessions that outlive their connection.

use super::*;

/// A persistent session with a subscription to `t`, on connection 1.
fn subscribed() -> Test {
    let mut test = Test::new();
    test.resume(1, "a");
    test.expect(1, &["CONNACK accepted"]);
    test.subscribed(1, "t", 2);
    test
}

#[test]
fn a_session_keeps_its_subscriptions_and_messages() {
    let mut test = subscribed();
    test.lose(1);
    test.inject_message("t", "lost", 0, false);
    test.inject_message("t", "kept", 1, false);
    test.resume(2, "a");
    test.expect(
        2,
        &[
            "CONNACK accepted, session present",
            "PUBLISH q1 id=1 t 4 bytes \"kept\"",
        ],
    );
    test.inject_message("t", "live", 0, false);
    test.expect(2, &["PUBLISH q0 t 4 bytes \"live\""]);
}

#[test]
fn what_was_in_flight_is_sent_again_in_order() {
    let mut test = subscribed();
    for (payload, qos) in [("1", 1), ("2", 2), ("3", 1), ("4", 2), ("5", 2)] {
        test.inject_message("t", payload, qos, false);
    }
    test.send(1, puback(1));
    test.send(1, pubrec(4));
    test.send(1, pubrec(2));
    test.lose(1);
    test.resume(2, "a");
    test.expect(
        2,
        &[
            "CONNACK accepted, session present",
            "PUBREL id=4",
            "PUBREL id=2",
            "PUBLISH q1 id=3 dup t 1 bytes \"3\"",
            "PUBLISH q2 id=5 dup t 1 bytes \"5\"",
        ],
    );
    test.send(2, pubcomp(4));
    test.send(2, pubcomp(2));
    test.send(2, puback(3));
    test.send(2, pubrec(5));
    test.send(2, pubcomp(5));
    test.lose(2);
    test.resume(3, "a");
    test.expect(3, &["CONNACK accepted, session present"]);
}

#[test]
fn a_clean_session_forgets() {
    let mut test = subscribed();
    test.inject_message("t", "1", 1, false);
    test.lose(1);
    test.connect(2, "a");
    test.lose(2);
    test.resume(3, "a");
    test.expect(3, &["CONNACK accepted"]);
    assert_eq!(test.core.subscriptions("a").count(), 0);
}

#[test]
fn a_clean_session_ends_with_its_connection() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 1);
    test.lose(1);
    test.inject_message("t", "1", 1, false);
    test.resume(2, "a");
    test.expect(2, &["CONNACK accepted"]);
}

#[test]
fn a_session_survives_a_takeover() {
    let mut test = subscribed();
    test.inject_message("t", "1", 1, false);
    test.expect(1, &["PUBLISH q1 id=1 t 1 bytes \"1\""]);
    test.resume(2, "a");
    test.expect_closed(1, CloseReason::TakenOver);
    test.expect(
        2,
        &[
            "CONNACK accepted, session present",
            "PUBLISH q1 id=1 dup t 1 bytes \"1\"",
        ],
    );
}

#[test]
fn an_incoming_exchange_survives_the_connection() {
    let mut test = subscribed();
    test.send(1, publish(2, 7, "x", "hi"));
    test.lose(1);
    test.resume(2, "a");
    test.send(2, again(publish(2, 7, "x", "hi")));
    test.send(2, pubrel(7));
    test.expect_messages(&["x hi"]);
    test.expect_no_violation();
}

#[test]
fn the_queue_of_those_who_are_away_is_bounded() {
    let mut test = Test::with(CoreOptions {
        queue: 1,
        ..CoreOptions::default()
    });
    test.resume(1, "a");
    test.expect(1, &["CONNACK accepted"]);
    test.subscribed(1, "t", 1);
    test.lose(1);
    test.inject_message("t", "1", 1, false);
    test.inject_message("t", "2", 1, false);
    let dropped = Event::Dropped {
        client: "a".into(),
        topic: "t".to_owned(),
    };
    assert_eq!(test.events.last(), Some(&dropped));
    test.resume(2, "a");
    test.expect(
        2,
        &[
            "CONNACK accepted, session present",
            "PUBLISH q1 id=1 t 1 bytes \"1\"",
        ],
    );
}
