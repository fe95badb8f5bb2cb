//! Which broker of several is next, by their numbers: 0 is the one that is preferred.

use std::collections::VecDeque;
use std::time::Duration;

use crate::office::{Disconnection, Time};
use crate::wire::Negotiation;

/// When the preferred broker can be reached, letters that are in flight have so long to
/// arrive before the other one is left.
const LEAVE: Duration = Duration::from_secs(10);

/// The brokers, and how it went with them.
///
/// They are tried in rounds: the one that had the connection, then the others in
/// their order, one at once after another.
#[derive(Debug)]
pub(super) struct Brokers {
    /// What is known of the versions that each one speaks.
    negotiations: Vec<Negotiation>,
    /// The one that the connection goes to, at hand or next.
    current: usize,
    /// Those that are still to be tried in this round.
    others: VecDeque<usize>,
    attempt: Attempt,
    /// For how long another one is good enough; for ever without.
    patience: Option<Duration>,
    /// When to look whether the preferred one can be reached again.
    look: Option<Time>,
    /// By when the current one is left for the preferred one, which can be reached.
    leave: Option<Time>,
}

#[derive(Debug, PartialEq, Eq)]
enum Attempt {
    /// There is no connection and none is being made.
    None,
    /// There is no CONNACK yet.
    Begun,
    /// The broker has accepted the connection.
    Accepted,
}

impl Brokers {
    /// So many; at least one.
    pub(super) fn new(count: usize, patience: Option<Duration>) -> Self {
        let mut brokers = Self {
            negotiations: Vec::new(),
            current: 0,
            others: VecDeque::new(),
            attempt: Attempt::None,
            patience,
            look: None,
            leave: None,
        };
        brokers
            .negotiations
            .resize_with(count.max(1), Negotiation::default);
        brokers.begin_round(0);
        brokers
    }

    /// The one that the connection goes to.
    pub(super) fn current(&self) -> usize {
        self.current
    }

    /// Whether another one is tried at once, if the current one does not accept.
    pub(super) fn has_another(&self) -> bool {
        !self.others.is_empty()
    }

    /// What is known of the versions that the current one speaks.
    pub(super) fn negotiation(&mut self) -> &mut Negotiation {
        &mut self.negotiations[self.current]
    }

    /// A connection is made.
    pub(super) fn handle_begun(&mut self) {
        self.attempt = Attempt::Begun;
    }

    /// The broker has accepted it.
    pub(super) fn handle_accepted(&mut self, now: Time) {
        self.attempt = Attempt::Accepted;
        self.begin_round(self.current);
        self.look = match (self.current, self.patience) {
            // A connection that comes and goes puts nothing off.
            (1.., Some(patience)) => self.look.or(Some(now + patience)),
            _ => None,
        };
    }

    /// It has ended for this reason.
    pub(super) fn handle_ended(&mut self, reason: &Disconnection) {
        let attempt = std::mem::replace(&mut self.attempt, Attempt::None);
        if self.leave.take().is_some() {
            return self.begin_round(0);
        }
        if attempt != Attempt::Begun || !reason.is_the_brokers() {
            return;
        }
        match self.others.pop_front() {
            Some(next) => self.current = next,
            None => self.begin_round(0),
        }
    }

    /// When to [look](Self::poll_look) at the preferred one, if nothing happens
    /// before.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        let timeouts = [self.look, self.leave].into_iter().flatten();
        timeouts.min().filter(|_| self.attempt == Attempt::Accepted)
    }

    /// Whether it is time to look whether the preferred one can be reached again.
    pub(super) fn poll_look(&mut self, now: Time) -> bool {
        let is_accepted = self.attempt == Attempt::Accepted;
        let is_due = is_accepted && self.look.is_some_and(|at| at <= now);
        if is_due {
            self.look = self.patience.map(|patience| now + patience);
        }
        is_due
    }

    /// The preferred one can be reached. Returns whether the current one is to be
    /// [left](Self::poll_leave) for it, which is news.
    pub(super) fn handle_reachable(&mut self, now: Time) -> bool {
        let is_elsewhere = self.current != 0 && self.attempt == Attempt::Accepted;
        let moves = is_elsewhere && self.leave.is_none();
        if moves {
            self.leave = Some(now + LEAVE);
        }
        moves
    }

    /// Whether the current one is to be left for the preferred one.
    pub(super) fn is_leaving(&self) -> bool {
        self.leave.is_some()
    }

    /// Whether it is time for that. Then the next connection goes to the preferred one.
    pub(super) fn poll_leave(&mut self, now: Time, has_in_flight: bool) -> bool {
        let is_due = |at: Time| !has_in_flight || at <= now;
        let leaves = self.leave.is_some_and(is_due);
        if leaves {
            self.leave = None;
            self.begin_round(0);
            // The connection at hand ends, which is not that one's fault.
            self.attempt = Attempt::None;
        }
        leaves
    }

    fn begin_round(&mut self, first: usize) {
        self.current = first;
        let all = 0..self.negotiations.len();
        self.others = all.filter(|other| *other != first).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PATIENCE: Duration = Duration::from_secs(600);

    fn brokers(count: usize) -> Brokers {
        Brokers::new(count, Some(PATIENCE))
    }

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1_000)
    }

    fn accept(brokers: &mut Brokers, now: Time) {
        brokers.handle_begun();
        brokers.handle_accepted(now);
    }

    /// The one that was tried, and whether the next one follows at once.
    fn fail(brokers: &mut Brokers, reason: &Disconnection) -> (usize, bool) {
        let tried = (brokers.current(), brokers.has_another());
        brokers.handle_begun();
        brokers.handle_ended(reason);
        // Told twice, it has still ended once.
        brokers.handle_ended(reason);
        tried
    }

    #[test]
    fn all_are_tried_in_their_order_and_then_again() {
        let mut brokers = brokers(3);
        for _ in 0..2 {
            for expect in [(0, true), (1, true), (2, false)] {
                assert_eq!(fail(&mut brokers, &Disconnection::Refused(5)), expect);
            }
        }
    }

    #[test]
    fn one_alone_is_tried_again_and_again() {
        let mut brokers = brokers(1);
        accept(&mut brokers, at(0));
        assert_eq!(brokers.next_timeout(), None);
        brokers.handle_ended(&Disconnection::Closed);
        for _ in 0..3 {
            assert_eq!(fail(&mut brokers, &Disconnection::Closed), (0, false));
        }
    }

    #[test]
    fn who_had_the_connection_is_asked_first() {
        let mut brokers = brokers(3);
        fail(&mut brokers, &Disconnection::ConnectTimeout);
        accept(&mut brokers, at(0));
        brokers.handle_ended(&Disconnection::Closed);
        for expect in [(1, true), (0, true), (2, false), (0, true)] {
            assert_eq!(fail(&mut brokers, &Disconnection::Closed), expect);
        }
    }

    #[test]
    fn what_is_not_the_brokers_fault_moves_nothing() {
        let mut brokers = brokers(2);
        for reason in [
            Disconnection::Version,
            Disconnection::Reconnect,
            Disconnection::Shutdown,
        ] {
            fail(&mut brokers, &reason);
            assert_eq!(brokers.current(), 0);
        }
    }

    #[test]
    fn the_preferred_one_is_looked_for_while_another_has_the_connection() {
        let mut brokers = brokers(2);
        fail(&mut brokers, &Disconnection::Closed);
        accept(&mut brokers, at(0));
        assert_eq!(brokers.next_timeout(), Some(at(600)));
        assert!(!brokers.poll_look(at(599)));
        // One that comes and goes puts nothing off.
        brokers.handle_ended(&Disconnection::Closed);
        assert_eq!(brokers.next_timeout(), None);
        accept(&mut brokers, at(500));
        assert!(brokers.poll_look(at(600)));
        assert!(!brokers.poll_look(at(600)), "once");
        assert_eq!(brokers.next_timeout(), Some(at(1_200)));
        leave(&mut brokers, at(600));
        brokers.handle_ended(&Disconnection::Reconnect);
        assert_eq!(brokers.current(), 0);
        // It was reached, and refuses.
        assert_eq!(fail(&mut brokers, &Disconnection::Refused(5)), (0, true));
        accept(&mut brokers, at(700));
        assert_eq!(
            (brokers.current(), brokers.next_timeout()),
            (1, Some(at(1_200)))
        );
        brokers.handle_ended(&Disconnection::Closed);
        fail(&mut brokers, &Disconnection::Closed);
        accept(&mut brokers, at(800));
        assert_eq!((brokers.current(), brokers.next_timeout()), (0, None));
    }

    /// The preferred one can be reached, and nothing is in flight.
    fn leave(brokers: &mut Brokers, now: Time) {
        assert!(brokers.handle_reachable(now));
        assert!(!brokers.handle_reachable(now), "that is known");
        assert!(brokers.poll_leave(now, false));
        assert!(!brokers.poll_leave(now, false), "once");
    }

    #[test]
    fn one_is_not_left_for_10_s_while_letters_are_in_flight() {
        let mut brokers = Brokers::new(2, None);
        assert!(!brokers.handle_reachable(at(0)));
        fail(&mut brokers, &Disconnection::Closed);
        accept(&mut brokers, at(0));
        assert!(!brokers.poll_leave(at(0), false), "for what?");
        assert!(brokers.handle_reachable(at(0)));
        assert!(!brokers.poll_leave(at(9), true));
        assert_eq!(brokers.next_timeout(), Some(at(10)));
        assert!(brokers.poll_leave(at(10), true));
        assert_eq!((brokers.current(), brokers.next_timeout()), (0, None));
    }

    #[test]
    fn one_that_ends_the_connection_while_it_is_to_be_left_is_not_asked_again() {
        let mut brokers = brokers(2);
        fail(&mut brokers, &Disconnection::Closed);
        accept(&mut brokers, at(0));
        assert!(brokers.handle_reachable(at(0)));
        brokers.handle_ended(&Disconnection::Closed);
        assert_eq!(brokers.current(), 0);
        assert!(!brokers.is_leaving());
    }

    #[test]
    fn each_has_its_version() {
        use crate::wire::{Version, Versions};
        let mut brokers = brokers(2);
        brokers.negotiation().handle_refused(at(0), Version::V5);
        fail(&mut brokers, &Disconnection::Closed);
        let version = brokers.negotiation().version(at(0), Versions::Any);
        assert_eq!(version, Version::V5);
        fail(&mut brokers, &Disconnection::Closed);
        let version = brokers.negotiation().version(at(0), Versions::Any);
        assert_eq!(version, Version::V4);
    }

    #[test]
    fn without_a_way_back_nobody_looks() {
        let mut brokers = Brokers::new(2, None);
        fail(&mut brokers, &Disconnection::Closed);
        accept(&mut brokers, at(0));
        assert_eq!(brokers.next_timeout(), None);
        assert!(!brokers.poll_look(at(1_000_000)));
    }
}
