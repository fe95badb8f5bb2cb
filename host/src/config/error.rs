//! What is wrong with a configuration, and where.

use std::fmt;
use std::path::{Path, PathBuf};

use super::entry::{Origin, Refusal};

/// Why there is no configuration. Displays as one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ConfigError {
    /// There is no file at this path.
    NotFound(PathBuf),
    /// The file is there and cannot be read.
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the operating system says.
        reason: String,
    },
    /// The file is not text; the place is that of the first wrong byte.
    NotUtf8(Place),
    /// The file is not TOML, or holds a key or a table that it may not.
    Malformed {
        /// Where.
        place: Place,
        /// The table or key it is about, where that is known.
        key: Option<String>,
        /// What was found and what is allowed.
        reason: String,
    },
    /// A value is not allowed, or one that is needed is missing.
    Refused {
        /// Where.
        place: Place,
        /// The key, with its tables: `guest.limits.memory`.
        key: String,
        /// What was found and what is allowed.
        reason: String,
    },
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Place {
    /// In the configuration file.
    File {
        /// The path, as it was given.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// The column in characters, from 1.
        column: usize,
    },
    /// In a variable of the environment.
    Variable(String),
}

impl Place {
    /// The place of a byte of the file's text.
    pub(crate) fn in_file(path: &Path, text: &str, offset: usize) -> Self {
        let before = &text[..text.floor_char_boundary(offset)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self::File {
            path: path.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

impl ConfigError {
    /// Turns the origin of a refused value into its place.
    pub(crate) fn refused(path: &Path, text: &str, refusal: Refusal) -> Self {
        Self::Refused {
            place: match refusal.origin {
                Origin::File(span) => Place::in_file(path, text, span.start),
                Origin::Variable(name) => Place::Variable(name.to_owned()),
            },
            key: refusal.key.to_owned(),
            reason: refusal.reason,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File { path, line, column } => {
                write!(f, "{}:{line}:{column}", path.display())
            }
            Self::Variable(name) => f.write_str(name),
        }
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotFound(path) => write!(f, "{}: there is no such file", path.display()),
            Self::Unreadable { path, reason } => {
                write!(f, "{}: cannot be read: {reason}", path.display())
            }
            Self::NotUtf8(place) => write!(f, "{place}: is not UTF-8 text"),
            Self::Malformed {
                place,
                key: Some(key),
                reason,
            } => write!(f, "{place}: {key}: {reason}"),
            Self::Malformed {
                place,
                key: None,
                reason,
            } => write!(f, "{place}: {reason}"),
            // A variable says the key by its name.
            Self::Refused {
                place: Place::Variable(name),
                reason,
                ..
            } => write!(f, "{name}: {reason}"),
            Self::Refused { place, key, reason } => write!(f, "{place}: {key}: {reason}"),
        }
    }
}

impl std::error::Error for ConfigError {}
