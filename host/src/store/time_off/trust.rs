//! How far a wall clock is trusted.

use std::fmt;
use std::str::FromStr;

/// How far a wall clock is trusted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Trust {
    /// Not at all.
    #[default]
    Never,
    /// If it says that the machine was started after the last moment of the boot
    /// before, by the clock that was trusted then; and as long as nobody sets it back.
    PastRecord,
    /// It is synchronised. In a boot in which it ever was, only such a clock counts.
    Synchronised,
}

/// When a wall clock is trusted, as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum ClockTrust {
    /// When the kernel says that it is synchronised, or when it says that the machine
    /// was started after what was recorded last.
    ///
    /// That is right for a machine with a battery clock. Without one it may be wrong:
    /// systemd-timesyncd and fake-hwclock set the clock of such a machine to when it
    /// was last running, which is past the record although it may have been off for
    /// hours.
    #[default]
    PastRecord,
    /// Only when the kernel says that it is synchronised.
    Synchronised,
}

impl ClockTrust {
    /// How far a wall clock is trusted.
    pub const fn of(self, is_synchronised: bool) -> Trust {
        match self {
            _ if is_synchronised => Trust::Synchronised,
            Self::PastRecord => Trust::PastRecord,
            Self::Synchronised => Trust::Never,
        }
    }
}

/// A text that is no [`ClockTrust`]. Displayed as what is wrong with the text, and what
/// to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownClockTrust;

impl fmt::Display for UnknownClockTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"is no way to trust a clock; write "past-record" or "synchronised""#)
    }
}

impl std::error::Error for UnknownClockTrust {}

/// `past-record` or `synchronised`.
impl fmt::Display for ClockTrust {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::PastRecord => "past-record",
            Self::Synchronised => "synchronised",
        })
    }
}

impl FromStr for ClockTrust {
    type Err = UnknownClockTrust;

    fn from_str(text: &str) -> Result<Self, UnknownClockTrust> {
        match text {
            "past-record" => Ok(Self::PastRecord),
            "synchronised" => Ok(Self::Synchronised),
            _ => Err(UnknownClockTrust),
        }
    }
}
