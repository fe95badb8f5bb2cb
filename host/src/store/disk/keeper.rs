//! What of a store does not hang on where its files are.

use super::files::Files;
use super::log::{Log, Sizes};
use crate::store::{Contents, Group, Store, StoreError};

/// A store in these files.
#[derive(Debug)]
pub(super) struct Keeper<F: Files> {
    files: F,
    sizes: Sizes,
    random: u64,
    /// None: before it is read, and after an error.
    pub(super) log: Option<Log<F>>,
}

impl<F: Files> Keeper<F> {
    pub(super) fn new(files: F, sizes: Sizes, random: u64) -> Self {
        Self {
            files,
            sizes,
            random,
            log: None,
        }
    }

    /// Opens it. Returns what is in it, if it is asked for.
    fn open(&mut self, is_asked: bool) -> Result<Contents, StoreError> {
        self.log = None;
        let (log, contents) = Log::open(self.files.clone(), self.sizes, self.random, is_asked)?;
        self.log = Some(log);
        Ok(contents)
    }
}

impl<F: Files> Store for Keeper<F> {
    fn load(&mut self) -> Result<Contents, StoreError> {
        self.open(true)
    }

    fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        // An error leaves none behind.
        let mut log = self.log.take().ok_or(StoreError::Closed)?;
        log.commit(group)?;
        self.log = Some(log);
        Ok(())
    }

    fn reopen(&mut self) -> Result<u64, StoreError> {
        self.open(false)?;
        Ok(self.log.as_ref().map_or(0, Log::number))
    }
}
