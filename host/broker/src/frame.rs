//! From a stream of bytes to packets without a fault.
//!
//! The codec reads packets leniently: it looks at no reserved bit, no length of
//! an acknowledgement, no packet id but that of PUBLISH and at no topic. So
//! each packet is checked here before the codec sees it.

use bytes::BytesMut;

use super::packet::{Packet, PacketType};
use super::reader::Reader;
use super::violation::Violation;
use super::{codec, connect, topic};

/// Takes the next packet off the front of `input`; `None` when it is not there
/// as a whole. `limit` is the largest remaining length.
pub(super) fn read(input: &mut BytesMut, limit: usize) -> Result<Option<Packet>, Violation> {
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
    let mut frame = input.split_to(total);
    let body = &frame[header.length..];
    if header.kind == PacketType::Connect {
        return connect::read(body).map(Packet::Connect).map(Some);
    }
    check_body(&header, body)?;
    let packet = codec::read(&mut frame, limit).ok_or(Violation::Malformed)?;
    Ok(Some(packet))
}

struct Header {
    kind: PacketType,
    flags: u8,
    /// Of the header itself.
    length: usize,
    /// Of what follows it.
    remaining: usize,
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
