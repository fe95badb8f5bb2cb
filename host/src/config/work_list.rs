//! The bounds of work lists.

use super::entry::{Entry, Refusal};
use super::file::{GatewayWorkList, WorkList};
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

/// Bounds as they are written.
pub(crate) struct Bounds<'a> {
    max: &'a Option<Entry>,
    max_bytes: &'a Option<Entry>,
    overflow: &'a Option<Entry>,
}

impl<'a> From<&'a WorkList> for Bounds<'a> {
    fn from(written: &'a WorkList) -> Self {
        Self {
            max: &written.max,
            max_bytes: &written.max_bytes,
            overflow: &written.overflow,
        }
    }
}

impl<'a> From<&'a GatewayWorkList> for Bounds<'a> {
    fn from(written: &'a GatewayWorkList) -> Self {
        Self {
            max: &written.max,
            max_bytes: &written.max_bytes,
            overflow: &written.overflow,
        }
    }
}

/// Resolves bounds; what is not written is as in `otherwise`.
pub(crate) fn resolve<'a>(
    written: impl Into<Bounds<'a>>,
    otherwise: WorkListSettings,
    keys: &Keys,
) -> Result<WorkListSettings, Refusal> {
    let written = written.into();
    let mut bounds = otherwise;
    set(&mut bounds.max, written.max, keys.max, |entry| {
        entry.whole(1..=1_000_000).map(|max| max as usize)
    })?;
    set(
        &mut bounds.max_bytes,
        written.max_bytes,
        keys.max_bytes,
        |entry| size(entry, Size(128)..=Size(64 << 30)),
    )?;
    set(
        &mut bounds.overflow,
        written.overflow,
        keys.overflow,
        overflow,
    )?;
    Ok(bounds)
}

/// Refuses totals that are less than what all may have together. So each has its own
/// bounds for certain, and nobody's letters are in the way of another's.
pub(super) fn check_totals(
    written: &GatewayWorkList,
    shares: &[(&str, WorkListSettings)],
) -> Result<(), Refusal> {
    if let Some(entry) = &written.total_max {
        let refuse = |reason| entry.refuse("work-list.total-max", reason);
        let total = entry.whole(1..=100_000_000).map_err(refuse)?;
        let together: u64 = shares.iter().map(|(_, bounds)| bounds.max as u64).sum();
        if (total as u64) < together {
            let shares = listed(shares, |bounds| bounds.max.to_string());
            let reason = entry.but(format_args!(
                "is less than the {together} letters that all may have together, each by its \
                 `max`: {shares}; lower some of them in [guest.work-list], or raise this"
            ));
            return Err(refuse(reason));
        }
    }
    if let Some(entry) = &written.total_max_bytes {
        let refuse = |reason| entry.refuse("work-list.total-max-bytes", reason);
        let total = size(entry, Size(128)..=Size(1024 << 30)).map_err(refuse)?;
        let unbounded = shares
            .iter()
            .find(|(_, bounds)| bounds.max_bytes == usize::MAX);
        if let Some((name, _)) = unbounded {
            let each = Size((total / shares.len().max(1)) as u64);
            let reason = entry.but(format_args!(
                "needs `max-bytes` for each work list, and that of {name} has none; write \
                 e.g. max-bytes = {each} in [work-list], which is the same for all"
            ));
            return Err(refuse(reason));
        }
        let sum = |sum: usize, (_, bounds): &(&str, WorkListSettings)| {
            sum.saturating_add(bounds.max_bytes)
        };
        let together = shares.iter().fold(0, sum);
        if total < together {
            let shares = listed(shares, |bounds| Size(bounds.max_bytes as u64).to_string());
            let together = Size(together as u64);
            let reason = entry.but(format_args!(
                "is less than the {together} that all may have together, each by its \
                 `max-bytes`: {shares}; lower some of them in [guest.work-list], or raise this"
            ));
            return Err(refuse(reason));
        }
    }
    Ok(())
}

fn listed(shares: &[(&str, WorkListSettings)], of: impl Fn(&WorkListSettings) -> String) -> String {
    let shares = shares
        .iter()
        .map(|(name, bounds)| format!("{name} {}", of(bounds)));
    shares.collect::<Vec<_>>().join(", ")
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
