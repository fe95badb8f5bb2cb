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
/// Neighbouring slots lie in the same cache line, which counts when there are a
/// million.
///
/// What went up stays there when its letter leaves, until somebody asks for the
/// first of all: most letters are acknowledged long before it would be their turn,
/// and their slots are taken again. So what is above a group is never later than
/// the first of it, and may be earlier.
#[derive(Debug)]
pub(in crate::office) struct Deadlines {
    /// The first level has a place for each slot, each next one a place for
    /// each group of the one below. The last has one group.
    levels: Vec<Chunks<Rank>>,
    /// What has gone up from there.
    first: Rank,
    /// Whether that is known to be the first of all.
    is_settled: bool,
}

impl Deadlines {
    pub(in crate::office) fn new() -> Self {
        Self {
            levels: vec![Chunks::new()],
            first: NEVER,
            is_settled: true,
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
        let rank = rank(at, number);
        self.replace(slot, rank);
        let mut place = slot as usize;
        for level in self.levels.iter_mut().skip(1) {
            place /= GROUP;
            match level.get_mut(place) {
                Some(above) if rank < *above => *above = rank,
                _ => return,
            }
        }
        self.first = self.first.min(rank);
    }

    /// There is no letter in `slot` any more.
    pub(in crate::office) fn clear(&mut self, slot: u32) {
        self.replace(slot, NEVER);
    }

    /// Whether the earliest deadline may have passed: it has not if this says so. It is
    /// asked before everything else, and mostly for nothing.
    #[inline]
    pub(in crate::office) fn may_be_due(&self, now: Time) -> bool {
        moment(self.first) <= now
    }

    /// Whether the earliest deadline has passed.
    pub(in crate::office) fn is_due(&self, now: Time) -> bool {
        let may_be_due = self.first != NEVER && self.may_be_due(now);
        may_be_due && self.is_due_below(self.levels.len(), 0, now)
    }

    /// Whether one of those has passed that are below a place of this level.
    fn is_due_below(&self, level: usize, place: usize, now: Time) -> bool {
        let Some(below) = level.checked_sub(1) else {
            return true;
        };
        let group = group(&self.levels[below], place).iter();
        let mut places = (place * GROUP..).zip(group);
        places.any(|(place, rank)| moment(*rank) <= now && self.is_due_below(below, place, now))
    }

    /// The earliest deadline.
    #[inline]
    pub(in crate::office) fn first(&mut self) -> Option<Time> {
        if !self.is_settled {
            self.first_slot();
        }
        (self.first != NEVER).then_some(moment(self.first))
    }

    /// The slot of the letter with the earliest deadline, if that has passed.
    pub(in crate::office) fn due(&mut self, now: Time) -> Option<u32> {
        if !self.may_be_due(now) {
            return None;
        }
        // What is first is known then.
        self.first_slot().filter(|_| self.may_be_due(now))
    }

    /// The slot of the letter with the earliest deadline.
    fn first_slot(&mut self) -> Option<u32> {
        if self.first == NEVER {
            return None;
        }
        let (first, slot) = self.settle(self.levels.len(), 0);
        (self.first, self.is_settled) = (first, true);
        u32::try_from(slot).ok().filter(|_| first != NEVER)
    }

    /// What is first of all that is below a place of this level, which it goes up to, and
    /// its slot.
    fn settle(&mut self, level: usize, place: usize) -> (Rank, usize) {
        let Some(below) = level.checked_sub(1) else {
            return (self.levels[0].get(place).copied().unwrap_or(NEVER), place);
        };
        loop {
            let (least, within) = least_of(group(&self.levels[below], place));
            let (first, slot) = match least {
                NEVER => (NEVER, 0),
                _ => self.settle(below, place * GROUP + within),
            };
            if first == least {
                if let Some(levels) = self.levels.get_mut(level)
                    && let Some(above) = levels.get_mut(place)
                {
                    *above = first;
                }
                return (first, slot);
            }
        }
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

    #[inline]
    fn replace(&mut self, slot: u32, rank: Rank) {
        if let Some(place) = self.levels[0].get_mut(slot as usize) {
            let old = std::mem::replace(place, rank);
            self.is_settled &= old != self.first || old == NEVER;
        }
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

/// The least of a group, and where it is.
fn least_of(group: &[Rank]) -> (Rank, usize) {
    let least = group.iter().copied().fold(NEVER, Rank::min);
    let place = group.iter().position(|rank| *rank == least);
    (least, place.unwrap_or(0))
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
            steps in prop::collection::vec(
                (0..2_000_u32, prop::option::of(0..20_u64), any::<bool>()),
                0..400,
            ),
        ) {
            let mut deadlines = Deadlines::new();
            let mut model = BTreeMap::new();
            let mut slots = 0;
            for (ticket, (slot, at, is_asked)) in (0..).zip(steps) {
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
                let at = first.map(|(_, (at, _))| Time::from_millis(*at));
                for now in (0..20).map(Time::from_millis) {
                    let is_due = at.is_some_and(|at| at <= now);
                    prop_assert_eq!(deadlines.is_due(now), is_due);
                    prop_assert!(!is_due || deadlines.may_be_due(now));
                }
                if is_asked {
                    prop_assert_eq!(deadlines.first(), at);
                    prop_assert_eq!(deadlines.first_slot(), first.map(|(slot, _)| *slot));
                    prop_assert_eq!(deadlines.first(), at);
                }
            }
        }
    }
}
