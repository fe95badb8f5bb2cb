//! What was dropped of guests that are not there: at a start, and by a reload.

use std::fmt;

use serde::{Deserialize, Serialize};
use tracing::warn;

use crate::office::Belongings;
use crate::words::Counted;

/// A guest that is not there, and how much it had of what was dropped.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dropped {
    /// Its name.
    pub guest: String,
    /// Letters without an outcome.
    pub letters: usize,
    /// Values of its state.
    pub values: usize,
    /// Timers that it had set.
    pub timers: usize,
    /// Outcomes that it was not told.
    pub outcomes: usize,
}

impl Dropped {
    pub(crate) fn new(guest: String, had: Belongings) -> Self {
        let Belongings {
            letters,
            values,
            timers,
            outcomes,
        } = had;
        Self {
            guest,
            letters,
            values,
            timers,
            outcomes,
        }
    }
}

/// `door (2 letters, 1 value of state)`.
impl fmt::Display for Dropped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let had = [
            (self.letters, "letter", ""),
            (self.values, "value", " of state"),
            (self.timers, "timer", ""),
            (self.outcomes, "outcome", ""),
        ];
        let had = had.into_iter().filter(|(count, ..)| *count > 0);
        let had = had.map(|(count, thing, more)| format!("{}{more}", Counted(count, thing)));
        let had = had.collect::<Vec<_>>().join(", ");
        write!(f, "{} ({had})", self.guest)
    }
}

/// All of them, on one line.
pub(crate) fn dropped_in_words(dropped: &[Dropped]) -> String {
    let dropped: Vec<_> = dropped.iter().map(ToString::to_string).collect();
    dropped.join(", ")
}

/// Says it in the log.
pub(crate) fn warn_of_dropped(dropped: &[Dropped]) {
    if !dropped.is_empty() {
        let all = dropped_in_words(dropped);
        warn!("dropped, as these guests are not there: {all}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_was_is_counted_and_nothing_else() {
        let all = Belongings {
            letters: 2,
            values: 1,
            timers: 3,
            outcomes: 1,
        };
        let some = Belongings {
            values: 4,
            ..Belongings::default()
        };
        let dropped = [("a", all), ("b", some)];
        let dropped = dropped.map(|(guest, had)| Dropped::new(guest.into(), had));
        assert_eq!(
            dropped_in_words(&dropped),
            "a (2 letters, 1 value of state, 3 timers, 1 outcome), b (4 values of state)"
        );
    }
}
