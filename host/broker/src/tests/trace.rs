//! Events as a developer reads them.

use super::*;

#[track_caller]
fn check(packet: Packet, expected: &str) {
    let peer = Peer {
        connection: ConnectionId(3),
        client: Some("door-gw".into()),
    };
    let packet = received(&packet);
    let event = Event::Received { peer, packet };
    assert_eq!(event.to_string(), format!("door-gw > {expected}"));
}

#[test]
fn a_connection_reads_like_a_story() {
    let mut test = Test::new();
    test.connect_with(3, with_will("door-gw", "doors/front/state", true));
    test.subscribe(3, 1, &[("doors/+/command", 1), ("all", 0)]);
    test.inject_message("doors/front/command", "unlock", 1, false);
    test.send(3, puback(1));
    test.inject(Fault::DropAfter(1, PacketType::PingReq));
    test.send(3, Packet::PingReq);
    test.open(4);
    test.bytes(4, b"hello");
    let lines: Vec<_> = test.events.iter().map(ToString::to_string).collect();
    let expected = [
        "#3 connected",
        "door-gw > CONNECT clean keep-alive=0 will q1 retained doors/front/state 4 bytes \"gone\"",
        "door-gw session created",
        "door-gw < CONNACK accepted",
        "door-gw > SUBSCRIBE id=1 doors/+/command q1, all q0",
        "door-gw < SUBACK id=1 q1, q0",
        "door-gw < PUBLISH q1 id=1 doors/front/command 6 bytes \"unlock\"",
        "door-gw > PUBACK id=1",
        "fault: drop-after=1:pingreq",
        "door-gw > PINGREQ",
        "door-gw | PINGRESP (withheld)",
        "door-gw closed: fault",
        "door-gw session ended",
        "door-gw will to doors/front/state",
        "#4 connected",
        "#4 VIOLATION: the first packet is not CONNECT [MQTT-3.1.0-1]",
        "#4 closed: the first packet is not CONNECT [MQTT-3.1.0-1]",
    ];
    assert_eq!(lines, expected);
}

#[test]
fn text_is_shown_and_cut() {
    let long = "é".repeat(61);
    let shown = format!("PUBLISH q0 t 122 bytes \"{}\"…", "é".repeat(60));
    check(publish(0, 0, "t", &long), &shown);
    let fits = "x".repeat(60);
    let shown = format!("PUBLISH q0 t 60 bytes \"{fits}\"");
    check(publish(0, 0, "t", &fits), &shown);
    let line = "PUBLISH q0 t 3 bytes \"a\\nb\"";
    check(publish(0, 0, "t", "a\nb"), line);
}

#[test]
fn what_is_no_text_is_described_by_its_length() {
    check(publish(0, 0, "t", ""), "PUBLISH q0 t 0 bytes");
    check(publish(0, 0, "t", "a\u{1b}[2J"), "PUBLISH q0 t 5 bytes");
    let binary = Publish::new("t", mqttbytes::QoS::AtMostOnce, [0xff, 0xfe]);
    check(Packet::Publish(binary), "PUBLISH q0 t 2 bytes");
}

#[test]
fn flags_are_shown() {
    let packet = retained(again(publish(2, 7, "t", "hi")));
    check(packet, "PUBLISH q2 id=7 dup retained t 2 bytes \"hi\"");
    check(unsubscribe(9, "t/#"), "UNSUBSCRIBE id=9 t/#");
}

#[test]
fn a_password_is_never_shown() {
    let mut connect = connect("a");
    connect.set_login("gateway", "hunter2");
    check(
        Packet::Connect(connect),
        "CONNECT clean keep-alive=0 user=gateway",
    );
}
