//! A race of addresses (RFC 8305, "happy eyeballs"): which is tried when.
//!
//! Nothing is connected here, and no clock is read.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::time::Duration;

use crate::office::Time;

/// How long one address is tried before the next one is tried beside it (section 5).
const DELAY: Duration = Duration::from_millis(250);

/// Addresses that are tried, until one is connected.
#[derive(Debug)]
pub(super) struct Race {
    waiting: VecDeque<SocketAddr>,
    running: Vec<SocketAddr>,
    /// When the next one may begin.
    next: Time,
    /// When it is over.
    until: Time,
    /// Why others were not connected.
    failed: Vec<(SocketAddr, String)>,
}

impl Race {
    /// Between these addresses, in the order of whoever has found them, families
    /// taking turns (section 4).
    pub(super) fn new(now: Time, until: Time, addresses: Vec<SocketAddr>) -> Self {
        let is_first = |address: &SocketAddr| address.is_ipv6() == addresses[0].is_ipv6();
        let (first, second): (VecDeque<_>, VecDeque<_>) =
            addresses.iter().copied().partition(is_first);
        let longer = first.len().max(second.len());
        let turns = (0..longer).flat_map(|turn| [first.get(turn), second.get(turn)]);
        Self {
            waiting: turns.flatten().copied().collect(),
            running: Vec::new(),
            next: now,
            until,
            failed: Vec::new(),
        }
    }

    /// The next address to try beside the others, if its time has come.
    pub(super) fn poll_attempt(&mut self, now: Time) -> Option<SocketAddr> {
        if now < self.next || self.until <= now {
            return None;
        }
        let address = self.waiting.pop_front()?;
        self.running.push(address);
        self.next = now + DELAY;
        Some(address)
    }

    /// When to ask again, if nothing happens before.
    pub(super) fn next_timeout(&self) -> Time {
        match self.waiting.is_empty() {
            true => self.until,
            false => self.next.min(self.until),
        }
    }

    /// An address could not be connected. The next one is due at once.
    pub(super) fn handle_failed(&mut self, now: Time, address: SocketAddr, error: String) {
        self.running.retain(|running| *running != address);
        self.failed.push((address, error));
        self.next = now;
    }

    /// Whether nobody can win any more.
    pub(super) fn is_over(&self, now: Time) -> bool {
        self.until <= now || (self.waiting.is_empty() && self.running.is_empty())
    }

    /// What became of each address: one line.
    pub(super) fn verdict(&self) -> String {
        if let ([(_, error)], [], true) =
            (&self.failed[..], &self.running[..], self.waiting.is_empty())
        {
            return error.clone();
        }
        let failed = self.failed.iter();
        let failed = failed.map(|(address, error)| format!("{address}: {error}"));
        let running = self.running.iter();
        let running = running.map(|address| format!("{address}: no answer in time"));
        let waiting = self.waiting.iter();
        let waiting = waiting.map(|address| format!("{address}: not tried, as time was over"));
        let all: Vec<_> = failed.chain(running).chain(waiting).collect();
        all.join("; ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: u64 = 15_000;

    /// What becomes of an attempt, and when.
    #[derive(Clone, Copy)]
    enum Fate {
        Connects(u64),
        Refuses(u64),
        Silence,
    }
    use Fate::{Connects, Refuses, Silence};

    /// Who, and when.
    type Tried = (String, u64);

    fn address(text: &str) -> SocketAddr {
        format!("{text}:1883").parse().expect("it is an address")
    }

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    /// Runs a race against a network where this becomes of each address: what was
    /// tried when, and who has won when; or why nobody has.
    fn run(network: &[(&str, Fate)]) -> (Vec<Tried>, Result<Tried, String>) {
        let addresses = network.iter().map(|(text, _)| address(text)).collect();
        let mut race = Race::new(at(0), at(LIMIT), addresses);
        let (mut tried, mut open, mut now) = (Vec::new(), Vec::new(), 0);
        loop {
            while let Some(attempt) = race.poll_attempt(at(now)) {
                let known = network.iter().find(|(text, _)| address(text) == attempt);
                let (text, fate) = known.expect("it is one of them");
                tried.push(((*text).to_owned(), now));
                open.push((*text, attempt, *fate, now));
            }
            if race.is_over(at(now)) {
                return (tried, Err(race.verdict()));
            }
            let due = |(.., fate, begun): &(_, _, Fate, u64)| match fate {
                Connects(after) | Refuses(after) => Some(begun + after),
                Silence => None,
            };
            let first = open.iter().filter_map(due).min();
            let timeout = race.next_timeout().as_millis();
            now = first.map_or(timeout, |first| first.min(timeout));
            let Some(place) = open.iter().position(|attempt| due(attempt) == Some(now)) else {
                continue;
            };
            let (text, attempt, fate, _) = open.remove(place);
            match fate {
                Connects(_) => return (tried, Ok((text.to_owned(), now))),
                _ => race.handle_failed(at(now), attempt, "refused".to_owned()),
            }
        }
    }

    #[track_caller]
    fn check(network: &[(&str, Fate)], tries: &[(&str, u64)], winner: Result<(&str, u64), &str>) {
        let (tried, won) = run(network);
        let tries: Vec<_> = tries
            .iter()
            .map(|(text, at)| ((*text).to_owned(), *at))
            .collect();
        assert_eq!(tried, tries);
        let winner = winner.map(|(text, at)| (text.to_owned(), at));
        assert_eq!(won, winner.map_err(str::to_owned));
    }

    #[test]
    fn a_dead_ipv6_costs_a_quarter_of_a_second() {
        check(
            &[("[2001:db8::1]", Silence), ("192.0.2.1", Connects(20))],
            &[("[2001:db8::1]", 0), ("192.0.2.1", 250)],
            Ok(("192.0.2.1", 270)),
        );
    }

    #[test]
    fn families_take_turns_and_what_is_first_comes_first() {
        check(
            &[
                ("[2001:db8::1]", Silence),
                ("[2001:db8::2]", Silence),
                ("[2001:db8::3]", Silence),
                ("192.0.2.1", Silence),
                ("192.0.2.2", Connects(10)),
            ],
            &[
                ("[2001:db8::1]", 0),
                ("192.0.2.1", 250),
                ("[2001:db8::2]", 500),
                ("192.0.2.2", 750),
            ],
            Ok(("192.0.2.2", 760)),
        );
        check(
            &[("192.0.2.1", Silence), ("[2001:db8::1]", Connects(0))],
            &[("192.0.2.1", 0), ("[2001:db8::1]", 250)],
            Ok(("[2001:db8::1]", 250)),
        );
    }

    #[test]
    fn after_a_refusal_the_next_is_tried_at_once() {
        check(
            &[("[2001:db8::1]", Refuses(5)), ("192.0.2.1", Connects(20))],
            &[("[2001:db8::1]", 0), ("192.0.2.1", 5)],
            Ok(("192.0.2.1", 25)),
        );
    }

    #[test]
    fn the_first_that_connects_wins_however_early_others_began() {
        check(
            &[
                ("[2001:db8::1]", Connects(400)),
                ("192.0.2.1", Connects(20)),
            ],
            &[("[2001:db8::1]", 0), ("192.0.2.1", 250)],
            Ok(("192.0.2.1", 270)),
        );
        check(
            &[
                ("[2001:db8::1]", Connects(200)),
                ("192.0.2.1", Connects(20)),
            ],
            &[("[2001:db8::1]", 0)],
            Ok(("[2001:db8::1]", 200)),
        );
    }

    #[test]
    fn each_address_is_named_when_nobody_wins() {
        check(
            &[("[2001:db8::1]", Refuses(5)), ("192.0.2.1", Silence)],
            &[("[2001:db8::1]", 0), ("192.0.2.1", 5)],
            Err("[2001:db8::1]:1883: refused; 192.0.2.1:1883: no answer in time"),
        );
        check(
            &[("192.0.2.1", Refuses(5))],
            &[("192.0.2.1", 0)],
            Err("refused"),
        );
        check(
            &[("192.0.2.1", Silence)],
            &[("192.0.2.1", 0)],
            Err("192.0.2.1:1883: no answer in time"),
        );
    }

    #[test]
    fn the_whole_has_a_bound() {
        let many: Vec<_> = (0..100).map(|number| format!("192.0.2.{number}")).collect();
        let network: Vec<_> = many.iter().map(|text| (&**text, Silence)).collect();
        let (tried, won) = run(&network);
        assert_eq!(tried.len() as u64, LIMIT / 250);
        let verdict = won.expect_err("nobody answers");
        assert!(
            verdict.contains("192.0.2.59:1883: no answer in time"),
            "{verdict}"
        );
        assert!(verdict.contains("192.0.2.60:1883: not tried"), "{verdict}");
    }
}
