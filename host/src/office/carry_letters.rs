//! How letters go through the office: posted, sent, acknowledged, concluded.

use std::sync::Arc;

use super::session::{Acked, Refusal, to_packet};
use super::work_list::{Entry, Key};
use super::{
    Carried, Concluded, Disconnection, Dispatch, DisplacedBy, GuestId, Letter, LetterOutcome,
    MAX_OWED_OUTCOMES, Notice, Office, Outcome, Outgoing, Outlook, Overflow, Qos, Refused, Room,
    Time, WorkListSettings,
};

impl Office {
    pub(super) fn expire(&mut self, now: Time) {
        self.latest = now;
        if self.list.may_be_due(now) {
            self.expire_letters(now);
        }
        if self.outbound.has_loose_ends() {
            self.expire_exchanges(now);
        }
    }

    #[cold]
    fn expire_exchanges(&mut self, now: Time) {
        self.outbound.expire(now);
        if self.link.is_online() && self.outbound.clogged_at().is_some_and(|at| at <= now) {
            self.give_up(now, Disconnection::Clogged);
        }
    }

    #[cold]
    fn expire_letters(&mut self, now: Time) {
        while let Some(key) = self.list.due(now) {
            let sent = self.was_sent(key);
            self.conclude(key, Outcome::Expired { sent });
        }
    }

    /// Timers that are due go to their guests.
    #[inline]
    pub(super) fn wake_timers(&mut self, now: Time) {
        while let Some((guest, due)) = self.timers.pop_due(now) {
            self.guests.change(guest, |inbox| inbox.push_timer(due));
        }
    }

    /// The next packet that goes ahead of all letters.
    pub(super) fn next_ahead_of_letters(&mut self, now: Time) -> Option<Dispatch> {
        let answer = self.answers.pop_front();
        if let Some(packet) = answer.or_else(|| self.next_subscribe(now)) {
            return Some(Dispatch {
                packet,
                expires: None,
                carried: Carried::Nothing,
            });
        }
        if !self.outbound.makes_way(now) {
            match self.presence.poll(&self.limits, &mut self.ids) {
                Some(Ok(dispatch)) => return Some(dispatch),
                Some(Err(refusal)) => self.refuse_status(refusal),
                None => {}
            }
        }
        self.outbound.poll_release(now)
    }

    /// The next packet of a letter whose turn it is.
    #[inline]
    pub(super) fn next_of_letters(&mut self, now: Time, outlook: Outlook) -> Option<Dispatch> {
        let (mut key, entry) = self.outbound.next_letter(now, &mut self.list, outlook)?;
        if let Err(refusal) = self.outbound.check(entry, &self.limits) {
            key = self.next_after_refused(now, outlook, key, refusal)?;
        }
        let entry = self.list.get_mut(key)?;
        let carried = self.outbound.send(now, key, entry, &mut self.ids)?;
        self.link.handle_sent(now);
        self.notices.push_detail(|| Notice::Sent {
            guest: entry.guest,
            ticket: entry.ticket,
            topic: entry.topic.clone(),
            again: entry.tries > 1,
        });
        Some(Dispatch {
            packet: to_packet(entry, carried),
            expires: Some(entry.deadline),
            carried,
        })
    }

    /// The next letter after this one, which the broker does not take.
    #[cold]
    fn next_after_refused(
        &mut self,
        now: Time,
        outlook: Outlook,
        mut key: Key,
        mut refusal: Refusal,
    ) -> Option<Key> {
        loop {
            self.refuse(key, refusal);
            let (next, entry) = self.outbound.next_letter(now, &mut self.list, outlook)?;
            match self.outbound.check(entry, &self.limits) {
                Ok(()) => return Some(next),
                Err(refused) => (key, refusal) = (next, refused),
            }
        }
    }

    /// The next UNSUBSCRIBE or SUBSCRIBE. One after which the broker may hang up goes
    /// alone.
    fn next_subscribe(&mut self, now: Time) -> Option<Outgoing> {
        if !self.subscriptions.is_due(now) || !self.journal.knows_session() {
            return None;
        }
        let next = self.subscriptions.poll_unwanted(&mut self.ids);
        let next = next.or_else(|| self.subscriptions.poll(now, &mut self.ids));
        if next.is_some() || !self.subscriptions.has_suspect(now) {
            return next;
        }
        let is_quiet = !self.subscriptions.is_unanswered(now) && !self.presence.is_unanswered();
        match self.outbound.make_way(now, is_quiet) {
            true => self.subscriptions.poll_suspect(now, &mut self.ids),
            false => None,
        }
    }

    /// Nor can what the gateway says of itself.
    pub(super) fn refuse_status(&mut self, refusal: Refusal) {
        if let Some(status) = &self.settings.status_topic {
            let topic = status.topic.clone();
            self.notices.push(Notice::StatusRefused { topic, refusal });
        }
    }

    /// A letter cannot be sent to this broker.
    fn refuse(&mut self, key: Key, refusal: Refusal) {
        if let Some(entry) = self.list.get(key) {
            self.notices.push(Notice::LetterRefused {
                guest: entry.guest,
                ticket: entry.ticket,
                topic: entry.topic.clone(),
                refusal,
            });
        }
        self.conclude(key, Outcome::Refused(refusal.to_guest()));
    }

    pub(super) fn was_sent(&self, key: Key) -> bool {
        let entry = self.list.get(key);
        entry.is_some_and(|entry| self.outbound.was_sent(entry))
    }

    /// Whether the connection at hand was given a letter: unless it expires, nothing
    /// keeps it from being sent.
    fn is_in_flight(&self, key: Key) -> bool {
        let entry = self.list.get(key);
        self.link.is_online() && entry.is_some_and(|entry| entry.is_sent)
    }

    /// A letter gets its outcome, one but `displaced`.
    pub(super) fn conclude(&mut self, key: Key, outcome: Outcome) {
        self.conclude_by(key, outcome, None);
    }

    /// The time of a letter is over, as somebody has said so.
    pub(super) fn call_back(&mut self, key: Key) -> Outcome {
        let packet_id = self.list.get(key).and_then(|entry| entry.packet_id);
        let sent = self.was_sent(key) || self.is_in_flight(key);
        if let Some(id) = packet_id {
            self.outbound.handle_cancelled(self.latest, id);
        }
        let outcome = Outcome::Expired { sent };
        self.conclude(key, outcome);
        outcome
    }

    /// So is that of all letters of a guest. What the network has arrives all the same.
    pub(super) fn call_back_all(&mut self, guest: GuestId) {
        while let Some(key) = self.list.any_of(guest) {
            self.call_back(key);
        }
    }

    /// A letter gives its place up.
    fn displace(&mut self, key: Key, sent: bool, by: DisplacedBy) {
        self.conclude_by(key, Outcome::Displaced { sent }, Some(by));
    }

    /// The one place where a letter gets its outcome.
    fn conclude_by(&mut self, key: Key, outcome: Outcome, by: Option<DisplacedBy>) {
        let Some(mut entry) = self.list.remove(key) else {
            return;
        };
        match (entry.packet_id, outcome) {
            (Some(id), Outcome::Expired { .. }) => self.outbound.handle_expired(id),
            (Some(id), _) => self.outbound.forget_letter(id),
            (None, _) => {}
        }
        self.report_entry(&mut entry, outcome, by);
    }

    /// One that is off the work list has its outcome.
    #[inline]
    fn report_entry(&mut self, entry: &mut Entry, outcome: Outcome, by: Option<DisplacedBy>) {
        let told = LetterOutcome {
            ticket: entry.ticket,
            tag: entry.take_tag(),
            outcome,
        };
        self.report(entry.guest, told, Some((&entry.topic, entry.qos)), by);
    }

    /// One that does not come to the work list has its outcome.
    pub(super) fn report_letter(
        &mut self,
        guest: GuestId,
        letter: Letter,
        outcome: Outcome,
        by: Option<DisplacedBy>,
    ) {
        let told = LetterOutcome {
            ticket: letter.ticket,
            tag: letter.tag,
            outcome,
        };
        self.report(guest, told, Some((&letter.topic, letter.qos)), by);
    }

    /// A letter has its outcome: one with this topic and this quality of service, if it
    /// is still known. If it was displaced, then for this.
    pub(super) fn report(
        &mut self,
        guest: GuestId,
        told: LetterOutcome,
        letter: Option<(&Arc<str>, Qos)>,
        by: Option<DisplacedBy>,
    ) {
        let about = || {
            let (topic, qos) = letter?;
            Some(Concluded {
                topic: topic.clone(),
                qos,
                tag: told.tag.clone(),
            })
        };
        self.notices
            .push_outcome(guest, told.ticket, told.outcome, by, about);
        self.note_outcome(guest, &told);
        self.guests.change(guest, |inbox| inbox.push_outcome(told));
    }

    pub(super) fn handle_acked(&mut self, acked: Acked, packet: &'static str) {
        match acked {
            Acked::Delivered(key) => self.conclude(key, Outcome::Delivered),
            Acked::Refused(key, reason) => {
                if let Some(entry) = self.list.get_mut(key) {
                    entry.packet_id = None;
                }
                self.refuse(key, Refusal::Broker(reason));
            }
            Acked::Again(key) => {
                if let Some(entry) = self.list.get_mut(key) {
                    (entry.was_sent, entry.packet_id) = (true, None);
                }
                match self.list.is_superseded(key) {
                    true => self.displace(key, true, DisplacedBy::ReplaceKey),
                    false => self.list.unsend(key),
                }
            }
            Acked::Nothing => {}
            Acked::Unknown => self.notices.push(Notice::Unexpected { packet }),
        }
    }

    /// After a younger letter of its key none is sent again.
    pub(super) fn displace_superseded(&mut self) {
        for key in self.list.superseded() {
            let sent = self.was_sent(key);
            self.displace(key, sent, DisplacedBy::ReplaceKey);
        }
    }

    /// Returns whether it displaces another letter of the guest.
    pub(super) fn post_since(
        &mut self,
        since: Time,
        now: Time,
        guest: GuestId,
        letter: Letter,
    ) -> bool {
        self.notices.push_detail(|| Notice::Accepted {
            guest,
            letter: letter.clone(),
        });
        let (deadline, size) = (since + letter.ttl, letter.size());
        let is_plain = now < deadline && letter.replace_key.is_none();
        let room = self.list.room_of(guest);
        if !is_plain || !self.work_list(guest).have_room(room, size) {
            return self.post_otherwise(since, now, guest, letter);
        }
        self.note_letter(guest, since, &letter, None);
        self.list.push(guest, letter, size, [since, deadline]);
        false
    }

    /// The same for a letter that does not simply come behind the others.
    #[inline(never)]
    fn post_otherwise(&mut self, since: Time, now: Time, guest: GuestId, letter: Letter) -> bool {
        if since + letter.ttl <= now {
            self.report_letter(guest, letter, Outcome::Expired { sent: false }, None);
            return false;
        }
        let replaced = self.replaced_by(guest, &letter);
        let displaces = match self.make_room(guest, &letter, replaced) {
            Ok(displaces) => displaces,
            Err(outcome) => {
                let is_displaced = matches!(outcome, Outcome::Displaced { .. });
                let by = is_displaced.then_some(DisplacedBy::Overflow);
                self.report_letter(guest, letter, outcome, by);
                return is_displaced;
            }
        };
        let goes_first = replaced.filter(|key| self.goes_first(*key, guest));
        if let Some(key) = goes_first {
            self.list.give_room_up(key);
        }
        let replaced = replaced.filter(|_| goes_first.is_none());
        self.note_letter(guest, since, &letter, replaced);
        match replaced {
            Some(key) => self.replace(key, guest, letter, since),
            None => self.push(guest, letter, since),
        }
        displaces || replaced.is_some()
    }

    /// The letter of the same key that waits. One that is in flight does not, nor one
    /// that goes on where it was if the broker has kept the session.
    fn replaced_by(&self, guest: GuestId, letter: &Letter) -> Option<Key> {
        let key = self.list.latest(guest, letter.replace_key.as_deref()?)?;
        let has_exchange = self.list.get(key)?.packet_id.is_some();
        (!has_exchange && !self.is_in_flight(key)).then_some(key)
    }

    /// Whether one that waits alone of its key goes out nevertheless, as it is being kept:
    /// where a key is replaced more often than the disk can follow, none of its letters
    /// would ever be sent. The younger one has its room, so that there is no list on which
    /// it has none; what goes out without room is bounded as what has some.
    fn goes_first(&self, key: Key, guest: GuestId) -> bool {
        let roomless = self.list.roomless_of(guest);
        let size = self.list.get(key).map_or(0, Entry::size);
        self.link.is_online()
            && self.list.is_being_kept_alone(key)
            && self.work_list(guest).have_room(roomless, size)
    }

    /// A letter comes in the place of one that waits, or behind the others of its own
    /// priority.
    fn replace(&mut self, key: Key, guest: GuestId, letter: Letter, since: Time) {
        let sent = self.was_sent(key);
        let before = self.list.get(key).map(|entry| entry.priority);
        if before != Some(letter.priority) {
            self.displace(key, sent, DisplacedBy::ReplaceKey);
            self.push(guest, letter, since);
        } else if let Some(mut before) = self.list.replace(key, letter, since) {
            let by = Some(DisplacedBy::ReplaceKey);
            self.report_entry(&mut before, Outcome::Displaced { sent }, by);
        }
    }

    /// A letter comes behind the others of its priority.
    fn push(&mut self, guest: GuestId, letter: Letter, since: Time) {
        let times = [since, since + letter.ttl];
        let size = letter.size();
        self.list.push(guest, letter, size, times);
    }

    /// Makes room for a letter on the work list, beside that of one whose place it takes.
    /// Returns whether others were displaced for it, or else what becomes of it.
    fn make_room(
        &mut self,
        guest: GuestId,
        letter: &Letter,
        replaced: Option<Key>,
    ) -> Result<bool, Outcome> {
        let WorkListSettings {
            max,
            max_bytes,
            overflow,
        } = self.work_list(guest);
        let size = letter.size();
        let goes = replaced.and_then(|key| self.list.get(key));
        let goes = goes.map(|entry| (entry.priority, entry.size()));
        let (free, free_bytes) = goes.map_or((0, 0), |(_, size)| (1, size));
        let bounds_of = |max: usize, max_bytes: usize| WorkListSettings {
            max: max + free,
            max_bytes: max_bytes.saturating_add(free_bytes),
            overflow,
        };
        let bounds = bounds_of(max, max_bytes);
        let (listed, listed_bytes) = self.list.room_of(guest);
        if bounds.have_room((listed, listed_bytes), size) {
            return Ok(false);
        }
        let refused = Err(Outcome::Refused(Refused::Unspecified));
        if size > max_bytes {
            return refused;
        }
        match overflow {
            Overflow::DropNewest => return Err(Outcome::Displaced { sent: false }),
            Overflow::Reject => {
                // It was accepted for the sake of one that waited and is in flight by now.
                let name = letter.replace_key.as_deref().filter(|_| replaced.is_none());
                let latest = name.and_then(|name| self.list.latest(guest, name));
                let Some(key) = latest else { return refused };
                let its_size = self.list.get(key).map_or(0, Entry::size);
                if !bounds.have_room((listed - 1, listed_bytes - its_size), size) {
                    return refused;
                }
                self.displace(key, true, DisplacedBy::ReplaceKey);
                return Ok(true);
            }
            Overflow::DropOldest => {}
        }
        // What is there beyond lowered bounds stays until it has gone, and grows no more.
        let bounds = bounds_of(max.max(listed), max_bytes.max(listed_bytes));
        let (mut above, mut bytes_above) = self.list.above(guest, letter.priority);
        if goes.is_none_or(|(priority, _)| priority <= letter.priority) {
            (above, bytes_above) = (above + free, bytes_above + free_bytes);
        }
        if !bounds.have_room((above, bytes_above), size) {
            return Err(Outcome::Displaced { sent: false });
        }
        while !bounds.have_room(self.list.room_of(guest), size)
            && let Some(least) = self.list.least(guest, replaced)
        {
            let sent = self.was_sent(least) || self.is_in_flight(least);
            self.displace(least, sent, DisplacedBy::Overflow);
        }
        Ok(true)
    }

    /// The bounds of the work list of a guest.
    fn work_list(&self, guest: GuestId) -> WorkListSettings {
        self.settings.guests[guest.index()].work_list
    }

    /// What the next call of a guest may ask for. Letters only leave the work
    /// list while a call runs, so there is room for all that it accepts.
    pub(super) fn room(&self, now: Time, guest: GuestId) -> Room {
        let allowance = self.guests.allowance(guest);
        let WorkListSettings {
            max,
            max_bytes,
            overflow,
        } = self.work_list(guest);
        let owed = self.list.len_of(guest) + self.guests.inbox(guest).outcomes();
        let accept = (max + MAX_OWED_OUTCOMES).saturating_sub(owed);
        let (listed, bytes) = self.list.room_of(guest);
        let keys = self.list.keys(guest);
        let (free, free_bytes, replaceable) = match overflow {
            Overflow::DropOldest | Overflow::DropNewest => (usize::MAX, usize::MAX, None),
            Overflow::Reject => (
                max.saturating_sub(listed),
                max_bytes.saturating_sub(bytes),
                Some(keys).filter(|keys| !keys.is_empty()).cloned(),
            ),
        };
        // What the next broker allows is not known yet.
        let (max_qos, carries_properties) = match self.link.is_online() {
            true => (self.limits.max_qos, self.limits.carries_properties),
            false => (self.settings.max_qos, self.settings.carries_properties),
        };
        Room {
            accept,
            free,
            free_bytes,
            replaceable,
            keep: max,
            keep_bytes: max_bytes,
            overflow,
            max_qos,
            carries_properties,
            timers: self.settings.guests[guest.index()].timers.max,
            permissions: allowance.permissions().cloned(),
            not_kept: self.journal.failed().cloned(),
            permitted: allowance.letters(now),
        }
    }
}
