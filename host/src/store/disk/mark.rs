//! A mark beside the segments: how far the log was durable at some time. A log that ends
//! before that has lost something, which no power cut does.
//!
//! It is written behind each group without waiting for the disk, which has it some
//! seconds later, and is waited for where time does not matter. So it may say too little
//! and never too much; where it can not be read, it says nothing.

use std::io::ErrorKind;

use super::files::{File, Files};
use crate::store::StoreError;

const NAME: &str = "mark";

/// How far it was durable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Durable {
    /// The segment that was written to.
    pub(super) segment: u32,
    /// The last group.
    pub(super) number: u64,
}

/// The file of the mark.
#[derive(Debug)]
pub(super) struct Mark<F: Files>(F::File);

impl<F: Files> Mark<F> {
    /// Opens it, or makes it if it is missing; its name is durable when those of the
    /// directory are.
    pub(super) fn open(files: &F) -> Result<Self, StoreError> {
        let file = match files.open(NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => files.create(NAME),
            opened => opened,
        };
        let io = |error| StoreError::io("open", &files.path(NAME), error);
        file.map(Self).map_err(io)
    }

    /// It is durable so far. What fails here is passed over: the mark says too little
    /// then.
    pub(super) fn note(&self, durable: Durable) {
        let _ = self.0.write(0, &durable.encode());
    }

    /// The same, and returns when the disk has the mark.
    pub(super) fn note_for_good(&self, files: &F, durable: Durable) -> Result<(), StoreError> {
        let io = |doing, error| StoreError::io(doing, &files.path(NAME), error);
        let written = self.0.write(0, &durable.encode());
        written.map_err(|error| io("write", error))?;
        self.0.sync().map_err(|error| io("sync", error))
    }
}

impl Durable {
    /// What the mark says, if there is one.
    pub(super) fn read<F: Files>(files: &F) -> Result<Option<Self>, StoreError> {
        match files.read(NAME) {
            Ok(bytes) => Ok(Self::decode(&bytes)),
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            Err(error) => Err(StoreError::io("read", &files.path(NAME), error)),
        }
    }

    fn encode(self) -> Vec<u8> {
        let mut out = self.segment.to_le_bytes().to_vec();
        out.extend(self.number.to_le_bytes());
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (said, sum) = bytes.split_last_chunk()?;
        let (segment, number) = said.split_first_chunk()?;
        (crc32fast::hash(said) == u32::from_le_bytes(*sum)).then_some(Self {
            segment: u32::from_le_bytes(*segment),
            number: u64::from_le_bytes(number.try_into().ok()?),
        })
    }
}
