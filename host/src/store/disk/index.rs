//! Where in the segments each thing stands that is kept. What is no more, or was put
//! again later, is in no place: a segment without any is of no use any more.

use std::collections::BTreeMap;
use std::mem;
use std::sync::Arc;

use crate::office::{Change, PacketId, Ticket};

/// Where a record stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) segment: u32,
    /// Its first byte in the segment.
    pub(super) at: u32,
    pub(super) size: u32,
}

#[derive(Debug, Default)]
pub(super) struct Index {
    /// Where a letter stands, or once it has one its outcome.
    letters: BTreeMap<Ticket, Place>,
    /// By guest and key.
    state: BTreeMap<(Arc<str>, Arc<str>), Place>,
    /// By guest and name.
    timers: BTreeMap<(Arc<str>, Arc<str>), Place>,
    received: BTreeMap<PacketId, Place>,
    living: Living,
}

/// The bytes of each segment that are in places, where there are any.
#[derive(Debug, Default)]
struct Living {
    segments: BTreeMap<u32, u64>,
    sum: u64,
}

impl Index {
    /// How many bytes are in places.
    pub(super) fn living(&self) -> u64 {
        self.living.sum
    }

    /// How many of a segment are.
    pub(super) fn living_in(&self, segment: u32) -> u64 {
        self.living.segments.get(&segment).copied().unwrap_or(0)
    }

    /// A change stands here.
    pub(super) fn note(&mut self, change: &Change, place: Place) {
        let living = &mut self.living;
        match change {
            Change::Accepted(kept) => {
                living.set(&mut self.letters, kept.letter.ticket, Some(place));
            }
            Change::Concluded { told, .. } => {
                living.set(&mut self.letters, told.ticket, Some(place));
            }
            Change::Over(ticket) => living.set(&mut self.letters, *ticket, None),
            Change::Wrote { guest, key, value } => {
                let key = (guest.clone(), key.clone());
                living.set(&mut self.state, key, value.is_some().then_some(place));
            }
            Change::Timer { guest, name, timer } => {
                let key = (guest.clone(), name.clone());
                living.set(&mut self.timers, key, timer.is_some().then_some(place));
            }
            Change::Received(id) => living.set(&mut self.received, *id, Some(place)),
            Change::Released(id) => living.set(&mut self.received, *id, None),
            Change::Session(_) => {
                for place in mem::take(&mut self.received).into_values() {
                    living.remove(place);
                }
            }
        }
    }

    /// Much was noted, one behind the other: a map that has grown takes twice the memory of
    /// one that is made at once.
    pub(super) fn shrink(&mut self) {
        self.letters = mem::take(&mut self.letters).into_iter().collect();
    }

    /// Whether what this change has put stands here and nowhere else.
    pub(super) fn is_at(&self, change: &Change, place: Place) -> bool {
        let found = match change {
            Change::Accepted(kept) => self.letters.get(&kept.letter.ticket),
            Change::Concluded { told, .. } => self.letters.get(&told.ticket),
            Change::Wrote { guest, key, .. } => self.state.get(&(guest.clone(), key.clone())),
            Change::Timer { guest, name, .. } => self.timers.get(&(guest.clone(), name.clone())),
            Change::Received(id) => self.received.get(id),
            Change::Over(_) | Change::Released(_) | Change::Session(_) => None,
        };
        found == Some(&place)
    }
}

impl Living {
    fn set<K: Ord>(&mut self, places: &mut BTreeMap<K, Place>, key: K, place: Option<Place>) {
        let before = match place {
            Some(place) => {
                self.add(place);
                places.insert(key, place)
            }
            None => places.remove(&key),
        };
        if let Some(before) = before {
            self.remove(before);
        }
    }

    fn add(&mut self, place: Place) {
        self.sum += u64::from(place.size);
        *self.segments.entry(place.segment).or_default() += u64::from(place.size);
    }

    fn remove(&mut self, place: Place) {
        self.sum -= u64::from(place.size);
        if let Some(living) = self.segments.get_mut(&place.segment) {
            *living -= u64::from(place.size);
            if *living == 0 {
                self.segments.remove(&place.segment);
            }
        }
    }
}
