//! The guests, and whose turn it is to be called.

mod bounds;
mod call;
mod inbox;
mod permissions;
mod tray;

use std::time::Duration;

use super::session::Receipt;
use super::{GoneGuests, GuestId, GuestSettings, Time};

pub use call::{Answer, Assignment, Call, Displaced, Effects, Message, Origin, Room, Status};
pub(super) use inbox::{Decision, Ended, Inbox};
pub(super) use permissions::Allowance;
pub use permissions::{CONTROL_PERMISSIONS, Cancel, Operate, Permissions, Rate, Rule};
pub use tray::Tray;

/// How long a guest has to wait from one connection that it asked for to the
/// next.
const RECONNECT_PAUSE: Duration = Duration::from_secs(60);

/// All guests. The questions that are asked on every turn cost nothing for
/// guests that have nothing to do.
#[derive(Debug)]
pub(super) struct Guests {
    all: Vec<Guest>,
    /// Whose turn it is to be called.
    turn: usize,
    /// Whether any has a lead.
    have_lead: bool,
    /// Those who are at no call and have something to be told, now or later.
    waiting: GuestSet,
}

#[derive(Debug)]
struct Guest {
    inbox: Inbox,
    allowance: Allowance,
    /// When the call that it is at began.
    called: Time,
    /// How much more time its calls have kept everyone waiting than those of the
    /// guest that comes next.
    lead: Duration,
    /// It gets no connection that it asks for before this moment.
    reconnect_at: Time,
}

impl Guests {
    pub(super) fn new(now: Time, settings: &[GuestSettings]) -> Self {
        let mut guests = Self {
            all: Vec::new(),
            turn: 0,
            have_lead: false,
            waiting: GuestSet::default(),
        };
        for (index, settings) in (0..).zip(settings) {
            guests.add(now, GuestId(index), settings);
        }
        guests
    }

    /// A guest comes, to the place of one that is gone or behind all others.
    pub(super) fn add(&mut self, now: Time, guest: GuestId, settings: &GuestSettings) {
        let new = Guest {
            inbox: Inbox::new(settings),
            allowance: Allowance::new(now, settings.permissions.as_ref()),
            called: now,
            lead: Duration::ZERO,
            reconnect_at: now,
        };
        match self.all.get_mut(guest.index()) {
            Some(place) => *place = new,
            None => {
                self.all.push(new);
                self.waiting.make_room(self.all.len());
            }
        }
        self.update(guest.index());
    }

    /// What holds for a guest is something else from now on.
    pub(super) fn set(&mut self, now: Time, guest: GuestId, settings: &GuestSettings) {
        let changed = &mut self.all[guest.index()];
        changed.inbox.set(settings);
        changed.allowance.set(now, settings.permissions.as_ref());
        self.update(guest.index());
    }

    /// A guest is gone. Returns the receipts of the messages that it is not called with.
    pub(super) fn remove(&mut self, guest: GuestId, what: GoneGuests) -> Vec<Receipt> {
        self.change(guest, |inbox| inbox.handle_gone(what))
    }

    /// One that is gone and of whom all is kept is back.
    pub(super) fn take_back(
        &mut self,
        now: Time,
        guest: GuestId,
        settings: &GuestSettings,
        status: Status,
    ) {
        let back = &mut self.all[guest.index()];
        back.inbox.handle_back(settings, status);
        back.allowance = Allowance::new(now, settings.permissions.as_ref());
        (back.lead, back.reconnect_at) = (Duration::ZERO, now);
        self.update(guest.index());
    }

    pub(super) fn inboxes(&self) -> impl Iterator<Item = &Inbox> {
        self.all.iter().map(|guest| &guest.inbox)
    }

    pub(super) fn inbox(&self, guest: GuestId) -> &Inbox {
        &self.all[guest.index()].inbox
    }

    /// What a guest may do.
    pub(super) fn allowance(&self, guest: GuestId) -> &Allowance {
        &self.all[guest.index()].allowance
    }

    /// So many letters of a guest were committed.
    pub(super) fn handle_published(&mut self, now: Time, guest: GuestId, letters: usize) {
        self.all[guest.index()].allowance.take(now, letters);
    }

    /// What the last call of a guest published is committed. Whether there is another
    /// call to make is as it was.
    pub(super) fn handle_committed(
        &mut self,
        now: Time,
        guest: GuestId,
        was_outcome: bool,
        has_displaced: bool,
    ) {
        let inbox = &mut self.all[guest.index()].inbox;
        inbox.handle_committed(now, was_outcome, has_displaced);
    }

    /// Changes the inbox of a guest.
    pub(super) fn change<T>(&mut self, guest: GuestId, change: impl FnOnce(&mut Inbox) -> T) -> T {
        let changed = change(&mut self.all[guest.index()].inbox);
        self.update(guest.index());
        changed
    }

    /// When the call that the guest is at, or its last one, began.
    pub(super) fn called(&self, guest: GuestId) -> Time {
        self.all[guest.index()].called
    }

    /// A guest asks for a new connection. Returns whether it gets one.
    pub(super) fn handle_reconnect(&mut self, now: Time, guest: GuestId) -> bool {
        let earliest = &mut self.all[guest.index()].reconnect_at;
        let is_time = *earliest <= now;
        if is_time {
            *earliest = now + RECONNECT_PAUSE;
        }
        is_time
    }

    pub(super) fn tell_status(&mut self, status: Status) {
        for index in 0..self.all.len() {
            self.all[index].inbox.push_status(status);
            self.update(index);
        }
    }

    /// When the next call is due.
    pub(super) fn next_timeout(&self, takes_messages: bool) -> Option<Time> {
        if self.waiting.is_empty() {
            return None;
        }
        let waiting = self.waiting.from(0);
        waiting
            .filter_map(|index| self.all[index].inbox.next_timeout(takes_messages))
            .min()
    }

    /// A call of this guest has kept everyone waiting for so long.
    pub(super) fn handle_time_taken(&mut self, guest: GuestId, time: Duration) {
        if !time.is_zero() {
            self.all[guest.index()].lead += time;
            self.have_lead = true;
        }
    }

    /// The next call that is due. Guests take turns: in calls as long as these
    /// take no time, and else in time.
    pub(super) fn poll(&mut self, now: Time, takes_messages: bool) -> Option<(GuestId, Call)> {
        if self.waiting.is_empty() {
            return None;
        }
        let (index, call) = match self.have_lead {
            false => {
                let (all, turn) = (&mut self.all, self.turn);
                let before = self.waiting.from(0).take_while(|index| *index < turn);
                let mut in_turn = self.waiting.from(turn).chain(before);
                in_turn.find_map(|index| {
                    let call = all[index].inbox.poll(now, takes_messages)?;
                    Some((index, call))
                })?
            }
            true => {
                let index = self.with_least_lead(now, takes_messages)?;
                self.reduce_leads(self.all[index].lead);
                (index, self.all[index].inbox.poll(now, takes_messages)?)
            }
        };
        self.all[index].called = now;
        self.turn = (index + 1) % self.all.len();
        self.update(index);
        Some((GuestId::at(index), call))
    }

    /// The first in turn of those that are due and have the least lead.
    fn with_least_lead(&self, now: Time, takes_messages: bool) -> Option<usize> {
        let (all, turn) = (&self.all, self.turn);
        let before = self.waiting.from(0).take_while(|index| *index < turn);
        let in_turn = self.waiting.from(turn).chain(before);
        let due = in_turn.filter(|index| all[*index].inbox.is_due(now, takes_messages));
        due.min_by_key(|index| all[*index].lead)
    }

    /// Only the differences count.
    fn reduce_leads(&mut self, lead: Duration) {
        for guest in &mut self.all {
            guest.lead = guest.lead.saturating_sub(lead);
        }
        self.have_lead = self.all.iter().any(|guest| !guest.lead.is_zero());
    }

    fn update(&mut self, index: usize) {
        let is_waiting = self.all[index].inbox.is_waiting();
        self.waiting.set(index, is_waiting);
    }
}

/// A set of guests, a bit each.
#[derive(Debug, Default)]
struct GuestSet(Vec<u64>);

impl GuestSet {
    /// For those below `guests`.
    fn make_room(&mut self, guests: usize) {
        self.0.resize(guests.div_ceil(64), 0);
    }

    #[inline]
    fn set(&mut self, index: usize, is_in: bool) {
        let (word, bit) = (&mut self.0[index / 64], index % 64);
        *word = *word & !(1 << bit) | u64::from(is_in) << bit;
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(|word| *word == 0)
    }

    /// Those from `index` on, in their order.
    fn from(&self, index: usize) -> impl Iterator<Item = usize> {
        let (first, bit) = (index / 64, index % 64);
        let mut number = first;
        let mut rest = self.0.get(first).map_or(0, |word| word & (!0 << bit));
        std::iter::from_fn(move || {
            while rest == 0 {
                number += 1;
                rest = *self.0.get(number)?;
            }
            let found = rest.trailing_zeros() as usize;
            rest &= rest - 1;
            Some(number * 64 + found)
        })
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn is_a_set(
            steps in prop::collection::vec((0..200_usize, any::<bool>()), 0..200),
            from in 0..=256_usize,
        ) {
            let (mut set, mut model) = (GuestSet::default(), BTreeSet::new());
            set.make_room(200);
            for (index, is_in) in steps {
                set.set(index, is_in);
                if is_in {
                    model.insert(index);
                } else {
                    model.remove(&index);
                }
            }
            prop_assert_eq!(set.is_empty(), model.is_empty());
            prop_assert!(set.from(from).eq(model.range(from..).copied()));
        }
    }
}
