//! Statements of MQTT 3.1.1 that CONFORMANCE.md lists, and no other test holds.

use super::*;

/// What the broker answers to a CONNECT of level 4, behind its keep alive.
#[track_caller]
fn check_connect(flags: u8, rest: &[u8], expected: Violation) {
    let mut bytes = vec![0x10, u8::try_from(rest.len() + 10).unwrap()];
    bytes.extend(b"\0\x04MQTT\x04");
    bytes.extend([flags, 0, 0]);
    bytes.extend(rest);
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, &bytes);
    assert_eq!(test.core.violations(), [expected], "{rest:?}");
    test.expect(1, &[]);
    test.expect_closed(1, CloseReason::Violation(expected));
}

#[test]
fn a_wrong_connect_gets_no_connack() {
    use Violation::{Malformed, NotUtf8};
    // A will, a user name, a password that is not there.
    check_connect(0x06, b"\0\x01a", Malformed);
    check_connect(0x82, b"\0\x01a", Malformed);
    check_connect(0xc2, b"\0\x01a\0\x01u", Malformed);
    // One that is there without its flag.
    check_connect(0x02, b"\0\x01a\0\x01u", Malformed);
    check_connect(0x82, b"\0\x01a\0\x01u\0\x01p", Malformed);
    // Client id, topic of the will, user name.
    check_connect(0x02, b"\0\x01\xff", NotUtf8);
    check_connect(0x06, b"\0\x01a\0\x01\xff\0\0", NotUtf8);
    check_connect(0x82, b"\0\x01a\0\x01\xff", NotUtf8);
}

#[test]
fn filters_are_utf_8() {
    for bytes in [
        &[0x82, 6, 0, 1, 0, 1, 0xff, 0][..],
        &[0xa2, 5, 0, 1, 0, 1, 0xff],
    ] {
        let mut test = Test::new();
        test.connect(1, "a");
        test.bytes(1, bytes);
        assert_eq!(test.core.violations(), [Violation::NotUtf8]);
    }
}

#[test]
fn client_ids_of_23_letters_and_digits_are_let_in() {
    let mut test = Test::new();
    let ids = [
        "0123456789abcdefghijklm",
        "nopqrstuvwxyzABCDEFGHIJ",
        "KLMNOPQRSTUVWXYZ",
        "x",
    ];
    for (number, id) in (1..).zip(ids) {
        test.connect(number, id);
        assert!(test.core.is_connected(id));
    }
}

#[test]
fn an_id_that_is_filled_in_belongs_to_no_other_session() {
    let mut test = Test::new();
    test.connect(1, "client-1");
    test.connect(2, "");
    test.expect_open(1);
    assert!(test.core.is_connected("client-2"));
}

#[test]
fn a_refusal_knows_no_session_and_hears_nothing_more() {
    let mut test = Test::new();
    test.resume(1, "a");
    test.lose(1);
    let code = ConnectReturnCode::NotAuthorized;
    test.inject(Fault::RefuseConnect(code, Times::Next(1)));
    let mut connect = connect("a");
    connect.clean_session = false;
    let mut bytes = encode(&Packet::Connect(connect)).to_vec();
    bytes.extend(encode(&publish(1, 7, "t", "hi")));
    test.open(2);
    test.bytes(2, &bytes);
    assert_eq!(test.inboxes[&2], [0x20, 2, 0, code as u8][..]);
    test.expect_messages(&[]);
}

#[test]
fn topics_are_compared_as_they_are() {
    let mut test = Test::new();
    test.connect(1, "a");
    // A byte order mark, an accent composed and not, a letter of either case.
    let topics = ["\u{feff}t", "t", "\u{e9}", "e\u{301}", "T"];
    for topic in topics {
        test.subscribed(1, topic, 0);
        test.inject_message(topic, "hi", 0, false);
        test.expect(1, &[&format!("PUBLISH q0 {topic} 2 bytes \"hi\"")]);
        test.send(1, unsubscribe(1, topic));
        for other in topics {
            test.inject_message(other, "ho", 0, false);
        }
        test.expect(1, &["UNSUBACK id=1"]);
        test.subscribed(1, topic, 0);
        for other in topics.iter().filter(|&&other| other != topic) {
            test.inject_message(other, "ho", 0, false);
        }
        test.expect(1, &[]);
        test.send(1, unsubscribe(1, topic));
        test.expect(1, &["UNSUBACK id=1"]);
    }
}

#[test]
fn a_will_is_published_once_and_only_if_there_is_one() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.connect(2, "b");
    test.lose(1);
    test.lose(2);
    test.expect_messages(&["w gone"]);
    // It belonged to that connection alone, and was not to be retained.
    test.connect(3, "a");
    test.subscribed(3, "w", 0);
    test.expect(3, &[]);
    test.lose(3);
    test.expect_messages(&["w gone"]);
}

#[test]
fn only_what_is_to_be_retained_changes_what_is_retained() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.send(1, retained(publish(1, 1, "t", "1")));
    test.send(1, publish(1, 2, "t", "2"));
    test.send(1, publish(1, 3, "t", ""));
    test.lose(1);
    // It has outlived the session that it came from.
    test.connect(2, "b");
    test.subscribe(2, 1, &[("t", 1)]);
    let old = "PUBLISH q1 id=1 retained t 1 bytes \"1\"";
    test.expect(2, &["SUBACK id=1 q1", old]);
    test.send(2, unsubscribe(1, "t"));
    // QoS 0 replaces it as well.
    test.send(2, retained(publish(0, 0, "t", "3")));
    test.subscribe(2, 1, &[("t", 1)]);
    let new = "PUBLISH q0 retained t 1 bytes \"3\"";
    test.expect(2, &["UNSUBACK id=1", "SUBACK id=1 q1", new]);
}

#[test]
fn the_dup_flag_is_not_passed_on() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 2);
    test.send(1, again(publish(1, 7, "t", "hi")));
    test.expect(1, &["PUBLISH q1 id=1 t 2 bytes \"hi\"", "PUBACK id=7"]);
}

#[test]
fn unsubscribing_finishes_what_was_begun_and_leaves_the_others() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribe(1, 1, &[("t/+", 2), ("t/1", 1), ("t/#", 0)]);
    test.inject_message("t/1", "1", 2, false);
    let mut packet = rumqttc::mqttbytes::v4::Unsubscribe::new("t/+");
    packet.pkid = 2;
    packet.topics.push("t/1".to_owned());
    test.send(1, Packet::Unsubscribe(packet));
    test.inject_message("t/1", "2", 2, false);
    test.send(1, pubrec(1));
    test.send(1, pubcomp(1));
    test.expect(
        1,
        &[
            "SUBACK id=1 q2, q1, q0",
            "PUBLISH q2 id=1 t/1 1 bytes \"1\"",
            "UNSUBACK id=2",
            "PUBLISH q0 t/1 1 bytes \"2\"",
            "PUBREL id=1",
        ],
    );
    assert_eq!(test.core.unacknowledged("a"), 0);
}

#[test]
fn ids_in_use_are_passed_over() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribed(1, "t", 2);
    // 1 waits for PUBREC, 2 for PUBCOMP, 3 for PUBACK.
    test.inject_message("t", "", 2, false);
    test.inject_message("t", "", 2, false);
    test.send(1, pubrec(2));
    test.inject_message("t", "", 1, false);
    for id in 4..=u16::MAX {
        test.inject_message("t", "", 1, false);
        test.send(1, puback(id));
        test.events.clear();
    }
    test.inboxes.clear();
    test.inject_message("t", "", 1, false);
    test.expect(1, &["PUBLISH q1 id=4 t 0 bytes"]);
    test.expect_no_violation();
}

#[test]
fn messages_keep_their_order() {
    let mut test = Test::with(CoreOptions {
        window: 2,
        ..CoreOptions::default()
    });
    test.connect(1, "a");
    test.connect(2, "b");
    test.subscribed(2, "t", 2);
    for (id, payload) in [(1, "1"), (2, "2"), (3, "3"), (4, "4")] {
        test.publish(1, id, "t", payload);
    }
    for id in 1..=4 {
        test.send(2, puback(id));
    }
    let line = |id| format!("PUBLISH q1 id={id} t 1 bytes \"{id}\"");
    test.expect(2, &[&line(1), &line(2), &line(3), &line(4)]);
}

#[test]
fn the_reserved_flags_that_are_sent_are_right() {
    let mut test = Test::new();
    test.connect(1, "a");
    test.subscribe(1, 1, &[("t", 2)]);
    test.send(1, unsubscribe(2, "x"));
    test.publish(1, 3, "x", "");
    test.send(1, publish(2, 4, "x", ""));
    test.send(1, pubrel(4));
    test.send(1, pubrec(9));
    test.send(1, Packet::PingReq);
    let expected = [
        &[0x90, 3, 0, 1, 2][..],
        &[0xb0, 2, 0, 2],
        &[0x40, 2, 0, 3],
        &[0x50, 2, 0, 4],
        &[0x70, 2, 0, 4],
        &[0x62, 2, 0, 9],
        &[0xd0, 0],
    ];
    assert_eq!(test.inboxes[&1], expected.concat()[..]);
}
