//! The messages that a broker hands on.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use super::packet::QoS;
use super::v5::Properties;
use super::violation::Violation;
use crate::time::Time;

/// A message that the broker has accepted for delivery: what a client that is
/// subscribed to its topic would receive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// When it was accepted.
    pub time: Time,
    /// The client that sent it, also when it is its will; `None` for one that
    /// was injected.
    pub from: Option<Arc<str>>,
    /// Its topic name.
    pub topic: String,
    /// Its content.
    pub payload: Bytes,
    /// The QoS it was published with.
    pub qos: QoS,
    /// Whether it was published to be kept for future subscribers.
    pub retain: bool,
    /// What MQTT 5 adds and goes with it to its subscribers, as it was
    /// published.
    pub properties: Properties,
}

impl Message {
    /// From when on it is not delivered any more.
    pub(super) fn expires(&self) -> Option<Time> {
        let seconds = self.properties.message_expiry()?;
        Some(self.time + Duration::from_secs(seconds.into()))
    }
}

/// Why a message can not be injected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublishError {
    /// The topic is no topic name.
    #[error("not a topic name: {0}")]
    Topic(Violation),
    /// The topic has more than 65,535 bytes.
    #[error("the topic is longer than 65,535 bytes")]
    TopicTooLong,
    /// A property that is not one of a message, or is longer than 65,535 bytes.
    #[error("a property that a message can not have")]
    Property,
    /// The packet would be larger than the broker accepts from a client.
    #[error("the message is larger than the broker allows")]
    TooLarge,
}
