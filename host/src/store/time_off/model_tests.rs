//! Machines at random, beside a model that knows what time it truly is.

use proptest::prelude::*;

use super::*;

/// When the model begins, in milliseconds since 1970.
const BEGIN: u64 = EARLIEST + 1_000_000_000;

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;

/// How long a letter is held at most, after the process has started.
const HOLD: Duration = Duration::from_millis(10 * MINUTE);

/// What happens to a machine, or to the gateway on it.
#[derive(Debug, Clone)]
enum Step {
    /// Time goes by, awake or asleep.
    Pass(u64),
    /// Something is recorded.
    Record,
    /// A letter is accepted, and recorded.
    Post(u64, WhenOff),
    /// Somebody sets the wall clock, wrong by so much.
    Set(i64),
    /// NTP has answered.
    Synchronise,
    /// NTP has not answered for too long.
    LoseNtp,
    /// The machine is off for so long.
    PowerOff(u64, AfterOff),
    /// The process starts again, and forgets the boots that no letter is of.
    Restart,
}

/// What the wall clock says when the machine is on again.
#[derive(Debug, Clone)]
enum AfterOff {
    /// It has gone on: there is a battery.
    WentOn,
    /// It goes on from where it stopped, as with fake-hwclock.
    StoodStill,
    /// It is 1970.
    Lost,
}

/// A machine whose boots and letters are known.
#[derive(Debug)]
struct World {
    now: u64,
    /// Of the wall clock.
    error: i64,
    is_synchronised: bool,
    trust: ClockTrust,
    /// By their numbers, less one.
    boots: Vec<TrueBoot>,
    letters: Vec<TrueLetter>,
    hold_until: Time,
    seen: Boots,
}

#[derive(Debug)]
struct TrueBoot {
    began: u64,
    /// For how long it is recorded.
    ran: u64,
    /// Whether it was ever recorded that the clock is synchronised.
    was_synchronised: bool,
}

#[derive(Debug)]
struct TrueLetter {
    posted: u64,
    ttl: u64,
    life: Lifetime,
}

impl World {
    fn new(trust: ClockTrust) -> Self {
        let mut world = Self {
            now: BEGIN,
            error: 0,
            is_synchronised: false,
            trust,
            boots: Vec::new(),
            letters: Vec::new(),
            hold_until: Time::default(),
            seen: Boots::default(),
        };
        world.boot();
        world
    }

    fn boot(&mut self) {
        self.boots.push(TrueBoot {
            began: self.now,
            ran: 0,
            was_synchronised: false,
        });
        self.is_synchronised = false;
        self.start();
    }

    /// The process starts.
    fn start(&mut self) {
        self.record();
        self.hold_until = self.running() + HOLD;
    }

    fn present(&mut self) -> &mut TrueBoot {
        self.boots.last_mut().unwrap()
    }

    /// The boot clock.
    fn running(&self) -> Time {
        Time::from_millis(self.now - self.boots.last().unwrap().began)
    }

    fn record(&mut self) {
        let number = self.seen.observe(Moment {
            boot: BootId([self.boots.len() as u8; 16]),
            running: self.running(),
            wall: self.now.saturating_add_signed(self.error),
            trust: self.trust.of(self.is_synchronised),
        });
        assert_eq!(number as usize, self.boots.len());
        let (running, is_synchronised) = (self.running(), self.is_synchronised);
        let boot = self.present();
        boot.ran = running.as_millis();
        boot.was_synchronised |= is_synchronised;
    }

    fn apply(&mut self, step: Step) {
        match step {
            Step::Pass(millis) => self.now += millis,
            Step::Record => self.record(),
            Step::Post(ttl, when_off) => {
                self.record();
                let posted = self.running();
                self.letters.push(TrueLetter {
                    posted: self.now,
                    ttl,
                    life: Lifetime {
                        boot: self.boots.len() as u32,
                        posted,
                        deadline: posted + Duration::from_millis(ttl),
                        when_off,
                    },
                });
            }
            Step::Set(error) => (self.error, self.is_synchronised) = (error, false),
            Step::Synchronise => (self.error, self.is_synchronised) = (0, true),
            Step::LoseNtp => self.is_synchronised = false,
            Step::PowerOff(millis, after) => {
                self.now += millis;
                match after {
                    AfterOff::WentOn => {}
                    AfterOff::StoodStill => self.error -= millis as i64,
                    AfterOff::Lost => self.error = -(self.now as i64),
                }
                self.boot();
            }
            Step::Restart => {
                let is_of = |number| self.letters.iter().any(|it| it.life.boot == number);
                self.seen.forget(is_of);
                self.start();
            }
        }
    }

    /// How long the machine has run since a letter was posted, as it is recorded.
    fn ran_since(&self, letter: &TrueLetter) -> u64 {
        let first = letter.life.boot as usize - 1;
        let last = self.boots.len() - 1;
        let until_now = self.running().as_millis();
        let ran = |at: usize| match at {
            _ if at == last => until_now,
            _ => self.boots[at].ran,
        };
        (first..=last).map(ran).sum::<u64>() - letter.life.posted.as_millis()
    }

    /// What holds however much the wall clocks lie.
    fn check_bounds(&self, letter: &TrueLetter, found: Ttl) {
        let left = letter.ttl.saturating_sub(self.ran_since(letter));
        let latest = self.running() + Duration::from_millis(left);
        match found {
            Ttl::Live { age, deadline } => {
                assert!(deadline <= latest, "{letter:?}");
                let ttl = deadline.since(self.running()) + age;
                assert_eq!(ttl, Duration::from_millis(letter.ttl), "{letter:?}");
            }
            Ttl::Held { until } => {
                assert!(until <= latest && until <= self.hold_until, "{letter:?}");
                assert!(until > self.running(), "{letter:?}");
            }
            Ttl::Expired => {}
        }
    }

    /// What holds if the wall clock is never trusted while it is wrong.
    fn check_truth(&self, letter: &TrueLetter, found: Ttl) {
        let true_age = self.now - letter.posted;
        let exactly = |age: u64| match letter.ttl.checked_sub(age) {
            None | Some(0) => Ttl::Expired,
            Some(left) => Ttl::Live {
                age: Duration::from_millis(age),
                deadline: self.running() + Duration::from_millis(left),
            },
        };
        let first = letter.life.boot as usize - 1;
        let (first, present) = (&self.boots[first], self.boots.last().unwrap());
        match letter.life.when_off {
            _ if first.began == present.began => assert_eq!(found, exactly(true_age)),
            WhenOff::Drop => assert_eq!(found, Ttl::Expired),
            WhenOff::Pause => assert_eq!(found, exactly(self.ran_since(letter))),
            WhenOff::Count if self.is_known(first) && self.is_known(present) => {
                assert_eq!(found, exactly(true_age), "{letter:?}");
            }
            WhenOff::Count => match found {
                Ttl::Live { age, deadline } => {
                    assert!(self.is_known(present), "{letter:?}");
                    assert!(age >= Duration::from_millis(true_age), "{letter:?}");
                    let left = deadline.since(self.running());
                    let truly_left = letter.ttl.checked_sub(true_age).unwrap();
                    assert!(left <= Duration::from_millis(truly_left), "{letter:?}");
                }
                Ttl::Held { .. } => {}
                Ttl::Expired => {
                    let was_held = self.running() >= self.hold_until;
                    assert!(was_held || true_age >= letter.ttl, "{letter:?}");
                }
            },
        }
    }

    fn is_known(&self, boot: &TrueBoot) -> bool {
        boot.was_synchronised || self.trust == ClockTrust::PastRecord
    }

    /// Lets all this happen, and checks each letter whenever something has.
    fn run(mut self, steps: Vec<Step>, check: fn(&Self, &TrueLetter, Ttl)) {
        for step in steps {
            self.apply(step);
            for letter in &self.letters {
                let now = self.running();
                let found = self.seen.ttl(&letter.life, now, self.hold_until);
                self.check_bounds(letter, found);
                check(&self, letter, found);
            }
        }
    }
}

fn what_the_gateway_does() -> BoxedStrategy<Step> {
    let when_off = prop::sample::select(vec![WhenOff::Count, WhenOff::Pause, WhenOff::Drop]);
    prop_oneof![
        4 => (0..HOUR).prop_map(Step::Pass),
        2 => Just(Step::Record),
        4 => (1..6 * HOUR, when_off).prop_map(|(ttl, when_off)| Step::Post(ttl, when_off)),
        1 => Just(Step::Restart),
    ]
    .boxed()
}

/// Clocks that lie.
fn any_step() -> BoxedStrategy<Step> {
    let span = 10 * HOUR as i64;
    let after = prop::sample::select(vec![AfterOff::WentOn, AfterOff::StoodStill, AfterOff::Lost]);
    prop_oneof![
        8 => what_the_gateway_does(),
        1 => (-span..span).prop_map(Step::Set),
        2 => Just(Step::Synchronise),
        1 => Just(Step::LoseNtp),
        3 => (1..2 * HOUR, after).prop_map(|(millis, after)| Step::PowerOff(millis, after)),
    ]
    .boxed()
}

/// A battery clock that is right, and no NTP.
fn step_with_battery() -> BoxedStrategy<Step> {
    prop_oneof![
        4 => what_the_gateway_does(),
        1 => (0..2 * HOUR).prop_map(|millis| Step::PowerOff(millis, AfterOff::WentOn)),
    ]
    .boxed()
}

fn steps(step: BoxedStrategy<Step>) -> impl Strategy<Value = Vec<Step>> {
    prop::collection::vec(step, 0..60)
}

proptest! {
    #[test]
    fn with_synchronised_clocks_no_letter_is_live_after_its_true_ttl(steps in steps(any_step())) {
        World::new(ClockTrust::Synchronised).run(steps, World::check_truth);
    }

    #[test]
    fn with_a_battery_clock_that_is_right_each_ttl_is_known(steps in steps(step_with_battery())) {
        World::new(ClockTrust::PastRecord).run(steps, World::check_truth);
    }

    #[test]
    fn with_clocks_that_lie_no_ttl_lasts_for_longer_than_the_machine_runs(
        steps in steps(any_step())
    ) {
        World::new(ClockTrust::PastRecord).run(steps, |_, _, _| {});
    }
}
