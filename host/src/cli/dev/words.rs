//! Payloads, durations and numbers in words.

use std::fmt;
use std::time::Duration;

/// How many characters of a payload are shown.
const SHOWN: usize = 100;

/// Displays the beginning of a payload: this is a tool for development.
pub(in crate::cli) struct Shown<'a>(pub(in crate::cli) &'a [u8]);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let bytes = Counted(self.0.len(), "byte");
        let is_legible = |text: &&str| !text.contains(|c: char| c.is_control() && c != '\n');
        let Some(text) = str::from_utf8(self.0).ok().filter(is_legible) else {
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

/// Displays a number of things.
pub(in crate::cli) struct Counted(pub(in crate::cli) usize, pub(in crate::cli) &'static str);

impl fmt::Display for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(count, thing) = self;
        let plural = if *count == 1 { "" } else { "s" };
        write!(f, "{count} {thing}{plural}")
    }
}

/// Displays how long something takes that is usually short.
pub(in crate::cli) struct Took(pub(in crate::cli) Duration);

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
pub(in crate::cli) struct Span(pub(in crate::cli) Duration);

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

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(Shown(payload).to_string(), shown);
        }
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
