//! Letters after which the broker hangs up.
//!
//! A broker that does not take a letter, for its size or its topic, closes the
//! connection, and nothing in MQTT 3.1.1 says why. Sent again after each
//! reconnect, such a letter keeps everyone offline until it expires. So letters
//! are counted that were unanswered when the broker hung up. One that was
//! [`SUSPECT`] times among them goes alone: nothing else is under way while it
//! waits for its answer. If the broker hangs up once more, it is refused, and the
//! other letters of its guest wait for a while, which grows each time.
//!
//! So it is with [subscriptions](crate::office::routing::Subscriptions), for which
//! letters wait while one goes alone.

use std::time::Duration;

use super::pauses::Pauses;
use crate::office::work_list::Key;
use crate::office::{GuestId, Ticket, Time};

/// What was unanswered at so many hang-ups goes alone.
pub(in crate::office) const SUSPECT: u8 = 3;

/// The broker hangs up right after a packet when no more time has passed since.
pub(in crate::office) const RIGHT_AFTER: Duration = Duration::from_secs(5);

/// Others wait for a letter to go alone, and for its answer, for so long at most.
const ALONE: Duration = Duration::from_secs(5);

/// How long the letters of a guest wait after one was refused, and a subscription that
/// was: doubled each time.
pub(in crate::office) const FIRST_PAUSE: Duration = Duration::from_secs(60);
pub(in crate::office) const LONGEST_PAUSE: Duration = Duration::from_secs(3_600);

/// Which letters may go.
#[derive(Debug, Clone, Copy)]
enum Turn {
    /// All of them.
    Everyone,
    /// None until what is under way was answered: a suspect waits.
    Waiting,
    /// None until this one was answered.
    Alone { key: Key, ticket: Ticket },
    /// None until the subscription that goes alone was answered.
    Subscription,
}

/// Which letters are under suspicion, and what follows from it.
#[derive(Debug)]
pub(super) struct Suspects {
    turn: Turn,
    /// Until when it lasts at most. From then on it is everyone's.
    until: Time,
    pauses: Pauses,
}

impl Suspects {
    pub(super) fn new(guests: usize) -> Self {
        Self {
            turn: Turn::Everyone,
            until: Time::default(),
            pauses: Pauses::new(guests, FIRST_PAUSE, LONGEST_PAUSE),
        }
    }

    /// Whether there is none, so that all may go.
    #[inline]
    pub(super) fn is_everyones_turn(&self) -> bool {
        matches!(self.turn, Turn::Everyone)
    }

    /// The letter that goes alone, if its time is not over.
    pub(super) fn alone(&self, now: Time) -> Option<(Key, Ticket)> {
        match self.turn {
            Turn::Alone { key, ticket } if now < self.until => Some((key, ticket)),
            _ => None,
        }
    }

    /// Whether others wait for a suspect to go.
    pub(super) fn is_waiting(&self, now: Time) -> bool {
        matches!(self.turn, Turn::Waiting) && now < self.until
    }

    /// Whether a suspect has waited long enough.
    pub(super) fn has_waited(&self, now: Time) -> bool {
        matches!(self.turn, Turn::Waiting) && self.until <= now
    }

    /// There are so many guests.
    pub(super) fn resize(&mut self, guests: usize) {
        self.pauses.resize(guests);
    }

    /// Another guest has come in the place of one.
    pub(super) fn forget(&mut self, guest: GuestId) {
        self.pauses.forget(guest);
    }

    /// Whether the letters of a guest wait after one that was refused.
    pub(super) fn is_paused(&self, now: Time, guest: GuestId) -> bool {
        self.pauses.is_paused(now, guest)
    }

    /// A suspect cannot go yet.
    pub(super) fn handle_waiting(&mut self, now: Time) {
        match self.turn {
            Turn::Waiting => {}
            Turn::Alone { .. } | Turn::Subscription if now < self.until => {}
            _ => self.begin(now, Turn::Waiting),
        }
    }

    /// A suspect goes.
    pub(super) fn handle_sent(&mut self, now: Time, key: Key, ticket: Ticket) {
        self.begin(now, Turn::Alone { key, ticket });
    }

    /// A suspect subscription goes.
    pub(super) fn handle_subscription(&mut self, now: Time) {
        self.begin(now, Turn::Subscription);
    }

    /// Whether letters wait for the answer to a subscription.
    pub(super) fn is_for_subscription(&self, now: Time) -> bool {
        matches!(self.turn, Turn::Subscription) && now < self.until
    }

    /// All subscriptions are answered.
    pub(super) fn handle_subscribed(&mut self) {
        if matches!(self.turn, Turn::Subscription) {
            self.end();
        }
    }

    fn begin(&mut self, now: Time, turn: Turn) {
        (self.turn, self.until) = (turn, now + ALONE);
    }

    /// Nobody has to wait any more.
    pub(super) fn end(&mut self) {
        self.turn = Turn::Everyone;
    }

    /// A letter of this guest was refused.
    pub(super) fn handle_refused(&mut self, now: Time, guest: GuestId) {
        if self.pauses.until(guest) + LONGEST_PAUSE <= now {
            self.pauses.start_over(guest);
        }
        self.pauses.begin(now, guest);
    }

    /// When letters may go again that may not after `now`.
    pub(super) fn next_timeout(&self, now: Time) -> Option<Time> {
        let has_begun = !matches!(self.turn, Turn::Everyone) && now < self.until;
        let turn = has_begun.then_some(self.until);
        let pauses = self.pauses.next_timeout(now);
        turn.into_iter().chain(pauses).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_an_hour_and_start_over_after_an_hour_without() {
        let (guest, other) = (GuestId(0), GuestId(1));
        let mut suspects = Suspects::new(2);
        let mut now = Time::from_millis(1_000_000);
        for minutes in [1, 2, 4, 8, 16, 32, 60, 60] {
            suspects.handle_refused(now, guest);
            let end = now + Duration::from_mins(minutes);
            assert!(suspects.is_paused(now, guest) && !suspects.is_paused(now, other));
            assert_eq!(suspects.next_timeout(now), Some(end));
            assert!(!suspects.is_paused(end, guest));
            now = end;
        }
        now = now + LONGEST_PAUSE;
        suspects.handle_refused(now, guest);
        assert_eq!(suspects.next_timeout(now), Some(now + FIRST_PAUSE));
    }
}
