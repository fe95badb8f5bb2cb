//! Packets of the broker's log, of either version.

use jackalope::broker::v5::{self, Property};
use jackalope::broker::{Packet, QoS};

/// What matters of a packet.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    Publish(Publish<'a>),
    PubAck(u16),
    PubComp(u16),
    Subscribe(Vec<&'a str>, Option<u32>),
    ConnAck,
    Other,
}

#[derive(Debug)]
pub(crate) struct Publish<'a> {
    pub(crate) packet_id: u16,
    pub(crate) qos: QoS,
    pub(crate) dup: bool,
    /// Empty if an alias stands for it.
    pub(crate) topic: &'a str,
    pub(crate) payload: &'a [u8],
    pub(crate) alias: Option<u16>,
    /// The subscriptions that it came for.
    pub(crate) came_for: Vec<u32>,
    /// For how many seconds it may be delivered.
    pub(crate) expiry: Option<u32>,
}

pub(crate) fn look(packet: &Packet) -> Seen<'_> {
    match packet {
        Packet::V5(packet) => look_v5(packet),
        Packet::Publish(publish) => Seen::Publish(Publish {
            packet_id: publish.packet_id,
            qos: publish.qos,
            dup: publish.dup,
            topic: &publish.topic,
            payload: &publish.payload,
            alias: None,
            came_for: Vec::new(),
            expiry: None,
        }),
        Packet::PubAck(id) => Seen::PubAck(*id),
        Packet::PubComp(id) => Seen::PubComp(*id),
        Packet::Subscribe { filters, .. } => {
            let filters = filters.iter().map(|(filter, _)| filter.as_str());
            Seen::Subscribe(filters.collect(), None)
        }
        Packet::ConnAck { .. } => Seen::ConnAck,
        _ => Seen::Other,
    }
}

fn look_v5(packet: &v5::Packet) -> Seen<'_> {
    match packet {
        v5::Packet::Publish(publish) => {
            let properties = publish.properties.0.iter();
            Seen::Publish(Publish {
                packet_id: publish.packet_id,
                qos: publish.qos,
                dup: publish.dup,
                topic: &publish.topic,
                payload: &publish.payload,
                alias: properties.clone().find_map(|property| match property {
                    Property::TopicAlias(alias) => Some(*alias),
                    _ => None,
                }),
                came_for: properties.clone().filter_map(subscription_id).collect(),
                expiry: properties.clone().find_map(|property| match property {
                    Property::MessageExpiry(secs) => Some(*secs),
                    _ => None,
                }),
            })
        }
        v5::Packet::PubAck(ack) => Seen::PubAck(ack.packet_id),
        v5::Packet::PubComp(ack) => Seen::PubComp(ack.packet_id),
        v5::Packet::Subscribe(subscribe) => {
            let filters = subscribe
                .filters
                .iter()
                .map(|wanted| wanted.filter.as_str());
            let id = subscribe.properties.0.iter().find_map(subscription_id);
            Seen::Subscribe(filters.collect(), id)
        }
        v5::Packet::ConnAck(_) => Seen::ConnAck,
        _ => Seen::Other,
    }
}

fn subscription_id(property: &Property) -> Option<u32> {
    match property {
        Property::SubscriptionId(id) => Some(*id),
        _ => None,
    }
}
