//! Between the packets of MQTT 3.1.1 and those of MQTT 5, which the core works
//! with.

use super::packet::{Connect, ConnectReturnCode, LastWill, Packet, Publish, QoS};
use super::v5::{
    self, Acknowledgement, Disconnect, Properties, Property, Reason, RetainHandling, SubAck,
    Subscribe, SubscribeFilter, Unsubscribe,
};

/// A packet of a client as the core takes it; `None` for those of a broker.
pub(super) fn into_v5(packet: Packet) -> Option<v5::Packet> {
    let properties = Properties::default();
    let ack = |packet_id| Acknowledgement::new(packet_id, Reason::Success);
    Some(match packet {
        Packet::V5(packet) => *packet,
        Packet::Connect(connect) => v5::Packet::Connect(connect_into_v5(connect)),
        Packet::Publish(publish) => v5::Packet::Publish(v5::Publish {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic,
            packet_id: publish.packet_id,
            payload: publish.payload,
            properties,
        }),
        Packet::PubAck(id) => v5::Packet::PubAck(ack(id)),
        Packet::PubRec(id) => v5::Packet::PubRec(ack(id)),
        Packet::PubRel(id) => v5::Packet::PubRel(ack(id)),
        Packet::PubComp(id) => v5::Packet::PubComp(ack(id)),
        Packet::Subscribe { packet_id, filters } => v5::Packet::Subscribe(Subscribe {
            packet_id,
            filters: filters.into_iter().map(filter_into_v5).collect(),
            properties,
        }),
        Packet::Unsubscribe { packet_id, filters } => v5::Packet::Unsubscribe(Unsubscribe {
            packet_id,
            filters,
            properties,
        }),
        Packet::PingReq => v5::Packet::PingReq,
        Packet::Disconnect => v5::Packet::Disconnect(Disconnect {
            reason: Reason::Success,
            properties,
        }),
        Packet::ConnAck { .. } | Packet::SubAck { .. } | Packet::UnsubAck(_) | Packet::PingResp => {
            return None;
        }
    })
}

/// A session that is not clean is kept for ever.
fn connect_into_v5(connect: Connect) -> v5::Connect {
    let mut properties = Properties::default();
    if !connect.clean_session {
        properties.push(Property::SessionExpiry(u32::MAX));
    }
    let (user_name, password) = match connect.login {
        Some(login) => (Some(login.user_name), login.password),
        None => (None, None),
    };
    v5::Connect {
        client_id: connect.client_id,
        clean_start: connect.clean_session,
        keep_alive: connect.keep_alive,
        last_will: connect.last_will.map(will_into_v5),
        user_name,
        password,
        properties,
    }
}

fn will_into_v5(will: LastWill) -> v5::LastWill {
    v5::LastWill {
        topic: will.topic,
        payload: will.payload,
        qos: will.qos,
        retain: will.retain,
        properties: Properties::default(),
    }
}

fn filter_into_v5((filter, qos): (String, QoS)) -> SubscribeFilter {
    SubscribeFilter {
        filter,
        qos,
        no_local: false,
        retain_as_published: false,
        retain_handling: RetainHandling::Send,
    }
}

/// A packet for a client of MQTT 3.1.1; `None` for one that there is not.
pub(super) fn into_v3(packet: v5::Packet) -> Option<Packet> {
    Some(match packet {
        v5::Packet::ConnAck(connack) => Packet::ConnAck {
            code: code(connack.reason),
            session_present: connack.session_present,
        },
        v5::Packet::Publish(publish) => Packet::Publish(Publish {
            dup: publish.dup,
            qos: publish.qos,
            retain: publish.retain,
            topic: publish.topic,
            packet_id: publish.packet_id,
            payload: publish.payload,
        }),
        v5::Packet::PubAck(ack) => Packet::PubAck(ack.packet_id),
        v5::Packet::PubRec(ack) => Packet::PubRec(ack.packet_id),
        v5::Packet::PubRel(ack) => Packet::PubRel(ack.packet_id),
        v5::Packet::PubComp(ack) => Packet::PubComp(ack.packet_id),
        v5::Packet::SubAck(SubAck {
            packet_id, reasons, ..
        }) => Packet::SubAck {
            packet_id,
            granted: reasons
                .iter()
                .map(|&reason| QoS::from_number(reason as u8))
                .collect(),
        },
        v5::Packet::UnsubAck(ack) => Packet::UnsubAck(ack.packet_id),
        v5::Packet::PingResp => Packet::PingResp,
        v5::Packet::Connect(_)
        | v5::Packet::Subscribe(_)
        | v5::Packet::Unsubscribe(_)
        | v5::Packet::PingReq
        | v5::Packet::Disconnect(_) => return None,
    })
}

/// The return code that is nearest to a reason.
pub(super) const fn code(reason: Reason) -> ConnectReturnCode {
    match reason {
        Reason::Success => ConnectReturnCode::Accepted,
        Reason::UnsupportedProtocolVersion => ConnectReturnCode::RefusedProtocolVersion,
        Reason::ClientIdentifierNotValid => ConnectReturnCode::BadClientId,
        Reason::ServerUnavailable => ConnectReturnCode::ServiceUnavailable,
        Reason::BadUserNameOrPassword => ConnectReturnCode::BadUserNamePassword,
        _ => ConnectReturnCode::NotAuthorized,
    }
}

/// The reason that a return code has become.
pub(super) const fn reason(code: ConnectReturnCode) -> Reason {
    match code {
        ConnectReturnCode::Accepted => Reason::Success,
        ConnectReturnCode::RefusedProtocolVersion => Reason::UnsupportedProtocolVersion,
        ConnectReturnCode::BadClientId => Reason::ClientIdentifierNotValid,
        ConnectReturnCode::ServiceUnavailable => Reason::ServerUnavailable,
        ConnectReturnCode::BadUserNamePassword => Reason::BadUserNameOrPassword,
        ConnectReturnCode::NotAuthorized => Reason::NotAuthorized,
    }
}

/// What a granted QoS is as a reason.
pub(super) const fn granted(qos: QoS) -> Reason {
    match qos {
        QoS::AtMostOnce => Reason::Success,
        QoS::AtLeastOnce => Reason::GrantedQos1,
        QoS::ExactlyOnce => Reason::GrantedQos2,
    }
}
