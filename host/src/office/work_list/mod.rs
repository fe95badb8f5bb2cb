//! The work list: every letter that has no outcome yet, in one list a guest, with a
//! queue for each priority.
//!
//! Letters stay in their queue, in the order they came, from being posted to
//! their outcome. Each knows whether it has been sent on the current connection, and
//! a cursor marks the first that has not: before it are sent ones alone, and behind it
//! some may be, where one before them is to be sent again. Going back to the beginning
//! after a reconnect is setting the cursor to the front.

mod chunks;
mod deadlines;
mod keys;
mod letter;
mod room;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::journal::MAX_UNDER_WAY;
use super::{PacketId, Payload, Properties, Remaining, Time, WhenOff};
use chunks::Chunks;

pub(super) use deadlines::Deadlines;
pub use keys::Keys;
pub use letter::{
    DisplacedBy, GuestId, Letter, LetterOutcome, MAX_REPLACE_KEY, MAX_TAG, Outcome, Priority, Qos,
    Refused, Ticket, letter_size,
};

/// Where a letter lies. Valid until the letter is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Key(u32);

/// "No key", in a quarter of the space of an `Option<Key>` pair.
const NONE: u32 = u32::MAX;

/// A list that has become empty gives memory back if it had more slots.
const SLOTS_KEPT: usize = 1_024;

/// When the ttl of a letter began of which that is not known.
const UNKNOWN: Time = Time::from_millis(u64::MAX);

/// A letter in the work list.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) ticket: Ticket,
    pub(super) topic: Arc<str>,
    pub(super) payload: Payload,
    /// When its ttl began, if that is not [`UNKNOWN`], and when it is over.
    posted: Time,
    pub(super) deadline: Time,
    pub(super) guest: GuestId,
    pub(super) qos: Qos,
    pub(super) retain: bool,
    /// The packet id of its exchange, while it has one.
    pub(super) packet_id: Option<PacketId>,
    /// How often the broker hung up right after it was sent.
    pub(in crate::office) hang_ups: u8,
    /// Whether it has been sent on this connection.
    pub(in crate::office) is_sent: bool,
    /// Whether the network has taken any of it, on an earlier connection or in an
    /// exchange that is over.
    pub(in crate::office) was_sent: bool,
    /// How often it was begun to be sent.
    pub(in crate::office) tries: u8,
    pub(in crate::office) priority: Priority,
    /// Whether it is not to be sent, as it is not known how much of its ttl is left.
    pub(in crate::office) is_held: bool,
    /// How many bytes its PUBLISH takes. No packet takes more than 32 bits can say.
    size: u32,
    previous: u32,
    next: u32,
    /// What few letters have.
    extras: Option<Box<Extras>>,
}

/// Of which there is at least one.
#[derive(Debug)]
struct Extras {
    tag: Option<Arc<str>>,
    properties: Option<Arc<Properties>>,
    replace_key: Option<Arc<str>>,
    /// The letter that had its place first, if it has taken that over.
    place: Option<Ticket>,
    /// Whether its room is that of a younger one of its key by now.
    is_roomless: bool,
    when_off: Option<WhenOff>,
}

impl Entry {
    /// Of a letter of this size that nothing has become of, with what is before and
    /// behind it.
    #[inline(always)]
    fn new(
        guest: GuestId,
        letter: Letter,
        size: usize,
        [posted, deadline]: [Time; 2],
        is_held: bool,
        [previous, next]: [u32; 2],
    ) -> Self {
        let Letter {
            ticket,
            topic,
            payload,
            qos,
            retain,
            ttl: _,
            when_off,
            priority,
            replace_key,
            tag,
            properties,
        } = letter;
        let has_none =
            tag.is_none() && properties.is_none() && replace_key.is_none() && when_off.is_none();
        let extras = (!has_none).then(|| {
            Box::new(Extras {
                tag,
                properties,
                replace_key,
                place: None,
                is_roomless: false,
                when_off,
            })
        });
        Self {
            ticket,
            topic,
            payload,
            posted,
            deadline,
            guest,
            qos,
            retain,
            packet_id: None,
            hang_ups: 0,
            is_sent: false,
            was_sent: false,
            tries: 0,
            priority,
            is_held,
            size: u32::try_from(size).unwrap_or(u32::MAX),
            previous,
            next,
            extras,
        }
    }

    /// How long ago its ttl began, if that is known.
    pub(in crate::office) fn age(&self, now: Time) -> Option<Duration> {
        (self.posted != UNKNOWN).then(|| now.since(self.posted))
    }

    /// How many bytes its PUBLISH takes.
    pub(in crate::office) fn size(&self) -> usize {
        self.size as usize
    }

    /// How many bytes its own properties take.
    pub(in crate::office) fn own_properties(&self) -> usize {
        self.properties().map_or(0, |properties| properties.size())
    }

    pub(in crate::office) fn properties(&self) -> Option<&Arc<Properties>> {
        self.extras.as_ref()?.properties.as_ref()
    }

    /// What its place in its queue goes by: the later the greater.
    pub(in crate::office) fn place(&self) -> Ticket {
        let taken_over = self.extras.as_ref().and_then(|extras| extras.place);
        taken_over.unwrap_or(self.ticket)
    }

    /// Whether its room is that of a younger one of its key by now.
    fn is_roomless(&self) -> bool {
        let extras = self.extras.as_ref();
        extras.is_some_and(|extras| extras.is_roomless)
    }

    /// What it is replaced by.
    pub(in crate::office) fn replace_key(&self) -> Option<&Arc<str>> {
        self.extras.as_ref()?.replace_key.as_ref()
    }

    pub(in crate::office) fn when_off(&self) -> Option<WhenOff> {
        self.extras.as_ref()?.when_off
    }

    pub(in crate::office) fn take_tag(&mut self) -> Option<Arc<str>> {
        self.extras.as_mut()?.tag.take()
    }
}

#[derive(Debug)]
enum Slot {
    Taken(Entry),
    Free { next: u32 },
}

/// The letters of one guest and one priority.
#[derive(Debug)]
struct Queue {
    first: u32,
    last: u32,
    /// The first letter that has not been sent on this connection.
    unsent: u32,
    len: usize,
    /// How many bytes they take, by their size.
    bytes: usize,
    /// How many of them, and of how many bytes, have given their room up.
    roomless: (usize, usize),
    /// How many have been sent.
    sent: usize,
}

impl Queue {
    const EMPTY: Self = Self {
        first: NONE,
        last: NONE,
        unsent: NONE,
        len: 0,
        bytes: 0,
        roomless: (0, 0),
        sent: 0,
    };
}

/// The letters of one guest.
#[derive(Debug)]
struct List {
    /// By priority, the lowest first.
    queues: [Queue; 3],
    keys: Keys,
    /// Whether the guest stands in `turns`.
    has_turn: bool,
    /// The last letter that was put on it, the last one when each of the latest groups was
    /// handed out, from the latest on, and the last one that is durable: only up to that
    /// letters are sent.
    last_ticket: u64,
    begun: [u64; MAX_UNDER_WAY],
    durable: u64,
}

impl List {
    fn queue(&mut self, priority: Priority) -> &mut Queue {
        &mut self.queues[priority as usize]
    }

    /// The first letter that has not been sent on this connection, of the highest
    /// priority. One that is not kept yet holds back its own priority alone.
    fn first_unsent<'a>(&self, slots: &'a Chunks<Slot>) -> Option<(Key, &'a Entry)> {
        self.queues.iter().rev().find_map(|queue| {
            let key = some_key(queue.unsent)?;
            let entry = entry_of(slots, key)?;
            (entry.ticket.0 <= self.durable).then_some((key, entry))
        })
    }

    /// Whether there are letters that have not been sent on this connection.
    fn has_unsent(&self) -> bool {
        self.queues.iter().any(|queue| queue.unsent != NONE)
    }
}

/// All letters without an outcome.
#[derive(Debug)]
pub(super) struct WorkList {
    slots: Chunks<Slot>,
    /// How many slots were ever taken. Those from there on are in no list.
    used: u32,
    /// The free slot that was left last: it is the likeliest to be in a cache.
    free: u32,
    len: usize,
    lists: Vec<List>,
    /// Guests that may have unsent letters. They take turns, a letter each, so
    /// that one guest's backlog does not delay another's letter.
    turns: VecDeque<GuestId>,
    deadlines: Deadlines,
    /// Whether letters are to be kept before they are sent.
    is_durable: bool,
    /// How many are held.
    held: usize,
}

impl WorkList {
    pub(super) fn new(guests: usize, is_durable: bool) -> Self {
        let mut list = Self {
            slots: Chunks::new(),
            used: 0,
            free: NONE,
            len: 0,
            lists: Vec::new(),
            turns: VecDeque::with_capacity(guests),
            deadlines: Deadlines::new(),
            is_durable,
            held: 0,
        };
        list.resize(guests);
        list
    }

    /// There are so many guests, not fewer than before.
    pub(super) fn resize(&mut self, guests: usize) {
        let durable = if self.is_durable { 0 } else { u64::MAX };
        self.lists.resize_with(guests, || List {
            queues: [Queue::EMPTY; 3],
            keys: Keys::default(),
            has_turn: false,
            last_ticket: 0,
            begun: [durable; MAX_UNDER_WAY],
            durable,
        });
    }

    /// How many letters there are.
    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// How many letters of one guest there are.
    pub(super) fn len_of(&self, guest: GuestId) -> usize {
        let queues = self.lists[guest.index()].queues.iter();
        queues.map(|queue| queue.len).sum()
    }

    pub(super) fn get(&self, key: Key) -> Option<&Entry> {
        entry_of(&self.slots, key)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Entry> {
        match self.slots.get_mut(key.0 as usize) {
            Some(Slot::Taken(entry)) => Some(entry),
            _ => None,
        }
    }

    /// A letter of a guest, of the lowest priority, if it has any.
    pub(super) fn any_of(&self, guest: GuestId) -> Option<Key> {
        let mut queues = self.lists[guest.index()].queues.iter();
        queues.find_map(|queue| some_key(queue.first))
    }

    /// The letters of a guest in the order in which they are to be sent.
    pub(super) fn letters_of(&self, guest: GuestId) -> impl Iterator<Item = &Entry> {
        let queues = self.lists[guest.index()].queues.iter().rev();
        queues.flat_map(move |queue| {
            let mut next = queue.first;
            std::iter::from_fn(move || {
                let entry = self.get(some_key(next)?)?;
                next = entry.next;
                Some(entry)
            })
        })
    }

    /// How many letters of one guest have been sent on this connection.
    pub(super) fn sent_of(&self, guest: GuestId) -> usize {
        let queues = self.lists[guest.index()].queues.iter();
        queues.map(|queue| queue.sent).sum()
    }

    /// The letter with this number. Looks at all of them.
    pub(super) fn find(&self, ticket: Ticket) -> Option<Key> {
        self.deadlines.slot_of(ticket).map(Key)
    }

    /// Puts a letter of this size behind all others of its guest and priority: when its ttl
    /// began, and when it is over.
    pub(super) fn push(&mut self, guest: GuestId, letter: Letter, size: usize, times: [Time; 2]) {
        self.insert(guest, letter, size, times, false);
    }

    /// Puts a letter of an earlier life there, which was kept and may have been sent,
    /// behind those whose places come before its own.
    pub(super) fn restore(&mut self, guest: GuestId, letter: Letter, remaining: Remaining) {
        let Remaining {
            posted,
            deadline,
            is_held,
            place,
        } = remaining;
        let times = [posted.unwrap_or(UNKNOWN), deadline];
        let last_ticket = self.lists[guest.index()].last_ticket;
        let size = letter.size();
        let key = self.insert(guest, letter, size, times, is_held);
        self.held += usize::from(is_held);
        if let Some(entry) = self.get_mut(key) {
            entry.was_sent = true;
            if let Some(extras) = &mut entry.extras {
                extras.place = place;
            }
        }
        let list = &mut self.lists[guest.index()];
        // One that has another's place has a later ticket than some behind it.
        list.last_ticket = list.last_ticket.max(last_ticket);
        list.durable = list.durable.max(list.last_ticket);
        list.begun = [list.last_ticket; MAX_UNDER_WAY];
    }

    #[inline(always)]
    fn insert(
        &mut self,
        guest: GuestId,
        letter: Letter,
        size: usize,
        times: [Time; 2],
        is_held: bool,
    ) -> Key {
        let (slot, ticket, [_, deadline]) = (self.take_slot(), letter.ticket, times);
        let list = &mut self.lists[guest.index()];
        list.last_ticket = ticket.0;
        let queue = &mut list.queues[letter.priority as usize];
        if let Some(key) = &letter.replace_key {
            list.keys.insert(key.clone(), ticket, slot, size);
        }
        let links = [queue.last, NONE];
        if let Some(place) = self.slots.get_mut(slot as usize) {
            *place = Slot::Taken(Entry::new(guest, letter, size, times, is_held, links));
        }
        let previous = std::mem::replace(&mut queue.last, slot);
        if queue.first == NONE {
            queue.first = slot;
        }
        if queue.unsent == NONE && !is_held {
            queue.unsent = slot;
        }
        queue.len += 1;
        queue.bytes += size;
        self.len += 1;
        if let Some(previous) = some_key(previous).and_then(|key| self.get_mut(key)) {
            previous.next = slot;
        }
        self.give_turn(guest);
        self.deadlines.set(slot, deadline, ticket.0);
        Key(slot)
    }

    /// Puts a letter into the place of one of its guest, its priority and its key that
    /// waits. Returns that one.
    pub(super) fn replace(&mut self, key: Key, letter: Letter, posted: Time) -> Option<Entry> {
        self.unsend(key);
        let deadline = posted + letter.ttl;
        let (ticket, size, name) = (letter.ticket, letter.size(), letter.replace_key.clone());
        let before = self.get_mut(key)?;
        let (guest, priority, place) = (before.guest, before.priority, before.place());
        let (times, links) = ([posted, deadline], [before.previous, before.next]);
        let mut entry = Entry::new(guest, letter, size, times, false, links);
        if let Some(extras) = &mut entry.extras {
            extras.place = Some(place);
        }
        let before = std::mem::replace(before, entry);
        self.held -= usize::from(before.is_held);
        let list = &mut self.lists[guest.index()];
        list.last_ticket = ticket.0;
        list.keys.replace(name.as_deref()?, ticket, size);
        let queue = list.queue(priority);
        queue.bytes = queue.bytes + size - before.size();
        self.deadlines.set(key.0, deadline, ticket.0);
        self.step_back(key);
        Some(before)
    }

    /// What was put there up to now is being kept.
    pub(super) fn handle_commit_begun(&mut self) {
        for list in &mut self.lists {
            list.begun.rotate_right(1);
            list.begun[0] = list.last_ticket;
        }
    }

    /// It is kept, but for so many of the latest groups.
    pub(super) fn handle_committed(&mut self, under_way: usize) {
        for list in &mut self.lists {
            list.durable = list.begun[under_way];
        }
    }

    /// How many letters are held.
    pub(super) fn held(&self) -> usize {
        self.held
    }

    /// Letters that are held may be sent until this moment, where it is known by now.
    pub(super) fn release_held(&mut self, deadline: impl Fn(Ticket) -> Option<Time>) {
        for guest in (0..self.lists.len()).map(GuestId::at) {
            for priority in Priority::ALL {
                let first = self.lists[guest.index()].queue(priority).first;
                let mut at = first;
                while let Some(entry) = some_key(at).and_then(|key| self.get_mut(key)) {
                    let (slot, next, ticket) = (at, entry.next, entry.ticket);
                    if entry.is_held
                        && let Some(deadline) = deadline(ticket)
                    {
                        entry.is_held = false;
                        entry.deadline = deadline;
                        self.held -= 1;
                        self.deadlines.set(slot, deadline, ticket.0);
                    }
                    at = next;
                }
                self.set_unsent(guest, priority, first);
            }
            self.give_turn(guest);
        }
    }

    /// A slot that is free, and is no longer in the list of free ones.
    fn take_slot(&mut self) -> u32 {
        if let Some(Slot::Free { next }) = self.slots.get(self.free as usize) {
            return std::mem::replace(&mut self.free, *next);
        }
        if self.used as usize == self.slots.len() {
            self.slots.grow(|| Slot::Free { next: NONE });
            self.deadlines.grow();
        }
        let slot = self.used;
        self.used = slot
            .checked_add(1)
            .expect("lists are bounded far below 2^32");
        slot
    }

    /// Takes a letter out, wherever it is in its queue.
    pub(super) fn remove(&mut self, key: Key) -> Option<Entry> {
        let entry = entry_of(&self.slots, key)?;
        let (guest, priority, next) = (entry.guest, entry.priority, entry.next);
        let list = &mut self.lists[guest.index()];
        let queue = &mut list.queues[priority as usize];
        queue.len -= 1;
        queue.bytes -= entry.size();
        queue.sent -= usize::from(entry.is_sent);
        self.held -= usize::from(entry.is_held);
        if let Some(extras) = &entry.extras {
            if extras.is_roomless {
                let (letters, bytes) = queue.roomless;
                queue.roomless = (letters - 1, bytes - entry.size());
            }
            if let Some(name) = &extras.replace_key {
                list.keys.remove(name, key.0);
            }
        }
        let previous = entry.previous;
        if queue.first == key.0 {
            queue.first = next;
        }
        if queue.last == key.0 {
            queue.last = previous;
        }
        if queue.unsent == key.0 {
            self.set_unsent(guest, priority, next);
        }
        if let Some(previous) = some_key(previous).and_then(|key| self.get_mut(key)) {
            previous.next = next;
        }
        if let Some(next) = some_key(next).and_then(|key| self.get_mut(key)) {
            next.previous = previous;
        }
        self.deadlines.clear(key.0);
        self.len -= 1;
        let free = Slot::Free { next: self.free };
        let removed = std::mem::replace(self.slots.get_mut(key.0 as usize)?, free);
        self.free = key.0;
        if self.len == 0 && self.slots.len() > SLOTS_KEPT {
            self.shrink();
        }
        match removed {
            Slot::Taken(entry) => Some(entry),
            Slot::Free { .. } => None,
        }
    }

    /// Gives the memory of an empty list back.
    #[cold]
    fn shrink(&mut self) {
        (self.slots, self.deadlines) = (Chunks::new(), Deadlines::new());
        (self.used, self.free) = (0, NONE);
    }

    /// The first unsent letter of a guest and a priority is this one, or is behind it.
    fn set_unsent(&mut self, guest: GuestId, priority: Priority, mut from: u32) {
        while let Some(entry) = some_key(from).and_then(|key| self.get(key))
            && (entry.is_sent || entry.is_held)
        {
            from = entry.next;
        }
        self.lists[guest.index()].queue(priority).unsent = from;
    }

    /// Makes a letter unsent again that was sent. It keeps its place.
    pub(super) fn unsend(&mut self, key: Key) {
        let Some(entry) = self.get_mut(key) else {
            return;
        };
        entry.packet_id = None;
        if !std::mem::take(&mut entry.is_sent) {
            return;
        }
        let (guest, priority) = (entry.guest, entry.priority);
        self.lists[guest.index()].queue(priority).sent -= 1;
        self.step_back(key);
    }

    /// A letter is to be sent that was not before.
    fn step_back(&mut self, key: Key) {
        let Some(entry) = self.get(key) else {
            return;
        };
        let (guest, priority) = (entry.guest, entry.priority);
        let unsent = some_key(self.lists[guest.index()].queues[priority as usize].unsent);
        let first = unsent.and_then(|key| self.get(key));
        if first.is_none_or(|first| entry.place() < first.place()) {
            self.lists[guest.index()].queue(priority).unsent = key.0;
        }
        self.give_turn(guest);
    }

    /// Returns the letter to send next that `may_go`, and moves past it. Guests
    /// take turns. A letter that may not go holds back those of its guest that are behind
    /// it or of a lower priority.
    pub(super) fn next_unsent(
        &mut self,
        mut may_go: impl FnMut(&Entry) -> bool,
    ) -> Option<(Key, &mut Entry)> {
        for _ in 0..self.turns.len() {
            let guest = self.turns.pop_front()?;
            let list = &self.lists[guest.index()];
            let Some((key, entry)) = list.first_unsent(&self.slots) else {
                let list = &mut self.lists[guest.index()];
                list.has_turn = list.has_unsent();
                if list.has_turn {
                    self.turns.push_back(guest);
                }
                continue;
            };
            self.turns.push_back(guest);
            if may_go(entry) {
                let (priority, next) = (entry.priority, entry.next);
                self.lists[guest.index()].queue(priority).sent += 1;
                self.set_unsent(guest, priority, next);
                let entry = self.get_mut(key)?;
                entry.is_sent = true;
                return Some((key, entry));
            }
        }
        None
    }

    /// Makes every letter unsent again, in its old order.
    pub(super) fn rewind(&mut self) {
        for guest in (0..self.lists.len()).map(GuestId::at) {
            for priority in Priority::ALL {
                let queue = self.lists[guest.index()].queue(priority);
                let first = queue.first;
                let (mut at, mut sent) = (first, std::mem::take(&mut queue.sent));
                while sent > 0
                    && let Some(entry) = some_key(at).and_then(|key| self.get_mut(key))
                {
                    sent -= usize::from(std::mem::take(&mut entry.is_sent));
                    at = entry.next;
                }
                self.set_unsent(guest, priority, first);
            }
            if self.lists[guest.index()].has_unsent() {
                self.give_turn(guest);
            }
        }
    }

    /// Returns the letter with the earliest deadline, if that is at most `now`.
    pub(super) fn due(&mut self, now: Time) -> Option<Key> {
        self.deadlines.due(now).map(Key)
    }

    /// Returns whether there may be one. There is none if this says so.
    #[inline]
    pub(super) fn may_be_due(&self, now: Time) -> bool {
        self.deadlines.may_be_due(now)
    }

    /// When the next letter expires.
    pub(super) fn next_deadline(&mut self) -> Option<Time> {
        self.deadlines.first()
    }

    fn give_turn(&mut self, guest: GuestId) {
        if !std::mem::replace(&mut self.lists[guest.index()].has_turn, true) {
            self.turns.push_back(guest);
        }
    }
}

fn entry_of(slots: &Chunks<Slot>, key: Key) -> Option<&Entry> {
    match slots.get(key.0 as usize) {
        Some(Slot::Taken(entry)) => Some(entry),
        _ => None,
    }
}

fn some_key(slot: u32) -> Option<Key> {
    (slot != NONE).then_some(Key(slot))
}
