//! An obedient guest, for tests and measurements.
//!
//! | message on | leads to |
//! | --- | --- |
//! | `echo/in/<x>` | the same payload, with the same quality of service and properties, on `echo/out/<x>` |
//! | `echo/about/<x>` | what else the message says of itself, on `echo/said` |
//! | `echo/drop` | nothing |
//! | `echo/clock` | what its clocks show, on `echo/clock/shows`: seconds since 1970, milliseconds since the first time it was asked |
//! | `echo/post` | letters as its payload asks for, see [`Order`]; several orders have `;` between them |
//! | `echo/reconnect` | that it asks for a new connection |
//! | `echo/report` | the [`Tally`] on `echo/tally` and on standard output |

use std::cell::{OnceCell, RefCell};
use std::time::{Instant, SystemTime};

use bindings::exports::jackalope::gateway::handler::{Guest, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{self, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{
    Priority, PublishError, PublishOptions, publish, reconnect,
};
use bindings::jackalope::gateway::types::{ConnectionStatus, Properties};
use order::Order;
use tally::Tally;

mod order;
mod tally;

mod bindings {
    #![allow(unsafe_code)]

    use super::Echo;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/reporting",
        generate_all,
    });
    export!(Echo);
}

const HOUR_MS: u64 = 3_600_000;

thread_local! {
    static TALLY: RefCell<Tally> = const { RefCell::new(Tally::new()) };
    static FIRST_ASKED: OnceCell<Instant> = const { OnceCell::new() };
}

struct Echo;

impl Guest for Echo {
    fn connection(status: ConnectionStatus) {
        if status == ConnectionStatus::Online {
            TALLY.with_borrow_mut(|tally| tally.online += 1);
        }
    }

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        match message.topic.as_str() {
            "echo/drop" => Ok(()),
            "echo/clock" => clock(),
            "echo/post" => message
                .payload
                .split(|byte| *byte == b';')
                .try_for_each(post),
            "echo/report" => report(),
            topic if topic.starts_with("echo/in/") => echo(message),
            topic if topic.starts_with("echo/about/") => about(&message),
            "echo/reconnect" => {
                reconnect();
                Ok(())
            }
            _ => Err(Verdict::Reject("no topic of mine".to_string())),
        }
    }
}

impl outcomes::Guest for Echo {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        TALLY.with_borrow_mut(|tally| {
            for outcome in outcomes {
                tally.count(outcome.ticket, outcome.fate);
            }
        });
    }
}

/// Sends a message back. Its own topic becomes that of the answer.
fn echo(message: IncomingMessage) -> Result<(), Verdict> {
    let mut topic = message.topic;
    topic.replace_range("echo/".len().."echo/in".len(), "out");
    let options = PublishOptions {
        qos: message.qos,
        retain: false,
        ttl_ms: HOUR_MS,
        after_reboot: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: message.properties,
    };
    let ticket = publish(&topic, &message.payload, Some(&options)).map_err(verdict)?;
    TALLY.with_borrow_mut(|tally| tally.accepted(ticket));
    Ok(())
}

/// Publishes what a message says of itself beside topic and payload.
fn about(message: &IncomingMessage) -> Result<(), Verdict> {
    let levels = message.levels.iter();
    let levels: Vec<_> = levels
        .map(|(name, level)| format!("{name}={level}"))
        .collect();
    let (subscription, origin) = (&message.subscription, message.origin);
    let text = format!(
        "{subscription} {} expires={:?} {origin:?}",
        levels.join(","),
        message.expires_in_ms
    );
    let ticket = publish("echo/said", text.as_bytes(), None).map_err(verdict)?;
    TALLY.with_borrow_mut(|tally| tally.accepted(ticket));
    Ok(())
}

/// Publishes what the clocks show.
fn clock() -> Result<(), Verdict> {
    let wall = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let wall = wall.map_err(|error| Verdict::Reject(error.to_string()))?;
    let first = FIRST_ASKED.with(|first| *first.get_or_init(Instant::now));
    let text = format!("{} {}", wall.as_secs(), first.elapsed().as_millis());
    let ticket = publish("echo/clock/shows", text.as_bytes(), None).map_err(verdict)?;
    TALLY.with_borrow_mut(|tally| tally.accepted(ticket));
    Ok(())
}

/// Publishes what an order asks for. What the host does not accept is counted.
fn post(order: &[u8]) -> Result<(), Verdict> {
    let order = Order::parse(order).map_err(Verdict::Reject)?;
    let options = PublishOptions {
        qos: order.qos,
        retain: order.retain,
        ttl_ms: order.ttl_ms,
        after_reboot: order.after_reboot,
        priority: order.priority,
        replace_key: order.replace_key.map(str::to_string),
        tag: order.tag.map(str::to_string),
        properties: order.content_type.map(|content_type| Properties {
            content_type: Some(content_type.to_string()),
            response_topic: None,
            correlation_data: None,
            user_properties: Vec::new(),
        }),
    };
    TALLY.with_borrow_mut(|tally| {
        for number in 0..order.count {
            match publish(order.topic, number.to_string().as_bytes(), Some(&options)) {
                Ok(ticket) => tally.accepted(ticket),
                Err(error) => {
                    println!("{error:?}");
                    tally.unaccepted += 1;
                }
            }
        }
    });
    Ok(())
}

/// Publishes the tally. The letter that carries it does not count.
fn report() -> Result<(), Verdict> {
    let text = TALLY.with_borrow(ToString::to_string);
    println!("{text}");
    let ticket = publish("echo/tally", text.as_bytes(), None).map_err(verdict)?;
    TALLY.with_borrow_mut(|tally| tally.report_accepted(ticket));
    Ok(())
}

fn verdict(error: PublishError) -> Verdict {
    match error {
        PublishError::WorkListFull => Verdict::Retry("the work list is full".to_string()),
        other => Verdict::Reject(format!("not accepted: {other:?}")),
    }
}
