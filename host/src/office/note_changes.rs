//! What of all that happens is to outlive the gateway, and what waits for that.

use std::sync::Arc;

use super::journal::{Change, KeptLetter, KeptTimer};
use super::kept::Changes;
use super::timers::Due;
use super::{
    Delivery, GuestId, Letter, LetterOutcome, Office, Outgoing, PacketId, Schedule, Ticket, Time,
};

impl Office {
    fn name(&self, guest: GuestId) -> Arc<str> {
        self.settings.guests[guest.index()].name.clone()
    }

    /// Answers the broker, when everything up to here is kept.
    #[inline]
    pub(super) fn answer(&mut self, answer: Outgoing) {
        self.answers.extend(self.journal.hold(answer));
    }

    /// Answers a message that nobody wants. It may have been taken by one who is gone.
    pub(super) fn answer_unwanted(&mut self, answer: Option<Outgoing>) {
        if let Some(answer) = answer {
            self.answer(answer);
        }
    }

    #[inline]
    pub(super) fn note_letter(&mut self, guest: GuestId, posted: Time, letter: &Letter) {
        if self.journal.is_on() {
            let (guest, letter) = (self.name(guest), letter.clone());
            self.journal.push(Change::Accepted(KeptLetter {
                guest,
                letter,
                posted,
            }));
        }
    }

    #[inline]
    pub(super) fn note_outcome(&mut self, guest: GuestId, told: &LetterOutcome) {
        if self.journal.is_on() {
            let hears = self.guests.inbox(guest).hears_outcomes();
            let change = match hears {
                true => Change::Concluded {
                    guest: self.name(guest),
                    told: told.clone(),
                },
                false => Change::Over(told.ticket),
            };
            self.journal.push(change);
        }
    }

    /// The outcomes that a guest has not been told, if that matters.
    pub(super) fn untold(&self, guest: GuestId) -> Vec<Ticket> {
        match self.journal.is_on() {
            true => self.guests.inbox(guest).untold().collect(),
            false => Vec::new(),
        }
    }

    /// The outcomes that a guest is at a call with.
    #[inline]
    pub(super) fn told_by_call(&self, guest: GuestId) -> Vec<Ticket> {
        if !self.journal.is_on() {
            return Vec::new();
        }
        let inbox = self.guests.inbox(guest);
        inbox.untold().take(inbox.being_told()).collect()
    }

    /// Of these outcomes nothing is left to be done.
    pub(super) fn note_told(&mut self, told: Vec<Ticket>) {
        for ticket in told {
            self.journal.push(Change::Over(ticket));
        }
    }

    /// Of these outcomes a guest will not be told those that do not wait any more.
    pub(super) fn note_dropped(&mut self, guest: GuestId, untold: Vec<Ticket>) {
        if !untold.is_empty() {
            let left = self.untold(guest);
            let gone = untold.into_iter().filter(|ticket| !left.contains(ticket));
            self.note_told(gone.collect());
        }
    }

    pub(super) fn note_written(&mut self, guest: GuestId, changes: &Changes) {
        if self.journal.is_on() {
            for (key, value) in changes.iter() {
                let change = Change::Wrote {
                    guest: self.name(guest),
                    key: key.clone(),
                    value: value.clone(),
                };
                self.journal.push(change);
            }
        }
    }

    pub(super) fn note_timer(
        &mut self,
        called: Time,
        guest: GuestId,
        name: &Arc<str>,
        schedule: Option<Schedule>,
    ) {
        if self.journal.is_on() {
            let timer = schedule.map(|schedule| KeptTimer {
                first: called + schedule.first,
                period: schedule.period,
            });
            self.journal.push(Change::Timer {
                guest: self.name(guest),
                name: name.clone(),
                timer,
            });
        }
    }

    /// One that was due once is no more.
    pub(super) fn note_timer_told(&mut self, guest: GuestId, told: &Due) {
        if told.timer.period.is_none() && self.journal.is_on() {
            self.journal.push(Change::Timer {
                guest: self.name(guest),
                name: told.timer.name.clone(),
                timer: None,
            });
        }
    }

    /// A guest is removed, and with it what it has written down and which timers it has
    /// set.
    pub(super) fn note_removed(&mut self, guest: GuestId) {
        if !self.journal.is_on() {
            return;
        }
        for (key, _) in self.kept[guest.index()].values() {
            self.journal.push(Change::Wrote {
                guest: self.settings.guests[guest.index()].name.clone(),
                key: key.clone(),
                value: None,
            });
        }
        for timer in self.timers.standing(self.latest, guest) {
            self.journal.push(Change::Timer {
                guest: self.settings.guests[guest.index()].name.clone(),
                name: timer.name,
                timer: None,
            });
        }
    }

    /// A message was taken. The broker may send it again if it is one of QoS 2, in a
    /// session that goes on after a restart.
    pub(super) fn note_received(&mut self, delivery: Option<Delivery>) {
        if let Some(Delivery::ExactlyOnce(id)) = delivery
            && self.keeps_session()
            && self.inbound.has_taken(id)
        {
            self.journal.push(Change::Received(id));
        }
    }

    /// The broker does not send a message of QoS 2 again.
    pub(super) fn note_release(&mut self, id: PacketId) {
        if self.keeps_session() {
            self.journal.push(Change::Released(id));
        }
    }

    /// There is a new session.
    pub(super) fn note_session(&mut self) {
        if self.keeps_session() {
            self.journal.push_session(Change::Session(self.broker));
        }
    }

    fn keeps_session(&self) -> bool {
        self.journal.is_on() && !self.settings.clean_session
    }
}
