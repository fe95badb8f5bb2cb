//! What a call does to the timers of its guest.

use std::sync::Arc;
use std::time::Duration;

use super::{NotSet, Schedule, TimerTable};
use crate::office::rarely::Rarely;
use crate::office::{Call, Time};

/// What a call does to the timers of its guest, not yet committed: by name, what is to
/// be set, or that it is cancelled.
///
/// There are never more of them than the guest may have timers and has had.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimerChanges(Rarely<Option<Schedule>>);

/// A timer as it is listed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedTimer {
    /// Its name.
    pub name: Arc<str>,
    /// How long it is to the next moment that it is due, of those to come.
    pub due_in: Duration,
    /// How long it is from each moment to the next; none if it is due once.
    pub period: Option<Duration>,
}

impl TimerChanges {
    /// Where a call begins. To one with a timer that is due once, that timer is gone.
    #[inline]
    pub fn beginning(call: &Call) -> Self {
        match call {
            Call::Timer(due) if due.period.is_none() => {
                Self(Rarely::from_iter([(due.name.clone(), None)]))
            }
            _ => Self::default(),
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Sets a timer, in the place of one of the same name. `table` has those from
    /// before the call, and the guest may have `max` in all.
    ///
    /// # Errors
    /// Why it is not set. Then one of the same name stays.
    pub fn set(
        &mut self,
        table: Option<&TimerTable>,
        max: usize,
        name: &str,
        schedule: Schedule,
    ) -> Result<(), NotSet> {
        schedule.check(name)?;
        if !self.has(table, name) && self.len(table) >= max {
            return Err(NotSet::TooMany(max));
        }
        self.0.insert(Arc::from(name), Some(schedule));
        Ok(())
    }

    /// Cancels a timer. Returns whether there was one.
    pub fn cancel(&mut self, table: Option<&TimerTable>, name: &str) -> bool {
        let there_was = self.has(table, name);
        match table.and_then(|table| table.0.get_key_value(name)) {
            Some((name, _)) => {
                self.0.insert(name.clone(), None);
            }
            None => {
                self.0.remove(name);
            }
        }
        there_was
    }

    /// The timers as they are with these changes, by their names.
    pub fn list(&self, table: Option<&TimerTable>, now: Time) -> Vec<ListedTimer> {
        let before = table.iter().flat_map(|table| &table.0);
        let kept = before.filter(|(name, _)| !self.0.contains_key(name));
        let kept = kept.map(|(name, entry)| ListedTimer {
            name: name.clone(),
            due_in: entry.next(now).since(now),
            period: entry.period,
        });
        let set = self.0.iter().filter_map(|(name, schedule)| {
            let Schedule { first, period } = (*schedule)?;
            Some(ListedTimer {
                name: name.clone(),
                due_in: first,
                period,
            })
        });
        let mut all: Vec<_> = kept.chain(set).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    pub(in crate::office) fn into_all(self) -> impl Iterator<Item = (Arc<str>, Option<Schedule>)> {
        self.0.into_iter()
    }

    fn has(&self, table: Option<&TimerTable>, name: &str) -> bool {
        match self.0.get(name) {
            Some(schedule) => schedule.is_some(),
            None => table.is_some_and(|table| table.0.contains_key(name)),
        }
    }

    fn len(&self, table: Option<&TimerTable>) -> usize {
        let before = table.map_or(0, |table| table.0.len());
        let is_new = |name: &Arc<str>| table.is_none_or(|table| !table.0.contains_key(name));
        let changed = self.0.iter();
        changed.fold(before, |count, (name, schedule)| match schedule {
            Some(_) => count + usize::from(is_new(name)),
            None => count - usize::from(!is_new(name)),
        })
    }
}
