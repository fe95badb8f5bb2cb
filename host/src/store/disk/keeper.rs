//! What of a store does not hang on where its files are.

use super::files::Files;
use super::log::{Log, Sizes};
use super::records::Records;
use super::segments::try_out;
use crate::store::{Contents, Group, Store, StoreError, Syncing};

/// A store in these files.
#[derive(Debug)]
pub(super) struct Keeper<F: Files> {
    files: F,
    sizes: Sizes,
    random: u64,
    /// None: before it is read, and after an error.
    pub(super) log: Option<Log<F>>,
    /// About how many bytes there was no writing of, or syncing.
    tried: usize,
}

impl<F: Files> Keeper<F> {
    pub(super) fn new(files: F, sizes: Sizes, random: u64) -> Self {
        Self {
            files,
            sizes,
            random,
            log: None,
            tried: 0,
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

impl<F: Files> Drop for Keeper<F> {
    fn drop(&mut self) {
        if let Some(log) = &self.log {
            // Without it the log is as whole.
            let _ = log.tail().mark_for_good();
        }
    }
}

impl<F: Files> Store for Keeper<F> {
    fn load(&mut self) -> Result<Contents, StoreError> {
        self.open(true)
    }

    fn write(&mut self, group: &Group) -> Result<Syncing, StoreError> {
        // An error leaves none behind.
        let mut log = self.log.take().ok_or(StoreError::Closed)?;
        let written = log.write(group).inspect_err(|_| {
            let mut records = Records::default();
            for change in &group.changes {
                records.put(0, change);
            }
            self.tried = records.bytes.len();
        })?;
        self.tried = written;
        let (tail, number) = (log.tail(), group.number);
        self.log = Some(log);
        Ok(Box::new(move || tail.sync(number)))
    }

    fn reopen(&mut self) -> Result<u64, StoreError> {
        self.log = None;
        // A log may be large: it is not read again and again for nothing.
        try_out(&self.files, self.tried)?;
        self.open(false)?;
        Ok(self.log.as_ref().map_or(0, Log::number))
    }
}
