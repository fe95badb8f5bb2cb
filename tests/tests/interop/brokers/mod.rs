//! Brokers as values: what each is, what it can do, and how one is started.

use std::process::{Command, Stdio};

use crate::place::Place;

mod aedes;
mod amqtt;
mod mosquitto;
mod rabbitmq;

pub(crate) use aedes::AEDES;
pub(crate) use amqtt::AMQTT;
pub(crate) use mosquitto::MOSQUITTO;
pub(crate) use rabbitmq::RABBITMQ;

/// All of them, as the README's table has them.
pub(crate) const ALL: [&Broker; 4] = [&MOSQUITTO, &RABBITMQ, &AMQTT, &AEDES];

/// A broker. What is said here is proved by the subjects.
#[derive(Debug)]
pub(crate) struct Broker {
    pub(crate) name: &'static str,
    /// The one that all this was seen with.
    pub(crate) version: &'static str,
    pub(crate) speaks_5: bool,
    pub(crate) transports: &'static [Transport],
    /// The path at which it speaks WebSocket.
    pub(crate) path: &'static str,
    /// Whether it does not answer a CONNECT of MQTT 5 at all.
    pub(crate) is_silent_at_5: bool,
    /// What it answers to a subscription of QoS 2.
    pub(crate) grants: u8,
    /// Whether messages that were kept come for filters with wildcards, too.
    pub(crate) keeps_for_wildcards: bool,
    /// Whether sessions outlive its restart.
    pub(crate) keeps_sessions: bool,
    /// Whether a client ends the connection of another one of its id
    /// ([MQTT-3.1.4-2]).
    pub(crate) takes_over: bool,
    /// Whether a message of QoS 2 comes once at most, also across its restart.
    pub(crate) is_exact: bool,
    /// What becomes of a letter that the gateway may not publish, in 3.1.1.
    pub(crate) forbidden_letter: Forbidden,
    /// What becomes of a subscription that the gateway may not make.
    pub(crate) forbidden_subscription: Forbidden,
    /// The largest packet that it takes, if it can be told.
    pub(crate) largest_packet: Option<usize>,
    /// What else its users should know, for the README.
    pub(crate) notes: &'static str,
    /// Takes so long to start that all cases share one, and use it in turns.
    pub(crate) is_shared: bool,
    /// Why there is none on this machine, if so.
    pub(crate) missing: fn() -> Option<String>,
    /// Writes its configuration, and says what starts it. Everybody is let in,
    /// what begins with [`FORBIDDEN`] is neither to be published nor subscribed
    /// to, and the CA of the place may issue certificates for clients.
    pub(crate) command: fn(&Place) -> Command,
}

/// What all brokers are told to forbid.
pub(crate) const FORBIDDEN: &str = "forbidden";

/// What a broker does with something that it does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Forbidden {
    /// It says so.
    Refuses,
    /// It ends the connection.
    HangsUp,
    /// It acknowledges it, and does nothing.
    Swallows,
}

/// The ways to a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Tcp,
    Tls,
    MutualTls,
    WebSocket,
    SecureWebSocket,
}

impl Transport {
    pub(crate) const ALL: [Self; 5] = [
        Self::Tcp,
        Self::Tls,
        Self::MutualTls,
        Self::WebSocket,
        Self::SecureWebSocket,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
            Self::MutualTls => "mutual TLS",
            Self::WebSocket => "WebSocket",
            Self::SecureWebSocket => "WebSocket, TLS",
        }
    }
}

/// The two versions of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    V311,
    V5,
}

impl Version {
    /// As the configuration has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::V311 => "3.1.1",
            Self::V5 => "5",
        }
    }
}

/// Where `tests/peers/install` puts what is not in Debian.
fn peers(path: &str) -> String {
    format!("{}/../target/peers/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// Why a program cannot be started, if so.
fn missing(program: &str, argument: &str, install: &str) -> Option<String> {
    let path = std::env::var("PATH").unwrap_or_default();
    let started = Command::new(program)
        .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
        .arg(argument)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    let error = started.err()?;
    Some(format!("{program}: {error} ({install})"))
}
