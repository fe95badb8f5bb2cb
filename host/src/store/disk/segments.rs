//! The files of the log: their names, their beginnings, and how they come and go.

use super::files::{File, Files, is_missing};
use super::header::{Header, NoHeader, VERSION};
use crate::store::StoreError;

/// What the next segment is called before its first groups are durable.
pub(super) const TEMPORARY: &str = "next";

pub(super) const NOT_AS_WRITTEN: &str = "what is there is not what was written";

/// A segment that is needed.
#[derive(Debug, Clone, Copy)]
pub(super) struct Segment {
    pub(super) number: u32,
    pub(super) length: u64,
}

/// The name of a segment.
pub(super) fn name(segment: u32) -> String {
    format!("{segment:010}.log")
}

/// The segment of this name.
pub(super) fn number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

pub(super) fn read<F: Files>(files: &F, segment: u32) -> Result<Vec<u8>, StoreError> {
    let name = name(segment);
    let bytes = files.read(&name);
    bytes.map_err(|error| StoreError::io("read", &files.path(&name), error))
}

pub(super) fn remove<F: Files>(files: &F, segment: u32) -> Result<(), StoreError> {
    let name = name(segment);
    let removed = files.remove(&name);
    removed.map_err(|error| StoreError::io("remove", &files.path(&name), error))
}

/// The header of a segment, and its length.
pub(super) fn header<F: Files>(
    files: &F,
    segment: u32,
    bytes: &[u8],
) -> Result<(Header, usize), StoreError> {
    match Header::decode(bytes) {
        Ok((header, length)) if header.segment == segment && header.oldest <= segment => {
            Ok((header, length))
        }
        Err(NoHeader::Newer(version)) => Err(StoreError::Newer {
            path: files.path(&name(segment)),
            version,
            ours: VERSION,
        }),
        _ => Err(damaged(
            files,
            segment,
            0,
            "its header is not what was written",
        )),
    }
}

/// Returns whether so many bytes can be written, and the disk has them. They are gone then.
pub(super) fn try_out<F: Files>(files: &F, bytes: usize) -> Result<(), StoreError> {
    let io = |doing, error| StoreError::io(doing, &files.path(TEMPORARY), error);
    let file = match files.create(TEMPORARY) {
        // Whoever reads the log says what is missing.
        Err(error) if is_missing(&error) => return Ok(()),
        made => made.map_err(|error| io("make", error))?,
    };
    let written = file.write(0, &vec![0; bytes]);
    let synced = written
        .map_err(|error| io("write", error))
        .and_then(|()| file.sync().map_err(|error| io("sync", error)));
    let removed = files.remove(TEMPORARY);
    synced.and(removed.map_err(|error| io("remove", error)))
}

pub(super) fn damaged<F: Files>(
    files: &F,
    segment: u32,
    at: usize,
    what: &'static str,
) -> StoreError {
    StoreError::Damaged {
        path: files.path(&name(segment)),
        at: at as u64,
        what,
    }
}

pub(super) fn salt(random: u64, segment: u32) -> u64 {
    next_random(random ^ u64::from(segment))
}

/// The next number by chance (SplitMix64).
pub(super) fn next_random(random: u64) -> u64 {
    let mixed = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}
