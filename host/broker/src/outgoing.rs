//! What a session has under way to its client: a window and a queue.

use std::collections::VecDeque;

use super::packet::{Packet, Publish, QoS};
use super::violation::Violation;

/// The QoS 1 and 2 messages of a session that its client has not acknowledged,
/// sent or waiting.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// PUBLISH sent, in that order.
    published: VecDeque<Publish>,
    /// PUBREC received, in that order; waiting for PUBCOMP.
    released: VecDeque<u16>,
    waiting: VecDeque<Publish>,
    last_id: u16,
}

/// There is no room to wait in.
#[derive(Debug)]
pub(super) struct QueueFull;

impl Outgoing {
    /// Lets a message wait, behind at most `limit - 1` others.
    pub(super) fn push(&mut self, publish: Publish, limit: usize) -> Result<(), QueueFull> {
        if self.waiting.len() >= limit.max(1) {
            return Err(QueueFull);
        }
        self.waiting.push_back(publish);
        Ok(())
    }

    /// The next message to send while fewer than `window` are under way.
    pub(super) fn poll_publish(&mut self, window: usize) -> Option<Publish> {
        // There are not more packet ids than that.
        if self.in_flight() >= window.clamp(1, usize::from(u16::MAX)) {
            return None;
        }
        let mut publish = self.waiting.pop_front()?;
        publish.packet_id = self.free_id();
        self.published.push_back(publish.clone());
        Some(publish)
    }

    /// What to send again when the session is resumed: in the order of the
    /// first time, each kind for itself ([MQTT-4.4.0-1], [MQTT-4.6.0-1],
    /// [MQTT-4.6.0-4]).
    pub(super) fn resend(&mut self) -> Vec<Packet> {
        let released = self.released.iter().map(|&id| Packet::PubRel(id));
        let published = self.published.iter_mut().map(|publish| {
            publish.dup = true;
            Packet::Publish(publish.clone())
        });
        released.chain(published).collect()
    }

    /// A PUBACK. One for an unknown id is left alone: it may be late.
    pub(super) fn handle_puback(&mut self, id: u16) -> Result<(), Violation> {
        self.take(id, QoS::AtLeastOnce)?;
        Ok(())
    }

    /// A PUBREC, which is answered with PUBREL, known or not.
    pub(super) fn handle_pubrec(&mut self, id: u16) -> Result<(), Violation> {
        if self.take(id, QoS::ExactlyOnce)? {
            self.released.push_back(id);
        }
        Ok(())
    }

    /// A PUBCOMP.
    pub(super) fn handle_pubcomp(&mut self, id: u16) -> Result<(), Violation> {
        if self.published.iter().any(|publish| publish.packet_id == id) {
            return Err(Violation::WrongAck);
        }
        self.released.retain(|&released| released != id);
        Ok(())
    }

    /// How many messages are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.published.len() + self.released.len()
    }

    /// How many messages wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    /// Loses everything but the place in the row of packet ids, so that a late
    /// acknowledgement is not taken for that of another message.
    pub(super) fn forget(&mut self) {
        *self = Self {
            last_id: self.last_id,
            ..Self::default()
        };
    }

    /// Takes out the message that is acknowledged; whether there was one.
    fn take(&mut self, id: u16, qos: QoS) -> Result<bool, Violation> {
        let place = self
            .published
            .iter()
            .position(|publish| publish.packet_id == id);
        match place {
            Some(place) if self.published[place].qos == qos => {
                self.published.remove(place);
                Ok(true)
            }
            Some(_) => Err(Violation::WrongAck),
            None if qos == QoS::AtLeastOnce && self.released.contains(&id) => {
                Err(Violation::WrongAck)
            }
            None => Ok(false),
        }
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            let used = self.published.iter().any(|publish| publish.packet_id == id)
                || self.released.contains(&id);
            if !used {
                return id;
            }
        }
    }
}
