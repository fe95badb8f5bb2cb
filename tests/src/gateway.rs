//! The gateway as its users run it: a process with a configuration.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output, Stdio};

use tempfile::TempDir;

use crate::process::{self, command, kernel_count};
use crate::{Certificates, Lines};

/// A gateway to be started.
#[derive(Debug, Clone)]
#[must_use]
pub struct GatewayOptions {
    binary: PathBuf,
    config: String,
    environment: Vec<(String, String)>,
    /// What it is started by.
    launcher: Vec<String>,
}

/// A gateway that runs. Killed when dropped.
#[derive(Debug)]
pub struct Gateway {
    child: Child,
    /// Its log.
    pub log: Lines,
    directory: TempDir,
}

/// The name of the configuration in its directory.
const CONFIG: &str = "jackalope.toml";

impl GatewayOptions {
    /// The binary under test, which the test itself has to name:
    /// `env!("CARGO_BIN_EXE_jackalope-under-test")`. It connects to this port
    /// and comes back fast.
    pub fn new(binary: &str, port: u16) -> Self {
        let config = format!("server = \"127.0.0.1:{port}\"\n");
        Self {
            binary: binary.into(),
            config,
            environment: Vec::new(),
            launcher: Vec::new(),
        }
    }

    /// A gateway with this configuration and nothing else.
    pub fn configured(binary: &str, config: &str) -> Self {
        Self {
            config: config.to_owned(),
            ..Self::new(binary, 0)
        }
    }

    /// The same, with TLS, and this authority as the one that is trusted; so slow
    /// that each try gets its line in the log. The table of TLS is open for more
    /// keys.
    pub fn secure(binary: &str, port: u16, certificates: &Certificates) -> Self {
        Self::secure_with(binary, port, certificates, "")
    }

    /// The same, with more keys that belong to no table.
    pub fn secure_with(binary: &str, port: u16, certificates: &Certificates, keys: &str) -> Self {
        let ca = certificates.path("ca.pem");
        let config = format!("server = \"mqtts://127.0.0.1:{port}\"\n");
        Self {
            config,
            ..Self::new(binary, port)
        }
        .config(keys)
        .config("backoff = { min = \"1s\", max = \"1s\" }")
        .config(&format!("[tls]\nca-file = {ca:?}"))
    }

    /// More lines of configuration; keys of tables last.
    pub fn config(mut self, lines: &str) -> Self {
        self.config.push_str(lines);
        self.config.push('\n');
        self
    }

    /// A guest with these subscriptions of QoS 2, and more keys.
    pub fn guest(self, name: &str, component: &str, filters: &[&str], keys: &str) -> Self {
        let filters = filters
            .iter()
            .map(|filter| format!("{{ filter = {filter:?}, qos = 2 }}"));
        let filters = filters.collect::<Vec<_>>().join(", ");
        self.config(&format!(
            "[[guest]]\nname = {name:?}\ncomponent = {component:?}\nsubscriptions = [{filters}]\n{keys}"
        ))
    }

    /// A variable of its environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Has it started by this command, to whose end its own is added, and which
    /// becomes it.
    pub fn launched_by(mut self, command: &[&str]) -> Self {
        self.launcher = command.iter().map(|word| (*word).to_owned()).collect();
        self
    }

    /// Starts it.
    pub fn start(self) -> Gateway {
        let directory = TempDir::new().expect("there is a place for temporary files");
        let config = directory.path().join(CONFIG);
        fs::write(&config, &self.config).expect("a temporary file can be written");
        let mut words = self.launcher.iter().map(OsStr::new).collect::<Vec<_>>();
        words.push(self.binary.as_os_str());
        let mut child = command(words[0])
            .args(&words[1..])
            .arg("run")
            .arg("--config")
            .arg(&config)
            .envs(self.environment)
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built");
        let log = Lines::of(child.stderr.take().expect("it is piped"));
        Gateway {
            child,
            log,
            directory,
        }
    }
}

impl Gateway {
    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// The most memory it has had resident, in KiB (VmHWM).
    #[track_caller]
    pub fn peak_memory_kib(&self) -> u64 {
        kernel_count(format!("/proc/{}/status", self.child.id()), "VmHWM:")
    }

    /// Puts another configuration in the place of its own, which it does not hear of.
    pub fn reconfigure(&self, options: &GatewayOptions) {
        let config = self.directory.path().join(CONFIG);
        fs::write(config, &options.config).expect("a temporary file can be written");
    }

    /// Sends it a signal, by name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        process::signal(&self.child, name);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        process::wait(&mut self.child, &self.log)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if std::thread::panicking() {
            #[expect(clippy::print_stderr, reason = "a test that fails shows what happened")]
            {
                eprintln!("the gateway's log:\n{}", self.log.all().join("\n"));
            }
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the binary with these arguments in this directory, to its end.
pub fn run_to_end(
    binary: &str,
    directory: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
) -> Output {
    command(binary)
        .current_dir(directory)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output()
        .expect("the binary was built")
}
