//! What is to outlive the gateway: changes that are written down, a group at a time.
//!
//! The office has everything in memory and goes on at once. What it changes is noted
//! here, in its order, and handed out as one group whenever the group before is
//! durable: what happens meanwhile grows into the next one, so that the pace does not
//! hang on the disk. One that is [large](Journal::is_large) need not wait for that: the
//! store writes it while it has the one before synced. What
//! the outside sees of a change waits until its group is durable: letters are not sent
//! before, and messages not acknowledged.
//!
//! An outcome need not wait to be told: what its guest does then comes in a later
//! group, so that whatever is durable of the call, the outcome is as well.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use super::{Letter, LetterOutcome, Outgoing, PacketId, Payload, Ticket, Time};

/// From so many changes on that are in no group yet, no guest is called.
pub const MAX_PENDING: usize = 20_000;

/// From so many bytes on that are not durable, neither.
const MAX_PENDING_BYTES: usize = 32 << 20;

/// A group of so many letters, or bytes, is large: it is worth the way to the store.
/// Nobody waits for the other changes.
const LARGE: usize = 64;
const LARGE_BYTES: usize = 256 << 10;

/// So many groups may be handed out and not be durable.
pub(super) const MAX_UNDER_WAY: usize = 4;

/// One thing that is to outlive the gateway. Guests are known by their names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A letter is on the work list.
    Accepted(KeptLetter),
    /// A letter has its outcome, which its guest is to be told. It may never have
    /// been on the work list.
    Concluded {
        /// Whose it is.
        guest: Arc<str>,
        /// What the guest is to be told.
        told: LetterOutcome,
    },
    /// Nothing of a letter is left to be done: its guest has been told the outcome, or
    /// hears of none.
    Over(Ticket),
    /// A guest has written something down, or deleted it.
    Wrote {
        /// Which guest.
        guest: Arc<str>,
        /// Under which key.
        key: Arc<str>,
        /// None: there is nothing any more.
        value: Option<Payload>,
    },
    /// A guest has set a timer, or there is none of this name any more.
    Timer {
        /// Which guest.
        guest: Arc<str>,
        /// Its name.
        name: Arc<str>,
        /// None: it is no more.
        timer: Option<KeptTimer>,
    },
    /// A message of QoS 2 was taken by its guests; the broker may send it again until
    /// it is [released](Self::Released).
    Received(PacketId),
    /// The broker will not send a message of QoS 2 again.
    Released(PacketId),
    /// A session has begun that is called [this](super::Settings::sessions): what was
    /// [received](Self::Received) before is of another one. [`NO_SESSION`]: the one before
    /// is over, and the one at hand ends with its connection.
    Session(u64),
}

/// What no session is called.
pub const NO_SESSION: u64 = u64::MAX;

impl Change {
    /// The letter that it is about, if it is about one.
    pub fn ticket(&self) -> Option<Ticket> {
        match self {
            Self::Accepted(kept) => Some(kept.letter.ticket),
            Self::Concluded { told, .. } => Some(told.ticket),
            Self::Over(ticket) => Some(*ticket),
            _ => None,
        }
    }
}

/// A letter on the work list, as it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLetter {
    /// Whose it is.
    pub guest: Arc<str>,
    /// The letter, as its guest wrote it.
    pub letter: Letter,
    /// When its ttl began.
    pub posted: Time,
    /// The letter that had its place first, if it has taken that over: it comes among those
    /// of its guest and priority where that one was. Only one with a replace key has.
    pub place: Option<Ticket>,
}

/// A timer that a guest has set, as it is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeptTimer {
    /// The first moment it is due. All others are whole periods later.
    pub first: Time,
    /// None: it is due once.
    pub period: Option<Duration>,
}

/// The changes that are not durable yet, and what waits for them.
#[derive(Debug, Default)]
pub(super) struct Journal {
    is_on: bool,
    /// Those that are in no group yet.
    pending: Vec<Change>,
    pending_bytes: usize,
    pending_letters: usize,
    /// How many bytes each group has that was handed out and is not durable, the oldest
    /// first, and how many groups are durable.
    under_way: VecDeque<usize>,
    durable: u64,
    /// The group in which the session at hand is.
    session: u64,
    /// Whether one is kept.
    keeps_session: bool,
    /// What is to be written when so many groups are durable.
    answers: VecDeque<(u64, Outgoing)>,
    failed: Option<Arc<str>>,
}

impl Journal {
    /// Without `is_on` nothing is noted, and nothing waits.
    pub(super) fn new(is_on: bool) -> Self {
        Self {
            is_on,
            ..Self::default()
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.is_on
    }

    /// Notes a change, if anything is noted.
    pub(super) fn push(&mut self, change: Change) {
        if !self.is_on {
            return;
        }
        self.pending_bytes += size(&change);
        self.pending_letters += usize::from(matches!(change, Change::Accepted(_)));
        self.pending.push(change);
    }

    /// Notes that there is a new session.
    pub(super) fn push_session(&mut self, session: u64) {
        self.push(Change::Session(session));
        self.session = self.group();
        self.restore_session(session);
    }

    /// This is the session that is kept.
    pub(super) fn restore_session(&mut self, session: u64) {
        self.keeps_session = session != NO_SESSION;
    }

    /// Whether a session is kept, be it the one at hand or one before.
    pub(super) fn keeps_session(&self) -> bool {
        self.keeps_session
    }

    /// Whether it is durable which session is at hand. Before, nothing is to come in it: a
    /// message would be taken for one of the session before if the gateway began anew.
    #[inline]
    pub(super) fn knows_session(&self) -> bool {
        self.session <= self.durable
    }

    /// Whether so much waits to be handed out, or to become durable, that nothing is to be
    /// added. A journal that has failed is not full: who wants to add is told.
    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.is_on && self.is_much() && self.failed.is_none()
    }

    fn is_much(&self) -> bool {
        let bytes = self.pending_bytes + self.under_way.iter().sum::<usize>();
        self.pending.len() >= MAX_PENDING || bytes >= MAX_PENDING_BYTES
    }

    /// Why nothing becomes durable at the moment, if so.
    pub(super) fn failed(&self) -> Option<&Arc<str>> {
        self.failed.as_ref()
    }

    /// In which group everything up to here is durable.
    pub(super) fn group(&self) -> u64 {
        self.begun() + u64::from(!self.pending.is_empty())
    }

    /// How many groups were handed out.
    pub(super) fn begun(&self) -> u64 {
        self.durable + self.under_way.len() as u64
    }

    /// How many groups are durable.
    pub(super) fn durable(&self) -> u64 {
        self.durable
    }

    /// How many groups are handed out and not durable.
    pub(super) fn under_way(&self) -> usize {
        self.under_way.len()
    }

    /// Whether the next group is large.
    #[inline]
    pub(super) fn is_large(&self) -> bool {
        self.pending_letters >= LARGE || self.pending_bytes >= LARGE_BYTES
    }

    /// Whether all is durable.
    pub(super) fn is_idle(&self) -> bool {
        self.under_way() == 0 && self.pending.is_empty()
    }

    /// What is to be answered now. What is to wait for the changes up to here is kept.
    #[inline]
    pub(super) fn hold(&mut self, answer: Outgoing) -> Option<Outgoing> {
        if self.is_idle() {
            return Some(answer);
        }
        self.answers.push_back((self.group(), answer));
        None
    }

    /// The connection is gone, and with it what was to be answered.
    pub(super) fn take_answers(&mut self) -> impl Iterator<Item = Outgoing> {
        std::mem::take(&mut self.answers)
            .into_iter()
            .map(|(_, answer)| answer)
    }

    /// The next group of changes, if there are any and not too many are under way: none,
    /// where one has failed.
    pub(super) fn poll(&mut self) -> Option<Vec<Change>> {
        let most = if self.failed.is_none() {
            MAX_UNDER_WAY
        } else {
            1
        };
        if self.pending.is_empty() || self.under_way() >= most {
            return None;
        }
        self.under_way.push_back(self.pending_bytes);
        (self.pending_bytes, self.pending_letters) = (0, 0);
        Some(std::mem::take(&mut self.pending))
    }

    /// The oldest group that is under way is durable. Returns what is to be answered now.
    pub(super) fn handle_committed(&mut self) -> impl Iterator<Item = Outgoing> {
        self.durable += u64::from(self.under_way.pop_front().is_some());
        self.failed = None;
        let answers = self.answers.iter();
        let count = answers
            .take_while(|(group, _)| *group <= self.durable)
            .count();
        self.answers.drain(..count).map(|(_, answer)| answer)
    }

    /// The oldest group that is under way could not be made durable, and is tried again.
    pub(super) fn handle_failed(&mut self, why: Arc<str>) {
        self.failed = Some(why);
    }

    /// Groups can be made durable again.
    pub(super) fn handle_possible(&mut self) {
        self.failed = None;
    }
}

/// About how many bytes a change takes.
fn size(change: &Change) -> usize {
    const SMALL: usize = 64;
    SMALL
        + match change {
            Change::Accepted(kept) => kept.letter.size(),
            Change::Wrote { key, value, .. } => {
                key.len() + value.as_ref().map_or(0, |value| value.len())
            }
            _ => 0,
        }
}
