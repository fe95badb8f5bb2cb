//! A password that a command prints: for tokens that somebody has to make or to
//! fetch.

use std::fmt;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};
use tracing::warn;

use super::elsewhere;
use super::file::{MOST, without_line_break};
use crate::clock::{self, Alarm};
use crate::wire::Secret;

/// So much of what it writes to standard error is logged: bytes, lines, and bytes
/// of a line.
const LOGGED: usize = 8 << 10;
const LOGGED_LINES: usize = 20;
const LOGGED_LINE: usize = 400;

/// How long standard error is waited for when the command has ended: a process
/// that it has left behind may hold it open for ever.
const LAST_WORDS: Duration = Duration::from_millis(100);

/// A command that prints a password. There is no shell: the program is given its
/// arguments as they are. Prints without them, as they may be secret.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordCommand {
    /// A path, or a name without `/` that is looked for in `PATH`.
    pub program: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take; then it is killed, with its process group.
    pub timeout: Duration,
}

impl fmt::Debug for PasswordCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PasswordCommand")
            .field("program", &self.program)
            .field("arguments", &self.arguments.len())
            .field("timeout", &self.timeout)
            .finish()
    }
}

impl fmt::Display for PasswordCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.program.display())
    }
}

impl PasswordCommand {
    /// Whether there is such a program, as far as its path says.
    pub(super) fn check(&self) -> Result<(), String> {
        if !self.program.to_string_lossy().contains('/') {
            return Ok(());
        }
        let about =
            fs::metadata(&self.program).map_err(|error| format!("cannot be run: {error}"))?;
        if !about.is_file() {
            return Err("is not a program".into());
        }
        if about.permissions().mode() & 0o111 == 0 {
            return Err(format!(
                "is not executable; run `chmod +x {}`",
                self.program.display()
            ));
        }
        Ok(())
    }

    /// Runs it to its end. What it writes to standard error goes to the log.
    pub(super) async fn run(&self) -> Result<Secret, String> {
        let failed = |what: String| format!("password command {self} {what}");
        let mut printed = Vec::new();
        let mut complaints = Vec::new();
        let running = self.run_until_it_ends(&mut printed, &mut complaints);
        let ended = match within(self.timeout, running).await {
            Some(ended) => ended,
            None => Err(format!(
                "did not end within {:?}, and was killed",
                self.timeout
            )),
        };
        without_line_break(&mut printed);
        self.log(&complaints, &printed);
        let status = ended.map_err(failed)?;
        if !status.success() {
            return Err(failed(format!("failed: {status}")));
        }
        if printed.is_empty() {
            return Err(failed("printed nothing".into()));
        }
        let text = String::from_utf8(printed)
            .map_err(|_| failed("printed something that is not UTF-8 text".into()))?;
        Secret::new(text).ok_or_else(|| failed(too_much()))
    }

    async fn run_until_it_ends(
        &self,
        printed: &mut Vec<u8>,
        complaints: &mut Vec<u8>,
    ) -> Result<ExitStatus, String> {
        let command = self.clone();
        let mut running = elsewhere(move || command.start()).await?;
        let stdout = running.0.stdout.take();
        let stderr = running.0.stderr.take();
        let mut listening = pin!(listen(stderr, complaints));
        let mut is_silent = false;
        let mut ending = pin!(running.end(stdout, printed));
        let ended = loop {
            tokio::select! {
                biased;
                () = &mut listening, if !is_silent => is_silent = true,
                ended = &mut ending => break ended,
            }
        };
        if !is_silent && ended.is_ok() {
            within(LAST_WORDS, listening).await;
        }
        ended
    }

    fn start(&self) -> Result<Running, String> {
        let child = Command::new(&self.program)
            .args(&self.arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn();
        child
            .map(Running)
            .map_err(|error| format!("cannot be started: {error}"))
    }

    /// Logs the lines of its standard error, but none that holds what it has
    /// printed, as those of a shell that shows what it does.
    fn log(&self, complaints: &[u8], printed: &[u8]) {
        let printed = String::from_utf8_lossy(printed);
        let text = String::from_utf8_lossy(complaints);
        let lines = text.lines().filter(|line| !line.trim().is_empty());
        for line in lines.take(LOGGED_LINES) {
            let secrets = printed.lines().map(str::trim);
            let is_secret = secrets
                .filter(|secret| !secret.is_empty())
                .any(|secret| line.contains(secret));
            let line = match is_secret {
                true => "(a line with what it has printed)",
                false => &line[..line.floor_char_boundary(LOGGED_LINE)],
            };
            warn!(command = %self, "the password command says: {}", line.escape_debug());
        }
    }
}

/// A command that was started. Killed with its process group when dropped, unless
/// it has ended.
struct Running(Child);

impl Running {
    /// Takes in what it prints, then waits for its end. It is waited for last, as
    /// the number of its group is its own until then.
    async fn end(
        &mut self,
        stdout: Option<ChildStdout>,
        printed: &mut Vec<u8>,
    ) -> Result<ExitStatus, String> {
        let lost = |error: std::io::Error| format!("cannot be waited for: {error}");
        if let Some(stdout) = stdout {
            let read = stdout.take(MOST as u64).read_to_end(printed).await;
            if read.map_err(lost)? == MOST {
                return Err(too_much());
            }
        }
        self.0.wait().await.map_err(lost)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let id = self.0.id().and_then(|id| i32::try_from(id).ok());
        if let Some(group) = id.and_then(Pid::from_raw) {
            // Where this fails, there is none left.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}

fn too_much() -> String {
    format!("printed more than {} bytes", Secret::MAX)
}

/// Keeps the beginning of what comes, and throws the rest away.
async fn listen(stream: Option<impl AsyncRead + Unpin>, kept: &mut Vec<u8>) {
    let Some(mut stream) = stream else { return };
    let mut bytes = [0; 1 << 10];
    while let Ok(count @ 1..) = stream.read(&mut bytes).await {
        let room = LOGGED.saturating_sub(kept.len());
        kept.extend_from_slice(&bytes[..count.min(room)]);
    }
}

/// What comes of it within this time.
async fn within<T>(limit: Duration, future: impl Future<Output = T>) -> Option<T> {
    let until = clock::now() + limit;
    let Ok(mut alarm) = Alarm::new() else {
        return None;
    };
    tokio::select! {
        biased;
        done = future => Some(done),
        _ = alarm.wait_until(Some(until)) => None,
    }
}
