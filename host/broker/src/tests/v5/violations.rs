//! What MQTT 5 forbids, byte by byte.

use super::*;

/// Connects, sends bytes and checks which rule they break, and what the client
/// is told.
#[track_caller]
fn check(bytes: &[u8], expected: Violation, reason: Reason) {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, bytes);
    assert_eq!(test.core.violations(), [expected], "{bytes:?}");
    test.expect_closed(1, CloseReason::ViolationV5(expected));
    let text = expected.text_v5();
    test.expect5(1, &[&format!("DISCONNECT {reason} {{ {text:?} }}")]);
}

/// The same for a CONNECT, behind its protocol level.
#[track_caller]
fn check_connect(rest: &[u8], expected: Violation, reason: Reason) {
    let mut bytes = vec![0x10, u8::try_from(rest.len() + 7).unwrap()];
    bytes.extend(b"\0\x04MQTT\x05");
    bytes.extend(rest);
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, &bytes);
    assert_eq!(test.core.violations(), [expected], "{rest:?}");
    test.expect5(1, &[&format!("CONNACK {reason}")]);
    test.expect_closed(1, CloseReason::ViolationV5(expected));
}

#[test]
fn connect_is_well_formed() {
    use Reason::{MalformedPacket, ProtocolError};
    use Violation as V;
    for (rest, expected, reason) in [
        (&b"\x03\0\0\0\0\x01a"[..], V::ConnectFlags, MalformedPacket),
        (b"\x0a\0\0\0\0\x01a", V::WillFlags, MalformedPacket),
        (b"\x02\0\0\0\0\x02a", V::Malformed, MalformedPacket),
        // Properties that are longer than the packet.
        (b"\x02\0\0\x09\0\x01a", V::Malformed, MalformedPacket),
        // A message expiry.
        (
            b"\x02\0\0\x05\x02\0\0\0\x01\0\x01a",
            V::PropertyNotAllowed,
            MalformedPacket,
        ),
        // A receive maximum of 0, and two of them.
        (
            b"\x02\0\0\x03\x21\0\0\0\x01a",
            V::PropertyValue,
            ProtocolError,
        ),
        (
            b"\x02\0\0\x06\x21\0\x01\x21\0\x01\0\x01a",
            V::PropertyTwice,
            ProtocolError,
        ),
        (
            b"\x02\0\0\x04\x16\0\x01x\0\x01a",
            V::AuthenticationDataAlone,
            ProtocolError,
        ),
    ] {
        check_connect(rest, expected, reason);
    }
}

#[test]
fn a_password_may_be_alone() {
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, b"\x10\x11\0\x04MQTT\x05\x42\0\0\0\0\x01a\0\x01p");
    test.expect_no_violation();
    test.expect_open(1);
}

#[test]
fn packets_are_well_formed() {
    use Reason::{MalformedPacket, ProtocolError};
    use Violation as V;
    for (bytes, expected, reason) in [
        (&[0xf0, 0][..], V::AuthNotExpected, ProtocolError),
        (&[0x00, 0], V::UnknownType, MalformedPacket),
        (&[0x20, 3, 0, 0, 0], V::BrokerPacket, MalformedPacket),
        (&[0x10, 0], V::SecondConnect, ProtocolError),
        (&[0x41, 2, 0, 1], V::HeaderFlags, MalformedPacket),
        (&[0xc0, 1, 0], V::Malformed, MalformedPacket),
        (&[0x40, 2, 0, 0], V::PacketIdZero, MalformedPacket),
        // Reasons of other packets.
        (&[0x40, 3, 0, 1, 0x92], V::ReasonCode, ProtocolError),
        (&[0xe0, 1, 0x8e], V::ReasonCode, ProtocolError),
        (&[0xe0, 1, 0x55], V::ReasonCode, ProtocolError),
        (&[0x36, 6, 0, 1, b't', 0, 1, 0], V::Qos3, MalformedPacket),
        (&[0x38, 4, 0, 1, b't', 0], V::DupOnQos0, MalformedPacket),
        (&[0x82, 3, 0, 1, 0], V::EmptySubscribe, ProtocolError),
        (&[0xa2, 3, 0, 1, 0], V::EmptyUnsubscribe, ProtocolError),
        // A subscription identifier of 0.
        (
            &[0x82, 9, 0, 1, 2, 11, 0, 0, 1, b't', 0],
            V::PropertyValue,
            ProtocolError,
        ),
        // Options that do not exist.
        (
            &[0x82, 7, 0, 1, 0, 0, 1, b't', 0x30],
            V::SubscribeOptions,
            MalformedPacket,
        ),
        (
            &[0x82, 7, 0, 1, 0, 0, 1, b't', 0x40],
            V::SubscribeOptions,
            MalformedPacket,
        ),
    ] {
        check(bytes, expected, reason);
    }
}

#[test]
fn topics_and_aliases_are_right() {
    use Violation as V;
    for (bytes, expected, reason) in [
        (
            &[0x30, 3, 0, 0, 0][..],
            V::EmptyTopic,
            Reason::TopicNameInvalid,
        ),
        (
            &[0x30, 4, 0, 1, b'#', 0],
            V::WildcardInName,
            Reason::TopicNameInvalid,
        ),
        (
            &[0x30, 7, 0, 1, b't', 3, 35, 0, 0],
            V::TopicAliasZero,
            Reason::TopicAliasInvalid,
        ),
        (
            &[0x30, 7, 0, 1, b't', 3, 35, 0, 11],
            V::TopicAliasTooHigh,
            Reason::TopicAliasInvalid,
        ),
        (
            &[0x30, 6, 0, 0, 3, 35, 0, 1],
            V::TopicAliasUnknown,
            Reason::ProtocolError,
        ),
        (
            &[0x30, 8, 0, 1, b't', 4, 8, 0, 1, b'+'],
            V::ResponseTopic,
            Reason::ProtocolError,
        ),
        (
            &[0x30, 6, 0, 1, b't', 2, 11, 1],
            V::SubscriptionIdFromClient,
            Reason::ProtocolError,
        ),
    ] {
        check(bytes, expected, reason);
    }
}

#[test]
fn shared_subscriptions_are_right() {
    let subscribe = |path: &str, no_local| {
        let mut wanted = filter(path, 0);
        wanted.nolocal = no_local;
        let mut subscribe = Subscribe::new(wanted, None);
        subscribe.pkid = 1;
        encode(&Packet::Subscribe(subscribe))
    };
    for path in ["$share", "$share/", "$share/g", "$share/g/", "$share//t"] {
        let reason = Reason::TopicFilterInvalid;
        check(&subscribe(path, false), Violation::SharedFilter, reason);
    }
    let reason = Reason::ProtocolError;
    check(
        &subscribe("$share/g/t", true),
        Violation::NoLocalOnShared,
        reason,
    );
}

#[test]
fn what_the_broker_can_not_is_not_asked_for() {
    let options = CoreOptions {
        max_packet_size: 100,
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        wildcard_available: false,
        shared_available: false,
        subscription_ids_available: false,
        ..CoreOptions::default()
    };
    let mut retained = publish(0, 0, "t", "");
    retained.retain = true;
    let subscribe = |path: &str, id| {
        let properties = SubscribeProperties {
            id,
            user_properties: vec![],
        };
        let mut subscribe = Subscribe::new(filter(path, 0), Some(properties));
        subscribe.pkid = 1;
        Packet::Subscribe(subscribe)
    };
    for (packet, expected) in [
        (
            Packet::Publish(publish(2, 1, "t", "")),
            Violation::QosNotSupported,
        ),
        (Packet::Publish(retained), Violation::RetainNotSupported),
        (subscribe("+", None), Violation::WildcardNotSupported),
        (subscribe("$share/g/t", None), Violation::SharedNotSupported),
        (
            subscribe("t", Some(1)),
            Violation::SubscriptionIdNotSupported,
        ),
        (
            // 101 bytes with its fixed header.
            Packet::Publish(publish(0, 0, "t", &"x".repeat(95))),
            Violation::PacketTooLarge,
        ),
    ] {
        let mut test = Test::with(options.clone());
        test.connect5(1, "a");
        test.send5(1, &packet);
        assert_eq!(test.core.violations(), [expected]);
    }
}

#[test]
fn nothing_follows_disconnect() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, &[0xe0, 0, 0xc0, 0]);
    assert_eq!(test.core.violations(), [Violation::AfterDisconnect]);
    test.expect5(1, &[]);
}

#[test]
fn a_violation_names_the_rule_of_its_version() {
    let violation = Violation::EmptySubscribe;
    assert_eq!(violation.rule(), "MQTT-3.8.3-3");
    assert_eq!(violation.rule_v5(), "MQTT-3.8.3-2");
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, &[0x82, 3, 0, 1, 0]);
    let line = "a VIOLATION: a SUBSCRIBE without a filter [MQTT-3.8.3-2]";
    assert!(test.events.iter().any(|event| event.to_string() == line));
}
