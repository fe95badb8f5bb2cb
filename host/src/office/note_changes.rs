//! What of all that happens is to outlive the gateway, and what waits for that.

use std::sync::Arc;

use super::journal::{Change, KeptLetter, KeptTimer, NO_SESSION};
use super::kept::Changes;
use super::timers::Due;
use super::work_list::{Entry, Key};
use super::{
    Delivery, GuestId, Letter, LetterOutcome, Office, Outgoing, PacketId, Payload, Schedule,
    Ticket, Time,
};

impl Office {
    fn name(&self, guest: GuestId) -> Arc<str> {
        self.settings.guests[guest.index()].name.clone()
    }

    /// Answers the broker, if there is something to answer, when everything up to here is
    /// kept. That of a message that nobody wants waits, too: one who is gone may have taken
    /// it.
    #[inline]
    pub(super) fn answer(&mut self, answer: Option<Outgoing>) {
        let now = answer.and_then(|answer| self.journal.hold(answer));
        self.answers.extend(now);
    }

    /// A letter comes, in the place of this one if it has the same priority.
    #[inline]
    pub(super) fn note_letter(
        &mut self,
        guest: GuestId,
        posted: Time,
        letter: &Letter,
        replaced: Option<Key>,
    ) {
        if self.journal.is_on() {
            let before = replaced.and_then(|key| self.list.get(key));
            let before = before.filter(|entry| entry.priority == letter.priority);
            let place = before.map(Entry::place);
            let (guest, letter) = (self.name(guest), letter.clone());
            self.journal.push(Change::Accepted(KeptLetter {
                guest,
                letter,
                posted,
                place,
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
    pub(super) fn note_dropped(&mut self, guest: GuestId, mut untold: Vec<Ticket>) {
        // What is left is in the order in which it was.
        let mut left = self.untold(guest).into_iter().peekable();
        untold.retain(|ticket| left.next_if_eq(ticket).is_none());
        self.note_told(untold);
    }

    pub(super) fn note_written(&mut self, guest: GuestId, changes: &Changes) {
        if self.journal.is_on() {
            for (key, value) in changes.iter() {
                self.push_written(guest, key.clone(), value.clone());
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
            self.push_timer(guest, name.clone(), timer);
        }
    }

    fn push_timer(&mut self, guest: GuestId, name: Arc<str>, timer: Option<KeptTimer>) {
        let guest = self.name(guest);
        self.journal.push(Change::Timer { guest, name, timer });
    }

    fn push_written(&mut self, guest: GuestId, key: Arc<str>, value: Option<Payload>) {
        let guest = self.name(guest);
        self.journal.push(Change::Wrote { guest, key, value });
    }

    /// One that was due once is no more. Those of one that is dropped are no more already,
    /// and another one may have its name by now.
    pub(super) fn note_timer_told(&mut self, guest: GuestId, told: &Due) {
        let is_dropped = self.guests.inbox(guest).is_dropped();
        if told.timer.period.is_none() && self.journal.is_on() && !is_dropped {
            self.push_timer(guest, told.timer.name.clone(), None);
        }
    }

    /// Nothing is left of what a guest has written down, and of the timers that it has set.
    pub(super) fn note_removed(&mut self, guest: GuestId) {
        if !self.journal.is_on() {
            return;
        }
        let kept = self.kept[guest.index()].clone();
        for (key, _) in kept.values() {
            self.push_written(guest, key.clone(), None);
        }
        let timers: Vec<_> = self.timers.standing(self.latest, guest).collect();
        for timer in timers {
            self.push_timer(guest, timer.name, None);
        }
    }

    /// A message was taken. The broker may send it again if it is one of QoS 2, in a
    /// session that goes on after a restart.
    pub(super) fn note_received(&mut self, delivery: Option<Delivery>) {
        if let Some(Delivery::ExactlyOnce(id)) = delivery
            && self.journal.keeps_session()
            && self.inbound.has_taken(id)
        {
            self.journal.push(Change::Received(id));
        }
    }

    /// The broker does not send a message of QoS 2 again.
    pub(super) fn note_release(&mut self, id: PacketId) {
        if self.journal.keeps_session() {
            self.journal.push(Change::Released(id));
        }
    }

    /// There is a new session. If it ends with its connection, the one that is kept is over
    /// all the same: what was taken since then is not of it.
    pub(super) fn note_session(&mut self) {
        if self.keeps_session() {
            let session = self.settings.session_with(self.broker);
            self.journal.push_session(session);
        } else if self.journal.keeps_session() {
            self.journal.push_session(NO_SESSION);
        }
    }

    /// The broker has a session of before. It may be that nothing of it was kept here.
    pub(super) fn note_session_found(&mut self) {
        if !self.journal.keeps_session() {
            self.note_session();
        }
    }

    /// Whether sessions are kept that begin from now on.
    fn keeps_session(&self) -> bool {
        self.journal.is_on() && !self.settings.clean_session
    }
}
