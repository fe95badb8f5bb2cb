//! Time as the broker knows it: a number that is passed in.

use std::ops::Add;
use std::time::Duration;

/// A moment: milliseconds since some fixed point, which whoever keeps the time
/// chooses. It never goes back; it may jump ahead.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The moment this many milliseconds after the fixed point.
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the fixed point.
    pub const fn as_millis(self) -> u64 {
        self.0
    }

    /// How long it is from `earlier` to this moment; zero when it is not
    /// earlier.
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(self.0.saturating_sub(earlier.0))
    }
}

impl Add<Duration> for Time {
    type Output = Self;

    /// The last representable moment stands for "never".
    fn add(self, duration: Duration) -> Self {
        let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Self(self.0.saturating_add(millis))
    }
}
