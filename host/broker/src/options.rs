//! What can be chosen when a broker is made.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};

use super::certificates::Certificates;
use super::packet::QoS;
use super::topic;

/// How a [`Broker`](super::Broker) listens.
#[derive(Debug, Clone)]
pub struct Options {
    /// Where to listen. The default is a port of the system's choice on
    /// 127.0.0.1.
    pub address: SocketAddr,
    /// How many events are kept for those who look later; the oldest go
    /// first. The default is 100,000.
    pub events_kept: usize,
    /// How the broker behaves.
    pub core: CoreOptions,
    /// With it, who begins with TLS is answered with TLS, on the same port; the
    /// others as without it, unless certificates are
    /// [demanded](TlsOptions::demands_client). The default is `None`.
    pub tls: Option<TlsOptions>,
}

/// How a broker speaks TLS.
#[derive(Debug, Clone)]
pub struct TlsOptions {
    /// What it shows.
    pub certificates: Certificates,
    /// Whether a client has to show a certificate of the same authority, e.g.
    /// [`Certificates::client`]. Then who begins without TLS is let go as well.
    pub demands_client: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            events_kept: 100_000,
            core: CoreOptions::default(),
            tls: None,
        }
    }
}

/// How a [`Core`](super::Core) behaves. The defaults are mosquitto's, where it
/// has any.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    /// The largest remaining length accepted of a packet, in bytes; in MQTT 5,
    /// where clients are told of it, the largest length of a packet. The
    /// default is 1 MiB.
    pub max_packet_size: usize,
    /// How many QoS 1 and 2 messages a session has under way to its client at
    /// once; at least 1. The default is 20.
    pub window: usize,
    /// How many more QoS 1 and 2 messages wait in a session; at least 1. What
    /// does not fit is dropped, with an event. The default is 1,000.
    pub queue: usize,
    /// How many QoS 2 exchanges a client may have open towards the broker: one
    /// more is a [violation](super::Violation::TooManyExchanges), as it is to
    /// mosquitto. The default is 20. In MQTT 5 it is `receive_maximum`.
    pub open_exchanges: usize,
    /// When an incoming QoS 2 message goes to its subscribers.
    pub deliver_qos2: DeliverQos2,
    /// How many accepted messages are kept for
    /// [`messages`](super::Core::messages); the oldest go first. The default
    /// is 100,000.
    pub messages_kept: usize,
    /// The password of each user name. Who has no such login is refused; if it
    /// is empty, which is the default, everybody is let in.
    pub users: BTreeMap<String, String>,
    /// What users may do, by user name; who is not named may do everything, which
    /// is the default.
    pub permissions: BTreeMap<String, Permissions>,
    /// How many QoS 1 and 2 exchanges a client of MQTT 5 may have open towards
    /// the broker; at least 1. One more is a
    /// [violation](super::Violation::ReceiveMaximumExceeded). The default is 20.
    pub receive_maximum: u16,
    /// How many topic aliases a client of MQTT 5 may use. The default is 10.
    pub topic_alias_maximum: u16,
    /// For how long a session of MQTT 5 is kept at most without a connection,
    /// in seconds. The default is `u32::MAX`, for ever.
    pub session_expiry_maximum: u32,
    /// The keep-alive that clients of MQTT 5 have to use, in seconds, instead
    /// of their own. The default is `None`.
    pub server_keep_alive: Option<u16>,
    /// The highest QoS that clients of MQTT 5 may publish with, and that their
    /// subscriptions are granted. The default is 2.
    pub maximum_qos: QoS,
    /// Whether clients of MQTT 5 may publish retained messages. The default is
    /// true.
    pub retain_available: bool,
    /// Whether their subscriptions may have wildcards. The default is true.
    pub wildcard_available: bool,
    /// Whether their subscriptions may be shared. The default is true.
    pub shared_available: bool,
    /// Whether their subscriptions may have identifiers. The default is true.
    pub subscription_ids_available: bool,
}

impl Default for CoreOptions {
    fn default() -> Self {
        Self {
            max_packet_size: 1024 * 1024,
            window: 20,
            queue: 1_000,
            open_exchanges: 20,
            deliver_qos2: DeliverQos2::AtPubrel,
            messages_kept: 100_000,
            users: BTreeMap::new(),
            permissions: BTreeMap::new(),
            receive_maximum: 20,
            topic_alias_maximum: 10,
            session_expiry_maximum: u32::MAX,
            server_keep_alive: None,
            maximum_qos: QoS::ExactlyOnce,
            retain_available: true,
            wildcard_available: true,
            shared_available: true,
            subscription_ids_available: true,
        }
    }
}

/// What a user may do: for each direction the topic filters that are allowed, or
/// `None` for everything.
///
/// A last will that its user may not publish is refused with its CONNECT. A
/// subscription needs an allowed filter that matches whatever it matches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Permissions {
    /// To which topics it may publish.
    pub publish: Option<Vec<String>>,
    /// To which topics it may subscribe, shared with others or not.
    pub subscribe: Option<Vec<String>>,
}

impl Permissions {
    /// Those of who is not named.
    pub(super) const EVERYTHING: &Self = &Self {
        publish: None,
        subscribe: None,
    };

    pub(super) fn may_publish(&self, name: &str) -> bool {
        let allowed = self.publish.as_ref();
        allowed.is_none_or(|filters| filters.iter().any(|filter| topic::matches(filter, name)))
    }

    pub(super) fn may_subscribe(&self, wanted: &str) -> bool {
        let wanted = topic::shared(wanted).unwrap_or(wanted);
        let allowed = self.subscribe.as_ref();
        allowed.is_none_or(|filters| filters.iter().any(|filter| topic::covers(filter, wanted)))
    }
}

/// When an incoming QoS 2 message goes to its subscribers: the specification
/// allows both (section 4.3.3, methods A and B).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DeliverQos2 {
    /// With its PUBREL, as mosquitto does.
    AtPubrel,
    /// With its PUBLISH.
    AtPublish,
}
