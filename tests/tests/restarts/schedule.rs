//! What happens in a schedule, made from a seed.

use std::time::Duration;

use jackalope::office::Overflow;
use jackalope::store::ClockTrust;
use jackalope_tests::Random;

use crate::clocks::WallClock;

const STEPS: u64 = 200;

#[derive(Debug, Clone)]
pub(crate) struct Schedule {
    pub(crate) setup: Setup,
    pub(crate) steps: Vec<Step>,
}

#[derive(Debug, Clone, Copy)]
pub(crate) struct Setup {
    pub(crate) seed: u64,
    /// Whether there is a store on a disk.
    pub(crate) is_on_disk: bool,
    pub(crate) clean_session: bool,
    pub(crate) clock: WallClock,
    pub(crate) is_synchronised: bool,
    pub(crate) brokers: u64,
    pub(crate) max_letters: u64,
    pub(crate) overflow: Overflow,
    /// How long a letter is held at most.
    pub(crate) hold: Duration,
}

/// A step, and where its random numbers begin: it does the same whatever is left out
/// before it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Step(pub(crate) Kind, pub(crate) u64);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A guest is called.
    Call,
    /// A guest ends its call.
    Answer,
    /// Somebody beside the guests publishes a letter.
    Post,
    /// The network takes packets.
    Write,
    /// The broker reads them.
    BrokerReads,
    /// The gateway reads what the broker has sent.
    Read,
    /// Somebody publishes a message.
    Message,
    /// Time passes.
    Pass,
    /// The machine sleeps.
    Sleep,
    Connect,
    LoseConnection,
    /// A group of changes is handed out.
    Commit,
    /// The store has done something about it.
    Store,
    /// The store fails from here on, or does not any more.
    Fault,
    /// The wall clock is set or synchronised.
    Clock,
    /// The configuration changes.
    Reload,
    /// `kill -9`.
    Kill,
    /// The gateway stops in good order.
    Stop,
    /// The power is cut.
    Reboot,
}

/// How often there is which.
const WEIGHTS: [(Kind, u64); 19] = [
    (Kind::Call, 50),
    (Kind::Answer, 12),
    (Kind::Post, 6),
    (Kind::Write, 26),
    (Kind::BrokerReads, 26),
    (Kind::Read, 30),
    (Kind::Message, 20),
    (Kind::Pass, 16),
    (Kind::Sleep, 2),
    (Kind::Connect, 16),
    (Kind::LoseConnection, 5),
    (Kind::Commit, 30),
    (Kind::Store, 30),
    (Kind::Fault, 3),
    (Kind::Clock, 4),
    (Kind::Reload, 6),
    (Kind::Kill, 5),
    (Kind::Stop, 2),
    (Kind::Reboot, 4),
];

impl Schedule {
    pub(crate) fn generate(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let random = &mut random;
        let setup = Setup {
            seed: random.next(),
            is_on_disk: random.one_in(3),
            clean_session: random.one_in(4),
            clock: WallClock {
                trust: random.pick(&[ClockTrust::PastRecord, ClockTrust::Synchronised]),
                is_wild: random.one_in(2),
            },
            is_synchronised: random.one_in(2),
            brokers: random.pick(&[1, 1, 1, 2]),
            max_letters: random.pick(&[3, 6, 30]),
            overflow: random.pick(&[Overflow::DropOldest, Overflow::DropNewest, Overflow::Reject]),
            hold: Duration::from_secs(random.pick(&[60, 3_600, 86_400])),
        };
        let all = WEIGHTS.iter().map(|(_, weight)| weight).sum();
        let count = STEPS / 2 + random.below(STEPS);
        let steps = (0..count).map(|_| {
            let mut at = random.below(all);
            let kind = WEIGHTS.iter().find(|(_, weight)| {
                let is_it = at < *weight;
                at = at.saturating_sub(*weight);
                is_it
            });
            Step(kind.expect("one of them").0, random.next())
        });
        let steps = steps.collect();
        Self { setup, steps }
    }
}
