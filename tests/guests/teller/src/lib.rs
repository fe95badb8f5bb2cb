//! A guest whose letters say which of its calls they are of, and which tells what became
//! of each.
//!
//! | message on | leads to |
//! | --- | --- |
//! | `tell/in` | a letter on `out`, named by the first word of the payload, with as many milliseconds to live as the second says |
//! | `tell/timer` | a timer, named by the first word, due in as many milliseconds as the second says |
//! | `tell/report` | what it has counted and which timers there are, on `report` |
//!
//! Letters on `out` are numbered by a count in the state: payload and tag are `NAME COUNT`.
//! Their outcomes are letters on `told`, numbered by another: `TICKET FATE TOLD NAME COUNT`.
//! Of the outcomes of all others nothing is told. A timer that is due is a letter on `due`.
//!
//! What is not accepted is printed, and the message put off.

use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{Fate, Guest as Outcomes, LetterOutcome};
use bindings::exports::jackalope::gateway::timer_handler::{DueTimer, Guest as TimerHandler};
use bindings::jackalope::gateway::jackalope::{Priority, PublishOptions, publish};
use bindings::jackalope::gateway::timers::Schedule;
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos};
use bindings::jackalope::gateway::{state, timers};

mod bindings {
    #![allow(unsafe_code)]

    use super::Teller;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/telling",
        generate_all,
    });
    export!(Teller);
}

const HOUR_MS: u64 = 3_600_000;

struct Teller;

impl Handler for Teller {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        let text = String::from_utf8_lossy(&message.payload);
        let (name, number) = text.split_once(' ').unwrap_or((&text, ""));
        let number = number.parse().ok();
        let done = match message.topic.as_str() {
            "tell/in" => out(name, number.unwrap_or(HOUR_MS)),
            "tell/timer" => timers::set(name, Schedule::After(number.unwrap_or(HOUR_MS)))
                .map_err(|error| format!("{error:?}")),
            _ => report(),
        };
        done.map_err(|error| {
            println!("put off: {error}");
            Verdict::Retry(error)
        })
    }
}

impl Outcomes for Teller {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        for outcome in outcomes {
            if let Some(tag) = &outcome.tag {
                let told = add_one("told").and_then(|told| {
                    let fate = shown(outcome.fate);
                    post(
                        "told",
                        &format!("{} {fate} {told} {tag}", outcome.ticket),
                        None,
                    )
                });
                // So that it is told again.
                told.expect("what is to be told is accepted");
            }
        }
    }
}

impl TimerHandler for Teller {
    fn timer(due: DueTimer) {
        post("due", &due.name, None).expect("a letter is accepted");
    }
}

fn out(name: &str, ttl_ms: u64) -> Result<(), String> {
    let text = format!("{name} {}", add_one("count")?);
    let options = PublishOptions {
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl_ms,
        after_reboot: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: Some(text.clone()),
        properties: None,
    };
    post("out", &text, Some(&options))
}

fn report() -> Result<(), String> {
    let timers = timers::list().into_iter().map(|timer| timer.name);
    let timers = timers.collect::<Vec<_>>().join(",");
    let text = format!(
        "count={} told={} timers={timers}",
        number("count"),
        number("told")
    );
    post("report", &text, None)
}

fn post(topic: &str, text: &str, options: Option<&PublishOptions>) -> Result<(), String> {
    let accepted = publish(topic, text.as_bytes(), options);
    accepted.map(|_| ()).map_err(|error| format!("{error:?}"))
}

fn shown(fate: Fate) -> &'static str {
    match fate {
        Fate::Delivered => "delivered",
        Fate::Expired(false) => "expired-unsent",
        Fate::Expired(true) => "expired",
        Fate::Displaced(_) => "displaced",
        Fate::Refused(_) => "refused",
    }
}

/// Adds one to the number under this key.
fn add_one(key: &str) -> Result<u64, String> {
    let number = number(key) + 1;
    let set = state::set(key, number.to_string().as_bytes());
    set.map(|()| number).map_err(|error| format!("{error:?}"))
}

fn number(key: &str) -> u64 {
    let value = state::get(key).and_then(|value| String::from_utf8(value).ok()?.parse().ok());
    value.unwrap_or(0)
}
