//! What is known of the gateway at the moment, for those who wait for a change.

use std::fmt;

use crate::office::{Backlog, Outcome, OutcomeWord};
use crate::words::Counted;

/// The state of the gateway.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    pub(super) is_online: bool,
    /// How many connections have ended or were not made.
    pub(super) disconnections: usize,
    /// How many subscriptions the broker has answered on this connection.
    pub(super) answered: usize,
    /// How many letters did not go out on this connection.
    pub(super) unsent: usize,
    /// Whether something has happened that may lead to more.
    pub(super) is_busy: bool,
    /// What was left when the gateway last had nothing to do.
    pub(super) backlog: Backlog,
    pub(super) totals: Totals,
}

/// What there has been since the start. Displayed as a sentence.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Totals {
    pub(super) messages: usize,
    pub(super) letters: usize,
    delivered: usize,
    expired: usize,
    displaced: usize,
    refused: usize,
}

impl Totals {
    /// Letters that were displaced within the call that published them.
    pub(super) fn count_displaced(&mut self, letters: usize) {
        self.letters += letters;
        self.displaced += letters;
    }

    pub(super) fn count(&mut self, outcome: Outcome) {
        *match outcome.word() {
            OutcomeWord::Delivered => &mut self.delivered,
            OutcomeWord::Expired => &mut self.expired,
            OutcomeWord::Displaced => &mut self.displaced,
            OutcomeWord::Refused => &mut self.refused,
        } += 1;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let messages = Counted(self.messages, "message");
        let letters = Counted(self.letters, "letter");
        write!(f, "{messages}, {letters}")?;
        let concluded = self.delivered + self.expired + self.displaced + self.refused;
        let mut mark = ": ";
        for (count, what) in [
            (self.delivered, OutcomeWord::Delivered.as_str()),
            (self.expired, OutcomeWord::Expired.as_str()),
            (self.displaced, OutcomeWord::Displaced.as_str()),
            (self.refused, OutcomeWord::Refused.as_str()),
            (self.letters.saturating_sub(concluded), "open"),
        ] {
            if count > 0 {
                write!(f, "{mark}{count} {what}")?;
                mark = ", ";
            }
        }
        Ok(())
    }
}
