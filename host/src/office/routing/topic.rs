//! Topic names and topic filters ([MQTT-4.7]).

/// Why a text is no topic name or no topic filter.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopicError {
    /// It is empty ([MQTT-4.7.3-1]).
    Empty,
    /// It has more than 65,535 bytes ([MQTT-4.7.3-3]).
    TooLong,
    /// It holds a null character ([MQTT-4.7.3-2]).
    Null,
    /// A wildcard in a topic name ([MQTT-3.3.2-2]).
    Wildcard,
    /// A shared subscription without a group, with a wildcard in its group, or
    /// without a filter ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
    Shared,
    /// A wildcard that shares its level with other characters, or a `#` that
    /// is not the last level ([MQTT-4.7.1-2], [MQTT-4.7.1-3]).
    MisplacedWildcard,
}

impl std::fmt::Display for TopicError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Empty => "is empty",
            Self::TooLong => "is longer than 65,535 bytes",
            Self::Null => "holds a null character",
            Self::Wildcard => "holds a wildcard (`+` or `#`), which only a topic filter may",
            Self::Shared => {
                "is no shared subscription; write e.g. `$share/group/a/b`, without wildcards in \
                 the group"
            }
            Self::MisplacedWildcard => {
                "has a misplaced wildcard: `+` and `#` stand alone between slashes, `#` at the end"
            }
        })
    }
}

impl std::error::Error for TopicError {}

fn check_text(text: &str) -> Result<(), TopicError> {
    if text.is_empty() {
        return Err(TopicError::Empty);
    }
    if text.len() > usize::from(u16::MAX) {
        return Err(TopicError::TooLong);
    }
    if text.bytes().any(|byte| byte == 0) {
        return Err(TopicError::Null);
    }
    Ok(())
}

/// Checks a topic name, as a message carries it.
pub fn check_name(name: &str) -> Result<(), TopicError> {
    check_text(name)?;
    // By bytes: every message comes by here, and ASCII is itself in UTF-8.
    if name.bytes().any(|byte| matches!(byte, b'+' | b'#')) {
        return Err(TopicError::Wildcard);
    }
    Ok(())
}

/// What a shared subscription begins with (section 4.8.2 of MQTT 5).
const SHARED: &str = "$share";

/// Checks a topic filter, as a subscription carries it, shared or not.
pub fn check_filter(filter: &str) -> Result<(), TopicError> {
    check_text(filter)?;
    let filter = match filter.strip_prefix(SHARED) {
        Some("") => return Err(TopicError::Shared),
        Some(rest) if rest.starts_with('/') => match split_shared(filter) {
            Some((group, inner))
                if !group.is_empty() && !group.contains(['+', '#']) && !inner.is_empty() =>
            {
                inner
            }
            _ => return Err(TopicError::Shared),
        },
        _ => filter,
    };
    let mut levels = filter.split('/').peekable();
    while let Some(level) = levels.next() {
        let fits = match level {
            "+" => true,
            "#" => levels.peek().is_none(),
            _ => !level.contains(['+', '#']),
        };
        if !fits {
            return Err(TopicError::MisplacedWildcard);
        }
    }
    Ok(())
}

fn split_shared(filter: &str) -> Option<(&str, &str)> {
    let rest = filter.strip_prefix(SHARED)?.strip_prefix('/')?;
    rest.split_once('/')
}

/// Returns whether a valid filter is that of a shared subscription.
pub fn is_shared(filter: &str) -> bool {
    split_shared(filter).is_some()
}

/// What names are matched with: of a shared subscription the part behind its group,
/// and else the whole of a valid filter.
pub fn matching_part(filter: &str) -> &str {
    split_shared(filter).map_or(filter, |(_, inner)| inner)
}

/// Returns whether a valid filter, shared or not, matches a valid name. A filter that begins with a
/// wildcard does not match a name that begins with `$` ([MQTT-4.7.2-1]).
pub fn matches(filter: &str, name: &str) -> bool {
    let filter = matching_part(filter);
    if name.starts_with('$') && filter.starts_with(['+', '#']) {
        return false;
    }
    let mut filter = filter.split('/');
    let mut name = name.split('/');
    loop {
        match (filter.next(), name.next()) {
            // `sport/#` also matches `sport` ([MQTT-4.7.1-2]).
            (Some("#"), _) => return true,
            (Some("+"), Some(_)) => {}
            (Some(wanted), Some(level)) if wanted == level => {}
            (None, None) => return true,
            _ => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check_match(filter: &str, name: &str, expect: bool) {
        assert_eq!(check_filter(filter), Ok(()), "{filter}");
        assert_eq!(check_name(name), Ok(()), "{name}");
        assert_eq!(matches(filter, name), expect, "{filter} on {name}");
    }

    #[test]
    fn filters_match_as_the_specification_says() {
        check_match("a/b", "a/b", true);
        check_match("a/b", "a/b/c", false);
        check_match("a/b/c", "a/b", false);
        check_match("a/+", "a/b", true);
        check_match("a/+", "a", false);
        check_match("a/+", "a/", true);
        check_match("+/+", "/finance", true);
        check_match("/+", "/finance", true);
        check_match("+", "/finance", false);
        check_match("sport/tennis/player1/#", "sport/tennis/player1", true);
        check_match(
            "sport/tennis/player1/#",
            "sport/tennis/player1/score/wimbledon",
            true,
        );
        check_match("sport/+/player1", "sport/tennis/player1", true);
        check_match("#", "a/b/c", true);
        check_match("A", "a", false);
    }

    #[test]
    fn wildcards_leave_dollar_topics_alone() {
        check_match("#", "$SYS/load", false);
        check_match("+/load", "$SYS/load", false);
        check_match("$SYS/#", "$SYS/load", true);
        check_match("$SYS/+", "$SYS/load", true);
        check_match("a/+", "a/$b", true);
    }

    #[test]
    fn a_shared_subscription_matches_by_what_is_behind_its_group() {
        check_match("$share/g/a/+", "a/b", true);
        check_match("$share/g/a/+", "g/a/b", false);
        check_match("$share/g/#", "a/b", true);
        check_match("$share/g/#", "$SYS/load", false);
        check_match("$share/g/+/load", "$SYS/load", false);
        check_match("$share/g/$SYS/#", "$SYS/load", true);
        check_match("$share/g//a", "/a", true);
        // These only look like it.
        check_match("$shared/g/a", "$shared/g/a", true);
        check_match("share/g/a", "share/g/a", true);
        assert!(is_shared("$share/g/a") && !is_shared("$shared/g/a"));
    }

    #[test]
    fn bad_topics_are_named() {
        let long = "x".repeat(65_536);
        for (name, error) in [
            ("", TopicError::Empty),
            ("a/+", TopicError::Wildcard),
            ("#", TopicError::Wildcard),
            ("a\0", TopicError::Null),
            (&long, TopicError::TooLong),
        ] {
            assert_eq!(check_name(name), Err(error), "{name}");
        }
        for (filter, error) in [
            ("", TopicError::Empty),
            ("a/#/b", TopicError::MisplacedWildcard),
            ("a+", TopicError::MisplacedWildcard),
            ("a/b#", TopicError::MisplacedWildcard),
            ("a\0", TopicError::Null),
            ("$share", TopicError::Shared),
            ("$share/", TopicError::Shared),
            ("$share/g", TopicError::Shared),
            ("$share/g/", TopicError::Shared),
            ("$share//a", TopicError::Shared),
            ("$share/+/a", TopicError::Shared),
            ("$share/g#/a", TopicError::Shared),
            ("$share/g/a#", TopicError::MisplacedWildcard),
            (&long, TopicError::TooLong),
        ] {
            assert_eq!(check_filter(filter), Err(error), "{filter}");
        }
        assert_eq!(check_name(&long[1..]), Ok(()));
    }
}
