//! What a timer is to be, whoever sets it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// How many bytes the name of a timer may have.
pub const MAX_TIMER_NAME: usize = 64;

/// The shortest time from setting a timer to its first moment, and from one moment to
/// the next: so a guest cannot have itself called without end.
pub const SHORTEST_PERIOD: Duration = Duration::from_millis(10);

/// When a timer is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How long it is to its first moment.
    pub first: Duration,
    /// How long it is from each moment to the next; none: there is one.
    pub period: Option<Duration>,
}

/// Why a timer is not set.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotSet {
    /// Its name is empty, longer than [`MAX_TIMER_NAME`] bytes, or has a control
    /// character in it.
    Name,
    /// It would be due, or due again, in less than [`SHORTEST_PERIOD`].
    TooShort,
    /// Its guest has so many, and may not have more.
    TooMany(usize),
    /// What keeps it has failed: this is how.
    NotKept(Arc<str>),
}

impl Schedule {
    /// Once, so long from now.
    pub const fn once(after: Duration) -> Self {
        Self {
            first: after,
            period: None,
        }
    }

    /// Again and again, for the first time in a whole period from now.
    pub const fn every(period: Duration) -> Self {
        Self {
            first: period,
            period: Some(period),
        }
    }

    /// Checks a timer of this name.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(&self, name: &str) -> Result<(), NotSet> {
        let is_name = (1..=MAX_TIMER_NAME).contains(&name.len());
        if !is_name || name.contains(char::is_control) {
            return Err(NotSet::Name);
        }
        if self.first.min(self.period.unwrap_or(self.first)) < SHORTEST_PERIOD {
            return Err(NotSet::TooShort);
        }
        Ok(())
    }
}

impl fmt::Display for NotSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Name => write!(
                f,
                "the name is not 1 to {MAX_TIMER_NAME} bytes without control characters"
            ),
            Self::TooShort => write!(f, "{SHORTEST_PERIOD:?} is the shortest"),
            Self::TooMany(max) => write!(f, "there are {max} timers, and may not be more"),
            Self::NotKept(why) => write!(f, "it cannot be kept: {why}"),
        }
    }
}
