//! Guests whose letters wait for a while.

use std::time::Duration;

use crate::office::session::backoff::doubled;
use crate::office::{GuestId, Time};

#[derive(Debug, Clone, Copy, Default)]
struct Pause {
    times: u32,
    until: Time,
}

/// A pause for each guest. Each is twice as long as the one before, up to a limit.
#[derive(Debug)]
pub(super) struct Pauses {
    first: Duration,
    longest: Duration,
    guests: Vec<Pause>,
    /// When the last of them ends. It is asked for each letter, and mostly for nothing.
    last: Time,
}

impl Pauses {
    pub(super) fn new(guests: usize, first: Duration, longest: Duration) -> Self {
        let guests = vec![Pause::default(); guests];
        Self {
            first,
            longest,
            guests,
            last: Time::default(),
        }
    }

    /// There are so many guests.
    pub(super) fn resize(&mut self, guests: usize) {
        self.guests.resize(guests, Pause::default());
    }

    /// Another guest has come in the place of one, and waits for nothing.
    pub(super) fn forget(&mut self, guest: GuestId) {
        self.guests[guest.index()] = Pause::default();
    }

    /// Whether the letters of a guest wait.
    pub(super) fn is_paused(&self, now: Time, guest: GuestId) -> bool {
        now < self.last && now < self.until(guest)
    }

    /// When the latest pause of a guest ends.
    pub(super) fn until(&self, guest: GuestId) -> Time {
        self.guests[guest.index()].until
    }

    /// Begins the next pause of a guest.
    pub(super) fn begin(&mut self, now: Time, guest: GuestId) {
        let pause = &mut self.guests[guest.index()];
        pause.until = now + doubled(self.first, pause.times, self.longest);
        pause.times = pause.times.saturating_add(1);
        self.last = self.last.max(pause.until);
    }

    /// The next pause of a guest is as long as its first. One that has begun goes
    /// on.
    pub(super) fn start_over(&mut self, guest: GuestId) {
        self.guests[guest.index()].times = 0;
    }

    /// When the next of them ends after `now`.
    pub(super) fn next_timeout(&self, now: Time) -> Option<Time> {
        if self.last <= now {
            return None;
        }
        let ends = self.guests.iter().map(|pause| pause.until);
        ends.filter(|at| now < *at).min()
    }
}
