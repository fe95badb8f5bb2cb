//! Topic filters as they are configured: levels can have names.

use std::fmt;
use std::str::FromStr;
use std::sync::Arc;

use super::topic::{self, TopicError};

/// A topic filter as it is configured: `doors/{door}/request` is to the broker
/// `doors/+/request`, and `{rest...}` at the end is `#`. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Filter(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    written: Arc<str>,
    plain: Arc<str>,
    /// Which levels of a topic have names, ascending.
    named: Vec<Named>,
}

#[derive(Debug, PartialEq, Eq)]
struct Named {
    place: usize,
    name: Box<str>,
    /// Whether it stands for this level and all that follow.
    is_rest: bool,
}

/// Why a text is no topic filter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilterError {
    /// It is none of MQTT.
    Topic(TopicError),
    /// A brace shares its level with other characters, or has no counterpart.
    MisplacedBrace,
    /// A name that is none.
    Name(String),
    /// Two levels have this name.
    NamedTwice(String),
    /// A name with `...` that is not the last level.
    RestNotLast(String),
}

impl Filter {
    /// As it is configured.
    pub fn as_str(&self) -> &Arc<str> {
        &self.0.written
    }

    /// As the broker is to see it.
    pub fn plain(&self) -> &Arc<str> {
        &self.0.plain
    }

    /// The levels of a topic that it matches, as far as it names them.
    pub fn levels<'a>(&'a self, topic: &'a str) -> Vec<(&'a str, &'a str)> {
        let mut rest = Some(topic);
        let mut at = 0;
        let level = |named: &'a Named| {
            while at < named.place {
                rest = rest
                    .and_then(|rest| rest.split_once('/'))
                    .map(|(_, rest)| rest);
                at += 1;
            }
            // `{rest...}` also matches the level above it, which leaves nothing.
            let rest = rest.unwrap_or_default();
            let text = match named.is_rest {
                true => rest,
                false => rest.split_once('/').map_or(rest, |(level, _)| level),
            };
            (&*named.name, text)
        };
        self.0.named.iter().map(level).collect()
    }
}

impl FromStr for Filter {
    type Err = FilterError;

    fn from_str(written: &str) -> Result<Self, FilterError> {
        let (mut plain, mut named) = (Vec::new(), Vec::<Named>::new());
        // The topics of a shared subscription have neither of its first two levels.
        let before = if topic::is_shared(written) { 2 } else { 0 };
        let mut levels = written.split('/').enumerate().peekable();
        while let Some((place, level)) = levels.next() {
            let Some(name) = name(level)? else {
                plain.push(level);
                continue;
            };
            let (name, is_rest) = match name.strip_suffix("...") {
                Some(name) => (name, true),
                None => (name, false),
            };
            let is_name = |c| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
            if name.is_empty() || !name.chars().all(is_name) || place < before {
                return Err(FilterError::Name(level.to_owned()));
            }
            if named.iter().any(|other| *other.name == *name) {
                return Err(FilterError::NamedTwice(name.to_owned()));
            }
            if is_rest && levels.peek().is_some() {
                return Err(FilterError::RestNotLast(level.to_owned()));
            }
            plain.push(if is_rest { "#" } else { "+" });
            named.push(Named {
                place: place - before,
                name: name.into(),
                is_rest,
            });
        }
        let plain = plain.join("/");
        topic::check_filter(&plain).map_err(FilterError::Topic)?;
        let written: Arc<str> = written.into();
        let plain = match plain == *written {
            true => written.clone(),
            false => plain.into(),
        };
        Ok(Self(Arc::new(Inner {
            written,
            plain,
            named,
        })))
    }
}

/// What stands between the braces of a level; none if it has no braces.
fn name(level: &str) -> Result<Option<&str>, FilterError> {
    let inner = level.strip_prefix('{').and_then(|it| it.strip_suffix('}'));
    match inner {
        Some(inner) if !inner.contains(['{', '}']) => Ok(Some(inner)),
        None if !level.contains(['{', '}']) => Ok(None),
        _ => Err(FilterError::MisplacedBrace),
    }
}

impl fmt::Display for FilterError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => error.fmt(f),
            Self::MisplacedBrace => f.write_str(
                "has a misplaced brace: a level with a name is `{name}` between slashes, and \
                 nothing else",
            ),
            Self::Name(level) => write!(
                f,
                "has the level `{level}`, which is no name; write a-z, 0-9, _ and - between braces"
            ),
            Self::NamedTwice(name) => write!(f, "has two levels of the name `{name}`"),
            Self::RestNotLast(level) => {
                write!(f, "goes on behind `{level}`, which is all the rest")
            }
        }
    }
}

impl std::error::Error for FilterError {}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl fmt::Debug for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(written: &str, plain: &str, topic: &str, levels: &[(&str, &str)]) {
        let filter: Filter = written.parse().expect("it is valid");
        assert_eq!(&**filter.plain(), plain);
        assert_eq!(&**filter.as_str(), written);
        assert_eq!(filter.levels(topic), levels, "{written} on {topic}");
    }

    #[test]
    fn levels_with_names_are_found_again_in_the_topic() {
        check("a/+/#", "a/+/#", "a/b/c", &[]);
        check(
            "doors/{door}/request",
            "doors/+/request",
            "doors/front/request",
            &[("door", "front")],
        );
        check("{a}/x/{b-2}", "+/x/+", "1/x/", &[("a", "1"), ("b-2", "")]);
        check("a/{rest...}", "a/#", "a/b/c", &[("rest", "b/c")]);
        check("a/{rest...}", "a/#", "a", &[("rest", "")]);
        check("{all...}", "#", "a/b", &[("all", "a/b")]);
        check(
            "+/{b}/{c...}",
            "+/+/#",
            "1/2/3/4",
            &[("b", "2"), ("c", "3/4")],
        );
        check("$share/g/a/{b}", "$share/g/a/+", "a/1", &[("b", "1")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (written, error) in [
            ("", FilterError::Topic(TopicError::Empty)),
            ("a/#/b", FilterError::Topic(TopicError::MisplacedWildcard)),
            ("a/x{b}", FilterError::MisplacedBrace),
            ("a/{b", FilterError::MisplacedBrace),
            ("a/b}", FilterError::MisplacedBrace),
            ("{{a}}", FilterError::MisplacedBrace),
            ("{}", FilterError::Name("{}".into())),
            ("{Door}", FilterError::Name("{Door}".into())),
            ("{a b}", FilterError::Name("{a b}".into())),
            ("$share/{g}/a", FilterError::Name("{g}".into())),
            ("{a}/{a}", FilterError::NamedTwice("a".into())),
            ("{a}/{a...}", FilterError::NamedTwice("a".into())),
            ("{a...}/b", FilterError::RestNotLast("{a...}".into())),
        ] {
            assert_eq!(written.parse::<Filter>(), Err(error), "{written}");
        }
    }
}
