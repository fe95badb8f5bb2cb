//! Guests by the names that tests call them by.

use std::path::Path;

use crate::example;
use crate::guest::{Component, Engine, LoadError};

/// Why there is no guest to test.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GuestError {
    /// There is no component, or it does not fit this host.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// There is no such example in this build of the host.
    #[error(
        "there is no example \"{0}\" in this binary; there is: {list}",
        list = example::NAMES.join(", ")
    )]
    NoExample(String),
}

/// Loads a guest: the path of a component, or `example:` and the name of one
/// that is built in.
pub fn load(engine: &Engine, name: &str) -> Result<Component, GuestError> {
    match name.strip_prefix("example:") {
        None => Ok(Component::load(engine, Path::new(name))?),
        Some(example) => Ok(Component::from_bytes(engine, name, bytes_of(example)?)?),
    }
}

/// The component of an example.
pub(crate) fn bytes_of(example: &str) -> Result<&'static [u8], GuestError> {
    example::component(example).ok_or_else(|| GuestError::NoExample(example.to_owned()))
}
