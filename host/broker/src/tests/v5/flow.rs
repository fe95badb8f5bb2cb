//! How much is under way at once.

use super::*;

fn with_receive_maximum(maximum: u16) -> Client {
    let mut client = Client::kept("a", 60);
    client.properties().receive_maximum = Some(maximum);
    client
}

#[test]
fn the_broker_keeps_to_the_receive_maximum() {
    let mut test = Test::new();
    test.open5(1, with_receive_maximum(2));
    test.subscribe5(1, &[filter("t", 2)]);
    test.sent(1);
    for payload in ["1", "2", "3", "4"] {
        test.inject_message("t", payload, 2, false);
    }
    let line = |id: u16, dup: &str| format!("PUBLISH q2 id={id}{dup} t 1 bytes \"{id}\"");
    test.expect5(1, &[&line(1, ""), &line(2, "")]);
    // An error ends the exchange.
    let mut pubrec = PubRec::new(1, None);
    pubrec.reason = PubRecReason::QuotaExceeded;
    test.send5(1, &Packet::PubRec(pubrec));
    test.expect5(1, &[&line(3, "")]);
    test.send5(1, &Packet::PubRec(PubRec::new(2, None)));
    test.expect5(1, &["PUBREL id=2"]);
    test.lose(1);
    // Also when it sends again.
    test.open5(2, with_receive_maximum(1));
    assert_eq!(test.sent(2)[1..], ["PUBREL id=2"]);
    test.send5(2, &Packet::PubComp(PubComp::new(2, None)));
    test.expect5(2, &[&line(3, " dup")]);
    test.send5(2, &Packet::PubRec(PubRec::new(3, None)));
    test.send5(2, &Packet::PubComp(PubComp::new(3, None)));
    test.expect5(2, &["PUBREL id=3", &line(4, "")]);
    test.send5(2, &Packet::PubRec(PubRec::new(9, None)));
    test.expect5(2, &["PUBREL id=9 packet identifier not found"]);
    test.expect_no_violation();
}

#[test]
fn a_client_keeps_to_the_receive_maximum() {
    let mut test = Test::with(CoreOptions {
        receive_maximum: 2,
        ..CoreOptions::default()
    });
    test.connect5(1, "a");
    test.inject(Fault::WithholdAcks(vec![Ack::PubAck]));
    test.send5(1, &Packet::Publish(publish(1, 1, "t", "")));
    test.send5(1, &Packet::Publish(publish(2, 2, "t", "")));
    test.send5(1, &Packet::PubRel(PubRel::new(2, None)));
    test.send5(1, &Packet::Publish(publish(2, 2, "t", "")));
    test.expect_no_violation();
    test.sent(1);
    test.send5(1, &Packet::Publish(publish(1, 3, "t", "")));
    let text = "\"more open exchanges than the receive maximum [MQTT-3.3.4-7]\"";
    test.expect5(
        1,
        &[&format!("DISCONNECT receive maximum exceeded {{ {text} }}")],
    );
    assert_eq!(test.core.violations(), [Violation::ReceiveMaximumExceeded]);
}

#[test]
fn nothing_is_sent_again_on_the_same_connection() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    test.inject(Fault::WithholdAcks(vec![Ack::PubAck]));
    let mut message = publish(1, 1, "t", "");
    test.send5(1, &Packet::Publish(message.clone()));
    message.dup = true;
    test.lose(1);
    test.open5(2, Client::kept("a", 60));
    test.send5(2, &Packet::Publish(message.clone()));
    test.expect_no_violation();
    test.send5(2, &Packet::Publish(message));
    assert_eq!(test.core.violations(), [Violation::ResentTooEarly]);
}

#[test]
fn what_is_too_large_for_a_client_is_left_out() {
    let mut test = Test::new();
    let mut client = Client::new("a");
    client.properties().max_packet_size = Some(100);
    test.open5(1, client);
    test.subscribe5(1, &[filter("t", 1)]);
    test.sent(1);
    let large: &'static str = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\
                               xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";
    test.inject_message("t", large, 1, false);
    test.inject_message("t", large, 0, false);
    test.expect5(1, &[]);
    assert_eq!((test.core.dropped(), test.core.unacknowledged("a")), (2, 0));
    test.inject_message("t", "small", 1, false);
    assert_eq!(test.sent(1).len(), 1);
    test.send5(1, &Packet::PubAck(PubAck::new(2, None)));
    assert_eq!(test.core.unacknowledged("a"), 0);
}
