//! Aedes, from npm, by a script of ours: it is a library.

use std::path::Path;
use std::process::Command;

use super::{Broker, FORBIDDEN, Forbidden, Transport, missing, peers};
use crate::place::Place;

pub(crate) const AEDES: Broker = Broker {
    name: "Aedes",
    version: "1.2.0",
    speaks_5: false,
    transports: &Transport::ALL,
    path: "/mqtt",
    is_silent_at_5: false,
    grants: 2,
    keeps_for_wildcards: true,
    keeps_sessions: false,
    takes_over: true,
    is_exact: false,
    forbidden_letter: Forbidden::HangsUp,
    forbidden_subscription: Forbidden::Refuses,
    largest_packet: None,
    notes: "Sessions and retained messages are in memory; of many messages of QoS 2 in a row, \
            some do not reach a subscriber of QoS 2 whose session is kept",
    is_shared: false,
    missing: || {
        let module = peers("node/node_modules/aedes");
        let module = (!Path::new(&module).exists())
            .then(|| "target/peers/node has no aedes (tests/peers/install)".into());
        missing("node", "--version", "apt-get install nodejs").or(module)
    },
    command,
};

fn command(place: &Place) -> Command {
    let config = format!(
        r#"{{
            "modules": {modules:?}, "forbidden": "{FORBIDDEN}/",
            "ca": {ca:?}, "certificate": {certificate:?}, "key": {key:?},
            "tcp": {tcp}, "tls": {tls}, "mutual": {mutual},
            "websocket": {websocket}, "secureWebsocket": {secure_websocket}
        }}"#,
        modules = peers("node/"),
        ca = place.certificates.path("ca.pem"),
        certificate = place.certificates.path("broker.pem"),
        key = place.certificates.path("broker.key"),
        tcp = place.port(Transport::Tcp),
        tls = place.port(Transport::Tls),
        mutual = place.port(Transport::MutualTls),
        websocket = place.port(Transport::WebSocket),
        secure_websocket = place.port(Transport::SecureWebSocket),
    );
    let mut command = Command::new("node");
    command
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/peers/aedes.mjs"))
        .arg(place.write("aedes.json", &config));
    command
}
