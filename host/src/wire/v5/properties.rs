//! The properties of packets that the gateway reads by itself (section 2.2.2).

use std::sync::Arc;
use std::time::Duration;

use super::aliases::Resolved;
use crate::office::{MAX_SUBSCRIPTION_ID, Payload, Properties, Qos, SubscriptionId, topic};
use crate::wire::frame::{DecodeError, Middle, malformed};

/// Message expiry interval (section 3.3.2.3.3).
pub(super) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
/// Session expiry interval (section 3.14.2.2.2).
pub(super) const SESSION_EXPIRY_INTERVAL: u8 = 0x11;
/// Topic alias (section 3.3.2.3.4).
pub(super) const TOPIC_ALIAS: u8 = 0x23;
/// Subscription identifier (section 3.3.2.3.8).
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;

/// What a message carries for whoever receives it (sections 3.3.2.3.2 to 3.3.2.3.9).
const PAYLOAD_FORMAT_INDICATOR: u8 = 0x01;
const CONTENT_TYPE: u8 = 0x03;
const RESPONSE_TOPIC: u8 = 0x08;
const CORRELATION_DATA: u8 = 0x09;
const USER_PROPERTY: u8 = 0x26;

/// How many bytes the properties take that `bytes` begin with, with their length.
pub(super) fn properties_len(bytes: &[u8]) -> Result<usize, DecodeError> {
    let whole = read_len(bytes)?.filter(|(len_len, len)| len_len + len <= bytes.len());
    match whole {
        Some((len_len, len)) => Ok(len_len + len),
        None => Err(malformed("properties that are longer than their packet")),
    }
}

/// Reads what stands between the topic of a PUBLISH and its payload; None as long
/// as it is not all there. More than `max` bytes of it are too many.
pub(super) fn read_middle(
    topic: &str,
    bytes: &[u8],
    max: usize,
    resolved: &mut Resolved,
) -> Result<Option<Middle>, DecodeError> {
    let Some((len_len, len)) = read_len(bytes)? else {
        return Ok(None);
    };
    if len > max {
        return Err(malformed("properties that are larger than max-packet-size"));
    }
    let all = len_len + len;
    let Some(mut rest) = bytes.get(len_len..all) else {
        return Ok(None);
    };
    let mut middle = Middle {
        len: all,
        ..Middle::default()
    };
    let (mut alias, mut own) = (None, Own::default());
    while let Some((&kind, value)) = rest.split_first() {
        rest = match kind {
            SUBSCRIPTION_IDENTIFIER => {
                let (id, rest) = read_subscription_id(value)?;
                middle.came_for.push(id);
                rest
            }
            TOPIC_ALIAS => {
                let (value, rest) = value.split_first_chunk().ok_or_else(cut_off)?;
                if alias.replace(u16::from_be_bytes(*value)).is_some() {
                    let rule = "a message has one topic alias at most";
                    return Err(DecodeError::Violation(rule));
                }
                rest
            }
            PAYLOAD_FORMAT_INDICATOR => value.get(1..).ok_or_else(cut_off)?,
            MESSAGE_EXPIRY_INTERVAL => {
                let (value, rest) = value.split_first_chunk().ok_or_else(cut_off)?;
                let seconds = u32::from_be_bytes(*value).into();
                middle.lifetime = Some(Duration::from_secs(seconds));
                rest
            }
            CONTENT_TYPE | RESPONSE_TOPIC | CORRELATION_DATA | USER_PROPERTY => {
                own.read(kind, value)?
            }
            _ => return Err(malformed("a property that a PUBLISH does not have")),
        };
    }
    middle.topic = resolved.resolve(topic, alias)?;
    middle.properties = own.0.map(|own| Arc::from(*own));
    Ok(Some(middle))
}

/// What a message carries for whoever receives it, if anything.
#[derive(Default)]
struct Own(Option<Box<Properties>>);

impl Own {
    /// Reads the value of a property. Returns what comes after it.
    fn read<'a>(&mut self, kind: u8, value: &'a [u8]) -> Result<&'a [u8], DecodeError> {
        let own = self.0.get_or_insert_default();
        if kind == CORRELATION_DATA {
            let (data, rest) = split_bytes(value)?;
            once(&mut own.correlation_data, Payload::new(data))?;
            return Ok(rest);
        }
        let (text, rest) = split_text(value)?;
        match kind {
            CONTENT_TYPE => once(&mut own.content_type, text.into())?,
            // Who has sent it is not the broker: that one need not end for it.
            RESPONSE_TOPIC if topic::check_name(text).is_err() => {}
            RESPONSE_TOPIC => once(&mut own.response_topic, text.into())?,
            _ => {
                let (value, rest) = split_text(rest)?;
                own.user.push((text.into(), value.into()));
                return Ok(rest);
            }
        }
        Ok(rest)
    }
}

fn once<T>(place: &mut Option<T>, value: T) -> Result<(), DecodeError> {
    match place.replace(value) {
        Some(_) => Err(DecodeError::Violation(
            "a property that is not a user property is there once (section 2.2.2.2)",
        )),
        None => Ok(()),
    }
}

fn split_bytes(bytes: &[u8]) -> Result<(&[u8], &[u8]), DecodeError> {
    let (len, rest) = bytes.split_first_chunk().ok_or_else(cut_off)?;
    let len = u16::from_be_bytes(*len).into();
    rest.split_at_checked(len).ok_or_else(cut_off)
}

fn split_text(bytes: &[u8]) -> Result<(&str, &[u8]), DecodeError> {
    let (text, rest) = split_bytes(bytes)?;
    let text = str::from_utf8(text).map_err(|_| malformed("a property that is not UTF-8"))?;
    Ok((text, rest))
}

/// All properties of a PUBLISH with their length: these, and those of its letter,
/// whose texts have at most 65,535 bytes each.
pub(super) fn with_own(always: &[u8], own: &Properties) -> Vec<u8> {
    let mut len = always.len() + own.size();
    let mut bytes = Vec::with_capacity(4 + len);
    while len > 0x7f {
        bytes.push(len as u8 | 0x80);
        len >>= 7;
    }
    bytes.push(len as u8);
    bytes.extend_from_slice(always);
    let mut put = |kind: Option<u8>, value: &[u8]| {
        let len = u16::try_from(value.len()).unwrap_or(u16::MAX);
        bytes.extend(kind);
        bytes.extend_from_slice(&len.to_be_bytes());
        bytes.extend_from_slice(&value[..len.into()]);
    };
    if let Some(text) = &own.content_type {
        put(Some(CONTENT_TYPE), text.as_bytes());
    }
    if let Some(text) = &own.response_topic {
        put(Some(RESPONSE_TOPIC), text.as_bytes());
    }
    if let Some(data) = &own.correlation_data {
        put(Some(CORRELATION_DATA), data);
    }
    for (name, value) in &own.user {
        put(Some(USER_PROPERTY), name.as_bytes());
        put(None, value.as_bytes());
    }
    bytes
}

/// A variable byte integer (section 1.5.5), with how many bytes it has; None as
/// long as it is not all there.
fn read_len(bytes: &[u8]) -> Result<Option<(usize, usize)>, DecodeError> {
    let mut len = 0;
    for (index, byte) in bytes.iter().enumerate().take(4) {
        len |= usize::from(byte & 0x7f) << (7 * index);
        if byte & 0x80 == 0 {
            return Ok(Some((index + 1, len)));
        }
    }
    match bytes.len() {
        0..4 => Ok(None),
        _ => Err(malformed("a length of more than four bytes")),
    }
}

fn read_subscription_id(bytes: &[u8]) -> Result<(SubscriptionId, &[u8]), DecodeError> {
    let (len_len, id) = read_len(bytes)?.ok_or_else(cut_off)?;
    let id = u32::try_from(id)
        .ok()
        .filter(|id| *id <= MAX_SUBSCRIPTION_ID);
    let id = id.and_then(SubscriptionId::new);
    let rule = "a subscription identifier is not 0";
    Ok((id.ok_or(DecodeError::Violation(rule))?, &bytes[len_len..]))
}

/// The broker that a CONNACK or a DISCONNECT names, if its properties, which are
/// whole, do so and can be read (section 3.14.2.2.5).
pub(super) fn server_reference(properties: &[u8]) -> Option<Arc<str>> {
    const SERVER_REFERENCE: u8 = 0x1c;
    let (len, text) = find(SERVER_REFERENCE, properties)?.split_first_chunk()?;
    let text = text.get(..usize::from(u16::from_be_bytes(*len)))?;
    std::str::from_utf8(text).ok().map(Arc::from)
}

/// The highest quality of service that a CONNACK names, if it does so (section
/// 3.2.2.3.4).
pub(super) fn maximum_qos(properties: &[u8]) -> Option<Qos> {
    const MAXIMUM_QOS: u8 = 0x24;
    match find(MAXIMUM_QOS, properties)?.first()? {
        0 => Some(Qos::AtMostOnce),
        1 => Some(Qos::AtLeastOnce),
        _ => None,
    }
}

/// What the value of the first property of this kind begins with, in properties that
/// the gateway has no other use for.
fn find(wanted: u8, properties: &[u8]) -> Option<&[u8]> {
    let (len_len, len) = read_len(properties).ok()??;
    let mut rest = properties.get(len_len..len_len + len)?;
    while let Some((&kind, value)) = rest.split_first() {
        if kind == wanted {
            return Some(value);
        }
        rest = skip(kind, value)?;
    }
    None
}

/// What comes after the value of a property that is of no use to the gateway
/// (section 2.2.2.2).
fn skip(kind: u8, value: &[u8]) -> Option<&[u8]> {
    match kind {
        0x01 | 0x17 | 0x19 | 0x24 | 0x25 | 0x28..=0x2a => value.get(1..),
        0x13 | 0x21..=0x23 => value.get(2..),
        0x02 | 0x11 | 0x18 | 0x27 => value.get(4..),
        0x03 | 0x08 | 0x09 | 0x12 | 0x15 | 0x16 | 0x1a | 0x1c | 0x1f => skip_text(value),
        0x26 => skip_text(value).and_then(skip_text),
        _ => None,
    }
}

fn skip_text(bytes: &[u8]) -> Option<&[u8]> {
    let (len, rest) = bytes.split_first_chunk()?;
    rest.get(usize::from(u16::from_be_bytes(*len))..)
}

fn cut_off() -> DecodeError {
    malformed("a property that is cut off")
}
