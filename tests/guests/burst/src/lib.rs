//! A guest that publishes as fast as its letters are acknowledged, to be
//! measured.
//!
//! A message on `burst/start` with the payload `count=1000 window=100 qos=1
//! size=64`, in this order, leads to so many letters on `burst/out`, at most
//! `window` of them without an outcome at a time: each outcome publishes the
//! next. Their payloads have so many bytes, of which the first eight are the
//! letter's number in hexadecimal digits. When all have their outcome, a letter
//! of QoS 0 on `burst/done` says how many of them were delivered.

use std::cell::RefCell;

use bindings::exports::jackalope::gateway::handler::{Guest, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{self, Fate, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{Priority, PublishError, PublishOptions, publish};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos};

mod bindings {
    #![allow(unsafe_code)]

    use super::Starter;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/reporting",
        generate_all,
    });
    export!(Starter);
}

const HOUR_MS: u64 = 3_600_000;
const DIGITS: usize = 8;

thread_local! {
    static BURST: RefCell<Option<Burst>> = const { RefCell::new(None) };
}

/// A burst under way.
struct Burst {
    count: u32,
    published: u32,
    finished: u32,
    delivered: u32,
    payload: Vec<u8>,
    qos: Qos,
}

impl Burst {
    /// Begins one, as it is asked for.
    fn start(order: &[u8]) -> Option<Self> {
        let words = std::str::from_utf8(order).ok()?.split(' ');
        let mut words = words.map(|word| word.split_once('='));
        let mut number = |name: &str| {
            let (found, value) = words.next()??;
            (found == name).then(|| value.parse::<u32>().ok())?
        };
        let (count, window) = (number("count")?, number("window")?);
        let qos = match number("qos")? {
            0 => Qos::AtMostOnce,
            1 => Qos::AtLeastOnce,
            2 => Qos::ExactlyOnce,
            _ => return None,
        };
        let size = usize::try_from(number("size")?).ok()?.max(DIGITS);
        let mut burst = Self {
            count,
            published: 0,
            finished: 0,
            delivered: 0,
            payload: vec![b'x'; size],
            qos,
        };
        for _ in 0..window {
            burst.next().ok()?;
        }
        burst.report().ok()?;
        Some(burst)
    }

    /// Publishes the next letter, if there is one more.
    fn next(&mut self) -> Result<(), PublishError> {
        if self.published == self.count {
            return Ok(());
        }
        for (at, digit) in self.payload[..DIGITS].iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(self.published >> (28 - 4 * at)) as usize & 15];
        }
        self.published += 1;
        send("burst/out", &self.payload, self.qos)
    }

    /// Says so when all is done.
    fn report(&self) -> Result<(), PublishError> {
        if self.finished < self.count {
            return Ok(());
        }
        send(
            "burst/done",
            self.delivered.to_string().as_bytes(),
            Qos::AtMostOnce,
        )
    }
}

fn send(topic: &str, payload: &[u8], qos: Qos) -> Result<(), PublishError> {
    let options = PublishOptions {
        qos,
        retain: false,
        ttl_ms: HOUR_MS,
        after_reboot: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: None,
    };
    publish(topic, payload, Some(&options)).map(|_ticket| ())
}

struct Starter;

impl Guest for Starter {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        let burst = Burst::start(&message.payload);
        let burst = burst.ok_or_else(|| Verdict::Reject("no such burst".to_string()))?;
        BURST.set(Some(burst));
        Ok(())
    }
}

impl outcomes::Guest for Starter {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        BURST.with_borrow_mut(|burst| {
            for LetterOutcome { fate, .. } in outcomes {
                // The outcome of the report itself comes after all the others.
                let Some(burst) = burst.as_mut().filter(|burst| burst.finished < burst.count)
                else {
                    return;
                };
                burst.finished += 1;
                burst.delivered += u32::from(matches!(fate, Fate::Delivered));
                burst
                    .next()
                    .expect("the window is smaller than the work list");
                burst.report().expect("there is room for it");
            }
        });
    }
}
