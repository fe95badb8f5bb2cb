//! CONNECT, keep-alive, wills and client ids.

use super::*;

#[test]
fn a_client_connects_and_disconnects() {
    let mut test = Test::new();
    test.connect(1, "a");
    assert!(test.core.is_connected("a"));
    test.send(1, Packet::Disconnect);
    test.expect_closed(1, CloseReason::Disconnect);
    assert!(!test.core.is_connected("a"));
    test.expect_no_violation();
}

#[test]
fn bytes_may_come_one_by_one() {
    let mut test = Test::new();
    test.open(1);
    let mut bytes = encode(&Packet::Connect(with_will("a", "w", true))).to_vec();
    bytes.extend(encode(&publish(1, 7, "t", "hi")));
    for byte in bytes {
        test.bytes(1, &[byte]);
    }
    test.expect(1, &["CONNACK accepted", "PUBACK id=7"]);
    test.expect_messages(&["t hi"]);
}

#[test]
fn packets_may_follow_connect_at_once() {
    let mut test = Test::new();
    test.open(1);
    let mut bytes = encode(&Packet::Connect(connect("a"))).to_vec();
    bytes.extend(encode(&subscribe(1, &[("t", 1)])));
    bytes.extend(encode(&Packet::PingReq));
    test.bytes(1, &bytes);
    test.expect(1, &["CONNACK accepted", "SUBACK id=1 q1", "PINGRESP"]);
}

#[test]
fn a_silent_client_is_closed_at_one_and_a_half_times_its_keep_alive() {
    let mut test = Test::new();
    let mut connect = with_will("a", "w", false);
    connect.keep_alive = 10;
    test.connect_with(1, connect);
    test.pass(seconds(14));
    test.send(1, Packet::PingReq);
    test.pass(Duration::from_millis(14_999));
    test.expect_open(1);
    test.pass(Duration::from_millis(1));
    test.expect_closed(1, CloseReason::KeepAlive);
    test.expect_messages(&["w gone"]);
    assert_eq!(test.core.next_timeout(), None);
}

#[test]
fn without_keep_alive_a_client_may_be_silent() {
    let mut test = Test::new();
    test.connect(1, "a");
    assert_eq!(test.core.next_timeout(), None);
}

#[test]
fn half_a_packet_does_not_keep_alive() {
    let mut test = Test::new();
    let mut connect = connect("a");
    connect.keep_alive = 10;
    test.connect_with(1, connect);
    test.pass(seconds(10));
    test.bytes(1, &[0xc0]);
    test.pass(seconds(5));
    test.expect_closed(1, CloseReason::KeepAlive);
}

#[test]
fn a_will_is_published_when_the_connection_breaks() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.connect(2, "b");
    test.subscribed(2, "w", 1);
    test.lose(1);
    test.expect(2, &["PUBLISH q1 id=1 w 4 bytes \"gone\""]);
    assert_eq!(test.core.messages()[0].from.as_deref(), Some("a"));
}

#[test]
fn a_will_can_be_retained() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", true));
    test.lose(1);
    test.connect(2, "b");
    test.subscribe(2, 1, &[("w", 0)]);
    test.expect(
        2,
        &["SUBACK id=1 q0", "PUBLISH q0 retained w 4 bytes \"gone\""],
    );
}

#[test]
fn a_will_is_discarded_by_disconnect() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", true));
    test.send(1, Packet::Disconnect);
    test.lose(1);
    test.expect_messages(&[]);
}

#[test]
fn a_will_is_published_after_a_violation() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.bytes(1, &[0xff, 0xff]);
    test.expect_closed(1, CloseReason::Violation(Violation::UnknownType));
    test.expect_messages(&["w gone"]);
}

#[test]
fn a_second_client_takes_the_id_over() {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.connect(2, "a");
    test.expect_closed(1, CloseReason::TakenOver);
    test.expect_messages(&["w gone"]);
    // That the old socket closes, too, does not touch the new connection.
    test.lose(1);
    assert!(test.core.is_connected("a"));
}

#[test]
fn an_empty_client_id_is_filled_in() {
    let mut test = Test::new();
    test.connect(1, "");
    test.connect(2, "");
    assert!(test.core.is_connected("client-1"));
    assert!(test.core.is_connected("client-2"));
}

#[test]
fn an_empty_client_id_needs_a_clean_session() {
    let mut test = Test::new();
    test.resume(1, "");
    test.expect(1, &["CONNACK refused: client id"]);
    test.expect_closed(1, CloseReason::Violation(Violation::ClientIdMissing));
}

#[test]
fn another_protocol_level_is_refused() {
    let mut test = Test::new();
    test.open(1);
    test.bytes(1, b"\x10\x0d\0\x04MQTT\x06\x02\0\0\0\0\0");
    test.expect(1, &["CONNACK refused: protocol version"]);
    test.expect_closed(1, CloseReason::Violation(Violation::ProtocolLevel));
}

#[test]
fn a_password_may_be_any_bytes() {
    let mut test = Test::new();
    test.open(1);
    test.bytes(
        1,
        b"\x10\x14\0\x04MQTT\x04\xc2\0\0\0\x01a\0\x01u\0\x02\xff\0",
    );
    test.expect(1, &["CONNACK accepted"]);
    test.expect_no_violation();
    let login = test.events.iter().find_map(|event| match event {
        Event::Received {
            packet: crate::Packet::Connect(connect),
            ..
        } => connect.login.clone(),
        _ => None,
    });
    let password = Bytes::from_static(b"\xff\0");
    assert_eq!(login.unwrap().password, Some(password));
}
