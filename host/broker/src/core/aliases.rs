//! Topic aliases of one connection (section 3.3.2.3.4 of MQTT 5).

use std::collections::BTreeMap;

use crate::v5::{Property, Publish};
use crate::violation::Violation;

/// The numbers that stand for topics, each way for itself.
#[derive(Debug, Default)]
pub(super) struct Aliases {
    /// Chosen by the client.
    incoming: BTreeMap<u16, String>,
    /// Chosen by the broker.
    outgoing: BTreeMap<String, u16>,
    /// How many the client takes.
    pub(super) outgoing_maximum: u16,
}

impl Aliases {
    /// Puts the topic into a PUBLISH that has arrived. `maximum` is the highest
    /// alias that the client was allowed.
    pub(super) fn resolve(&mut self, publish: &mut Publish, maximum: u16) -> Result<(), Violation> {
        let Some(alias) = publish.properties.topic_alias() else {
            return Ok(());
        };
        if alias > maximum {
            return Err(Violation::TopicAliasTooHigh);
        }
        if publish.topic.is_empty() {
            let topic = self.incoming.get(&alias);
            publish.topic = topic.ok_or(Violation::TopicAliasUnknown)?.clone();
        } else {
            self.incoming.insert(alias, publish.topic.clone());
        }
        Ok(())
    }

    /// Puts an alias into a PUBLISH that is to be sent: beside its topic for the
    /// first time, and then instead of it. Topics that come when all aliases
    /// are given away have none.
    pub(super) fn apply(&mut self, publish: &mut Publish) {
        if let Some(&alias) = self.outgoing.get(&publish.topic) {
            publish.topic.clear();
            publish.properties.push(Property::TopicAlias(alias));
        } else if self.outgoing.len() < self.outgoing_maximum.into() {
            let alias = u16::try_from(self.outgoing.len() + 1).unwrap_or(u16::MAX);
            self.outgoing.insert(publish.topic.clone(), alias);
            publish.properties.push(Property::TopicAlias(alias));
        }
    }
}
