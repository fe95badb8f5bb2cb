//! The lines that a person or a script writes.

use std::io::{self, BufRead};
use std::thread;
use std::time::Duration;

use tokio::sync::mpsc;

use crate::broker::Fault;
use crate::config::parse_duration;
use crate::office::{Qos, topic};
use crate::scenario::{read_message, split_line};
use crate::testing::{Asked, Published};

/// What is printed for `help`.
pub(super) const HELP: [&str; 11] = [
    "[topic] payload   publishes a message; while offline it is handed to the guest directly",
    "message = {…}     the same as a scenario has it: { topic = \"a/b\", payload = \"…\", qos = 2, \
     retain = true, properties = { content-type = \"…\", user = { name = \"value\" } } }",
    "offline           the broker drops the connection and refuses new ones, until `online`",
    "drop-acks         the broker acknowledges nothing that the guest sends, until `online`",
    "fault drop-now    lets something go wrong, until `online`; `fault` alone tells what can",
    "online            ends all that: the gateway connects anew and sends again what is open",
    "reconnect         the gateway drops its connection and makes a new one",
    "wait 6s           takes no line for so long: 500ms, 6s, 2m, at most 1h",
    "help              shows this",
    "quit              ends; so do Ctrl-C and the end of input",
    "# anything        is left alone",
];

/// The longest `wait`.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// A line of input, parsed.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Publish(Published),
    Fault(Fault),
    Offline,
    DropAcks,
    Online,
    Reconnect,
    Wait(Duration),
    Help,
    Quit,
    Nothing,
}

impl Command {
    /// Parses a line.
    ///
    /// # Errors
    /// What is wrong with it, and what could be written in its place.
    pub(super) fn parse(line: &str) -> Result<Self, String> {
        let line = line.trim();
        if line.starts_with('[') {
            return publish(line);
        }
        if line.is_empty() || line.starts_with('#') {
            return Ok(Self::Nothing);
        }
        let mut words = line.split_whitespace();
        match (words.next(), words.next(), words.next()) {
            (Some(word), ..) if word.starts_with("message") => {
                read_message(line).map(Self::Publish)
            }
            (Some("fault"), fault, None) => {
                let fault = fault.unwrap_or_default().parse();
                fault.map(Self::Fault).map_err(|error| error.to_string())
            }
            (Some("advance"), ..) => {
                Err("here time passes by itself: write e.g. wait 6s; scenarios advance it".into())
            }
            (Some("offline"), None, _) => Ok(Self::Offline),
            (Some("drop-acks"), None, _) => Ok(Self::DropAcks),
            (Some("online"), None, _) => Ok(Self::Online),
            (Some("reconnect"), None, _) => Ok(Self::Reconnect),
            (Some("wait"), Some(time), None) => wait(time),
            (Some("help"), None, _) => Ok(Self::Help),
            (Some("quit"), None, _) => Ok(Self::Quit),
            _ => Err(format!(
                "\"{line}\" is none of: [topic] payload, message = {{…}}, offline, drop-acks, \
                 fault drop-now, online, reconnect, wait 6s, help, quit"
            )),
        }
    }
}

fn publish(line: &str) -> Result<Command, String> {
    let Some((topic, payload)) = split_line(line) else {
        return Err("the topic ends with `]`: [topic] payload".to_owned());
    };
    topic::check_name(topic).map_err(|error| format!("the topic \"{topic}\" {error}"))?;
    Ok(Command::Publish(Published {
        topic: topic.to_owned(),
        payload: payload.into(),
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
        asked: Asked::default(),
    }))
}

fn wait(time: &str) -> Result<Command, String> {
    match parse_duration(time) {
        Some(time) if time <= LONGEST_WAIT => Ok(Command::Wait(time)),
        _ => Err(format!(
            "\"{time}\" is no time to wait: write e.g. 500ms, 6s or 2m, at most 1h"
        )),
    }
}

/// Reads standard input, in a thread of its own, since a read cannot be
/// cancelled.
pub(super) fn lines() -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel(1);
    #[expect(
        clippy::disallowed_methods,
        reason = "a read of standard input cannot be cancelled"
    )]
    thread::spawn(move || {
        let mut input = io::stdin().lock();
        let mut line = Vec::new();
        while let Ok(1..) = input.read_until(b'\n', &mut line) {
            let text = String::from_utf8_lossy(&line).into_owned();
            line.clear();
            if sender.blocking_send(text).is_err() {
                return;
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_understood() {
        let published = |topic: &str, payload: &str, qos| {
            Command::Publish(Published {
                topic: topic.to_owned(),
                payload: payload.into(),
                qos,
                retain: false,
                properties: None,
                asked: Asked::default(),
            })
        };
        let publish = |topic: &str, payload: &str| published(topic, payload, Qos::AtLeastOnce);
        for (text, line) in [
            ("[a/b] {\"c\": [1]}\n", publish("a/b", "{\"c\": [1]}")),
            ("[a/b]", publish("a/b", "")),
            ("[a/b]x", publish("a/b", "x")),
            (
                r#"message = { topic = "a/b", payload = "x", qos = 2 }"#,
                published("a/b", "x", Qos::ExactlyOnce),
            ),
            (" offline \r\n", Command::Offline),
            ("fault drop-now", Command::Fault(Fault::DropNow)),
            ("drop-acks", Command::DropAcks),
            ("wait 500ms", Command::Wait(Duration::from_millis(500))),
            ("wait 1h", Command::Wait(LONGEST_WAIT)),
            ("# offline", Command::Nothing),
            ("", Command::Nothing),
        ] {
            assert_eq!(Command::parse(text), Ok(line), "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_is_answered_with_what_would_be() {
        for (text, expect) in [
            ("hello", "none of: [topic] payload, message = {…}, offline"),
            ("message = { payload = \"x\" }", "message.topic: is missing"),
            ("messages", "column "),
            ("fault", "there are: refuse-connect=CODE"),
            ("fault drop-after=x", "write drop-after=COUNT:PACKET"),
            ("fault drop-now twice", "none of"),
            ("advance 2h", "wait 6s"),
            ("offline now", "none of"),
            ("wait", "none of"),
            ("wait 6", "e.g. 500ms"),
            ("wait 2h", "at most 1h"),
            ("[a/b", "ends with `]`"),
            ("[a/+] x", "holds a wildcard"),
            ("[] x", "is empty"),
        ] {
            let error = Command::parse(text).expect_err(text);
            assert!(error.contains(expect), "{text}: {error}");
        }
    }
}
