//! What a message may carry beside topic and payload.

use std::fmt;
use std::sync::Arc;

use super::{Payload, topic};

/// What a message may carry beside topic and payload, if the broker carries it. Each
/// text has at most 65,535 bytes and no null character. Prints as its size: it may
/// hold secrets as a payload does.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Properties {
    /// What the payload is.
    pub content_type: Option<Arc<str>>,
    /// A valid topic name, to which an answer is to be published.
    pub response_topic: Option<Arc<str>>,
    /// What tells which answer belongs to which request; at most 65,535 bytes.
    pub correlation_data: Option<Payload>,
    /// Names and values, in their order.
    pub user: Vec<(Arc<str>, Arc<str>)>,
}

/// What a property takes beside its text or bytes: its name and their length.
const HEAD: usize = 3;

const TOO_LONG: &str = "is longer than 65,535 bytes";

/// What a user property takes beside name and value.
const USER_HEAD: usize = 5;

impl Properties {
    /// How many bytes a text, or the correlation data, may have.
    pub const LONGEST: usize = u16::MAX as usize;

    /// Whether there is nothing in it.
    pub fn is_empty(&self) -> bool {
        self.size() == 0
    }

    /// How many bytes they take in a packet, without the length of them all.
    pub fn size(&self) -> usize {
        let texts = [&self.content_type, &self.response_topic];
        let texts = texts.into_iter().flatten().map(|text| HEAD + text.len());
        let data = self.correlation_data.iter().map(|data| HEAD + data.len());
        let user = self
            .user
            .iter()
            .map(|(name, value)| Self::user_size(name, value));
        texts.chain(data).chain(user).sum()
    }

    /// What is wrong with them, if anything.
    pub fn check(&self) -> Result<(), String> {
        if let Some(topic) = &self.response_topic {
            topic::check_name(topic).map_err(|error| format!("response topic {error}"))?;
        }
        if let Some(text) = &self.content_type {
            Self::check_text(text).map_err(|error| format!("content type {error}"))?;
        }
        if self
            .correlation_data
            .as_ref()
            .is_some_and(|it| it.len() > Self::LONGEST)
        {
            return Err(format!("correlation data {TOO_LONG}"));
        }
        for text in self.user.iter().flat_map(|(name, value)| [name, value]) {
            Self::check_text(text).map_err(|error| format!("user property {error}"))?;
        }
        Ok(())
    }

    /// What is wrong with the text of a property, if anything.
    pub fn check_text(text: &str) -> Result<(), &'static str> {
        if text.len() > Self::LONGEST {
            return Err(TOO_LONG);
        }
        if text.bytes().any(|byte| byte == 0) {
            return Err("holds a null character");
        }
        Ok(())
    }

    /// How many bytes a user property takes in a packet.
    pub const fn user_size(name: &str, value: &str) -> usize {
        USER_HEAD + name.len() + value.len()
    }
}

impl fmt::Debug for Properties {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes of properties", self.size())
    }
}
