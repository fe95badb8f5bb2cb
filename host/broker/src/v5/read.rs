//! Reading what a client sends (chapter 3).

use bytes::Bytes;

use super::packet::{
    Acknowledgement, Connect, Disconnect, LastWill, Packet, Publish, RetainHandling, Subscribe,
    SubscribeFilter, Unsubscribe,
};
use super::property::{self, Properties};
use super::reason::Reason;
use crate::connect::{
    CLEAN_SESSION, PASSWORD, USER_NAME, WILL, WILL_QOS, WILL_RETAIN, check_flags,
};
use crate::packet::{PacketType, QoS};
use crate::reader::Reader;
use crate::topic;
use crate::violation::Violation;

// The properties that a packet of a client may have, by their numbers.
const OF_CONNECT: &[u8] = &[17, 21, 22, 23, 25, 33, 34, 38, 39];
const OF_WILL: &[u8] = &[1, 2, 3, 8, 9, 24, 38];
const OF_PUBLISH: &[u8] = &[1, 2, 3, 8, 9, 35, 38];
const OF_ACKNOWLEDGEMENT: &[u8] = &[31, 38];
const OF_SUBSCRIBE: &[u8] = &[11, 38];
const OF_UNSUBSCRIBE: &[u8] = &[38];
const OF_DISCONNECT: &[u8] = &[17, 31, 38];

/// Reads a packet that a client sends, other than CONNECT, without its fixed
/// header, whose flags are those that its type has.
pub(crate) fn read(kind: PacketType, flags: u8, body: &[u8]) -> Result<Packet, Violation> {
    let body = Reader(body);
    Ok(match kind {
        PacketType::Publish => Packet::Publish(read_publish(flags, body)?),
        PacketType::PubAck => Packet::PubAck(read_acknowledgement(
            body,
            &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        )?),
        PacketType::PubRec => Packet::PubRec(read_acknowledgement(
            body,
            &[0x00, 0x10, 0x80, 0x83, 0x87, 0x90, 0x91, 0x97, 0x99],
        )?),
        PacketType::PubRel => Packet::PubRel(read_acknowledgement(body, &[0x00, 0x92])?),
        PacketType::PubComp => Packet::PubComp(read_acknowledgement(body, &[0x00, 0x92])?),
        PacketType::Subscribe => Packet::Subscribe(read_subscribe(body)?),
        PacketType::Unsubscribe => Packet::Unsubscribe(read_unsubscribe(body)?),
        PacketType::Disconnect => Packet::Disconnect(read_disconnect(body)?),
        PacketType::PingReq => {
            body.end()?;
            Packet::PingReq
        }
        // The version is known by the first one.
        PacketType::Connect => return Err(Violation::SecondConnect),
        _ => return Err(Violation::BrokerPacket),
    })
}

/// Reads what follows the protocol level of a CONNECT.
pub(crate) fn read_connect(body: &[u8]) -> Result<Connect, Violation> {
    let mut body = Reader(body);
    let flags = body.u8()?;
    check_flags(flags)?;
    let keep_alive = body.u16()?;
    let properties = property::read(&mut body, OF_CONNECT)?;
    if properties.has_authentication_data() && !properties.has_authentication_method() {
        return Err(Violation::AuthenticationDataAlone);
    }
    let client_id = body.text()?.to_owned();
    let last_will = read_will(flags, &mut body)?;
    let user_name = if flags & USER_NAME == 0 {
        None
    } else {
        Some(body.text()?.to_owned())
    };
    let password = if flags & PASSWORD == 0 {
        None
    } else {
        Some(Bytes::copy_from_slice(body.bytes()?))
    };
    body.end()?;
    Ok(Connect {
        client_id,
        clean_start: flags & CLEAN_SESSION != 0,
        keep_alive,
        last_will,
        user_name,
        password,
        properties,
    })
}

fn read_will(flags: u8, body: &mut Reader<'_>) -> Result<Option<LastWill>, Violation> {
    if flags & WILL == 0 {
        return Ok(None);
    }
    let properties = property::read(body, OF_WILL)?;
    check_response_topic(&properties)?;
    let topic = body.text()?;
    topic::check_name(topic)?;
    Ok(Some(LastWill {
        topic: topic.to_owned(),
        payload: Bytes::copy_from_slice(body.bytes()?),
        qos: QoS::from_number((flags & WILL_QOS) >> 3).ok_or(Violation::WillQos)?,
        retain: flags & WILL_RETAIN != 0,
        properties,
    }))
}

fn read_publish(flags: u8, mut body: Reader<'_>) -> Result<Publish, Violation> {
    let qos = QoS::from_number((flags >> 1) & 0b11).ok_or(Violation::Qos3)?;
    let topic = body.text()?;
    let packet_id = if qos == QoS::AtMostOnce {
        0
    } else {
        body.packet_id()?
    };
    let properties = property::read(&mut body, OF_PUBLISH)?;
    if !(topic.is_empty() && properties.topic_alias().is_some()) {
        topic::check_name(topic)?;
    }
    check_response_topic(&properties)?;
    Ok(Publish {
        dup: flags & 0b1000 != 0,
        qos,
        retain: flags & 1 != 0,
        topic: topic.to_owned(),
        packet_id,
        payload: Bytes::copy_from_slice(body.0),
        properties,
    })
}

/// [MQTT-3.3.2-14]
fn check_response_topic(properties: &Properties) -> Result<(), Violation> {
    match properties.response_topic() {
        Some(topic) if topic.is_empty() || topic.contains(['+', '#']) => {
            Err(Violation::ResponseTopic)
        }
        _ => Ok(()),
    }
}

fn read_acknowledgement(
    mut body: Reader<'_>,
    reasons: &[u8],
) -> Result<Acknowledgement, Violation> {
    let packet_id = body.packet_id()?;
    let (reason, properties) = read_reason(body, reasons, OF_ACKNOWLEDGEMENT)?;
    Ok(Acknowledgement {
        packet_id,
        reason,
        properties,
    })
}

fn read_disconnect(body: Reader<'_>) -> Result<Disconnect, Violation> {
    // Those that are not for a server alone (table 3-13).
    let reasons = [
        0x00, 0x04, 0x80, 0x81, 0x82, 0x83, 0x90, 0x93, 0x94, 0x95, 0x96, 0x97, 0x98, 0x99,
    ];
    let (reason, properties) = read_reason(body, &reasons, OF_DISCONNECT)?;
    Ok(Disconnect { reason, properties })
}

/// A reason and properties, both or the latter of which may be left out.
fn read_reason(
    mut body: Reader<'_>,
    reasons: &[u8],
    properties: &[u8],
) -> Result<(Reason, Properties), Violation> {
    if body.is_empty() {
        return Ok((Reason::Success, Properties::default()));
    }
    let number = body.u8()?;
    let reason = Reason::from_number(number)
        .filter(|_| reasons.contains(&number))
        .ok_or(Violation::ReasonCode)?;
    if body.is_empty() {
        return Ok((reason, Properties::default()));
    }
    let properties = property::read(&mut body, properties)?;
    body.end()?;
    Ok((reason, properties))
}

fn read_subscribe(mut body: Reader<'_>) -> Result<Subscribe, Violation> {
    let packet_id = body.packet_id()?;
    let properties = property::read(&mut body, OF_SUBSCRIBE)?;
    if body.is_empty() {
        return Err(Violation::EmptySubscribe);
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        filters.push(read_filter(&mut body)?);
    }
    Ok(Subscribe {
        packet_id,
        filters,
        properties,
    })
}

fn read_filter(body: &mut Reader<'_>) -> Result<SubscribeFilter, Violation> {
    let filter = body.text()?;
    topic::check_filter(filter)?;
    topic::check_shared(filter)?;
    let options = body.u8()?;
    let retain_handling = match options >> 4 {
        0 => RetainHandling::Send,
        1 => RetainHandling::SendIfNew,
        2 => RetainHandling::DoNotSend,
        _ => return Err(Violation::SubscribeOptions),
    };
    let no_local = options & 0b100 != 0;
    if no_local && topic::shared(filter).is_some() {
        return Err(Violation::NoLocalOnShared);
    }
    Ok(SubscribeFilter {
        filter: filter.to_owned(),
        qos: QoS::from_number(options & 0b11).ok_or(Violation::SubscribeOptions)?,
        no_local,
        retain_as_published: options & 0b1000 != 0,
        retain_handling,
    })
}

fn read_unsubscribe(mut body: Reader<'_>) -> Result<Unsubscribe, Violation> {
    let packet_id = body.packet_id()?;
    let properties = property::read(&mut body, OF_UNSUBSCRIBE)?;
    if body.is_empty() {
        return Err(Violation::EmptyUnsubscribe);
    }
    let mut filters = Vec::new();
    while !body.is_empty() {
        let filter = body.text()?;
        topic::check_filter(filter)?;
        topic::check_shared(filter)?;
        filters.push(filter.to_owned());
    }
    Ok(Unsubscribe {
        packet_id,
        filters,
        properties,
    })
}
