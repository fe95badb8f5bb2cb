//! What has become of a ttl while the machine was off.
//!
//! Times are of the boot clock. It goes on while the machine sleeps, and begins anew
//! with each boot, so a time that is kept is one of a boot, which has a number.
//! [`Boots`] knows how the boots lie to each other: by the wall clock, as far as that
//! can be trusted, and by how long the machine ran in each of them.
//!
//! Above all a ttl is never extended. Within a boot nothing but its clock counts,
//! whatever the wall clock does. Across boots a wall clock counts that is trusted; what
//! cannot be known is not guessed: such a letter is [`Held`](Ttl::Held).
//!
//! Nothing in here reads a clock: `crate::clock` makes [`Moment`]s.

mod trust;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod tests;

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::office::{Time, WhenOff};

pub use trust::{ClockTrust, Trust, UnknownClockTrust};

/// 2026-01-01, in milliseconds since 1970. This program is younger: a wall clock that
/// is before that is wrong, whoever vouches for it.
pub const EARLIEST: u64 = 1_767_225_600_000;

/// A boot of the machine, as the kernel names it: at random.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct BootId(pub [u8; 16]);

/// One moment by all clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// Which boot it is.
    pub boot: BootId,
    /// The boot clock: how long ago that was.
    pub running: Time,
    /// The wall clock, in milliseconds since 1970.
    pub wall: u64,
    /// How far the wall clock is trusted.
    pub trust: Trust,
}

/// A boot of the machine, as its moments have shown it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Boot {
    /// Boots are numbered from 1, in their order.
    pub number: u32,
    /// How the kernel names it.
    pub id: BootId,
    /// The boot clock at the last moment.
    pub ran: Time,
    /// How long the machine ran in all boots before, each up to its last moment.
    pub ran_before: Duration,
    /// What the wall clock was when the boot began, in milliseconds since 1970: by the
    /// last moment at which the wall clock was trusted. If it never was
    /// ([`Trust::Never`]), the boot began no earlier than this: not before the last
    /// moment of the boot before it.
    pub began: u64,
    /// How far `began` is trusted.
    pub trust: Trust,
}

/// The boots that times are of, in their order; the last one is the present one. It is
/// what its moments have made of it, so a store can keep the moments or the rows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Boots(pub Vec<Boot>);

/// The life of a letter, as it was when the letter was accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lifetime {
    /// The number of the boot that the times are of.
    pub boot: u32,
    /// When its ttl began.
    pub posted: Time,
    /// When its ttl is over, if the machine runs until then.
    pub deadline: Time,
    /// What its ttl does while the machine is off.
    pub when_off: WhenOff,
}

/// What has become of a ttl.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ttl {
    /// The letter may be sent.
    Live {
        /// How much of the ttl is over. It may have begun before the present boot.
        age: Duration,
        /// When it is over, by the present boot clock.
        deadline: Time,
    },
    /// For how long the machine was off is not known. The letter is not sent; it may be
    /// when the wall clock is trusted.
    Held {
        /// When it has expired all the same, by the present boot clock: the ttl would be
        /// over by then if the machine had not been off at all, or it was held for long
        /// enough.
        until: Time,
    },
    /// It is over.
    Expired,
}

/// How long it has been since a time of some boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Since {
    /// For how long the machine ran: it has been so long at least.
    pub running: Duration,
    /// How long it has been in all.
    pub in_all: InAll,
}

/// What the wall clocks say of how long it has been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InAll {
    /// So long.
    Exactly(Duration),
    /// So long or shorter: the wall clock was not trusted then, but in an earlier boot.
    AtMost(Duration),
    /// Nothing that can be trusted.
    Unknown,
}

impl Boots {
    /// Notes a moment, which is not earlier than those before it. Returns the number of
    /// its boot, which is the present one from here on.
    ///
    /// A boot clock that has gone back is that of another boot, whatever the kernel
    /// says: that of another machine with the same disk, or of another time namespace.
    pub fn observe(&mut self, moment: Moment) -> u32 {
        let goes_on = |boot: &Boot| boot.id == moment.boot && boot.ran <= moment.running;
        let mut boot = match self.0.pop() {
            Some(boot) if goes_on(&boot) => boot,
            before => {
                self.0.extend(before);
                Boot::after(before.as_ref(), moment.boot)
            }
        };
        boot.observe(moment);
        self.0.push(boot);
        boot.number
    }

    /// The present boot, if there is any.
    pub fn present(&self) -> Option<&Boot> {
        self.0.last()
    }

    /// Whether the wall clock is trusted in the present boot. Once it is, it stays so.
    /// When it begins to be, letters that were held are to be looked at again, and a
    /// moment should be recorded, so that the letters of this boot can be judged by it.
    pub fn is_trusted(&self) -> bool {
        self.present().is_some_and(Boot::is_trusted)
    }

    /// What the wall clock is at a time of the present boot, in milliseconds since 1970, if
    /// it is trusted.
    pub fn wall(&self, time: Time) -> Option<u64> {
        let present = self.present().filter(|boot| boot.is_trusted());
        present.map(|boot| boot.wall_at(time))
    }

    /// Forgets the boots that no time is of; never the present one.
    pub fn forget(&mut self, is_used: impl Fn(u32) -> bool) {
        let present = self.present().map(|boot| boot.number);
        self.0
            .retain(|boot| Some(boot.number) == present || is_used(boot.number));
    }

    /// What has become of a ttl. `now` is the present boot clock; at `hold_until` a
    /// letter has been held for long enough.
    ///
    /// A letter that is live has its deadline for as long as the process runs and need
    /// not be asked for again; one that is held is asked for while it is held.
    pub fn ttl(&self, life: &Lifetime, now: Time, hold_until: Time) -> Ttl {
        let ttl = life.deadline.since(life.posted);
        let Some(since) = self.since(life.boot, life.posted, now) else {
            return Ttl::Expired;
        };
        let is_present = self.present().is_some_and(|boot| boot.number == life.boot);
        let live = |age: Duration| match ttl.checked_sub(age) {
            None | Some(Duration::ZERO) => Ttl::Expired,
            Some(left) => Ttl::Live {
                age,
                deadline: now + left,
            },
        };
        match life.when_off {
            _ if is_present => live(since.running),
            WhenOff::Drop => Ttl::Expired,
            WhenOff::Pause => live(since.running),
            WhenOff::Count => match since.in_all {
                InAll::Exactly(age) => live(age),
                InAll::AtMost(age) if age < ttl => live(age),
                InAll::AtMost(_) | InAll::Unknown => {
                    let latest = now + ttl.saturating_sub(since.running);
                    match latest.min(hold_until) {
                        until if until <= now => Ttl::Expired,
                        until => Ttl::Held { until },
                    }
                }
            },
        }
    }

    /// How long it has been, `now` by the present boot clock, since a time of a boot;
    /// none if nothing is known of that boot.
    pub fn since(&self, boot: u32, then: Time, now: Time) -> Option<Since> {
        let present = self.present()?;
        let boot = self.0.iter().rfind(|row| row.number == boot)?;
        if boot.number == present.number {
            let running = now.since(then);
            let in_all = InAll::Exactly(running);
            return Some(Since { running, in_all });
        }
        let running = present.ran_at(now).saturating_sub(boot.ran_at(then));
        // Wall clocks by which it was shorter than the machine ran contradict each
        // other: one of them is wrong.
        let by_wall = present.wall_at(now).checked_sub(boot.wall_at(then));
        let by_wall = by_wall
            .map(Duration::from_millis)
            .filter(|by_wall| present.is_trusted() && *by_wall >= running);
        let in_all = match by_wall {
            None => InAll::Unknown,
            Some(by_wall) if boot.is_trusted() => InAll::Exactly(by_wall),
            Some(by_wall) => InAll::AtMost(by_wall),
        };
        Some(Since { running, in_all })
    }
}

impl Boot {
    /// A boot of which nothing is known but the one before it.
    fn after(before: Option<&Self>, id: BootId) -> Self {
        Self {
            number: before.map_or(0, |boot| boot.number).saturating_add(1),
            id,
            ran: Time::default(),
            ran_before: before.map_or(Duration::ZERO, |boot| boot.ran_at(boot.ran)),
            began: before.map_or(EARLIEST, |boot| boot.wall_at(boot.ran)),
            trust: Trust::Never,
        }
    }

    fn observe(&mut self, moment: Moment) {
        self.ran = moment.running;
        let began = moment.wall.saturating_sub(moment.running.as_millis());
        let is_trusted = match (moment.trust, self.trust) {
            (Trust::Never, _) | (Trust::PastRecord, Trust::Synchronised) => false,
            // It is asked when the boot began and not what time it is: else a clock
            // that is wrong would only have to run for long enough to be past the
            // record. And one that is set back is behind where it was itself.
            (Trust::PastRecord, _) => began >= self.began,
            (Trust::Synchronised, _) => true,
        };
        if is_trusted && moment.wall >= EARLIEST {
            self.began = began;
            self.trust = moment.trust;
        }
    }

    fn is_trusted(&self) -> bool {
        self.trust != Trust::Never
    }

    /// The wall clock at a time of this boot, as far as it is known.
    fn wall_at(&self, time: Time) -> u64 {
        self.began.saturating_add(time.as_millis())
    }

    /// How long the machine had run at a time of this boot, in this boot and before.
    fn ran_at(&self, time: Time) -> Duration {
        let running = Duration::from_millis(time.as_millis());
        self.ran_before.saturating_add(running)
    }
}

/// As the kernel writes it: `1f92d767-5461-42d7-b673-e17dd27e35e0`.
impl fmt::Display for BootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, byte) in self.0.iter().enumerate() {
            if matches!(at, 4 | 6 | 8 | 10) {
                f.write_str("-")?;
            }
            write!(f, "{byte:02x}")?;
        }
        Ok(())
    }
}

/// A text that is no [`BootId`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoBootId;

impl fmt::Display for NoBootId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("is no boot id: 32 hexadecimal digits")
    }
}

impl std::error::Error for NoBootId {}

impl FromStr for BootId {
    type Err = NoBootId;

    fn from_str(text: &str) -> Result<Self, NoBootId> {
        let digits: String = text.trim_end().split('-').collect();
        if digits.len() != 32 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(NoBootId);
        }
        let number = u128::from_str_radix(&digits, 16).map_err(|_| NoBootId)?;
        Ok(Self(number.to_be_bytes()))
    }
}
