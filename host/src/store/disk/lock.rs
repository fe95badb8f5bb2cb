//! One gateway a directory: a file that is locked while the store is open.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use crate::store::StoreError;

/// Held while this is. A process that has ended has let go of it.
#[derive(Debug)]
pub(super) struct Lock(
    #[expect(dead_code, reason = "its file is locked as long as it is open")] File,
);

impl Lock {
    pub(super) fn take(directory: &Path) -> Result<Self, StoreError> {
        let path = directory.join("lock");
        let io = |doing, error| StoreError::io(doing, &path, error);
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).mode(0o600);
        let mut file = options.open(&path).map_err(|error| io("open", error))?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::Error(error)) => return Err(io("lock", error)),
            Err(TryLockError::WouldBlock) => {
                let mut text = String::new();
                // That it is in use is known without.
                let _ = file.read_to_string(&mut text);
                return Err(StoreError::InUse {
                    path: directory.to_owned(),
                    process: text.trim().parse().ok(),
                });
            }
        }
        // Whose it is helps whoever comes next; without room for it, it is as locked.
        let _ = say(&mut file);
        Ok(Self(file))
    }
}

fn say(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}
