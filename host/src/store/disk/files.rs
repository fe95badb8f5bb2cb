//! The files of a store: everything that is asked of a disk goes through here, so that
//! tests can be a disk themselves.

use std::fmt::Debug;
use std::fs::{self, DirBuilder, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

use crate::own_directory::sync_directory;

/// A directory with files in it.
pub(super) trait Files: Send + Sync + Clone + Debug + 'static {
    type File: File;

    /// Where a file is, or with an empty name the directory: for errors.
    fn path(&self, name: &str) -> PathBuf;

    /// Makes the directory, if it is missing.
    fn make(&self) -> io::Result<()>;

    fn names(&self) -> io::Result<Vec<String>>;

    fn read(&self, name: &str) -> io::Result<Vec<u8>>;

    /// Opens a file for writing.
    fn open(&self, name: &str) -> io::Result<Self::File>;

    /// Makes an empty file, for writing, in the place of any that is there.
    fn create(&self, name: &str) -> io::Result<Self::File>;

    fn rename(&self, from: &str, to: &str) -> io::Result<()>;

    fn remove(&self, name: &str) -> io::Result<()>;

    /// Whether a file that was opened still has this name.
    fn is_there(&self, name: &str, file: &Self::File) -> io::Result<bool>;

    /// Returns when it is durable which files there are, by which names.
    fn sync(&self) -> io::Result<()>;
}

/// A file that is written to.
pub(super) trait File: Send + Sync + Debug {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()>;

    fn set_length(&self, length: u64) -> io::Result<()>;

    /// Returns when the content that it has now is durable. More may be written meanwhile.
    fn sync(&self) -> io::Result<()>;
}

/// A directory on a disk.
#[derive(Debug, Clone)]
pub(super) struct Directory(pub(super) PathBuf);

impl Directory {
    fn options() -> OpenOptions {
        let mut options = OpenOptions::new();
        options.write(true).mode(0o600);
        options
    }
}

impl Files for Directory {
    type File = fs::File;

    fn path(&self, name: &str) -> PathBuf {
        if name.is_empty() {
            self.0.clone()
        } else {
            self.0.join(name)
        }
    }

    fn make(&self) -> io::Result<()> {
        match DirBuilder::new().mode(0o700).create(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => sync_directory(self.0.parent().unwrap_or(&self.0)),
        }
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let entries = fs::read_dir(&self.0)?;
        let names = entries.map(|entry| Ok(entry?.file_name().into_string().unwrap_or_default()));
        names.collect()
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        fs::read(self.path(name))
    }

    fn open(&self, name: &str) -> io::Result<fs::File> {
        Self::options().open(self.path(name))
    }

    fn create(&self, name: &str) -> io::Result<fs::File> {
        Self::options()
            .create(true)
            .truncate(true)
            .open(self.path(name))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.path(from), self.path(to))
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }

    fn is_there(&self, name: &str, file: &fs::File) -> io::Result<bool> {
        let opened = file.metadata()?;
        match fs::metadata(self.path(name)) {
            Ok(named) => Ok((named.dev(), named.ino()) == (opened.dev(), opened.ino())),
            Err(error) if is_missing(&error) => Ok(false),
            Err(error) => Err(error),
        }
    }

    fn sync(&self) -> io::Result<()> {
        sync_directory(&self.0)
    }
}

/// Whether there is no such file, or something else in the way to it.
pub(super) fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

impl File for fs::File {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        self.write_all_at(bytes, at)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        self.set_len(length)
    }

    fn sync(&self) -> io::Result<()> {
        // The length is synced as well, as it takes it to read the content.
        self.sync_data()
    }
}
