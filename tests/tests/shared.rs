//! Shared subscriptions with a real broker: gateways that split a stream.

use std::collections::BTreeSet;

use jackalope_tests::{ECHO, Gateway, GatewayOptions, Mosquitto};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// How many messages are split.
const MESSAGES: usize = 60;

fn gateway(broker: &Mosquitto, version: &str, name: &str, filters: &[&str]) -> Gateway {
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config(&format!("version = \"{version}\"\nclient-id = \"{name}\""))
        .env("JACKALOPE_LOG", "debug")
        .guest("echo", ECHO, filters, "")
        .start();
    for filter in filters {
        gateway.log.wait_for(&format!("subscribed filter={filter}"));
    }
    gateway
}

#[test]
fn two_gateways_split_a_stream() {
    for version in ["3.1.1", "5"] {
        let broker = Mosquitto::start();
        let filters = ["$share/group/echo/in/+"];
        let gateways = ["one", "two"].map(|name| gateway(&broker, version, name, &filters));
        let echoes = broker.subscribe("echo/out/+", 1);
        for number in 0..MESSAGES {
            broker.publish(&format!("echo/in/{number}"), &number.to_string());
        }
        let echoes = echoes.wait_for(MESSAGES);
        let distinct: BTreeSet<_> = echoes.iter().collect();
        assert_eq!(
            (echoes.len(), distinct.len()),
            (MESSAGES, MESSAGES),
            "{version}"
        );
        for gateway in gateways {
            gateway.log.wait_for("message topic=echo/in/");
            let received = gateway.log.count("message topic=echo/in/");
            assert!((1..MESSAGES).contains(&received), "{version}: {received}");
        }
    }
}

#[test]
fn a_message_goes_to_the_guest_whose_subscription_it_came_for() {
    let broker = Mosquitto::start();
    let echoes = broker.subscribe("echo/out/+", 1);
    let ends = broker.subscribe("echo/out/end", 1);
    // On MQTT 5 mosquitto sends a copy for each subscription.
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config("version = \"5\"")
        .guest("shared", ECHO, &["$share/group/echo/in/+"], "")
        .guest("plain", ECHO, &["echo/in/#"], "")
        .start();
    for filter in ["$share/group/echo/in/+", "echo/in/#"] {
        gateway.log.wait_for(&format!("subscribed filter={filter}"));
    }
    for _ in 0..10 {
        broker.publish("echo/in/x", "x");
    }
    broker.publish("echo/in/end", "end");
    ends.wait_for(2);
    assert_eq!(echoes.wait_for(22).len(), 22);
}
