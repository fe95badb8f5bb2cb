//! A guest that keeps a state as messages say, and answers on `kept`.
//!
//! | message on | does | answers |
//! | --- | --- | --- |
//! | `keep/set/<key>` | writes the payload | `written`, or the error |
//! | `keep/get/<key>` | reads | the value, or `none` |
//! | `keep/delete/<key>` | deletes | `deleted` |
//! | `keep/keys/<prefix>` | lists those that begin with the prefix and the payload | the keys, a line each |
//! | `keep/fill` | writes `k0000`, `k0001` and so on, while there is room | how many |
//! | `keep/count` | adds one to a number | the number; then traps, rejects or puts off once, if the payload says so |
//! | `keep/settings` | | its settings |
//! | `keep/instance` | | how often this instance was configured, and had a message |
//!
//! A timer adds one to a number under its name.
//!
//! It refuses settings in which the word `broken` is, and what it writes while it looks
//! at them must not be kept.

use std::cell::Cell;

use bindings::exports::jackalope::gateway::configure::Guest as Configure;
use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::timer_handler::{DueTimer, Guest as TimerHandler};
use bindings::jackalope::gateway::jackalope::publish;
use bindings::jackalope::gateway::types::ConnectionStatus;
use bindings::jackalope::gateway::{settings, state};

mod bindings {
    #![allow(unsafe_code)]

    use super::Keeper;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/keeping",
        generate_all,
    });
    export!(Keeper);
}

thread_local! {
    static CONFIGURED: Cell<u32> = const { Cell::new(0) };
    static MESSAGES: Cell<u32> = const { Cell::new(0) };
}

struct Keeper;

impl Configure for Keeper {
    fn configure() -> Result<(), String> {
        CONFIGURED.set(CONFIGURED.get() + 1);
        let _ = state::set("configured", b"must not be kept");
        if publish("kept", b"must not be sent", None).is_ok() {
            return Err("a letter was accepted".to_string());
        }
        match settings::get().contains("broken") {
            true => Err("broken is not wanted".to_string()),
            false => Ok(()),
        }
    }
}

impl TimerHandler for Keeper {
    fn timer(due: DueTimer) {
        add_one(&due.name).expect("the state is not full");
    }
}

impl Handler for Keeper {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        MESSAGES.set(MESSAGES.get() + 1);
        let mut levels = message.topic.splitn(3, '/').skip(1);
        let (what, key) = (levels.next().unwrap_or(""), levels.next().unwrap_or(""));
        match what {
            "set" => match state::set(key, &message.payload) {
                Ok(()) => answer("written"),
                Err(error) => answer(&format!("{error:?}")),
            },
            "get" => match state::get(key) {
                Some(value) => answer(&String::from_utf8_lossy(&value)),
                None => answer("none"),
            },
            "delete" => {
                state::delete(key);
                answer("deleted");
            }
            "keys" => {
                let prefix = format!("{key}{}", String::from_utf8_lossy(&message.payload));
                answer(&state::keys(&prefix).join("\n"));
            }
            "fill" => {
                let keys = (0..).map(|number| format!("k{number:04}"));
                let written = keys.take_while(|key| state::set(key, b"").is_ok()).count();
                answer(&written.to_string());
            }
            "count" => return count(&message),
            "settings" => answer(&settings::get()),
            "instance" => answer(&format!(
                "configured {}, messages {}",
                CONFIGURED.get(),
                MESSAGES.get()
            )),
            _ => {}
        }
        Ok(())
    }
}

fn count(message: &IncomingMessage) -> Result<(), Verdict> {
    let Ok(count) = add_one("count") else {
        return Err(Verdict::Reject("the state is full".to_string()));
    };
    answer(&count.to_string());
    match (message.payload.as_slice(), message.duplicate) {
        (b"trap", false) => panic!("as the message says"),
        (b"retry", false) => Err(Verdict::Retry("as the message says".to_string())),
        (b"reject", _) => Err(Verdict::Reject("as the message says".to_string())),
        _ => Ok(()),
    }
}

/// Adds one to the number under this key.
fn add_one(key: &str) -> Result<u64, state::StateError> {
    let before = state::get(key).and_then(|value| String::from_utf8(value).ok()?.parse().ok());
    let count = before.unwrap_or(0) + 1;
    state::set(key, count.to_string().as_bytes())?;
    Ok(count)
}

fn answer(text: &str) {
    if publish("kept", text.as_bytes(), None).is_err() {
        panic!("the answer is not accepted");
    }
}
