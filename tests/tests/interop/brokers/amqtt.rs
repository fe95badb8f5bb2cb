//! aMQTT, from PyPI.

use std::path::Path;
use std::process::Command;

use super::{Broker, Forbidden, Transport, peers};
use crate::place::Place;

pub(crate) const AMQTT: Broker = Broker {
    name: "aMQTT",
    version: "0.12.1",
    speaks_5: false,
    transports: &Transport::ALL,
    path: "/mqtt",
    is_silent_at_5: true,
    grants: 2,
    keeps_for_wildcards: true,
    keeps_sessions: false,
    takes_over: false,
    is_exact: false,
    forbidden_letter: Forbidden::Swallows,
    forbidden_subscription: Forbidden::Refuses,
    largest_packet: None,
    notes: "Sessions and retained messages are in memory; a letter on a topic that the gateway \
            may not publish to is acknowledged and thrown away; two clients of one client id \
            stay connected; with `version = \"auto\"` the first connection takes 20 s, as it \
            does not answer when it is asked for MQTT 5",
    is_shared: false,
    missing: || {
        let is_missing = !Path::new(&peers(SCRIPT)).exists();
        is_missing.then(|| format!("target/peers/{SCRIPT} is missing (tests/peers/install)"))
    },
    command,
};

const SCRIPT: &str = "venv/bin/amqtt";

/// It knows only what is allowed.
const ALLOWED: &str =
    r##"["burst/#", "doors/#", "echo/#", "out", "last", "late", "statuses/#", "wills/#"]"##;

fn command(place: &Place) -> Command {
    let tls = format!(
        "    ssl: true\n    cafile: {}\n    certfile: {}\n    keyfile: {}\n",
        place.certificates.path("ca.pem"),
        place.certificates.path("broker.pem"),
        place.certificates.path("broker.key"),
    );
    let config = format!(
        "listeners:\n  default:\n    type: tcp\n    bind: 127.0.0.1:{tcp}\n  \
           tls:\n    type: tcp\n    bind: 127.0.0.1:{secure}\n{tls}  \
           mutual:\n    type: tcp\n    bind: 127.0.0.1:{mutual}\n{tls}  \
           ws:\n    type: ws\n    bind: 127.0.0.1:{websocket}\n  \
           wss:\n    type: ws\n    bind: 127.0.0.1:{secure_websocket}\n{tls}\
         plugins:\n  \
           amqtt.plugins.authentication.AnonymousAuthPlugin:\n    allow_anonymous: true\n  \
           amqtt.plugins.topic_checking.TopicAccessControlListPlugin:\n    \
             publish_acl:\n      anonymous: {ALLOWED}\n    \
             acl:\n      anonymous: {ALLOWED}\n",
        tcp = place.port(Transport::Tcp),
        secure = place.port(Transport::Tls),
        mutual = place.port(Transport::MutualTls),
        websocket = place.port(Transport::WebSocket),
        secure_websocket = place.port(Transport::SecureWebSocket),
    );
    let mut command = Command::new(peers(SCRIPT));
    command.arg("-c").arg(place.write("amqtt.yaml", &config));
    command
}
