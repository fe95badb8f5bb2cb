//! The fake broker as a process.

use crate::{Process, Subscriber, mosquitto_pub};

/// `jackalope broker` on a port of its own, and clients that speak one version of
/// MQTT with it. Killed when dropped.
#[derive(Debug)]
pub struct FakeBroker {
    /// Its process.
    pub process: Process,
    port: u16,
    version: &'static str,
}

impl FakeBroker {
    /// Starts the fake broker of the binary under test, with more arguments. Its
    /// clients speak this version, as `mosquitto_pub -V` has it.
    pub fn start(binary: &str, version: &'static str, arguments: &[&str]) -> Self {
        let arguments = [&["broker", "--listen", "127.0.0.1:0"], arguments].concat();
        let process = Process::start(binary, &arguments);
        let line = process.out.wait_for("listening on 127.0.0.1:");
        let port = line.rsplit(':').next().and_then(|port| port.parse().ok());
        let port = port.expect("the line ends with the port");
        Self {
            process,
            port,
            version,
        }
    }

    /// The same with TLS. Returns where the certificate of its authority is, too.
    pub fn start_with_tls(
        binary: &str,
        version: &'static str,
        arguments: &[&str],
    ) -> (Self, String) {
        let broker = Self::start(binary, version, &[&["--tls"], arguments].concat());
        let line = broker.process.out.wait_for("TLS as well");
        let ca = line.split("who trusts ").nth(1);
        let ca = ca.and_then(|rest| rest.split(';').next());
        let ca = ca.expect("the line says where it is").to_owned();
        (broker, ca)
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Runs `mosquitto_pub` with these arguments.
    #[track_caller]
    pub fn publish(&self, arguments: &[&str]) {
        mosquitto_pub(self.port, &self.with_version(arguments));
    }

    /// Runs `mosquitto_sub` with these arguments, and waits until it is
    /// subscribed.
    #[track_caller]
    pub fn subscribe(&self, arguments: &[&str]) -> Subscriber {
        Subscriber::start(self.port, &self.with_version(arguments))
    }

    fn with_version<'a>(&self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["-V", self.version], arguments].concat()
    }

    /// Waits for a line with this in it.
    #[track_caller]
    pub fn expect(&self, text: &str) {
        self.process.out.wait_for(text);
    }

    /// Runs a client to its end, which has to succeed without breaking a rule.
    #[track_caller]
    pub fn check_client(&self, program: &str, arguments: &[&str]) {
        let mut client = Process::start(program, arguments);
        let status = client.wait();
        let (text, errors) = (client.out.wait_for_end(), client.errors.wait_for_end());
        assert!(status.success(), "{arguments:?}: {text}\n{errors}");
        self.expect_no_violation();
    }

    /// It has seen no client break a rule so far.
    #[track_caller]
    pub fn expect_no_violation(&self) {
        assert_eq!(self.process.out.count("VIOLATION"), 0);
    }
}
