//! A letter as a line of JSON: what a list shows of it, or the whole letter, from which
//! it can be made again elsewhere.

use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use data_encoding::BASE64;
use serde::{Deserialize, Serialize};

use crate::config::guest::{NOT_A_NAME, is_name};
use crate::gateway::ControlSender;
use crate::office::{
    KeptLetter, Letter, MAX_PACKET_SIZE, Payload, Priority, Properties, Qos, Ticket, Time,
    UnknownWord, check_replace_key, check_size, check_tag, topic,
};
use crate::store::{Boots, Ttl};
use crate::words::Clean;

/// A letter. What is optional is left out where it is not known or not asked for.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(super) struct Line {
    /// When it is imported, it gets a new one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) ticket: Option<u64>,
    pub(super) guest: String,
    pub(super) topic: String,
    /// How many the payload has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) bytes: Option<usize>,
    #[serde(default = "usual_qos")]
    pub(super) qos: u8,
    #[serde(default)]
    pub(super) retain: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) after_reboot: Option<String>,
    #[serde(default = "usual_priority")]
    pub(super) priority: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) replace_key: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) state: Option<State>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) age_ms: Option<u64>,
    /// How much of the ttl is left; of a letter that is held, at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) left_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    posted_unix_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) deadline_unix_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    tag: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    properties: Option<PropertiesOfLine>,
    /// If it is text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload: Option<String>,
    /// If it is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    payload_base64: Option<String>,
}

/// What is sent beside topic and payload.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct PropertiesOfLine {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    content_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_topic: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    correlation_data_base64: Option<String>,
    /// Names and values, in their order; a name may occur more than once.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    user: Vec<(String, String)>,
}

/// What would become of a letter if the gateway was started now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum State {
    /// It would be sent.
    Waiting,
    /// It would wait until it is known how much of its ttl is left.
    Held,
    /// Its ttl is over; its outcome will be.
    Expired,
}

/// The present moment, by which a ttl counts from one machine to another.
#[derive(Debug, Clone, Copy)]
pub(super) struct Now {
    /// The boot clock.
    pub(super) running: Time,
    /// The wall clock, in milliseconds since 1970, if it is trusted.
    pub(super) wall: Option<u64>,
}

impl Now {
    pub(super) fn of(boots: &Boots, running: Time) -> Self {
        let wall = boots.wall(running);
        Self { running, wall }
    }
}

/// What a publish has that does not say otherwise.
fn usual_qos() -> u8 {
    Qos::AtLeastOnce as u8
}

fn usual_priority() -> String {
    Priority::default().to_string()
}

impl Line {
    /// What a list shows of a letter.
    pub(super) fn listed(kept: &KeptLetter, ttl: Ttl, now: Time) -> Self {
        let KeptLetter { guest, letter, .. } = kept;
        let (state, age, left) = match ttl {
            Ttl::Live { age, deadline } => (State::Waiting, Some(age), deadline.since(now)),
            Ttl::Held { until } => (State::Held, None, until.since(now)),
            Ttl::Expired => (State::Expired, None, Duration::ZERO),
        };
        Self {
            ticket: Some(letter.ticket.0),
            guest: guest.to_string(),
            topic: letter.topic.to_string(),
            bytes: Some(letter.payload.len()),
            qos: letter.qos as u8,
            retain: letter.retain,
            after_reboot: letter.when_off.map(|when_off| when_off.to_string()),
            priority: letter.priority.to_string(),
            replace_key: owned(&letter.replace_key),
            state: Some(state),
            age_ms: age.map(millis),
            left_ms: Some(millis(left)),
            posted_unix_ms: None,
            deadline_unix_ms: None,
            tag: None,
            properties: None,
            payload: None,
            payload_base64: None,
        }
    }

    /// The whole letter. When its ttl is over by the wall clock is only said where that is
    /// known.
    pub(super) fn whole(kept: &KeptLetter, ttl: Ttl, now: Now) -> Self {
        let letter = &kept.letter;
        let listed = Self::listed(kept, ttl, now.running);
        let age = listed.age_ms;
        let left = listed.left_ms.filter(|_| age.is_some());
        let (payload, payload_base64) = text_or_base64(&letter.payload);
        Self {
            bytes: None,
            age_ms: None,
            posted_unix_ms: now.wall.and_then(|wall| wall.checked_sub(age?)),
            deadline_unix_ms: now.wall.and_then(|wall| wall.checked_add(left?)),
            tag: owned(&letter.tag),
            properties: letter.properties.as_deref().map(PropertiesOfLine::of),
            payload: Some(payload).filter(|_| payload_base64.is_none()),
            payload_base64,
            ..listed
        }
    }

    /// Reads a line.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn parse(line: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(line).map_err(|error| {
            let place = format!(" at line {} column {}", error.line(), error.column());
            let text = error.to_string();
            let text = text.strip_suffix(&place).unwrap_or(&text);
            // A name that is not known is shown as it is written.
            format!("column {}: {}", error.column(), Clean(text))
        })
    }

    /// The letter that it is, with this ticket and with what is left of its ttl at this
    /// moment, which is never more than there was. None: it has expired.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(super) fn to_letter(
        &self,
        ticket: Ticket,
        now: Time,
        wall: u64,
    ) -> Result<Option<KeptLetter>, String> {
        if !is_name(&self.guest) && self.guest != ControlSender::NAME {
            return Err(format!("guest {:?} {NOT_A_NAME}", self.guest));
        }
        topic::check_name(&self.topic).map_err(|error| format!("the topic {error}"))?;
        let payload = bytes("payload", self.payload.as_ref(), &self.payload_base64)?;
        let payload = payload.unwrap_or_default();
        let properties = self.properties.as_ref();
        let properties = properties.map(PropertiesOfLine::read).transpose()?;
        let mut letter = Letter {
            ticket,
            topic: self.topic.as_str().into(),
            payload: Payload::new(payload),
            qos: word("qos", &self.qos.to_string(), UnknownWord::Qos)?,
            retain: self.retain,
            ttl: Duration::ZERO,
            when_off: match &self.after_reboot {
                None => None,
                Some(text) => Some(word("after-reboot", text, UnknownWord::WhenOff)?),
            },
            priority: word("priority", &self.priority, UnknownWord::Priority)?,
            replace_key: self.replace_key.as_deref().map(Arc::from),
            tag: self.tag.as_deref().map(Arc::from),
            properties: properties.map(Arc::new),
        };
        check(&letter)?;
        let Some(left) = self.left_at(wall)? else {
            return Ok(None);
        };
        let age = self.posted_unix_ms.unwrap_or(wall);
        let age = wall.saturating_sub(age);
        // As far as this machine has run.
        let posted = Time::from_millis(now.as_millis().saturating_sub(age));
        letter.ttl = now.since(posted).saturating_add(left);
        Ok(Some(KeptLetter {
            guest: self.guest.as_str().into(),
            letter,
            posted,
            place: None,
        }))
    }

    /// How much of the ttl is left; None, if nothing is.
    fn left_at(&self, wall: u64) -> Result<Option<Duration>, String> {
        if self.left_ms == Some(0) {
            return Ok(None);
        }
        let deadline = self.deadline_unix_ms.ok_or(
            "there is no `deadline-unix-ms`: it was not known how much of the ttl was left, or \
             what time it was; write when the ttl is over, in milliseconds since 1970, or \
             remove the line",
        )?;
        let left = deadline.saturating_sub(wall);
        let left = left.min(self.left_ms.unwrap_or(u64::MAX));
        Ok((left > 0).then(|| Duration::from_millis(left)))
    }
}

/// By the rules that hold for those that guests publish.
fn check(letter: &Letter) -> Result<(), String> {
    let of_properties = letter.properties.as_ref().map_or(0, |it| it.size());
    let (topic, size) = (&letter.topic, letter.payload.len());
    let key = letter
        .replace_key
        .as_deref()
        .map_or(Ok(()), check_replace_key);
    key.and_then(|()| letter.tag.as_deref().map_or(Ok(()), check_tag))
        .and_then(|()| check_size(MAX_PACKET_SIZE, topic, letter.qos, of_properties, size))
        .map_err(|error| error.to_string())
}

impl PropertiesOfLine {
    fn of(properties: &Properties) -> Self {
        let Properties {
            content_type,
            response_topic,
            correlation_data,
            user,
        } = properties;
        let data = correlation_data.as_ref().map(|data| text_or_base64(data));
        let (text, base64) = match data {
            None => (None, None),
            Some((text, None)) => (Some(text), None),
            Some((_, base64)) => (None, base64),
        };
        let user = user.iter();
        Self {
            content_type: owned(content_type),
            response_topic: owned(response_topic),
            correlation_data: text,
            correlation_data_base64: base64,
            user: user
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }
    }

    fn read(&self) -> Result<Properties, String> {
        let data = bytes(
            "correlation-data",
            self.correlation_data.as_ref(),
            &self.correlation_data_base64,
        )?;
        let user = self.user.iter();
        let properties = Properties {
            content_type: self.content_type.as_deref().map(Arc::from),
            response_topic: self.response_topic.as_deref().map(Arc::from),
            correlation_data: data.map(Payload::new),
            user: user
                .map(|(name, value)| (name.as_str().into(), value.as_str().into()))
                .collect(),
        };
        properties.check()?;
        Ok(properties)
    }
}

/// Bytes as text, or encoded if they are none.
fn text_or_base64(bytes: &[u8]) -> (String, Option<String>) {
    match str::from_utf8(bytes) {
        Ok(text) => (text.to_owned(), None),
        Err(_) => (String::new(), Some(BASE64.encode(bytes))),
    }
}

/// The bytes that were written in one of these ways.
fn bytes(
    key: &str,
    text: Option<&String>,
    base64: &Option<String>,
) -> Result<Option<Vec<u8>>, String> {
    match (text, base64) {
        (Some(_), Some(_)) => Err(format!(
            "there is both `{key}` and `{key}-base64`: one of them is enough"
        )),
        (Some(text), None) => Ok(Some(text.as_bytes().to_owned())),
        (None, Some(base64)) => match BASE64.decode(base64.as_bytes()) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) => Err(format!("`{key}-base64` is not base64: {error}")),
        },
        (None, None) => Ok(None),
    }
}

fn word<T: FromStr>(key: &str, text: &str, unknown: UnknownWord) -> Result<T, String> {
    text.parse()
        .map_err(|_| format!("{key} {text:?} {unknown}"))
}

fn owned(text: &Option<Arc<str>>) -> Option<String> {
    text.as_deref().map(str::to_owned)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
