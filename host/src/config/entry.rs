//! One value as written, with the place it was written at.

use std::fmt::Display;
use std::ops::{Range, RangeInclusive};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

/// A value as written, of any type, so that a value of the wrong type is refused
/// in the same words as any other wrong value.
#[derive(Clone)]
pub(crate) struct Entry {
    pub(crate) value: Value,
    pub(crate) origin: Origin,
}

/// Where a value comes from.
#[derive(Debug, Clone)]
pub(crate) enum Origin {
    /// These bytes of the file.
    File(Range<usize>),
    /// The variable of this name.
    Variable(&'static str),
}

/// Why a value is refused.
#[derive(Debug)]
pub(crate) struct Refusal {
    pub(crate) origin: Origin,
    pub(crate) key: &'static str,
    pub(crate) reason: String,
}

impl<'de> Deserialize<'de> for Entry {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Value>::deserialize(deserializer)?;
        Ok(Self {
            origin: Origin::File(spanned.span()),
            value: spanned.into_inner(),
        })
    }
}

impl Entry {
    pub(crate) fn from_variable(name: &'static str, value: String) -> Self {
        Self {
            value: Value::String(value),
            origin: Origin::Variable(name),
        }
    }

    /// A text of a list, at the place of the list.
    pub(crate) fn of(&self, text: &str) -> Self {
        Self {
            value: Value::String(text.to_owned()),
            origin: self.origin.clone(),
        }
    }

    pub(crate) fn refuse(&self, key: &'static str, reason: String) -> Refusal {
        Refusal {
            origin: self.origin.clone(),
            key,
            reason,
        }
    }

    /// The value as an error shows it: long ones shortened, always one line.
    pub(crate) fn found(&self) -> String {
        const SHOWN: usize = 60;
        match &self.value {
            Value::String(text) if text.chars().count() > SHOWN => {
                let start: String = text.chars().take(SHOWN).collect();
                format!("{start:?}…")
            }
            Value::String(text) => format!("{text:?}"),
            Value::Array(_) => "a list".to_owned(),
            Value::Table(_) => "a table".to_owned(),
            scalar => scalar.to_string(),
        }
    }

    /// The value as found, followed by what is wrong with it.
    pub(crate) fn but(&self, what: impl Display) -> String {
        format!("{} {what}", self.found())
    }

    pub(crate) fn text(&self) -> Result<&str, String> {
        self.value
            .as_str()
            .ok_or_else(|| self.but("is not a text; put it in quotes"))
    }

    /// Parses a value that is written as a text. If it is not a text, the error
    /// is `expected`.
    pub(crate) fn parse<T: std::str::FromStr<Err: Display>>(
        &self,
        expected: T::Err,
    ) -> Result<T, String> {
        match self.value.as_str() {
            Some(text) => text.parse().map_err(|error| self.but(error)),
            None => Err(self.but(expected)),
        }
    }

    /// Where a relative path of this value begins: in the file's `directory`,
    /// or, as it is said there, in the working directory for a variable.
    pub(crate) fn place(&self, directory: &Path, path: &Path) -> PathBuf {
        match self.origin {
            Origin::File(_) => directory.join(path),
            Origin::Variable(_) => path.to_owned(),
        }
    }

    pub(crate) fn flag(&self) -> Result<bool, String> {
        match self.scalar() {
            Value::Boolean(flag) => Ok(flag),
            _ => Err(self.but("is neither true nor false")),
        }
    }

    pub(crate) fn whole(&self, allowed: RangeInclusive<u32>) -> Result<u32, String> {
        if let Value::Integer(number) = self.scalar()
            && let Ok(number) = u32::try_from(number)
            && allowed.contains(&number)
        {
            return Ok(number);
        }
        let (min, max) = allowed.into_inner();
        Err(self.but(format_args!("is not a whole number from {min} to {max}")))
    }

    /// A variable is always text: where a number or a truth value is wanted, it
    /// is read as the file would be.
    fn scalar(&self) -> Value {
        if let (Origin::Variable(_), Value::String(text)) = (&self.origin, &self.value) {
            if let Ok(number) = text.parse() {
                return Value::Integer(number);
            }
            if let Ok(flag) = text.parse() {
                return Value::Boolean(flag);
            }
        }
        self.value.clone()
    }
}
