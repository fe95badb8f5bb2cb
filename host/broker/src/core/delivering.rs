//! How messages and packets leave.

use super::{Core, Output, Work};
use crate::codec;
use crate::event::{CloseReason, ConnectionId, Event};
use crate::message::Message;
use crate::packet::{Packet, Publish, QoS};
use crate::time::Time;
use crate::topic;

impl Core {
    /// Takes a message on: from now on its subscribers will get it.
    pub(super) fn accept(&mut self, message: Message) {
        if message.retain {
            // [MQTT-3.3.1-5], [MQTT-3.3.1-10]
            if message.payload.is_empty() {
                self.retained.remove(&message.topic);
            } else {
                self.retained.insert(message.topic.clone(), message.clone());
            }
        }
        let receivers: Vec<_> = self
            .sessions
            .iter()
            .filter_map(|(client, session)| {
                Some((client.clone(), session.subscribed(&message.topic)?))
            })
            .collect();
        for (client, subscribed) in receivers {
            // For those who were subscribed before, it is not a retained one
            // ([MQTT-3.3.1-9]).
            let publish = publish(&message, subscribed, false);
            self.deliver(message.time, &client, publish);
        }
        if self.messages.len() >= self.options.messages_kept {
            self.messages.pop_front();
        }
        if self.options.messages_kept > 0 {
            self.messages.push_back(message);
        }
    }

    /// Sends what is retained for a new subscription ([MQTT-3.3.1-6]).
    pub(super) fn send_retained(&mut self, now: Time, id: ConnectionId, filter: &str, qos: QoS) {
        let retained: Vec<_> = self
            .retained
            .values()
            .filter(|message| topic::matches(filter, &message.topic))
            .map(|message| publish(message, qos, true))
            .collect();
        if let Some((client, _)) = self.session(id) {
            for publish in retained {
                self.deliver(now, &client, publish);
            }
        }
    }

    fn deliver(&mut self, now: Time, client: &str, publish: Publish) {
        let limit = self.options.queue;
        let Some((client, _)) = self.sessions.get_key_value(client) else {
            return;
        };
        let client = client.clone();
        let Some(session) = self.sessions.get_mut(&client) else {
            return;
        };
        if publish.qos == QoS::AtMostOnce {
            // Not kept for those who are away.
            if let Some(id) = session.connection {
                self.send(now, id, Packet::Publish(publish));
            }
            return;
        }
        let topic = publish.topic.clone();
        if session.outgoing.push(publish, limit).is_err() {
            self.dropped += 1;
            self.events.push_back(Event::Dropped { client, topic });
            return;
        }
        self.send_waiting(now, &client);
    }

    /// Sends what waits for a client, as far as its window allows.
    pub(super) fn send_waiting(&mut self, now: Time, client: &str) {
        let window = self.options.window;
        while let Some(session) = self.sessions.get_mut(client)
            && let Some(id) = session.connection
            && let Some(publish) = session.outgoing.poll_publish(window)
        {
            self.send(now, id, Packet::Publish(publish));
        }
    }

    /// Sends an acknowledgement, unless a fault wants it otherwise.
    pub(super) fn acknowledge(&mut self, now: Time, id: ConnectionId, packet: Packet) {
        if !self.connections.contains_key(&id) {
            return;
        }
        if self.faults.withholds(&packet) {
            let peer = self.peer(id);
            self.events.push_back(Event::Withheld { peer, packet });
        } else if let Some(delay) = self.faults.ack_delay {
            self.schedule(now + delay, id, Work::Acknowledge(packet));
        } else {
            self.send_acknowledgement(now, id, packet);
        }
    }

    pub(super) fn send_acknowledgement(&mut self, now: Time, id: ConnectionId, packet: Packet) {
        let finished = match &packet {
            Packet::PubAck(id) | Packet::PubComp(id) => Some(*id),
            Packet::SubAck { packet_id, .. } => Some(*packet_id),
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
}

/// A message as a client gets it that is subscribed with a QoS: with the lower
/// one of the two (section 3.8.4).
fn publish(message: &Message, subscribed: QoS, retain: bool) -> Publish {
    Publish {
        dup: false,
        qos: subscribed.min(message.qos),
        retain,
        topic: message.topic.clone(),
        packet_id: 0,
        payload: message.payload.clone(),
    }
}
