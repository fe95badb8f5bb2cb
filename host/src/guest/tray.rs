//! What a guest asks of its host during a call: the effects of the call.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::bindings::jackalope::gateway::jackalope::{Host, PublishError, PublishOptions};
use super::bindings::jackalope::gateway::types;
use crate::office::{
    Assignment, Call, Effects, Letter, MAX_REMAINING_LENGTH, Payload, Qos, Room, Status, Ticket,
    topic,
};

/// The ttl of a letter that names none.
const DEFAULT_TTL_MS: u64 = 60 * 60 * 1000;

/// The largest packet: type, four bytes of remaining length, and the rest.
pub(super) const MAX_PACKET_SIZE: usize = 1 + 4 + MAX_REMAINING_LENGTH;

/// Serves one guest, one call at a time.
pub(super) struct Desk {
    tickets: Arc<AtomicU64>,
    max_packet_size: usize,
    status: Status,
    room: Room,
    effects: Effects,
}

impl Desk {
    /// A desk that takes its tickets from the counter of the whole host.
    pub(super) fn new(tickets: Arc<AtomicU64>, max_packet_size: usize) -> Self {
        Self {
            tickets,
            max_packet_size,
            status: Status::Offline,
            room: Room { accept: 0, keep: 1 },
            effects: Effects::default(),
        }
    }

    /// A call begins, without effects so far.
    pub(super) fn begin(&mut self, assignment: &Assignment) {
        self.status = assignment.status;
        self.room = assignment.room;
        if assignment.call == Call::LastWill {
            // Its answer carries no effects, and what can not be kept is not accepted.
            self.room.accept = 0;
        }
        self.effects = Effects::default();
    }

    /// A call has succeeded: hands out what it asked for.
    pub(super) fn take_effects(&mut self) -> Effects {
        std::mem::take(&mut self.effects)
    }

    fn post(
        &mut self,
        topic: &str,
        payload: Vec<u8>,
        options: PublishOptions,
    ) -> Result<Ticket, PublishError> {
        topic::check_name(topic)
            .map_err(|error| PublishError::InvalidTopic(format!("the topic {error}")))?;
        if options.ttl_ms == 0 {
            return Err(PublishError::InvalidTtl);
        }
        let qos = Qos::from(options.qos);
        match max_payload(self.max_packet_size, topic, qos) {
            Some(max) if payload.len() <= max => {}
            max => {
                let max = u64::try_from(max.unwrap_or(0)).unwrap_or(u64::MAX);
                return Err(PublishError::PayloadTooLarge(max));
            }
        }
        let accepted = self.effects.displaced.len() + self.effects.letters.len();
        if accepted >= self.room.accept {
            return Err(PublishError::WorkListFull);
        }

        // Relaxed: the counter guards nothing, its values only have to differ.
        let ticket = Ticket(self.tickets.fetch_add(1, Ordering::Relaxed));
        self.effects.letters.push_back(Letter {
            ticket,
            topic: topic.into(),
            payload: Payload::new(payload),
            qos,
            retain: options.retain,
            ttl: Duration::from_millis(options.ttl_ms),
        });
        if self.effects.letters.len() > self.room.keep
            && let Some(oldest) = self.effects.letters.pop_front()
        {
            self.effects.displaced.push(oldest.ticket);
        }
        Ok(ticket)
    }
}

impl Host for Desk {
    fn publish(
        &mut self,
        topic: String,
        payload: Vec<u8>,
        options: Option<PublishOptions>,
    ) -> wasmtime::Result<Result<types::Ticket, PublishError>> {
        let options = options.unwrap_or(PublishOptions {
            qos: types::Qos::AtLeastOnce,
            retain: false,
            ttl_ms: DEFAULT_TTL_MS,
        });
        Ok(self
            .post(&topic, payload, options)
            .map(|Ticket(number)| number))
    }

    fn status(&mut self) -> wasmtime::Result<types::ConnectionStatus> {
        Ok(self.status.into())
    }

    fn reconnect(&mut self) -> wasmtime::Result<()> {
        self.effects.reconnect = true;
        Ok(())
    }
}

impl types::Host for Desk {}

/// How many bytes a payload under this topic may have. None: not even an empty
/// one fits.
fn max_payload(max_packet_size: usize, topic: &str, qos: Qos) -> Option<usize> {
    let topic_length = 2;
    let packet_id = if qos > Qos::AtMostOnce { 2 } else { 0 };
    max_remaining_length(max_packet_size)?.checked_sub(topic_length + topic.len() + packet_id)
}

/// The largest "remaining length" that fits into a packet of this size
/// together with its own encoding, of 7 bits a byte ([MQTT-2.2.3]).
fn max_remaining_length(max_packet_size: usize) -> Option<usize> {
    let after_type = max_packet_size.checked_sub(1)?;
    (1..=4)
        .filter_map(|bytes| {
            let encodable = (1 << (7 * bytes)) - 1;
            Some(after_type.checked_sub(bytes)?.min(encodable))
        })
        .max()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The size of a PUBLISH packet, the naive way.
    fn packet_size(topic: &str, payload: usize, qos: Qos) -> usize {
        let packet_id = if qos > Qos::AtMostOnce { 2 } else { 0 };
        let remaining = 2 + topic.len() + packet_id + payload;
        let length_bytes = match remaining {
            0..=127 => 1,
            128..=16_383 => 2,
            16_384..=2_097_151 => 3,
            _ => 4,
        };
        1 + length_bytes + remaining
    }

    #[test]
    fn the_largest_payload_fits_and_one_byte_more_does_not() {
        let around = |size: usize| size - 5..size + 5;
        let sizes = (10..300)
            .chain(around(16_384))
            .chain(around(2_097_152))
            .chain([MAX_PACKET_SIZE]);
        for size in sizes {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce] {
                let Some(max) = max_payload(size, "a/b", qos) else {
                    assert!(packet_size("a/b", 0, qos) > size, "{size} {qos:?}");
                    continue;
                };
                assert!(packet_size("a/b", max, qos) <= size, "{size} {qos:?}");
                let larger = packet_size("a/b", max + 1, qos);
                assert!(larger > size, "{size} {qos:?}");
            }
        }
    }

    #[test]
    fn a_packet_can_be_too_small_for_its_topic() {
        assert_eq!(max_payload(0, "a", Qos::AtMostOnce), None);
        assert_eq!(max_payload(4, "a", Qos::AtMostOnce), None);
        assert_eq!(max_payload(5, "a", Qos::AtMostOnce), Some(0));
        assert_eq!(max_payload(5, "a", Qos::AtLeastOnce), None);
    }
}
