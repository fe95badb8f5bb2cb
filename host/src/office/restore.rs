//! How the office takes up what has outlived an earlier life of the gateway: called
//! before anything else happens.

use std::sync::Arc;
use std::time::Duration;

use super::change_guests::NOBODY;
use super::{
    GoneGuests, GuestId, Letter, LetterOutcome, Office, Outcome, PacketId, Payload, Ticket, Time,
    TimerId,
};

/// How a letter goes on that was accepted in an earlier life of the gateway.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Remaining {
    /// When its ttl began. None: that was before the boot of the machine, or is not known.
    pub posted: Option<Time>,
    /// When its ttl is over. If it is held: when it is over at the latest.
    pub deadline: Time,
    /// Whether it is not to be sent before it is known how much of its ttl is left.
    pub is_held: bool,
    /// The letter that had its place first, if it has taken that over.
    pub place: Option<Ticket>,
}

impl Office {
    /// A guest of an earlier life is gone. Called before all else that it has.
    pub fn restore_gone(&mut self, guest: GuestId) {
        self.restore_away(guest);
        self.gone.push(guest);
    }

    /// A sender of an earlier life is away, and nobody has taken it away: what it has is
    /// kept, whatever becomes of what guests have.
    pub fn restore_away(&mut self, guest: GuestId) {
        self.guests.remove(guest, GoneGuests::Keep);
        self.timers.stop(guest);
    }

    /// All is taken up: what guests have that are gone goes, if it is to.
    pub fn handle_restored(&mut self) {
        if self.settings.gone_guests == GoneGuests::Drop {
            for guest in self.gone.clone() {
                self.settle(guest, GoneGuests::Drop);
            }
        }
    }

    /// A letter of an earlier life that has no outcome. Letters come in the order of
    /// their places. It may have been sent.
    pub fn restore_letter(&mut self, guest: GuestId, letter: Letter, remaining: Remaining) {
        self.list.restore(guest, letter, remaining);
    }

    /// An outcome that a guest of an earlier life was not told.
    pub fn restore_outcome(&mut self, guest: GuestId, told: LetterOutcome) {
        // Another component of the same name may hear of none any more.
        if !self.guests.inbox(guest).hears_outcomes() {
            return self.note_told(vec![told.ticket]);
        }
        self.guests.change(guest, |inbox| inbox.push_outcome(told));
    }

    /// A letter of an earlier life has its outcome now.
    pub fn restore_expired(&mut self, guest: GuestId, letter: Letter) {
        self.report_letter(guest, letter, Outcome::Expired { sent: true }, None);
    }

    /// What a guest has written down.
    pub fn restore_state(&mut self, guest: GuestId, key: Arc<str>, value: Payload) {
        Arc::make_mut(&mut self.kept[guest.index()]).restore(key, value);
    }

    /// A timer that a guest has set: it is due at this moment, and then again and again.
    /// Returns what it is known by.
    pub fn restore_timer(
        &mut self,
        guest: GuestId,
        name: &Arc<str>,
        first: Time,
        period: Option<Duration>,
    ) -> Option<TimerId> {
        self.timers.restore(guest, name, first, period)
    }

    /// It is known now when a timer of an earlier life is due next, unless that is no more.
    /// Returns whether that is all: while its guest is called with it, or is about to be,
    /// nothing changes.
    pub fn handle_timer_known(&mut self, timer: TimerId, first: Time) -> bool {
        let Some(guest) = self.timers.guest_of(timer) else {
            return true;
        };
        if self.guests.inbox(guest).has_timer(timer) {
            return false;
        }
        self.timers.set_first(timer, first);
        true
    }

    /// The session of an earlier life, and the messages of QoS 2 that were taken and that
    /// the broker may send again. If it was with nobody that is known now, the next
    /// connection begins a new one.
    pub fn restore_session(&mut self, session: u64, received: impl Iterator<Item = PacketId>) {
        let broker = self.settings.broker_of(session);
        self.session_of = Some(broker.unwrap_or(NOBODY));
        self.journal.restore_session(session);
        if broker.is_some() {
            for id in received {
                self.inbound.restore(id);
            }
        }
    }

    /// It is known now for how long the machine was off: says when the ttl of each letter
    /// that is held is over, by its ticket.
    pub fn handle_time_off(&mut self, now: Time, deadline: impl Fn(Ticket) -> Option<Time>) {
        self.list.release_held(deadline);
        self.expire(now);
    }

    /// How many letters are held, as it is not known how much of their ttl is left.
    pub fn held_letters(&self) -> usize {
        self.list.held()
    }
}
