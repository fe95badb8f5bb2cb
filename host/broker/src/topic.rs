//! Topic names and topic filters (section 4.7).

use super::violation::Violation;

/// Checks a topic name, as PUBLISH and a will carry it.
pub(super) fn check_name(name: &str) -> Result<(), Violation> {
    if name.is_empty() {
        return Err(Violation::EmptyTopic);
    }
    if name.contains(['+', '#']) {
        return Err(Violation::WildcardInName);
    }
    Ok(())
}

/// Checks a topic filter, as SUBSCRIBE and UNSUBSCRIBE carry it.
pub(super) fn check_filter(filter: &str) -> Result<(), Violation> {
    if filter.is_empty() {
        return Err(Violation::EmptyTopic);
    }
    let last = filter.split('/').count() - 1;
    for (place, level) in filter.split('/').enumerate() {
        let alone = level.len() == 1;
        if level.contains('+') && !alone || level.contains('#') && !(alone && place == last) {
            return Err(Violation::MisplacedWildcard);
        }
    }
    Ok(())
}

/// Checks that a shared subscription has a group and a filter
/// ([MQTT-4.8.2-1], [MQTT-4.8.2-2]).
pub(super) fn check_shared(filter: &str) -> Result<(), Violation> {
    if filter == "$share" || filter.starts_with("$share/") && shared(filter).is_none() {
        return Err(Violation::SharedFilter);
    }
    Ok(())
}

/// The topic filter of a shared subscription, `$share/group/filter`.
pub(super) fn shared(filter: &str) -> Option<&str> {
    let (group, filter) = filter.strip_prefix("$share/")?.split_once('/')?;
    (!group.is_empty() && !group.contains(['+', '#']) && !filter.is_empty()).then_some(filter)
}

/// Whether a checked filter matches a checked name.
pub(super) fn matches(filter: &str, name: &str) -> bool {
    // [MQTT-4.7.2-1]
    if name.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut levels = name.split('/');
    for wanted in filter.split('/') {
        // Also where no level is left: `sport/#` matches `sport`.
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some(level) if wanted == "+" || wanted == level => {}
            _ => return false,
        }
    }
    levels.next().is_none()
}

/// Whether a filter matches every name that another one matches.
pub(super) fn covers(filter: &str, other: &str) -> bool {
    if other.starts_with('$') && !filter.starts_with('$') {
        return false;
    }
    let mut levels = other.split('/');
    for wanted in filter.split('/') {
        if wanted == "#" {
            return true;
        }
        match levels.next() {
            Some("#") | None => return false,
            Some(level) if wanted == "+" || wanted == level => {}
            Some(_) => return false,
        }
    }
    levels.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn filters_match_as_the_specification_says() {
        for (filter, names) in [
            ("a/b", &["a/b"][..]),
            ("a/+", &["a/b", "a/", "a/$b"]),
            ("+", &["a", "b"]),
            ("+/+", &["/a", "a/b", "a/", "/"]),
            ("/+", &["/a", "/"]),
            ("a/#", &["a", "a/", "a/b", "a/b/c"]),
            ("a/+/c/#", &["a/b/c", "a//c/d"]),
            ("#", &["a", "/", "a/b/c"]),
            ("$SYS/#", &["$SYS", "$SYS/a"]),
            ("$SYS/+", &["$SYS/a"]),
        ] {
            assert_eq!(check_filter(filter), Ok(()), "{filter}");
            for name in names {
                assert_eq!(check_name(name), Ok(()), "{name}");
                assert!(matches(filter, name), "{filter} on {name}");
            }
        }
    }

    #[test]
    fn filters_leave_other_names_alone() {
        for (filter, name) in [
            ("a/b", "a/b/c"),
            ("a/b/c", "a/b"),
            ("a/+", "a"),
            ("a/+", "a/b/c"),
            ("+", "/a"),
            ("a/#", "ab"),
            ("A", "a"),
            ("#", "$SYS/a"),
            ("+/a", "$SYS/a"),
        ] {
            assert!(!matches(filter, name), "{filter} on {name}");
        }
    }

    #[test]
    fn a_filter_covers_what_it_matches_all_of() {
        for (filter, other) in [
            ("a/b", "a/b"),
            ("a/+", "a/b"),
            ("a/+", "a/+"),
            ("a/#", "a"),
            ("a/#", "a/#"),
            ("a/#", "a/+/c"),
            ("#", "#"),
            ("#", "+/a"),
            ("$SYS/#", "$SYS/+"),
        ] {
            assert!(covers(filter, other), "{filter} and {other}");
        }
        for (filter, other) in [
            ("a/b", "a/+"),
            ("a/+", "a/#"),
            ("a/+/c", "a/#"),
            ("a/b", "a"),
            ("a", "a/b"),
            ("+", "#"),
            ("#", "$SYS/#"),
            ("+/a", "$SYS/a"),
        ] {
            assert!(!covers(filter, other), "{filter} and {other}");
        }
    }

    #[test]
    fn what_is_no_filter_is_named() {
        assert_eq!(check_filter(""), Err(Violation::EmptyTopic));
        for filter in ["a+", "+a/b", "a/#/b", "a#", "#/", "a/##", "++"] {
            assert_eq!(
                check_filter(filter),
                Err(Violation::MisplacedWildcard),
                "{filter}"
            );
        }
    }

    #[test]
    fn what_is_no_name_is_named() {
        assert_eq!(check_name(""), Err(Violation::EmptyTopic));
        for name in ["+", "a/#", "a+b"] {
            assert_eq!(check_name(name), Err(Violation::WildcardInName), "{name}");
        }
    }
}
