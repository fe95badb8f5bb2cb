//! Durations and sizes, which are written as texts with a unit.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use toml::Value;

use super::entry::Entry;

/// A duration: a whole number and `ms`, `s`, `m` or `h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Period(pub(crate) Duration);

/// A number of bytes: a whole number, or one and `KiB`, `MiB` or `GiB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Size(pub(crate) u64);

/// Why a text is no duration.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotADuration;

/// Why a text is no size.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct NotASize;

/// From long to short, in milliseconds.
const TIME_UNITS: [(&str, u64); 4] = [("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)];

/// From large to small, in bytes.
const SIZE_UNITS: [(&str, u64); 4] = [
    ("GiB", 1 << 30),
    ("MiB", 1 << 20),
    ("KiB", 1 << 10),
    ("", 1),
];

/// The number of smallest units in `text`. One that is too large becomes the
/// largest number, which the bound of the key then refuses.
fn number(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let end = text
        .find(|c: char| !c.is_ascii_digit())
        .unwrap_or(text.len());
    let (digits, unit) = text.split_at(end);
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    if digits.is_empty() {
        return None;
    }
    Some(digits.parse().unwrap_or(u64::MAX).saturating_mul(*factor))
}

/// A number of smallest units in the largest unit that leaves no rest.
fn with_unit(value: u64, units: &[(&str, u64)]) -> (u64, String) {
    units
        .iter()
        .find(|(_, factor)| value >= *factor && value.is_multiple_of(*factor))
        .map_or((value, String::new()), |(unit, factor)| {
            (value / factor, (*unit).to_owned())
        })
}

impl Period {
    pub(crate) const fn from_millis(millis: u64) -> Self {
        Self(Duration::from_millis(millis))
    }

    pub(crate) const fn from_secs(secs: u64) -> Self {
        Self(Duration::from_secs(secs))
    }
}

impl FromStr for Period {
    type Err = NotADuration;

    fn from_str(text: &str) -> Result<Self, NotADuration> {
        number(text, &TIME_UNITS)
            .map(Self::from_millis)
            .ok_or(NotADuration)
    }
}

impl FromStr for Size {
    type Err = NotASize;

    fn from_str(text: &str) -> Result<Self, NotASize> {
        number(text, &SIZE_UNITS).map(Self).ok_or(NotASize)
    }
}

/// As it would be written in the file.
impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = u64::try_from(self.0.as_millis()).unwrap_or(u64::MAX);
        match with_unit(millis, &TIME_UNITS) {
            (0, _) => f.write_str("\"0s\""),
            (number, unit) => write!(f, "\"{number}{unit}\""),
        }
    }
}

/// As it would be written in the file.
impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match with_unit(self.0, &SIZE_UNITS) {
            (number, unit) if unit.is_empty() => write!(f, "{number}"),
            (number, unit) => write!(f, "\"{number}{unit}\""),
        }
    }
}

impl fmt::Display for NotADuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"is not a duration; write e.g. "500ms", "60s", "5m", "2h""#)
    }
}

impl fmt::Display for NotASize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(r#"is not a size; write e.g. 4096, "64KiB", "1MiB""#)
    }
}

/// A duration within bounds.
pub(crate) fn period(entry: &Entry, allowed: RangeInclusive<Period>) -> Result<Duration, String> {
    within(entry, entry.parse(NotADuration)?, allowed).map(|period| period.0)
}

/// A duration as the configuration writes it, e.g. `500ms`.
pub(crate) fn parse_duration(text: &str) -> Option<Duration> {
    text.parse().ok().map(|Period(duration)| duration)
}

/// A number of bytes within bounds.
pub(crate) fn size(entry: &Entry, allowed: RangeInclusive<Size>) -> Result<usize, String> {
    let size = match entry.value {
        // Below zero is below every bound.
        Value::Integer(bytes) => Size(u64::try_from(bytes).unwrap_or(0)),
        _ => entry.parse(NotASize)?,
    };
    let Size(bytes) = within(entry, size, allowed)?;
    // Where the address space is smaller than the bound, all of it is allowed.
    Ok(usize::try_from(bytes).unwrap_or(usize::MAX))
}

fn within<T: PartialOrd + fmt::Display>(
    entry: &Entry,
    value: T,
    allowed: RangeInclusive<T>,
) -> Result<T, String> {
    if allowed.contains(&value) {
        return Ok(value);
    }
    let (min, max) = allowed.into_inner();
    Err(entry.but(format_args!("is out of range; write {min} to {max}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_period(text: &str, millis: u64, shown: &str) {
        assert_eq!(text.parse(), Ok(Period::from_millis(millis)), "{text}");
        assert_eq!(Period::from_millis(millis).to_string(), shown);
    }

    #[track_caller]
    fn check_size(text: &str, bytes: u64, shown: &str) {
        assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        assert_eq!(Size(bytes).to_string(), shown);
    }

    #[test]
    fn durations_are_read_and_shown() {
        check_period("500ms", 500, "\"500ms\"");
        check_period("0s", 0, "\"0s\"");
        check_period("0ms", 0, "\"0s\"");
        check_period("60s", 60_000, "\"1m\"");
        check_period("61s", 61_000, "\"61s\"");
        check_period("5m", 300_000, "\"5m\"");
        check_period("2h", 7_200_000, "\"2h\"");
    }

    #[test]
    fn sizes_are_read_and_shown() {
        check_size("0", 0, "0");
        check_size("128", 128, "128");
        check_size("64KiB", 65_536, "\"64KiB\"");
        check_size("1MiB", 1_048_576, "\"1MiB\"");
        check_size("4GiB", 4_294_967_296, "\"4GiB\"");
        check_size("99999999999999999999GiB", u64::MAX, &u64::MAX.to_string());
    }

    #[test]
    fn other_texts_are_neither() {
        for text in ["", "s", "1", "1 s", "-1s", "+1s", "1.5s", "1d", "1S", "１s"] {
            assert_eq!(text.parse::<Period>(), Err(NotADuration), "{text}");
        }
        for text in [
            "", "KiB", "1 KiB", "-1", "+1", "1.5MiB", "1KB", "1kib", "1M",
        ] {
            assert_eq!(text.parse::<Size>(), Err(NotASize), "{text}");
        }
    }
}
