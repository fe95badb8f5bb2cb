//! Where the packets of MQTT 3.1.1 become those of the codec, which nothing else
//! here knows.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::{self, v4};

use super::packet::{ConnectReturnCode, Packet, Publish, QoS};
use super::v5;

/// Reads a packet that a client sends, other than CONNECT. `frame` holds one
/// packet and nothing else; `limit` is the largest remaining length.
pub(super) fn read(frame: &mut BytesMut, limit: usize) -> Option<Packet> {
    Some(match v4::Packet::read(frame, limit).ok()? {
        v4::Packet::Publish(publish) => Packet::Publish(Publish {
            dup: publish.dup,
            qos: from_qos(publish.qos),
            retain: publish.retain,
            topic: publish.topic,
            packet_id: publish.pkid,
            payload: publish.payload,
        }),
        v4::Packet::PubAck(ack) => Packet::PubAck(ack.pkid),
        v4::Packet::PubRec(ack) => Packet::PubRec(ack.pkid),
        v4::Packet::PubRel(ack) => Packet::PubRel(ack.pkid),
        v4::Packet::PubComp(ack) => Packet::PubComp(ack.pkid),
        v4::Packet::Subscribe(subscribe) => Packet::Subscribe {
            packet_id: subscribe.pkid,
            filters: subscribe
                .filters
                .into_iter()
                .map(|filter| (filter.path, from_qos(filter.qos)))
                .collect(),
        },
        v4::Packet::Unsubscribe(unsubscribe) => Packet::Unsubscribe {
            packet_id: unsubscribe.pkid,
            filters: unsubscribe.topics,
        },
        v4::Packet::PingReq => Packet::PingReq,
        v4::Packet::Disconnect => Packet::Disconnect,
        v4::Packet::Connect(_)
        | v4::Packet::ConnAck(_)
        | v4::Packet::SubAck(_)
        | v4::Packet::UnsubAck(_)
        | v4::Packet::PingResp => return None,
    })
}

/// Writes a packet that a broker sends; `None` for one that only a client
/// sends, and for one that is too long to be written.
pub(super) fn write(packet: &Packet) -> Option<Bytes> {
    let packet = match packet {
        Packet::ConnAck {
            code,
            session_present,
        } => v4::Packet::ConnAck(v4::ConnAck::new(to_code(*code), *session_present)),
        Packet::Publish(publish) => v4::Packet::Publish(v4::Publish {
            dup: publish.dup,
            qos: to_qos(publish.qos),
            retain: publish.retain,
            topic: publish.topic.clone(),
            pkid: publish.packet_id,
            payload: publish.payload.clone(),
        }),
        Packet::PubAck(id) => v4::Packet::PubAck(v4::PubAck::new(*id)),
        Packet::PubRec(id) => v4::Packet::PubRec(v4::PubRec::new(*id)),
        Packet::PubRel(id) => v4::Packet::PubRel(v4::PubRel::new(*id)),
        Packet::PubComp(id) => v4::Packet::PubComp(v4::PubComp { pkid: *id }),
        Packet::SubAck { packet_id, granted } => {
            let codes = granted.iter().map(|qos| match qos {
                Some(qos) => v4::SubscribeReasonCode::Success(to_qos(*qos)),
                None => v4::SubscribeReasonCode::Failure,
            });
            v4::Packet::SubAck(v4::SubAck::new(*packet_id, codes.collect()))
        }
        Packet::UnsubAck(id) => v4::Packet::UnsubAck(v4::UnsubAck::new(*id)),
        Packet::PingResp => v4::Packet::PingResp,
        Packet::V5(packet) => return v5::write(packet),
        Packet::Connect(_)
        | Packet::Subscribe { .. }
        | Packet::Unsubscribe { .. }
        | Packet::PingReq
        | Packet::Disconnect => return None,
    };
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).ok()?;
    Some(bytes.freeze())
}

const fn from_qos(qos: mqttbytes::QoS) -> QoS {
    match qos {
        mqttbytes::QoS::AtMostOnce => QoS::AtMostOnce,
        mqttbytes::QoS::AtLeastOnce => QoS::AtLeastOnce,
        mqttbytes::QoS::ExactlyOnce => QoS::ExactlyOnce,
    }
}

const fn to_qos(qos: QoS) -> mqttbytes::QoS {
    match qos {
        QoS::AtMostOnce => mqttbytes::QoS::AtMostOnce,
        QoS::AtLeastOnce => mqttbytes::QoS::AtLeastOnce,
        QoS::ExactlyOnce => mqttbytes::QoS::ExactlyOnce,
    }
}

const fn to_code(code: ConnectReturnCode) -> v4::ConnectReturnCode {
    match code {
        ConnectReturnCode::Accepted => v4::ConnectReturnCode::Success,
        ConnectReturnCode::RefusedProtocolVersion => v4::ConnectReturnCode::RefusedProtocolVersion,
        ConnectReturnCode::BadClientId => v4::ConnectReturnCode::BadClientId,
        ConnectReturnCode::ServiceUnavailable => v4::ConnectReturnCode::ServiceUnavailable,
        ConnectReturnCode::BadUserNamePassword => v4::ConnectReturnCode::BadUserNamePassword,
        ConnectReturnCode::NotAuthorized => v4::ConnectReturnCode::NotAuthorized,
    }
}
