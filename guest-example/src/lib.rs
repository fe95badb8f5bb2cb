//! A door that is locked and unlocked over MQTT.
//!
//! | topic | payload | |
//! | --- | --- | --- |
//! | `doors/<name>/request` | `{"action":"unlock"}` | in: somebody wants the door open |
//! | `doors/<name>/command` | `{"action":"unlock"}` | out: told to the door, within 5 seconds or never |
//! | `doors/<name>/status` | `{"action":"unlock","outcome":"delivered"}` | out: what became of it, kept by the broker |

use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::outcomes::{Fate, Guest as Outcomes, LetterOutcome};
use bindings::jackalope::gateway::jackalope::{PublishOptions, publish, status};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos};
use serde_json::{Value, json};

/// What `wit/gateway.wit` becomes in Rust. It needs unsafe code, the rest of a
/// guest does not.
mod bindings {
    #![allow(unsafe_code)]

    use super::Door;

    wit_bindgen::generate!({
        path: "../wit",
        // The smallest guest, which also hears what becomes of its letters.
        inline: "
            package example:door;

            world door {
                include jackalope:gateway/guest@0.2.0;
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
        let action = action_of(&message.payload).map_err(Verdict::Reject)?;

        let command = json!({ "action": action }).to_string();
        publish(
            &format!("doors/{door}/command"),
            command.as_bytes(),
            Some(&PublishOptions {
                qos: Qos::AtLeastOnce,
                retain: false,
                ttl_ms: COMMAND_TTL_MS,
                // The outcome comes with it, even if this guest was started anew
                // meanwhile and has forgotten all about the command.
                tag: Some(format!("{action} {door}")),
                properties: None,
            }),
        )
        // No retry: nobody wants the door open when there is room at last.
        .map_err(|error| Verdict::Reject(format!("the command is not accepted: {error:?}")))?;

        if status() == ConnectionStatus::Offline {
            println!("{door}: {action} accepted while offline: goes out within 5 s or not at all");
        }
        Ok(())
    }

    fn connection(_status: ConnectionStatus) {}
}

impl Outcomes for Door {
    fn outcome(outcomes: Vec<LetterOutcome>) {
        for LetterOutcome { tag, fate, .. } in outcomes {
            // Statuses have no tag: a status about a status would never end.
            if let Some((action, door)) = tag.as_deref().and_then(|tag| tag.split_once(' ')) {
                report(door, action, fate);
            }
        }
    }
}

/// Publishes what became of a command.
fn report(door: &str, action: &str, fate: Fate) {
    let outcome = match fate {
        Fate::Delivered => "delivered",
        Fate::Expired(_) => "expired",
        Fate::Displaced(_) => "displaced",
        Fate::Refused(_) => "refused",
    };
    let report = json!({ "action": action, "outcome": outcome }).to_string();
    let accepted = publish(
        &format!("doors/{door}/status"),
        report.as_bytes(),
        Some(&PublishOptions {
            qos: Qos::AtLeastOnce,
            retain: true,
            ttl_ms: STATUS_TTL_MS,
            tag: None,
            properties: None,
        }),
    );
    if let Err(error) = accepted {
        eprintln!("{door}: {action} {outcome}, and its status is not accepted: {error:?}");
    }
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
