//! A session that the broker keeps, with a real broker and a network that is cut.

use std::collections::BTreeMap;

use jackalope_tests::{ECHO, GatewayOptions, Mosquitto, Proxy};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// How many messages of each quality of service come while the gateway is away.
const MESSAGES: usize = 30;

#[test]
fn messages_of_an_outage_come_afterwards_and_those_of_qos_2_once() {
    for version in ["3.1.1", "5"] {
        let broker = Mosquitto::start();
        let network = Proxy::to(broker.port());
        let echoes = broker.subscribe("echo/out/+", 2);
        let gateway = GatewayOptions::new(BINARY, network.port())
            .config("clean-session = false\nsession-expiry = \"1h\"")
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config(&format!("version = \"{version}\""))
            .guest("echo", ECHO, &["echo/in/+"], "")
            .start();
        gateway.log.wait_for("subscribed filter=echo/in/+");
        network.cut();
        gateway.log.wait_for("offline:");
        for number in 0..MESSAGES {
            for qos in ["1", "2"] {
                let topic = format!("echo/in/{qos}-{number}");
                broker.publish_with(&["-q", qos, "-t", &topic, "-m", "x"]);
            }
        }
        network.restore();
        gateway.log.wait_for("session_present=true");
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for echo in echoes.wait_for(2 * MESSAGES) {
            *counts.entry(echo).or_default() += 1;
        }
        assert_eq!(counts.len(), 2 * MESSAGES, "{version}: {counts:?}");
        let twice = counts
            .iter()
            .filter(|(echo, count)| **count > 1 && echo.starts_with("echo/out/2-"));
        assert_eq!(twice.count(), 0, "{version}: {counts:?}");
    }
}
