//! One life of the gateway: all that is lost when it is killed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jackalope::office::{
    Assignment, GuestId, GuestSettings, Office, PacketId, Priority, Settings, Ticket,
    WorkListSettings,
};
use jackalope::store::Held;
use jackalope_tests::office::{guest, settings};

use super::Handling;
use crate::clocks::Clocks;
use crate::facts::NAMES;
use crate::schedule::Setup;

/// What a guest of an earlier life is in this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    There,
    /// It is gone, and its letters go out.
    Gone,
    /// It is gone, and everything stays where it is.
    Away,
}

pub(super) struct Life {
    pub(super) office: Office,
    pub(super) held: Held,
    /// The guest of each place.
    pub(super) places: Vec<(usize, Presence)>,
    pub(super) calls: BTreeMap<GuestId, Assignment>,
    pub(super) given_up: BTreeSet<GuestId>,
    /// The messages that guests are at.
    pub(super) handling: BTreeMap<u64, Handling>,
    /// The messages that were ever handed to guests.
    pub(super) handed: BTreeSet<u64>,
    pub(super) is_online: bool,
    pub(super) broker: usize,
    pub(super) handed_out: u64,
    /// The letters that the broker has acknowledged, or the network has taken.
    pub(super) delivered: BTreeSet<Ticket>,
    /// The letters by their packet ids.
    pub(super) ids: BTreeMap<PacketId, Ticket>,
    /// The letters and outcomes that are of an earlier life.
    pub(super) restored: BTreeSet<Ticket>,
    pub(super) was_held: bool,
    /// Whether the wall clock was trusted when the gateway started.
    pub(super) knew_time: bool,
    /// Whether it was at any moment.
    pub(super) has_seen_trust: bool,
    pub(super) last_ticket: u64,
    /// Whether the office was told that the store has failed.
    pub(super) has_failed: bool,
}

impl Life {
    pub(super) fn new(setup: Setup, clocks: &Clocks, presence: &[Presence]) -> Self {
        let all = presence.iter().enumerate();
        let places: Vec<_> = all
            .filter(|(_, it)| **it != Presence::Away)
            .map(|(guest, it)| (guest, *it))
            .collect();
        let settings = Settings {
            clean_session: setup.clean_session,
            keep_alive: Duration::ZERO,
            guests: places
                .iter()
                .map(|it| guest_settings(setup, it.0, it.1))
                .collect(),
            is_durable: true,
            seed: setup.seed ^ clocks.instant().at,
            ..settings()
        };
        Self {
            office: Office::new(clocks.running(), settings),
            held: Held::default(),
            places,
            calls: BTreeMap::new(),
            given_up: BTreeSet::new(),
            handling: BTreeMap::new(),
            handed: BTreeSet::new(),
            is_online: false,
            broker: 0,
            handed_out: 0,
            delivered: BTreeSet::new(),
            ids: BTreeMap::new(),
            restored: BTreeSet::new(),
            was_held: false,
            knew_time: false,
            has_seen_trust: false,
            last_ticket: 0,
            has_failed: false,
        }
    }

    pub(super) fn guest(&self, place: GuestId) -> usize {
        self.places[place.index()].0
    }

    pub(super) fn place(&self, guest: usize) -> Option<GuestId> {
        let index = self.places.iter().position(|it| it.0 == guest)?;
        Some(GuestId(u16::try_from(index).expect("there are few")))
    }

    pub(super) fn is_there(&self, guest: usize) -> bool {
        self.places.contains(&(guest, Presence::There))
    }

    /// The last guest hears of no outcomes.
    pub(super) fn hears_outcomes(&self, guest: usize) -> bool {
        self.is_there(guest) && guest + 1 < NAMES.len()
    }

    /// Whether a guest wants messages of this topic.
    pub(super) fn is_wanted(&self, topic: &str) -> bool {
        let mut there = self.places.iter().filter(|it| it.1 == Presence::There);
        there.any(|it| topic == "all" || topic == NAMES[it.0])
    }
}

fn guest_settings(setup: Setup, number: usize, presence: Presence) -> GuestSettings {
    if presence == Presence::Gone {
        return GuestSettings::gone(NAMES[number].into(), WorkListSettings::default());
    }
    GuestSettings {
        name: NAMES[number].into(),
        retries: 1,
        retry_for: Duration::from_secs(5),
        outcomes: [1, 3, 0][number],
        work_list: WorkListSettings {
            max: usize::try_from(setup.max_letters).expect("it is small"),
            max_bytes: usize::MAX,
            overflow: setup.overflow,
        },
        ..guest(&["all", NAMES[number]])
    }
}

/// What letters are like.
pub(super) const PRIORITIES: [Priority; 4] = [
    Priority::Normal,
    Priority::Normal,
    Priority::Low,
    Priority::High,
];

/// What is asked for of the broker.
pub(super) const TOPICS: [&str; 4] = ["a", "b", "c", "all"];
