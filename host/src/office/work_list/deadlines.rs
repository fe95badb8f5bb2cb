//! When letters expire, and timers are due: a table that is asked for the earliest
//! deadline.

use super::chunks::{CHUNK, Chunks};
use crate::office::{Ticket, Time};

/// How many deadlines are compared at once: two cache lines.
const GROUP: usize = 8;

/// A deadline as a number, so that comparing takes no branches: of those at the
/// same moment, the older letter's is the earlier.
type Rank = u128;

/// Later than every letter's.
const NEVER: Rank = Rank::MAX;

/// The deadline of the letter in each slot of the work list, as a tournament:
/// the first of every eight goes up a level, to the one that is first of all.
///
/// A letter that leaves takes its deadline with it, whereas a heap would keep
/// the deadlines of letters that were acknowledged long ago until it is swept.
/// Mostly nothing moves beyond the first level, and neighbouring slots lie in
/// the same cache line, which counts when there are a million.
#[derive(Debug)]
pub(in crate::office) struct Deadlines {
    /// The first level has a place for each slot, each next one a place for
    /// each group of the one below. The last has one group.
    levels: Vec<Chunks<Rank>>,
    first: Rank,
}

impl Deadlines {
    pub(in crate::office) fn new() -> Self {
        Self {
            levels: vec![Chunks::new()],
            first: NEVER,
        }
    }

    /// For how many slots there is room.
    pub(in crate::office) fn places(&self) -> usize {
        self.levels[0].len()
    }

    /// Makes room for one more chunk of slots.
    pub(in crate::office) fn grow(&mut self) {
        self.levels[0].grow(|| NEVER);
        let mut places = self.levels[0].len();
        let mut level = 0;
        while places > GROUP {
            places = places.div_ceil(GROUP);
            level += 1;
            if level == self.levels.len() {
                self.levels.push(Chunks::new());
            }
            if self.levels[level].len() < places {
                self.levels[level].grow(|| NEVER);
                if self.levels[level].len() == CHUNK
                    && let Some(place) = self.levels[level].get_mut(0)
                {
                    *place = self.first;
                }
            }
        }
    }

    /// What is in `slot` is due then; of those at the same moment, the one with the
    /// lowest number first: for a letter that is its ticket.
    pub(in crate::office) fn set(&mut self, slot: u32, at: Time, number: u64) {
        self.replace(slot, rank(at, number));
    }

    /// There is no letter in `slot` any more.
    pub(in crate::office) fn clear(&mut self, slot: u32) {
        self.replace(slot, NEVER);
    }

    /// Whether the earliest deadline has passed. It is asked before everything else,
    /// and mostly for nothing.
    #[inline]
    pub(in crate::office) fn is_due(&self, now: Time) -> bool {
        moment(self.first) <= now
    }

    /// The earliest deadline.
    pub(in crate::office) fn first(&self) -> Option<Time> {
        (self.first != NEVER).then_some(moment(self.first))
    }

    /// The slot of the letter with the earliest deadline.
    pub(in crate::office) fn first_slot(&self) -> Option<u32> {
        if self.first == NEVER {
            return None;
        }
        let mut place = 0;
        for level in self.levels.iter().rev() {
            let group = group(level, place);
            place = place * GROUP + group.iter().position(|rank| *rank == self.first)?;
        }
        u32::try_from(place).ok()
    }

    /// The slot of the letter with this number: what is looked at is a quarter of
    /// what the letters themselves take.
    pub(super) fn slot_of(&self, ticket: Ticket) -> Option<u32> {
        let all = self.levels.first()?;
        let is_it = |rank: &Rank| *rank != NEVER && *rank as u64 == ticket.0;
        let chunks = (0..all.len()).step_by(CHUNK);
        let mut found = chunks.filter_map(|first| {
            let within = all.chunk(first).iter().position(is_it)?;
            u32::try_from(first + within).ok()
        });
        found.next()
    }

    fn replace(&mut self, slot: u32, rank: Rank) {
        let (mut place, mut new) = (slot as usize, rank);
        let mut levels = &mut self.levels[..];
        while let [level, above @ ..] = levels {
            let Some(chunk) = level.chunk_mut(place) else {
                return;
            };
            let group = &mut chunk.as_chunks_mut::<GROUP>().0[place % CHUNK / GROUP];
            let old = std::mem::replace(&mut group[place % GROUP], new);
            place /= GROUP;
            let first = match above.first() {
                Some(above) => above.get(place).copied().unwrap_or(NEVER),
                None => self.first,
            };
            new = match () {
                () if new < first => new,
                () if old == first => first_of(group),
                () => return,
            };
            levels = above;
        }
        self.first = new;
    }
}

fn rank(at: Time, number: u64) -> Rank {
    Rank::from(at.as_millis()) << 64 | Rank::from(number)
}

fn moment(rank: Rank) -> Time {
    Time::from_millis((rank >> 64) as u64)
}

fn group(level: &Chunks<Rank>, number: usize) -> &[Rank] {
    let begin = number * GROUP;
    &level.chunk(begin)[begin % CHUNK..][..GROUP]
}

fn first_of(group: &[Rank; GROUP]) -> Rank {
    group.iter().copied().fold(NEVER, Rank::min)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn the_first_is_the_least_of_all(
            // Slots of up to four levels; few moments, so that many are the same.
            steps in prop::collection::vec((0..2_000_u32, prop::option::of(0..20_u64)), 0..400),
        ) {
            let mut deadlines = Deadlines::new();
            let mut model = BTreeMap::new();
            let mut slots = 0;
            for (ticket, (slot, at)) in (0..).zip(steps) {
                while slots <= slot {
                    deadlines.grow();
                    slots += CHUNK as u32;
                }
                match at {
                    Some(at) => {
                        deadlines.set(slot, Time::from_millis(at), ticket);
                        model.insert(slot, (at, ticket));
                    }
                    None => {
                        deadlines.clear(slot);
                        model.remove(&slot);
                    }
                }
                let first = model.iter().min_by_key(|(_, rank)| **rank);
                prop_assert_eq!(deadlines.first(), first.map(|(_, (at, _))| Time::from_millis(*at)));
                prop_assert_eq!(deadlines.first_slot(), first.map(|(slot, _)| *slot));
            }
        }
    }
}
