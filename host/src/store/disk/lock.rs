//! One gateway a directory. The directory itself is locked while the store is open, so
//! that removing a file lets nobody else in.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::store::StoreError;

/// The file that says whose a directory is.
const NAME: &str = "lock";

/// Held while this is. A process that has ended has let go of it.
#[derive(Debug)]
pub(super) struct Lock {
    directory: Locked,
    /// Locked as well, for file systems that lock nothing else.
    _file: Locked,
}

/// A file that is locked, and unlocked when this is dropped: to close it is not enough
/// while a child that was just begun has not closed its copy.
#[derive(Debug)]
struct Locked(File);

impl Drop for Locked {
    fn drop(&mut self) {
        // One that could not be locked need not be unlocked.
        let _ = self.0.unlock();
    }
}

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let held = lock_directory(directory)?;
        let path = directory.join(NAME);
        let io = |doing, error| StoreError::io(doing, &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(|error| io("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(io("lock", error)),
            Err(TryLockError::WouldBlock) => return Err(in_use(directory)),
        }
        // Whose it is helps whoever comes next; without room for it, it is as locked.
        let _ = say(&mut file);
        Ok(Self {
            directory: held,
            _file: Locked(file),
        })
    }

    /// Whether it is still this directory that has that name.
    pub(super) fn is_of(&self, directory: &Path) -> bool {
        let which = |about: fs::Metadata| (about.dev(), about.ino());
        let held = self.directory.0.metadata().map(which).ok();
        held.is_some() && held == fs::metadata(directory).map(which).ok()
    }
}

/// For somebody who only looks: nothing is written.
pub(super) fn look(directory: &Path) -> Result<impl Sized, StoreError> {
    let held = lock_directory(directory)?;
    let file = File::open(directory.join(NAME)).ok();
    match file.as_ref().map(File::try_lock_shared) {
        Some(Err(TryLockError::WouldBlock)) => Err(in_use(directory)),
        _ => Ok((held, file.map(Locked))),
    }
}

fn lock_directory(directory: &Path) -> Result<Locked, StoreError> {
    let opened = File::open(directory);
    let opened = opened.map_err(|error| StoreError::io("open", directory, error))?;
    match opened.try_lock() {
        Err(TryLockError::WouldBlock) => Err(in_use(directory)),
        // NFS locks what is open for writing, which no directory is.
        Ok(()) | Err(TryLockError::Error(_)) => Ok(Locked(opened)),
    }
}

fn in_use(directory: &Path) -> StoreError {
    let mut text = String::new();
    // That it is in use is known without.
    let file = File::open(directory.join(NAME));
    let _ = file.and_then(|mut file| file.read_to_string(&mut text));
    StoreError::InUse {
        path: directory.to_owned(),
        process: text.trim().parse().ok(),
    }
}

fn say(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn a_child_that_was_just_begun_does_not_hold_it() {
        let place = TempDir::new().expect("there is a place for it");
        let lock = Lock::take(place.path()).expect("nobody has it");
        // As a child has them before it has become another program.
        let copies = [&lock.directory, &lock._file].map(|locked| locked.0.try_clone());
        assert!(copies.iter().all(Result::is_ok));
        drop(lock);
        let looked = look(place.path()).expect("nobody has it");
        drop(looked);
        Lock::take(place.path()).expect("nobody has it");
    }
}
