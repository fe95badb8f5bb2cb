//! The work list on a disk: a log of groups, in files of a directory of its own.
//!
//! ```text
//! DIRECTORY/                      locked by the gateway that uses it
//! DIRECTORY/lock                  says which process that is
//! DIRECTORY/log/0000000007.log    segments, of which the last one is written to
//! DIRECTORY/log/mark              how far they were durable
//! DIRECTORY/log.damaged-1/        what was set aside
//! ```
//!
//! [`Log`] says what stands where, and [`tail`] when it is durable. Each segment begins
//! with a [`header`] and goes on in [`frame`]s, a group each, of [`records`], a change
//! each; [`index`] knows which of them still live. What is asked of the disk goes through
//! [`files`], in whose place the tests put [`memory`], a disk that forgets what was not
//! synced.

mod codec;
mod files;
mod found;
mod frame;
mod header;
mod index;
mod keeper;
mod lock;
mod log;
mod mark;
pub(crate) mod memory;
mod record;
mod records;
mod replay;
mod rescue;
mod segments;
mod tail;

#[cfg(test)]
mod tests;

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use super::{Contents, Group, Store, StoreError, Syncing};
use crate::own_directory::{OwnDirectory, sync_above, sync_directory};
use files::Directory;
pub use found::CutOff;
use keeper::Keeper;
use lock::Lock;
use log::Sizes;
pub use rescue::Looked;

/// A store in a directory on a disk.
#[derive(Debug)]
pub struct Disk {
    directory: PathBuf,
    keeper: Keeper<Directory>,
    lock: Lock,
}

impl Disk {
    /// Takes a directory, which is made if it is missing. Nothing is read yet. `random`
    /// is any number that guests do not know.
    ///
    /// # Errors
    /// It is not our own, another gateway has it, or it can not be used.
    pub fn open(directory: &Path, random: u64) -> Result<Self, StoreError> {
        let own = OwnDirectory::open(directory).map_err(StoreError::not_own)?;
        let directory = own.path().to_owned();
        let lock = Lock::take(&directory)?;
        // Whoever has made it may not have come so far.
        if let Some(above) = directory.parent() {
            sync_above(above).map_err(|error| StoreError::io("sync", above, error))?;
        }
        Ok(Self {
            keeper: Keeper::new(Directory(directory.join("log")), Sizes::DISK, random),
            directory,
            lock,
        })
    }

    /// What was cut off from the log when it was opened.
    pub fn cut_off(&self) -> Option<&CutOff> {
        self.keeper.log.as_ref()?.cut_off()
    }

    /// Whether there is a store in a directory, or one that was set aside, as far as that
    /// can be seen.
    pub fn is_in(directory: &Path) -> bool {
        rescue::log_in(directory).is_some()
    }

    /// Looks at what is in a directory, or in a log that was set aside, and changes
    /// nothing.
    ///
    /// # Errors
    /// Another gateway has it, or nothing can be read.
    pub fn look(directory: &Path) -> Result<Looked, StoreError> {
        rescue::look(directory)
    }

    /// Sets aside what is there, as it can not be read, and begins anew with nothing. Returns
    /// where it is now.
    ///
    /// # Errors
    /// The directory can not be written to.
    pub fn set_aside(&mut self) -> Result<PathBuf, StoreError> {
        self.keeper.log = None;
        let from = self.directory.join("log");
        let to = (1..).map(|number: u64| self.directory.join(format!("log.damaged-{number}")));
        // No name is taken twice, whatever is behind it.
        let mut to = to.skip_while(|path| {
            !matches!(fs::symlink_metadata(path), Err(error) if error.kind() == ErrorKind::NotFound)
        });
        let to = to.next().unwrap_or_default();
        fs::rename(&from, &to)
            .and_then(|()| sync_directory(&self.directory))
            .map_err(|error| StoreError::io("rename", &from, error))?;
        Ok(to)
    }
}

impl Store for Disk {
    fn load(&mut self) -> Result<Contents, StoreError> {
        self.keeper.load()
    }

    fn write(&mut self, group: &Group) -> Result<Syncing, StoreError> {
        self.keeper.write(group)
    }

    fn reopen(&mut self) -> Result<u64, StoreError> {
        // Another directory of that name may be another gateway's.
        if !self.lock.is_of(&self.directory) {
            let path = &self.directory;
            if !path.exists() {
                return Err(StoreError::Gone { path: path.clone() });
            }
            OwnDirectory::open(path).map_err(StoreError::not_own)?;
            self.lock = Lock::take(path)?;
        }
        self.keeper.reopen()
    }
}
