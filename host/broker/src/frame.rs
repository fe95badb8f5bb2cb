//! From a stream of bytes to packets without a fault.
//!
//! The codec reads packets leniently: it looks at no reserved bit, no length of
//! an acknowledgement, no packet id but that of PUBLISH and at no topic. So
//! each packet is checked here before the codec sees it.

use bytes::BytesMut;

use super::packet::{Packet, PacketType};
use super::reader::Reader;
use super::violation::Violation;
use super::{codec, connect, topic, v5};

/// Takes the next packet off the front of `input`, a CONNECT or one of MQTT
/// 3.1.1; `None` when it is not there as a whole. `limit` is the largest
/// remaining length.
pub(super) fn read(input: &mut BytesMut, limit: usize) -> Result<Option<Packet>, Violation> {
    let Some((header, mut frame)) = split(input, limit)? else {
        return Ok(None);
    };
    let body = &frame[header.length..];
    if header.kind == PacketType::Connect {
        return connect::read(body).map(Some);
    }
    check_body(&header, body)?;
    let packet = codec::read(&mut frame, limit).ok_or(Violation::Malformed)?;
    Ok(Some(packet))
}

/// Takes the next packet of MQTT 5 off the front of `input`, behind CONNECT.
/// `limit` is the largest length of a whole packet ([MQTT-3.2.2-15]).
pub(super) fn read_v5(input: &mut BytesMut, limit: usize) -> Result<Option<Packet>, Violation> {
    if input.first().is_some_and(|first| first >> 4 == AUTH) {
        return Err(Violation::AuthNotExpected);
    }
    if let Some(header) = Header::read(input)? {
        // [MQTT-1.5.5-1]
        if header.padded {
            return Err(Violation::RemainingLength);
        }
        if header.length + header.remaining > limit {
            return Err(Violation::PacketTooLarge);
        }
    }
    let Some((header, frame)) = split(input, limit)? else {
        return Ok(None);
    };
    let packet = v5::read(header.kind, header.flags, &frame[header.length..])?;
    Ok(Some(Packet::V5(Box::new(packet))))
}

/// Whether the first packet is a CONNECT of MQTT 5, as far as it is there.
pub(super) fn begins_v5(input: &[u8]) -> bool {
    match Header::read(input) {
        Ok(Some(header)) => {
            header.kind == PacketType::Connect && connect::is_v5(&input[header.length..])
        }
        _ => false,
    }
}

/// The type of a packet that only MQTT 5 has.
const AUTH: u8 = 15;

fn split(input: &mut BytesMut, limit: usize) -> Result<Option<(Header, BytesMut)>, Violation> {
    let Some(header) = Header::read(input)? else {
        return Ok(None);
    };
    header.check_flags()?;
    if header.remaining > limit {
        return Err(Violation::PacketTooLarge);
    }
    let total = header.length + header.remaining;
    if input.len() < total {
        input.reserve(total - input.len());
        return Ok(None);
    }
    Ok(Some((header, input.split_to(total))))
}

struct Header {
    kind: PacketType,
    flags: u8,
    /// Of the header itself.
    length: usize,
    /// Of what follows it.
    remaining: usize,
    /// Whether the length has more bytes than it needs.
    padded: bool,
}

impl Header {
    fn read(input: &[u8]) -> Result<Option<Self>, Violation> {
        let Some((&first, rest)) = input.split_first() else {
            return Ok(None);
        };
        let kind = PacketType::from_number(first >> 4).ok_or(Violation::UnknownType)?;
        let mut remaining = 0;
        for (place, &byte) in rest.iter().take(4).enumerate() {
            remaining |= usize::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                return Ok(Some(Self {
                    kind,
                    flags: first & 0x0f,
                    length: 2 + place,
                    remaining,
                    padded: byte == 0 && place > 0,
                }));
            }
        }
        if rest.len() >= 4 {
            return Err(Violation::RemainingLength);
        }
        Ok(None)
    }

    /// Section 2.2.2.
    fn check_flags(&self) -> Result<(), Violation> {
        let expected = match self.kind {
            PacketType::Publish => {
                return match (self.qos(), self.flags & 0b1000) {
                    (3, _) => Err(Violation::Qos3),
                    (0, 0b1000) => Err(Violation::DupOnQos0),
                    _ => Ok(()),
                };
            }
            PacketType::PubRel | PacketType::Subscribe | PacketType::Unsubscribe => 0b0010,
            PacketType::ConnAck
            | PacketType::SubAck
            | PacketType::UnsubAck
            | PacketType::PingResp => return Err(Violation::BrokerPacket),
            _ => 0,
        };
        if self.flags == expected {
            Ok(())
        } else {
            Err(Violation::HeaderFlags)
        }
    }

    fn qos(&self) -> u8 {
        (self.flags >> 1) & 0b11
    }
}

fn check_body(header: &Header, body: &[u8]) -> Result<(), Violation> {
    let mut body = Reader(body);
    match header.kind {
        PacketType::Publish => {
            topic::check_name(body.text()?)?;
            if header.qos() > 0 {
                body.packet_id()?;
            }
            // The rest is the payload.
            return Ok(());
        }
        PacketType::Subscribe => {
            body.packet_id()?;
            if body.is_empty() {
                return Err(Violation::EmptySubscribe);
            }
            while !body.is_empty() {
                topic::check_filter(body.text()?)?;
                if body.u8()? > 2 {
                    return Err(Violation::SubscribeOptions);
                }
            }
        }
        PacketType::Unsubscribe => {
            body.packet_id()?;
            if body.is_empty() {
                return Err(Violation::EmptyUnsubscribe);
            }
            while !body.is_empty() {
                topic::check_filter(body.text()?)?;
            }
        }
        PacketType::PubAck | PacketType::PubRec | PacketType::PubRel | PacketType::PubComp => {
            body.packet_id()?;
        }
        _ => {}
    }
    body.end()
}
