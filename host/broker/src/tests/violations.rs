//! What the specification forbids, byte by byte.

use super::*;

/// Connects, sends bytes and checks which rule they break.
#[track_caller]
fn check(bytes: &[u8], expected: Violation) {
    let mut test = Test::new();
    test.connect(1, "a");
    test.bytes(1, bytes);
    test.expect_closed(1, CloseReason::Violation(expected));
    assert_eq!(test.core.violations(), [expected]);
    let peer = Peer {
        connection: ConnectionId(1),
        client: Some("a".into()),
    };
    let violation = Event::Violation {
        peer,
        violation: expected,
    };
    assert!(test.events.contains(&violation));
}

/// Sends the first bytes of a connection and checks which rule they break.
#[track_caller]
fn check_first(bytes: &[u8], expected: Violation) {
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, bytes);
    test.expect_closed(1, CloseReason::Violation(expected));
    assert_eq!(test.core.violations(), [expected]);
}

/// Sends packets, the last of which breaks a rule.
#[track_caller]
fn check_packets(packets: &[Packet], expected: Violation) {
    let mut test = Test::new();
    test.connect(1, "a");
    // Keeps the packet ids of QoS 1 and of SUBSCRIBE in use.
    test.inject(Fault::WithholdAcks(vec![Ack::PubAck, Ack::SubAck]));
    let (last, first) = packets.split_last().unwrap();
    for packet in first {
        test.send(1, packet.clone());
    }
    test.expect_no_violation();
    test.send(1, last.clone());
    assert_eq!(test.core.violations(), [expected]);
    test.expect_closed(1, CloseReason::Violation(expected));
}

#[test]
fn the_first_packet_is_connect() {
    check_first(&encode(&Packet::PingReq), Violation::NotConnect);
    // Even if it claims to be long.
    check_first(&[0x30, 0xff, 0xff, 0xff, 0x7f], Violation::NotConnect);
    check_first(b"GET / HTTP/1.1", Violation::NotConnect);
}

#[test]
fn connect_comes_once() {
    let connect = Packet::Connect(connect("a"));
    check_packets(&[connect], Violation::SecondConnect);
}

#[test]
fn connect_is_well_formed() {
    for (rest, expected) in [
        (
            &b"\0\x04MQTT\x04\x03\0\0\0\x01a"[..],
            Violation::ConnectFlags,
        ),
        (b"\0\x04MQTT\x04\x0a\0\0\0\x01a", Violation::WillFlags),
        (b"\0\x04MQTT\x04\x22\0\0\0\x01a", Violation::WillFlags),
        (
            b"\0\x04MQTT\x04\x1e\0\0\0\x01a\0\x01w\0\0",
            Violation::WillQos,
        ),
        (
            b"\0\x04MQTT\x04\x42\0\0\0\x01a\0\0",
            Violation::PasswordAlone,
        ),
        (b"\0\x04MQTX\x04\x02\0\0\0\x01a", Violation::ProtocolName),
        (b"\0\x06MQIsdp\x03\x02\0\0\0\x01a", Violation::ProtocolName),
        (b"\0\x04MQTT\x03\x02\0\0\0\x01a", Violation::ProtocolLevel),
        (b"\0\x04MQTT\x04\x00\0\0\0\0", Violation::ClientIdMissing),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01\xff", Violation::NotUtf8),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01\0", Violation::NullCharacter),
        (
            b"\0\x04MQTT\x04\x06\0\0\0\x01a\0\x01#\0\0",
            Violation::WildcardInName,
        ),
        (
            b"\0\x04MQTT\x04\x06\0\0\0\x01a\0\0\0\0",
            Violation::EmptyTopic,
        ),
        (b"\0\x04MQTT\x04\x02\0\0\0\x01ax", Violation::Malformed),
        (b"\0\x04MQTT\x04\x02\0\0\0\x02a", Violation::Malformed),
        (b"\0\x04MQTT\x04\x02\0", Violation::Malformed),
        (b"", Violation::Malformed),
    ] {
        let mut bytes = vec![0x10, u8::try_from(rest.len()).unwrap()];
        bytes.extend(rest);
        check_first(&bytes, expected);
    }
    check_first(&[0x11, 0x00], Violation::HeaderFlags);
}

#[test]
fn packet_types_are_those_of_a_client() {
    check(&[0x00, 0x00], Violation::UnknownType);
    check(&[0xf0, 0x00], Violation::UnknownType);
    check(&[0x20, 0x02, 0, 0], Violation::BrokerPacket);
    check(&[0x90, 0x03, 0, 1, 0], Violation::BrokerPacket);
    check(&[0xb0, 0x02, 0, 1], Violation::BrokerPacket);
    check(&[0xd0, 0x00], Violation::BrokerPacket);
}

#[test]
fn flags_are_as_required() {
    for first in [0x41, 0x52, 0x60, 0x63, 0x71] {
        check(&[first, 2, 0, 1], Violation::HeaderFlags);
    }
    check(&[0x80, 6, 0, 1, 0, 1, b't', 0], Violation::HeaderFlags);
    check(&[0xa0, 5, 0, 1, 0, 1, b't'], Violation::HeaderFlags);
    check(&[0xc1, 0], Violation::HeaderFlags);
    check(&[0xe2, 0], Violation::HeaderFlags);
    check(&[0x36, 5, 0, 1, b't', 0, 1], Violation::Qos3);
    check(&[0x38, 3, 0, 1, b't'], Violation::DupOnQos0);
}

#[test]
fn lengths_are_right() {
    check(&[0xc0, 0x80, 0x80, 0x80, 0x80], Violation::RemainingLength);
    check(&[0xc0, 1, 0], Violation::Malformed);
    check(&[0xe0, 1, 0], Violation::Malformed);
    check(&[0x40, 1, 0], Violation::Malformed);
    check(&[0x40, 3, 0, 1, 0], Violation::Malformed);
    check(&[0x62, 0], Violation::Malformed);
    check(&[0x30, 3, 0, 9, b't'], Violation::Malformed);
    check(&[0x32, 4, 0, 1, b't', 0], Violation::Malformed);
    check(&[0x82, 5, 0, 1, 0, 1, b't'], Violation::Malformed);
    check(&[0xa2, 4, 0, 1, 0, 1], Violation::Malformed);
}

#[test]
fn packet_ids_are_not_0() {
    check(&[0x32, 5, 0, 1, b't', 0, 0], Violation::PacketIdZero);
    check(&[0x82, 6, 0, 0, 0, 1, b't', 0], Violation::PacketIdZero);
    check(&[0xa2, 5, 0, 0, 0, 1, b't'], Violation::PacketIdZero);
    for first in [0x40, 0x50, 0x62, 0x70] {
        check(&[first, 2, 0, 0], Violation::PacketIdZero);
    }
}

#[test]
fn topics_are_right() {
    check(&[0x30, 3, 0, 1, b'#'], Violation::WildcardInName);
    check(&[0x30, 3, 0, 1, b'+'], Violation::WildcardInName);
    check(&[0x30, 2, 0, 0], Violation::EmptyTopic);
    check(&[0x30, 3, 0, 1, 0], Violation::NullCharacter);
    check(&[0x30, 3, 0, 1, 0xc0], Violation::NotUtf8);
    // A surrogate ([MQTT-1.5.3-1]).
    check(&[0x30, 5, 0, 3, 0xed, 0xa0, 0x80], Violation::NotUtf8);
    check(
        &[0x82, 7, 0, 1, 0, 2, b't', b'#', 0],
        Violation::MisplacedWildcard,
    );
    check(&[0x82, 5, 0, 1, 0, 0, 0], Violation::EmptyTopic);
    check(
        &[0xa2, 6, 0, 1, 0, 2, b't', b'+'],
        Violation::MisplacedWildcard,
    );
}

#[test]
fn subscribe_asks_for_something_that_exists() {
    check(&[0x82, 2, 0, 1], Violation::EmptySubscribe);
    check(&[0xa2, 2, 0, 1], Violation::EmptyUnsubscribe);
    check(&[0x82, 6, 0, 1, 0, 1, b't', 3], Violation::SubscribeOptions);
    check(&[0x82, 6, 0, 1, 0, 1, b't', 4], Violation::SubscribeOptions);
}

#[test]
fn packet_ids_in_use_are_left_alone() {
    let qos1 = publish(1, 7, "t", "hi");
    let qos2 = publish(2, 7, "t", "hi");
    let other = again(publish(2, 7, "t", "ho"));
    let subscribe = subscribe(7, &[("t", 0)]);
    let unsubscribe = unsubscribe(7, "t");
    for packets in [
        &[qos1.clone(), qos1.clone()][..],
        &[qos2.clone(), qos2.clone()],
        &[qos2.clone(), other],
        &[qos1.clone(), again(qos2.clone())],
        &[qos2.clone(), again(qos1.clone())],
        &[qos2.clone(), qos1.clone()],
        &[subscribe.clone(), subscribe.clone()],
        &[subscribe.clone(), qos1.clone()],
        &[subscribe.clone(), unsubscribe.clone()],
        &[qos1.clone(), subscribe.clone()],
        &[qos2.clone(), subscribe.clone()],
        &[qos2.clone(), unsubscribe],
    ] {
        check_packets(packets, Violation::PacketIdInUse);
    }
    check_packets(&[qos1, pubrel(7)], Violation::WrongAck);
}

#[test]
fn a_repetition_is_marked_after_the_connection_broke() {
    let mut test = Test::new();
    test.resume(1, "a");
    test.inject(Fault::WithholdAcks(vec![Ack::PubAck]));
    test.publish(1, 7, "t", "hi");
    test.lose(1);
    test.resume(2, "a");
    test.send(2, again(publish(1, 7, "t", "hi")));
    test.expect_no_violation();
    test.publish(2, 7, "t", "hi");
    assert_eq!(test.core.violations(), [Violation::PacketIdInUse]);
}

#[test]
fn acknowledgements_belong_to_their_qos() {
    for (qos, ack) in [
        (1, pubrec(1)),
        (2, puback(1)),
        (1, pubcomp(1)),
        (2, pubcomp(1)),
    ] {
        let mut test = Test::new();
        test.connect(1, "a");
        test.subscribed(1, "t", 2);
        test.inject_message("t", "hi", qos, false);
        test.send(1, ack);
        assert_eq!(test.core.violations(), [Violation::WrongAck]);
    }
}

#[test]
fn nothing_follows_disconnect() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.bytes(1, &[0xe0, 0, 0xc0, 0]);
    assert_eq!(test.core.violations(), [Violation::AfterDisconnect]);
    test.expect_messages(&[]);
}

#[test]
fn packets_are_limited() {
    let options = CoreOptions {
        max_packet_size: 100,
        ..CoreOptions::default()
    };
    let mut test = Test::with(options);
    test.connect(1, "a");
    test.send(1, publish(0, 0, "t", &"x".repeat(97)));
    test.expect_no_violation();
    // Closed by its header.
    test.bytes(1, &[0x30, 101]);
    assert_eq!(test.core.violations(), [Violation::PacketTooLarge]);
}

#[test]
fn open_exchanges_are_limited() {
    let mut test = Test::new();
    test.connect(1, "a");
    for id in 1..=20 {
        test.send(1, publish(2, id, "t", "hi"));
    }
    test.send(1, again(publish(2, 3, "t", "hi")));
    test.send(1, pubrel(3));
    test.send(1, publish(2, 3, "t", "hi"));
    test.expect_no_violation();
    test.send(1, publish(2, 21, "t", "hi"));
    assert_eq!(test.core.violations(), [Violation::TooManyExchanges]);
}

#[test]
fn a_violation_names_its_rule() {
    let violation = Violation::EmptySubscribe;
    assert_eq!(violation.rule(), "MQTT-3.8.3-3");
    let text = "a SUBSCRIBE without a filter [MQTT-3.8.3-3]";
    assert_eq!(violation.to_string(), text);
}
