//! One life of the gateway: all that is lost when it is killed.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use jackalope::office::{
    Assignment, Call, GoneGuests, GuestId, GuestSettings, Office, PacketId, Priority, Settings,
    Ticket, WorkListSettings,
};
use jackalope::store::Held;
use jackalope_tests::office::{guest, settings};

use super::Handling;
use super::reload::Unanswered;
use crate::clocks::Clocks;
use crate::facts::NAMES;
use crate::schedule::Setup;

/// What is configured of a guest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) is_there: bool,
    pub(super) hears_outcomes: bool,
}

/// What is at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// A guest, which hears of outcomes or does not.
    There { hears_outcomes: bool },
    /// One that is gone: its letters go out, and all that it has is kept.
    Kept,
    /// One that is gone, and nothing is left of it but its last call and exchanges.
    Dropped,
}

/// The place of a guest. One that is back has it again, if all was kept.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place {
    pub(super) guest: usize,
    pub(super) presence: Presence,
}

pub(super) struct Life {
    pub(super) office: Office,
    pub(super) held: Held,
    pub(super) places: Vec<Place>,
    pub(super) unanswered: VecDeque<Unanswered>,
    pub(super) calls: BTreeMap<GuestId, Assignment>,
    pub(super) given_up: BTreeSet<GuestId>,
    /// The messages that guests are at.
    pub(super) handling: BTreeMap<u64, Handling>,
    /// The messages that were ever handed to guests.
    pub(super) handed: BTreeSet<u64>,
    /// Those that nobody wanted when they came.
    pub(super) unwanted: BTreeSet<u64>,
    pub(super) is_online: bool,
    pub(super) broker: usize,
    pub(super) handed_out: u64,
    /// The letters that the broker has acknowledged, or the network has taken.
    pub(super) delivered: BTreeSet<Ticket>,
    /// The letters by their packet ids.
    pub(super) ids: BTreeMap<PacketId, Ticket>,
    /// The guests that were gone when it began, and had something.
    pub(super) gone_at_start: BTreeSet<usize>,
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
    pub(super) fn new(setup: Setup, clocks: &Clocks, places: Vec<Place>, gone: GoneGuests) -> Self {
        let there = places.iter().map(|it| {
            let hears_outcomes = match it.presence {
                Presence::There { hears_outcomes } => Some(hears_outcomes),
                Presence::Kept | Presence::Dropped => None,
            };
            let wanted = Wanted {
                is_there: hears_outcomes.is_some(),
                hears_outcomes: hears_outcomes == Some(true),
            };
            (it.guest, wanted)
        });
        let settings = Settings {
            seed: setup.seed ^ clocks.instant().at,
            ..gateway_settings(setup, setup.clean_session, gone, there)
        };
        Self {
            office: Office::new(clocks.running(), settings),
            held: Held::default(),
            gone_at_start: places
                .iter()
                .filter(|it| it.presence == Presence::Kept)
                .map(|it| it.guest)
                .collect(),
            places,
            unanswered: VecDeque::new(),
            calls: BTreeMap::new(),
            given_up: BTreeSet::new(),
            handling: BTreeMap::new(),
            handed: BTreeSet::new(),
            unwanted: BTreeSet::new(),
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
        self.places[place.index()].guest
    }

    /// The place of a guest that is there.
    pub(super) fn place(&self, guest: usize) -> Option<GuestId> {
        let mut all = self.all_places();
        all.find(|it| self.guest(*it) == guest && !self.is_gone(*it))
    }

    pub(super) fn all_places(&self) -> impl Iterator<Item = GuestId> + use<> {
        let count = u16::try_from(self.places.len()).expect("there are few");
        (0..count).map(GuestId)
    }

    pub(super) fn is_gone(&self, place: GuestId) -> bool {
        !matches!(self.presence(place), Presence::There { .. })
    }

    pub(super) fn presence(&self, place: GuestId) -> Presence {
        self.places[place.index()].presence
    }

    /// Whether outcomes are told to who has this place, or kept for it.
    pub(super) fn hears_outcomes(&self, place: GuestId) -> bool {
        match self.presence(place) {
            Presence::There { hears_outcomes } => hears_outcomes,
            Presence::Kept => true,
            Presence::Dropped => false,
        }
    }

    /// A guest has a place.
    pub(super) fn set(&mut self, guest: usize, place: GuestId, wanted: Wanted) {
        let Wanted { hears_outcomes, .. } = wanted;
        let new = Place {
            guest,
            presence: Presence::There { hears_outcomes },
        };
        match self.places.get_mut(place.index()) {
            Some(before) => *before = new,
            None => self.places.push(new),
        }
        assert!(place.index() < self.places.len(), "places have no gaps");
    }

    /// The outcomes that guests are at calls with.
    pub(super) fn told_at_calls(&self) -> BTreeSet<Ticket> {
        let calls = self.calls.values().map(|it| &it.call);
        let outcomes = calls.filter_map(|call| match call {
            Call::Outcomes(outcomes) => Some(outcomes),
            _ => None,
        });
        outcomes.flatten().map(|it| it.ticket).collect()
    }

    /// Whether a guest wants messages of this topic.
    pub(super) fn is_wanted(&self, topic: &str) -> bool {
        let mut there = self.all_places().filter(|it| !self.is_gone(*it));
        there.any(|it| topic == "all" || topic == NAMES[self.guest(it)])
    }
}

/// The settings of a gateway with these guests; those that are not there are gone.
pub(super) fn gateway_settings(
    setup: Setup,
    clean_session: bool,
    gone_guests: GoneGuests,
    guests: impl Iterator<Item = (usize, Wanted)>,
) -> Settings {
    Settings {
        clean_session,
        keep_alive: Duration::ZERO,
        guests: guests
            .map(|(guest, wanted)| guest_settings(setup, guest, wanted))
            .collect(),
        is_durable: true,
        gone_guests,
        seed: setup.seed,
        ..settings()
    }
}

fn guest_settings(setup: Setup, number: usize, wanted: Wanted) -> GuestSettings {
    let name = NAMES[number].into();
    if !wanted.is_there {
        return GuestSettings::gone(name, WorkListSettings::default());
    }
    GuestSettings {
        name,
        retries: 1,
        retry_for: Duration::from_secs(5),
        outcomes: match wanted.hears_outcomes {
            true => [1, 3, 2][number],
            false => 0,
        },
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
