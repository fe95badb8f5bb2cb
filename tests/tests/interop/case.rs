//! A case: a broker, a version of MQTT, and what is tried with them.

use std::io::{Write, stderr};

use jackalope_tests::{Gateway, GatewayOptions, Subscriber, mosquitto_pub};

use crate::brokers::{Broker, Transport, Version};
use crate::server::{Lease, Server};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// What is tried with which broker.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Case {
    pub(crate) broker: &'static Broker,
    pub(crate) version: Version,
}

/// Why there is nothing to try.
pub(crate) struct Skipped(pub(crate) String);

/// A broker that runs, to be connected to.
pub(crate) struct Site {
    case: Case,
    lease: Lease,
}

/// Runs a case, or says why not.
#[track_caller]
pub(crate) fn run(
    broker: &'static Broker,
    version: Version,
    subject: fn(Case) -> Result<(), Skipped>,
) {
    let case = Case { broker, version };
    let result = match (broker.missing)() {
        Some(reason) => Err(Skipped(reason)),
        None => subject(case),
    };
    if let Err(Skipped(reason)) = result {
        let test = std::thread::current();
        // Past the test runner, which keeps what passing tests print to itself.
        let _ = writeln!(
            stderr(),
            "skipped: {}: {reason}",
            test.name().unwrap_or(broker.name)
        );
    }
}

impl Case {
    /// Has the broker run.
    pub(crate) fn site(self) -> Site {
        Site {
            case: self,
            lease: Lease::of(self.broker),
        }
    }

    /// Goes on only if the broker has this.
    pub(crate) fn needs(self, transport: Transport) -> Result<(), Skipped> {
        if self.broker.transports.contains(&transport) {
            return Ok(());
        }
        let (broker, transport) = (self.broker.name, transport.name());
        Err(Skipped(format!("{broker} has no {transport}")))
    }
}

impl Site {
    pub(crate) fn case(&self) -> Case {
        self.case
    }

    pub(crate) fn server(&self) -> &Server {
        self.lease.server()
    }

    pub(crate) fn server_mut(&mut self) -> &mut Server {
        self.lease.server_mut()
    }

    /// A gateway of the version of this case, which comes back fast.
    pub(crate) fn gateway(&self, transport: Transport) -> GatewayOptions {
        self.gateway_to(transport, self.server().place.port(transport))
    }

    /// The same, by way of another port.
    pub(crate) fn gateway_to(&self, transport: Transport, port: u16) -> GatewayOptions {
        let certificates = &self.server().place.certificates;
        let plain = || {
            GatewayOptions::new(BINARY, port)
                .config("backoff = { min = \"50ms\", max = \"100ms\" }")
        };
        let secure = || GatewayOptions::secure(BINARY, port, certificates);
        let address = format!("127.0.0.1:{port}{}", self.case.broker.path);
        match transport {
            Transport::Tcp => plain(),
            Transport::Tls => secure(),
            Transport::WebSocket => plain().env("JACKALOPE_SERVER", &format!("ws://{address}")),
            Transport::SecureWebSocket => {
                secure().env("JACKALOPE_SERVER", &format!("wss://{address}"))
            }
            Transport::MutualTls => secure()
                .config(&format!(
                    "certificate-file = {:?}",
                    certificates.path("gateway.pem")
                ))
                .config(&format!(
                    "key-file = {:?}",
                    certificates.path("gateway.key")
                )),
        }
        .env("JACKALOPE_VERSION", self.case.version.name())
        .env("JACKALOPE_LOG", "debug")
    }

    /// Publishes with `mosquitto_pub`, with this quality of service or the highest
    /// that the broker has.
    #[track_caller]
    pub(crate) fn publish(&self, topic: &str, qos: u8, payload: &str) {
        let qos = qos.min(self.case.broker.grants);
        self.publish_with(&["-t", topic, "-q", &qos.to_string(), "-m", payload]);
    }

    /// Runs `mosquitto_pub` with these arguments.
    #[track_caller]
    pub(crate) fn publish_with(&self, arguments: &[&str]) {
        mosquitto_pub(self.server().port(), arguments);
    }

    /// Subscribes with `mosquitto_sub`.
    #[track_caller]
    pub(crate) fn subscribe(&self, filter: &str, qos: u8) -> Subscriber {
        self.subscribe_with(&["-t", filter, "-q", &qos.to_string()])
    }

    /// Runs `mosquitto_sub` with these arguments.
    #[track_caller]
    pub(crate) fn subscribe_with(&self, arguments: &[&str]) -> Subscriber {
        Subscriber::start(self.server().port(), arguments)
    }
}

/// Waits until the log has lines with these texts, each after the one before.
#[track_caller]
pub(crate) fn wait_for_lines_in_order(gateway: &Gateway, texts: &[&str]) {
    let is_so = |lines: &[String]| {
        let mut lines = lines.iter();
        texts
            .iter()
            .all(|text| lines.any(|line| line.contains(text)))
    };
    gateway.log.wait_until(&texts.join(", then "), is_so);
}

/// Waits until a line of the log has come so many times.
#[track_caller]
pub(crate) fn wait_for_lines(gateway: &Gateway, text: &str, count: usize) {
    let is_so = |lines: &[String]| lines.iter().filter(|line| line.contains(text)).count() >= count;
    gateway
        .log
        .wait_until(&format!("{count} times {text}"), is_so);
}
