//! The status topic: what the gateway says of itself, that it is online or not.
//!
//! It is no letter of a guest: it has no place in a work list, no ttl and no
//! outcome. What is said is true for as long as the connection lasts on which it is
//! said, and the last will says the opposite when that ends in any other way than
//! by a [farewell](Presence::poll_farewell).

use std::time::Duration;

use super::outbound::Limits;
use super::{
    Carried, Delivery, Disconnection, Dispatch, LastWill, Outgoing, PacketId, PacketIds, Publish,
    Refusal,
};
use crate::office::{Payload, Qos, StatusTopic};

/// What the status topic is told, and what the broker has made of it.
#[derive(Debug)]
pub(in crate::office) struct Presence {
    topic: Option<StatusTopic>,
    stage: Stage,
    /// Its exchanges have an id of their own, from the first one on.
    id: Option<PacketId>,
    /// What was sent with this id and is not acknowledged.
    open: Option<Said>,
    /// Whether the connection at hand has room for such an exchange.
    has_room: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// The broker was not told that the gateway is online, or it is not any more.
    Offline,
    /// It is to be told.
    Due,
    /// It was told.
    Online,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Said {
    Online,
    Offline,
}

impl Presence {
    pub(in crate::office) fn new(topic: Option<StatusTopic>) -> Self {
        Self {
            topic,
            stage: Stage::Offline,
            id: None,
            open: None,
            has_room: false,
        }
    }

    /// From the next connection on it is another one.
    pub(in crate::office) fn set_topic(&mut self, topic: Option<StatusTopic>) {
        self.topic = topic;
    }

    /// The last will that goes with it.
    pub(in crate::office) fn last_will(&self) -> Option<LastWill> {
        self.topic.as_ref().map(|status| LastWill {
            topic: status.topic.clone(),
            payload: status.offline.clone(),
            qos: status.qos,
            retain: status.retain,
            delay: Duration::ZERO,
            properties: None,
        })
    }

    /// A connection begins. Returns how many exchanges are left for letters of
    /// those that may be open together.
    pub(in crate::office) fn handle_connected(
        &mut self,
        session_present: bool,
        receive_maximum: usize,
    ) -> usize {
        let Some(status) = &self.topic else {
            return receive_maximum;
        };
        self.stage = Stage::Due;
        if !session_present {
            self.open = None;
        }
        self.has_room = receive_maximum > 1;
        match status.qos {
            Qos::AtMostOnce => receive_maximum,
            _ => receive_maximum - usize::from(self.has_room),
        }
    }

    /// The connection is gone, or ends in good order: then there is still a
    /// [farewell](Self::poll_farewell).
    pub(in crate::office) fn handle_disconnected(&mut self, reason: &Disconnection) {
        if *reason != Disconnection::Reconnect {
            self.stage = Stage::Offline;
        }
    }

    /// The packet that says that the gateway is online, once a connection.
    pub(in crate::office) fn poll(
        &mut self,
        limits: &Limits,
        ids: &mut PacketIds,
    ) -> Option<Result<Dispatch, Refusal>> {
        if self.stage != Stage::Due {
            return None;
        }
        let said = self.say(Said::Online, limits, ids)?;
        self.stage = match said {
            Ok(_) => Stage::Online,
            Err(_) => Stage::Offline,
        };
        Some(said)
    }

    /// The packet that says that it is not, before a connection ends in good order
    /// on which it was said to be.
    pub(in crate::office) fn poll_farewell(
        &mut self,
        limits: &Limits,
        ids: &mut PacketIds,
    ) -> Option<Dispatch> {
        if self.stage != Stage::Online {
            return None;
        }
        self.stage = Stage::Offline;
        // The id may still be in use: better than nothing is once at most.
        self.has_room &= self.open.is_none();
        self.say(Said::Offline, limits, ids)?.ok()
    }

    fn say(
        &mut self,
        said: Said,
        limits: &Limits,
        ids: &mut PacketIds,
    ) -> Option<Result<Dispatch, Refusal>> {
        let status = self.topic.as_ref()?;
        let payload: &Payload = match said {
            Said::Online => &status.online,
            Said::Offline => &status.offline,
        };
        let qos = match self.has_room {
            true => status.qos.min(limits.max_qos),
            false => Qos::AtMostOnce,
        };
        if let Err(refusal) = limits.check(&status.topic, payload.len(), 0, qos, status.retain) {
            return Some(Err(refusal));
        }
        if qos != Qos::AtMostOnce && self.id.is_none() {
            self.id = ids.allocate();
        }
        let (delivery, duplicate) = match self.id {
            Some(id) if qos != Qos::AtMostOnce => {
                let duplicate = self.open.replace(said) == Some(said);
                (Delivery::AtLeastOnce(id), duplicate)
            }
            _ => (Delivery::AtMostOnce, false),
        };
        Some(Ok(Dispatch {
            packet: Outgoing::Publish(Publish {
                topic: status.topic.clone(),
                payload: payload.clone(),
                delivery,
                retain: status.retain,
                duplicate,
                properties: None,
                lifetime: None,
            }),
            expires: None,
            carried: Carried::Nothing,
        }))
    }

    /// Whether what was said is not acknowledged.
    pub(in crate::office) fn is_unanswered(&self) -> bool {
        self.open.is_some() && self.stage == Stage::Online
    }

    /// Returns whether this acknowledges what was said.
    pub(in crate::office) fn handle_puback(&mut self, id: PacketId) -> bool {
        self.id == Some(id) && self.open.take().is_some()
    }

    /// Returns whether this refuses what was said.
    pub(in crate::office) fn handle_refused(&mut self, delivery: Delivery) -> bool {
        let is_ours = delivery
            .packet_id()
            .is_some_and(|id| self.handle_puback(id));
        if is_ours {
            self.stage = Stage::Offline;
        }
        is_ours
    }
}
