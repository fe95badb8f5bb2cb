//! Letters by their tickets, as many as there are: where a map would be, which takes twice
//! the memory while it is made, or stays half empty if it grows.

use std::fmt;
use std::iter;
use std::vec;

use super::StoredLetter;
use crate::office::Ticket;

/// So many letters are in a piece at most: few enough that one of them is moved quickly.
const PIECE: usize = 64;

/// Letters in the order of their tickets.
///
/// They lie in pieces, each of which is given back as soon as its letters were taken out. So
/// whoever makes something else of a million letters never has them twice.
#[derive(Clone, Default)]
pub struct StoredLetters {
    /// In their order. None is empty.
    pieces: Vec<Vec<StoredLetter>>,
}

impl StoredLetters {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &StoredLetter> {
        self.pieces.iter().flatten()
    }

    /// Their tickets.
    pub fn tickets(&self) -> impl Iterator<Item = Ticket> {
        self.iter().map(StoredLetter::ticket)
    }

    /// The letter with this ticket.
    pub fn get(&self, ticket: Ticket) -> Option<&StoredLetter> {
        let (piece, at) = self.place(ticket);
        let letter = self.pieces.get(piece)?.get(at)?;
        (letter.ticket() == ticket).then_some(letter)
    }

    /// Puts a letter there, in the place of one with the same ticket.
    pub fn insert(&mut self, letter: StoredLetter) {
        let ticket = letter.ticket();
        let (behind, at) = self.place(ticket);
        if let Some(piece) = self.pieces.get_mut(behind) {
            if let Some(same) = piece.get_mut(at).filter(|it| it.ticket() == ticket) {
                *same = letter;
                return;
            }
            if at > 0 {
                if piece.len() == PIECE {
                    let rest = piece.split_off(at);
                    self.pieces.insert(behind + 1, rest);
                }
                return self.pieces[behind].insert(at, letter);
            }
        }
        // It goes between two pieces. One behind the other they are filled up.
        let has_room = |piece: &&mut Vec<_>| piece.len() < PIECE;
        let before = behind.checked_sub(1);
        let before = before.and_then(|before| self.pieces.get_mut(before));
        if let Some(before) = before.filter(has_room) {
            return before.push(letter);
        }
        if let Some(behind) = self.pieces.get_mut(behind).filter(has_room) {
            return behind.insert(0, letter);
        }
        // Where there is one there will be more.
        let most = if self.is_empty() { 1 } else { PIECE };
        let mut piece = Vec::with_capacity(most);
        piece.push(letter);
        self.pieces.insert(behind, piece);
    }

    /// Takes the letter with this ticket out, if it is there.
    pub fn remove(&mut self, ticket: Ticket) -> Option<StoredLetter> {
        let (piece, at) = self.place(ticket);
        let letters = self.pieces.get_mut(piece)?;
        letters.get(at).filter(|it| it.ticket() == ticket)?;
        let letter = letters.remove(at);
        if letters.is_empty() {
            self.pieces.remove(piece);
        }
        Some(letter)
    }

    /// Takes out those that are like this.
    pub(super) fn extract(&mut self, is_it: impl Fn(&StoredLetter) -> bool) -> Vec<StoredLetter> {
        let pieces = self.pieces.iter_mut();
        let extracted = pieces.flat_map(|piece| piece.extract_if(.., |letter| is_it(letter)));
        let extracted = extracted.collect();
        self.pieces.retain(|piece| !piece.is_empty());
        extracted
    }

    /// In which piece a letter with this ticket is or would be, and where there: the first
    /// piece that does not end before it, if there is one.
    fn place(&self, ticket: Ticket) -> (usize, usize) {
        let ends_before = |piece: &Vec<StoredLetter>| {
            let last = piece.last();
            last.is_none_or(|last| last.ticket() < ticket)
        };
        // Mostly it comes behind all others.
        if self.pieces.last().is_none_or(ends_before) {
            return (self.pieces.len(), 0);
        }
        let piece = self.pieces.partition_point(ends_before);
        let at = self.pieces[piece].partition_point(|it| it.ticket() < ticket);
        (piece, at)
    }
}

impl IntoIterator for StoredLetters {
    type Item = StoredLetter;
    type IntoIter = iter::Flatten<vec::IntoIter<Vec<StoredLetter>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.pieces.into_iter().flatten()
    }
}

/// In which pieces letters lie is no difference.
impl PartialEq for StoredLetters {
    fn eq(&self, other: &Self) -> bool {
        self.iter().eq(other.iter())
    }
}

impl Eq for StoredLetters {}

impl fmt::Debug for StoredLetters {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.iter()).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::office::{KeptLetter, Letter, Payload, Priority, Qos, Time};

    /// So many that some pieces are full.
    const TICKETS: u64 = 1_000;

    fn letter(ticket: u64, boot: u32) -> StoredLetter {
        StoredLetter {
            boot,
            kept: KeptLetter {
                guest: "door".into(),
                posted: Time::default(),
                place: boot.is_multiple_of(3).then_some(Ticket(ticket / 2)),
                letter: Letter {
                    ticket: Ticket(ticket),
                    topic: "door".into(),
                    payload: Payload::new([]),
                    qos: Qos::AtLeastOnce,
                    retain: false,
                    ttl: Duration::from_secs(1),
                    when_off: None,
                    priority: Priority::Normal,
                    replace_key: None,
                    tag: None,
                    properties: None,
                },
            },
        }
    }

    /// Those that come one behind the other, from the first to the last.
    fn run() -> impl Strategy<Value = (bool, Vec<u64>)> {
        let tickets = (0..TICKETS, 1..300_u64, any::<bool>()).prop_map(|(from, count, is_down)| {
            let tickets = from..from + count;
            match is_down {
                true => tickets.rev().collect(),
                false => tickets.collect(),
            }
        });
        (prop::bool::weighted(0.7), tickets)
    }

    proptest! {
        /// They are what a map of them would be.
        #[test]
        fn a_map_is_no_other(runs in vec(run(), 0..20)) {
            let (mut letters, mut map) = (StoredLetters::default(), BTreeMap::new());
            for (boot, (is_put, tickets)) in (0..).zip(runs) {
                for ticket in tickets {
                    if is_put {
                        letters.insert(letter(ticket, boot));
                        map.insert(ticket, letter(ticket, boot));
                    } else {
                        prop_assert_eq!(letters.remove(Ticket(ticket)), map.remove(&ticket));
                    }
                }
                prop_assert!(letters.iter().eq(map.values()));
                prop_assert_eq!(letters.len(), map.len());
                prop_assert_eq!(letters.is_empty(), map.is_empty());
                prop_assert!(letters.pieces.iter().all(|piece| (1..=PIECE).contains(&piece.len())));
            }
            for ticket in 0..TICKETS {
                prop_assert_eq!(letters.get(Ticket(ticket)), map.get(&ticket));
            }
            let has_place = |letter: &StoredLetter| letter.kept.place.is_some();
            let extracted: Vec<_> = map.extract_if(.., |_, it| has_place(it)).map(|it| it.1).collect();
            prop_assert_eq!(letters.extract(has_place), extracted);
            prop_assert!(letters.into_iter().eq(map.into_values()));
        }
    }

    /// What is read in its order, or in two that go side by side, takes no more than it needs.
    #[test]
    fn what_comes_in_its_order_fills_its_pieces() {
        let mut letters = StoredLetters::default();
        for ticket in 0..10_000 {
            letters.insert(letter(ticket, 0));
            letters.insert(letter(1_000_000 + ticket, 0));
        }
        let needed = 20_000_usize.div_ceil(PIECE);
        let pieces = letters.pieces.len();
        assert!(pieces <= needed + needed / 10, "{pieces} for {needed}");
    }
}
