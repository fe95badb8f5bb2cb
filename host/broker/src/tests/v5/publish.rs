//! PUBLISH both ways, with what MQTT 5 adds.

use super::*;

#[test]
fn each_qos_comes_with_its_reasons() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.send5(1, &Packet::Publish(publish(0, 0, "t", "0")));
    test.send5(1, &Packet::Publish(publish(1, 1, "t", "1")));
    test.send5(1, &Packet::Publish(publish(2, 2, "t", "2")));
    test.send5(1, &Packet::PubRel(PubRel::new(2, None)));
    test.send5(1, &Packet::PubRel(PubRel::new(2, None)));
    test.expect5(
        1,
        &[
            "PUBACK id=1 no matching subscribers",
            "PUBREC id=2",
            "PUBCOMP id=2",
            "PUBCOMP id=2 packet identifier not found",
        ],
    );
    test.expect_messages(&["t 0", "t 1", "t 2"]);
}

#[test]
fn properties_go_with_a_message() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.connect5(2, "b");
    test.connect(3, "old");
    test.subscribed(3, "t", 1);
    test.subscribe5(2, &[filter("t", 1)]);
    test.sent(2);
    let packet = with(publish(1, 1, "t", "hi"), |properties| {
        properties.payload_format_indicator = Some(1);
        properties.content_type = Some("text/plain".to_owned());
        properties.response_topic = Some("answers".to_owned());
        properties.correlation_data = Some(Bytes::from_static(&[1, 2]));
        properties.user_properties = vec![("k".into(), "v".into()), ("k".into(), "w".into())];
    });
    test.send5(1, &packet);
    test.expect5(1, &["PUBACK id=1"]);
    test.expect(3, &["PUBLISH q1 id=1 t 2 bytes \"hi\""]);
    // Byte for byte what the codec reads.
    let Packet::Publish(got) = Packet::read(test.inboxes.get_mut(&2).unwrap(), None).unwrap()
    else {
        panic!("no PUBLISH");
    };
    let Packet::Publish(expected) = packet else {
        panic!("no PUBLISH");
    };
    assert_eq!(got, expected);
}

#[test]
fn what_is_said_to_be_text_is_text() {
    let mut test = Test::new();
    test.connect5(1, "a");
    let mut wrong = publish(1, 1, "t", "");
    wrong.payload = Bytes::from_static(&[0xff]);
    test.send5(
        1,
        &with(wrong, |properties| {
            properties.payload_format_indicator = Some(1);
        }),
    );
    test.expect5(1, &["PUBACK id=1 payload format invalid"]);
    test.expect_messages(&[]);
    test.expect_no_violation();
}

#[test]
fn a_message_expires_while_it_waits() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 3_600));
    test.subscribe5(1, &[filter("t", 1)]);
    test.lose(1);
    test.connect5(2, "b");
    for (id, expiry) in [(1, 10), (2, 5)] {
        let packet = with(publish(1, id, "t", "hi"), |properties| {
            properties.message_expiry_interval = Some(expiry);
        });
        test.send5(2, &packet);
    }
    test.pass(std::time::Duration::from_millis(5_500));
    test.open5(3, Client::kept("a", 3_600));
    let line = "PUBLISH q1 id=1 t 2 bytes \"hi\" { expiry=5 }";
    assert_eq!(test.sent(3)[1..], [line]);
    // Nor is it sent again.
    test.lose(3);
    test.pass(seconds(4));
    test.open5(4, Client::kept("a", 3_600));
    let line = "PUBLISH q1 id=1 dup t 2 bytes \"hi\" { expiry=1 }";
    assert_eq!(test.sent(4)[1..], [line]);
    test.lose(4);
    test.pass(seconds(1));
    test.open5(5, Client::kept("a", 3_600));
    assert_eq!(test.sent(5).len(), 1);
}

#[test]
fn a_retained_message_expires() {
    let mut test = Test::new();
    test.connect5(1, "a");
    let mut kept = publish(0, 0, "t", "hi");
    kept.retain = true;
    let packet = with(kept, |properties| {
        properties.message_expiry_interval = Some(10);
    });
    test.send5(1, &packet);
    test.pass(seconds(9));
    test.subscribe5(1, &[filter("t", 1)]);
    let line = "PUBLISH q0 retained t 2 bytes \"hi\" { expiry=1 }";
    test.expect5(1, &["SUBACK id=60000 q1", line]);
    test.pass(seconds(1));
    // For those of 3.1.1 as well.
    test.connect(2, "old");
    test.subscribed(2, "t", 1);
    test.expect(2, &[]);
}

#[test]
fn aliases_stand_for_topics_both_ways() {
    let mut test = Test::new();
    let mut client = Client::new("a");
    client.properties().topic_alias_max = Some(1);
    test.open5(1, client);
    test.subscribe5(1, &[filter("#", 0)]);
    test.sent(1);
    test.connect5(2, "b");
    let alias = |topic: &str, payload: &str| {
        with(publish(0, 0, topic, payload), |properties| {
            properties.topic_alias = Some(10);
        })
    };
    test.send5(2, &alias("t", "1"));
    test.send5(2, &alias("", "2"));
    test.send5(2, &alias("u", "3"));
    test.send5(2, &alias("", "4"));
    test.expect_messages(&["t 1", "t 2", "u 3", "u 4"]);
    test.expect5(
        1,
        &[
            "PUBLISH q0 t 1 bytes \"1\" { alias=1 }",
            "PUBLISH q0 1 bytes \"2\" { alias=1 }",
            "PUBLISH q0 u 1 bytes \"3\"",
            "PUBLISH q0 u 1 bytes \"4\"",
        ],
    );
    // They end with their connection.
    test.connect5(3, "c");
    test.send5(3, &alias("", "5"));
    assert_eq!(test.core.violations(), [Violation::TopicAliasUnknown]);
}

#[test]
fn a_message_that_was_accepted_is_not_refused_when_it_comes_again() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    test.send5(1, &Packet::Publish(publish(2, 2, "no", "x")));
    test.lose(1);
    test.inject(Fault::RefusePublish("#".to_owned(), Reason::QuotaExceeded));
    test.open5(2, Client::kept("a", 60));
    let mut again = publish(2, 2, "no", "x");
    again.dup = true;
    test.send5(2, &Packet::Publish(again));
    test.send5(2, &Packet::PubRel(PubRel::new(2, None)));
    assert_eq!(test.sent(2)[1..], ["PUBREC id=2", "PUBCOMP id=2"]);
    test.expect_messages(&["no x"]);
}

#[test]
fn a_message_is_refused_with_a_reason() {
    let mut test = Test::new();
    test.inject(Fault::RefusePublish(
        "no/#".to_owned(),
        Reason::QuotaExceeded,
    ));
    test.connect5(1, "a");
    test.send5(1, &Packet::Publish(publish(0, 0, "no/0", "")));
    test.send5(1, &Packet::Publish(publish(1, 1, "no/1", "")));
    test.send5(1, &Packet::Publish(publish(2, 2, "no/2", "")));
    // Its id is free again.
    test.send5(1, &Packet::Publish(publish(2, 2, "no/3", "")));
    test.expect5(
        1,
        &[
            "PUBACK id=1 quota exceeded",
            "PUBREC id=2 quota exceeded",
            "PUBREC id=2 quota exceeded",
        ],
    );
    // A client of 3.1.1 can not be told.
    test.connect(2, "old");
    test.send(2, super::super::publish(1, 1, "no/4", ""));
    test.send(2, super::super::publish(2, 2, "no/5", ""));
    test.clear_faults();
    test.send(2, super::super::pubrel(2));
    test.expect(2, &["PUBACK id=1", "PUBREC id=2", "PUBCOMP id=2"]);
    test.expect_messages(&[]);
    test.expect_no_violation();
}

#[test]
fn a_message_with_properties_is_injected() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.subscribe5(1, &[filter("t", 0)]);
    test.sent(1);
    let properties = crate::v5::Properties(vec![Property::MessageExpiry(7)]);
    let inject = |test: &mut Test, properties| {
        let (now, qos) = (test.now, QoS::AtMostOnce);
        let answer = test
            .core
            .publish_with(now, "t", "hi", qos, false, properties);
        test.collect();
        answer
    };
    inject(&mut test, properties).unwrap();
    test.expect5(1, &["PUBLISH q0 t 2 bytes \"hi\" { expiry=7 }"]);
    let properties = crate::v5::Properties(vec![Property::TopicAlias(1)]);
    let answer = inject(&mut test, properties);
    assert_eq!(answer, Err(crate::PublishError::Property));
}
