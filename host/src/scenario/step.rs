//! What a step does or expects.

use std::fmt;
use std::time::Duration;

use serde_json::Value;

use crate::office::{DisplacedBy, OutcomeWord, Priority, Properties, Qos, WhenOff};
use crate::testing::{Acks, Asked, Event, Network, Published};
use crate::words::{Content, described};

/// One step, with the line it is written at.
#[derive(Debug)]
pub(super) struct Step {
    pub(super) line: usize,
    pub(super) action: Action,
}

/// What a step does or expects.
#[derive(Debug)]
pub(super) enum Action {
    Message {
        message: Published,
        /// Whether the network goes down after it.
        then_down: bool,
    },
    Network(Network),
    Acks(Acks),
    /// The guest is started anew, as after a trap.
    RestartGuest,
    Advance(Duration),
    Expect(Expectation),
}

/// An event that a step expects. Displayed as a failure shows it.
#[derive(Debug)]
pub(super) enum Expectation {
    Published(ExpectedMessage),
    NothingPublished,
    Outcome {
        topic: Option<String>,
        tag: Option<String>,
        outcome: OutcomeWord,
        by: Option<DisplacedBy>,
    },
    Rejected(String),
    Retried(String),
    Failed(String),
    Printed(String),
}

/// A message, as far as a step says what it has to be.
#[derive(Debug)]
pub(super) struct ExpectedMessage {
    pub(super) topic: String,
    pub(super) payload: Option<ExpectedPayload>,
    pub(super) qos: Option<Qos>,
    pub(super) retain: Option<bool>,
    pub(super) properties: Option<Properties>,
    pub(super) priority: Option<Priority>,
    pub(super) replace_key: Option<String>,
    pub(super) after_reboot: Option<WhenOff>,
}

#[derive(Debug)]
pub(super) enum ExpectedPayload {
    /// These bytes.
    Exactly(String),
    /// JSON that has at least this in it.
    Json(Value),
}

impl Expectation {
    /// Returns whether this event is an expected one.
    pub(super) fn fits(&self, event: &Event) -> bool {
        match (self, event) {
            (Self::Published(expected), Event::Published(message)) => expected.fits(message),
            (
                Self::Outcome {
                    topic,
                    tag,
                    outcome,
                    by,
                },
                Event::Outcome {
                    topic: of,
                    tag: with,
                    outcome: seen,
                    by: seen_by,
                },
            ) => {
                *outcome == seen.word()
                    && (by.is_none() || by == seen_by)
                    && (topic.is_none() || topic.as_deref() == of.as_deref())
                    && (tag.is_none() || tag.as_deref() == with.as_deref())
            }
            (Self::Rejected(text), Event::Rejected { reason, .. })
            | (Self::Retried(text), Event::Retried { reason, .. }) => reason.contains(text),
            (Self::Failed(text), Event::Failed { error, .. }) => error.contains(text),
            (Self::Printed(text), Event::Printed(line)) => line.contains(text),
            _ => false,
        }
    }

    /// Returns whether one step expects all events that fit. The host tries again
    /// by itself, and a scenario need not say how often.
    pub(super) fn takes_all(&self) -> bool {
        matches!(self, Self::Retried(_) | Self::Failed(_))
    }

    /// How a failure shows an event of the expected kind; none for other kinds.
    pub(super) fn show(&self, event: &Event) -> Option<String> {
        match (self, event) {
            (Self::Published(expected), Event::Published(message)) => {
                let shown = ExpectedMessage {
                    topic: message.topic.clone(),
                    payload: None,
                    priority: None,
                    replace_key: None,
                    after_reboot: None,
                    qos: expected.qos.and(Some(message.qos)),
                    retain: expected.retain.and(Some(message.retain)),
                    properties: expected
                        .properties
                        .as_ref()
                        .map(|_| message.properties.as_deref().cloned().unwrap_or_default()),
                };
                let asked = expected.asked(Some(&message.asked));
                Some(shown.line(&Content(&message.payload), asked))
            }
            (Self::NothingPublished, Event::Published(message)) => Some(message.to_string()),
            (
                Self::Outcome {
                    tag: wanted,
                    by: wanted_by,
                    ..
                },
                Event::Outcome {
                    topic,
                    tag,
                    outcome,
                    by,
                },
            ) => {
                let topic = topic.as_deref().unwrap_or("(of the same call)");
                let by = by.filter(|_| wanted_by.is_some());
                let by = by.map(|by| format!(" by {by}")).unwrap_or_default();
                let tag = tag.as_deref().unwrap_or("(none)");
                let tag = wanted.as_ref().map(|_| format!(" tag {tag}"));
                let tag = tag.unwrap_or_default();
                Some(format!("{topic} {}{by}{tag}", outcome.word()))
            }
            (Self::Rejected(_), Event::Rejected { reason, .. }) => {
                Some(format!("rejected: {reason}"))
            }
            (Self::Retried(_), Event::Retried { reason, .. }) => Some(format!("put off: {reason}")),
            (Self::Failed(_), Event::Failed { error, .. }) => Some(format!("failed: {error}")),
            (Self::Printed(_), Event::Printed(line)) => Some(format!("printed: {line}")),
            _ => None,
        }
    }

    /// How a failure shows that there is nothing of this kind.
    pub(super) const fn nothing(&self) -> &'static str {
        match self {
            Self::Published(_) | Self::NothingPublished => "(nothing published)",
            Self::Outcome { .. } => "(no outcome)",
            Self::Rejected(_) => "(nothing rejected)",
            Self::Retried(_) => "(nothing put off)",
            Self::Failed(_) => "(no call failed)",
            Self::Printed(_) => "(nothing printed)",
        }
    }
}

impl ExpectedMessage {
    fn fits(&self, message: &Published) -> bool {
        self.topic == message.topic
            && self.qos.is_none_or(|qos| qos == message.qos)
            && self.retain.is_none_or(|retain| retain == message.retain)
            && self
                .properties
                .as_ref()
                .is_none_or(|part| has_properties(part, message.properties.as_deref()))
            && self.priority.is_none_or(|it| it == message.asked.priority)
            && (self.replace_key.is_none()
                || self.replace_key.as_deref() == message.asked.replace_key.as_deref())
            && (self.after_reboot.is_none() || self.after_reboot == message.asked.after_reboot)
            && match &self.payload {
                None => true,
                Some(ExpectedPayload::Exactly(payload)) => payload.as_bytes() == message.payload,
                Some(ExpectedPayload::Json(part)) => serde_json::from_slice(&message.payload)
                    .is_ok_and(|whole| is_part_of(part, &whole)),
            }
    }

    /// What the guest is to have asked of its host; or what it has, of the same things.
    fn asked(&self, seen: Option<&Asked>) -> Vec<String> {
        const NONE: &str = "(none)";
        let priority = self.priority.map(|wanted| {
            let priority = seen.map_or(wanted, |seen| seen.priority);
            format!("priority {priority}")
        });
        let key = self.replace_key.as_deref().map(|wanted| {
            let key = seen.map_or(Some(wanted), |seen| seen.replace_key.as_deref());
            format!("replace key {}", key.unwrap_or(NONE))
        });
        let after_reboot = self.after_reboot.map(|wanted| {
            let when_off = seen.map_or(Some(wanted), |seen| seen.after_reboot);
            let when_off = when_off.map_or(NONE.to_owned(), |it| it.to_string());
            format!("after reboot {when_off}")
        });
        [priority, key, after_reboot]
            .into_iter()
            .flatten()
            .collect()
    }

    fn line(&self, payload: &dyn fmt::Display, asked: Vec<String>) -> String {
        let qos = self.qos.map(|qos| format!("qos {qos}"));
        let retain = self.retain.map(|retain| format!("retain {retain}"));
        let properties = self.properties.iter().flat_map(described);
        let flags = qos.into_iter().chain(retain).chain(asked).chain(properties);
        let flags: Vec<_> = flags.collect();
        let flags = match flags.join(", ") {
            flags if flags.is_empty() => flags,
            flags => format!(" ({flags})"),
        };
        format!("{} {payload}{flags}", self.topic)
    }
}

impl fmt::Display for Expectation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Published(message) => f.write_str(&match &message.payload {
                None => message.line(&"…", message.asked(None)),
                Some(ExpectedPayload::Exactly(payload)) => {
                    message.line(&Content(payload.as_bytes()), message.asked(None))
                }
                Some(ExpectedPayload::Json(Value::Object(fields))) if !fields.is_empty() => {
                    // There may be more than these.
                    let json = Value::Object(fields.clone()).to_string();
                    let json = format!("{},…}}", json.strip_suffix('}').unwrap_or(&json));
                    message.line(&json, message.asked(None))
                }
                Some(ExpectedPayload::Json(json)) => message.line(json, message.asked(None)),
            }),
            Self::NothingPublished => f.write_str(self.nothing()),
            Self::Outcome {
                topic,
                tag,
                outcome,
                by,
            } => {
                let topic = topic.as_deref().unwrap_or("…");
                write!(f, "{topic} {outcome}")?;
                by.iter().try_for_each(|by| write!(f, " by {by}"))?;
                tag.iter().try_for_each(|tag| write!(f, " tag {tag}"))
            }
            Self::Rejected(text) => write!(f, "rejected: …{text}…"),
            Self::Retried(text) => write!(f, "put off: …{text}…"),
            Self::Failed(text) => write!(f, "failed: …{text}…"),
            Self::Printed(text) => write!(f, "printed: …{text}…"),
        }
    }
}

/// Returns whether all of `part` is there.
fn has_properties(part: &Properties, whole: Option<&Properties>) -> bool {
    let nothing = Properties::default();
    let whole = whole.unwrap_or(&nothing);
    (part.content_type.is_none() || part.content_type == whole.content_type)
        && (part.response_topic.is_none() || part.response_topic == whole.response_topic)
        && (part.correlation_data.is_none() || part.correlation_data == whole.correlation_data)
        && part.user.iter().all(|pair| whole.user.contains(pair))
}

/// Returns whether all of `part` is in `whole`: of a table the fields, each in
/// part; everything else has to be equal.
fn is_part_of(part: &Value, whole: &Value) -> bool {
    match (part, whole) {
        (Value::Object(part), Value::Object(whole)) => part
            .iter()
            .all(|(key, part)| whole.get(key).is_some_and(|whole| is_part_of(part, whole))),
        // 1 and 1.0 are the same number to JSON.
        (Value::Number(part), Value::Number(whole)) => {
            part == whole || part.as_f64() == whole.as_f64()
        }
        _ => part == whole,
    }
}
