//! What comes from outside, as a line of the log shows it.

/// How many characters are shown.
const LONGEST: usize = 200;

/// The beginning of a text, on one line: control characters are escaped, as a terminal
/// obeys what it is told by them.
pub(crate) fn shown(text: &str) -> String {
    let (text, end) = match text.char_indices().nth(LONGEST) {
        Some((end, _)) => (&text[..end], "…"),
        None => (text, ""),
    };
    format!("{}{end}", text.escape_debug())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_outside_is_shown_on_one_short_line() {
        assert_eq!(shown("a\nb\u{1b}[2J"), "a\\nb\\u{1b}[2J");
        assert_eq!(shown(&"é".repeat(LONGEST)), "é".repeat(LONGEST));
        let cut = format!("{}…", "é".repeat(LONGEST));
        assert_eq!(shown(&"é".repeat(LONGEST + 1)), cut);
    }
}
