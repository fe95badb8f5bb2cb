//! The timers that a guest has from the start.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::entry::{Entry, Origin, Refusal};
use super::file::Timer;
use super::table::Table;
use super::values::{Period, period};
use crate::office::{NotSet, SHORTEST_PERIOD, Schedule};

/// What errors call a timer and its keys.
pub(crate) struct Keys {
    pub(crate) table: &'static str,
    pub(crate) name: &'static str,
    pub(crate) every: &'static str,
    pub(crate) first: &'static str,
    pub(crate) after: &'static str,
}

/// Those in `[[guest.timer]]`.
pub(super) const OF_GUEST: Keys = Keys {
    table: "guest.timer",
    name: "guest.timer.name",
    every: "guest.timer.every",
    first: "guest.timer.first",
    after: "guest.timer.after",
};

/// Resolves the timers of one guest, which may have `max`.
pub(crate) fn resolve(
    written: &[Table<Timer>],
    max: usize,
    keys: &Keys,
) -> Result<Vec<(Arc<str>, Schedule)>, Refusal> {
    let refuse = |timer: &Table<Timer>, key, reason: &str| Refusal {
        origin: Origin::File(timer.span.clone()),
        key,
        reason: reason.to_owned(),
    };
    if let Some(first_too_many) = written.get(max) {
        let reason = NotSet::TooMany(max).to_string();
        return Err(refuse(first_too_many, keys.table, &reason));
    }
    let mut seen = BTreeSet::new();
    let mut timers = Vec::with_capacity(written.len());
    for timer in written {
        let Some(name) = &timer.keys.name else {
            let reason = r#"is missing; write e.g. name = "read""#;
            return Err(refuse(timer, keys.name, reason));
        };
        let text = name
            .text()
            .map_err(|reason| name.refuse(keys.name, reason))?;
        if !seen.insert(text) {
            return Err(name.refuse(keys.name, name.but("is there twice")));
        }
        let schedule = match (&timer.keys.every, &timer.keys.after) {
            (Some(every), None) => {
                let mut schedule = Schedule::every(time(every, keys.every)?);
                if let Some(first) = &timer.keys.first {
                    schedule.first = time(first, keys.first)?;
                }
                schedule
            }
            (None, Some(after)) => {
                if let Some(first) = &timer.keys.first {
                    let reason = first.but("is for a timer with `every`");
                    return Err(first.refuse(keys.first, reason));
                }
                Schedule::once(time(after, keys.after)?)
            }
            _ => {
                let reason = r#"needs `every` or `after`, and not both; write e.g. every = "10s""#;
                return Err(refuse(timer, keys.table, reason));
            }
        };
        if schedule.check(text) == Err(NotSet::Name) {
            let reason = "is not 1 to 64 bytes without control characters";
            return Err(name.refuse(keys.name, name.but(reason)));
        }
        timers.push((Arc::from(text), schedule));
    }
    Ok(timers)
}

/// Up to a year, so that a unit too much is noticed.
fn time(entry: &Entry, key: &'static str) -> Result<Duration, Refusal> {
    const YEAR: Period = Period::from_secs(365 * 86_400);

    period(entry, Period(SHORTEST_PERIOD)..=YEAR).map_err(|reason| entry.refuse(key, reason))
}
