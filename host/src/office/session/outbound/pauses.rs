//! Guests whose letters wait because the broker had no room for one.

use std::time::Duration;

use crate::office::session::backoff::doubled;
use crate::office::{GuestId, Time};

/// How long the letters of a guest wait after the broker had no room for one:
/// doubled each time, until one is accepted.
const FIRST: Duration = Duration::from_secs(1);
const LONGEST: Duration = Duration::from_secs(60);

#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    times: u32,
    until: Time,
}

/// A pause for each guest.
#[derive(Debug)]
pub(super) struct Pauses(Vec<Pause>);

impl Pauses {
    pub(super) fn new(guests: usize) -> Self {
        Self(vec![Pause::default(); guests])
    }

    /// Whether the letters of a guest wait.
    pub(super) fn is_paused(&self, now: Time, guest: GuestId) -> bool {
        now < self.0[guest.index()].until
    }

    /// The broker had no room for a letter of this guest. Of those that were on
    /// their way together the first alone makes the pause longer.
    pub(super) fn handle_no_room(&mut self, now: Time, guest: GuestId) {
        let pause = &mut self.0[guest.index()];
        if pause.until <= now {
            pause.until = now + doubled(FIRST, pause.times, LONGEST);
            pause.times = pause.times.saturating_add(1);
        }
    }

    /// The broker has accepted one. A pause that has begun goes on.
    pub(super) fn handle_accepted(&mut self, guest: GuestId) {
        self.0[guest.index()].times = 0;
    }

    /// When the next of them ends after `now`.
    pub(super) fn next_timeout(&self, now: Time) -> Option<Time> {
        let ends = self.0.iter().map(|pause| pause.until);
        ends.filter(|at| now < *at).min()
    }
}
