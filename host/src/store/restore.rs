//! How the post office takes up what was kept: letters with what is left of their ttl,
//! outcomes that nobody was told, state and timers of guests, and the session.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{Boot, Boots, Contents, InAll, Lifetime, Moment, StoredLetter, StoredTimer, Ttl};
use crate::office::{
    Belongings, GuestId, KeptLetter, Office, Remaining, Ticket, Time, TimerId, WhenOff,
};

/// What holds for letters of an earlier boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OldLetters {
    /// What their ttl does while the machine is off, unless their senders say so.
    pub when_off: WhenOff,
    /// When those are given up whose ttl cannot be known, by the present boot clock.
    pub hold_until: Time,
}

/// What is judged when it is known how long the machine was off: letters that are held, so
/// they are not sent before, and timers, which come too late before.
#[derive(Debug, Clone, Default)]
pub struct Held {
    boots: Boots,
    letters: BTreeMap<Ticket, Lifetime>,
    timers: Vec<(TimerId, StoredTimer)>,
    hold_until: Time,
}

impl Contents {
    /// The guests that have something here, and how much.
    pub fn belongings(&self) -> BTreeMap<&Arc<str>, Belongings> {
        let mut all: BTreeMap<_, Belongings> = BTreeMap::new();
        for letter in self.letters.iter() {
            all.entry(&letter.kept.guest).or_default().letters += 1;
        }
        for owed in self.outcomes.values() {
            all.entry(&owed.guest).or_default().outcomes += 1;
        }
        for (guest, values) in &self.state {
            all.entry(guest).or_default().values = values.len();
        }
        for (guest, timers) in &self.timers {
            all.entry(guest).or_default().timers = timers.len();
        }
        all
    }

    /// Has an office that nothing has happened in take up all that is here. `place` says
    /// which guest has a name; what one has that has no place is passed over.
    ///
    /// The last moment that was [noted](Boots::observe) is the present one.
    pub fn restore(
        self,
        office: &mut Office,
        now: Time,
        old: OldLetters,
        place: impl Fn(&str) -> Option<GuestId>,
    ) -> Held {
        let mut held = Held {
            hold_until: old.hold_until,
            ..Held::default()
        };
        for owed in self.outcomes.into_values() {
            if let Some(guest) = place(&owed.guest) {
                office.restore_outcome(guest, owed.told);
            }
        }
        for (name, values) in self.state {
            if let Some(guest) = place(&name) {
                for (key, value) in values {
                    office.restore_state(guest, key, value);
                }
            }
        }
        for (name, timers) in self.timers {
            if let Some(guest) = place(&name) {
                for (name, timer) in timers {
                    let (first, is_known) = next_moment(&self.boots, &timer, now);
                    let id = office.restore_timer(guest, &name, first, timer.timer.period);
                    let id = id.filter(|_| !is_known);
                    held.timers.extend(id.map(|id| (id, timer)));
                }
            }
        }
        if let Some(session) = self.session {
            office.restore_session(session, self.received.into_iter());
        }
        let mut letters = self.letters;
        let taken_over = letters.extract(|stored| stored.kept.place.is_some());
        for stored in in_order(letters.into_iter(), taken_over) {
            let Some(guest) = place(&stored.kept.guest) else {
                continue;
            };
            let life = lifetime(&stored, old.when_off);
            let ticket = stored.ticket();
            let KeptLetter { letter, place, .. } = stored.kept;
            let (posted, deadline, is_held) = match self.boots.ttl(&life, now, old.hold_until) {
                Ttl::Live { age, deadline } => (before(now, age), deadline, false),
                Ttl::Held { until } => {
                    held.letters.insert(ticket, life);
                    (None, until, true)
                }
                Ttl::Expired => {
                    office.restore_expired(guest, letter);
                    continue;
                }
            };
            let remaining = Remaining {
                posted,
                deadline,
                is_held,
                place,
            };
            office.restore_letter(guest, letter, remaining);
        }
        held.boots = self.boots;
        office.handle_restored();
        held
    }
}

impl Held {
    /// Whether there is nothing to be judged.
    pub fn is_empty(&self) -> bool {
        self.letters.is_empty() && self.timers.is_empty()
    }

    /// Whether letters may be held. If not, nothing is given up for want of a clock.
    pub fn is_urgent(&self, now: Time) -> bool {
        now < self.hold_until
    }

    /// Looks at the clocks again: letters whose time off is known by now go on, or have
    /// expired, and timers come when they are due. Returns whether there were any.
    pub fn handle_moment(&mut self, office: &mut Office, moment: Moment) -> bool {
        if self.is_empty() {
            return false;
        }
        self.boots.observe(moment);
        let now = moment.running;
        if office.held_letters() == 0 {
            self.letters.clear();
        }
        if !self.boots.is_trusted() {
            return false;
        }
        let timers = self.judge_timers(office, now);
        let letters = !self.letters.is_empty() && self.judge_letters(office, now);
        timers || letters
    }

    fn judge_timers(&mut self, office: &mut Office, now: Time) -> bool {
        let (boots, hold_until) = (&self.boots, self.hold_until);
        let before = self.timers.len();
        self.timers.retain(|(id, stored)| {
            let (first, is_known) = next_moment(boots, stored, now);
            match is_known {
                true => !office.handle_timer_known(*id, first),
                false => now < hold_until,
            }
        });
        self.timers.len() < before
    }

    fn judge_letters(&mut self, office: &mut Office, now: Time) -> bool {
        let (boots, hold_until) = (&self.boots, self.hold_until);
        let mut known = BTreeMap::new();
        self.letters.retain(|ticket, life| {
            let deadline = match boots.ttl(life, now, hold_until) {
                Ttl::Live { deadline, .. } => deadline,
                Ttl::Expired => now,
                Ttl::Held { .. } => return true,
            };
            known.insert(*ticket, deadline);
            false
        });
        office.handle_time_off(now, |ticket| known.get(&ticket).copied());
        !known.is_empty()
    }
}

/// Letters in the order of their places: all but a few have places of their own, and are in
/// their order already.
pub(super) fn in_order<L: Borrow<StoredLetter>>(
    own: impl Iterator<Item = L>,
    mut taken_over: Vec<L>,
) -> impl Iterator<Item = L> {
    let place = |letter: &L| {
        let letter = letter.borrow();
        let ticket = letter.ticket();
        (letter.kept.place.unwrap_or(ticket), ticket)
    };
    taken_over.sort_unstable_by_key(place);
    let mut own = own.peekable();
    let mut taken_over = taken_over.into_iter().peekable();
    std::iter::from_fn(move || {
        let next = own.peek().map(place);
        taken_over
            .next_if(|letter| next.is_none_or(|next| place(letter) < next))
            .or_else(|| own.next())
    })
}

pub(super) fn lifetime(stored: &StoredLetter, when_off: WhenOff) -> Lifetime {
    let KeptLetter { letter, posted, .. } = &stored.kept;
    Lifetime {
        boot: stored.boot,
        posted: *posted,
        deadline: *posted + letter.ttl,
        when_off: letter.when_off.unwrap_or(when_off),
    }
}

/// When a timer is due next, and whether that is all that will ever be known. While the
/// machine was off it went on, as far as it is known for how long that was; if not, it
/// comes later than it should and never earlier.
fn next_moment(boots: &Boots, stored: &StoredTimer, now: Time) -> (Time, bool) {
    let StoredTimer { boot, timer } = *stored;
    // A moment of its boot, and how long ago that was.
    let is_present = |row: &&Boot| boots.present() == Some(*row);
    let row = boots.0.iter().rfind(|row| row.number == boot);
    let (then, gone, is_known) = match row {
        None => return (now, true),
        Some(row) if is_present(&row) => (now, Duration::ZERO, true),
        Some(row) => match boots.since(boot, row.ran, now) {
            None => return (now, true),
            Some(since) => match since.in_all {
                InAll::Exactly(gone) => (row.ran, gone, true),
                InAll::AtMost(_) | InAll::Unknown => (row.ran, since.running, false),
            },
        },
    };
    let to_first = timer.first.since(then);
    if gone < to_first {
        return (now + (to_first - gone), is_known);
    }
    let Some(period) = timer.period.filter(|period| !period.is_zero()) else {
        return (now, true);
    };
    // How long it has been since the first moment, and so since the last one.
    let late = then.since(timer.first) + (gone - to_first);
    let since_last = late.as_millis() % period.as_millis();
    let since_last = Duration::from_millis(u64::try_from(since_last).unwrap_or_default());
    (now + (period - since_last), is_known)
}

/// So long before a moment. None: before the boot.
fn before(now: Time, age: Duration) -> Option<Time> {
    let age = u64::try_from(age.as_millis()).ok()?;
    now.as_millis().checked_sub(age).map(Time::from_millis)
}
