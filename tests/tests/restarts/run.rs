//! A schedule as it is run: many lives of one gateway.

mod calls;
mod keep;
mod life;
mod network;
mod on_disk;
mod reload;
mod restart;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use jackalope::office::{GoneGuests, GuestId, Notice, Outcome, PacketId, Qos, Ticket, WhenOff};
use jackalope::store::Contents;
use jackalope_tests::Random;

use crate::Seen;
use crate::broker::Broker;
use crate::clocks::Clocks;
use crate::facts::{Facts, NAMES, Posted};
use crate::schedule::{Kind, Setup, Step};
use keep::UnderWay;
use life::{Life, Presence, Wanted};
use on_disk::OnDisk;

const SECOND: Duration = Duration::from_secs(1);

/// What a ttl does while the machine is off, where its letter does not say so.
const WHEN_OFF: WhenOff = WhenOff::Count;

pub(crate) struct Run<'a> {
    setup: Setup,
    random: Random,
    clocks: Clocks,
    brokers: [Broker; 2],
    /// What is kept, by a naive model of a store.
    contents: Contents,
    /// The store that keeps it. None: the model alone does.
    on_disk: Option<OnDisk>,
    /// What was found when this life began.
    found: Contents,
    under_way: VecDeque<UnderWay>,
    fails: bool,
    /// What has happened, and what of it is durable.
    live: Facts,
    durable: Facts,
    /// The letters that ever were.
    ever: BTreeSet<Ticket>,
    numbers: u64,
    life: Life,
    /// What is configured of each guest, and of those that are gone.
    wanted: [Wanted; NAMES.len()],
    gone_guests: GoneGuests,
    /// The guests that were gone, with all that they have, and are back.
    are_back: BTreeSet<usize>,
    /// The letters that had their outcome while their guest was gone.
    kept_outcomes: BTreeSet<Ticket>,
    /// What is configured for the session to come.
    next_clean_session: Option<bool>,
    /// All goes well from here on.
    is_kind: bool,
    seen: Seen,
    trace: Option<&'a mut Vec<String>>,
}

impl<'a> Run<'a> {
    pub(crate) fn new(setup: Setup, trace: Option<&'a mut Vec<String>>) -> Self {
        let clocks = Clocks::new(setup.clock, setup.is_synchronised);
        let life = Life::new(setup, &clocks, Vec::new(), GoneGuests::Keep);
        let mut run = Self {
            setup,
            random: Random::new(setup.seed),
            clocks,
            brokers: Default::default(),
            contents: Contents::default(),
            on_disk: setup.is_on_disk.then(|| OnDisk::new(setup.seed)),
            found: Contents::default(),
            under_way: VecDeque::new(),
            fails: false,
            live: Facts::default(),
            durable: Facts::default(),
            ever: BTreeSet::new(),
            numbers: 0,
            life,
            wanted: reload::at_first(),
            gone_guests: GoneGuests::Keep,
            are_back: BTreeSet::new(),
            kept_outcomes: BTreeSet::new(),
            next_clean_session: None,
            is_kind: false,
            seen: Seen::new(),
            trace,
        };
        run.start();
        run
    }

    pub(crate) fn run(mut self, steps: &[Step]) -> Seen {
        for Step(kind, seed) in steps {
            self.random = Random::new(*seed);
            self.note(|| format!("{kind:?}"));
            self.step(*kind);
            self.listen();
        }
        self.finish();
        self.seen
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            let now = self.clocks.running().as_millis();
            trace.push(format!("{now:>9} {}", line()));
        }
    }

    fn see(&mut self, kind: &'static str) {
        *self.seen.entry(kind).or_default() += 1;
    }

    fn number(&mut self) -> u64 {
        self.numbers += 1;
        self.numbers
    }

    fn step(&mut self, kind: Kind) {
        match kind {
            Kind::Call => self.call(),
            Kind::Answer => self.answer_one(),
            Kind::Post => self.post(),
            Kind::Write => {
                let most = 1 + self.random.below(8);
                self.write(most);
            }
            Kind::BrokerReads => {
                let count = 1 + self.random.below(4);
                (0..count).for_each(|_| self.brokers[self.life.broker].read());
            }
            Kind::Read => {
                let count = 1 + self.random.below(4);
                (0..count).for_each(|_| self.read());
            }
            Kind::Message => self.message(),
            Kind::Pass => {
                let millis = self.random.pick(&[1, 100, 1_000, 5_000, 30_000]);
                self.pass(Duration::from_millis(millis));
            }
            Kind::Sleep => {
                let time = SECOND * self.random.pick(&[10, 600, 7_200]);
                self.clocks.pass(time);
            }
            Kind::Connect => self.connect(),
            Kind::LoseConnection => self.lose_connection(),
            Kind::Commit => self.commit(),
            Kind::Store => self.store(),
            Kind::Fault => self.fails = !self.fails,
            Kind::Clock => self.change_clock(),
            Kind::Reload => {
                self.reload(false);
                if self.random.one_in(4) {
                    // It was a mistake.
                    self.reload(true);
                }
            }
            Kind::Kill => self.kill(),
            Kind::Stop => self.stop(),
            Kind::Reboot => self.reboot(),
        }
    }

    // ---- time ----

    fn pass(&mut self, time: Duration) {
        self.clocks.pass(time);
        self.life.office.handle_timeout(self.clocks.running());
        self.listen();
        self.handle_moment();
    }

    fn handle_moment(&mut self) {
        let moment = self.clocks.moment();
        self.life.held.handle_moment(&mut self.life.office, moment);
        if self.clocks.is_trusted() && !self.life.has_seen_trust {
            self.life.has_seen_trust = true;
            self.compare_late_timers();
        }
        self.listen();
    }

    fn change_clock(&mut self) {
        match self.random.below(4) {
            0 | 1 => self.clocks.synchronise(),
            2 => self.clocks.lose_synchronisation(),
            _ => {
                let by = self
                    .random
                    .pick(&[-7_200_000, -5_000, 1_000, 3_600_000, 86_400_000]);
                self.clocks.set(by);
            }
        }
        self.handle_moment();
    }

    // ---- what the office says ----

    fn listen(&mut self) {
        if self.life.office.poll_close().is_some() {
            self.handle_disconnected();
        }
        while let Some(notice) = self.life.office.poll_notice() {
            match notice {
                Notice::Outcome {
                    guest,
                    ticket,
                    outcome,
                    ..
                } => self.handle_outcome(guest, ticket, outcome),
                Notice::Received { message, guests } => {
                    self.handle_received(&message, &guests);
                }
                Notice::GivenUp { guest, .. } => {
                    self.life.given_up.insert(guest);
                }
                Notice::Unexpected { packet } => panic!("unexpected: {packet}"),
                _ => {}
            }
        }
    }

    fn handle_outcome(&mut self, place: GuestId, ticket: Ticket, outcome: Outcome) {
        self.note(|| format!("  {ticket:?}: {outcome:?}"));
        let letter = self.live.letters.remove(&ticket);
        self.live.changes += 1;
        let letter = letter.unwrap_or_else(|| panic!("{ticket:?} has no outcome to come"));
        let guest = self.life.guest(place);
        assert_eq!(letter.guest, guest, "whose letter {ticket:?} is");
        let presence = self.life.presence(place);
        if presence == Presence::Kept {
            self.see("outcome kept for a guest that is gone");
            self.kept_outcomes.insert(ticket);
        }
        match outcome {
            // It is dropped, whatever time there was.
            Outcome::Expired { .. } if presence == Presence::Dropped => {
                self.see("letter dropped with its guest");
            }
            Outcome::Delivered => assert!(
                self.life.delivered.contains(&ticket),
                "{ticket:?} is delivered and the broker has not said so"
            ),
            Outcome::Expired { .. } => self.check_expired(ticket, &letter),
            Outcome::Displaced { .. } | Outcome::Refused(_) => {}
        }
        if !self.life.hears_outcomes(place) {
            self.live.over.insert(ticket);
            return;
        }
        let told = jackalope::office::LetterOutcome {
            ticket,
            tag: letter.tag,
            outcome,
        };
        self.live.owed.insert(ticket, (guest, told));
    }

    /// What is known is not taken for expired too early.
    fn check_expired(&mut self, ticket: Ticket, letter: &Posted) {
        let is_restored = self.life.restored.contains(&ticket);
        if is_restored {
            self.see("letter expired over a restart");
        }
        let clocks = &self.clocks;
        let is_known = match letter.when_off {
            _ if clocks.is_of_this_boot(letter.posted) => true,
            WhenOff::Drop | WhenOff::Pause => true,
            WhenOff::Count => {
                clocks.are_right() && self.life.knew_time && clocks.is_known(letter.posted)
            }
        };
        let is_over = clocks.is_over(letter.posted, letter.ttl, letter.when_off);
        assert!(is_over || !is_known, "{ticket:?} has expired too early");
    }

    // ---- the end ----

    /// Everything is healed, and nothing is left.
    fn finish(&mut self) {
        self.note(|| "the end".to_owned());
        self.is_kind = true;
        self.fails = false;
        self.clocks.synchronise();
        self.kill();
        self.handle_moment();
        for _ in 0..300 {
            while !self.life.calls.is_empty() {
                self.answer_one();
            }
            (0..20).for_each(|_| self.call());
            self.connect();
            self.write(100);
            while !self.brokers[self.life.broker].to_broker.is_empty() {
                self.brokers[self.life.broker].read();
            }
            while !self.brokers[self.life.broker].to_client.is_empty() {
                self.read();
            }
            self.write(100);
            self.commit();
            self.store();
            if self.is_at_rest() {
                break;
            }
            // Of some it will never be known for how long the machine was off.
            let is_held = self.life.office.held_letters() > 0;
            self.pass(if is_held { self.setup.hold } else { SECOND });
        }
        assert_eq!(
            self.durable.letters.keys().next(),
            None,
            "it has no outcome"
        );
        assert_eq!(self.durable.owed.keys().next(), None, "it was not told");
        let untold = self.ever.iter().find(|it| !self.durable.over.contains(it));
        assert_eq!(untold, None, "it was lost");
        assert_eq!(self.life.office.open_letters(), 0);
        assert_eq!(self.life.office.held_letters(), 0);
        let broker = &self.brokers[self.life.broker];
        let message = broker.messages.first().map(|it| it.number);
        assert_eq!(message, None, "this message was not acknowledged");
        assert!(self.contents.letters.is_empty() && self.contents.outcomes.is_empty());
    }

    fn is_at_rest(&self) -> bool {
        self.life.calls.is_empty()
            && self.under_way.is_empty()
            && self.life.is_online
            && self.live.letters.is_empty()
            && self.live.owed.is_empty()
            && self.durable.letters.is_empty()
            && self.durable.owed.is_empty()
            && self.brokers[self.life.broker].messages.is_empty()
    }
}

/// The qualities of service, and how often there is which.
const QUALITIES: [Qos; 4] = [
    Qos::AtMostOnce,
    Qos::AtLeastOnce,
    Qos::ExactlyOnce,
    Qos::ExactlyOnce,
];

/// A message that guests are at.
struct Handling {
    guests: BTreeSet<GuestId>,
    /// The exchange that it is part of, if the session is still there.
    exchange: Option<Option<PacketId>>,
}
