//! The adapter for MQTT 3.1.1: packets of the post office to bytes and back.

use bytes::{Buf, Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{self, Packet};
use rumqttc::mqttbytes::{Error, Protocol, QoS};

use super::Handshake;
use crate::office::{
    Connect, Delivery, Incoming, LastWill, Outgoing, PacketId, Payload, Publish, Qos, topic,
};

/// Why bytes from the broker can not be used. Each ends the connection.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// CONNACK with a return code other than 0.
    #[error("the broker refused the connection (return code {0})")]
    Refused(u8),
    /// What came is no packet of MQTT 3.1.1.
    #[error("the broker sent a malformed packet: {0}")]
    Malformed(String),
    /// A broker must not send this.
    #[error("the broker broke a rule of MQTT: {0}")]
    Violation(&'static str),
}

/// Bytes into packets. It reads no socket: whoever has the bytes brings them.
#[derive(Debug)]
pub struct Decoder {
    max_packet_size: usize,
    /// How many bytes of an oversize packet are still to be thrown away.
    skip: usize,
}

impl Decoder {
    /// Before the first byte of a connection. `max_packet_size` is in bytes; of
    /// a larger message only the topic is read, and any other larger packet is
    /// an error.
    pub fn new(max_packet_size: usize) -> Self {
        Self {
            max_packet_size,
            skip: 0,
        }
    }

    /// Takes the next packet off the front of `bytes`; none when there is no
    /// whole packet yet. After an error the connection is of no more use.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, DecodeError> {
        let skipped = self.skip.min(bytes.len());
        bytes.advance(skipped);
        self.skip -= skipped;
        if self.skip > 0 {
            return Ok(None);
        }
        match Packet::read(bytes, self.max_packet_size) {
            Ok(packet) => to_incoming(packet).map(Some),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(Error::PayloadSizeLimitExceeded(_)) => self.skip_oversize(bytes),
            Err(Error::InvalidConnectReturnCode(code)) => Err(DecodeError::Refused(code)),
            Err(error) => Err(DecodeError::Malformed(error.to_string())),
        }
    }

    /// Reads the beginning of a PUBLISH that is too large, for its topic and
    /// packet id, and has the rest thrown away as it comes.
    fn skip_oversize(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, DecodeError> {
        let Some((header, remaining)) = fixed_header(bytes) else {
            return Ok(None);
        };
        if bytes[0] >> 4 != 3 {
            let size = header + remaining;
            return Err(DecodeError::Malformed(format!(
                "{size} bytes, and no PUBLISH"
            )));
        }
        let body = &bytes[header..];
        let Some(topic_len) = body
            .first_chunk()
            .map(|len| usize::from(u16::from_be_bytes(*len)))
        else {
            return Ok(None);
        };
        let qos = (bytes[0] >> 1) & 3;
        let id_len = if qos == 0 { 0 } else { 2 };
        let Some(rest) = body.get(2..2 + topic_len + id_len) else {
            return Ok(None);
        };
        let (name, id) = rest.split_at(topic_len);
        let name = std::str::from_utf8(name)
            .map_err(|_| DecodeError::Malformed("a topic that is not UTF-8".into()))?;
        let id = id.first_chunk().map(|id| u16::from_be_bytes(*id));
        let delivery = match (qos, id) {
            (0, _) => Delivery::AtMostOnce,
            (1, Some(id)) => Delivery::AtLeastOnce(packet_id(id)?),
            (2, Some(id)) => Delivery::ExactlyOnce(packet_id(id)?),
            _ => return Err(DecodeError::Malformed("QoS 3".into())),
        };
        let (topic, size) = (name.into(), header + remaining);
        self.skip = size - bytes.len().min(size);
        bytes.advance(bytes.len().min(size));
        Ok(Some(Incoming::TooLarge {
            topic,
            delivery,
            size,
        }))
    }
}

/// The length of the fixed header and the remaining length, once they are
/// there ([MQTT-2.2.3]).
fn fixed_header(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut remaining = 0;
    for (index, byte) in bytes.iter().enumerate().skip(1).take(4) {
        remaining |= usize::from(byte & 0x7f) << (7 * (index - 1));
        if byte & 0x80 == 0 {
            return Some((index + 1, remaining));
        }
    }
    None
}

fn to_incoming(packet: Packet) -> Result<Incoming, DecodeError> {
    Ok(match packet {
        Packet::ConnAck(ack) => match ack.code as u8 {
            0 => Incoming::ConnAck {
                session_present: ack.session_present,
            },
            code => return Err(DecodeError::Refused(code)),
        },
        Packet::Publish(publish) => {
            if topic::check_name(&publish.topic).is_err() {
                return Err(DecodeError::Violation(
                    "a topic name is valid [MQTT-3.3.2-2]",
                ));
            }
            let delivery = match publish.qos {
                QoS::AtMostOnce => Delivery::AtMostOnce,
                QoS::AtLeastOnce => Delivery::AtLeastOnce(packet_id(publish.pkid)?),
                QoS::ExactlyOnce => Delivery::ExactlyOnce(packet_id(publish.pkid)?),
            };
            Incoming::Publish(Publish {
                topic: publish.topic.into(),
                payload: Payload::new(publish.payload),
                delivery,
                retain: publish.retain,
                duplicate: publish.dup,
            })
        }
        Packet::PubAck(ack) => Incoming::PubAck(packet_id(ack.pkid)?),
        Packet::PubRec(ack) => Incoming::PubRec(packet_id(ack.pkid)?),
        Packet::PubRel(ack) => Incoming::PubRel(packet_id(ack.pkid)?),
        Packet::PubComp(ack) => Incoming::PubComp(packet_id(ack.pkid)?),
        Packet::SubAck(ack) => {
            let granted = ack.return_codes.into_iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => Some(from_qos(qos)),
                v4::SubscribeReasonCode::Failure => None,
            });
            Incoming::SubAck {
                id: packet_id(ack.pkid)?,
                granted: granted.collect(),
            }
        }
        Packet::PingResp => Incoming::PingResp,
        Packet::UnsubAck(_)
        | Packet::Connect(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect => {
            return Err(DecodeError::Violation(
                "a broker sends what answers its client",
            ));
        }
    })
}

fn packet_id(id: u16) -> Result<PacketId, DecodeError> {
    PacketId::new(id).ok_or(DecodeError::Violation(
        "a packet id is not 0 [MQTT-2.3.1-1]",
    ))
}

const fn from_qos(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

const fn to_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// CONNECT as bytes.
pub fn encode_connect(handshake: &Handshake, connect: &Connect) -> Result<BytesMut, DecodeError> {
    let keep_alive = u16::try_from(handshake.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let login = handshake.login.as_ref().map(|login| v4::Login {
        username: login.user_name.clone(),
        password: login.password.clone().unwrap_or_default(),
    });
    let packet = Packet::Connect(v4::Connect {
        protocol: Protocol::V4,
        keep_alive,
        client_id: handshake.client_id.clone(),
        clean_session: connect.clean_session,
        last_will: connect.will.as_ref().map(to_will),
        login,
    });
    let mut bytes = BytesMut::new();
    write(&packet, &mut bytes)?;
    Ok(bytes)
}

fn to_will(will: &LastWill) -> v4::LastWill {
    v4::LastWill {
        topic: will.topic.to_string(),
        message: Bytes::from_owner(will.payload.clone()),
        qos: to_qos(will.qos),
        retain: will.retain,
    }
}

/// Appends a packet. An error leaves `bytes` as they were.
pub fn encode(packet: Outgoing, bytes: &mut BytesMut) -> Result<(), DecodeError> {
    let packet = match packet {
        Outgoing::Publish(publish) => {
            let (qos, pkid) = match publish.delivery {
                Delivery::AtMostOnce => (QoS::AtMostOnce, 0),
                Delivery::AtLeastOnce(id) => (QoS::AtLeastOnce, id.get()),
                Delivery::ExactlyOnce(id) => (QoS::ExactlyOnce, id.get()),
            };
            Packet::Publish(v4::Publish {
                dup: publish.duplicate,
                qos,
                retain: publish.retain,
                topic: publish.topic.to_string(),
                pkid,
                payload: Bytes::from_owner(publish.payload),
            })
        }
        Outgoing::PubAck(id) => Packet::PubAck(v4::PubAck::new(id.get())),
        Outgoing::PubRec(id) => Packet::PubRec(v4::PubRec::new(id.get())),
        Outgoing::PubRel(id) => Packet::PubRel(v4::PubRel::new(id.get())),
        Outgoing::PubComp(id) => Packet::PubComp(v4::PubComp::new(id.get())),
        Outgoing::Subscribe { id, filters } => {
            let filters = filters.into_iter().map(|(path, qos)| v4::SubscribeFilter {
                path: path.to_string(),
                qos: to_qos(qos),
            });
            Packet::Subscribe(v4::Subscribe {
                pkid: id.get(),
                filters: filters.collect(),
            })
        }
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect => Packet::Disconnect,
    };
    write(&packet, bytes)
}

fn write(packet: &Packet, bytes: &mut BytesMut) -> Result<(), DecodeError> {
    let before = bytes.len();
    // The size was checked where the packet was made.
    match packet.write(bytes, usize::MAX) {
        Ok(_) => Ok(()),
        Err(error) => {
            bytes.truncate(before);
            Err(DecodeError::Malformed(error.to_string()))
        }
    }
}
