//! The letters of a gateway that is stopped, as people and programs read them.

use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::line::{Line, State};
use crate::words::{Clean, Counted, asked_beside, rough};

/// What is there. As JSON it is what a gateway that runs answers, as far as it is known.
/// Displays without a line break at its end.
#[derive(Debug, Serialize)]
pub(super) struct List {
    total: usize,
    pub(super) letters: Vec<Line>,
    /// How many outcomes their guests have not been told.
    outcomes: usize,
}

impl List {
    pub(super) fn new(letters: Vec<Line>, outcomes: usize) -> Self {
        Self {
            total: letters.len(),
            letters,
            outcomes,
        }
    }
}

impl fmt::Display for List {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.letters[..] {
            [] => f.write_str("0 letters")?,
            _ => write!(
                f,
                "{:>8}  {:<9}  {:>8}  {:>8}  {:>3}  {:<8}  {:>8}  {:<12}  TOPIC",
                "TICKET", "STATE", "AGE", "LEFT", "QOS", "PRIORITY", "BYTES", "GUEST"
            )?,
        }
        for letter in &self.letters {
            let state = match letter.state {
                None | Some(State::Waiting) => "waiting",
                Some(State::Held) => "held",
                Some(State::Expired) => "expired",
            };
            write!(
                f,
                "\n{:>8}  {state:<9}  {:>8}  {:>8}  {:>3}  {:<8}  {:>8}  {:<12}  {}",
                letter.ticket.unwrap_or_default(),
                span(letter.age_ms),
                span(letter.left_ms),
                letter.qos,
                letter.priority,
                letter.bytes.unwrap_or_default(),
                letter.guest,
                Clean(&letter.topic)
            )?;
            let (key, after_reboot) = (&letter.replace_key, &letter.after_reboot);
            f.write_str(&asked_beside(key.as_deref(), after_reboot.as_deref()))?;
        }
        match self.outcomes {
            0 => Ok(()),
            outcomes => write!(
                f,
                "\n{} not told to their guests",
                Counted(outcomes, "outcome")
            ),
        }
    }
}

/// So many milliseconds, as people read them.
fn span(millis: Option<u64>) -> String {
    match millis {
        None => "-".to_owned(),
        Some(millis) => rough(Duration::from_millis(millis)).to_string(),
    }
}
