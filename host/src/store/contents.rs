//! All that is kept, and what a group makes of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Boots, Group, StoredLetters};
use crate::office::{Change, KeptLetter, KeptTimer, LetterOutcome, PacketId, Payload, Ticket};

/// All that is kept.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Contents {
    /// The number of the last group; 0, if there was none.
    pub number: u64,
    /// The highest ticket that any letter had.
    pub last_ticket: u64,
    /// The boots of the machine that times in here are of.
    pub boots: Boots,
    /// The letters without an outcome.
    pub letters: StoredLetters,
    /// The outcomes that guests are to be told.
    pub outcomes: BTreeMap<Ticket, OwedOutcome>,
    /// What guests have written down, by guest and key.
    pub state: BTreeMap<Arc<str>, BTreeMap<Arc<str>, Payload>>,
    /// Timers that guests have set, by guest and name.
    pub timers: BTreeMap<Arc<str>, BTreeMap<Arc<str>, StoredTimer>>,
    /// Messages of QoS 2 that were taken and that the broker may send again.
    pub received: BTreeSet<PacketId>,
    /// What the session is called that these are of.
    pub session: Option<u64>,
}

/// A letter on the work list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredLetter {
    /// The boot that its times are of.
    pub boot: u32,
    /// The letter.
    pub kept: KeptLetter,
}

impl StoredLetter {
    /// Its ticket.
    pub fn ticket(&self) -> Ticket {
        self.kept.letter.ticket
    }
}

/// An outcome that a guest is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwedOutcome {
    /// Which guest.
    pub guest: Arc<str>,
    /// What it is to be told.
    pub told: LetterOutcome,
}

/// A timer that a guest has set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StoredTimer {
    /// The boot that its times are of.
    pub boot: u32,
    /// The timer.
    pub timer: KeptTimer,
}

impl Contents {
    /// What a group makes of it.
    pub fn apply(&mut self, group: &Group) {
        self.number = group.number;
        let boot = self.boots.observe(group.moment);
        for change in &group.changes {
            if let Some(ticket) = change.ticket() {
                self.last_ticket = self.last_ticket.max(ticket.0);
            }
            self.apply_change(boot, change.clone());
        }
    }

    /// Forgets the boots that no time in here is of, but for the present one.
    pub(crate) fn forget_boots(&mut self) {
        let letters = self.letters.iter().map(|letter| letter.boot);
        let timers = self.timers.values().flat_map(BTreeMap::values);
        let used: BTreeSet<u32> = letters.chain(timers.map(|timer| timer.boot)).collect();
        self.boots.forget(|boot| used.contains(&boot));
    }

    /// What a change makes of it whose times are of this boot.
    pub(crate) fn apply_change(&mut self, boot: u32, change: Change) {
        match change {
            Change::Accepted(kept) => {
                // No office gives a ticket twice.
                self.outcomes.remove(&kept.letter.ticket);
                self.letters.insert(StoredLetter { boot, kept });
            }
            Change::Concluded { guest, told } => {
                let ticket = told.ticket;
                self.letters.remove(ticket);
                self.outcomes.insert(ticket, OwedOutcome { guest, told });
            }
            Change::Over(ticket) => {
                self.letters.remove(ticket);
                self.outcomes.remove(&ticket);
            }
            Change::Wrote { guest, key, value } => {
                set(&mut self.state, guest, key, value);
            }
            Change::Timer { guest, name, timer } => {
                let timer = timer.map(|timer| StoredTimer { boot, timer });
                set(&mut self.timers, guest, name, timer);
            }
            Change::Received(id) => {
                self.received.insert(id);
            }
            Change::Released(id) => {
                self.received.remove(&id);
            }
            Change::Session(session) => {
                self.received.clear();
                self.session = Some(session);
            }
        }
    }
}

/// Sets or removes what a guest has under a name.
fn set<T>(
    all: &mut BTreeMap<Arc<str>, BTreeMap<Arc<str>, T>>,
    guest: Arc<str>,
    name: Arc<str>,
    value: Option<T>,
) {
    match value {
        Some(value) => {
            all.entry(guest).or_default().insert(name, value);
        }
        None => {
            if let Some(of_guest) = all.get_mut(&guest) {
                of_guest.remove(&name);
                if of_guest.is_empty() {
                    all.remove(&guest);
                }
            }
        }
    }
}
