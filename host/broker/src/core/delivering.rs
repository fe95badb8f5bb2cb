//! How messages and packets leave.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Core, Output, Work};
use crate::event::{CloseReason, ConnectionId, Event};
use crate::message::Message;
use crate::outgoing::Letter;
use crate::packet::{self, QoS};
use crate::session::{Match, Subscription};
use crate::time::Time;
use crate::v5::{Packet, Property, Publish};
use crate::{codec, convert, topic, v5};

impl Core {
    /// Takes a message on: from now on its subscribers will get it. Whether
    /// there are any.
    pub(super) fn accept(&mut self, message: Message) -> bool {
        if message.retain {
            // [MQTT-3.3.1-5], [MQTT-3.3.1-10]
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        let mut receivers: Vec<_> = self
            .sessions
            .iter()
            .filter_map(|(client, session)| {
                let own = message.from.as_ref() == Some(client);
                Some((client.clone(), session.subscribed(&message.topic, own)?))
            })
            .collect();
        receivers.append(&mut self.shared_receivers(&message.topic));
        let any = !receivers.is_empty();
        for (client, matching) in receivers {
            // For those who were subscribed before, it is not a retained one
            // ([MQTT-3.3.1-9]), unless they want to know.
            let retain = message.retain && matching.retain_as_published;
            let letter = letter(&message, matching, retain);
            self.deliver(message.time, &client, letter);
        }
        if self.messages.len() >= self.options.messages_kept {
            self.messages.pop_front();
        }
        if self.options.messages_kept > 0 {
            self.messages.push_back(message);
        }
        any
    }

    /// Whose turn it is in each shared subscription that matches (section 4.8.2
    /// of MQTT 5): of those who are connected, if there are any.
    fn shared_receivers(&mut self, name: &str) -> Vec<(Arc<str>, Match)> {
        let mut groups: BTreeMap<&str, Vec<_>> = BTreeMap::new();
        for (client, session) in &self.sessions {
            for (filter, &subscription) in &session.subscriptions {
                if topic::shared(filter).is_some_and(|filter| topic::matches(filter, name)) {
                    let connected = session.connection.is_some();
                    let group = groups.entry(filter).or_default();
                    group.push((client.clone(), subscription, connected));
                }
            }
        }
        let mut receivers = Vec::new();
        for (filter, mut group) in groups {
            if group.iter().any(|&(_, _, connected)| connected) {
                group.retain(|&(_, _, connected)| connected);
            }
            let turn = self.turns.entry(filter.to_owned()).or_default();
            let (client, subscription, _) = group.swap_remove(*turn % group.len());
            *turn = turn.wrapping_add(1);
            receivers.push((client, subscription.as_match()));
        }
        receivers
    }

    /// Sends what is retained for a new subscription ([MQTT-3.3.1-6]).
    pub(super) fn send_retained(
        &mut self,
        now: Time,
        id: ConnectionId,
        filter: &str,
        subscription: Subscription,
    ) {
        let Some((client, _)) = self.session(id) else {
            return;
        };
        self.retained
            .retain(|_, message| message.expires().is_none_or(|expires| expires > now));
        let retained: Vec<_> = self
            .retained
            .values()
            .filter(|message| topic::matches(filter, &message.topic))
            .filter(|message| !(subscription.no_local && message.from.as_ref() == Some(&client)))
            .map(|message| letter(message, subscription.as_match(), true))
            .collect();
        for letter in retained {
            self.deliver(now, &client, letter);
        }
    }

    fn deliver(&mut self, now: Time, client: &str, letter: Letter) {
        let limit = self.options.queue;
        let Some((client, _)) = self.sessions.get_key_value(client) else {
            return;
        };
        let client = client.clone();
        let Some(session) = self.sessions.get_mut(&client) else {
            return;
        };
        if letter.publish.qos == QoS::AtMostOnce {
            // Not kept for those who are away.
            if let Some(id) = session.connection
                && !letter.is_expired(now)
            {
                self.send_publish(now, id, letter.packet(now));
            }
            return;
        }
        let topic = letter.publish.topic.clone();
        if session.outgoing.push(letter, limit).is_err() {
            self.dropped += 1;
            self.events.push_back(Event::Dropped { client, topic });
            return;
        }
        self.send_waiting(now, &client);
    }

    /// Sends what waits for a client, as far as its window allows.
    pub(super) fn send_waiting(&mut self, now: Time, client: &str) {
        while let Some(session) = self.sessions.get_mut(client)
            && let Some(id) = session.connection
            && let Some(connection) = self.connections.get(&id)
            && let window = self.options.window.min(connection.receive_maximum.into())
            && let Some(publish) = session.outgoing.poll_publish(now, window)
        {
            self.send_publish(now, id, publish);
        }
    }

    fn send_publish(&mut self, now: Time, id: ConnectionId, mut publish: Publish) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        if connection.v5 {
            let limit = connection.maximum_packet_size.unwrap_or(usize::MAX);
            let size = if limit == usize::MAX {
                0
            } else {
                let packet = Packet::Publish(publish.clone());
                v5::write(&packet).map_or(usize::MAX, |bytes| bytes.len())
            };
            if size > limit {
                return self.discard(id, &publish);
            }
            // An alias takes 3 bytes, and may lengthen two lengths.
            if size.saturating_add(5) <= limit {
                connection.aliases.apply(&mut publish);
            }
        }
        self.send(now, id, Packet::Publish(publish));
    }

    /// What is too large for a client is done with ([MQTT-3.1.2-25] of MQTT 5).
    fn discard(&mut self, id: ConnectionId, publish: &Publish) {
        let Some((client, session)) = self.session(id) else {
            return;
        };
        if publish.qos != QoS::AtMostOnce {
            session.outgoing.discard(publish.packet_id);
        }
        self.dropped += 1;
        let topic = publish.topic.clone();
        self.events.push_back(Event::TooLarge { client, topic });
    }

    /// Sends an acknowledgement, unless a fault wants it otherwise.
    pub(super) fn acknowledge(&mut self, now: Time, id: ConnectionId, packet: Packet) {
        if !self.connections.contains_key(&id) {
            return;
        }
        if self.faults.withholds(&packet) {
            if let Some(packet) = self.form(id, packet) {
                let peer = self.peer(id);
                self.events.push_back(Event::Withheld { peer, packet });
            }
        } else if let Some(delay) = self.faults.ack_delay {
            self.schedule(now + delay, id, Work::Acknowledge(packet));
        } else {
            self.send_acknowledgement(now, id, packet);
        }
    }

    pub(super) fn send_acknowledgement(&mut self, now: Time, id: ConnectionId, packet: Packet) {
        let finished = match &packet {
            Packet::PubAck(ack) | Packet::PubComp(ack) => Some(ack.packet_id),
            // There will be no PUBREL.
            Packet::PubRec(ack) if ack.reason.is_error() && self.is_v5(id) => Some(ack.packet_id),
            Packet::SubAck(suback) => Some(suback.packet_id),
            // PUBREL is to come.
            _ => None,
        };
        let again = self.faults.duplicate_acks.then(|| packet.clone());
        if !self.send(now, id, packet) {
            return;
        }
        if let Some(packet_id) = finished
            && let Some((_, session)) = self.session(id)
        {
            session.incoming.handle_finished(packet_id);
        }
        if let Some(packet) = again {
            self.send(now, id, packet);
        }
    }

    /// Sends a packet; whether it went out as a whole.
    pub(super) fn send(&mut self, now: Time, id: ConnectionId, packet: Packet) -> bool {
        let Some(connection) = self.connections.get(&id) else {
            return false;
        };
        let muted = connection.muted;
        let limit = connection.maximum_packet_size.unwrap_or(usize::MAX);
        let Some(packet) = self.form(id, packet) else {
            return false;
        };
        let peer = self.peer(id);
        if muted {
            self.events.push_back(Event::Withheld { peer, packet });
            return false;
        }
        // Everything that is sent was received, or checked when it was
        // injected: it has a form that can be written.
        let Some(mut bytes) = codec::write(&packet) else {
            return false;
        };
        // [MQTT-3.1.2-24] of MQTT 5: for what is no message, too.
        if bytes.len() > limit {
            self.events.push_back(Event::Withheld { peer, packet });
            return false;
        }
        if self.faults.drop_in_middle() {
            bytes.truncate(bytes.len() / 2);
            self.outputs.push_back(Output::Send(id, bytes));
            self.events.push_back(Event::Cut { peer, packet });
            self.close(now, id, CloseReason::Fault);
            return false;
        }
        self.outputs.push_back(Output::Send(id, bytes));
        self.events.push_back(Event::Sent { peer, packet });
        true
    }
    /// A packet in the version that a connection speaks, if there is one.
    fn form(&self, id: ConnectionId, packet: Packet) -> Option<packet::Packet> {
        if self.is_v5(id) {
            Some(packet::Packet::V5(Box::new(packet)))
        } else {
            convert::into_v3(packet)
        }
    }
}

/// A message as a client gets it: with the lower one of the QoS that it was
/// published with and that it is subscribed to with (section 3.8.4).
fn letter(message: &Message, matching: Match, retain: bool) -> Letter {
    let mut properties = message.properties.clone();
    for id in matching.ids {
        properties.push(Property::SubscriptionId(id));
    }
    Letter {
        publish: Publish {
            dup: false,
            qos: matching.qos.min(message.qos),
            retain,
            topic: message.topic.clone(),
            packet_id: 0,
            payload: message.payload.clone(),
            properties,
        },
        expires: message.expires(),
    }
}
