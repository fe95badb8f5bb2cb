//! A door that is locked and unlocked over MQTT.
//!
//! | topic | payload | |
//! | --- | --- | --- |
//! | `doors/<name>/request` | `{"action":"unlock","by":"Ada"}` | in: somebody wants the door open, and may say who |
//! | `doors/<name>/command` | `{"action":"unlock"}` | out: told to the door, within 5 seconds or never |
//! | `doors/<name>/status` | `{"action":"unlock","by":"Ada","outcome":"delivered"}` | out: what became of it, kept by the broker |

use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{Fate, Guest as Outcomes, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{Priority, PublishOptions, publish, status};
use bindings::jackalope::gateway::state;
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos, Ticket};
use serde_json::{Value, json};

/// What `wit/gateway.wit` becomes in Rust. It needs unsafe code, the rest of a
/// guest does not.
mod bindings {
    #![allow(unsafe_code)]

    use super::Door;

    wit_bindgen::generate!({
        path: "../wit",
        // The smallest guest, which also keeps a state and hears what becomes of its letters.
        inline: "
            package example:door;

            world door {
                include jackalope:gateway/guest@0.2.0;
                import jackalope:gateway/state@0.2.0;
                export jackalope:gateway/outcomes@0.2.0;
            }
        ",
        world: "example:door/door",
        generate_all,
    });
    export!(Door);
}

/// A door must not open long after somebody has asked for it.
const COMMAND_TTL_MS: u64 = 5_000;
/// A status stays true until the next one: it outlives an outage of a day.
const STATUS_TTL_MS: u64 = 86_400_000;

struct Door;

impl Handler for Door {
    fn message(message: IncomingMessage) -> Result<(), Verdict> {
        let Some(door) = door_of(&message.topic) else {
            return Err(Verdict::Reject("the topic names no door".to_string()));
        };
        if message.retained {
            // The broker would hand it over again with each new session.
            let reason = "a request must not be retained";
            return Err(Verdict::Reject(reason.to_string()));
        }
        let (action, by) = parse(&message.payload).map_err(Verdict::Reject)?;

        let command = json!({ "action": action }).to_string();
        let ticket = publish(
            &format!("doors/{door}/command"),
            command.as_bytes(),
            Some(&PublishOptions {
                qos: Qos::AtLeastOnce,
                retain: false,
                ttl_ms: COMMAND_TTL_MS,
                after_reboot: None,
                // A status can wait, a door cannot.
                priority: Priority::High,
                replace_key: None,
                // For whoever reads the log.
                tag: Some(format!("{action} {door}")),
                properties: None,
            }),
        )
        // No retry: nobody wants the door open when there is room at last.
        .map_err(|error| Verdict::Reject(format!("the command is not accepted: {error:?}")))?;
        note(ticket, &json!({ "door": door, "action": action, "by": by }));

        if status() == ConnectionStatus::Offline {
            println!("{door}: {action} accepted while offline: goes out within 5 s or not at all");
        }
        Ok(())
    }

    fn connection(_status: ConnectionStatus) {}
}

impl Outcomes for Door {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        for LetterOutcome { ticket, fate, .. } in outcomes {
            // Of statuses there are no notes: a status about a status would never end.
            if let Some(note) = take_note(ticket) {
                report(&note, fate);
            }
        }
    }
}

/// Writes down what the outcome of a letter will be about.
///
/// A variable would not do: when a guest traps, the host starts it anew, and only what
/// it has given to `state` is still there.
fn note(ticket: Ticket, note: &Value) {
    if state::set(&ticket.to_string(), note.to_string().as_bytes()).is_err() {
        eprintln!("the state is full: nobody will hear what became of {note}");
    }
}

/// Takes the note for a letter, if there is one.
fn take_note(ticket: Ticket) -> Option<Value> {
    let key = ticket.to_string();
    let note = state::get(&key)?;
    state::delete(&key);
    serde_json::from_slice(&note).ok()
}

/// Publishes what became of a command.
fn report(note: &Value, fate: Fate) {
    let outcome = match fate {
        Fate::Delivered => "delivered",
        Fate::Expired(_) => "expired",
        Fate::Displaced(_) => "displaced",
        Fate::Refused(_) => "refused",
    };
    let mut report = json!({ "action": note["action"], "outcome": outcome });
    if let Some(by) = note["by"].as_str() {
        report["by"] = by.into();
    }
    let door = note["door"].as_str().unwrap_or_default();
    let accepted = publish(
        &format!("doors/{door}/status"),
        report.to_string().as_bytes(),
        Some(&PublishOptions {
            qos: Qos::AtLeastOnce,
            retain: true,
            ttl_ms: STATUS_TTL_MS,
            after_reboot: None,
            priority: Priority::Normal,
            // After an outage the last status of a door is all that anybody wants.
            replace_key: Some(format!("status {door}")),
            tag: None,
            properties: None,
        }),
    );
    if let Err(error) = accepted {
        eprintln!("{door}: the status {report} is not accepted: {error:?}");
    }
}

/// The door that a request is for.
fn door_of(topic: &str) -> Option<&str> {
    let door = topic.strip_prefix("doors/")?.strip_suffix("/request")?;
    (!door.is_empty() && !door.contains('/')).then_some(door)
}

/// The action that a request asks for and who has asked, if it says so; or what is wrong
/// with the request.
fn parse(request: &[u8]) -> Result<(&'static str, Option<String>), String> {
    const EXPECTED: &str = r#"expected {"action":"lock"} or {"action":"unlock"}"#;

    let request: Value = serde_json::from_slice(request)
        .map_err(|error| format!("the request is not JSON ({error}): {EXPECTED}"))?;
    let action = match request["action"].as_str() {
        Some("lock") => "lock",
        Some("unlock") => "unlock",
        Some(_) => return Err(format!("unknown action: {EXPECTED}")),
        None => return Err(format!("the request has no action: {EXPECTED}")),
    };
    Ok((action, request["by"].as_str().map(str::to_string)))
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
        assert_eq!(parse(br#"{"action":"lock"}"#), Ok(("lock", None)));
        assert_eq!(
            parse(br#"{ "action": "unlock", "by": "Ada" }"#),
            Ok(("unlock", Some("Ada".to_string())))
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
            let reason = parse(request).unwrap_err();
            assert!(reason.contains(wrong), "{reason}");
            assert!(reason.contains(r#"{"action":"unlock"}"#), "{reason}");
        }
    }
}
