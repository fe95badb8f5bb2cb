//! The timers of the guests: when each is due, and whose it is.
//!
//! A timer belongs to the office and not to the instance of its guest, so it survives
//! whatever happens to that. It has one of two places: it waits for its moment in here,
//! or it waits in the [inbox](super::guests) of its guest until that has been called
//! with it. So it never waits there twice: what is due meanwhile is missed, and counted.

mod changes;
mod schedule;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::work_list::Deadlines;
use super::{GuestId, GuestSettings, Time};

pub use changes::{ListedTimer, TimerChanges};
pub use schedule::{MAX_TIMER_NAME, NotSet, SHORTEST_PERIOD, Schedule};

/// A timer of which its moment has come, as a guest is called with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DueTimer {
    /// Its name.
    pub name: Arc<str>,
    /// When it was due: of the moments that have passed, the last.
    pub due: Time,
    /// At how many moments before that it was due and is not called any more.
    pub missed: u64,
    /// How long it is from one moment to the next; none if it is due once.
    pub period: Option<Duration>,
}

/// A timer as an operator sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerStanding {
    /// Its name.
    pub name: Arc<str>,
    /// How long it is to the moment that its guest is called at next. Zero: that has
    /// come, and the call has not ended.
    pub due_in: Duration,
    /// How long it is from one moment to the next; none if it is due once.
    pub period: Option<Duration>,
    /// At how many moments since it was set its guest was not called, as a later one had
    /// come before its turn.
    pub missed: u64,
}

/// A place in the table of all timers, and which of those it was given to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TimerId {
    slot: u32,
    number: u64,
}

/// A timer in the inbox of its guest.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Due {
    pub(super) id: TimerId,
    pub(super) timer: DueTimer,
}

/// The timers of one guest, by their names. One is in here until it was told for the
/// last time.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TimerTable(BTreeMap<Arc<str>, Entry>);

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    id: TimerId,
    /// The first moment it is due. All others are whole periods later.
    first: Time,
    period: Option<Duration>,
}

/// All timers. What it costs to set one, or to find the one that is due, hardly grows
/// with their number.
#[derive(Debug)]
pub(super) struct Timers {
    all: Vec<Option<Timer>>,
    free: Vec<u32>,
    /// When those are due that wait in here.
    deadlines: Deadlines,
    /// By guest; none has nothing in it. Shared with the call that the guest is at.
    tables: Vec<Option<Arc<TimerTable>>>,
    /// By guest: whether it is gone, so that none of them is due.
    are_stopped: Vec<bool>,
    /// How many were ever due, or set: of those at the same moment, the first is first.
    numbers: u64,
}

#[derive(Debug)]
struct Timer {
    guest: GuestId,
    name: Arc<str>,
    /// The first moment of which its guest has not been told.
    at: Time,
    period: Option<Duration>,
    /// At how many before that it was not called.
    missed: u64,
    /// Of all that were ever set, which one it is.
    number: u64,
    /// Whether its guest was given it, and has not set it.
    is_given: bool,
}

impl DueTimer {
    /// The moments that have passed by `now` are one call, with the last of them.
    pub(super) fn catch_up(&mut self, now: Time) {
        if let Some(period) = self.period {
            let missed = whole_periods(self.due, period, now);
            self.missed += missed;
            self.due = after(self.due, period, missed);
        }
    }
}

impl Entry {
    /// When it is due next, after `now`; or now, if it is due once and late.
    fn next(&self, now: Time) -> Time {
        match self.period {
            Some(period) if self.first <= now => {
                let passed = whole_periods(self.first, period, now);
                after(self.first, period, passed) + period
            }
            _ => self.first.max(now),
        }
    }
}

impl TimerTable {
    fn ids(&self) -> impl Iterator<Item = TimerId> {
        self.0.values().map(|entry| entry.id)
    }
}

impl Timers {
    /// Those that are given to the guests, counted from `now`.
    pub(super) fn given(now: Time, guests: &[GuestSettings]) -> Self {
        let mut timers = Self {
            all: Vec::new(),
            free: Vec::new(),
            deadlines: Deadlines::new(),
            tables: Vec::new(),
            are_stopped: Vec::new(),
            numbers: 0,
        };
        for (index, guest) in (0..).zip(guests) {
            timers.add(now, GuestId(index), &guest.timers.given);
        }
        timers
    }

    /// A guest comes, with the timers that are given to it.
    pub(super) fn add(&mut self, now: Time, guest: GuestId, given: &[(Arc<str>, Schedule)]) {
        if self.tables.len() <= guest.index() {
            self.tables.resize(guest.index() + 1, None);
            self.are_stopped.resize(guest.index() + 1, false);
        }
        self.are_stopped[guest.index()] = false;
        for (name, schedule) in given {
            self.put(guest, name, now + schedule.first, schedule.period, true);
        }
    }

    /// A guest is gone, and may be back: none of its timers is due before. Those that it
    /// was given go.
    pub(super) fn stop(&mut self, guest: GuestId) {
        self.are_stopped[guest.index()] = true;
        let table = self.of(guest);
        for id in table.iter().flat_map(|table| table.ids()) {
            match self.get_mut(id).is_some_and(|timer| timer.is_given) {
                true => self.remove(id),
                false => self.deadlines.clear(id.slot),
            }
        }
    }

    /// It is back. Its timers go on in their rhythm, and one that was due meanwhile once
    /// is due now; the one that it is `at` a call with is not. What it is `given` it gets,
    /// unless it has set one of the name itself.
    pub(super) fn go_on(
        &mut self,
        now: Time,
        guest: GuestId,
        given: &[(Arc<str>, Schedule)],
        at: Option<TimerId>,
    ) {
        self.are_stopped[guest.index()] = false;
        let table = self.of(guest).unwrap_or_default();
        for entry in table.0.values().filter(|entry| Some(entry.id) != at) {
            let next = entry.next(now);
            if let Some(timer) = self.get_mut(entry.id) {
                timer.at = next;
                self.schedule(guest, entry.id.slot, next);
            }
        }
        let new = given.iter();
        for (name, schedule) in new.filter(|(name, _)| !table.0.contains_key(name)) {
            self.put(guest, name, now + schedule.first, schedule.period, true);
        }
    }

    /// A guest is given other timers: those that it was given as they are go on, and
    /// so do all that it has set itself, but for those of a name that it is given now.
    /// Returns those that are no more, and the names of those that it had set.
    pub(super) fn give(
        &mut self,
        now: Time,
        guest: GuestId,
        before: &[(Arc<str>, Schedule)],
        given: &[(Arc<str>, Schedule)],
    ) -> (Vec<TimerId>, Vec<Arc<str>>) {
        let (mut gone, mut set) = (Vec::new(), Vec::new());
        for (name, _) in before {
            let stays = given.iter().any(|(other, _)| other == name);
            if !stays && !self.has_set(guest, name) {
                gone.extend(self.take(guest, name));
            }
        }
        for (name, schedule) in given.iter().filter(|timer| !before.contains(timer)) {
            if self.has_set(guest, name) {
                set.push(name.clone());
            }
            gone.extend(self.put(guest, name, now + schedule.first, schedule.period, true));
        }
        (gone, set)
    }

    /// A guest is gone, and its timers with it.
    pub(super) fn remove_all(&mut self, guest: GuestId) {
        let table = self.tables[guest.index()].take();
        for id in table.iter().flat_map(|table| table.ids()) {
            self.remove(id);
        }
    }

    /// Those of one guest; none if it has none.
    #[inline]
    pub(super) fn of(&self, guest: GuestId) -> Option<Arc<TimerTable>> {
        self.tables[guest.index()].clone()
    }

    /// Whether there is one of this name that its guest has set itself.
    fn has_set(&mut self, guest: GuestId, name: &str) -> bool {
        let id = self.find(guest, name);
        let timer = id.and_then(|id| self.get_mut(id));
        timer.is_some_and(|timer| !timer.is_given)
    }

    /// How many a guest has set itself.
    pub(super) fn set_by(&self, guest: GuestId) -> usize {
        let table = self.tables[guest.index()].iter();
        let timers = table.flat_map(|table| table.ids());
        let timers = timers.filter_map(|id| self.all.get(id.slot as usize)?.as_ref());
        timers.filter(|timer| !timer.is_given).count()
    }

    /// How those of one guest are doing, by their names.
    pub(super) fn standing(
        &self,
        now: Time,
        guest: GuestId,
    ) -> impl Iterator<Item = TimerStanding> {
        let table = self.tables[guest.index()].iter();
        let ids = table.flat_map(|table| table.ids());
        let timer = |id: TimerId| self.all.get(id.slot as usize)?.as_ref();
        ids.filter_map(timer).map(move |timer| TimerStanding {
            name: timer.name.clone(),
            due_in: timer.at.since(now),
            period: timer.period,
            missed: timer.missed
                + timer
                    .period
                    .map_or(0, |period| whole_periods(timer.at, period, now)),
        })
    }

    /// When the next one is due, of those that are not in the inbox of their guest.
    #[inline]
    pub(super) fn next_deadline(&mut self) -> Option<Time> {
        self.deadlines.first()
    }

    /// Whether one of those is due.
    pub(super) fn is_due(&self, now: Time) -> bool {
        self.deadlines.is_due(now)
    }

    /// Sets a timer of this name, counted from `begin`, or makes it that there is none.
    /// Returns the one there was, which may wait in the inbox.
    pub(super) fn change(
        &mut self,
        begin: Time,
        guest: GuestId,
        name: &Arc<str>,
        schedule: Option<Schedule>,
    ) -> Option<TimerId> {
        match schedule {
            Some(Schedule { first, period }) => self.put(guest, name, begin + first, period, false),
            None => self.take(guest, name),
        }
    }

    /// There is no timer of this name any more. Returns the one there was.
    fn take(&mut self, guest: GuestId, name: &str) -> Option<TimerId> {
        let old = self.find(guest, name)?;
        self.remove(old);
        Some(old)
    }

    /// The timer of this name.
    fn find(&self, guest: GuestId, name: &str) -> Option<TimerId> {
        let table = self.tables[guest.index()].as_ref()?;
        table.0.get(name).map(|entry| entry.id)
    }

    /// There is another timer of this name. Returns the one there was.
    fn put(
        &mut self,
        guest: GuestId,
        name: &Arc<str>,
        first: Time,
        period: Option<Duration>,
        is_given: bool,
    ) -> Option<TimerId> {
        let old = self.take(guest, name);
        let id = self.insert(Timer {
            guest,
            name: name.clone(),
            at: first,
            period,
            missed: 0,
            number: self.numbers,
            is_given,
        });
        let entry = Entry { id, first, period };
        let table = self.tables[guest.index()].get_or_insert_default();
        Arc::make_mut(table).0.insert(name.clone(), entry);
        old
    }

    /// One that was set in an earlier life, in the place of one that was given.
    pub(super) fn restore(
        &mut self,
        guest: GuestId,
        name: &Arc<str>,
        first: Time,
        period: Option<Duration>,
    ) -> Option<TimerId> {
        self.put(guest, name, first, period, false);
        self.find(guest, name)
    }

    /// Whose it is, if it is still there.
    pub(super) fn guest_of(&mut self, id: TimerId) -> Option<GuestId> {
        self.get_mut(id).map(|timer| timer.guest)
    }

    /// It is known by now when one is due that does not wait in the inbox of its guest.
    pub(super) fn set_first(&mut self, id: TimerId, first: Time) {
        let Some(timer) = self.get_mut(id) else {
            return;
        };
        timer.at = first;
        let (guest, name) = (timer.guest, timer.name.clone());
        if let Some(table) = &mut self.tables[guest.index()]
            && let Some(entry) = Arc::make_mut(table).0.get_mut(&name)
        {
            entry.first = first;
        }
        self.schedule(guest, id.slot, first);
    }

    /// One that is due, for the inbox of its guest.
    pub(super) fn pop_due(&mut self, now: Time) -> Option<(GuestId, Due)> {
        let slot = self.deadlines.due(now)?;
        self.deadlines.clear(slot);
        let timer = self.all.get(slot as usize)?.as_ref()?;
        let due = Due {
            id: TimerId {
                slot,
                number: timer.number,
            },
            timer: DueTimer {
                name: timer.name.clone(),
                due: timer.at,
                missed: 0,
                period: timer.period,
            },
        };
        Some((timer.guest, due))
    }

    /// Its guest was called with it, or never will be.
    pub(super) fn handle_told(&mut self, told: &Due) {
        let Some(period) = told.timer.period else {
            return self.remove(told.id);
        };
        if let Some(timer) = self.get_mut(told.id) {
            timer.at = told.timer.due + period;
            timer.missed += told.timer.missed;
            let (guest, at) = (timer.guest, timer.at);
            self.schedule(guest, told.id.slot, at);
        }
    }

    fn get_mut(&mut self, id: TimerId) -> Option<&mut Timer> {
        let timer = self.all.get_mut(id.slot as usize)?.as_mut();
        timer.filter(|timer| timer.number == id.number)
    }

    /// One is due at this moment, unless its guest is gone.
    fn schedule(&mut self, guest: GuestId, slot: u32, at: Time) {
        self.numbers += 1;
        if !self.are_stopped[guest.index()] {
            self.deadlines.set(slot, at, self.numbers);
        }
    }

    fn insert(&mut self, timer: Timer) -> TimerId {
        let (guest, at, number) = (timer.guest, timer.at, timer.number);
        let slot = match self.free.pop() {
            Some(slot) => {
                self.all[slot as usize] = Some(timer);
                slot
            }
            None => {
                let slot = u32::try_from(self.all.len()).unwrap_or(u32::MAX);
                self.all.push(Some(timer));
                if self.deadlines.places() < self.all.len() {
                    self.deadlines.grow();
                }
                slot
            }
        };
        self.schedule(guest, slot, at);
        TimerId { slot, number }
    }

    fn remove(&mut self, id: TimerId) {
        let Some(place) = self.all.get_mut(id.slot as usize) else {
            return;
        };
        let is_it = |timer: &mut Timer| timer.number == id.number;
        let Some(timer) = place.take_if(is_it) else {
            return;
        };
        self.deadlines.clear(id.slot);
        self.free.push(id.slot);
        let table = &mut self.tables[timer.guest.index()];
        if let Some(entries) = table {
            let entries = Arc::make_mut(entries);
            entries.0.remove(&timer.name);
            if entries.0.is_empty() {
                *table = None;
            }
        }
    }
}

/// How many whole periods fit between two moments.
fn whole_periods(begin: Time, period: Duration, now: Time) -> u64 {
    let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX).max(1);
    now.as_millis().saturating_sub(begin.as_millis()) / period
}

/// So many periods later.
fn after(begin: Time, period: Duration, periods: u64) -> Time {
    let period = u64::try_from(period.as_millis()).unwrap_or(u64::MAX);
    begin + Duration::from_millis(period.saturating_mul(periods))
}
