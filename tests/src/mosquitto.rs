//! A real broker, and real clients.

use std::io::Write;
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tempfile::NamedTempFile;

use crate::{Certificates, Lines, PATIENCE, Process, free_ports, process};

/// A mosquitto on a port of its own. Killed when dropped.
#[derive(Debug)]
pub struct Mosquitto {
    port: u16,
    /// Where it speaks otherwise, through TLS or WebSocket, if it does.
    second_port: Option<u16>,
    config: NamedTempFile,
    /// The configuration of its OpenSSL, if it is not that of the machine.
    openssl: Option<String>,
    child: Child,
}

impl Mosquitto {
    /// Starts one that lets everybody in.
    pub fn start() -> Self {
        Self::with("allow_anonymous true")
    }

    /// Starts one with these lines of configuration.
    pub fn with(lines: &str) -> Self {
        Self::start_with(lines, None, None)
    }

    /// Starts one that lets everybody in, and speaks WebSocket on another port.
    pub fn websocket() -> Self {
        let listener = |port| {
            format!("allow_anonymous true\nlistener {port} 127.0.0.1\nprotocol websockets\n")
        };
        Self::start_with("", Some(&listener), None)
    }

    /// Starts one that lets everybody in, and speaks TLS on another port, with
    /// these lines of configuration for that.
    pub fn secure(certificates: &Certificates, lines: &str) -> Self {
        Self::start_with(lines, Some(&|port| certificates.for_broker(port)), None)
    }

    /// The same, which speaks no version above TLS 1.2.
    pub fn secure_by_tls_12(certificates: &Certificates, lines: &str) -> Self {
        let openssl = certificates.path("openssl.cnf");
        Self::start_with(
            lines,
            Some(&|port| certificates.for_broker(port)),
            Some(openssl),
        )
    }

    /// Starts one with the configuration that is made for its port, and nothing else
    /// but that it stays who it was when it was started by root.
    pub fn configured(config: impl Fn(u16) -> String) -> Self {
        Self::start_on(
            |port, _| (format!("user root\n{}", config(port)), None),
            None,
        )
    }

    /// `second` has the lines of the second listener.
    fn start_with(
        lines: &str,
        second: Option<&dyn Fn(u16) -> String>,
        openssl: Option<String>,
    ) -> Self {
        let config = |port, other| {
            let before = second.map(|second| second(other)).unwrap_or_default();
            // Without persistence: what it forgets, it forgets.
            let config = format!("listener {port} 127.0.0.1\npersistence false\n{before}{lines}");
            (config, second.map(|_| other))
        };
        Self::start_on(config, openssl)
    }

    /// Starts one with the configuration that is made for a port, and for a second one
    /// if it uses that.
    fn start_on(
        configure: impl Fn(u16, u16) -> (String, Option<u16>),
        openssl: Option<String>,
    ) -> Self {
        for _ in 0..10 {
            let [port, other] = free_ports();
            let (text, second_port) = configure(port, other);
            let mut config = NamedTempFile::new().expect("there is a place for temporary files");
            writeln!(config, "{text}").expect("a temporary file can be written");
            let child = spawn(&config, openssl.as_deref());
            let mut broker = Self {
                port,
                second_port,
                config,
                openssl: openssl.clone(),
                child,
            };
            // Somebody else may have been given the port in between.
            if broker.is_up() {
                return broker;
            }
        }
        panic!("mosquitto does not start; is it installed?");
    }

    fn is_up(&mut self) -> bool {
        let give_up = Instant::now() + PATIENCE;
        while Instant::now() < give_up {
            if let Ok(Some(_)) = self.child.try_wait() {
                return false;
            }
            let mut ports = [Some(self.port), self.second_port].into_iter().flatten();
            if ports.all(|port| TcpStream::connect(("127.0.0.1", port)).is_ok()) {
                return true;
            }
            thread::yield_now();
            thread::park_timeout(Duration::from_millis(5));
        }
        false
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal, by name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        process::signal(&self.child, name);
    }

    /// Where it listens.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it speaks TLS.
    #[track_caller]
    pub fn secure_port(&self) -> u16 {
        self.second_port.expect("it speaks TLS")
    }

    /// Where it speaks WebSocket.
    #[track_caller]
    pub fn websocket_port(&self) -> u16 {
        self.second_port.expect("it speaks WebSocket")
    }

    /// Ends it with SIGKILL: it forgets everything.
    pub fn kill(&mut self) {
        self.child.kill().expect("it is running");
        self.child.wait().expect("it was killed");
    }

    /// Starts it again on the same port.
    #[track_caller]
    pub fn restart(&mut self) {
        self.child = spawn(&self.config, self.openssl.as_deref());
        assert!(self.is_up(), "mosquitto does not start again");
    }

    /// Publishes one message, with `mosquitto_pub`.
    #[track_caller]
    pub fn publish(&self, topic: &str, payload: &str) {
        self.publish_with(&["-q", "1", "-t", topic, "-m", payload]);
    }

    /// Runs `mosquitto_pub` with these arguments.
    #[track_caller]
    pub fn publish_with(&self, arguments: &[&str]) {
        mosquitto_pub(self.port, arguments);
    }

    /// Subscribes with `mosquitto_sub` and waits until it is.
    #[track_caller]
    pub fn subscribe(&self, filter: &str, qos: u8) -> Subscriber {
        Subscriber::start(self.port, &["-t", filter, "-q", &qos.to_string()])
    }
}

impl Drop for Mosquitto {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn spawn(config: &NamedTempFile, openssl: Option<&str>) -> Child {
    // Debian keeps it where only root looks by default.
    let path = std::env::var("PATH").unwrap_or_default();
    Command::new("mosquitto")
        .envs(openssl.map(|path| ("OPENSSL_CONF", path)))
        .env("PATH", format!("{path}:/usr/sbin:/usr/local/sbin"))
        .arg("-c")
        .arg(config.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("mosquitto is installed (Debian: apt-get install mosquitto mosquitto-clients)")
}

/// Runs `mosquitto_pub` with these arguments, against the broker on this port.
#[track_caller]
pub fn mosquitto_pub(port: u16, arguments: &[&str]) {
    let port = port.to_string();
    let arguments = [&["-h", "127.0.0.1", "-p", &port], arguments].concat();
    let mut process = Process::start("mosquitto_pub", &arguments);
    let status = process.wait();
    assert!(
        status.success(),
        "mosquitto_pub {arguments:?}: {status}\n{}",
        process.errors.wait_for_end()
    );
}

/// A `mosquitto_sub` that runs. Killed when dropped.
#[derive(Debug)]
pub struct Subscriber {
    child: Child,
    lines: Lines,
}

/// What it prints when a subscription is granted.
const SUBSCRIBED: &str = "Subscribed (mid";

/// Stands in front of each message, to tell it from what else is printed.
const MARK: &str = "message: ";

impl Subscriber {
    /// Starts one with these arguments, against the broker on this port, and
    /// waits until it is subscribed.
    #[track_caller]
    pub fn start(port: u16, arguments: &[&str]) -> Self {
        // Into a pipe it prints when its buffer is full, unless told otherwise.
        let mut child = Command::new("stdbuf")
            .args(["-oL", "mosquitto_sub"])
            .args(["-h", "127.0.0.1", "-p", &port.to_string(), "-d"])
            .args(arguments)
            .args(["-F", &format!("{MARK}%t %r %p")])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("mosquitto_sub is installed");
        let stdout = child.stdout.take().expect("it is piped");
        let lines = Lines::of(stdout);
        lines.wait_for(SUBSCRIBED);
        Self { child, lines }
    }

    /// Waits until it has subscribed once more, after the broker was gone, and returns the
    /// messages that came before.
    #[track_caller]
    pub fn wait_for_another_subscription(&self) -> Vec<String> {
        let again = |lines: &[String]| {
            let lines = lines.iter().enumerate();
            let mut subscribed = lines.filter(|(_, line)| line.contains(SUBSCRIBED));
            subscribed.nth(1).map(|(place, _)| place)
        };
        let is_so = |lines: &[String]| again(lines).is_some();
        let lines = self.lines.wait_until("another subscription", is_so);
        messages(&lines[..again(&lines).unwrap_or_default()])
    }

    /// Lets it disconnect in good order, and waits for that.
    #[track_caller]
    pub fn disconnect(mut self) {
        process::signal(&self.child, "TERM");
        process::wait(&mut self.child, &self.lines);
    }

    /// All messages so far, as `topic retained payload`.
    pub fn messages(&self) -> Vec<String> {
        messages(&self.lines.all())
    }

    /// Waits until there are at least so many messages, and returns all.
    #[track_caller]
    pub fn wait_for(&self, count: usize) -> Vec<String> {
        let enough = |lines: &[String]| messages(lines).len() >= count;
        messages(&self.lines.wait_until(&format!("{count} messages"), enough))
    }

    /// Waits for a message, as `topic retained payload`.
    #[track_caller]
    pub fn wait_for_message(&self, message: &str) {
        self.lines.wait_for(&format!("{MARK}{message}"));
    }
}

impl Drop for Subscriber {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn messages(lines: &[String]) -> Vec<String> {
    lines
        .iter()
        .filter_map(|line| line.strip_prefix(MARK))
        .map(str::to_owned)
        .collect()
}
