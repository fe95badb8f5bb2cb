//! Letters and what becomes of them.

use std::sync::Arc;
use std::time::Duration;

use crate::office::{Payload, Properties, WhenOff, properties_size, publish_size_with};

/// A quality of service, as in MQTT. Ordered: `ExactlyOnce` is the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Qos {
    /// QoS 0: sent once and not acknowledged.
    AtMostOnce = 0,
    /// QoS 1: sent until acknowledged; can arrive twice.
    AtLeastOnce = 1,
    /// QoS 2: sent until acknowledged, delivered once.
    ExactlyOnce = 2,
}

/// Which of a guest's letters go first, and which give their places up at last.
/// Ordered: `High` is the highest.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// After all others of its guest.
    Low = 0,
    /// Unless it is said otherwise.
    #[default]
    Normal = 1,
    /// Before all others of its guest.
    High = 2,
}

impl Priority {
    /// All of them, the lowest first.
    pub const ALL: [Self; 3] = [Self::Low, Self::Normal, Self::High];
}

/// The number of a letter, unique while the host runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// The number of a guest: its place in the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuestId(pub u16);

impl GuestId {
    /// The guest at this place in a list of all of them.
    pub(in crate::office) fn at(index: usize) -> Self {
        Self(u16::try_from(index).unwrap_or(u16::MAX))
    }

    /// Its place in a list of all guests.
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// A letter as its guest wrote it: one publish, not yet posted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Letter {
    /// The number that the guest knows it by.
    pub ticket: Ticket,
    /// A valid topic name.
    pub topic: Arc<str>,
    /// The content.
    pub payload: Payload,
    /// The quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// For how long after being posted it may be sent. Not zero.
    pub ttl: Duration,
    /// What its ttl does while the machine is off, if its sender says so.
    pub when_off: Option<WhenOff>,
    /// Its priority among the letters of its guest.
    pub priority: Priority,
    /// It takes the place of one of the same guest that waits and has the same. At most
    /// [`MAX_REPLACE_KEY`] bytes.
    pub replace_key: Option<Arc<str>>,
    /// What comes back with its outcome. At most [`MAX_TAG`] bytes.
    pub tag: Option<Arc<str>>,
    /// What is sent beside topic and payload, to brokers that carry it.
    pub properties: Option<Arc<Properties>>,
}

impl Letter {
    /// How many bytes it counts for: those that its PUBLISH takes.
    #[inline]
    pub fn size(&self) -> usize {
        let properties = self.properties.as_ref().map_or(0, |it| it.size());
        letter_size(&self.topic, self.payload.len(), self.qos, properties)
    }
}

/// How many bytes a letter counts for that has so many of properties.
pub fn letter_size(topic: &str, payload: usize, qos: Qos, properties: usize) -> usize {
    publish_size_with(topic, payload, qos, properties_size(0, properties))
}

/// How many bytes a tag may have.
pub const MAX_TAG: usize = 256;

/// How many bytes a replace key may have.
pub const MAX_REPLACE_KEY: usize = 256;

/// What became of a letter. Each letter that was posted has exactly one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Acknowledged by the broker or, for QoS 0, handed to the connection.
    Delivered,
    /// Its ttl was over before it was acknowledged.
    Expired {
        /// Whether the network had taken any of it.
        sent: bool,
    },
    /// It gave its place to a younger one, or found none on a full work list.
    Displaced {
        /// Whether the network had taken any of it.
        sent: bool,
    },
    /// It can not be sent to this broker.
    Refused(Refused),
}

/// For what a letter was displaced.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DisplacedBy {
    /// For room: the work list was full.
    Overflow,
    /// For a younger one with its replace key.
    ReplaceKey,
}

/// Why a letter can not be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Refused {
    /// It is larger than the broker takes.
    TooLarge,
    /// The broker takes no such quality of service.
    Qos,
    /// It is to be retained, and the broker retains nothing.
    Retain,
    /// It has properties, and the broker carries none.
    Properties,
    /// The broker does not allow it.
    NotAuthorized,
    /// The broker does not take its topic.
    Topic,
    /// The broker says that the payload is not what its properties say.
    Payload,
    /// The broker hangs up whenever it gets it.
    HangsUp,
    /// The broker does not say why, or says something else.
    Unspecified,
}

/// A letter that has its outcome, as its guest is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterOutcome {
    /// Its number.
    pub ticket: Ticket,
    /// Its tag.
    pub tag: Option<Arc<str>>,
    /// What became of it.
    pub outcome: Outcome,
}
