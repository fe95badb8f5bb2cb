//! One open connection.

use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;

use super::aliases::Aliases;
use crate::frame;
use crate::packet::{Packet, PacketType};
use crate::time::Time;
use crate::v5::LastWill;
use crate::violation::Violation;

#[derive(Debug)]
pub(super) struct Connection {
    pub(super) phase: Phase,
    /// The client id, as soon as it is known.
    pub(super) client: Option<Arc<str>>,
    /// The user name, if CONNECT has one.
    pub(super) user: Option<String>,
    /// What has arrived and is no whole packet yet.
    pub(super) input: BytesMut,
    /// For how long the client may be silent.
    pub(super) patience: Option<Duration>,
    pub(super) last_heard: Time,
    /// To be published when the connection ends.
    pub(super) will: Option<LastWill>,
    /// Whether the line is cut towards the client.
    pub(super) muted: bool,
    /// Whether it speaks MQTT 5; the rest is of use there alone.
    pub(super) v5: bool,
    pub(super) aliases: Aliases,
    /// Whether CONNECT asked for a session that outlives the connection.
    pub(super) wants_session: bool,
    /// How many QoS 1 and 2 messages the client takes at once.
    pub(super) receive_maximum: u16,
    /// The largest packet that the client takes, in bytes.
    pub(super) maximum_packet_size: Option<usize>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Phase {
    /// Before CONNECT.
    New,
    /// Between CONNECT and CONNACK.
    Waiting,
    /// CONNECT will not be answered.
    Ignored,
    /// After CONNACK.
    Connected,
}

impl Connection {
    pub(super) fn new(now: Time) -> Self {
        Self {
            phase: Phase::New,
            client: None,
            user: None,
            input: BytesMut::new(),
            patience: None,
            last_heard: now,
            will: None,
            muted: false,
            v5: false,
            aliases: Aliases::default(),
            wants_session: false,
            receive_maximum: u16::MAX,
            maximum_packet_size: None,
        }
    }

    /// The next packet that has arrived and whose turn it is.
    pub(super) fn read(&mut self, limit: usize) -> Result<Option<Packet>, Violation> {
        match (self.phase, self.input.first()) {
            (Phase::Waiting, _) => return Ok(None),
            (Phase::Ignored, _) => {
                self.input.clear();
                return Ok(None);
            }
            // Before its length is believed.
            (Phase::New, Some(first)) if first >> 4 != PacketType::Connect as u8 => {
                return Err(Violation::NotConnect);
            }
            _ => {}
        }
        if self.phase == Phase::New {
            self.v5 = frame::begins_v5(&self.input);
        } else if self.v5 {
            return frame::read_v5(&mut self.input, limit);
        }
        frame::read(&mut self.input, limit)
    }

    /// Until when the client must be heard of ([MQTT-3.1.2-24]).
    pub(super) fn deadline(&self) -> Option<Time> {
        Some(self.last_heard + self.patience?)
    }
}
