//! The binary as a process that is talked to.

use std::ffi::OsStr;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::{Lines, PATIENCE};

/// The number behind a name in a file of the kernel.
#[track_caller]
pub fn kernel_count(path: impl AsRef<Path>, name: &str) -> u64 {
    let text = fs::read_to_string(path).expect("the kernel counts it");
    let line = text.lines().find_map(|line| line.strip_prefix(name));
    let number = line.and_then(|line| line.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .expect("it is a number")
}

/// A process with all three streams in the hands of the test. Killed when
/// dropped.
#[derive(Debug)]
pub struct Process {
    child: Child,
    stdin: Option<ChildStdin>,
    /// What it prints.
    pub out: Lines,
    /// What it complains about.
    pub errors: Lines,
}

impl Process {
    /// Starts a binary with these arguments.
    pub fn start(binary: &str, arguments: &[&str]) -> Self {
        Self::start_and_read(binary, arguments, Lines::of)
    }

    /// Starts a binary of whose output only the first line is read: then it is
    /// closed.
    pub fn start_and_read_a_line(binary: &str, arguments: &[&str]) -> Self {
        Self::start_and_read(binary, arguments, Lines::first_of)
    }

    fn start_and_read(
        binary: &str,
        arguments: &[&str],
        read: impl FnOnce(ChildStdout) -> Lines,
    ) -> Self {
        let mut child = command(binary)
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary was built, or is installed");
        let stdin = child.stdin.take();
        let out = read(child.stdout.take().expect("it is piped"));
        let errors = Lines::of(child.stderr.take().expect("it is piped"));
        Self {
            child,
            stdin,
            out,
            errors,
        }
    }

    /// Writes a line to its standard input.
    #[track_caller]
    pub fn type_line(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("its input has not ended");
        writeln!(stdin, "{line}").expect("it reads its input");
    }

    /// Ends its standard input.
    pub fn end_input(&mut self) {
        self.stdin = None;
    }

    /// Sends it a signal, by name.
    #[track_caller]
    pub fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end.
    #[track_caller]
    pub fn wait(&mut self) -> ExitStatus {
        wait(&mut self.child, &self.out)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The binary, to be started by someone who has no home: it keeps nothing in
/// that of whoever runs the tests.
pub fn command(binary: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new(binary);
    for name in [
        "HOME",
        "XDG_CACHE_HOME",
        "CACHE_DIRECTORY",
        "RUNTIME_DIRECTORY",
    ] {
        command.env_remove(name);
    }
    command
}

#[track_caller]
pub(crate) fn signal(child: &Child, name: &str) {
    let status = Command::new("kill")
        .args(["-s", name, &child.id().to_string()])
        .status()
        .expect("there is a kill command");
    assert!(status.success());
}

#[track_caller]
pub(crate) fn wait(child: &mut Child, lines: &Lines) -> ExitStatus {
    let give_up = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().expect("it is our child") {
            return status;
        }
        assert!(
            Instant::now() < give_up,
            "it does not end:\n{}",
            lines.all().join("\n")
        );
        thread::park_timeout(Duration::from_millis(5));
    }
}
