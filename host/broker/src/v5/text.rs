//! Packets and properties of MQTT 5 as one line of text.

use std::fmt;

use super::packet::{
    Acknowledgement, Connect, Packet, Publish, RetainHandling, SubAck, SubscribeFilter,
};
use super::property::{Properties, Property};
use super::reason::Reason;
use crate::packet::QoS;
use crate::text::{list, payload, retained};

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(connect) => connect_line(f, connect),
            Self::ConnAck(connack) => {
                write!(f, "CONNACK {}", connack.reason)?;
                if connack.session_present {
                    f.write_str(", session present")?;
                }
                properties(f, &connack.properties)
            }
            Self::Publish(publish) => publish_line(f, publish),
            Self::PubAck(ack) => acknowledgement(f, "PUBACK", ack),
            Self::PubRec(ack) => acknowledgement(f, "PUBREC", ack),
            Self::PubRel(ack) => acknowledgement(f, "PUBREL", ack),
            Self::PubComp(ack) => acknowledgement(f, "PUBCOMP", ack),
            Self::Subscribe(subscribe) => {
                write!(f, "SUBSCRIBE id={}", subscribe.packet_id)?;
                list(f, &subscribe.filters, filter)?;
                properties(f, &subscribe.properties)
            }
            Self::SubAck(ack) => suback(f, "SUBACK", ack, |reason| match reason {
                Reason::Success => "q0".to_owned(),
                reason => reason.to_string(),
            }),
            Self::Unsubscribe(unsubscribe) => {
                write!(f, "UNSUBSCRIBE id={}", unsubscribe.packet_id)?;
                list(f, &unsubscribe.filters, |f, filter| f.write_str(filter))?;
                properties(f, &unsubscribe.properties)
            }
            Self::UnsubAck(ack) => suback(f, "UNSUBACK", ack, |reason| reason.to_string()),
            Self::PingReq => f.write_str("PINGREQ"),
            Self::PingResp => f.write_str("PINGRESP"),
            Self::Disconnect(disconnect) => {
                f.write_str("DISCONNECT")?;
                if disconnect.reason != Reason::Success {
                    write!(f, " {}", disconnect.reason)?;
                }
                properties(f, &disconnect.properties)
            }
        }
    }
}

fn connect_line(f: &mut fmt::Formatter<'_>, connect: &Connect) -> fmt::Result {
    let start = if connect.clean_start { " clean" } else { "" };
    write!(f, "CONNECT v5{start} keep-alive={}", connect.keep_alive)?;
    if let Some(user) = &connect.user_name {
        write!(f, " user={user}")?;
    }
    properties(f, &connect.properties)?;
    if let Some(will) = &connect.last_will {
        let (qos, retain) = (will.qos as u8, retained(will.retain));
        write!(f, " will q{qos}{retain} {}", will.topic)?;
        payload(f, &will.payload)?;
        properties(f, &will.properties)?;
    }
    Ok(())
}

fn publish_line(f: &mut fmt::Formatter<'_>, publish: &Publish) -> fmt::Result {
    write!(f, "PUBLISH q{}", publish.qos as u8)?;
    if publish.qos != QoS::AtMostOnce {
        write!(f, " id={}", publish.packet_id)?;
    }
    if publish.dup {
        f.write_str(" dup")?;
    }
    f.write_str(retained(publish.retain))?;
    if !publish.topic.is_empty() {
        write!(f, " {}", publish.topic)?;
    }
    payload(f, &publish.payload)?;
    properties(f, &publish.properties)
}

fn acknowledgement(f: &mut fmt::Formatter<'_>, name: &str, ack: &Acknowledgement) -> fmt::Result {
    write!(f, "{name} id={}", ack.packet_id)?;
    if ack.reason != Reason::Success {
        write!(f, " {}", ack.reason)?;
    }
    properties(f, &ack.properties)
}

fn filter(f: &mut fmt::Formatter<'_>, filter: &SubscribeFilter) -> fmt::Result {
    write!(f, "{} q{}", filter.filter, filter.qos as u8)?;
    if filter.no_local {
        f.write_str(" no-local")?;
    }
    if filter.retain_as_published {
        f.write_str(" retain-as-published")?;
    }
    f.write_str(match filter.retain_handling {
        RetainHandling::Send => "",
        RetainHandling::SendIfNew => " retained-if-new",
        RetainHandling::DoNotSend => " no-retained",
    })
}

fn suback(
    f: &mut fmt::Formatter<'_>,
    name: &str,
    ack: &SubAck,
    text: impl Fn(&Reason) -> String,
) -> fmt::Result {
    write!(f, "{name} id={}", ack.packet_id)?;
    list(f, &ack.reasons, |f, reason| f.write_str(&text(reason)))?;
    properties(f, &ack.properties)
}

fn properties(f: &mut fmt::Formatter<'_>, properties: &Properties) -> fmt::Result {
    if !properties.0.is_empty() {
        f.write_str(" {")?;
        list(f, &properties.0, |f, property| write!(f, "{property}"))?;
        f.write_str(" }")?;
    }
    Ok(())
}

impl fmt::Display for Property {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PayloadFormat(text) => f.write_str(if *text { "text" } else { "bytes" }),
            Self::MessageExpiry(seconds) => write!(f, "expiry={seconds}"),
            Self::ContentType(kind) => write!(f, "content-type={kind:?}"),
            Self::ResponseTopic(topic) => write!(f, "response-topic={topic:?}"),
            Self::CorrelationData(data) => write!(f, "correlation-data={data:?}"),
            Self::SubscriptionId(id) => write!(f, "subscription={id}"),
            Self::SessionExpiry(u32::MAX) => f.write_str("session-expiry=never"),
            Self::SessionExpiry(seconds) => write!(f, "session-expiry={seconds}"),
            Self::AssignedClientId(client) => write!(f, "client-id={client:?}"),
            Self::ServerKeepAlive(seconds) => write!(f, "keep-alive={seconds}"),
            Self::AuthenticationMethod(method) => write!(f, "authentication={method:?}"),
            // A secret.
            Self::AuthenticationData(data) => write!(f, "authentication: {} bytes", data.len()),
            Self::RequestProblemInformation(flag) => write!(f, "problem-information={flag}"),
            Self::WillDelay(seconds) => write!(f, "delay={seconds}"),
            Self::RequestResponseInformation(flag) => write!(f, "response-information={flag}"),
            Self::ResponseInformation(text) => write!(f, "response-information={text:?}"),
            Self::ServerReference(text) => write!(f, "server={text:?}"),
            Self::ReasonString(text) => write!(f, "{text:?}"),
            Self::ReceiveMaximum(count) => write!(f, "receive-maximum={count}"),
            Self::TopicAliasMaximum(count) => write!(f, "alias-maximum={count}"),
            Self::TopicAlias(alias) => write!(f, "alias={alias}"),
            Self::MaximumQos(qos) => write!(f, "maximum-qos={}", *qos as u8),
            Self::RetainAvailable(flag) => write!(f, "retain={flag}"),
            Self::User(name, value) => write!(f, "{name:?}: {value:?}"),
            Self::MaximumPacketSize(bytes) => write!(f, "packet-size={bytes}"),
            Self::WildcardAvailable(flag) => write!(f, "wildcards={flag}"),
            Self::SubscriptionIdsAvailable(flag) => write!(f, "subscription-ids={flag}"),
            Self::SharedAvailable(flag) => write!(f, "shared={flag}"),
        }
    }
}
