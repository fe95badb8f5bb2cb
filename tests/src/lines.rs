//! Lines that a process prints, as they come.

use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Instant;

use crate::PATIENCE;

/// The lines of one stream, from its beginning.
#[derive(Debug, Clone)]
pub struct Lines(Arc<(Mutex<State>, Condvar)>);

#[derive(Debug, Default)]
struct State {
    lines: Vec<String>,
    has_ended: bool,
}

impl Lines {
    /// Reads a stream to its end, in a thread of its own that ends with it.
    pub fn of(stream: impl Read + Send + 'static) -> Self {
        Self::read(stream, usize::MAX)
    }

    /// Reads the first line of a stream and closes it. That is its end.
    pub fn first_of(stream: impl Read + Send + 'static) -> Self {
        Self::read(stream, 1)
    }

    fn read(stream: impl Read + Send + 'static, limit: usize) -> Self {
        let shared = Arc::new((Mutex::new(State::default()), Condvar::new()));
        let lines = Self(shared);
        let writer = lines.clone();
        thread::spawn(move || {
            let lines = BufReader::new(stream).lines().take(limit);
            for line in lines.map_while(Result::ok) {
                writer.state().lines.push(line);
                writer.0.1.notify_all();
            }
            writer.state().has_ended = true;
            writer.0.1.notify_all();
        });
        lines
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// All lines so far.
    pub fn all(&self) -> Vec<String> {
        self.state().lines.clone()
    }

    /// How many lines so far hold this text.
    pub fn count(&self, text: &str) -> usize {
        self.state()
            .lines
            .iter()
            .filter(|line| line.contains(text))
            .count()
    }

    /// Waits until the lines are as they should be, and returns them.
    #[track_caller]
    pub fn wait_until(&self, what: &str, is_so: impl Fn(&[String]) -> bool) -> Vec<String> {
        let give_up = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !is_so(&state.lines) {
            let left = give_up.saturating_duration_since(Instant::now());
            if state.has_ended || left.is_zero() {
                panic!("no {what} in:\n{}", state.lines.join("\n"));
            }
            let waited = self.0.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lines.clone()
    }

    /// Waits for a line that holds this text, and returns it.
    #[track_caller]
    pub fn wait_for(&self, text: &str) -> String {
        let holds = |line: &&String| line.contains(text);
        let lines = self.wait_until(text, |lines| lines.iter().any(|line| holds(&line)));
        lines
            .into_iter()
            .find(|line| line.contains(text))
            .unwrap_or_default()
    }

    /// Waits until the stream has ended, and returns all of it.
    #[track_caller]
    pub fn wait_for_end(&self) -> String {
        let give_up = Instant::now() + PATIENCE;
        let mut state = self.state();
        while !state.has_ended {
            let left = give_up.saturating_duration_since(Instant::now());
            assert!(
                !left.is_zero(),
                "still going on:\n{}",
                state.lines.join("\n")
            );
            let waited = self.0.1.wait_timeout(state, left);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        state.lines.join("\n")
    }
}
