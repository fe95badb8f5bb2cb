//! Standard output: aligned lines, each with the time since the start.

use std::fmt::Display;
use std::io::{self, Write};
use std::sync::Arc;
use std::time::Instant;

use tokio::sync::watch;

use crate::words::Clean;

/// Prints lines, from any thread.
#[derive(Debug, Clone)]
pub(super) struct Screen {
    started: Instant,
    closed: Arc<watch::Sender<bool>>,
}

impl Screen {
    /// The time counts from now.
    pub(super) fn new() -> Self {
        Self {
            #[expect(
                clippy::disallowed_methods,
                reason = "only shown: the time of each line"
            )]
            started: Instant::now(),
            closed: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Prints one line: what it is about, and what happened.
    pub(super) fn line(&self, subject: impl Display, text: impl Display) {
        let elapsed = self.started.elapsed().as_secs_f64();
        let subject = subject.to_string();
        let line = format!("{elapsed:>6.3}  {subject:<8} {text}");
        // Topics and reasons come from outside.
        if writeln!(io::stdout().lock(), "{}", Clean(&line)).is_err() {
            self.closed.send_replace(true);
        }
    }

    /// Ready when nobody reads what is printed any more.
    pub(super) async fn closed(&self) {
        // The sender is in `self`: it is not gone before.
        let _ = self.closed.subscribe().wait_for(|closed| *closed).await;
    }
}
