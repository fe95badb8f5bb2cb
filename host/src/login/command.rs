//! A password that a command prints: for tokens that somebody has to make or to
//! fetch.

use std::fmt;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
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
    program: PathBuf,
    arguments: Vec<String>,
    timeout: Duration,
    heard: Heard,
}

/// What was last logged of it: what is the same each time is logged once. It makes no
/// other command of it.
#[derive(Clone, Default)]
struct Heard(Arc<Mutex<Vec<u8>>>);

impl PartialEq for Heard {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Heard {}

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
    /// The program is a path, or a name without `/` that is looked for in `PATH`. If it
    /// takes longer than `timeout`, it is killed with its process group.
    pub fn new(program: PathBuf, arguments: Vec<String>, timeout: Duration) -> Self {
        Self {
            program,
            arguments,
            timeout,
            heard: Heard::default(),
        }
    }

    /// Where its program is.
    pub fn program(&self) -> &Path {
        &self.program
    }

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
        let complaints = lines(&complaints, &printed);
        self.log(&complaints);
        // The last line is mostly the one that says why.
        let why = complaints.last().map(|line| format!(": {line}"));
        let failed = |what: String| failed(what + why.as_deref().unwrap_or_default());
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
        child.map(Running).map_err(|error| match error.kind() {
            ErrorKind::NotFound if self.program.exists() => {
                "cannot be started: the interpreter in its first line is not there".into()
            }
            _ => format!("cannot be started: {error}"),
        })
    }

    /// Logs what it has written to standard error, unless it is the same as before.
    fn log(&self, complaints: &[String]) {
        let bytes = complaints.concat().into_bytes();
        let mut heard = self.heard.0.lock().unwrap_or_else(PoisonError::into_inner);
        if bytes != *heard {
            for line in complaints {
                warn!(command = %self, "the password command says: {line}");
            }
        }
        *heard = bytes;
    }
}

/// The lines of its standard error for the log, the first ones and the last. None of
/// them holds what it has printed, as those of a shell that shows what it does.
fn lines(complaints: &[u8], printed: &[u8]) -> Vec<String> {
    let printed = String::from_utf8_lossy(printed);
    let secrets = printed.lines().map(str::trim);
    let secrets: Vec<_> = secrets.filter(|secret| !secret.is_empty()).collect();
    let shown = |line: &str| match secrets.iter().any(|secret| line.contains(secret)) {
        true => "(a line with what it has printed)".to_owned(),
        false => line[..line.floor_char_boundary(LOGGED_LINE)].replace(char::is_control, " "),
    };
    let text = String::from_utf8_lossy(complaints);
    let mut lines: Vec<_> = text
        .lines()
        .filter(|line| !line.trim().is_empty())
        .map(shown)
        .collect();
    if lines.len() > LOGGED_LINES {
        lines.drain(LOGGED_LINES - 1..lines.len() - 1);
    }
    lines
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
