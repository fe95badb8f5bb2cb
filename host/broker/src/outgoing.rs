//! What a session has under way to its client: a window and a queue.

use std::collections::VecDeque;
use std::time::Duration;

use super::packet::QoS;
use super::time::Time;
use super::v5::Publish;
use super::violation::Violation;

/// The QoS 1 and 2 messages of a session that its client has not acknowledged,
/// sent or waiting.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    /// PUBLISH sent, in that order.
    published: VecDeque<Letter>,
    /// PUBREC received, in that order; waiting for PUBCOMP.
    released: VecDeque<u16>,
    /// PUBLISH sent on a former connection, to be sent again.
    again: VecDeque<Letter>,
    waiting: VecDeque<Letter>,
    last_id: u16,
}

/// A message for a client.
#[derive(Debug, Clone)]
pub(super) struct Letter {
    pub(super) publish: Publish,
    /// From when on it is not delivered any more.
    pub(super) expires: Option<Time>,
}

/// There is no room to wait in.
#[derive(Debug)]
pub(super) struct QueueFull;

impl Letter {
    pub(super) fn is_expired(&self, now: Time) -> bool {
        self.expires.is_some_and(|expires| expires <= now)
    }

    /// The packet, with the whole seconds that it has waited taken off its
    /// expiry interval ([MQTT-3.3.2-6]).
    pub(super) fn packet(&self, now: Time) -> Publish {
        let mut publish = self.publish.clone();
        if let Some(expires) = self.expires {
            let left = expires.since(now) + Duration::from_millis(999);
            publish
                .properties
                .set_message_expiry(u32::try_from(left.as_secs()).unwrap_or(u32::MAX));
        }
        publish
    }
}

impl Outgoing {
    /// Lets a message wait, behind at most `limit - 1` others.
    pub(super) fn push(&mut self, letter: Letter, limit: usize) -> Result<(), QueueFull> {
        if self.waiting.len() >= limit.max(1) {
            return Err(QueueFull);
        }
        self.waiting.push_back(letter);
        Ok(())
    }

    /// The next message to send while fewer than `window` are under way. What
    /// has expired is left out.
    pub(super) fn poll_publish(&mut self, now: Time, window: usize) -> Option<Publish> {
        // There are not more packet ids than that.
        let window = window.clamp(1, usize::from(u16::MAX));
        self.again.retain(|letter| !letter.is_expired(now));
        self.waiting.retain(|letter| !letter.is_expired(now));
        if self.published.len() + self.released.len() >= window {
            return None;
        }
        let letter = match self.again.pop_front() {
            Some(letter) => letter,
            None => {
                let mut letter = self.waiting.pop_front()?;
                letter.publish.packet_id = self.free_id();
                letter
            }
        };
        let publish = letter.packet(now);
        self.published.push_back(letter);
        Some(publish)
    }

    /// The session is resumed: what was sent is to be sent again, in the order
    /// of the first time, each kind for itself ([MQTT-4.4.0-1],
    /// [MQTT-4.6.0-1], [MQTT-4.6.0-4]). Answers the ids of the PUBRELs.
    pub(super) fn resume(&mut self) -> Vec<u16> {
        for letter in &mut self.published {
            letter.publish.dup = true;
        }
        self.published.append(&mut self.again);
        std::mem::swap(&mut self.again, &mut self.published);
        self.released.iter().copied().collect()
    }

    /// A PUBACK. One for an unknown id is left alone: it may be late.
    pub(super) fn handle_puback(&mut self, id: u16) -> Result<(), Violation> {
        self.take(id, QoS::AtLeastOnce)?;
        Ok(())
    }

    /// A PUBREC; whether its id is known.
    pub(super) fn handle_pubrec(&mut self, id: u16) -> Result<bool, Violation> {
        let known = self.take(id, QoS::ExactlyOnce)?;
        if known {
            self.released.push_back(id);
        }
        Ok(known || self.released.contains(&id))
    }

    /// A PUBREC with an error, which ends the exchange (section 4.3.3 of
    /// MQTT 5).
    pub(super) fn handle_pubrec_error(&mut self, id: u16) -> Result<(), Violation> {
        self.take(id, QoS::ExactlyOnce)?;
        Ok(())
    }

    /// A PUBCOMP.
    pub(super) fn handle_pubcomp(&mut self, id: u16) -> Result<(), Violation> {
        if self.under_way(id) {
            return Err(Violation::WrongAck);
        }
        self.released.retain(|&released| released != id);
        Ok(())
    }

    /// The message can not be sent: it is taken out.
    pub(super) fn discard(&mut self, id: u16) {
        self.published
            .retain(|letter| letter.publish.packet_id != id);
    }

    /// How many messages are under way.
    pub(super) fn in_flight(&self) -> usize {
        self.published.len() + self.released.len() + self.again.len()
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
        for letters in [&mut self.published, &mut self.again] {
            let place = letters
                .iter()
                .position(|letter| letter.publish.packet_id == id);
            match place {
                Some(place) if letters[place].publish.qos == qos => {
                    letters.remove(place);
                    return Ok(true);
                }
                Some(_) => return Err(Violation::WrongAck),
                None => {}
            }
        }
        if qos == QoS::AtLeastOnce && self.released.contains(&id) {
            return Err(Violation::WrongAck);
        }
        Ok(false)
    }

    fn under_way(&self, id: u16) -> bool {
        let mut letters = self.published.iter().chain(&self.again);
        letters.any(|letter| letter.publish.packet_id == id)
    }

    fn free_id(&mut self) -> u16 {
        loop {
            self.last_id = self.last_id.checked_add(1).unwrap_or(1);
            let id = self.last_id;
            if !self.under_way(id) && !self.released.contains(&id) {
                return id;
            }
        }
    }
}
