//! The bounds of work lists.

use super::entry::{Entry, Refusal};
use super::file::WorkList;
use super::resolve::set;
use super::values::{Size, size};
use crate::office::{Overflow, WorkListSettings};

/// What errors call the keys.
pub(crate) struct Keys {
    pub(crate) max: &'static str,
    pub(crate) max_bytes: &'static str,
    pub(crate) overflow: &'static str,
}

/// Those of `[work-list]`.
pub(crate) const OF_ALL: Keys = Keys {
    max: "work-list.max",
    max_bytes: "work-list.max-bytes",
    overflow: "work-list.overflow",
};

/// Those of `[guest.work-list]`.
pub(super) const OF_GUEST: Keys = Keys {
    max: "guest.work-list.max",
    max_bytes: "guest.work-list.max-bytes",
    overflow: "guest.work-list.overflow",
};

/// Resolves bounds; what is not written is as in `otherwise`.
pub(crate) fn resolve(
    written: &WorkList,
    otherwise: WorkListSettings,
    keys: &Keys,
) -> Result<WorkListSettings, Refusal> {
    let mut bounds = otherwise;
    set(&mut bounds.max, &written.max, keys.max, |entry| {
        entry.whole(1..=1_000_000).map(|max| max as usize)
    })?;
    set(
        &mut bounds.max_bytes,
        &written.max_bytes,
        keys.max_bytes,
        |entry| size(entry, Size(128)..=Size(64 << 30)),
    )?;
    set(
        &mut bounds.overflow,
        &written.overflow,
        keys.overflow,
        overflow,
    )?;
    Ok(bounds)
}

fn overflow(entry: &Entry) -> Result<Overflow, String> {
    match entry.value.as_str() {
        Some("drop-oldest") => Ok(Overflow::DropOldest),
        Some("drop-newest") => Ok(Overflow::DropNewest),
        Some("reject") => Ok(Overflow::Reject),
        _ => Err(entry
            .but(r#"is not a way to overflow; write "drop-oldest", "drop-newest" or "reject""#)),
    }
}
