//! Letters that go through a store.

use std::path::Path;

use super::{Change, Kind, LETTER, Store};

/// How many letters wait at least.
const WAITING: u64 = 1_000;

/// A store with letters going through.
pub(crate) struct Flow {
    pub(crate) store: Box<dyn Store>,
    /// How many letters wait, and how many outcomes.
    pub(crate) waiting: u64,
    pub(crate) untold: u64,
    pub(crate) next: u64,
    random: u64,
}

impl Flow {
    /// One whose groups have so many letters. No letter is concluded in the group in
    /// which it is accepted, as it is not sent before, and so with its outcome.
    pub(crate) fn new(kind: Kind, directory: &Path, letters: u64) -> Self {
        Self {
            store: kind.open(directory).expect("it opens"),
            waiting: WAITING.max(2 * letters),
            untold: letters,
            next: 0,
            random: 1,
        }
    }

    /// Brings it to where as many letters go as come.
    pub(crate) fn begin(&mut self) {
        while self.next < self.waiting + 3 * self.untold {
            for changes in self.prepare(self.untold.max(64), false) {
                self.store.commit(&changes).expect("there is room");
            }
        }
    }

    /// Accepts so many letters.
    pub(crate) fn fill(&mut self, letters: u64) {
        while self.next < letters {
            let changes = self.accept(1_000.min(letters - self.next));
            self.store.commit(&changes).expect("there is room");
        }
    }

    /// So many letters that are accepted.
    pub(crate) fn accept(&mut self, letters: u64) -> Vec<Change> {
        (0..letters).map(|_| self.accept_next()).collect()
    }

    /// So many letters come and as many go: in one group, or each change in its own.
    pub(crate) fn prepare(&mut self, letters: u64, is_alone: bool) -> Vec<Vec<Change>> {
        let mut changes = Vec::new();
        for _ in 0..letters {
            let ticket = self.next;
            changes.push(self.accept_next());
            changes.extend(ticket.checked_sub(self.waiting).map(Change::Concluded));
            let told = ticket.checked_sub(self.waiting + self.untold);
            changes.extend(told.map(Change::Told));
        }
        match is_alone {
            true => changes.into_iter().map(|change| vec![change]).collect(),
            false => vec![changes],
        }
    }

    /// A letter whose bytes can not be compressed.
    fn accept_next(&mut self) -> Change {
        let mut letter = Vec::with_capacity(LETTER + 8);
        while letter.len() < LETTER {
            letter.extend(random(&mut self.random).to_le_bytes());
        }
        letter.truncate(LETTER);
        self.next += 1;
        Change::Accepted(self.next - 1, letter)
    }
}

/// The next number by chance.
pub(crate) fn random(state: &mut u64) -> u64 {
    *state = state
        .wrapping_mul(6_364_136_223_846_793_005)
        .wrapping_add(1_442_695_040_888_963_407);
    *state ^ *state >> 29
}
