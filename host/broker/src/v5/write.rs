//! Writing what a broker sends (chapter 3).

use bytes::{BufMut, Bytes, BytesMut};

use super::packet::{Acknowledgement, Packet, Publish, SubAck};
use super::property;
use super::reason::Reason;
use crate::packet::QoS;

/// Writes a packet that a broker sends; `None` for one that only a client
/// sends, and for one that is too long to be written.
pub(crate) fn write(packet: &Packet) -> Option<Bytes> {
    let mut body = BytesMut::new();
    let mut flags = 0;
    match packet {
        Packet::ConnAck(connack) => {
            body.put_u8(connack.session_present.into());
            body.put_u8(connack.reason as u8);
            property::write(&connack.properties, &mut body)?;
        }
        Packet::Publish(publish) => {
            flags = u8::from(publish.dup) << 3 | (publish.qos as u8) << 1;
            flags |= u8::from(publish.retain);
            write_publish(publish, &mut body)?;
        }
        Packet::PubAck(ack) | Packet::PubRec(ack) | Packet::PubComp(ack) => {
            write_acknowledgement(ack, &mut body)?;
        }
        Packet::PubRel(ack) => {
            flags = 0b0010;
            write_acknowledgement(ack, &mut body)?;
        }
        Packet::SubAck(ack) | Packet::UnsubAck(ack) => write_suback(ack, &mut body)?,
        Packet::PingResp => {}
        Packet::Disconnect(disconnect) => {
            // What is left out says the same.
            if disconnect.reason != Reason::Success || !disconnect.properties.0.is_empty() {
                body.put_u8(disconnect.reason as u8);
                property::write(&disconnect.properties, &mut body)?;
            }
        }
        Packet::Connect(_) | Packet::Subscribe(_) | Packet::Unsubscribe(_) | Packet::PingReq => {
            return None;
        }
    }
    let mut bytes = BytesMut::with_capacity(body.len() + 5);
    bytes.put_u8((packet.packet_type() as u8) << 4 | flags);
    varint(body.len(), &mut bytes)?;
    bytes.put(body);
    Some(bytes.freeze())
}

fn write_publish(publish: &Publish, body: &mut BytesMut) -> Option<()> {
    field(publish.topic.as_bytes(), body)?;
    if publish.qos != QoS::AtMostOnce {
        body.put_u16(publish.packet_id);
    }
    property::write(&publish.properties, body)?;
    body.put_slice(&publish.payload);
    Some(())
}

fn write_acknowledgement(ack: &Acknowledgement, body: &mut BytesMut) -> Option<()> {
    body.put_u16(ack.packet_id);
    let properties = !ack.properties.0.is_empty();
    // What is left out says the same.
    if ack.reason != Reason::Success || properties {
        body.put_u8(ack.reason as u8);
    }
    if properties {
        property::write(&ack.properties, body)?;
    }
    Some(())
}

fn write_suback(ack: &SubAck, body: &mut BytesMut) -> Option<()> {
    body.put_u16(ack.packet_id);
    property::write(&ack.properties, body)?;
    body.extend(ack.reasons.iter().map(|&reason| reason as u8));
    Some(())
}

/// Bytes behind their length.
pub(super) fn field(value: &[u8], bytes: &mut BytesMut) -> Option<()> {
    bytes.put_u16(u16::try_from(value.len()).ok()?);
    bytes.put_slice(value);
    Some(())
}

/// A number of one to four bytes (section 1.5.5).
pub(super) fn varint(mut value: usize, bytes: &mut BytesMut) -> Option<()> {
    if value >= 1 << 28 {
        return None;
    }
    loop {
        let low = (value & 0x7f) as u8;
        value >>= 7;
        bytes.put_u8(if value > 0 { low | 0x80 } else { low });
        if value == 0 {
            return Some(());
        }
    }
}
