//! What a guest prints, as lines of the host's log.

use std::fmt;
use std::io;
use std::mem;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use bytes::Bytes;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};

/// Longer lines are cut.
const LONGEST_LINE: usize = 4096;
/// So many lines of one call are logged, the rest is counted.
const LINES_A_CALL: usize = 100;
/// How many bytes a guest may write at once.
const WRITE_SIZE: usize = 64 * 1024;

/// Where the lines go that a guest prints.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Prints {
    /// To the log of the host.
    #[default]
    Log,
    /// To the log of the host, and to somebody who listens.
    Heard(Listener),
    /// To whoever asks for them.
    Kept(Printed),
}

/// Lines that were printed and not taken yet. Clones are handles to the same
/// lines.
#[derive(Debug, Clone, Default)]
pub struct Printed(Arc<Mutex<Vec<String>>>);

impl Printed {
    /// Takes them, the oldest first.
    pub fn take(&self) -> Vec<String> {
        mem::take(&mut locked(&self.0))
    }
}

/// Hears each line that guests print. Called where the guest runs, which waits for it.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(&PrintedLine<'_>) + Send + Sync>);

/// A line that a guest has printed. Displays as its text.
#[derive(Debug)]
pub struct PrintedLine<'a> {
    /// The name of the guest.
    pub guest: &'a str,
    /// Whether it was printed to stderr.
    pub is_error: bool,
    text: &'a str,
}

impl Listener {
    /// One that does this.
    pub fn new(hear: impl Fn(&PrintedLine<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Listener").finish_non_exhaustive()
    }
}

impl PartialEq for Listener {
    /// Whether it is the same one.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Listener {}

/// What is on stderr has a mark of its own, so that nobody takes it for the host's.
impl fmt::Display for PrintedLine<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mark = if self.is_error { '!' } else { '|' };
        write!(f, "{mark} {}", self.text)
    }
}

impl PartialEq for Printed {
    /// Whether they are the same lines, not merely equal ones.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Printed {}

/// What one guest prints: in the log, stdout at level INFO, stderr at WARN.
pub(super) struct Output {
    stdout: Stream,
    stderr: Stream,
}

/// The output of one call. What has no end of line yet is logged when this is
/// dropped, so even when the call is given up.
pub(super) struct OutputOfCall<'a>(&'a Output);

impl Output {
    /// For the guest of this name.
    pub(super) fn new(guest: &str, prints: &Prints) -> Self {
        let guest: Arc<str> = guest.into();
        let sink = |is_error| match prints {
            Prints::Log => Sink::Log(is_error, None),
            Prints::Heard(listener) => Sink::Log(is_error, Some(listener.clone())),
            Prints::Kept(kept) => Sink::Kept(kept.clone()),
        };
        let (stdout, stderr) = (sink(false), sink(true));
        Self {
            stdout: Stream::new(&guest, stdout),
            stderr: Stream::new(&guest, stderr),
        }
    }

    pub(super) fn stdout(&self) -> Stream {
        self.stdout.clone()
    }

    pub(super) fn stderr(&self) -> Stream {
        self.stderr.clone()
    }

    /// A call begins.
    pub(super) fn of_call(&self) -> OutputOfCall<'_> {
        OutputOfCall(self)
    }
}

impl Drop for OutputOfCall<'_> {
    fn drop(&mut self) {
        for Stream { guest, sink, lines } in [&self.0.stdout, &self.0.stderr] {
            // Most calls print nothing, and need not take a lock to say so.
            if lines.is_used.swap(false, Ordering::Acquire) {
                locked(&lines.of_call).finish(&mut |line| sink.take(guest, line));
            }
        }
    }
}

/// Takes whole lines.
#[derive(Clone)]
enum Sink {
    /// Whether they are on stderr, and who listens.
    Log(bool, Option<Listener>),
    Kept(Printed),
}

impl Sink {
    fn take(&self, guest: &str, line: &str) {
        match self {
            Self::Log(is_error, listener) => {
                match is_error {
                    false => tracing::info!(target: "guest", guest, "{line}"),
                    true => tracing::warn!(target: "guest", guest, "{line}"),
                }
                if let Some(Listener(hear)) = listener {
                    hear(&PrintedLine {
                        guest,
                        is_error: *is_error,
                        text: line,
                    });
                }
            }
            Self::Kept(Printed(lines)) => locked(lines).push(line.to_owned()),
        }
    }
}

/// One of the two streams of a guest, for WASI to write to.
#[derive(Clone)]
pub(super) struct Stream {
    guest: Arc<str>,
    sink: Sink,
    lines: Arc<SharedLines>,
}

/// The lines of a call, for the guest to write and the host to end.
#[derive(Default)]
struct SharedLines {
    of_call: Mutex<Lines>,
    /// Whether anything was written in this call.
    is_used: AtomicBool,
}

impl Stream {
    fn new(guest: &Arc<str>, sink: Sink) -> Self {
        Self {
            guest: Arc::clone(guest),
            sink,
            lines: Arc::default(),
        }
    }

    fn take(&self, bytes: &[u8]) {
        let write = &mut |line: &str| self.sink.take(&self.guest, line);
        locked(&self.lines.of_call).write(bytes, write);
        self.lines.is_used.store(true, Ordering::Release);
    }
}

/// Lines are in order between any two statements, so a panic elsewhere while
/// they were locked does no harm.
fn locked<T>(lines: &Mutex<T>) -> MutexGuard<'_, T> {
    lines.lock().unwrap_or_else(PoisonError::into_inner)
}

impl IsTerminal for Stream {
    fn is_terminal(&self) -> bool {
        false
    }
}

impl StdoutStream for Stream {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }

    // The default would start a task for every stream.
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}

impl OutputStream for Stream {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        if bytes.len() > WRITE_SIZE {
            let text = "wrote more at once than `check-write` allows, which is 64 KiB";
            return Err(StreamError::trap(text));
        }
        self.take(&bytes);
        Ok(())
    }

    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }

    fn check_write(&mut self) -> StreamResult<usize> {
        Ok(WRITE_SIZE)
    }
}

#[wasmtime_wasi::async_trait]
impl Pollable for Stream {
    async fn ready(&mut self) {}
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        _cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.take(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Makes lines of bytes, within the bounds of a call.
#[derive(Default)]
struct Lines {
    /// The line that has not ended yet.
    line: Vec<u8>,
    /// Whether some of it is missing.
    cut: bool,
    /// How many lines of this call are logged.
    logged: usize,
    /// How many lines of this call are not.
    left_out: usize,
}

impl Lines {
    fn write(&mut self, bytes: &[u8], log: &mut dyn FnMut(&str)) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let fits = text.len().min(LONGEST_LINE - self.line.len());
            self.line.extend_from_slice(&text[..fits]);
            self.cut |= fits < text.len();
            if ended {
                self.end_line(log);
            }
        }
    }

    fn end_line(&mut self, log: &mut dyn FnMut(&str)) {
        let line = mem::take(&mut self.line);
        let cut = mem::take(&mut self.cut);
        if self.logged == LINES_A_CALL {
            self.left_out += 1;
            return;
        }
        self.logged += 1;
        log(&legible(&line, cut));
    }

    /// Ends the call.
    fn finish(&mut self, log: &mut dyn FnMut(&str)) {
        if !self.line.is_empty() {
            self.end_line(log);
        }
        if self.left_out > 0 {
            log(&format!("({} more lines left out)", self.left_out));
        }
        *self = Self::default();
    }
}

/// Text without control characters, which could forge lines of the log or take
/// over the terminal that shows it.
fn legible(line: &[u8], cut: bool) -> String {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let mut text: String = String::from_utf8_lossy(line)
        .chars()
        .map(|char| match char {
            '\t' => char,
            char if char.is_control() => char::REPLACEMENT_CHARACTER,
            char => char,
        })
        .collect();
    if cut {
        text.push('…');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Writes the parts in one call and compares the lines of it.
    #[track_caller]
    fn check(parts: &[&str], expect: &[&str]) {
        let mut lines = Lines::default();
        let mut logged = Vec::new();
        for part in parts {
            lines.write(part.as_bytes(), &mut |line| logged.push(line.to_owned()));
        }
        lines.finish(&mut |line| logged.push(line.to_owned()));
        assert_eq!(logged, expect);
    }

    #[test]
    fn lines_end_where_they_end() {
        check(&["one\ntwo\n"], &["one", "two"]);
        check(&["o", "ne\n", "\n", "two\r\n"], &["one", "", "two"]);
    }

    #[test]
    fn the_rest_of_a_line_comes_with_the_end_of_the_call() {
        check(&["one\ntw", "o"], &["one", "two"]);
    }

    #[test]
    fn long_lines_are_cut() {
        let long = "x".repeat(3000);
        let cut = format!("{}…", "x".repeat(4096));
        check(&[&long, &long, "\nshort"], &[&cut, "short"]);
    }

    #[test]
    fn too_many_lines_are_counted() {
        let mut expect = vec!["y"; 100];
        expect.push("(51 more lines left out)");
        check(&["y\n".repeat(150).as_str(), "y"], &expect);
    }

    #[test]
    fn control_characters_do_not_reach_the_log() {
        check(&["a\tb\x1b[2Jc\rd\n"], &["a\tb\u{fffd}[2Jc\u{fffd}d"]);
    }

    #[test]
    fn each_call_starts_anew() {
        let mut lines = Lines::default();
        lines.write("y\n".repeat(150).as_bytes(), &mut |_| {});
        lines.finish(&mut |_| {});
        let mut logged = 0;
        lines.write(b"y\n", &mut |_| logged += 1);
        assert_eq!(logged, 1);
    }
}
