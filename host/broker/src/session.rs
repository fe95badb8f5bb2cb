//! What the broker knows of a client, connected or not (section 3.1.2.4).

use std::collections::BTreeMap;

use super::event::ConnectionId;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::packet::QoS;
use super::topic;

/// The session of one client id.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection it is used by.
    pub(super) connection: Option<ConnectionId>,
    /// Whether it ends with its connection.
    pub(super) ephemeral: bool,
    pub(super) subscriptions: BTreeMap<String, QoS>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

impl Session {
    pub(super) fn new(ephemeral: bool) -> Self {
        Self {
            connection: None,
            ephemeral,
            subscriptions: BTreeMap::new(),
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// The QoS that a topic is subscribed with: the highest of all filters that
    /// match ([MQTT-3.3.5-1]).
    pub(super) fn subscribed(&self, name: &str) -> Option<QoS> {
        self.subscriptions
            .iter()
            .filter(|(filter, _)| topic::matches(filter, name))
            .map(|(_, &qos)| qos)
            .max()
    }

    /// Loses everything, now and for the next connection.
    pub(super) fn forget(&mut self) {
        self.ephemeral = true;
        self.subscriptions.clear();
        self.incoming = Incoming::default();
        self.outgoing.forget();
    }
}
