//! The segment that is written to, and how far it is durable.
//!
//! Groups are written in one thread while those before them are synced in another. A new
//! segment has its first groups before it has its name, which it gets when they are
//! durable: so what a name stands for is always whole.

use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use super::files::{File, Files};
use super::header::Header;
use super::mark::{Durable, Mark};
use super::segments::{TEMPORARY, name};
use crate::store::StoreError;

/// So many groups at most are written and not durable: these a power cut may tear.
pub(super) const UNDER_WAY: u64 = 4;

#[derive(Debug)]
pub(super) struct Tail<F: Files> {
    files: F,
    file: F::File,
    segment: u32,
    mark: Arc<Mark<F>>,
    /// The last group that was written.
    written: AtomicU64,
    /// The last group that is durable.
    durable: AtomicU64,
    is_named: AtomicBool,
    /// Held while the disk is asked for what is durable, which one thread does at a time:
    /// an error is told to one of them, and none may go on after it.
    is_failed: Mutex<bool>,
}

impl<F: Files> Tail<F> {
    /// A segment that has its name, and in which all is durable up to a group.
    pub(super) fn of(
        files: F,
        file: F::File,
        segment: u32,
        mark: Arc<Mark<F>>,
        group: u64,
    ) -> Self {
        Self {
            files,
            file,
            segment,
            mark,
            written: AtomicU64::new(group),
            durable: AtomicU64::new(group),
            is_named: AtomicBool::new(true),
            is_failed: Mutex::new(false),
        }
    }

    /// The mark, which is of the segment that is written to.
    pub(super) fn mark(&self) -> Arc<Mark<F>> {
        self.mark.clone()
    }

    /// Begins a segment behind one in which all is durable. Returns the length of its
    /// header as well.
    pub(super) fn begin(
        files: &F,
        header: &Header,
        mark: Arc<Mark<F>>,
    ) -> Result<(Self, u64), StoreError> {
        let io = |doing, error| StoreError::io(doing, &files.path(TEMPORARY), error);
        let bytes = header.encode();
        let file = files.create(TEMPORARY).map_err(|error| io("make", error))?;
        file.write(0, &bytes).map_err(|error| io("write", error))?;
        let group = header.position.number;
        let mut tail = Self::of(files.clone(), file, header.segment, mark, group);
        tail.is_named = AtomicBool::new(false);
        Ok((tail, bytes.len() as u64))
    }

    pub(super) fn is_named(&self) -> bool {
        self.is_named.load(Ordering::Acquire)
    }

    /// The last group that is durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    /// Writes a group.
    pub(super) fn write(&self, at: u64, frame: &[u8], group: u64) -> Result<(), StoreError> {
        let written = self.file.write(at, frame);
        written.map_err(|error| self.io("write", error))?;
        self.written.store(group, Ordering::Release);
        Ok(())
    }

    /// Returns when a group is durable, and all that was written before this was called.
    pub(super) fn sync(&self, group: u64) -> Result<(), StoreError> {
        let is_durable = || self.is_named() && group <= self.durable();
        if is_durable() {
            return Ok(());
        }
        let mut is_failed = self.is_failed.lock().map_err(|_| StoreError::Closed)?;
        // By another thread meanwhile.
        if is_durable() {
            return Ok(());
        }
        if *is_failed {
            return Err(StoreError::Closed);
        }
        *is_failed = true;
        let number = self.written.load(Ordering::Acquire);
        let synced = self.file.sync();
        synced.map_err(|error| self.io("sync", error))?;
        let durable = self.up_to(number);
        if self.is_named() {
            self.check_place()?;
            self.mark.note(durable);
        } else {
            self.name()?;
            self.mark.note_for_good(&self.files, durable)?;
        }
        self.is_named.store(true, Ordering::Release);
        self.durable.store(number, Ordering::Release);
        *is_failed = false;
        Ok(())
    }

    /// Notes how far it is durable, and returns when the disk has the mark. One that has
    /// no name is not there, and the mark is of the segment before.
    pub(super) fn mark_for_good(&self) -> Result<(), StoreError> {
        if !self.is_named() {
            return Ok(());
        }
        let durable = self.up_to(self.durable());
        self.mark.note_for_good(&self.files, durable)
    }

    fn up_to(&self, number: u64) -> Durable {
        let segment = self.segment;
        Durable { segment, number }
    }

    fn name(&self) -> Result<(), StoreError> {
        let named = self.files.rename(TEMPORARY, &name(self.segment));
        named.map_err(|error| self.io("name", error))?;
        let synced = self.files.sync();
        synced.map_err(|error| StoreError::io("sync", &self.files.path(""), error))
    }

    /// What is durable is of no use where nobody finds it.
    fn check_place(&self) -> Result<(), StoreError> {
        let name = name(self.segment);
        match self.files.is_there(&name, &self.file) {
            Ok(true) => Ok(()),
            Ok(false) => Err(StoreError::Gone {
                path: self.files.path(&name),
            }),
            Err(error) => Err(self.io("look at", error)),
        }
    }

    fn io(&self, doing: &'static str, error: io::Error) -> StoreError {
        StoreError::io(doing, &self.files.path(&name(self.segment)), error)
    }
}
