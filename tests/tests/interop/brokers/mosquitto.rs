//! Eclipse Mosquitto, from Debian.

use std::path::PathBuf;
use std::process::Command;

use super::{Broker, FORBIDDEN, Forbidden, Transport, missing};
use crate::place::Place;

pub(crate) const MOSQUITTO: Broker = Broker {
    name: "Mosquitto",
    version: "2.0.11",
    speaks_5: true,
    transports: &Transport::ALL,
    path: "/mqtt",
    is_silent_at_5: false,
    grants: 2,
    keeps_for_wildcards: true,
    keeps_sessions: true,
    takes_over: true,
    is_exact: true,
    forbidden_letter: Forbidden::Swallows,
    forbidden_subscription: Forbidden::Refuses,
    largest_packet: Some(300_000),
    notes: "MQTT 3.1.1: a letter on a topic that the gateway may not publish to is acknowledged \
            and thrown away; MQTT 5: it ends a connection whose client id another client \
            takes, and does not say why",
    is_shared: false,
    missing: || {
        let missing = missing("mosquitto", "-h", "apt-get install mosquitto");
        missing.or_else(|| {
            plugin()
                .is_none()
                .then(|| "it has no plugin for ACLs".into())
        })
    },
    command,
};

/// Its own files of ACLs do not refuse subscriptions; this one does.
fn plugin() -> Option<PathBuf> {
    let directories = ["x86_64-linux-gnu", "aarch64-linux-gnu", ""];
    let paths = directories.map(|directory| {
        PathBuf::from("/usr/lib")
            .join(directory)
            .join("mosquitto_dynamic_security.so")
    });
    paths.into_iter().find(|path| path.exists())
}

fn command(place: &Place) -> Command {
    let rules = place.write(
        "rules.json",
        &format!(
            r#"{{
                "defaultACLAccess": {{
                    "publishClientSend": true, "publishClientReceive": true,
                    "subscribe": true, "unsubscribe": true
                }},
                "clients": [],
                "groups": [{{ "groupname": "all", "roles": [{{ "rolename": "all" }}] }}],
                "anonymousGroup": "all",
                "roles": [{{ "rolename": "all", "acls": [
                    {{ "acltype": "publishClientSend", "topic": "{FORBIDDEN}/#", "allow": false }},
                    {{ "acltype": "subscribePattern", "topic": "{FORBIDDEN}/#", "allow": false }}
                ] }}]
            }}"#
        ),
    );
    let plain = |transport| format!("listener {} 127.0.0.1\n", place.port(transport));
    let tls = |transport| {
        format!(
            "listener {} 127.0.0.1\ncafile {}\ncertfile {}\nkeyfile {}\n",
            place.port(transport),
            place.certificates.path("ca.pem"),
            place.certificates.path("broker.pem"),
            place.certificates.path("broker.key"),
        )
    };
    let config = format!(
        // Started by root, it would turn into somebody who may not read its files.
        "user root\n\
         allow_anonymous true\n\
         persistence true\n\
         persistence_location {directory}/\n\
         max_queued_messages 1000000\n\
         max_packet_size {largest}\n\
         plugin {plugin}\n\
         plugin_opt_config_file {rules}\n\
         {tcp}\
         {tls}\
         {mutual}\
         require_certificate true\n\
         {websocket}\
         protocol websockets\n\
         {secure_websocket}\
         protocol websockets\n",
        directory = place.directory.display(),
        largest = MOSQUITTO.largest_packet.unwrap_or_default(),
        plugin = plugin().unwrap_or_default().display(),
        tcp = plain(Transport::Tcp),
        tls = tls(Transport::Tls),
        mutual = tls(Transport::MutualTls),
        websocket = plain(Transport::WebSocket),
        secure_websocket = tls(Transport::SecureWebSocket),
    );
    let mut command = Command::new("mosquitto");
    command
        .arg("-c")
        .arg(place.write("mosquitto.conf", &config));
    command
}
