//! What systemd tells a service.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

/// The directory in a variable such as `CACHE_DIRECTORY`. Of a service that has
/// several, it lists them all, and this is the first. Relative ones mean nothing:
/// the working directory is anywhere.
pub(super) fn directory(variable: Option<OsString>) -> Option<PathBuf> {
    let first = env::split_paths(&variable?).next()?;
    first.is_absolute().then_some(first)
}
