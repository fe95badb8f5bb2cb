//! Records behind each other, as they stand in the frame of a group.

use std::borrow::Borrow;
use std::ops::Range;

use super::codec::Reader;
use super::frame::Frame;
use super::header::moment;
use super::index::{Index, Place};
use super::record::{self, Texts};
use crate::office::Change;
use crate::store::Moment;

/// What stands before a record: its length, with the lowest byte first.
const LENGTH: usize = 4;

/// Records that are put behind each other, and where each one is.
#[derive(Debug)]
pub(super) struct Records<C> {
    pub(super) bytes: Vec<u8>,
    changes: Vec<(C, Range<usize>)>,
}

impl<C: Borrow<Change>> Records<C> {
    pub(super) fn put(&mut self, boot: u32, change: C) {
        let start = self.bytes.len();
        self.bytes.extend([0; LENGTH]);
        record::encode(&mut self.bytes, boot, change.borrow());
        let length = self.bytes.len() - start - LENGTH;
        // One that is longer makes its group too large.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
        self.changes.push((change, start..self.bytes.len()));
    }

    /// Takes one as it stands elsewhere.
    pub(super) fn copy(&mut self, change: C, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(record);
        self.changes.push((change, start..self.bytes.len()));
    }

    /// They stand in this segment, and what `bytes` begins with from this byte on.
    pub(super) fn note(self, index: &mut Index, segment: u32, at: u64) {
        for (change, range) in self.changes {
            let at = at as usize;
            let range = at + range.start..at + range.end;
            index.note(change.borrow(), place(segment, &range));
        }
    }
}

impl<C> Records<C> {
    /// None yet, behind these bytes.
    pub(super) fn behind(bytes: Vec<u8>) -> Self {
        Self {
            bytes,
            changes: Vec::new(),
        }
    }
}

impl<C> Default for Records<C> {
    fn default() -> Self {
        Self::behind(Vec::new())
    }
}

/// Hands out the records of a group: the boot and the change, and where it stands in the
/// frame. None: it is not as it was written.
pub(super) fn each_record(
    frame: Frame<'_>,
    texts: &mut Texts,
    mut each: impl FnMut(u32, Change, Range<usize>),
) -> Option<Moment> {
    let mut reader = Reader(frame.content);
    let moment = moment(&mut reader)?;
    while !reader.is_at_end() {
        let start = frame.size() - reader.0.len();
        let length = u32::from_le_bytes(reader.array()?);
        let record = reader.take(usize::try_from(length).ok()?)?;
        let (boot, change) = record::decode(record, texts)?;
        each(boot, change, start..frame.size() - reader.0.len());
    }
    Some(moment)
}

/// A place in a segment. None is larger than [`u32::MAX`].
pub(super) fn place(segment: u32, range: &Range<usize>) -> Place {
    Place {
        segment,
        at: range.start as u32,
        size: range.len() as u32,
    }
}
