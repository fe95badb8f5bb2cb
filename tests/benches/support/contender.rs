//! Who is measured: the gateway with a guest, and what does the same without.

use std::io::pipe;
use std::process::{Child, Command, Stdio};

use jackalope_tests::{Certificates, Gateway, GatewayOptions};

use super::cpu::{self, Cpu};

/// What a contender speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Speech {
    /// MQTT 3.1.1.
    V4,
    /// MQTT 5.
    V5,
    /// MQTT 3.1.1 through TLS.
    Tls,
}

/// What kind of contender.
#[derive(Debug, Clone)]
pub(crate) enum Kind {
    /// The gateway, with this component and its subscription.
    Guest {
        component: &'static str,
        filter: &'static str,
        speech: Speech,
        /// Whether its work list is kept on a disk.
        is_kept: bool,
    },
    /// A program with rumqttc's `AsyncClient`, by its path, on one thread or on
    /// as many as tokio likes.
    Plain {
        binary: &'static str,
        on_threads: bool,
    },
    /// The same through TLS, by the path of its program.
    PlainTls { binary: String },
    /// `mosquitto_sub | mosquitto_pub -l`, with this quality of service.
    Tools {
        filter: &'static str,
        topic: &'static str,
        qos: u8,
    },
}

impl Kind {
    /// How many connections it makes.
    pub(crate) fn connections(&self) -> usize {
        match self {
            Self::Guest { .. } | Self::Plain { .. } | Self::PlainTls { .. } => 1,
            Self::Tools { .. } => 2,
        }
    }

    /// Whether it speaks through TLS.
    pub(crate) fn is_secure(&self) -> bool {
        match self {
            Self::Guest { speech, .. } => *speech == Speech::Tls,
            Self::PlainTls { .. } => true,
            Self::Plain { .. } | Self::Tools { .. } => false,
        }
    }
}

/// A contender that runs. Killed when dropped.
#[derive(Debug)]
pub(crate) struct Contender {
    gateway: Option<Gateway>,
    children: Vec<Child>,
}

impl Contender {
    /// Starts one that connects to this port, where these certificates are shown if
    /// it speaks through TLS.
    pub(crate) fn start(kind: &Kind, port: u16, certificates: &Certificates) -> Self {
        match kind {
            Kind::Guest {
                component,
                filter,
                speech,
                is_kept,
            } => {
                let binary = env!("CARGO_BIN_EXE_jackalope-under-test");
                let options = match speech {
                    Speech::V4 => GatewayOptions::new(binary, port).config("version = \"3.1.1\""),
                    Speech::V5 => GatewayOptions::new(binary, port).config("version = \"5\""),
                    Speech::Tls => GatewayOptions::secure_with(
                        binary,
                        port,
                        certificates,
                        "version = \"3.1.1\"",
                    ),
                };
                let work_list = match is_kept {
                    false => "[work-list]\nmax = 100000",
                    true => "[work-list]\nmax = 100000\nstore = \"disk\"\ndirectory = \"letters\"",
                };
                let gateway = options
                    .config(work_list)
                    .guest("bench", component, &[filter], "");
                Self {
                    gateway: Some(gateway.start()),
                    children: Vec::new(),
                }
            }
            Kind::Plain { binary, on_threads } => {
                let child = Command::new(binary)
                    .arg(port.to_string())
                    .args(on_threads.then_some("threads"))
                    .stderr(Stdio::null())
                    .spawn();
                Self {
                    gateway: None,
                    children: vec![child.expect("it was built")],
                }
            }
            Kind::PlainTls { binary } => {
                let child = Command::new(binary)
                    .args([port.to_string(), certificates.path("ca.pem")])
                    .stderr(Stdio::null())
                    .spawn();
                Self {
                    gateway: None,
                    children: vec![child.expect("it was built")],
                }
            }
            Kind::Tools { filter, topic, qos } => Self {
                gateway: None,
                children: tools(port, filter, topic, *qos),
            },
        }
    }

    /// Processor time so far.
    pub(crate) fn cpu(&self) -> Cpu {
        let gateway = self.gateway.as_ref().map(Gateway::id);
        cpu::of(
            gateway
                .into_iter()
                .chain(self.children.iter().map(Child::id)),
        )
    }
}

impl Drop for Contender {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

fn tools(port: u16, filter: &str, topic: &str, qos: u8) -> Vec<Child> {
    let (reader, writer) = pipe().expect("the machine has pipes");
    let (port, qos) = (port.to_string(), qos.to_string());
    let common = ["-h", "127.0.0.1", "-p", &port, "-q", &qos];
    let publisher = Command::new("mosquitto_pub")
        .args(common)
        .args(["--nodelay", "-l", "-t", topic])
        .stdin(reader)
        .spawn();
    // Into a pipe it prints when its buffer is full, unless told otherwise.
    let subscriber = Command::new("stdbuf")
        .args(["-oL", "mosquitto_sub"])
        .args(common)
        .args(["--nodelay", "-t", filter])
        .stdout(writer)
        .spawn();
    [publisher, subscriber]
        .map(|child| child.expect("mosquitto-clients is installed"))
        .into()
}

/// Whether mosquitto and its clients are installed.
pub(crate) fn has_mosquitto() -> bool {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/usr/local/sbin";
    let has = |name| std::env::split_paths(&path).any(|directory| directory.join(name).is_file());
    ["mosquitto", "mosquitto_pub", "mosquitto_sub", "stdbuf"]
        .into_iter()
        .all(has)
}
