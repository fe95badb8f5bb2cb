//! What both versions of MQTT have in common on the wire: frames, and PUBLISH,
//! which is read and written here to spare the copies of a general codec.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, BytesMut};

use crate::office::{
    Delivery, Incoming, MAX_REMAINING_LENGTH, PacketId, Payload, Properties, Publish, Qos, Reason,
    SubscriptionId, topic,
};

/// Why bytes from the broker can not be used. Each ends the connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// CONNACK with a return code other than 0.
    #[error("the broker refused the connection (return code {0})")]
    Refused(u8),
    /// The same, for the quality of service of the last will: this is the highest
    /// that the broker takes.
    #[error("the broker refused the connection and takes QoS {0} at most")]
    RefusedQos(Qos),
    /// CONNACK with a reason that is not success, and the name of another broker.
    #[error("the broker refused the connection ({0}) and names {1}")]
    Elsewhere(Reason, Arc<str>),
    /// The broker does not speak this version of MQTT.
    #[error("the broker does not speak this version of MQTT")]
    Version,
    /// What came is no packet of this version of MQTT.
    #[error("the broker sent a malformed packet: {0}")]
    Malformed(String),
    /// What came is TLS.
    #[error("the broker speaks TLS on this port; its address begins with mqtts://")]
    Secure,
    /// A broker must not send this.
    #[error("the broker broke a rule of MQTT: {0}")]
    Violation(&'static str),
    /// A broker must not use this topic alias.
    #[error("the broker broke a rule of MQTT: {0}")]
    TopicAlias(&'static str),
}

impl DecodeError {
    /// What a broker of MQTT 5 is told of it, if it is the broker's doing.
    pub(crate) fn reason(&self) -> Option<Reason> {
        match self {
            Self::Malformed(_) => Some(Reason::MALFORMED),
            Self::Violation(_) => Some(Reason::PROTOCOL_ERROR),
            Self::TopicAlias(_) => Some(Reason::TOPIC_ALIAS_INVALID),
            Self::Refused(_)
            | Self::RefusedQos(_)
            | Self::Elsewhere(..)
            | Self::Version
            | Self::Secure => None,
        }
    }
}

/// Why a packet of this gateway cannot be sent, whoever has made it.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("a packet cannot be encoded: {0}")]
pub struct EncodeError(String);

impl EncodeError {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self(what.into())
    }
}

/// What is known of the frames that come in.
#[derive(Debug)]
pub(super) struct Frames {
    max_packet_size: usize,
    /// How many bytes of an oversize packet are still to be thrown away.
    skip: usize,
}

impl Frames {
    pub(super) fn new(max_packet_size: usize) -> Self {
        Self {
            max_packet_size,
            skip: 0,
        }
    }

    pub(super) fn max_packet_size(&self) -> usize {
        self.max_packet_size
    }

    /// Throws away what is left of an oversize packet. Returns whether that is all
    /// of it.
    #[inline]
    pub(super) fn skip(&mut self, bytes: &mut BytesMut) -> bool {
        let skipped = self.skip.min(bytes.len());
        bytes.advance(skipped);
        self.skip -= skipped;
        self.skip == 0
    }

    /// Reads a PUBLISH: the one packet that there are many of, and that is read
    /// here to spare the copies of a general codec. Of one that is too large
    /// only the beginning is read, and the rest is thrown away as it comes.
    /// `read_middle` is given the topic, which may be empty, and what comes after it
    /// and the packet id; None: that is not all there.
    #[inline]
    pub(super) fn decode_publish(
        &mut self,
        frame: &Frame,
        bytes: &mut BytesMut,
        read_middle: impl FnOnce(&str, &[u8]) -> Result<Option<Middle>, DecodeError>,
    ) -> Result<Option<Incoming>, DecodeError> {
        let size = frame.size();
        let is_whole = bytes.len() >= size;
        let is_too_large = size > self.max_packet_size;
        if !is_whole && !is_too_large {
            return Ok(None);
        }
        let there = bytes.len().min(size);
        let too_short = |what| match is_whole {
            true => Err(malformed(what)),
            false => Ok(None),
        };
        let Some(head) = PublishHead::read(frame.first, &bytes[frame.header..there])? else {
            return too_short("a PUBLISH that is shorter than its topic");
        };
        let delivery = head.delivery;
        let head_len = frame.header + head.len;
        let Some(middle) = read_middle(head.topic, &bytes[head_len..there])? else {
            return too_short("properties that are longer than their packet");
        };
        let topic = middle.topic.unwrap_or_else(|| Arc::from(head.topic));
        if is_too_large {
            bytes.advance(there);
            self.skip = size - there;
            return Ok(Some(Incoming::TooLarge {
                topic,
                delivery,
                size,
            }));
        }
        // A copy: one message that waits for its guest must not keep all that was
        // read with it.
        let payload = Payload::new(&bytes[head_len + middle.len..size]);
        bytes.advance(size);
        let publish = Publish {
            topic,
            payload,
            delivery,
            retain: frame.first & RETAIN != 0,
            duplicate: frame.first & DUP != 0,
            properties: middle.properties,
            lifetime: middle.lifetime,
        };
        Ok(Some(Incoming::Publish(publish, middle.came_for)))
    }
}

/// What stands between the topic of a PUBLISH and its payload: in MQTT 5,
/// properties.
#[derive(Debug, Default)]
pub(super) struct Middle {
    /// How many bytes it has.
    pub(super) len: usize,
    /// The topic, if it is another than the one that was read.
    pub(super) topic: Option<Arc<str>>,
    /// The subscriptions that the message came for.
    pub(super) came_for: Vec<SubscriptionId>,
    /// What it carries for whoever receives it.
    pub(super) properties: Option<Arc<Properties>>,
    /// For how long it is good from now.
    pub(super) lifetime: Option<Duration>,
}

/// That a topic name is there.
pub(super) fn check_there(topic: &str) -> Result<(), DecodeError> {
    match topic {
        "" => Err(DecodeError::Violation(
            "a topic name is valid [MQTT-4.7.3-1]",
        )),
        _ => Ok(()),
    }
}

/// Returns whether these bytes are an alert of TLS, the answer of someone who has
/// expected TLS. No packet of a broker begins like that.
pub(super) fn is_tls_alert(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0x15, 3])
}

/// Bits of the first byte of a PUBLISH ([MQTT-3.3.1]).
const RETAIN: u8 = 1;
const DUP: u8 = 1 << 3;

/// The fixed header of a packet ([MQTT-2.2]).
pub(super) struct Frame {
    pub(super) first: u8,
    /// How many bytes it has itself.
    pub(super) header: usize,
    /// How many come after it.
    pub(super) remaining: usize,
}

impl Frame {
    /// None as long as it is not all there, and when it is malformed.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let (&first, length) = bytes.split_first()?;
        let mut remaining = 0;
        for (index, byte) in length.iter().enumerate().take(4) {
            remaining |= usize::from(byte & 0x7f) << (7 * index);
            if byte & 0x80 == 0 {
                return Some(Self {
                    first,
                    header: 2 + index,
                    remaining,
                });
            }
        }
        None
    }

    pub(super) fn is_publish(&self) -> bool {
        self.first >> 4 == 3
    }

    pub(super) fn size(&self) -> usize {
        self.header + self.remaining
    }
}

/// What a PUBLISH says first ([MQTT-3.3.2]).
struct PublishHead<'a> {
    /// Valid, or empty.
    topic: &'a str,
    delivery: Delivery,
    /// How many bytes it has.
    len: usize,
}

impl<'a> PublishHead<'a> {
    /// None as long as it is not all there.
    fn read(first: u8, body: &'a [u8]) -> Result<Option<Self>, DecodeError> {
        let Some((topic_len, rest)) = body.split_first_chunk() else {
            return Ok(None);
        };
        let Some((topic, rest)) =
            rest.split_at_checked(usize::from(u16::from_be_bytes(*topic_len)))
        else {
            return Ok(None);
        };
        let id = rest.first_chunk().map(|id| u16::from_be_bytes(*id));
        let delivery = match ((first >> 1) & 3, id) {
            (0, _) => Delivery::AtMostOnce,
            (1, Some(id)) => Delivery::AtLeastOnce(packet_id(id)?),
            (2, Some(id)) => Delivery::ExactlyOnce(packet_id(id)?),
            (1 | 2, None) => return Ok(None),
            (qos, _) => return Err(DecodeError::Malformed(format!("Invalid QoS level: {qos}"))),
        };
        let id_len = delivery.packet_id().map_or(0, |_| 2);
        let len = topic_len.len() + topic.len() + id_len;
        let topic =
            std::str::from_utf8(topic).map_err(|_| malformed("a topic that is not UTF-8"))?;
        if !topic.is_empty() {
            topic::check_name(topic)
                .map_err(|_| DecodeError::Violation("a topic name is valid [MQTT-3.3.2-2]"))?;
        }
        Ok(Some(Self {
            topic,
            delivery,
            len,
        }))
    }
}

pub(super) fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

pub(super) fn packet_id(id: u16) -> Result<PacketId, DecodeError> {
    PacketId::new(id).ok_or(DecodeError::Violation(
        "a packet id is not 0 [MQTT-2.3.1-1]",
    ))
}

/// Appends PUBLISH. Written here to spare the copies of a general codec
/// ([MQTT-3.3]). `topic` is what stands for its topic.
#[inline]
pub(super) fn encode_publish(
    publish: &Publish,
    topic: &str,
    properties: &[u8],
    bytes: &mut BytesMut,
) -> Result<(), EncodeError> {
    let (topic, payload) = (topic.as_bytes(), &publish.payload[..]);
    let (qos, id) = (publish.delivery.qos(), publish.delivery.packet_id());
    let topic_len =
        u16::try_from(topic.len()).map_err(|_| EncodeError("its topic is too long".into()))?;
    let remaining = 2 + topic.len() + id.map_or(0, |_| 2) + properties.len() + payload.len();
    if remaining > MAX_REMAINING_LENGTH {
        return Err(EncodeError("its payload is too long".into()));
    }
    bytes.reserve(5 + remaining);
    let flags = u8::from(publish.retain) * RETAIN + u8::from(publish.duplicate) * DUP;
    bytes.put_u8(3 << 4 | flags | (qos as u8) << 1);
    let mut length = remaining;
    while length > 0x7f {
        bytes.put_u8(length as u8 | 0x80);
        length >>= 7;
    }
    bytes.put_u8(length as u8);
    bytes.put_u16(topic_len);
    bytes.put_slice(topic);
    if let Some(id) = id {
        bytes.put_u16(id.get());
    }
    bytes.put_slice(properties);
    bytes.put_slice(payload);
    Ok(())
}

/// All packets of bytes that come in pieces of this size. Whatever is in them, the
/// decoder leaves fewer than so many for later.
#[cfg(test)]
pub(super) fn decode_in_pieces(
    bytes: &[u8],
    piece: usize,
    most: usize,
    mut decode: impl FnMut(&mut BytesMut) -> Result<Option<Incoming>, DecodeError>,
) -> Vec<Incoming> {
    let mut buffer = BytesMut::new();
    let mut packets = Vec::new();
    for part in bytes.chunks(piece) {
        buffer.extend_from_slice(part);
        while let Some(packet) = decode(&mut buffer).expect("it is valid") {
            packets.push(packet);
        }
        assert!(buffer.len() < most, "the rest is not kept");
    }
    packets
}
