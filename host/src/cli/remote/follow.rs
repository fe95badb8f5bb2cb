//! `jackalope follow`: what a gateway does, line by line, until it ends.

use std::fmt;
use std::io::{self, BufRead, Write};
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use clap::Args;
use tokio::runtime::Builder;

use super::client::Client;
use super::{Where, client};
use crate::cli::{Failure, print_error, signals};
use crate::gateway::{Line, NewsEvent};
use crate::words::{Clean, Counted, Shown};

/// How what happens is shown.
#[derive(Debug, Clone, Copy, Args)]
pub(in crate::cli) struct Look {
    /// Print JSON, a line for each thing that happens.
    #[arg(long)]
    json: bool,
    /// Show the beginning of payloads.
    #[arg(long)]
    payloads: bool,
}

/// Prints what happens until the gateway ends, a signal comes, or nobody reads it.
pub(in crate::cli) fn follow(gateway: &Where, look: Look) -> Result<ExitCode, Failure> {
    let client = client(gateway)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let ended = runtime.block_on(async {
        let signal = signals::listen()?;
        #[expect(
            clippy::disallowed_methods,
            reason = "it only waits for lines, and must not keep a signal waiting"
        )]
        let printed = tokio::task::spawn_blocking(move || print_all(&client, look));
        tokio::select! {
            name = signal => {
                print_error(format_args!("{name}: the gateway goes on"));
                Ok(())
            }
            printed = printed => printed.map_err(Failure::other)?,
        }
    });
    // Without waiting for the next line.
    runtime.shutdown_background();
    ended.map(|()| ExitCode::SUCCESS)
}

fn print_all(client: &Client, look: Look) -> Result<(), Failure> {
    let payloads = if look.payloads { "?payloads" } else { "" };
    let mut lines = client.stream(format!("/events{payloads}"))?;
    let mut text = String::new();
    loop {
        text.clear();
        // What breaks off has no end.
        if lines.read_line(&mut text).is_err() || !text.ends_with('\n') {
            let what = "it broke off: the gateway has not ended in good order";
            return Err(Failure::Unavailable(anyhow!(what)));
        }
        let line: Line = serde_json::from_str(&text)
            .context("the gateway's news is not understood: is it another version?")
            .map_err(Failure::Other)?;
        let printed = match look.json {
            true => io::stdout().write_all(text.as_bytes()),
            false => writeln!(io::stdout(), "{line}"),
        };
        // Who reads no more has seen enough.
        if printed.is_err() || line.event == NewsEvent::End {
            return Ok(());
        }
    }
}

/// As `jackalope dev` shows it, with the time of day in UTC, as in logs, and the names of
/// guests.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (seconds, millis) = (self.unix_ms / 1_000, self.unix_ms % 1_000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60 % 24, minutes % 60);
        write!(f, "{hours:02}:{minutes:02}:{seconds:02}.{millis:03}  ")?;
        write!(f, "{:<8} ", self.subject)?;
        if let Some(guest) = &self.guest {
            write!(f, "{guest}: ")?;
        }
        write!(f, "{}", Clean(&self.text))?;
        match (self.bytes, &self.payload) {
            (Some(bytes), Some(payload)) => {
                write!(f, "  {}", Shown::part(payload.as_bytes(), bytes))?;
            }
            (Some(bytes), None) => write!(f, "  ({})", Counted(bytes, "byte"))?,
            (None, _) => {}
        }
        match self.guests.as_deref() {
            Some([]) | None => Ok(()),
            Some(guests) => write!(f, "  to {}", guests.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(json: &str, expect: &str) {
        let line: Line = serde_json::from_str(json).expect("it is a line");
        assert_eq!(line.to_string(), expect);
    }

    #[test]
    fn lines_read_well() {
        check(
            r#"{"unix-ms":1764327336007,"event":"message","subject":"message",
                "text":"a/b (retained)","guests":["one","two"],"topic":"a/b","bytes":5}"#,
            "10:55:36.007  message  a/b (retained)  (5 bytes)  to one, two",
        );
        check(
            r#"{"unix-ms":86399999,"event":"accepted","subject":"letter 7","guest":"door",
                "text":"accepted  a","bytes":2000,"payload":"\u001b[2J","ticket":7}"#,
            "23:59:59.999  letter 7 door: accepted  a  (2000 bytes, no text)",
        );
        check(
            r#"{"unix-ms":0,"event":"problem","subject":"link","text":"\u001b[2J"}"#,
            "00:00:00.000  link     \u{fffd}[2J",
        );
    }
}
