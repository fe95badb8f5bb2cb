//! What time it is: truly, by the boot clock, and by a wall clock that may be wrong.

use std::time::Duration;

use jackalope::office::{Time, WhenOff};
use jackalope::store::{BootId, ClockTrust, Moment, Trust};

/// When each schedule begins, in milliseconds since 1970.
const BEGINNING: u64 = 1_790_000_000_000;

/// How the wall clock of the machine behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct WallClock {
    pub(crate) trust: ClockTrust,
    /// Whether it may be set to anything while it is not synchronised.
    pub(crate) is_wild: bool,
}

#[derive(Debug)]
pub(crate) struct Clocks {
    kind: WallClock,
    now: u64,
    boots: Vec<Boot>,
    /// How far the wall clock is off.
    offset: i64,
    is_synchronised: bool,
}

#[derive(Debug)]
struct Boot {
    began: u64,
    /// The last moment of it that is durable.
    recorded: u64,
    /// Whether a moment of it at which the wall clock was trusted is durable.
    is_known: bool,
}

/// A moment as it truly was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Instant {
    pub(crate) at: u64,
    boot: usize,
    running: u64,
}

impl Clocks {
    pub(crate) fn new(kind: WallClock, is_synchronised: bool) -> Self {
        let boot = Boot {
            began: BEGINNING,
            recorded: 0,
            is_known: false,
        };
        Self {
            kind,
            now: BEGINNING + 1_000,
            boots: vec![boot],
            offset: 0,
            is_synchronised,
        }
    }

    pub(crate) fn pass(&mut self, time: Duration) {
        self.now += millis(time);
    }

    /// What the wall clock says by which the office is told is right whenever it is
    /// trusted.
    pub(crate) fn are_right(&self) -> bool {
        self.kind.trust == ClockTrust::Synchronised || !self.kind.is_wild
    }

    pub(crate) fn is_trusted(&self) -> bool {
        self.is_synchronised || (self.kind.trust == ClockTrust::PastRecord && self.offset == 0)
    }

    /// Whether the wall clock is trusted, or was in this boot as far as that is durable.
    pub(crate) fn knows_time(&self) -> bool {
        self.is_trusted() || self.boot().is_known
    }

    /// Somebody has told the wall clock what time it is.
    pub(crate) fn synchronise(&mut self) {
        (self.offset, self.is_synchronised) = (0, true);
    }

    pub(crate) fn lose_synchronisation(&mut self) {
        self.is_synchronised = false;
    }

    /// The wall clock is set, by somebody who does not know better.
    pub(crate) fn set(&mut self, by: i64) {
        if !self.is_synchronised && self.kind.is_wild {
            self.offset += by;
        }
    }

    /// The machine is off for so long. Its wall clock may have no battery.
    pub(crate) fn reboot(&mut self, off: Duration, has_battery: bool) {
        self.now += millis(off);
        self.is_synchronised = false;
        if !has_battery {
            self.offset = 5_000 - self.now.cast_signed();
        }
        self.boots.push(Boot {
            began: self.now,
            recorded: 0,
            is_known: false,
        });
        self.now += 1_000;
    }

    /// The boot clock.
    pub(crate) fn running(&self) -> Time {
        Time::from_millis(self.now - self.boot().began)
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment {
            boot: BootId((self.boots.len() as u128).to_be_bytes()),
            running: self.running(),
            wall: self.now.saturating_add_signed(self.offset),
            trust: match self.is_synchronised {
                true => Trust::Synchronised,
                false => self.kind.trust.of(false),
            },
        }
    }

    /// A group of this moment has become durable, by clocks that were trusted or not.
    pub(crate) fn handle_durable(&mut self, then: Instant, was_trusted: bool) {
        let boot = &mut self.boots[then.boot];
        boot.recorded = boot.recorded.max(then.running);
        boot.is_known |= was_trusted;
    }

    pub(crate) fn instant(&self) -> Instant {
        self.instant_of(self.running())
    }

    /// A moment of this boot.
    pub(crate) fn instant_of(&self, time: Time) -> Instant {
        Instant {
            at: self.boot().began + time.as_millis(),
            boot: self.boots.len() - 1,
            running: time.as_millis(),
        }
    }

    pub(crate) fn is_of_this_boot(&self, then: Instant) -> bool {
        then.boot == self.boots.len() - 1
    }

    /// Whether it is known how long ago that was, if the wall clock is trusted now.
    pub(crate) fn is_known(&self, then: Instant) -> bool {
        self.is_of_this_boot(then) || self.boots[then.boot].is_known
    }

    /// Whether a ttl is over, by the true time or, where the ttl pauses while the
    /// machine is off, by how long it is on record to have been running.
    pub(crate) fn is_over(&self, posted: Instant, ttl: Duration, when_off: WhenOff) -> bool {
        let age = match when_off {
            WhenOff::Count => self.now - posted.at,
            WhenOff::Drop if self.is_of_this_boot(posted) => self.now - posted.at,
            WhenOff::Drop => return true,
            WhenOff::Pause => self.ran_since(posted),
        };
        age >= millis(ttl)
    }

    fn ran_since(&self, then: Instant) -> u64 {
        if self.is_of_this_boot(then) {
            return self.now - then.at;
        }
        let between = &self.boots[then.boot + 1..self.boots.len() - 1];
        let between: u64 = between.iter().map(|boot| boot.recorded).sum();
        self.boots[then.boot].recorded - then.running + between + self.running().as_millis()
    }

    fn boot(&self) -> &Boot {
        self.boots.last().expect("there is one")
    }
}

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).expect("it is short")
}
