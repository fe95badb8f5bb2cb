//! Packets and return codes as one line of text.

use std::fmt;

use super::packet::{Connect, ConnectReturnCode, Packet, Publish, QoS};

/// How many characters of a payload are shown.
const SHOWN: usize = 60;

impl fmt::Display for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(connect) => connect_line(f, connect),
            Self::ConnAck {
                code,
                session_present,
            } => {
                write!(f, "CONNACK {code}")?;
                f.write_str(if *session_present {
                    ", session present"
                } else {
                    ""
                })
            }
            Self::Publish(publish) => publish_line(f, publish),
            Self::PubAck(id) => write!(f, "PUBACK id={id}"),
            Self::PubRec(id) => write!(f, "PUBREC id={id}"),
            Self::PubRel(id) => write!(f, "PUBREL id={id}"),
            Self::PubComp(id) => write!(f, "PUBCOMP id={id}"),
            Self::Subscribe { packet_id, filters } => {
                write!(f, "SUBSCRIBE id={packet_id}")?;
                list(f, filters, |f, (filter, qos)| {
                    write!(f, "{filter} q{}", *qos as u8)
                })
            }
            Self::SubAck { packet_id, granted } => {
                write!(f, "SUBACK id={packet_id}")?;
                list(f, granted, |f, granted| match granted {
                    Some(qos) => write!(f, "q{}", *qos as u8),
                    None => f.write_str("refused"),
                })
            }
            Self::Unsubscribe { packet_id, filters } => {
                write!(f, "UNSUBSCRIBE id={packet_id}")?;
                list(f, filters, |f, filter| f.write_str(filter))
            }
            Self::UnsubAck(id) => write!(f, "UNSUBACK id={id}"),
            Self::PingReq => f.write_str("PINGREQ"),
            Self::PingResp => f.write_str("PINGRESP"),
            Self::Disconnect => f.write_str("DISCONNECT"),
            Self::V5(packet) => write!(f, "{packet}"),
        }
    }
}

impl fmt::Display for ConnectReturnCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Accepted => "accepted",
            Self::RefusedProtocolVersion => "refused: protocol version",
            Self::BadClientId => "refused: client id",
            Self::ServiceUnavailable => "refused: unavailable",
            Self::BadUserNamePassword => "refused: user name or password",
            Self::NotAuthorized => "refused: not authorized",
        })
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
        write!(f, " user={}", login.user_name)?;
    }
    if let Some(will) = &connect.last_will {
        write!(
            f,
            " will q{}{} {}",
            will.qos as u8,
            retained(will.retain),
            will.topic
        )?;
        payload(f, &will.payload)?;
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
    write!(f, "{} {}", retained(publish.retain), publish.topic)?;
    payload(f, &publish.payload)
}

pub(super) const fn retained(retain: bool) -> &'static str {
    if retain { " retained" } else { "" }
}

/// The length of a payload, and how it begins if it is text.
pub(super) fn payload(f: &mut fmt::Formatter<'_>, payload: &[u8]) -> fmt::Result {
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

pub(super) fn list<T>(
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
