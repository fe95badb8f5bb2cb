//! Guests as equals: what one of them does, on a network and with a broker that do
//! as they should, costs the others no connection, no letter, no message, and no
//! more time than [`MOST`].

use std::collections::BTreeMap;

use jackalope::office::{
    Disconnection, GuestId, MAX_OUTCOMES, OutcomeWord, Priority, Ticket, WorkListSettings,
};
use jackalope::wire::Version;

use crate::guests::Key;
use crate::model::{Check, ensure};
use crate::schedule::{
    CallPlan, GuestSetup, HOUR, LetterPlan, Schedule, Setup, Step, TOPICS, Verdict, overflow,
    priority, qos, replace_key, timers,
};
use crate::terms::Terms;
use jackalope_tests::Random;

/// The guest that means harm. All others are honest.
const HOSTILE: usize = 0;

/// How long an honest guest waits at most, in milliseconds: for a letter to be
/// delivered, and for a message that has come in. Most of it is the shortest pause
/// between connections, as a guest can ask for a new one once a minute.
const MOST: u64 = 4_000;

/// Every how often a guest can have a new connection, in milliseconds.
const RECONNECT: u64 = 60_000;

/// Every how often a guest that has new connections made in the middle of its
/// exchanges can have the session renewed, where the broker keeps it.
const RENEWAL: u64 = 300_000;

/// Watches over the honest guests of a simulation.
#[derive(Debug, Default)]
pub(crate) struct Equals {
    /// When the letters of honest guests were posted.
    posted: BTreeMap<Ticket, u64>,
    /// When messages came in that an honest guest has not been called with.
    arrived: BTreeMap<(GuestId, Key), u64>,
    begun: u64,
    reconnects: u64,
    renewals: u64,
    /// Whether the broker keeps the session.
    is_kept: bool,
}

impl Equals {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            is_kept: !setup.clean_session,
            ..Self::default()
        }
    }

    pub(crate) fn handle_posted(&mut self, now: u64, guest: GuestId, ticket: Ticket) {
        if guest.index() != HOSTILE {
            self.posted.insert(ticket, now);
        }
    }

    pub(crate) fn handle_outcome(
        &mut self,
        now: u64,
        ticket: Ticket,
        outcome: OutcomeWord,
    ) -> Check {
        let Some(posted) = self.posted.remove(&ticket) else {
            return Ok(());
        };
        let waited = now - posted;
        ensure!(
            outcome == OutcomeWord::Delivered && waited <= MOST,
            "{ticket:?} of an honest guest is {outcome} after {waited} ms"
        );
        Ok(())
    }

    pub(crate) fn handle_arrived(&mut self, now: u64, guest: usize, key: Key) {
        if guest != HOSTILE {
            self.arrived.insert((GuestId(guest as u16), key), now);
        }
    }

    pub(crate) fn handle_called(&mut self, now: u64, guest: GuestId, key: Key) -> Check {
        let waited = self.arrived.remove(&(guest, key)).map_or(0, |at| now - at);
        ensure!(
            waited <= MOST,
            "honest {guest:?} is called with {key:?} after {waited} ms"
        );
        Ok(())
    }

    pub(crate) fn handle_offline(&mut self, now: u64, reason: &Disconnection) -> Check {
        if self.begun == 0 {
            self.begun = now;
        }
        let (count, pause) = match reason {
            Disconnection::Reconnect => (&mut self.reconnects, RECONNECT),
            Disconnection::Clogged if self.is_kept => (&mut self.renewals, RENEWAL),
            _ => return Err(format!("a guest has ended the connection of all: {reason}")),
        };
        *count += 1;
        let most = 1 + (now - self.begun) / pause;
        ensure!(
            *count <= most,
            "{count} connections have ended for one guest: {reason}"
        );
        Ok(())
    }

    /// At the very end: nothing has got lost.
    pub(crate) fn check_complete(&self) -> Check {
        ensure!(
            self.posted.is_empty() && self.arrived.is_empty(),
            "honest guests wait: {:?} {:?}",
            self.posted,
            self.arrived
        );
        Ok(())
    }
}

/// A schedule in which all is well but for one guest.
pub(crate) fn generate(seed: u64) -> Schedule {
    let mut random = Random::new(seed);
    let guests = 2 + random.below(4) as usize;
    let setup = Setup {
        seed,
        version: random.pick(&[Version::V4, Version::V5]),
        is_secure: false,
        terms: Terms::GENEROUS,
        session_expiry: 24 * 3_600,
        clean_session: random.one_in(2),
        keep_alive: 60,
        max_sent: 1 << 20,
        max_read: 1 << 20,
        deliver_at_publish: random.one_in(4),
        window: random.pick(&[20, 100]),
        guests: (0..guests).map(|guest| setup(&mut random, guest)).collect(),
        split: random.pick(&[0, 3]),
        after_abort: 0,
        final_cut: false,
        equals: true,
    };
    let delay = 1 + random.below(40);
    let mut steps = vec![Step::Delay(delay, delay), Step::Wait(1_000)];
    let count = 10 + random.below(60);
    steps.extend((0..count).map(|_| step(&mut random, guests)));
    Schedule { setup, steps }
}

fn setup(random: &mut Random, guest: usize) -> GuestSetup {
    let filter = random.pick(&["a/#", "a/+", "#", "b/+"]);
    GuestSetup {
        max_timers: 2,
        timers: Vec::new(),
        subscriptions: vec![(filter, qos(random))],
        retries: random.below(3) as u32,
        retry_for: random.pick(&[2_000, HOUR]),
        has_will: guest == HOSTILE && random.one_in(4),
        outcomes: random.pick(&[1, MAX_OUTCOMES]),
        work_list: WorkListSettings {
            overflow: overflow(random),
            ..WorkListSettings::default()
        },
    }
}

fn step(random: &mut Random, guests: usize) -> Step {
    let honest = 1 + random.below(guests as u64 - 1) as usize;
    match random.below(20) {
        0..=5 => Step::Wait(1 + random.below(50)),
        6..=7 => Step::Wait(1 + random.below(5_000)),
        8..=12 => Step::Plan(HOSTILE, hostile_call(random)),
        13 => Step::Post(HOSTILE, hostile_letter(random), 1 + random.below(150)),
        14..=15 => Step::Plan(
            honest,
            CallPlan {
                letters: (0..random.below(3))
                    .map(|_| honest_letter(random))
                    .collect(),
                ..CallPlan::NOTHING
            },
        ),
        16 => Step::Post(honest, honest_letter(random), 1 + random.below(3)),
        17 if random.one_in(10) => Step::Message(message(random), 1_100),
        _ => Step::Message(message(random), 1 + random.below(10)),
    }
}

fn hostile_call(random: &mut Random) -> CallPlan {
    let letters = random.pick(&[0, 0, 1, 20, 100, 200]);
    CallPlan {
        letters: (0..letters).map(|_| hostile_letter(random)).collect(),
        timers: timers(random),
        reconnect: random.one_in(3),
        verdict: random.pick(&[
            Verdict::Done,
            Verdict::Reject,
            Verdict::Retry,
            Verdict::Trap,
        ]),
        takes: random.pick(&[0, 0, 100, 20_000]),
        keeps_loop: random.pick(&[0, 1, 5]),
    }
}

fn hostile_letter(random: &mut Random) -> LetterPlan {
    LetterPlan {
        topic: random.pick(&TOPICS),
        qos: qos(random),
        retain: random.one_in(8),
        ttl: random.pick(&[1, 2, 5, 20, 100, 1_000, HOUR]),
        priority: priority(random),
        replace_key: replace_key(random),
        padding: random.pick(&[0, 0, 1_000, 60_000]),
    }
}

fn honest_letter(random: &mut Random) -> LetterPlan {
    LetterPlan {
        topic: random.pick(&TOPICS),
        qos: qos(random),
        retain: false,
        ttl: HOUR,
        priority: priority(random),
        replace_key: None,
        padding: random.pick(&[0, 100]),
    }
}

fn message(random: &mut Random) -> LetterPlan {
    LetterPlan {
        topic: random.pick(&TOPICS),
        qos: qos(random),
        retain: false,
        ttl: 0,
        priority: Priority::Normal,
        replace_key: None,
        padding: 0,
    }
}
