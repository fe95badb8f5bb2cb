//! What a test of a guest can see happen.

use std::fmt;
use std::sync::Arc;

use crate::office::{Call, DisplacedBy, Outcome, Priority, Properties, Qos, Time, WhenOff};
use crate::words::{self, Content, described};

/// A message as the broker has it. Displayed on one line.
#[derive(Clone, PartialEq, Eq)]
pub struct Published {
    /// Its topic.
    pub topic: String,
    /// Its content.
    pub payload: Vec<u8>,
    /// The quality of service it was published with.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// What it carries beside topic and payload.
    pub properties: Option<Arc<Properties>>,
    /// What the guest that has published it has asked of its host. It is not sent.
    pub asked: Asked,
}

/// What a guest asks its host to do with a letter, beside its ttl.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Asked {
    /// Its priority among the letters of the guest.
    pub priority: Priority,
    /// What it tells the latest of.
    pub replace_key: Option<Arc<str>>,
    /// What its ttl does while the machine is off, if the guest says so.
    pub after_reboot: Option<WhenOff>,
}

/// Something that a test can see happen. Displayed on one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// Somebody has published a message for the guest.
    Message(Published),
    /// The network is up or down from here on.
    Network(Network),
    /// The broker sends acknowledgements from here on, or does not.
    Acks(Acks),
    /// The guest was started anew, without what it had in its memory.
    Restarted,
    /// A message of the guest has arrived at the broker.
    Published(Published),
    /// A letter has its outcome.
    Outcome {
        /// Its topic; none for a letter that was displaced by another one of
        /// the same call.
        topic: Option<Arc<str>>,
        /// Its tag.
        tag: Option<Arc<str>>,
        /// What became of it.
        outcome: Outcome,
        /// For what, if it was displaced.
        by: Option<DisplacedBy>,
    },
    /// The guest has rejected a message.
    Rejected {
        /// The topic of the message.
        topic: Arc<str>,
        /// The guest's reason.
        reason: String,
    },
    /// The guest has put a message off.
    Retried {
        /// The topic of the message.
        topic: Arc<str>,
        /// The guest's reason.
        reason: String,
    },
    /// A call of the guest has failed.
    Failed {
        /// What it was called with.
        call: String,
        /// How it failed.
        error: String,
        /// Whether the call is made again.
        again: bool,
    },
    /// The guest has printed a line.
    Printed(String),
}

/// The network between gateway and broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// Whatever is sent arrives at once.
    Up,
    /// Nothing arrives, and there are no connections.
    Down,
}

/// The acknowledgements of the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Acks {
    /// They are sent.
    Sent,
    /// They are not: the broker has the message, and the gateway does not know.
    Withheld,
}

/// An event and its time, as a line of the test's log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Since the beginning of the test.
    pub at: Time,
    /// What has happened.
    pub event: Event,
}

/// A call, by what it is about.
pub(super) fn call_name(call: &Call) -> String {
    match call {
        Call::Connection(status) => format!("connection {status}"),
        Call::Subscription { filter, .. } => format!("subscription {filter}"),
        Call::Message(message) => format!("message {}", message.topic),
        Call::Outcomes(outcomes) => match &outcomes[..] {
            [told] => format!("outcome {}", told.outcome),
            all => format!("{} outcomes", all.len()),
        },
        Call::Timer(due) => format!("timer {}", due.name),
        Call::LastWill => "last-will".into(),
    }
}

impl fmt::Display for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.topic, Content(&self.payload))?;
        let qos = (self.qos != Qos::AtLeastOnce).then(|| format!("qos {}", self.qos));
        let retain = self.retain.then(|| "retain".to_owned());
        let mut details: Vec<_> = qos.into_iter().chain(retain).collect();
        let Asked {
            priority,
            replace_key,
            after_reboot,
        } = &self.asked;
        details.extend(words::asked(
            *priority,
            replace_key.as_deref(),
            *after_reboot,
        ));
        details.extend(self.properties.iter().flat_map(|own| described(own)));
        match details.join(", ") {
            details if details.is_empty() => Ok(()),
            details => write!(f, " ({details})"),
        }
    }
}

impl fmt::Debug for Published {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

/// Topic and payload alone: what most tests are about.
impl PartialEq<(&str, &str)> for Published {
    fn eq(&self, (topic, payload): &(&str, &str)) -> bool {
        self.topic == *topic && self.payload == payload.as_bytes()
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Message(message) => write!(f, "message   {message}"),
            Self::Network(Network::Up) => f.write_str("network   up"),
            Self::Network(Network::Down) => f.write_str("network   down"),
            Self::Acks(Acks::Sent) => f.write_str("acks      sent"),
            Self::Acks(Acks::Withheld) => f.write_str("acks      withheld"),
            Self::Restarted => f.write_str("guest     restarted"),
            Self::Published(message) => write!(f, "published {message}"),
            Self::Outcome {
                topic,
                tag,
                outcome,
                by,
            } => {
                let topic = topic.as_deref().unwrap_or("(of the same call)");
                write!(f, "{:<9} {topic}", outcome.word())?;
                let detail = outcome.detail().map(str::to_owned);
                let by = by.map(|by| format!("by {by}"));
                let tag = tag.as_ref().map(|tag| format!("tag {tag}"));
                let details: Vec<_> = [detail, by, tag].into_iter().flatten().collect();
                match details.join(", ") {
                    details if details.is_empty() => Ok(()),
                    details => write!(f, " ({details})"),
                }
            }
            Self::Rejected { topic, reason } => write!(f, "rejected  {topic}: {reason}"),
            Self::Retried { topic, reason } => write!(f, "put off   {topic}: {reason}"),
            Self::Failed { call, error, again } => {
                let again = if *again { "" } else { " (given up)" };
                write!(f, "failed    {call}: {error}{again}")
            }
            Self::Printed(line) => write!(f, "printed   {line}"),
        }
    }
}

/// Begins with the time, as a clock shows it: `2:00:00.000`.
impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let millis = self.at.as_millis();
        let (seconds, millis) = (millis / 1_000, millis % 1_000);
        let (minutes, seconds) = (seconds / 60, seconds % 60);
        let (hours, minutes) = (minutes / 60, minutes % 60);
        let event = &self.event;
        write!(f, "{hours}:{minutes:02}:{seconds:02}.{millis:03}  {event}")
    }
}
