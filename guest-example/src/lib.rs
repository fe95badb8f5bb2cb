//! A door that is locked and unlocked over MQTT.
//!
//! | topic | payload | |
//! | --- | --- | --- |
//! | `doors/<name>/request` | `{"action":"unlock"}` | in: somebody wants the door open |
//! | `doors/<name>/command` | `{"action":"unlock"}` | out: told to the door, within 5 seconds or never |
//! | `doors/<name>/status` | `{"action":"unlock","outcome":"delivered"}` | out: what became of it, kept by the broker |

use std::cell::RefCell;
use std::collections::BTreeMap;

use bindings::exports::jackalope::gateway::handler::{
    Guest, IncomingMessage, LetterOutcome, SubscriptionStatus, Verdict,
};
use bindings::jackalope::gateway::jackalope::{PublishOptions, publish, status};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos, Ticket};
use serde_json::{Value, json};

/// What `wit/gateway.wit` becomes in Rust. It needs unsafe code, the rest of a
/// guest does not.
mod bindings {
    #![allow(unsafe_code)]

    use super::Door;

    wit_bindgen::generate!({ path: "../wit", world: "guest" });
    export!(Door);
}

/// A door must not open long after somebody has asked for it.
const COMMAND_TTL_MS: u64 = 5_000;
/// A status stays true until the next one: it outlives an outage of a day.
const STATUS_TTL_MS: u64 = 86_400_000;

/// A command on its way to a door.
struct Command {
    door: String,
    action: &'static str,
}

thread_local! {
    /// The commands whose outcome is not known yet. Each gets exactly one, so
    /// the host's bounds hold here as well. Statuses are not in here: a status
    /// about a status would never end.
    static PENDING: RefCell<BTreeMap<Ticket, Command>> = const { RefCell::new(BTreeMap::new()) };
}

struct Door;

impl Guest for Door {
    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        let Some(door) = door_of(&message.topic) else {
            return Err(Verdict::Reject("the topic names no door".to_string()));
        };
        if message.retained {
            // The broker would hand it over again with each new session.
            let reason = "a request must not be retained";
            return Err(Verdict::Reject(reason.to_string()));
        }
        let action = action_of(&message.payload).map_err(Verdict::Reject)?;

        let command = json!({ "action": action }).to_string();
        let ticket = publish(
            &format!("doors/{door}/command"),
            command.as_bytes(),
            Some(PublishOptions {
                qos: Qos::AtLeastOnce,
                retain: false,
                ttl_ms: COMMAND_TTL_MS,
            }),
        )
        // No retry: nobody wants the door open when there is room at last.
        .map_err(|error| Verdict::Reject(format!("the command is not accepted: {error:?}")))?;

        if status() == ConnectionStatus::Offline {
            println!("{door}: {action} accepted while offline: goes out within 5 s or not at all");
        }
        // Last, because after a verdict this ticket would not come back.
        let door = door.to_string();
        PENDING.with_borrow_mut(|pending| pending.insert(ticket, Command { door, action }));
        Ok(())
    }

    fn outcome(ticket: Ticket, outcome: LetterOutcome) {
        // Not in there: a status, or a command from before a trap. After a trap
        // the host starts the guest anew, and the guest has forgotten it.
        let Some(Command { door, action }) =
            PENDING.with_borrow_mut(|pending| pending.remove(&ticket))
        else {
            return;
        };
        let outcome = match outcome {
            LetterOutcome::Delivered => "delivered",
            LetterOutcome::Expired => "expired",
            LetterOutcome::Displaced => "displaced",
            LetterOutcome::Refused => "refused",
        };
        let report = json!({ "action": action, "outcome": outcome }).to_string();
        let accepted = publish(
            &format!("doors/{door}/status"),
            report.as_bytes(),
            Some(PublishOptions {
                qos: Qos::AtLeastOnce,
                retain: true,
                ttl_ms: STATUS_TTL_MS,
            }),
        );
        if let Err(error) = accepted {
            eprintln!("{door}: {action} {outcome}, and its status is not accepted: {error:?}");
        }
    }

    fn subscription(status: SubscriptionStatus, topic_filter: String) {
        if status == SubscriptionStatus::Refused {
            eprintln!("the broker refuses {topic_filter}: no requests until it does not");
        }
    }

    fn connection(_status: ConnectionStatus) {}
}

/// The door that a request is for.
fn door_of(topic: &str) -> Option<&str> {
    let door = topic.strip_prefix("doors/")?.strip_suffix("/request")?;
    (!door.is_empty() && !door.contains('/')).then_some(door)
}

/// The action that a request asks for, or what is wrong with the request.
fn action_of(request: &[u8]) -> Result<&'static str, String> {
    const EXPECTED: &str = r#"expected {"action":"lock"} or {"action":"unlock"}"#;

    let request: Value = serde_json::from_slice(request)
        .map_err(|error| format!("the request is not JSON ({error}): {EXPECTED}"))?;
    match request["action"].as_str() {
        Some("lock") => Ok("lock"),
        Some("unlock") => Ok("unlock"),
        Some(_) => Err(format!("unknown action: {EXPECTED}")),
        None => Err(format!("the request has no action: {EXPECTED}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_names_its_door() {
        assert_eq!(door_of("doors/front/request"), Some("front"));
        assert_eq!(door_of("doors//request"), None);
        assert_eq!(door_of("doors/request"), None);
        assert_eq!(door_of("doors/front/left/request"), None);
        assert_eq!(door_of("doors/front/command"), None);
    }

    #[test]
    fn a_request_asks_for_a_known_action() {
        assert_eq!(action_of(br#"{"action":"lock"}"#), Ok("lock"));
        assert_eq!(
            action_of(br#"{ "action": "unlock", "by": "me" }"#),
            Ok("unlock")
        );
    }

    #[test]
    fn a_bad_request_is_told_what_is_wrong_and_what_is_expected() {
        for (request, wrong) in [
            (&b"unlock"[..], "not JSON"),
            (b"\xff", "not JSON"),
            (br#"["unlock"]"#, "no action"),
            (br#"{"action":1}"#, "no action"),
            (br#"{"action":"open"}"#, "unknown action"),
        ] {
            let reason = action_of(request).unwrap_err();
            assert!(reason.contains(wrong), "{reason}");
            assert!(reason.contains(r#"{"action":"unlock"}"#), "{reason}");
        }
    }
}
