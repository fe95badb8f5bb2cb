//! What users may do, in both versions.

use std::collections::BTreeMap;

use rumqttc::mqttbytes as codec_3_1_1;
use rumqttc::mqttbytes::v4;
use rumqttc::v5::mqttbytes::v5::Login;

use super::*;
use crate::Permissions;

/// A broker whose user `meter` may publish to `meters/+` and subscribe to `all/#`.
fn test() -> Test {
    let permissions = Permissions {
        publish: Some(vec!["meters/+".to_owned()]),
        subscribe: Some(vec!["all/#".to_owned()]),
    };
    let options = CoreOptions {
        users: BTreeMap::from(["meter", "boss"].map(|name| (name.to_owned(), String::new()))),
        permissions: BTreeMap::from([("meter".to_owned(), permissions)]),
        ..CoreOptions::default()
    };
    Test::with(options)
}

fn login(test: &mut Test, number: u64, user: &str) {
    let client = Client::new(user);
    let login = Some(Login::new(user, ""));
    test.open(number);
    test.send5(number, &Packet::Connect(client.connect, None, login));
    assert!(test.sent(number)[0].starts_with("CONNACK success"));
}

fn login_3_1_1(test: &mut Test, number: u64, will: Option<&str>) {
    let mut connect = crate::tests::connect("old");
    connect.set_login("meter", "");
    connect.last_will =
        will.map(|topic| v4::LastWill::new(topic, "gone", codec_3_1_1::QoS::AtLeastOnce, false));
    test.connect_with(number, connect);
}

#[test]
fn who_may_not_publish_is_told() {
    let mut test = test();
    login(&mut test, 1, "meter");
    test.send5(1, &Packet::Publish(publish(1, 1, "meters/1", "42")));
    test.send5(1, &Packet::Publish(publish(1, 2, "meters/1/reset", "now")));
    test.send5(1, &Packet::Publish(publish(2, 3, "doors", "open")));
    test.send5(1, &Packet::Publish(publish(0, 0, "doors", "open")));
    test.expect5(
        1,
        &[
            "PUBACK id=1 no matching subscribers",
            "PUBACK id=2 not authorized",
            "PUBREC id=3 not authorized",
        ],
    );
    test.expect_messages(&["meters/1 42"]);
    // Others may.
    login(&mut test, 2, "boss");
    test.send5(2, &Packet::Publish(publish(1, 1, "doors", "open")));
    test.expect5(2, &["PUBACK id=1 no matching subscribers"]);
}

#[test]
fn who_can_not_be_told_gets_what_it_always_gets() {
    let mut test = test();
    login_3_1_1(&mut test, 1, None);
    test.expect(1, &["CONNACK accepted"]);
    test.send(1, crate::tests::publish(1, 1, "doors", "open"));
    test.send(1, crate::tests::publish(2, 2, "doors", "open"));
    test.send(1, crate::tests::pubrel(2));
    test.subscribe(1, 3, &[("#", 1), ("all/doors", 1)]);
    let answers = [
        "PUBACK id=1",
        "PUBREC id=2",
        "PUBCOMP id=2",
        "SUBACK id=3 refused, q1",
    ];
    test.expect(1, &answers);
    test.expect_messages(&[]);
}

#[test]
fn who_may_not_subscribe_is_told() {
    let mut test = test();
    login(&mut test, 1, "meter");
    let filters = ["all/+", "#", "$share/g/all/x", "$share/g/x"];
    test.subscribe5(1, &filters.map(|path| filter(path, 1)));
    let suback = "SUBACK id=60000 q1, not authorized, q1, not authorized";
    test.expect5(1, &[suback]);
}

#[test]
fn a_will_that_may_not_be_published_is_refused() {
    let mut test = test();
    login_3_1_1(&mut test, 1, Some("meters/1"));
    test.expect(1, &["CONNACK accepted"]);
    login_3_1_1(&mut test, 2, Some("doors"));
    test.expect(2, &["CONNACK refused: not authorized"]);
    test.expect_closed(2, CloseReason::Refused(ConnectReturnCode::NotAuthorized));
}
