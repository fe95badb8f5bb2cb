//! Where compiled components are kept.

use std::path::{Path, PathBuf};

use super::entry::Entry;

/// Where compiled components are kept from one start to the next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CacheDirectory {
    /// Where this machine keeps caches, if there is such a place.
    Default,
    /// In this directory.
    Named(PathBuf),
    /// Nowhere.
    None,
}

/// Reads a path, which may be empty. A path in the file is relative to
/// `directory`.
pub(super) fn cache_directory(entry: &Entry, directory: &Path) -> Result<CacheDirectory, String> {
    let text = entry.text()?;
    if text.is_empty() {
        return Ok(CacheDirectory::None);
    }
    let path = super::resolve::path(entry)?;
    Ok(CacheDirectory::Named(entry.place(directory, path)))
}
