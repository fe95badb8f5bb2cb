//! Checksums of the compiled components in a cache: what a worn-out disk has
//! changed is removed before anybody reads it.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{DefaultHasher, Hasher};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::cache_files::{find, shrink};

/// The file that lists them, in the directory of the cache.
const LIST: &str = "checksums.list";

/// The checksums of all components below a directory.
///
/// Processes that share the directory may remove what another one has just
/// added, or is about to read. It comes again at the next start.
pub(super) struct Checksums {
    directory: PathBuf,
    known: Mutex<BTreeMap<PathBuf, u64>>,
}

impl Checksums {
    /// Removes each component that is not on the list as it is.
    ///
    /// # Errors
    /// One of them can not be removed, or not even be found.
    pub(super) fn check(directory: &Path) -> io::Result<Self> {
        let mut listed = read(&directory.join(LIST));
        let mut known = BTreeMap::new();
        for kept in find(directory)? {
            let Some(file) = kept.component() else {
                continue;
            };
            // A file that can not be read is as bad as one that has changed.
            match (checksum(file).ok(), listed.remove(file)) {
                (Some(sum), Some(expected)) if sum == expected => {
                    known.insert(file.to_owned(), sum);
                }
                _ => kept.remove()?,
            }
        }
        Ok(Self {
            directory: directory.to_owned(),
            known: Mutex::new(known),
        })
    }

    /// Puts the components on the list that are new since the beginning, after
    /// the oldest were removed of more than so many bytes.
    ///
    /// # Errors
    /// The list can not be written, or the directory can not be read.
    pub(super) fn add_new(&self, most: u64) -> io::Result<()> {
        let mut known = self.known();
        let mut left = BTreeMap::new();
        for kept in shrink(find(&self.directory)?, most)? {
            let Some(file) = kept.component() else {
                continue;
            };
            let sum = known.get(file).copied();
            // What can not be read is not listed, and removed at the next start.
            if let Some(sum) = sum.or_else(|| checksum(file).ok()) {
                left.insert(file.to_owned(), sum);
            }
        }
        *known = left;
        let lines = known
            .iter()
            .map(|(file, sum)| format!("{sum:016x} {}\n", file.display()));
        let text: String = lines.collect();
        // As a whole or not at all; each process with a file of its own.
        let list = self.directory.join(LIST);
        let new = list.with_extension(std::process::id().to_string());
        // One that a killed process has left, and no link that leads elsewhere.
        let _ = fs::remove_file(&new);
        File::create_new(&new)?.write_all(text.as_bytes())?;
        fs::rename(&new, &list)
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
