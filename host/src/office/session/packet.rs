//! The packets that the post office exchanges with the broker, free of any
//! version of MQTT. The wire translates them.

use std::sync::Arc;
use std::time::Duration;

use super::Reason;
use crate::office::{Payload, Properties, Qos, Ticket, Time};

/// The id of an exchange with the broker. Never zero ([MQTT-2.3.1-1]).
pub type PacketId = std::num::NonZeroU16;

/// What a subscription is called, so that the broker can say which one a message
/// came for: at most [`MAX_SUBSCRIPTION_ID`].
pub type SubscriptionId = std::num::NonZeroU32;

/// The largest subscription identifier ([MQTT-3.8.2.1.2] of MQTT 5).
pub const MAX_SUBSCRIPTION_ID: u32 = 268_435_455;

/// What the gateway needs to know to open a session.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// Whether the broker is to forget what it knows of this client.
    pub clean_session: bool,
    /// What the broker has called a client without an id. None: it is called what
    /// it calls itself.
    pub client_id: Option<Arc<str>>,
    /// What the broker publishes if no DISCONNECT ends the connection.
    pub will: Option<LastWill>,
}

/// A last will and testament.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWill {
    /// A valid topic name.
    pub topic: Arc<str>,
    /// At most 65,535 bytes.
    pub payload: Payload,
    /// The quality of service the broker publishes it with.
    pub qos: Qos,
    /// Whether the broker keeps it.
    pub retain: bool,
    /// How long a broker of MQTT 5 waits for the gateway to come back before it
    /// publishes it, unless the session ends before; zero: not at all.
    pub delay: Duration,
    /// What a broker publishes with it that carries it.
    pub properties: Option<Arc<Properties>>,
}

/// A message on its way through a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// A topic name.
    pub topic: Arc<str>,
    /// The content.
    pub payload: Payload,
    /// The quality of service, with the packet id where there is one.
    pub delivery: Delivery,
    /// RETAIN.
    pub retain: bool,
    /// DUP: the same packet may have been sent before.
    pub duplicate: bool,
    /// What it carries beside topic and payload.
    pub properties: Option<Arc<Properties>>,
    /// For how long a message that comes in is still good, if its publisher has
    /// said so. None for a letter: its [`Dispatch`] says when it expires.
    pub lifetime: Option<Duration>,
}

/// A quality of service together with its packet id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Delivery {
    /// QoS 0, which has no packet id.
    AtMostOnce,
    /// QoS 1.
    AtLeastOnce(PacketId),
    /// QoS 2.
    ExactlyOnce(PacketId),
}

impl Delivery {
    /// The quality of service alone.
    pub const fn qos(self) -> Qos {
        match self {
            Self::AtMostOnce => Qos::AtMostOnce,
            Self::AtLeastOnce(_) => Qos::AtLeastOnce,
            Self::ExactlyOnce(_) => Qos::ExactlyOnce,
        }
    }

    /// The packet id. None for QoS 0.
    pub const fn packet_id(self) -> Option<PacketId> {
        match self {
            Self::AtMostOnce => None,
            Self::AtLeastOnce(id) | Self::ExactlyOnce(id) => Some(id),
        }
    }
}

/// What the post office has the wire write, after CONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outgoing {
    /// A letter.
    Publish(Publish),
    /// QoS 1, received: the message has been taken.
    PubAck(PacketId),
    /// QoS 2, received: the message has been taken.
    PubRec(PacketId),
    /// QoS 2, sent, second half: the broker may deliver.
    PubRel(PacketId),
    /// QoS 2, received, second half: the id is free again.
    PubComp(PacketId),
    /// Asks for messages.
    Subscribe {
        /// Its packet id.
        id: PacketId,
        /// Filters, each with the highest quality of service wanted.
        filters: Vec<(Arc<str>, Qos)>,
        /// What the broker is to call them.
        subscription_id: Option<SubscriptionId>,
    },
    /// Asks for no more messages of a filter.
    Unsubscribe {
        /// Its packet id.
        id: PacketId,
        /// The filter.
        filter: Arc<str>,
    },
    /// Asks whether the broker is there.
    PingReq,
    /// Ends the connection, for this reason if it is not in good order.
    Disconnect(Option<Reason>),
    /// Ends the connection in good order, and the session with it, which nobody comes
    /// back for.
    Leave,
}

/// A packet to write, with the moment after which it must not be on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The packet.
    pub packet: Outgoing,
    /// When what it carries expires. None: never.
    pub expires: Option<Time>,
    /// What the post office wants to hear of again.
    pub carried: Carried,
}

/// What a packet carries: what the wire calls it by when it says what has become
/// of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Carried {
    /// Nothing that the post office has to hear of.
    Nothing,
    /// A letter of QoS 0, which is delivered when it is written.
    Letter(Ticket),
    /// PUBLISH of a letter of QoS 1 or 2.
    Publish {
        /// Its packet id.
        id: PacketId,
        /// Whether the broker may have it from an earlier connection.
        duplicate: bool,
    },
    /// PUBREL of a letter.
    PubRel(PacketId),
}

impl Carried {
    /// Whether the post office is to be told when it is written.
    pub const fn is_told_when_written(self) -> bool {
        matches!(self, Self::Letter(_))
    }
}

/// What is known of how fast the network carries what is written now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Outlook {
    /// How many bytes are on their way before it.
    pub ahead: u64,
    /// Bytes a second. None: as fast as anybody could tell.
    pub pace: Option<u64>,
}

impl Outlook {
    /// When a packet of so many bytes would arrive at this pace.
    pub(super) fn arrival(self, now: Time, size: usize, pace: u64) -> Time {
        let bytes = self.ahead + size as u64;
        now + Duration::from_millis(bytes.saturating_mul(1_000) / pace.max(1))
    }
}

/// What the broker allows on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Terms {
    /// How many exchanges of QoS 1 and 2 may be open together. Not zero.
    pub receive_maximum: usize,
    /// The largest packet it takes, in bytes.
    pub max_packet_size: usize,
    /// The highest quality of service it takes.
    pub max_qos: Qos,
    /// Whether it keeps messages that are to be retained.
    pub retain_available: bool,
    /// Whether subscriptions may have wildcards.
    pub wildcards_available: bool,
    /// Whether subscriptions may be shared.
    pub shared_available: bool,
    /// Whether it says which subscription a message came for.
    pub subscription_ids_available: bool,
    /// The keep-alive it wants instead of ours; zero turns it off.
    pub keep_alive: Option<Duration>,
    /// What it calls a client that has no client id.
    pub client_id: Option<Arc<str>>,
    /// How many bytes of properties each PUBLISH has.
    pub properties: usize,
    /// Whether a PUBLISH can carry the [`Properties`] of a letter.
    pub carries_properties: bool,
}

/// Those of a broker that says nothing of them, as with MQTT 3.1.1.
impl Default for Terms {
    fn default() -> Self {
        Self {
            receive_maximum: u16::MAX.into(),
            max_packet_size: MAX_PACKET_SIZE,
            max_qos: Qos::ExactlyOnce,
            retain_available: true,
            wildcards_available: true,
            shared_available: true,
            subscription_ids_available: false,
            keep_alive: None,
            client_id: None,
            properties: 0,
            carries_properties: false,
        }
    }
}

/// What the wire has read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Incoming {
    /// The broker's answer to CONNECT when it accepts. A refusal ends the
    /// connection with [`Disconnection::Refused`](super::Disconnection::Refused).
    ConnAck {
        /// Whether the broker still had the session.
        session_present: bool,
        /// What it allows.
        terms: Terms,
    },
    /// A message, with the subscriptions that it came for; none: the broker does not
    /// say.
    Publish(Publish, Vec<SubscriptionId>),
    /// QoS 1, sent: the broker has it.
    PubAck(PacketId),
    /// QoS 2, sent: the broker has it and waits to be told to deliver.
    PubRec(PacketId),
    /// QoS 2, received: the id will be free again.
    PubRel(PacketId),
    /// QoS 2, sent: delivered.
    PubComp(PacketId),
    /// QoS 1 or 2, sent: the broker does not take it, and the exchange is over.
    Refused {
        /// How it was sent.
        delivery: Delivery,
        /// Why.
        reason: Reason,
    },
    /// What the broker makes of each filter of a SUBSCRIBE, in their order:
    /// the granted quality of service, or why it is refused.
    SubAck {
        /// The id of the SUBSCRIBE.
        id: PacketId,
        /// One entry a filter.
        granted: Vec<Result<Qos, Reason>>,
    },
    /// The broker sends no more messages of the filter of an UNSUBSCRIBE.
    UnsubAck {
        /// The id of the UNSUBSCRIBE.
        id: PacketId,
        /// Why it goes on all the same, if so.
        refused: Option<Reason>,
    },
    /// A message larger than the gateway takes, of which only the beginning was
    /// read.
    TooLarge {
        /// Its topic.
        topic: Arc<str>,
        /// How the broker has sent it.
        delivery: Delivery,
        /// Its size in bytes, headers included.
        size: usize,
    },
    /// The broker is there.
    PingResp,
    /// The broker ends the connection, and perhaps names another broker.
    Disconnect(Reason, Option<Arc<str>>),
}

/// The largest "remaining length" ([MQTT-2.2.3]).
pub const MAX_REMAINING_LENGTH: usize = 268_435_455;

/// The largest packet: type, four bytes of remaining length, and the rest.
pub const MAX_PACKET_SIZE: usize = 1 + 4 + MAX_REMAINING_LENGTH;

/// How many bytes a PUBLISH takes on the wire, fixed header included.
pub const fn publish_size(topic: &str, payload: usize, qos: Qos) -> usize {
    publish_size_with(topic, payload, qos, 0)
}

/// The same with so many bytes of properties, as MQTT 5 has them.
pub const fn publish_size_with(topic: &str, payload: usize, qos: Qos, properties: usize) -> usize {
    let remaining = remaining_length(topic, payload, qos) + properties;
    1 + length_bytes(remaining) + remaining
}

/// How many bytes a SUBSCRIBE takes on the wire, whose filters take so many, as MQTT 5
/// has it: that of MQTT 3.1.1 is smaller.
pub const fn subscribe_size(filters: usize, id: Option<SubscriptionId>) -> usize {
    let properties = match id {
        Some(id) => 1 + length_bytes(id.get() as usize),
        None => 0,
    };
    // Packet id, and one byte for the length of the properties.
    let remaining = 2 + 1 + properties + filters;
    1 + length_bytes(remaining) + remaining
}

/// How many bytes a filter takes in it: its length, itself, and its options.
pub const fn filter_size(filter: &str) -> usize {
    2 + filter.len() + 1
}

/// How many bytes all properties take with the length of them all, of which each
/// PUBLISH has `always` by itself, and this one `own` more.
pub const fn properties_size(always: usize, own: usize) -> usize {
    if always + own == 0 {
        return 0;
    }
    // Those that each has are few: their length takes a byte.
    let all = always.saturating_sub(1) + own;
    length_bytes(all) + all
}

/// How many bytes a payload under this topic may have in a packet of at most
/// `max_packet_size`, beside so many bytes of properties: the inverse of
/// [`publish_size_with`]. None where not even an empty one fits.
pub fn max_payload(
    max_packet_size: usize,
    topic: &str,
    qos: Qos,
    properties: usize,
) -> Option<usize> {
    // "Remaining length" takes 7 bits a byte ([MQTT-2.2.3]).
    (1..=4)
        .filter_map(|length_bytes| {
            let remaining = max_packet_size.checked_sub(1 + length_bytes)?;
            let remaining = remaining.min((1 << (7 * length_bytes)) - 1);
            remaining.checked_sub(remaining_length(topic, 0, qos) + properties)
        })
        .max()
}

const fn length_bytes(length: usize) -> usize {
    match length {
        0..0x80 => 1,
        0x80..0x4000 => 2,
        0x4000..0x20_0000 => 3,
        _ => 4,
    }
}

const fn remaining_length(topic: &str, payload: usize, qos: Qos) -> usize {
    let packet_id = if matches!(qos, Qos::AtMostOnce) { 0 } else { 2 };
    2 + topic.len() + packet_id + payload
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_payload_fits_and_one_byte_more_does_not() {
        let around = |size: usize| size - 5..size + 5;
        let sizes = (10..300)
            .chain(around(16_384))
            .chain(around(2_097_152))
            .chain([MAX_PACKET_SIZE]);
        for size in sizes {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
                let Some(max) = max_payload(size, "a/b", qos, 0) else {
                    assert!(publish_size("a/b", 0, qos) > size, "{size} {qos:?}");
                    continue;
                };
                assert!(publish_size("a/b", max, qos) <= size, "{size} {qos:?}");
                let larger = publish_size("a/b", max + 1, qos);
                assert!(larger > size, "{size} {qos:?}");
            }
        }
    }

    #[test]
    fn a_packet_can_be_too_small_for_its_topic() {
        assert_eq!(max_payload(0, "a", Qos::AtMostOnce, 0), None);
        assert_eq!(max_payload(4, "a", Qos::AtMostOnce, 0), None);
        assert_eq!(max_payload(5, "a", Qos::AtMostOnce, 0), Some(0));
        assert_eq!(max_payload(5, "a", Qos::AtLeastOnce, 0), None);
    }
}
