//! CONNECT, CONNACK and DISCONNECT.

use super::*;

/// What is told of a broker that can everything.
const DEFAULTS: &str = "receive-maximum=20, alias-maximum=10, packet-size=1048576";

#[test]
fn a_client_is_told_what_the_broker_can() {
    let mut test = Test::new();
    test.open5(1, Client::new("a"));
    test.expect5(1, &[&format!("CONNACK success {{ {DEFAULTS} }}")]);
    test.send5(1, &Packet::PingReq(PingReq));
    test.expect5(1, &["PINGRESP"]);
    // One that the codec can not write: without a reason.
    test.bytes(1, &[0xe0, 0]);
    test.expect_closed(1, CloseReason::Disconnect);
    test.expect_no_violation();
}

#[test]
fn a_poor_broker_says_so() {
    let mut test = Test::with(CoreOptions {
        max_packet_size: 1_000,
        receive_maximum: 1,
        topic_alias_maximum: 0,
        session_expiry_maximum: 60,
        server_keep_alive: Some(10),
        maximum_qos: QoS::AtLeastOnce,
        retain_available: false,
        wildcard_available: false,
        shared_available: false,
        subscription_ids_available: false,
        ..CoreOptions::default()
    });
    test.open5(1, Client::kept("", 3_600));
    let line = "CONNACK success { session-expiry=60, client-id=\"client-1\", keep-alive=10, \
                receive-maximum=1, packet-size=1000, maximum-qos=1, retain=false, \
                wildcards=false, subscription-ids=false, shared=false }";
    test.expect5(1, &[line]);
    test.pass(seconds(15));
    test.expect5(1, &["DISCONNECT keep alive timeout"]);
    test.expect_closed(1, CloseReason::KeepAlive);
    test.pass(seconds(60));
    assert!(test.events.contains(&Event::SessionEnded {
        client: "client-1".into()
    }));
}

#[test]
fn a_will_that_the_broker_can_not_keep_is_refused() {
    let mut test = Test::with(CoreOptions {
        maximum_qos: QoS::AtMostOnce,
        ..CoreOptions::default()
    });
    test.open5(1, Client::new("a").with_will(None));
    test.expect5(1, &["CONNACK qos not supported"]);
    test.expect_closed(1, CloseReason::RefusedWith(Reason::QosNotSupported));
}

#[test]
fn connections_are_refused_with_a_reason() {
    let mut test = Test::new();
    test.inject(Fault::RefuseConnectV5(
        Reason::QuotaExceeded,
        Times::Next(1),
    ));
    test.open5(1, Client::new("a"));
    test.expect5(1, &["CONNACK quota exceeded"]);
    test.expect_closed(1, CloseReason::RefusedWith(Reason::QuotaExceeded));
    let code = ConnectReturnCode::ServiceUnavailable;
    test.inject(Fault::RefuseConnect(code, Times::Next(1)));
    test.open5(2, Client::new("a"));
    test.expect5(2, &["CONNACK server unavailable"]);
    test.connect5(3, "a");
}

#[test]
fn an_unknown_way_to_authenticate_is_refused() {
    let mut test = Test::new();
    let mut client = Client::new("a");
    client.properties().authentication_method = Some("magic".to_owned());
    test.open5(1, client);
    test.expect5(1, &["CONNACK bad authentication method"]);
}

#[test]
fn users_have_passwords_in_both_versions() {
    let options = CoreOptions {
        users: [("u".to_owned(), "p".to_owned())].into(),
        ..CoreOptions::default()
    };
    let mut test = Test::with(options);
    test.open5(1, Client::new("a"));
    test.expect5(1, &["CONNACK bad user name or password"]);
    test.connect_with(2, super::super::connect("b"));
    test.expect(2, &["CONNACK refused: not authorized"]);
    test.open(3);
    test.bytes(3, b"\x10\x13\0\x04MQTT\x04\xc2\0\0\0\x01c\0\x01u\0\x01p");
    test.expect(3, &["CONNACK accepted"]);
    test.open(4);
    test.bytes(4, b"\x10\x14\0\x04MQTT\x05\xc2\0\0\0\0\x01c\0\x01u\0\x01x");
    test.expect5(4, &["CONNACK bad user name or password"]);
}

#[test]
fn who_is_taken_over_is_told() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.connect5(2, "a");
    test.expect5(1, &["DISCONNECT session taken over"]);
    test.expect_closed(1, CloseReason::TakenOver);
}

#[test]
fn connections_are_ended_with_a_reason() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.connect(2, "b");
    test.inject(Fault::Disconnect(Reason::ServerBusy));
    test.expect5(1, &["DISCONNECT server busy"]);
    test.expect_closed(1, CloseReason::DisconnectedWith(Reason::ServerBusy));
    test.expect(2, &[]);
    test.expect_closed(2, CloseReason::Fault);
}

#[test]
fn a_client_can_leave_with_its_will() {
    let mut test = Test::new();
    test.open5(1, Client::new("a").with_will(None));
    // The codec writes more than it says.
    test.bytes(1, &[0xe0, 1, 4]);
    test.expect_closed(1, CloseReason::DisconnectWith(Reason::DisconnectWithWill));
    test.expect_messages(&["w gone"]);
    let properties = &test.core.messages()[0].properties;
    let kind = Property::ContentType("text/plain".to_owned());
    assert_eq!(properties.0, [kind]);
    test.open5(2, Client::new("a").with_will(None));
    test.bytes(2, &[0xe0, 0]);
    test.expect_messages(&["w gone"]);
}
