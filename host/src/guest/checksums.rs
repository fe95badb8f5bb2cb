//! Checksums of the files below a directory: what a worn-out disk has changed is
//! removed before anybody reads it.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// The checksums of all files below a directory that have no extension, which
/// those that come and go have.
///
/// Processes that share the directory may remove what another one has just
/// added, or is about to read. It comes again at the next start.
pub(super) struct Checksums {
    directory: PathBuf,
    /// The file that lists them, outside of the directory.
    list: PathBuf,
    known: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Checksums {
    /// Removes each file that is not on the list as it is.
    ///
    /// # Errors
    /// One of them can not be removed, or not even be found.
    pub(super) fn check(directory: &Path, list: &Path) -> io::Result<Self> {
        let mut listed = read(list);
        let mut known = BTreeMap::new();
        for file in files(directory)? {
            // A file that can not be read is as bad as one that has changed.
            match (checksum(&file).ok(), listed.remove(&file)) {
                (Some(sum), Some(expected)) if sum == expected => {
                    known.insert(file, sum);
                }
                _ => or_gone(fs::remove_file(&file), ())?,
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            list: list.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// Puts the files on the list that are new since the beginning.
    ///
    /// # Errors
    /// The list can not be written, or the directory can not be read.
    pub(super) fn add_new(&self) -> io::Result<()> {
        let mut known = self.known();
        for file in files(&self.directory)? {
            if known.contains_key(&file) {
                continue;
            }
            // What can not be read is not listed, and removed at the next start.
            if let Ok(sum) = checksum(&file) {
                known.insert(file, sum);
            }
        }
        let lines = known
            .iter()
            .map(|(file, sum)| format!("{sum:016x} {}\n", file.display()));
        let text: String = lines.collect();
        // As a whole or not at all; each process with a file of its own.
        let new = self.list.with_extension(std::process::id().to_string());
        fs::write(&new, text)?;
        fs::rename(&new, &self.list)
    }

    /// The map is right between any two statements.
    fn known(&self) -> MutexGuard<'_, BTreeMap<PathBuf, u64>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a list says. A list that is damaged says less.
fn read(list: &Path) -> BTreeMap<PathBuf, u64> {
    let text = fs::read_to_string(list).unwrap_or_default();
    let line = |line: &str| {
        let (sum, file) = line.split_once(' ')?;
        Some((file.into(), u64::from_str_radix(sum, 16).ok()?))
    };
    text.lines().filter_map(line).collect()
}

/// Against accidents, not against malice. Another release of Rust may hash
/// otherwise, which costs compiling once more.
fn checksum(file: &Path) -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    hasher.write(&fs::read(file)?);
    Ok(hasher.finish())
}

/// All files without an extension below a directory.
fn files(directory: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut directories = vec![directory.to_owned()];
    while let Some(directory) = directories.pop() {
        let entries = fs::read_dir(&directory).and_then(Iterator::collect);
        let entries: Vec<DirEntry> = or_gone(entries, Vec::new())?;
        for entry in entries {
            let path = entry.path();
            if entry.file_type()?.is_dir() {
                directories.push(path);
            } else if path.extension().is_none() {
                found.push(path);
            }
        }
    }
    Ok(found)
}

/// Another process may have been faster to remove it.
fn or_gone<T>(result: io::Result<T>, gone: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(gone),
        result => result,
    }
}
