//! RabbitMQ with its plugin for MQTT, from Debian.

use std::path::Path;
use std::process::Command;

use super::{Broker, FORBIDDEN, Forbidden, Transport};
use crate::place::Place;

pub(crate) const RABBITMQ: Broker = Broker {
    name: "RabbitMQ",
    version: "3.10.8",
    speaks_5: false,
    transports: &Transport::ALL,
    path: "/ws",
    is_silent_at_5: false,
    grants: 1,
    keeps_for_wildcards: false,
    keeps_sessions: true,
    takes_over: true,
    is_exact: false,
    forbidden_letter: Forbidden::HangsUp,
    forbidden_subscription: Forbidden::HangsUp,
    largest_packet: None,
    notes: "QoS 2 becomes 1; retained messages come for filters without wildcards only; it closes \
            the connection at a letter or a subscription that the gateway may not make, which \
            is found out after four times",
    is_shared: true,
    missing: || {
        let is_missing = !Path::new(SCRIPT).exists();
        is_missing.then(|| format!("{SCRIPT} is missing (apt-get install rabbitmq-server)"))
    },
    command,
};

/// Debian's own one in `/usr/sbin` wants to be root, and becomes `rabbitmq`.
const SCRIPT: &str = "/usr/lib/rabbitmq/bin/rabbitmq-server";

fn command(place: &Place) -> Command {
    let may = format!("^(?!{FORBIDDEN}\\\\.).*");
    let definitions = place.write(
        "definitions.json",
        &format!(
            // The hash is that of `guest`, with `salt`.
            r#"{{
                "users": [{{
                    "name": "guest", "tags": [],
                    "password_hash": "c2FsdDRwMuw4kgNZhm0cEYx1m4NAR6BCdplxDdFbnDjbRIKq",
                    "hashing_algorithm": "rabbit_password_hashing_sha256"
                }}],
                "vhosts": [{{ "name": "/" }}],
                "permissions": [{{
                    "user": "guest", "vhost": "/", "configure": ".*", "write": ".*", "read": ".*"
                }}],
                "topic_permissions": [{{
                    "user": "guest", "vhost": "/", "exchange": "amq.topic",
                    "write": "{may}", "read": "{may}"
                }}]
            }}"#
        ),
    );
    let config = format!(
        "listeners.tcp = none\n\
         load_definitions = {definitions}\n\
         mqtt.allow_anonymous = true\n\
         mqtt.default_user = guest\n\
         mqtt.default_pass = guest\n\
         mqtt.listeners.tcp.1 = 127.0.0.1:{tcp}\n\
         mqtt.listeners.ssl.1 = 127.0.0.1:{tls}\n\
         mqtt.listeners.ssl.2 = 127.0.0.1:{mutual}\n\
         web_mqtt.tcp.ip = 127.0.0.1\n\
         web_mqtt.tcp.port = {websocket}\n\
         web_mqtt.ssl.ip = 127.0.0.1\n\
         web_mqtt.ssl.port = {secure_websocket}\n\
         web_mqtt.ssl.cacertfile = {ca}\n\
         web_mqtt.ssl.certfile = {certificate}\n\
         web_mqtt.ssl.keyfile = {key}\n\
         ssl_options.cacertfile = {ca}\n\
         ssl_options.certfile = {certificate}\n\
         ssl_options.keyfile = {key}\n\
         ssl_options.verify = verify_peer\n\
         ssl_options.fail_if_no_peer_cert = false\n",
        tcp = place.port(Transport::Tcp),
        tls = place.port(Transport::Tls),
        mutual = place.port(Transport::MutualTls),
        websocket = place.port(Transport::WebSocket),
        secure_websocket = place.port(Transport::SecureWebSocket),
        ca = place.certificates.path("ca.pem"),
        certificate = place.certificates.path("broker.pem"),
        key = place.certificates.path("broker.key"),
    );
    let at = |name: &str| place.directory.join(name);
    let [distribution, mapper] = place.spare_ports;
    // What maps names of nodes to ports would outlive it otherwise.
    let mut command = Command::new("sh");
    command
        .args(["-c", "epmd & exec \"$0\"", SCRIPT])
        .env("ERL_EPMD_ADDRESS", "127.0.0.1")
        .env("ERL_EPMD_PORT", mapper.to_string())
        .env("HOME", &place.directory)
        .env("RABBITMQ_CONF_ENV_FILE", "/dev/null")
        .env(
            "RABBITMQ_CONFIG_FILE",
            place.write("rabbitmq.conf", &config),
        )
        .env("RABBITMQ_DIST_PORT", distribution.to_string())
        .env(
            "RABBITMQ_ENABLED_PLUGINS_FILE",
            place.write("plugins", "[rabbitmq_mqtt,rabbitmq_web_mqtt]."),
        )
        .env("RABBITMQ_LOG_BASE", at("log"))
        .env("RABBITMQ_MNESIA_BASE", at("database"))
        .env(
            "RABBITMQ_NODENAME",
            format!("jackalope{distribution}@localhost"),
        )
        .env("RABBITMQ_PID_FILE", at("pid"))
        .env(
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS",
            "-kernel inet_dist_use_interface {127,0,0,1}",
        );
    command
}
