//! What a letter has to be to be accepted, whoever publishes it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::topic::{self, TopicError};
use super::{
    MAX_REPLACE_KEY, MAX_TAG, Qos, Room, Rule, max_payload, properties_size, publish_size_with,
};

/// Why a letter is not accepted. Nothing of it is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotAccepted {
    /// Its topic is not valid.
    Topic(TopicError),
    /// The configuration or the broker allows no more than this quality of service.
    Qos(Qos),
    /// Its ttl is 0.
    Ttl,
    /// Its tag has more than [`MAX_TAG`] bytes.
    Tag,
    /// Its replace key has more than [`MAX_REPLACE_KEY`] bytes.
    ReplaceKey,
    /// A payload may have so many bytes under this topic.
    TooLarge(usize),
    /// It takes so many bytes by itself, and the work list of its sender holds no more
    /// than these.
    LargerThanWorkList(usize, usize),
    /// Its sender may not publish it.
    NotPermitted(Rule),
    /// The work list of its sender is full, or too many outcomes are owed to it.
    Full,
    /// What keeps the work list has failed: this is how.
    NotKept(Arc<str>),
    /// The gateway stops.
    Stopping,
}

impl fmt::Display for NotAccepted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => write!(f, "the topic {error}"),
            Self::Qos(max) => write!(f, "no more than QoS {max} is allowed"),
            Self::Ttl => f.write_str("the ttl is 0"),
            Self::Tag => write!(f, "the tag is longer than {MAX_TAG} bytes"),
            Self::ReplaceKey => {
                write!(f, "the replace key is longer than {MAX_REPLACE_KEY} bytes")
            }
            Self::TooLarge(max) => write!(
                f,
                "the payload is too large: under this topic it may have {max} bytes"
            ),
            Self::LargerThanWorkList(size, max) => write!(
                f,
                "`work-list.max-bytes` allows no more than {max} bytes, and this letter takes {size}"
            ),
            Self::NotPermitted(rule) => rule.fmt(f),
            Self::Full => f.write_str("the work list is full"),
            Self::NotKept(why) => write!(f, "the work list cannot be kept: {why}"),
            Self::Stopping => f.write_str("the gateway stops"),
        }
    }
}

impl Room {
    /// Checks what can be told before anything of a letter is copied, when the call
    /// has so many accepted already.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check(
        &self,
        accepted: usize,
        topic: &str,
        qos: Qos,
        retain: bool,
        ttl: Duration,
    ) -> Result<(), NotAccepted> {
        if self.not_kept.is_none() {
            topic::check_name(topic).map_err(NotAccepted::Topic)?;
        }
        self.check_valid(accepted, topic, qos, retain, ttl)
    }

    /// The same with a topic that is known to be valid.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn check_valid(
        &self,
        accepted: usize,
        topic: &str,
        qos: Qos,
        retain: bool,
        ttl: Duration,
    ) -> Result<(), NotAccepted> {
        if let Some(why) = &self.not_kept {
            return Err(NotAccepted::NotKept(why.clone()));
        }
        if qos > self.max_qos {
            return Err(NotAccepted::Qos(self.max_qos));
        }
        if ttl.is_zero() {
            return Err(NotAccepted::Ttl);
        }
        if let Some(permissions) = &self.permissions {
            permissions
                .check(topic, qos, retain, ttl)
                .map_err(NotAccepted::NotPermitted)?;
            if let Some(rate) = permissions.rate
                && accepted >= self.permitted
            {
                return Err(NotAccepted::NotPermitted(Rule::Rate(rate)));
            }
        }
        Ok(())
    }

    /// Checks whether there is room for a letter of this [size](super::Letter::size), when
    /// the call has so many accepted already, and so many letters of so many bytes, with
    /// this one, are to find a place of their own.
    ///
    /// # Errors
    /// It is too large, or there is none.
    pub fn check_room(
        &self,
        accepted: usize,
        size: usize,
        (letters, bytes): (usize, usize),
    ) -> Result<(), NotAccepted> {
        if size > self.keep_bytes {
            return Err(NotAccepted::LargerThanWorkList(size, self.keep_bytes));
        }
        if accepted >= self.accept || letters > self.free || bytes > self.free_bytes {
            return Err(NotAccepted::Full);
        }
        Ok(())
    }
}

/// Checks a tag.
///
/// # Errors
/// It is too long.
pub fn check_tag(tag: &str) -> Result<(), NotAccepted> {
    match tag.len() {
        0..=MAX_TAG => Ok(()),
        _ => Err(NotAccepted::Tag),
    }
}

/// Checks a replace key.
///
/// # Errors
/// It is too long.
pub fn check_replace_key(key: &str) -> Result<(), NotAccepted> {
    match key.len() {
        0..=MAX_REPLACE_KEY => Ok(()),
        _ => Err(NotAccepted::ReplaceKey),
    }
}

/// Checks whether a payload of so many bytes fits into the largest packet that may be
/// sent, beside so many bytes of properties.
///
/// # Errors
/// It is too large.
pub fn check_size(
    max_packet_size: usize,
    topic: &str,
    qos: Qos,
    properties: usize,
    payload: usize,
) -> Result<(), NotAccepted> {
    let properties = properties_size(0, properties);
    if publish_size_with(topic, payload, qos, properties) <= max_packet_size {
        return Ok(());
    }
    let max = max_payload(max_packet_size, topic, qos, properties);
    Err(NotAccepted::TooLarge(max.unwrap_or(0)))
}
