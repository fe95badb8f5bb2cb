//! The stores that are compared: each keeps letters and outcomes by ticket, and
//! takes changes in groups.

mod files;
mod flow;
mod log;
mod ours;
mod redb;
mod sqlite;
pub(crate) mod trouble;

use std::collections::BTreeMap;
use std::path::Path;

use jackalope::store::Contents;

pub(crate) use files::{place, size};
pub(crate) use flow::Flow;

/// The bytes of a letter: 200 of payload, and what goes with it.
pub(crate) const LETTER: usize = 260;

/// What changes about a letter.
#[derive(Debug)]
pub(crate) enum Change {
    /// It is accepted: what it consists of.
    Accepted(u64, Vec<u8>),
    /// It has an outcome, which is kept in its place.
    Concluded(u64),
    /// Its outcome was told.
    Told(u64),
}

/// The outcome of a letter, as long as one is.
pub(crate) const OUTCOME: [u8; 8] = *b"outcome.";

/// Bytes by ticket.
pub(crate) type ByTicket = BTreeMap<u64, Box<[u8]>>;

/// What is in a store.
#[derive(Debug, PartialEq)]
pub(crate) enum Kept {
    Bytes {
        letters: ByTicket,
        outcomes: ByTicket,
    },
    Ours(Contents),
}

impl Kept {
    pub(crate) fn letters(&self) -> usize {
        match self {
            Self::Bytes { letters, .. } => letters.len(),
            Self::Ours(contents) => contents.letters.len(),
        }
    }

    pub(crate) fn outcomes(&self) -> usize {
        match self {
            Self::Bytes { outcomes, .. } => outcomes.len(),
            Self::Ours(contents) => contents.outcomes.len(),
        }
    }
}

/// Any error: a benchmark only says it.
pub(crate) type Result<T> = std::result::Result<T, Box<dyn std::error::Error>>;

/// A store that is measured.
pub(crate) trait Store {
    /// Makes a group of changes durable, all or none.
    fn commit(&mut self, group: &[Change]) -> Result<()>;

    /// Looks for damage.
    fn check(&mut self) -> Result<()> {
        Ok(())
    }

    /// Reads everything.
    fn load(&mut self) -> Result<Kept>;
}

/// Which store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    SqliteRollback,
    Redb,
    Log,
    Ours,
}

impl Kind {
    pub(crate) const ALL: [Self; 5] = [
        Self::Sqlite,
        Self::SqliteRollback,
        Self::Redb,
        Self::Log,
        Self::Ours,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite, WAL",
            Self::SqliteRollback => "SQLite, rollback journal",
            Self::Redb => "redb",
            Self::Log => "plain log",
            Self::Ours => "the gateway's",
        }
    }

    /// Opens or makes one in a directory.
    pub(crate) fn open(self, directory: &Path) -> Result<Box<dyn Store>> {
        Ok(match self {
            Self::Sqlite => Box::new(sqlite::Sqlite::open(directory, "WAL")?),
            Self::SqliteRollback => Box::new(sqlite::Sqlite::open(directory, "DELETE")?),
            Self::Redb => Box::new(redb::Redb::open(directory)?),
            Self::Log => Box::new(log::Log::open(directory)?),
            Self::Ours => Box::new(ours::Ours::open(directory)?),
        })
    }
}
