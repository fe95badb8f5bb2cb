//! A packet as one line of text.

use std::fmt;

use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, Connect, ConnectReturnCode, Packet, Publish, SubAck, Subscribe, SubscribeReasonCode,
};

/// How many characters of a payload are shown.
const SHOWN: usize = 60;

/// Displays a packet.
pub(super) struct Line<'a>(pub(super) &'a Packet);

impl fmt::Display for Line<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Packet::Connect(connect) => connect_line(f, connect),
            Packet::ConnAck(connack) => connack_line(f, connack),
            Packet::Publish(publish) => publish_line(f, publish),
            Packet::PubAck(ack) => write!(f, "PUBACK id={}", ack.pkid),
            Packet::PubRec(ack) => write!(f, "PUBREC id={}", ack.pkid),
            Packet::PubRel(ack) => write!(f, "PUBREL id={}", ack.pkid),
            Packet::PubComp(ack) => write!(f, "PUBCOMP id={}", ack.pkid),
            Packet::Subscribe(subscribe) => subscribe_line(f, subscribe),
            Packet::SubAck(suback) => suback_line(f, suback),
            Packet::Unsubscribe(unsubscribe) => {
                write!(f, "UNSUBSCRIBE id={}", unsubscribe.pkid)?;
                list(f, &unsubscribe.topics, |f, filter| f.write_str(filter))
            }
            Packet::UnsubAck(ack) => write!(f, "UNSUBACK id={}", ack.pkid),
            Packet::PingReq => f.write_str("PINGREQ"),
            Packet::PingResp => f.write_str("PINGRESP"),
            Packet::Disconnect => f.write_str("DISCONNECT"),
        }
    }
}

/// A return code of CONNACK in words (table 3.1).
pub(super) const fn code(code: ConnectReturnCode) -> &'static str {
    match code {
        ConnectReturnCode::Success => "accepted",
        ConnectReturnCode::RefusedProtocolVersion => "refused: protocol version",
        ConnectReturnCode::BadClientId => "refused: client id",
        ConnectReturnCode::ServiceUnavailable => "refused: unavailable",
        ConnectReturnCode::BadUserNamePassword => "refused: user name or password",
        ConnectReturnCode::NotAuthorized => "refused: not authorized",
    }
}

fn connect_line(f: &mut fmt::Formatter<'_>, connect: &Connect) -> fmt::Result {
    let session = if connect.clean_session {
        "clean"
    } else {
        "persistent"
    };
    write!(f, "CONNECT {session} keep-alive={}", connect.keep_alive)?;
    if let Some(login) = &connect.login {
        write!(f, " user={}", login.username)?;
    }
    if let Some(will) = &connect.last_will {
        write!(
            f,
            " will q{}{} {}",
            will.qos as u8,
            retained(will.retain),
            will.topic
        )?;
        payload(f, &will.message)?;
    }
    Ok(())
}

fn connack_line(f: &mut fmt::Formatter<'_>, connack: &ConnAck) -> fmt::Result {
    write!(f, "CONNACK {}", code(connack.code))?;
    if connack.session_present {
        f.write_str(", session present")?;
    }
    Ok(())
}

fn publish_line(f: &mut fmt::Formatter<'_>, publish: &Publish) -> fmt::Result {
    write!(f, "PUBLISH q{}", publish.qos as u8)?;
    if publish.qos != QoS::AtMostOnce {
        write!(f, " id={}", publish.pkid)?;
    }
    if publish.dup {
        f.write_str(" dup")?;
    }
    write!(f, "{} {}", retained(publish.retain), publish.topic)?;
    payload(f, &publish.payload)
}

fn subscribe_line(f: &mut fmt::Formatter<'_>, subscribe: &Subscribe) -> fmt::Result {
    write!(f, "SUBSCRIBE id={}", subscribe.pkid)?;
    list(f, &subscribe.filters, |f, filter| {
        write!(f, "{} q{}", filter.path, filter.qos as u8)
    })
}

fn suback_line(f: &mut fmt::Formatter<'_>, suback: &SubAck) -> fmt::Result {
    write!(f, "SUBACK id={}", suback.pkid)?;
    list(f, &suback.return_codes, |f, code| match code {
        SubscribeReasonCode::Success(qos) => write!(f, "q{}", *qos as u8),
        SubscribeReasonCode::Failure => f.write_str("refused"),
    })
}

const fn retained(retain: bool) -> &'static str {
    if retain { " retained" } else { "" }
}

/// The length of a payload, and how it begins if it is text.
fn payload(f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
    write!(f, " {} bytes", payload.len())?;
    let Some(text) = str::from_utf8(payload).ok().filter(|text| printable(text)) else {
        return Ok(());
    };
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => write!(f, " {:?}…", &text[..end]),
        None => write!(f, " {text:?}"),
    }
}

fn printable(text: &str) -> bool {
    let control = |c: char| c.is_control() && !c.is_ascii_whitespace();
    !text.is_empty() && !text.contains(control)
}

fn list<T>(
    f: &mut fmt::Formatter<'_>,
    items: &[T],
    mut write: impl FnMut(&mut fmt::Formatter<'_>, &T) -> fmt::Result,
) -> fmt::Result {
    for (place, item) in items.iter().enumerate() {
        f.write_str(if place == 0 { " " } else { ", " })?;
        write(f, item)?;
    }
    Ok(())
}
