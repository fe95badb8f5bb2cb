//! A guest that floods the gateway with letters that may come too late.
//!
//! A message on `flood/start` begins it. Its environment says what is published:
//!
//! | variable | meaning | without |
//! | --- | --- | --- |
//! | `COUNT` | how many letters | for ever |
//! | `WINDOW` | how many of them have no outcome at a time: each outcome publishes the next | all |
//! | `SIZE` | how many bytes each has | 1,000 |
//! | `QOS` | its quality of service | 1 |
//! | `TTL_MS` | its ttl | 5,000 |
//!
//! They go out on `flood/out`. A payload begins with the letter's number and the
//! moment at which the call began that published it, in milliseconds since 1970.
//!
//! When all letters have their outcome, and at a message on `flood/report`, the
//! [`Tally`] is printed. The first time, a letter on `flood/done` follows.

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;
use std::time::SystemTime;

use bindings::exports::jackalope::gateway::handler::{Guest, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{self, Fate, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{Priority, PublishOptions, publish};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos, Ticket};

mod bindings {
    #![allow(unsafe_code)]

    use super::Guests;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/reporting",
        generate_all,
    });
    export!(Guests);
}

thread_local! {
    static FLOOD: RefCell<Option<Flood>> = const { RefCell::new(None) };
}

struct Flood {
    count: u64,
    size: usize,
    options: PublishOptions,
    published: u64,
    /// Letters without an outcome.
    pending: BTreeSet<Ticket>,
    tally: Tally,
    is_done: bool,
}

/// What became of the letters. `wrong` are outcomes of letters that have one
/// already, or that were never published.
#[derive(Default)]
struct Tally {
    delivered: u64,
    expired: u64,
    displaced: u64,
    refused: u64,
    wrong: u64,
    unaccepted: u64,
}

impl Flood {
    fn begin() -> Self {
        let qos = match variable("QOS", 1) {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            _ => Qos::ExactlyOnce,
        };
        let mut flood = Self {
            count: variable("COUNT", u64::MAX),
            size: variable("SIZE", 1_000),
            options: PublishOptions {
                qos,
                retain: false,
                ttl_ms: variable("TTL_MS", 5_000),
                after_reboot: None,
                priority: Priority::Normal,
                replace_key: None,
                tag: None,
                properties: None,
            },
            published: 0,
            pending: BTreeSet::new(),
            tally: Tally::default(),
            is_done: false,
        };
        let begun = now();
        for _ in 0..variable("WINDOW", flood.count) {
            flood.publish_next(begun);
        }
        flood
    }

    fn publish_next(&mut self, begun: u128) {
        if self.published == self.count {
            return;
        }
        let mut payload = format!("{} {begun} ", self.published).into_bytes();
        payload.resize(self.size.max(payload.len()), b'x');
        self.published += 1;
        match publish("flood/out", &payload, Some(&self.options)) {
            Ok(ticket) => _ = self.pending.insert(ticket),
            Err(_) => self.tally.unaccepted += 1,
        }
    }

    fn handle_outcome(&mut self, ticket: Ticket, fate: Fate) {
        if !self.pending.remove(&ticket) {
            // The letter that says that all is done.
            if !self.is_done || !matches!(fate, Fate::Delivered) {
                self.tally.wrong += 1;
            }
            return;
        }
        self.tally.count(fate);
        self.publish_next(now());
        if self.pending.is_empty() {
            self.is_done = true;
            println!("all have their outcome: {}", self.tally);
            let _ = publish("flood/done", b"", None);
        }
    }
}

impl Tally {
    fn count(&mut self, fate: Fate) {
        *match fate {
            Fate::Delivered => &mut self.delivered,
            Fate::Expired(_) => &mut self.expired,
            Fate::Displaced(_) => &mut self.displaced,
            Fate::Refused(_) => &mut self.refused,
        } += 1;
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "delivered={} expired={} displaced={} refused={} wrong={} unaccepted={}",
            self.delivered, self.expired, self.displaced, self.refused, self.wrong, self.unaccepted
        )
    }
}

fn variable<T: FromStr>(name: &str, without: T) -> T {
    let value = std::env::var(name).ok();
    value
        .and_then(|value| value.parse().ok())
        .unwrap_or(without)
}

/// Milliseconds since 1970.
fn now() -> u128 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    now.unwrap_or_default().as_millis()
}

struct Guests;

impl Guest for Guests {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        match message.topic.as_str() {
            "flood/start" => FLOOD.set(Some(Flood::begin())),
            "flood/report" => FLOOD.with_borrow(|flood| {
                if let Some(flood) = flood {
                    println!("so far: {}", flood.tally);
                }
            }),
            _ => return Err(Verdict::Reject("no topic of mine".to_string())),
        }
        Ok(())
    }
}

impl outcomes::Guest for Guests {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        FLOOD.with_borrow_mut(|flood| {
            if let Some(flood) = flood {
                for outcome in outcomes {
                    flood.handle_outcome(outcome.ticket, outcome.fate);
                }
            }
        });
    }
}
