//! What the broker knows of a client, connected or not (section 3.1.2.4).

use std::collections::BTreeMap;
use std::time::Duration;

use super::event::ConnectionId;
use super::incoming::Incoming;
use super::outgoing::Outgoing;
use super::packet::QoS;
use super::time::Time;
use super::topic;
use super::v5::LastWill;

/// The session of one client id.
#[derive(Debug)]
pub(super) struct Session {
    /// The connection it is used by.
    pub(super) connection: Option<ConnectionId>,
    /// For how long it outlives its connection, in seconds; `u32::MAX` for
    /// ever.
    pub(super) expiry: u32,
    /// When it ends, if it has no connection until then.
    pub(super) ends: Option<Time>,
    /// What is to be published if there is no connection until then.
    pub(super) will: Option<(Time, LastWill)>,
    /// By topic filter, which begins with `$share/` for a shared one.
    pub(super) subscriptions: BTreeMap<String, Subscription>,
    pub(super) incoming: Incoming,
    pub(super) outgoing: Outgoing,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Subscription {
    pub(super) qos: QoS,
    pub(super) no_local: bool,
    pub(super) retain_as_published: bool,
    pub(super) id: Option<u32>,
}

/// How a client gets a message.
#[derive(Debug)]
pub(super) struct Match {
    pub(super) qos: QoS,
    pub(super) retain_as_published: bool,
    /// The identifiers of the subscriptions that match.
    pub(super) ids: Vec<u32>,
}

impl Session {
    pub(super) fn new(expiry: u32) -> Self {
        Self {
            connection: None,
            expiry,
            ends: None,
            will: None,
            subscriptions: BTreeMap::new(),
            incoming: Incoming::default(),
            outgoing: Outgoing::default(),
        }
    }

    /// How a topic is subscribed to by all filters together that match and are
    /// not shared: with the highest QoS ([MQTT-3.3.5-1], [MQTT-3.3.4-2] of
    /// MQTT 5). `own` for a message of the client itself.
    pub(super) fn subscribed(&self, name: &str, own: bool) -> Option<Match> {
        let matching = self.subscriptions.iter().filter(|(filter, subscription)| {
            topic::shared(filter).is_none()
                && !(own && subscription.no_local)
                && topic::matches(filter, name)
        });
        matching.fold(None, |found: Option<Match>, (_, subscription)| {
            let mut next = subscription.as_match();
            if let Some(mut found) = found {
                next.qos = next.qos.max(found.qos);
                next.retain_as_published |= found.retain_as_published;
                found.ids.append(&mut next.ids);
                next.ids = found.ids;
            }
            Some(next)
        })
    }

    /// The connection is closed.
    pub(super) fn handle_closed(&mut self, now: Time) {
        self.connection = None;
        self.incoming.handle_closed();
        if self.expiry != u32::MAX {
            self.ends = Some(now + Duration::from_secs(self.expiry.into()));
        }
    }

    /// When something is due.
    pub(super) fn deadline(&self) -> Option<Time> {
        let will = self.will.as_ref().map(|&(time, _)| time);
        self.ends.into_iter().chain(will).min()
    }

    /// Loses everything, now and for the next connection.
    pub(super) fn forget(&mut self) {
        self.expiry = 0;
        self.subscriptions.clear();
        self.incoming = Incoming::default();
        self.outgoing.forget();
    }
}

impl Subscription {
    pub(super) fn as_match(self) -> Match {
        Match {
            qos: self.qos,
            retain_as_published: self.retain_as_published,
            ids: self.id.into_iter().collect(),
        }
    }
}
