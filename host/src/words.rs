//! Payloads, properties, durations, numbers and errors in words, as people read them.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::office::{Priority, Properties};

/// How many characters of a payload are shown.
const SHOWN: usize = 100;

/// Displays the beginning of a payload, for those who may see it.
pub(crate) struct Shown<'a> {
    payload: &'a [u8],
    /// How many bytes there are of it.
    bytes: usize,
}

impl<'a> Shown<'a> {
    pub(crate) fn all(payload: &'a [u8]) -> Self {
        Self::part(payload, payload.len())
    }

    /// Of a payload of so many bytes, this is the beginning.
    pub(crate) fn part(payload: &'a [u8], bytes: usize) -> Self {
        Self { payload, bytes }
    }
}

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Counted(self.bytes, "byte");
        let is_legible = |text: &&str| !text.contains(|c: char| c.is_control() && c != '\n');
        let Some(text) = str::from_utf8(self.payload).ok().filter(is_legible) else {
            return write!(f, "({bytes}, no text)");
        };
        if text.is_empty() {
            return f.write_str("(empty)");
        }
        // One line of text stays one line.
        let text = text.replace('\n', "⏎");
        match text.char_indices().nth(SHOWN) {
            Some((end, _)) => write!(f, "{}… ({bytes})", &text[..end]),
            None => f.write_str(&text),
        }
    }
}

/// An error with all its causes.
pub(crate) fn in_full(error: &(dyn Error + 'static)) -> String {
    let causes = std::iter::successors(Some(error), |&error| error.source());
    causes
        .map(ToString::to_string)
        .collect::<Vec<_>>()
        .join(": ")
}

/// Displays a number of things.
pub(crate) struct Counted(pub(crate) usize, pub(crate) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {thing}{plural}")
    }
}

/// Displays how long something takes that is usually short.
pub(crate) struct Took(pub(crate) Duration);

impl fmt::Display for Took {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_secs_f64() * 1000.0;
        match millis {
            0.0..0.095 => write!(f, "{millis:.2} ms"),
            0.095..9.5 => write!(f, "{millis:.1} ms"),
            9.5..999.5 => write!(f, "{millis:.0} ms"),
            _ => write!(f, "{:.1} s", millis / 1000.0),
        }
    }
}

/// Displays a duration that somebody has chosen.
pub(crate) struct Span(pub(crate) Duration);

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.0.as_millis();
        match millis {
            0..1000 => write!(f, "{millis} ms"),
            _ if millis.is_multiple_of(3_600_000) => write!(f, "{} h", millis / 3_600_000),
            _ if millis.is_multiple_of(60_000) => write!(f, "{} min", millis / 60_000),
            _ if millis.is_multiple_of(1000) => write!(f, "{} s", millis / 1000),
            _ => write!(f, "{:.1} s", self.0.as_secs_f64()),
        }
    }
}

/// A duration, no more exact than anybody wants to know it.
pub(crate) fn rough(duration: Duration) -> Span {
    const MINUTE: u64 = 60_000;
    let millis = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    let unit = match millis {
        0..MINUTE => 100,
        MINUTE..7_200_000 => 1_000,
        _ => MINUTE,
    };
    Span(Duration::from_millis(millis / unit * unit))
}

/// Displays a text that comes from outside: a terminal obeys what it is told by
/// control characters.
pub(crate) struct Clean<'a>(pub(crate) &'a str);

impl fmt::Display for Clean<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            let c = match c.is_control() {
                true => char::REPLACEMENT_CHARACTER,
                false => c,
            };
            fmt::Write::write_char(f, c)?;
        }
        Ok(())
    }
}

/// A payload on one line: as it is, if it is text that fits there.
pub(crate) struct Content<'a>(pub(crate) &'a [u8]);

impl fmt::Display for Content<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SHOWN: usize = 200;
        match str::from_utf8(self.0) {
            Ok("") => f.write_str("(empty)"),
            Ok(text) if text.contains(char::is_control) || text.len() > SHOWN => {
                match text.char_indices().nth(SHOWN) {
                    Some((end, _)) => write!(f, "{:?}…", &text[..end]),
                    None => write!(f, "{text:?}"),
                }
            }
            Ok(text) => f.write_str(text),
            Err(_) => write!(f, "({} bytes)", self.0.len()),
        }
    }
}

/// Properties, each with its name.
pub(crate) fn described(own: &Properties) -> Vec<String> {
    let texts = [
        ("content-type", &own.content_type),
        ("response-topic", &own.response_topic),
    ];
    let text = |(name, text): (&str, &Option<Arc<str>>)| {
        let text = text.as_ref()?;
        Some(format!("{name} {text}"))
    };
    let data = own.correlation_data.as_ref();
    let data = data.map(|data| format!("correlation-data {}", Content(data)));
    let user = own
        .user
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    let texts = texts.into_iter().filter_map(text);
    texts.chain(data).chain(user).collect()
}

/// What a letter asks of its host, where it is not the usual.
pub(crate) fn asked(
    priority: Priority,
    replace_key: Option<&str>,
    after_reboot: Option<impl fmt::Display>,
) -> Vec<String> {
    let priority = (priority != Priority::default()).then(|| format!("priority {priority}"));
    let key = replace_key.map(|key| format!("replace key {}", Clean(key)));
    let after_reboot = after_reboot.map(|it| format!("after reboot {it}"));
    [priority, key, after_reboot]
        .into_iter()
        .flatten()
        .collect()
}

/// The same in parentheses, behind a letter in a list with a column for priorities.
pub(crate) fn asked_beside(replace_key: Option<&str>, after_reboot: Option<&str>) -> String {
    match asked(Priority::default(), replace_key, after_reboot) {
        nothing if nothing.is_empty() => String::new(),
        asked => format!(" ({})", asked.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::WhenOff;

    #[test]
    fn payloads_read_well() {
        let long = "x".repeat(150);
        let cut = format!("{}… (150 bytes)", "x".repeat(100));
        for (payload, shown) in [
            (&b""[..], "(empty)"),
            (b"{\"a\": 1}", "{\"a\": 1}"),
            (b"a\nb", "a⏎b"),
            (b"\x1b[2J", "(4 bytes, no text)"),
            (b"\xff", "(1 byte, no text)"),
            (long.as_bytes(), &cut),
        ] {
            assert_eq!(Shown::all(payload).to_string(), shown);
        }
    }

    #[test]
    fn what_is_asked_reads_well_and_what_is_usual_is_left_out() {
        let nothing: [&str; 0] = [];
        assert_eq!(asked(Priority::Normal, None, None::<WhenOff>), nothing);
        assert_eq!(
            asked(Priority::High, Some("a b"), Some(WhenOff::Pause)),
            ["priority high", "replace key a b", "after reboot pause"]
        );
        assert_eq!(asked_beside(None, None), "");
        assert_eq!(asked_beside(None, Some("drop")), " (after reboot drop)");
        let both = asked_beside(Some("\u{1b}k"), Some("drop"));
        assert_eq!(both, " (replace key \u{fffd}k, after reboot drop)");
    }

    #[test]
    fn durations_read_well() {
        for (millis, span) in [
            (0, "0 ms"),
            (200, "200 ms"),
            (1000, "1 s"),
            (1500, "1.5 s"),
            (90_000, "90 s"),
            (120_000, "2 min"),
            (3_600_000, "1 h"),
        ] {
            assert_eq!(Span(Duration::from_millis(millis)).to_string(), span);
        }
        for (micros, took) in [
            (4, "0.00 ms"),
            (40, "0.04 ms"),
            (430, "0.4 ms"),
            (14_200, "14 ms"),
            (1_520_000, "1.5 s"),
        ] {
            assert_eq!(Took(Duration::from_micros(micros)).to_string(), took);
        }
    }
}
