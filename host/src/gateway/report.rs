//! How the gateway is doing: what is written down of it, and what it answers when
//! it is asked.

use std::time::Duration;

use crate::office::{Disconnection, GuestId, Notice, OpenLetter, Standing, Time, TimerStanding};
use crate::wire::Version;

/// How the gateway is doing at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// Whether there is a session with the broker.
    pub is_online: bool,
    /// For how long that has been so.
    pub lasted: Duration,
    /// Which version of MQTT is spoken.
    pub version: Option<Version>,
    /// In how long the next try to connect is due, if one is.
    pub next_try: Option<Duration>,
    /// What last ended a connection, or kept it from being made.
    pub last_error: Option<PastError>,
    /// Where the broker is.
    pub broker: String,
    /// What the gateway calls itself to the broker.
    pub client_id: String,
    /// Why the work list cannot be kept at the moment, if so. Nothing is accepted then.
    pub not_kept: Option<String>,
    /// How many letters wait until it is known how much of their ttl is left.
    pub held: usize,
    /// The guests and the gateway's own sender, if there is one; and of those that are gone
    /// those that still have something, be it letters on their way.
    pub guests: Vec<GuestReport>,
}

/// How a guest is doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestReport {
    /// Its name.
    pub name: String,
    /// Whether it is not there any more.
    pub is_gone: bool,
    /// What it has and what waits for it.
    pub standing: Standing,
    /// Its timers, by their names; none of one that is gone, as they are not due.
    pub timers: Vec<TimerStanding>,
    /// Why a call of it failed last.
    pub last_error: Option<PastError>,
}

/// Something that went wrong.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PastError {
    /// What.
    pub text: String,
    /// How long ago.
    pub age: Duration,
}

/// Letters without an outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterList {
    /// As many as were asked for, each with the name of its guest.
    pub letters: Vec<(String, OpenLetter)>,
    /// How many there are.
    pub total: usize,
}

/// What is kept of what happened, for those who ask later.
#[derive(Debug)]
pub(super) struct Record {
    is_online: bool,
    since: Time,
    next_try: Option<Time>,
    last_error: Option<(Time, String)>,
    /// Why a call failed last, by guest.
    guests: Vec<Option<(Time, String)>>,
}

impl Record {
    pub(super) fn new(now: Time, guests: usize) -> Self {
        Self {
            is_online: false,
            since: now,
            next_try: None,
            last_error: None,
            guests: vec![None; guests],
        }
    }

    pub(super) fn is_online(&self) -> bool {
        self.is_online
    }

    /// A guest has come, who has failed at nothing.
    pub(super) fn forget(&mut self, guest: GuestId) {
        let index = guest.index();
        self.guests.resize(self.guests.len().max(index + 1), None);
        self.guests[index] = None;
    }

    pub(super) fn handle_notice(&mut self, now: Time, notice: &Notice) {
        match notice {
            Notice::Online { .. } => {
                (self.is_online, self.since, self.next_try) = (true, now, None);
            }
            Notice::Offline {
                reason, next_try, ..
            } => {
                if self.is_online {
                    self.since = now;
                }
                (self.is_online, self.next_try) = (false, *next_try);
                if !is_wanted(reason) {
                    self.last_error = Some((now, reason.to_string()));
                }
            }
            Notice::Failed { guest, error, .. } | Notice::GivenUp { guest, error, .. } => {
                self.failed(now, *guest, error);
            }
            _ => {}
        }
    }

    fn failed(&mut self, now: Time, guest: GuestId, error: &str) {
        if let Some(last) = self.guests.get_mut(guest.index()) {
            *last = Some((now, error.to_owned()));
        }
    }

    /// Of the session; what it does not know is left out.
    pub(super) fn report(&self, now: Time) -> Report {
        Report {
            not_kept: None,
            held: 0,
            is_online: self.is_online,
            lasted: now.since(self.since),
            version: None,
            next_try: self.next_try.map(|at| at.since(now)),
            last_error: past(now, &self.last_error),
            broker: String::new(),
            client_id: String::new(),
            guests: Vec::new(),
        }
    }

    /// Why a call of this guest failed last.
    pub(super) fn error_of(&self, now: Time, guest: GuestId) -> Option<PastError> {
        past(now, self.guests.get(guest.index())?)
    }
}

fn past(now: Time, error: &Option<(Time, String)>) -> Option<PastError> {
    let (at, text) = error.as_ref()?;
    Some(PastError {
        text: text.clone(),
        age: now.since(*at),
    })
}

/// Whether a connection ends for nothing that has gone wrong.
fn is_wanted(reason: &Disconnection) -> bool {
    matches!(
        reason,
        Disconnection::Version | Disconnection::Reconnect | Disconnection::Shutdown
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::Call;

    fn at(seconds: u64) -> Time {
        Time::from_millis(seconds * 1000)
    }

    fn offline(reason: Disconnection) -> Notice {
        Notice::Offline {
            reason,
            next_try: Some(at(100)),
            hang_ups: 0,
        }
    }

    #[test]
    fn since_when_and_why() {
        let mut record = Record::new(at(10), 0);
        assert_eq!(record.report(at(12)).lasted, Duration::from_secs(2));
        record.handle_notice(at(20), &offline(Disconnection::Closed));
        let report = record.report(at(30));
        assert_eq!(report.lasted, Duration::from_secs(20), "offline all along");
        assert_eq!(report.next_try, Some(Duration::from_secs(70)));
        let error = report.last_error.expect("there was one");
        assert_eq!(error.age, Duration::from_secs(10));
        assert_eq!(error.text, "the broker closed the connection");

        let session_present = false;
        record.handle_notice(at(40), &Notice::Online { session_present });
        let report = record.report(at(41));
        assert!(report.is_online && report.next_try.is_none());
        assert_eq!(report.lasted, Duration::from_secs(1));
        record.handle_notice(at(50), &offline(Disconnection::Reconnect));
        let report = record.report(at(50));
        assert!(!report.is_online && report.lasted.is_zero());
        let error = report.last_error.expect("it is still the last one");
        assert_eq!(error.age, Duration::from_secs(30));
    }

    #[test]
    fn what_a_guest_failed_at_last() {
        let mut record = Record::new(at(0), 2);
        for (time, error) in [(1, "trap"), (2, "out of time")] {
            let failed = Notice::GivenUp {
                guest: GuestId(1),
                call: Call::LastWill,
                error: error.into(),
            };
            record.handle_notice(at(time), &failed);
        }
        assert_eq!(record.error_of(at(5), GuestId(0)), None);
        let expect = PastError {
            text: "out of time".into(),
            age: Duration::from_secs(3),
        };
        assert_eq!(record.error_of(at(5), GuestId(1)), Some(expect));
    }
}
