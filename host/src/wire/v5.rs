//! The adapter for MQTT 5: packets of the post office to bytes and back.
//!
//! Acknowledgements and DISCONNECT are read here, too: the codec knows only some
//! reason codes, and takes a DISCONNECT that is shorter than two bytes, as
//! mosquitto sends it, for an error.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{self, Packet};

mod aliases;
mod properties;

use super::frame::{
    DecodeError, EncodeError, Frame, Frames, encode_publish, is_tls_alert, malformed, packet_id,
};
use super::{Handshake, client_id};
use crate::office::{
    Connect, Delivery, Incoming, LastWill, MAX_PACKET_SIZE, Outgoing, Publish, Qos, Reason, Terms,
};
pub(super) use aliases::{Aliases, Binding, Topic};
use aliases::{MOST_INCOMING, Resolved};
use properties::{
    MESSAGE_EXPIRY_INTERVAL, SESSION_EXPIRY_INTERVAL, TOPIC_ALIAS, maximum_qos, properties_len,
    server_reference,
};

/// How many bytes of properties a letter has, with their length.
pub(super) const LETTER_PROPERTIES: usize = 6;

/// Bytes into packets. It reads no socket: whoever has the bytes brings them.
#[derive(Debug)]
pub(super) struct Decoder {
    frames: Frames,
    /// What the broker's topic aliases stand for.
    resolved: Resolved,
    /// How many topic aliases the broker takes.
    topic_alias_maximum: u16,
}

impl Decoder {
    /// Before the first byte of a connection. `max_packet_size` is in bytes; of
    /// a larger message only the topic is read, and any other larger packet is
    /// an error.
    pub(super) fn new(max_packet_size: usize) -> Self {
        Self {
            frames: Frames::new(max_packet_size),
            resolved: Resolved::default(),
            topic_alias_maximum: 0,
        }
    }

    /// How many topic aliases the broker takes, once it has accepted the connection.
    pub(super) fn topic_alias_maximum(&self) -> u16 {
        self.topic_alias_maximum
    }

    /// Takes the next packet off the front of `bytes`; none when there is no
    /// whole packet yet. After an error the connection is of no more use.
    pub(super) fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, DecodeError> {
        if !self.frames.skip(bytes) {
            return Ok(None);
        }
        let Some(frame) = Frame::read(bytes) else {
            return match bytes.len() {
                0..5 => Ok(None),
                _ => Err(malformed("Malformed remaining length")),
            };
        };
        if frame.is_publish() {
            let (resolved, max) = (&mut self.resolved, self.frames.max_packet_size());
            return self.frames.decode_publish(&frame, bytes, |topic, rest| {
                properties::read_middle(topic, rest, max, resolved)
            });
        }
        if is_tls_alert(bytes) {
            return Err(DecodeError::Secure);
        }
        if frame.size() > self.frames.max_packet_size() {
            return Err(malformed("a packet that is larger than max-packet-size"));
        }
        if bytes.len() < frame.size() {
            return Ok(None);
        }
        let packet = bytes.split_to(frame.size());
        let kind = frame.first >> 4;
        if kind == CONNACK {
            return self.read_connack(frame.header, packet).map(Some);
        }
        read(kind, frame.header, packet).map(Some)
    }

    fn read_connack(
        &mut self,
        header: usize,
        mut packet: BytesMut,
    ) -> Result<Incoming, DecodeError> {
        match packet[header..] {
            // Without properties it is one of an older version, which a broker that
            // knows no other answers with whatever it was asked.
            [_, 0 | 1] => return Err(DecodeError::Version),
            [_, code, ..] if Reason(code) == Reason::UNSUPPORTED_VERSION => {
                return Err(DecodeError::Version);
            }
            [_, code, ref rest @ ..] if code != 0 => {
                let most = maximum_qos(rest).filter(|_| Reason(code) == Reason::QOS_NOT_SUPPORTED);
                return Err(match (server_reference(rest), most) {
                    (Some(server), _) => DecodeError::Elsewhere(Reason(code), server),
                    (None, Some(most)) => DecodeError::RefusedQos(most),
                    (None, None) => DecodeError::Refused(code),
                });
            }
            _ => {}
        }
        let ack = match Packet::read(&mut packet, None) {
            Ok(Packet::ConnAck(ack)) => ack,
            Ok(_) => return Err(malformed("something else than a CONNACK")),
            Err(error) => return Err(DecodeError::Malformed(error.to_string())),
        };
        let properties = ack.properties.as_ref();
        let aliases = properties.and_then(|properties| properties.topic_alias_max);
        self.topic_alias_maximum = aliases.unwrap_or(0);
        let terms = ack.properties.map_or_else(|| Ok(terms()), read_terms)?;
        Ok(Incoming::ConnAck {
            session_present: ack.session_present,
            terms,
        })
    }
}

/// The types of packets that are not read like the others.
const CONNACK: u8 = 2;

fn read(kind: u8, header: usize, packet: BytesMut) -> Result<Incoming, DecodeError> {
    let body = &packet[header..];
    let is_refusal = |reason: &Reason| reason.0 >= Reason::FIRST_REFUSAL;
    Ok(match kind {
        4 => match (Incoming::PubAck, read_ack(body)?) {
            (_, (id, Some(reason))) if is_refusal(&reason) => Incoming::Refused {
                delivery: Delivery::AtLeastOnce(id),
                reason,
            },
            (accepted, (id, _)) => accepted(id),
        },
        5 => match (Incoming::PubRec, read_ack(body)?) {
            (_, (id, Some(reason))) if is_refusal(&reason) => Incoming::Refused {
                delivery: Delivery::ExactlyOnce(id),
                reason,
            },
            (accepted, (id, _)) => accepted(id),
        },
        6 => Incoming::PubRel(read_ack(body)?.0),
        // "Packet id not found" says that the exchange is over as well.
        7 => Incoming::PubComp(read_ack(body)?.0),
        9 => return read_suback(body),
        11 => return read_unsuback(body),
        13 => Incoming::PingResp,
        14 => match body {
            [code, properties @ ..] => {
                Incoming::Disconnect(Reason(*code), server_reference(properties))
            }
            [] => Incoming::Disconnect(Reason(0), None),
        },
        _ => {
            return Err(DecodeError::Violation(
                "a broker sends what answers its client",
            ));
        }
    })
}

/// A packet id, and a reason code where there is one (section 3.4.2).
fn read_ack(body: &[u8]) -> Result<(crate::office::PacketId, Option<Reason>), DecodeError> {
    let Some((id, rest)) = body.split_first_chunk() else {
        return Err(malformed("an acknowledgement without a packet id"));
    };
    let id = packet_id(u16::from_be_bytes(*id))?;
    Ok((id, rest.first().map(|code| Reason(*code))))
}

fn read_suback(body: &[u8]) -> Result<Incoming, DecodeError> {
    let Some((id, rest)) = body.split_first_chunk() else {
        return Err(malformed("a SUBACK without a packet id"));
    };
    let codes = &rest[properties_len(rest)?..];
    let granted = codes.iter().map(|code| match *code {
        0 => Ok(Ok(Qos::AtMostOnce)),
        1 => Ok(Ok(Qos::AtLeastOnce)),
        2 => Ok(Ok(Qos::ExactlyOnce)),
        Reason::FIRST_REFUSAL.. => Ok(Err(Reason(*code))),
        _ => Err(malformed("a SUBACK with an unknown reason code")),
    });
    Ok(Incoming::SubAck {
        id: packet_id(u16::from_be_bytes(*id))?,
        granted: granted.collect::<Result<_, _>>()?,
    })
}

/// Each UNSUBSCRIBE has one filter.
fn read_unsuback(body: &[u8]) -> Result<Incoming, DecodeError> {
    let Some((id, rest)) = body.split_first_chunk() else {
        return Err(malformed("an UNSUBACK without a packet id"));
    };
    let [code] = rest[properties_len(rest)?..] else {
        return Err(DecodeError::Violation(
            "an UNSUBACK has a reason code for each filter [MQTT-3.11.3-1]",
        ));
    };
    Ok(Incoming::UnsubAck {
        id: packet_id(u16::from_be_bytes(*id))?,
        refused: Some(Reason(code)).filter(|code| code.0 >= Reason::FIRST_REFUSAL),
    })
}

/// Those of a broker that names none (section 3.2.2.3).
fn terms() -> Terms {
    Terms {
        properties: LETTER_PROPERTIES,
        carries_properties: true,
        subscription_ids_available: true,
        ..Terms::default()
    }
}

fn read_terms(properties: v5::ConnAckProperties) -> Result<Terms, DecodeError> {
    let mut terms = terms();
    match properties.receive_max {
        Some(0) => return Err(DecodeError::Violation("a receive maximum is not 0")),
        Some(most) => terms.receive_maximum = most.into(),
        None => {}
    }
    match properties.max_packet_size {
        Some(0) => return Err(DecodeError::Violation("a maximum packet size is not 0")),
        Some(max) => {
            let max = usize::try_from(max).unwrap_or(usize::MAX);
            terms.max_packet_size = max.min(MAX_PACKET_SIZE);
        }
        None => {}
    }
    terms.max_qos = match properties.max_qos {
        Some(0) => Qos::AtMostOnce,
        Some(1) => Qos::AtLeastOnce,
        Some(_) => return Err(DecodeError::Violation("a maximum QoS is 0 or 1")),
        None => Qos::ExactlyOnce,
    };
    terms.retain_available = properties.retain_available != Some(0);
    terms.wildcards_available = properties.wildcard_subscription_available != Some(0);
    terms.shared_available = properties.shared_subscription_available != Some(0);
    terms.subscription_ids_available = properties.subscription_identifiers_available != Some(0);
    let keep_alive = properties.server_keep_alive;
    terms.keep_alive = keep_alive.map(|secs| Duration::from_secs(secs.into()));
    terms.client_id = properties.assigned_client_identifier.map(Arc::from);
    Ok(terms)
}

const fn to_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Appends CONNECT. An error leaves `bytes` as they were.
///
/// It names no maximum packet size: the broker would drop a larger message and say so to nobody, where the gateway acknowledges it
/// and writes it to its log. Nor does it name a receive maximum: a guest that takes
/// none of its messages would hold up those of others once it is used up, and what
/// may wait for each guest has a bound anyway.
pub(super) fn encode_connect(
    handshake: &Handshake,
    connect: &Connect,
    bytes: &mut BytesMut,
) -> Result<(), EncodeError> {
    let keep_alive = u16::try_from(handshake.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let session_expiry = u32::try_from(handshake.session_expiry.as_secs()).unwrap_or(u32::MAX);
    let login = handshake.login.as_ref().map(|login| v5::Login {
        username: login.user_name.clone(),
        password: login
            .password
            .as_ref()
            .map_or_else(String::new, |it| it.expose().to_owned()),
    });
    let packet = v5::Connect {
        keep_alive,
        client_id: client_id(handshake, connect).to_owned(),
        clean_start: connect.clean_session,
        properties: Some(v5::ConnectProperties {
            session_expiry_interval: Some(session_expiry).filter(|it| *it > 0),
            topic_alias_max: Some(MOST_INCOMING),
            ..v5::ConnectProperties::new()
        }),
    };
    let will = connect.will.as_ref().map(to_will);
    write(&Packet::Connect(packet, will, login), bytes)
}

fn to_will(will: &LastWill) -> v5::LastWill {
    let delay = u32::try_from(will.delay.as_secs()).unwrap_or(u32::MAX);
    let own = will.properties.as_deref();
    let text = |text: &Option<Arc<str>>| text.as_deref().map(str::to_owned);
    let data = own.and_then(|own| own.correlation_data.clone());
    let user = own.map_or(&[][..], |own| &own.user).iter();
    v5::LastWill {
        topic: Bytes::copy_from_slice(will.topic.as_bytes()),
        message: Bytes::from_owner(will.payload.clone()),
        qos: to_qos(will.qos),
        retain: will.retain,
        properties: (delay > 0 || own.is_some()).then(|| v5::LastWillProperties {
            delay_interval: Some(delay).filter(|delay| *delay > 0),
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: own.and_then(|own| text(&own.content_type)),
            response_topic: own.and_then(|own| text(&own.response_topic)),
            correlation_data: data.map(Bytes::from_owner),
            user_properties: user
                .map(|(name, value)| (name.to_string(), value.to_string()))
                .collect(),
        }),
    }
}

/// Appends a packet, whose letter may live for `lifetime` from now. An error leaves
/// `bytes` as they were.
pub(super) fn encode(
    packet: Outgoing,
    lifetime: Option<Duration>,
    topic: Topic,
    bytes: &mut BytesMut,
) -> Result<(), EncodeError> {
    let packet = match packet {
        Outgoing::Publish(publish) => return encode_letter(&publish, lifetime, topic, bytes),
        Outgoing::PubAck(id) => Packet::PubAck(v5::PubAck::new(id.get(), None)),
        Outgoing::PubRec(id) => Packet::PubRec(v5::PubRec::new(id.get(), None)),
        Outgoing::PubRel(id) => Packet::PubRel(v5::PubRel::new(id.get(), None)),
        Outgoing::PubComp(id) => Packet::PubComp(v5::PubComp::new(id.get(), None)),
        Outgoing::Subscribe {
            id,
            filters,
            subscription_id,
        } => {
            // The options that are left alone are those of MQTT 3.1.1.
            let filters = filters
                .into_iter()
                .map(|(path, qos)| v5::Filter::new(path.to_string(), to_qos(qos)));
            Packet::Subscribe(v5::Subscribe {
                pkid: id.get(),
                filters: filters.collect(),
                properties: subscription_id.map(|id| v5::SubscribeProperties {
                    id: usize::try_from(id.get()).ok(),
                    user_properties: Vec::new(),
                }),
            })
        }
        Outgoing::Unsubscribe { id, filter } => Packet::Unsubscribe(v5::Unsubscribe {
            pkid: id.get(),
            filters: vec![filter.to_string()],
            properties: None,
        }),
        Outgoing::PingReq => Packet::PingReq(v5::PingReq),
        Outgoing::Leave => {
            bytes.extend_from_slice(&[0xe0, 7, 0, 5, SESSION_EXPIRY_INTERVAL, 0, 0, 0, 0]);
            return Ok(());
        }
        Outgoing::Disconnect(reason) => {
            match reason {
                None => bytes.extend_from_slice(&[0xe0, 0]),
                Some(Reason(code)) => bytes.extend_from_slice(&[0xe0, 1, code]),
            }
            return Ok(());
        }
    };
    write(&packet, bytes)
}

fn encode_letter(
    publish: &Publish,
    lifetime: Option<Duration>,
    topic: Topic,
    bytes: &mut BytesMut,
) -> Result<(), EncodeError> {
    let mut properties = [0_u8; LETTER_PROPERTIES + aliases::PROPERTY];
    let mut len = 1;
    if let Some(lifetime) = lifetime {
        let [a, b, c, d] = message_expiry_interval(lifetime).to_be_bytes();
        properties[1..LETTER_PROPERTIES].copy_from_slice(&[MESSAGE_EXPIRY_INTERVAL, a, b, c, d]);
        len = LETTER_PROPERTIES;
    }
    if let Topic::With(alias) | Topic::In(alias) = topic {
        let [a, b] = alias.get().to_be_bytes();
        properties[len..len + aliases::PROPERTY].copy_from_slice(&[TOPIC_ALIAS, a, b]);
        len += aliases::PROPERTY;
    }
    let text = match topic {
        Topic::In(_) => "",
        Topic::Plain | Topic::With(_) => &publish.topic,
    };
    if let Some(own) = &publish.properties {
        let all = properties::with_own(&properties[1..len], own);
        return encode_publish(publish, text, &all, bytes);
    }
    // One byte is enough to say how many there are.
    properties[0] = (len - 1) as u8;
    encode_publish(publish, text, &properties[..len], bytes)
}

/// Whole seconds, rounded down, so that no broker keeps a letter for longer than
/// its ttl. In the last second it is 1 all the same: by section 3.3.2.3.3 an
/// interval of 0 has passed at once, but mosquitto takes it for none, and would
/// keep the letter for ever.
fn message_expiry_interval(lifetime: Duration) -> u32 {
    u32::try_from(lifetime.as_secs()).unwrap_or(u32::MAX).max(1)
}

fn write(packet: &Packet, bytes: &mut BytesMut) -> Result<(), EncodeError> {
    let before = bytes.len();
    // The size was checked where the packet was made.
    match packet.write(bytes, None) {
        Ok(_) => Ok(()),
        Err(error) => {
            bytes.truncate(before);
            Err(EncodeError::new(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests;
