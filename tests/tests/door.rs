//! The door of the documentation, by the hands of `mosquitto_pub` and
//! `mosquitto_sub`.

use jackalope_tests::{DOOR, GatewayOptions, Mosquitto, Proxy, check_no_command_comes_late};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

#[test]
fn a_request_becomes_a_command_and_its_outcome_a_retained_status() {
    let broker = Mosquitto::start();
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("door", DOOR, &["doors/+/request"], "")
        .start();
    gateway.log.wait_for("subscribed filter=doors/+/request");

    let commands = broker.subscribe("doors/+/command", 1);
    broker.publish("doors/front/request", r#"{"action":"unlock"}"#);
    commands.wait_for_message(r#"doors/front/command 0 {"action":"unlock"}"#);

    let status = r#"doors/front/status {} {"action":"unlock","outcome":"delivered"}"#;
    let live = broker.subscribe("doors/+/status", 1);
    live.wait_for(1);
    let late = broker.subscribe("doors/+/status", 1);
    late.wait_for_message(&status.replace("{} ", "1 "));
}

#[test]
fn a_bad_request_is_rejected_and_said_so() {
    let broker = Mosquitto::start();
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("door", DOOR, &["doors/+/request"], "")
        .start();
    gateway.log.wait_for("subscribed filter=doors/+/request");
    broker.publish("doors/front/request", "open sesame");
    let line = gateway.log.wait_for("message rejected");
    assert!(
        line.contains(r#"guest="door" topic=doors/front/request"#),
        "{line}"
    );
    assert!(line.contains("the request is not JSON"), "{line}");
    assert!(!line.contains("sesame"), "no payload in the log: {line}");
}

#[test]
fn a_command_that_could_not_be_sent_in_time_is_never_sent() {
    let broker = Mosquitto::start();
    let network = Proxy::to(broker.port());
    let gateway = GatewayOptions::new(BINARY, network.port())
        .config("backoff = { min = \"100ms\", max = \"200ms\" }");
    check_no_command_comes_late(&broker, &network, gateway);
}
