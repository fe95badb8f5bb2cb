//! Which letter of a guest is the latest of its replace key, and which ones are not.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{GuestId, Key, NONE, WorkList, some_key};
use crate::office::Ticket;

/// The latest letters of one guest, by their replace keys. Letters without a key have no
/// part in it.
///
/// A copy shares what is in it, until one of both is changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Keys {
    latest: Arc<BTreeMap<Arc<str>, Latest>>,
    /// How many letters with a key are on the work list and not the latest of it.
    superseded: usize,
}

/// The latest letter of a key, which is known for as long as there is any.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Latest {
    ticket: Ticket,
    /// Where it lies, or [`NONE`] if it has its outcome.
    slot: u32,
    size: usize,
    /// How many letters of the key are on the work list.
    letters: usize,
}

impl Keys {
    /// Whether there are no letters with a key.
    pub(in crate::office) fn is_empty(&self) -> bool {
        self.latest.is_empty()
    }

    /// How many bytes the latest letter of a key takes, if it is on the work list.
    pub fn size_of(&self, key: &str) -> Option<usize> {
        let latest = self.latest.get(key)?;
        (latest.slot != NONE).then_some(latest.size)
    }

    /// Where the latest letter of a key lies, or [`NONE`].
    pub(super) fn slot_of(&self, key: &str) -> u32 {
        self.latest.get(key).map_or(NONE, |latest| latest.slot)
    }

    /// Whether a letter is not the latest of its key.
    pub(super) fn is_superseded(&self, key: &str, ticket: Ticket) -> bool {
        let latest = self.latest.get(key);
        latest.is_some_and(|latest| latest.ticket != ticket)
    }

    /// How many letters of a key are on the work list.
    pub(super) fn letters(&self, key: &str) -> usize {
        self.latest.get(key).map_or(0, |latest| latest.letters)
    }

    /// How many letters are not the latest of their key.
    pub(super) fn superseded(&self) -> usize {
        self.superseded
    }

    /// A letter comes, in a place that was free.
    #[inline(never)]
    pub(super) fn insert(&mut self, key: Arc<str>, ticket: Ticket, slot: u32, size: usize) {
        let all = Arc::make_mut(&mut self.latest);
        let latest = all.entry(key).or_insert(Latest {
            ticket,
            slot: NONE,
            size,
            letters: 0,
        });
        self.superseded += usize::from(latest.slot != NONE);
        (latest.ticket, latest.slot, latest.size) = (ticket, slot, size);
        latest.letters += 1;
    }

    /// A letter comes in the place of the latest one.
    pub(super) fn replace(&mut self, key: &str, ticket: Ticket, size: usize) {
        if let Some(latest) = Arc::make_mut(&mut self.latest).get_mut(key) {
            (latest.ticket, latest.size) = (ticket, size);
        }
    }

    /// The letter that lay there goes.
    #[inline(never)]
    pub(super) fn remove(&mut self, key: &str, slot: u32) {
        let all = Arc::make_mut(&mut self.latest);
        let Some(latest) = all.get_mut(key) else {
            return;
        };
        match latest.slot == slot {
            true => latest.slot = NONE,
            false => self.superseded -= 1,
        }
        latest.letters -= 1;
        if latest.letters == 0 {
            all.remove(key);
        }
    }
}

impl WorkList {
    /// The letters of a guest by their replace keys.
    pub(in crate::office) fn keys(&self, guest: GuestId) -> &Keys {
        &self.lists[guest.index()].keys
    }

    /// The latest letter of a guest that has this replace key.
    pub(in crate::office) fn latest(&self, guest: GuestId, key: &str) -> Option<Key> {
        some_key(self.keys(guest).slot_of(key))
    }

    /// The letters that wait although a younger one of their key was accepted.
    pub(in crate::office) fn superseded(&self) -> Vec<Key> {
        let mut superseded = Vec::new();
        for list in &self.lists {
            let mut left = list.keys.superseded();
            for queue in &list.queues {
                let mut at = queue.first;
                while left > 0
                    && let Some(key) = some_key(at)
                    && let Some(entry) = self.get(key)
                {
                    at = entry.next;
                    if self.is_superseded(key) {
                        left -= 1;
                        if !entry.is_sent && entry.packet_id.is_none() {
                            superseded.push(key);
                        }
                    }
                }
            }
        }
        superseded
    }

    /// Whether a younger letter of the same key was accepted.
    pub(in crate::office) fn is_superseded(&self, key: Key) -> bool {
        let Some(entry) = self.get(key) else {
            return false;
        };
        let keys = &self.lists[entry.guest.index()].keys;
        let name = entry.replace_key();
        name.is_some_and(|name| keys.is_superseded(name, entry.ticket))
    }

    /// Whether a letter is in a group that is being kept, and no other of its key is on the
    /// work list.
    pub(in crate::office) fn is_being_kept_alone(&self, key: Key) -> bool {
        let Some(entry) = self.get(key) else {
            return false;
        };
        let list = &self.lists[entry.guest.index()];
        let is_being_kept = list.durable < entry.ticket.0 && entry.ticket.0 <= list.begun[0];
        let name = entry.replace_key();
        is_being_kept && name.is_some_and(|name| list.keys.letters(name) == 1)
    }
}
