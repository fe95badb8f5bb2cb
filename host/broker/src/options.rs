//! What can be chosen when a broker is made.

use std::net::{Ipv4Addr, SocketAddr};

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
}

impl Default for Options {
    fn default() -> Self {
        Self {
            address: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
            events_kept: 100_000,
            core: CoreOptions::default(),
        }
    }
}

/// How a [`Core`](super::Core) behaves. The defaults are mosquitto's, where it
/// has any.
#[derive(Debug, Clone)]
pub struct CoreOptions {
    /// The largest remaining length accepted of a packet, in bytes. The
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
    /// mosquitto. The default is 20.
    pub open_exchanges: usize,
    /// When an incoming QoS 2 message goes to its subscribers.
    pub deliver_qos2: DeliverQos2,
    /// How many accepted messages are kept for
    /// [`messages`](super::Core::messages); the oldest go first. The default
    /// is 100,000.
    pub messages_kept: usize,
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
        }
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
