//! What can be wrong with a store, so that each kind says what to do.

use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use crate::own_directory::NotOwn;

/// Why a store can not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// There is no room.
    #[error(
        "the disk is full: {} can not be written; make room on its file system",
        path.display()
    )]
    Full {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// Nothing can be written there.
    #[error(
        "the file system is read-only: {} can not be written; mount it for writing, and \
         look into the kernel's log whether an error of the disk has made it read-only",
        path.display()
    )]
    ReadOnly {
        /// What was to be written.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// This user may not.
    #[error(
        "user {user} may not {doing} {}; give it to this user: `{}`",
        path.display(),
        giving(doing, path, *user)
    )]
    NoPermission {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// The id of the user of this process.
        user: u32,
        /// What the operating system says.
        source: io::Error,
    },
    /// The disk does not do what it is told.
    #[error(
        "can not {doing} {}; look into the kernel's log whether the disk has failed",
        path.display()
    )]
    Io {
        /// What was tried.
        doing: &'static str,
        /// With which file or directory.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// What is there is not what was written.
    #[error(
        "{} is damaged at byte {at}: {what}; restore the directory from a copy, or have it \
         set aside with `on-damage = \"set-aside\"` in [work-list], which begins with an \
         empty work list; `jackalope letters --directory DIR --export` prints the letters \
         that can be read",
        path.display()
    )]
    Damaged {
        /// Which file.
        path: PathBuf,
        /// From which byte on it can not be read.
        at: u64,
        /// What is wrong there.
        what: &'static str,
    },
    /// A newer program has written it.
    #[error(
        "{} has version {version} of the format, and this program reads no newer one than \
         {ours}; start the newer program, name another directory, or have it set aside with \
         `on-damage = \"set-aside\"` in [work-list]",
        path.display()
    )]
    Newer {
        /// Which file.
        path: PathBuf,
        /// Its version.
        version: u32,
        /// The newest one that is read.
        ours: u32,
    },
    /// Somebody has removed or renamed it, or what it is in.
    #[error(
        "{} was removed or renamed while it was in use; put it back, or start the gateway \
         again, which begins an empty work list",
        path.display()
    )]
    Gone {
        /// Which file or directory.
        path: PathBuf,
    },
    /// Another process has it.
    #[error(
        "{} is in use by {}; each gateway needs a directory of its own",
        path.display(),
        match process { Some(id) => format!("process {id}"), None => "another process".to_owned() }
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The id of that process, if it has said so.
        process: Option<u32>,
    },
    /// The directory could be changed by others, or is none.
    #[error("the work list has no place of its own")]
    NotOwn(#[source] NotOwn),
    /// A group is larger than any file takes.
    #[error("a group of {bytes} bytes is too large to be written at once")]
    TooLarge {
        /// How large it is.
        bytes: u64,
    },
    /// Groups come in their order, each once.
    #[error("group {number} can not be committed: the next one is {next}")]
    Number {
        /// Which group was to be committed.
        number: u64,
        /// Which one is next.
        next: u64,
    },
    /// What another store than that of the gateway says, in its own words.
    #[error("the work list can not be kept")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// There was an error before.
    #[error("the store is closed since an error, and was not opened again")]
    Closed,
}

/// What gives a file or a directory to a user. Where it is not there, that is what it
/// would be in; of what is above a work list nothing is given away.
fn giving(doing: &str, path: &Path, user: u32) -> String {
    if doing == MAKING && !path.exists() {
        return format!("install -d -o {user} {}", path.display());
    }
    let mut places = [Some(path), path.parent()].into_iter().flatten();
    let given = places.find(|path| path.exists()).unwrap_or(path);
    format!("chown -R {user} {}", given.display())
}

/// What is done with a file that is there.
const READING: &str = "read";

fn is_want(error: &io::Error) -> bool {
    use rustix::io::Errno;
    let errors = [Errno::MFILE, Errno::NFILE, Errno::NOMEM, Errno::INTR];
    errors
        .map(|it| Some(it.raw_os_error()))
        .contains(&error.raw_os_error())
}

/// What is done with the directory of a work list, which is made if it is missing.
const MAKING: &str = "use";

impl StoreError {
    /// A directory is not our own.
    pub(super) fn not_own(error: NotOwn) -> Self {
        match error {
            NotOwn::Unusable { path, source } => Self::io(MAKING, &path, source),
            error => Self::NotOwn(error),
        }
    }

    /// Whether it is about what is in a file, or that a file can not be read: without that
    /// file it would be over.
    pub fn is_of_a_file(&self) -> bool {
        match self {
            Self::Damaged { .. } | Self::Newer { .. } => true,
            Self::NoPermission { doing, .. } => *doing == READING,
            // Or it is for want of what this process needs.
            Self::Io { doing, source, .. } => *doing == READING && !is_want(source),
            _ => false,
        }
    }

    /// An error of the operating system, in doing this with a file.
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        let path = path.to_owned();
        match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
                Self::Full { path, source }
            }
            ErrorKind::ReadOnlyFilesystem => Self::ReadOnly { path, source },
            ErrorKind::PermissionDenied => Self::NoPermission {
                doing,
                path,
                user: rustix::process::geteuid().as_raw(),
                source,
            },
            _ => Self::Io {
                doing,
                path,
                source,
            },
        }
    }
}
