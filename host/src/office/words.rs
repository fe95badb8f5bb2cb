//! The office's words as users write and read them.

use std::fmt;
use std::str::FromStr;

use super::{DisplacedBy, Outcome, Priority, Qos, Refused, Status, WhenOff};

/// A text that is no word for what was asked for. Displayed as what is wrong with
/// the text, and what to write instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnknownWord {
    /// It is no [`OutcomeWord`].
    Outcome,
    /// It is no [`DisplacedBy`].
    DisplacedBy,
    /// It names no [`Qos`].
    Qos,
    /// It names no [`Status`].
    Status,
    /// It is no [`Priority`].
    Priority,
    /// It is no [`WhenOff`].
    WhenOff,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Outcome => {
                r#"is no outcome; write "delivered", "expired", "displaced" or "refused""#
            }
            Self::DisplacedBy => {
                r#"is nothing that displaces letters; write "overflow" or "replace-key""#
            }
            Self::Qos => "is not a quality of service; write 0, 1 or 2",
            Self::Status => r#"is no status; write "online" or "offline""#,
            Self::Priority => r#"is no priority; write "low", "normal" or "high""#,
            Self::WhenOff => r#"is nothing that a ttl does; write "count", "pause" or "drop""#,
        })
    }
}

impl std::error::Error for UnknownWord {}

/// What became of a letter, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OutcomeWord {
    /// [`Outcome::Delivered`]
    Delivered,
    /// [`Outcome::Expired`]
    Expired,
    /// [`Outcome::Displaced`]
    Displaced,
    /// [`Outcome::Refused`]
    Refused,
}

impl Outcome {
    /// The word for it.
    pub const fn word(self) -> OutcomeWord {
        match self {
            Self::Delivered => OutcomeWord::Delivered,
            Self::Expired { .. } => OutcomeWord::Expired,
            Self::Displaced { .. } => OutcomeWord::Displaced,
            Self::Refused(_) => OutcomeWord::Refused,
        }
    }

    /// What there is to say beside the word: `sent`, or why it is refused.
    pub const fn detail(self) -> Option<&'static str> {
        match self {
            Self::Delivered | Self::Expired { sent: false } | Self::Displaced { sent: false } => {
                None
            }
            Self::Expired { sent: true } | Self::Displaced { sent: true } => Some("sent"),
            Self::Refused(why) => Some(why.as_str()),
        }
    }
}

impl Refused {
    /// As the contract calls it.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too-large",
            Self::Qos => "qos",
            Self::Retain => "retain",
            Self::Properties => "needs-mqtt5",
            Self::NotAuthorized => "not-authorized",
            Self::Topic => "topic",
            Self::Payload => "payload",
            Self::HangsUp => "hangs-up",
            Self::Unspecified => "unspecified",
        }
    }
}

impl OutcomeWord {
    /// `delivered`, `expired`, `displaced` or `refused`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::Expired => "expired",
            Self::Displaced => "displaced",
            Self::Refused => "refused",
        }
    }
}

impl fmt::Display for OutcomeWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// The word, and in parentheses what there is to say beside it.
impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.detail() {
            None => self.word().fmt(f),
            Some(detail) => write!(f, "{} ({detail})", self.word()),
        }
    }
}

impl FromStr for OutcomeWord {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "delivered" => Ok(Self::Delivered),
            "expired" => Ok(Self::Expired),
            "displaced" => Ok(Self::Displaced),
            "refused" => Ok(Self::Refused),
            _ => Err(UnknownWord::Outcome),
        }
    }
}

impl DisplacedBy {
    /// `overflow` or `replace-key`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Overflow => "overflow",
            Self::ReplaceKey => "replace-key",
        }
    }
}

impl fmt::Display for DisplacedBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for DisplacedBy {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "overflow" => Ok(Self::Overflow),
            "replace-key" => Ok(Self::ReplaceKey),
            _ => Err(UnknownWord::DisplacedBy),
        }
    }
}

/// The number that MQTT has for it: `0`, `1` or `2`.
impl fmt::Display for Qos {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::AtMostOnce => "0",
            Self::AtLeastOnce => "1",
            Self::ExactlyOnce => "2",
        })
    }
}

impl FromStr for Qos {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "0" => Ok(Self::AtMostOnce),
            "1" => Ok(Self::AtLeastOnce),
            "2" => Ok(Self::ExactlyOnce),
            _ => Err(UnknownWord::Qos),
        }
    }
}

/// `online` or `offline`.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Online => "online",
            Self::Offline => "offline",
        })
    }
}

impl FromStr for Status {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "online" => Ok(Self::Online),
            "offline" => Ok(Self::Offline),
            _ => Err(UnknownWord::Status),
        }
    }
}

impl Priority {
    /// `low`, `normal` or `high`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Normal => "normal",
            Self::High => "high",
        }
    }
}

impl fmt::Display for Priority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for Priority {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "low" => Ok(Self::Low),
            "normal" => Ok(Self::Normal),
            "high" => Ok(Self::High),
            _ => Err(UnknownWord::Priority),
        }
    }
}

/// `count`, `pause` or `drop`.
impl fmt::Display for WhenOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Count => "count",
            Self::Pause => "pause",
            Self::Drop => "drop",
        })
    }
}

impl FromStr for WhenOff {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text {
            "count" => Ok(Self::Count),
            "pause" => Ok(Self::Pause),
            "drop" => Ok(Self::Drop),
            _ => Err(UnknownWord::WhenOff),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each is read from what it is displayed as, and nothing else is.
    #[track_caller]
    fn check<T>(all: &[(T, &str)], unknown: UnknownWord)
    where
        T: FromStr<Err = UnknownWord> + fmt::Display + fmt::Debug + Copy + PartialEq,
    {
        for (it, word) in all {
            assert_eq!(it.to_string(), *word);
            assert_eq!(word.parse(), Ok(*it));
            assert_eq!(format!("{word} ").parse::<T>(), Err(unknown));
        }
        assert_eq!("".parse::<T>(), Err(unknown));
    }

    #[test]
    fn words_are_read_as_they_are_written() {
        let outcomes = [
            (OutcomeWord::Delivered, "delivered"),
            (OutcomeWord::Expired, "expired"),
            (OutcomeWord::Displaced, "displaced"),
            (OutcomeWord::Refused, "refused"),
        ];
        check(&outcomes, UnknownWord::Outcome);
        let displaced_by = [
            (DisplacedBy::Overflow, "overflow"),
            (DisplacedBy::ReplaceKey, "replace-key"),
        ];
        check(&displaced_by, UnknownWord::DisplacedBy);
        let qualities = [
            (Qos::AtMostOnce, "0"),
            (Qos::AtLeastOnce, "1"),
            (Qos::ExactlyOnce, "2"),
        ];
        check(&qualities, UnknownWord::Qos);
        let statuses = [(Status::Online, "online"), (Status::Offline, "offline")];
        check(&statuses, UnknownWord::Status);
        let priorities = [
            (Priority::Low, "low"),
            (Priority::Normal, "normal"),
            (Priority::High, "high"),
        ];
        check(&priorities, UnknownWord::Priority);
        let when_off = [
            (WhenOff::Count, "count"),
            (WhenOff::Pause, "pause"),
            (WhenOff::Drop, "drop"),
        ];
        check(&when_off, UnknownWord::WhenOff);
    }

    #[test]
    fn words_fill_columns() {
        assert_eq!(format!("{:<9}|", OutcomeWord::Expired), "expired  |");
        let sent = Outcome::Expired { sent: true };
        assert_eq!(sent.to_string(), "expired (sent)");
    }
}
