//! Statements of MQTT 5 that CONFORMANCE.md lists, and no other test holds.

use super::*;

/// Connects, sends bytes and checks which rule they break.
#[track_caller]
fn check(bytes: &[u8], expected: Violation) {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, bytes);
    assert_eq!(test.core.violations(), [expected], "{bytes:?}");
    test.expect_closed(1, CloseReason::ViolationV5(expected));
}

/// A CONNECT, given its flags and what follows its properties.
#[track_caller]
fn check_connect(flags: u8, rest: &[u8], expected: Violation) {
    let mut bytes = vec![0x10, u8::try_from(rest.len() + 11).unwrap()];
    bytes.extend(b"\0\x04MQTT\x05");
    bytes.extend([flags, 0, 0, 0]);
    bytes.extend(rest);
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, &bytes);
    assert_eq!(test.core.violations(), [expected], "{rest:?}");
}

#[test]
fn the_fields_of_connect_are_those_of_its_flags() {
    use Violation::{Malformed, NotUtf8};
    check_connect(0x06, b"\0\x01a", Malformed);
    check_connect(0x82, b"\0\x01a", Malformed);
    check_connect(0xc2, b"\0\x01a\0\x01u", Malformed);
    check_connect(0x02, b"\0\x01a\0\x01u", Malformed);
    check_connect(0x82, b"\0\x01a\0\x01u\0\x01p", Malformed);
    // Client id, topic of the will, user name.
    check_connect(0x02, b"\0\x01\xff", NotUtf8);
    check_connect(0x06, b"\0\x01a\0\0\x01\xff\0\0", NotUtf8);
    check_connect(0x82, b"\0\x01a\0\x01\xff", NotUtf8);
}

#[test]
fn text_is_text_everywhere() {
    use Violation::{NotUtf8, NullCharacter};
    for (byte, expected) in [(0xff, NotUtf8), (0, NullCharacter)] {
        check(&[0x30, 4, 0, 1, byte, 0], expected);
        check(&[0x82, 7, 0, 1, 0, 0, 1, byte, 0], expected);
        check(&[0xa2, 6, 0, 1, 0, 0, 1, byte], expected);
        // Content type, response topic, both sides of a user property.
        check(&[0x30, 8, 0, 1, b't', 4, 3, 0, 1, byte], expected);
        check(&[0x30, 8, 0, 1, b't', 4, 8, 0, 1, byte], expected);
        check(
            &[0x30, 11, 0, 1, b't', 7, 38, 0, 1, byte, 0, 1, b'v'],
            expected,
        );
        check(
            &[0x30, 11, 0, 1, b't', 7, 38, 0, 1, b'k', 0, 1, byte],
            expected,
        );
    }
}

#[test]
fn lengths_have_no_byte_too_many() {
    check(&[0xc0, 0x80, 0], Violation::RemainingLength);
    check(
        &[0x30, 0x85, 0, 0, 1, b't', 0, 0],
        Violation::RemainingLength,
    );
    check(&[0x30, 5, 0, 1, b't', 0x80, 0], Violation::Malformed);
}

#[test]
fn wrong_flags_of_disconnect_are_answered() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, &[0xe2, 0]);
    assert_eq!(test.core.violations(), [Violation::HeaderFlags]);
    let lines = test.sent(1);
    assert!(
        lines[0].starts_with("DISCONNECT malformed packet"),
        "{lines:?}"
    );
}

#[test]
fn nothing_is_sent_that_is_too_large_for_the_client() {
    let mut test = Test::new();
    let mut client = Client::new("a");
    client.properties().max_packet_size = Some(25);
    test.open5(1, client);
    assert_eq!(test.sent(1).len(), 1);
    test.subscribe5(1, &vec![filter("t", 0); 30]);
    test.expect5(1, &[]);
    // A DISCONNECT without its reason string still fits.
    test.bytes(1, &[0x10, 0]);
    test.expect5(1, &["DISCONNECT protocol error"]);
}

#[test]
fn a_clean_start_and_a_refusal_know_no_session() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    test.lose(1);
    test.inject(Fault::RefuseConnectV5(Reason::ServerBusy, Times::Next(1)));
    let bytes = [
        encode(&Packet::Connect(Client::kept("a", 60).connect, None, None)),
        encode(&Packet::Publish(publish(1, 1, "t", "hi"))),
    ];
    test.open(2);
    test.bytes(2, &bytes.concat());
    assert_eq!(test.inboxes[&2], [0x20, 3, 0, 0x89, 0][..]);
    test.expect_messages(&[]);
    // The session is still there, until a clean start.
    test.open5(3, Client::kept("a", 60));
    assert_eq!(test.inboxes[&3][2..4], [1, 0]);
    let mut client = Client::kept("a", 60);
    client.connect.clean_start = true;
    test.open5(4, client);
    assert_eq!(test.inboxes[&4][2..4], [0, 0]);
}

#[test]
fn a_retained_will_is_refused_where_nothing_is_retained() {
    let mut test = Test::with(CoreOptions {
        retain_available: false,
        topic_alias_maximum: 0,
        ..CoreOptions::default()
    });
    let mut client = Client::new("a").with_will(None);
    client.will.as_mut().unwrap().retain = true;
    test.open5(1, client);
    test.expect5(1, &["CONNACK retain not supported"]);
    test.expect_closed(1, CloseReason::RefusedWith(Reason::RetainNotSupported));
    // Nor is there an alias.
    test.connect5(2, "b");
    test.bytes(2, &[0x30, 7, 0, 1, b't', 3, 35, 0, 1]);
    assert_eq!(test.core.violations(), [Violation::TopicAliasTooHigh]);
}

#[test]
fn the_user_properties_of_a_will_keep_their_order() {
    let mut test = Test::new();
    let mut client = Client::new("a").with_will(None);
    let pairs = [("b", "1"), ("a", "2"), ("b", "0")];
    let pairs = pairs.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let will = client.will.as_mut().unwrap();
    will.properties.as_mut().unwrap().user_properties = pairs.to_vec();
    test.open5(1, client);
    test.connect5(2, "b");
    test.subscribe5(2, &[filter("w", 0)]);
    test.sent(2);
    test.lose(1);
    let Ok(Packet::Publish(will)) = Packet::read(test.inboxes.get_mut(&2).unwrap(), None) else {
        panic!("no PUBLISH");
    };
    assert!(!will.retain);
    assert_eq!(will.properties.unwrap().user_properties, pairs);
}

#[test]
fn a_new_subscription_alone_gets_what_is_retained() {
    let mut test = Test::new();
    test.inject_message("t", "hi", 0, true);
    test.connect5(1, "a");
    let mut wanted = filter("t", 0);
    wanted.retain_forward_rule = RetainForwardRule::OnNewSubscribe;
    let mut count = || {
        test.subscribe5(1, std::slice::from_ref(&wanted));
        test.sent(1).len() - 1
    };
    assert_eq!((count(), count()), (1, 0));
}

#[test]
fn aliases_up_to_the_maximum_end_with_their_connection() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    let alias = |topic: &str, alias| {
        with(publish(0, 0, topic, ""), |properties| {
            properties.topic_alias = Some(alias);
        })
    };
    for number in 1..=10 {
        test.send5(1, &alias("t", number));
        test.send5(1, &alias("", number));
    }
    test.expect_no_violation();
    test.lose(1);
    test.open5(2, Client::kept("a", 60));
    test.send5(2, &alias("", 1));
    assert_eq!(test.core.violations(), [Violation::TopicAliasUnknown]);
}

#[test]
fn only_messages_wait_for_the_receive_maximum() {
    let mut test = Test::new();
    let mut client = Client::kept("a", 60);
    client.properties().receive_maximum = Some(1);
    test.open5(1, client);
    test.subscribe5(1, &[filter("t", 2)]);
    test.inject_message("t", "1", 2, false);
    test.inject_message("t", "2", 2, false);
    test.sent(1);
    test.send5(1, &Packet::PingReq(PingReq));
    test.send5(1, &Packet::Publish(publish(1, 1, "x", "")));
    test.subscribe5(1, &[filter("u", 0)]);
    test.send5(1, &Packet::PubRec(PubRec::new(1, None)));
    test.expect5(
        1,
        &[
            "PINGRESP",
            "PUBACK id=1 no matching subscribers",
            "SUBACK id=60000 q0",
            "PUBREL id=1",
        ],
    );
}

#[test]
fn an_exchange_goes_on_when_its_message_has_expired() {
    let mut test = Test::new();
    test.connect5(1, "a");
    let packet = with(publish(2, 1, "t", "hi"), |properties| {
        properties.message_expiry_interval = Some(1);
    });
    test.send5(1, &packet);
    test.pass(seconds(2));
    test.send5(1, &Packet::PubRel(PubRel::new(1, None)));
    test.expect5(1, &["PUBREC id=1", "PUBCOMP id=1"]);
}

#[test]
fn what_one_of_a_group_was_sent_is_sent_to_no_other() {
    let mut test = Test::new();
    for (number, client, qos) in [(1, "a", 1), (2, "b", 2)] {
        test.open5(number, Client::kept(client, 60));
        test.subscribe5(number, &[filter("$share/g/t", qos)]);
        test.sent(number);
    }
    test.inject_message("t", "1", 2, false);
    test.inject_message("t", "2", 2, false);
    // Each with the QoS that it was granted.
    test.expect5(1, &["PUBLISH q1 id=1 t 1 bytes \"1\""]);
    test.expect5(2, &["PUBLISH q2 id=1 t 1 bytes \"2\""]);
    // An error, and a client that comes back.
    let mut pubrec = PubRec::new(1, None);
    pubrec.reason = PubRecReason::QuotaExceeded;
    test.send5(2, &Packet::PubRec(pubrec));
    test.lose(1);
    test.open5(3, Client::kept("a", 60));
    assert_eq!(test.sent(3)[1..], ["PUBLISH q1 id=1 dup t 1 bytes \"1\""]);
    // One whose session ends.
    test.lose(3);
    test.pass(seconds(60));
    test.expect5(2, &[]);
    assert!(!test.core.is_connected("a"));
    assert_eq!(test.core.unacknowledged("b"), 0);
}
