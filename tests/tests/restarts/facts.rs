//! What has happened, as naive as can be. What was durable when the gateway died is a
//! copy of it, from when the last group was handed out that is durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{LetterOutcome, PacketId, Payload, Priority, Ticket, WhenOff};
use jackalope::store::Contents;

use crate::clocks::Instant;

/// The names of all guests there may be.
pub(crate) const NAMES: [&str; 3] = ["a", "b", "c"];

#[derive(Debug, Clone, Default)]
pub(crate) struct Facts {
    /// The letters that have no outcome.
    pub(crate) letters: BTreeMap<Ticket, Posted>,
    /// Those of each guest in the order in which they were to go when the last group was
    /// handed out.
    pub(crate) order: [Vec<(Priority, Ticket)>; NAMES.len()],
    /// The outcomes that guests are to be told.
    pub(crate) owed: BTreeMap<Ticket, (usize, LetterOutcome)>,
    /// The letters whose guest was told, or hears of none.
    pub(crate) over: BTreeSet<Ticket>,
    /// The values of each guest.
    pub(crate) state: [BTreeMap<Arc<str>, Payload>; NAMES.len()],
    /// The timers of each guest.
    pub(crate) timers: [BTreeMap<Arc<str>, Timer>; NAMES.len()],
    /// The messages that all guests have taken, each with how much had changed by then.
    pub(crate) taken: BTreeMap<u64, u64>,
    /// Those of QoS 2 that the broker may send again, by their packet ids.
    pub(crate) received: BTreeMap<PacketId, u64>,
    /// The broker that there is a session with, and which one it is.
    pub(crate) session: Option<(usize, u64)>,
    /// How much has changed.
    pub(crate) changes: u64,
}

#[derive(Debug, Clone)]
pub(crate) struct Posted {
    pub(crate) guest: usize,
    pub(crate) posted: Instant,
    pub(crate) ttl: Duration,
    pub(crate) when_off: WhenOff,
    pub(crate) tag: Option<Arc<str>>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Timer {
    /// When it is due first.
    pub(crate) first: Instant,
    pub(crate) period: Option<Duration>,
}

impl Facts {
    /// Whether a guest has anything.
    pub(crate) fn has_anything(&self, guest: usize) -> bool {
        self.letters.values().any(|it| it.guest == guest)
            || self.owed.values().any(|it| it.0 == guest)
            || !self.state[guest].is_empty()
            || !self.timers[guest].is_empty()
    }

    /// Nothing is left of what a guest has written down, and of its timers.
    pub(crate) fn forget(&mut self, guest: usize) {
        let gone = self.state[guest].len() + self.timers[guest].len();
        self.changes += u64::try_from(gone).expect("it is small");
        self.state[guest].clear();
        self.timers[guest].clear();
    }

    /// Whether a letter was ever accepted.
    pub(crate) fn has(&self, ticket: Ticket) -> bool {
        self.letters.contains_key(&ticket)
            || self.owed.contains_key(&ticket)
            || self.over.contains(&ticket)
    }

    /// What is kept is this and nothing else.
    pub(crate) fn check(&self, contents: &Contents) {
        let letters = contents.letters.iter();
        let letters = letters.map(|it| (it.ticket(), &*it.kept.guest));
        let expect = self.letters.iter();
        let expect = expect.map(|(ticket, it)| (*ticket, NAMES[it.guest]));
        assert!(letters.eq(expect), "the letters that are kept");
        let owed = contents.outcomes.values();
        let owed = owed.map(|it| (&*it.guest, &it.told));
        let expect = self.owed.values().map(|it| (NAMES[it.0], &it.1));
        assert!(owed.eq(expect), "the outcomes that are kept");
        for (guest, name) in NAMES.iter().enumerate() {
            let state = contents.state.get(*name).cloned().unwrap_or_default();
            assert_eq!(state, self.state[guest], "the state that is kept");
            let timers = contents.timers.get(*name).into_iter().flatten();
            let timers = timers.map(|(name, it)| (name, it.timer.period));
            let expect = self.timers[guest].iter();
            let expect = expect.map(|(name, it)| (name, it.period));
            assert!(timers.eq(expect), "the timers that are kept");
        }
        let received = contents.received.iter();
        assert!(
            received.eq(self.received.keys()),
            "the messages that are kept"
        );
        let session = self.session.map(|(broker, _)| broker as u64);
        assert_eq!(contents.session, session, "the session that is kept");
    }
}
