//! The properties of packets that the gateway reads by itself (section 2.2.2).

use std::sync::Arc;

use super::aliases::Resolved;
use crate::office::{MAX_SUBSCRIPTION_ID, SubscriptionId};
use crate::wire::frame::{DecodeError, Middle, malformed};

/// Message expiry interval (section 3.3.2.3.3).
pub(super) const MESSAGE_EXPIRY_INTERVAL: u8 = 0x02;
/// Topic alias (section 3.3.2.3.4).
pub(super) const TOPIC_ALIAS: u8 = 0x23;
/// Subscription identifier (section 3.3.2.3.8).
const SUBSCRIPTION_IDENTIFIER: u8 = 0x0b;

/// The others that a PUBLISH may have: payload format indicator, content type,
/// response topic, correlation data and user property.
const IN_PUBLISH: [u8; 6] = [MESSAGE_EXPIRY_INTERVAL, 0x01, 0x03, 0x08, 0x09, 0x26];

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
    let mut alias = None;
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
            _ if IN_PUBLISH.contains(&kind) => skip(kind, value).ok_or_else(cut_off)?,
            _ => return Err(malformed("a property that a PUBLISH does not have")),
        };
    }
    middle.topic = resolved.resolve(topic, alias)?;
    Ok(Some(middle))
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
    let (len_len, len) = read_len(properties).ok()??;
    let mut rest = properties.get(len_len..len_len + len)?;
    while let Some((&kind, value)) = rest.split_first() {
        if kind == SERVER_REFERENCE {
            let (len, text) = value.split_first_chunk()?;
            let text = text.get(..usize::from(u16::from_be_bytes(*len)))?;
            return std::str::from_utf8(text).ok().map(Arc::from);
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
