//! A guest that keeps a state as messages say, and answers on `kept`.
//!
//! | message on | does | answers |
//! | --- | --- | --- |
//! | `keep/set/<key>` | writes the payload | `written`, or the error |
//! | `keep/get/<key>` | reads | the value, or `none` |
//! | `keep/delete/<key>` | deletes | `deleted` |
//! | `keep/keys/<prefix>` | lists | the keys, a line each |
//! | `keep/count` | adds one to a number | the number; then traps, rejects or puts off once, if the payload says so |
//! | `keep/settings` | | its settings |
//!
//! It refuses settings in which the word `broken` is, and what it writes while it looks
//! at them must not be kept.

use bindings::exports::jackalope::gateway::configure::Guest as Configure;
use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
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

struct Keeper;

impl Configure for Keeper {
    fn configure() -> Result<(), String> {
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

impl Handler for Keeper {
    fn connection(_status: ConnectionStatus) {}

    fn message(message: IncomingMessage) -> Result<(), Verdict> {
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
            "keys" => answer(&state::keys(key).join("\n")),
            "count" => return count(&message),
            "settings" => answer(&settings::get()),
            _ => {}
        }
        Ok(())
    }
}

fn count(message: &IncomingMessage) -> Result<(), Verdict> {
    let before = state::get("count").and_then(|value| String::from_utf8(value).ok()?.parse().ok());
    let count = before.unwrap_or(0) + 1;
    if state::set("count", count.to_string().as_bytes()).is_err() {
        return Err(Verdict::Reject("the state is full".to_string()));
    }
    answer(&count.to_string());
    match (message.payload.as_slice(), message.duplicate) {
        (b"trap", false) => panic!("as the message says"),
        (b"retry", false) => Err(Verdict::Retry("as the message says".to_string())),
        (b"reject", _) => Err(Verdict::Reject("as the message says".to_string())),
        _ => Ok(()),
    }
}

fn answer(text: &str) {
    if publish("kept", text.as_bytes(), None).is_err() {
        panic!("the answer is not accepted");
    }
}
