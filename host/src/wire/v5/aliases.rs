//! Topic aliases: numbers that stand for topics, each way for itself and for one
//! connection (section 3.3.2.3.4, [MQTT-3.3.2-7]).

use std::num::NonZeroU16;
use std::sync::Arc;

use super::LETTER_PROPERTIES;
use crate::office::{Publish, properties_size, publish_size_with};
use crate::wire::frame::{DecodeError, check_there};

/// How many the broker may use.
pub(super) const MOST_INCOMING: u16 = 16;

/// How many the gateway uses, where the broker takes so many: guests publish to a
/// few topics again and again.
const MOST_OUTGOING: usize = 32;

/// How many bytes the property has.
pub(super) const PROPERTY: usize = 3;

/// A shorter topic is not worth it.
const SHORTEST: usize = 2 * PROPERTY;

/// What the topic aliases of the broker stand for.
#[derive(Debug, Default)]
pub(super) struct Resolved(Vec<Option<Arc<str>>>);

impl Resolved {
    /// Returns the topic of a message, if it is another than the one that was read
    /// in it.
    pub(super) fn resolve(
        &mut self,
        topic: &str,
        alias: Option<u16>,
    ) -> Result<Option<Arc<str>>, DecodeError> {
        let Some(alias) = alias else {
            check_there(topic)?;
            return Ok(None);
        };
        if alias == 0 {
            let rule = "a topic alias is not 0 [MQTT-3.3.2-8]";
            return Err(DecodeError::TopicAlias(rule));
        }
        if alias > MOST_INCOMING {
            let rule = "a topic alias is in the client's range [MQTT-3.3.2-11]";
            return Err(DecodeError::TopicAlias(rule));
        }
        let place = usize::from(alias - 1);
        if topic.is_empty() {
            let known = self.0.get(place).cloned().flatten();
            let rule = "a topic alias stands for something (section 3.3.2.3.4)";
            return known.map(Some).ok_or(DecodeError::Violation(rule));
        }
        if self.0.len() <= place {
            self.0.resize(place + 1, None);
        }
        let new = &mut self.0[place];
        if new.as_deref() != Some(topic) {
            *new = Some(topic.into());
        }
        Ok(new.clone())
    }
}

/// How a letter names its topic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) enum Topic {
    /// As a text.
    Plain,
    /// As a text, which from then on this alias stands for.
    With(NonZeroU16),
    /// By an alias alone.
    In(NonZeroU16),
}

/// What tells that a packet has given an alias its meaning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::wire) struct Binding {
    alias: NonZeroU16,
    /// Which of the meanings that this alias has had.
    meaning: u64,
}

#[derive(Debug)]
struct Alias {
    topic: Arc<str>,
    meaning: u64,
    /// Whether the broker has the packet that says so, or will have it before any
    /// other: a packet that was begun is never taken back.
    is_known: bool,
    /// When it was last used, in letters.
    used: u64,
}

/// The topic aliases of the gateway.
///
/// A packet that gives an alias its meaning can be recalled as long as it is not
/// begun. So each letter carries its topic beside the alias until one of them was.
#[derive(Debug, Default)]
pub(in crate::wire) struct Aliases {
    most: usize,
    /// The largest packet that the broker takes.
    max_packet_size: usize,
    /// The first is alias 1.
    aliases: Vec<Alias>,
    /// Topics that came once of late, the latest at the end: one that does not come
    /// again would take an alias from others.
    once: Vec<Arc<str>>,
    letters: u64,
}

impl Aliases {
    /// The broker takes so many.
    pub(in crate::wire) fn new(maximum: u16, max_packet_size: usize) -> Self {
        Self {
            most: MOST_OUTGOING.min(maximum.into()),
            max_packet_size,
            ..Self::default()
        }
    }

    /// How the next letter is to name its topic, and what to
    /// [say](Self::handle_begun) when its packet was begun.
    pub(in crate::wire) fn next(&mut self, publish: &Publish) -> (Topic, Option<Binding>) {
        let topic = &publish.topic;
        if self.most == 0 || topic.len() < SHORTEST {
            return (Topic::Plain, None);
        }
        self.letters += 1;
        if let Some(place) = self.aliases.iter().position(|it| it.topic == *topic) {
            let alias = &mut self.aliases[place];
            alias.used = self.letters;
            if alias.is_known {
                return (Topic::In(number(place)), None);
            }
            return self.with(place, publish);
        }
        let Some(seen) = self.once.iter().position(|it| it == topic) else {
            if self.once.len() >= self.most {
                self.once.remove(0);
            }
            self.once.push(topic.clone());
            return (Topic::Plain, None);
        };
        self.once.remove(seen);
        let new = Alias {
            topic: topic.clone(),
            meaning: self.letters,
            is_known: false,
            used: self.letters,
        };
        let place = if self.aliases.len() < self.most {
            self.aliases.push(new);
            self.aliases.len() - 1
        } else {
            let oldest = (0..self.aliases.len()).min_by_key(|place| self.aliases[*place].used);
            let place = oldest.unwrap_or(0);
            self.aliases[place] = new;
            place
        };
        self.with(place, publish)
    }

    fn with(&self, place: usize, publish: &Publish) -> (Topic, Option<Binding>) {
        let own = publish.properties.as_ref().map_or(0, |own| own.size());
        let properties = properties_size(LETTER_PROPERTIES + PROPERTY, own);
        let (payload, qos) = (publish.payload.len(), publish.delivery.qos());
        let size = publish_size_with(&publish.topic, payload, qos, properties);
        if size > self.max_packet_size {
            return (Topic::Plain, None);
        }
        let alias = number(place);
        let meaning = self.aliases[place].meaning;
        (Topic::With(alias), Some(Binding { alias, meaning }))
    }

    /// A packet that gives an alias its meaning was begun.
    pub(in crate::wire) fn handle_begun(&mut self, binding: Binding) {
        let place = usize::from(binding.alias.get() - 1);
        if let Some(alias) = self.aliases.get_mut(place)
            && alias.meaning == binding.meaning
        {
            alias.is_known = true;
        }
    }
}

fn number(place: usize) -> NonZeroU16 {
    let place = u16::try_from(place).unwrap_or(u16::MAX - 1);
    NonZeroU16::MIN.saturating_add(place)
}

#[cfg(test)]
mod tests;
