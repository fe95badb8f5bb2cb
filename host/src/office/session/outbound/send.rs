//! What goes out next, and what becomes of it on the way to the network.

use std::fmt;
use std::time::Duration;

use super::Outbound;
use super::exchange::{Exchange, Stage};
use super::suspects::SUSPECT;
use crate::office::session::{
    Carried, Delivery, Dispatch, Outgoing, Outlook, PacketId, PacketIds, Publish, Reason,
    properties_size, publish_size_with,
};
use crate::office::work_list::{Entry, Key, WorkList};
use crate::office::{Qos, Refused, Settings, Ticket, Time};

/// What a QoS 2 letter needs beside a round trip: the clock counts milliseconds.
const MARGIN: Duration = Duration::from_millis(2);

/// Why a letter is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The largest packet that may be sent has so many bytes.
    TooLarge {
        /// How many bytes it would take.
        size: usize,
        /// How many it may take.
        max: usize,
    },
    /// The broker takes no higher quality of service than this.
    MaxQos(Qos),
    /// It is to be retained, and the broker retains nothing.
    Retain,
    /// It has properties, and the broker carries none.
    Properties,
    /// The broker has said this.
    Broker(Reason),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge { size, max } => {
                write!(
                    f,
                    "it takes a packet of {size} bytes, and {max} are allowed"
                )
            }
            Self::MaxQos(qos) => write!(f, "the broker takes QoS {qos} at most"),
            Self::Retain => f.write_str("the broker retains nothing"),
            Self::Properties => f.write_str("the broker carries no properties: that takes MQTT 5"),
            Self::Broker(reason) => write!(f, "the broker says: {reason}"),
        }
    }
}

impl Refusal {
    /// What the guest is told of it.
    pub(in crate::office) const fn to_guest(self) -> Refused {
        match self {
            Self::TooLarge { .. } => Refused::TooLarge,
            Self::MaxQos(_) => Refused::Qos,
            Self::Retain => Refused::Retain,
            Self::Properties => Refused::Properties,
            Self::Broker(reason) => reason.to_guest(),
        }
    }
}

/// What may be sent on a connection.
#[derive(Debug, Clone, Copy)]
pub(in crate::office) struct Limits {
    /// The largest packet that the gateway sends, without its properties.
    pub(in crate::office) own_max_packet_size: usize,
    /// The largest packet that the broker takes, with so many bytes of properties.
    pub(in crate::office) max_packet_size: usize,
    pub(in crate::office) properties: usize,
    pub(in crate::office) max_qos: Qos,
    pub(in crate::office) retain_available: bool,
    pub(in crate::office) carries_properties: bool,
}

impl Limits {
    /// Before a broker has said anything.
    pub(in crate::office) fn of(settings: &Settings) -> Self {
        Self {
            own_max_packet_size: settings.max_packet_size,
            max_packet_size: settings.max_packet_size,
            properties: 0,
            max_qos: settings.max_qos,
            retain_available: true,
            carries_properties: false,
        }
    }

    /// Whether a letter of this size can be published for certain, which most can: without
    /// properties of its own, and with room for those that each has.
    #[inline]
    fn take(&self, size: usize, qos: Qos, retain: bool) -> bool {
        // As many bytes more as the two lengths can take that those make longer.
        const LENGTHS: usize = 6;
        size <= self.own_max_packet_size
            && size + self.properties + LENGTHS <= self.max_packet_size
            && qos <= self.max_qos
            && (!retain || self.retain_available)
    }

    /// Why this cannot be published, with a payload of so many bytes, and so many of
    /// properties of its own, if so.
    pub(in crate::office) fn check(
        &self,
        topic: &str,
        payload: usize,
        properties: usize,
        qos: Qos,
        retain: bool,
    ) -> Result<(), Refusal> {
        if properties > 0 && !self.carries_properties {
            return Err(Refusal::Properties);
        }
        let size = |all| publish_size_with(topic, payload, qos, all);
        let (own, max) = (properties_size(0, properties), self.own_max_packet_size);
        if size(own) > max {
            let size = size(own);
            return Err(Refusal::TooLarge { size, max });
        }
        let size = size(properties_size(self.properties, properties));
        let max = self.max_packet_size;
        if size > max {
            return Err(Refusal::TooLarge { size, max });
        }
        if qos > self.max_qos {
            return Err(Refusal::MaxQos(self.max_qos));
        }
        if retain && !self.retain_available {
            return Err(Refusal::Retain);
        }
        Ok(())
    }
}

/// What a letter waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Obstacle {
    /// Its turn: it waits for other letters, or for its guest's pause to be over.
    Turn,
    /// That nothing else is under way, which is not so.
    NotAlone,
    /// Room in a window.
    Full,
    /// Nothing: it has less time left than its exchange takes.
    TooShort,
    /// That what is ahead of it arrives: now it would come too late.
    Late,
}

impl Outbound {
    /// The next letter to [send](Self::send). `now` must be the moment of writing, and
    /// the work list free of expired letters.
    ///
    /// What cannot be in time is not begun: a letter that would arrive after its
    /// deadline at the pace of the network, and one of QoS 2 that has no time left
    /// for PUBREC to come and PUBREL to go.
    #[inline(never)]
    pub(in crate::office) fn next_letter<'a>(
        &mut self,
        now: Time,
        list: &'a mut WorkList,
        outlook: Outlook,
    ) -> Option<(Key, &'a mut Entry)> {
        if !self.suspects.is_everyones_turn() && self.wait_for_suspect(now, list) {
            return None;
        }
        let (mut holds_back, mut is_full, mut suspect_waits) = (false, false, false);
        let next = list.next_unsent(|entry| {
            match self.obstacle(now, entry, outlook) {
                None => return true,
                Some(Obstacle::Late) => holds_back = true,
                Some(Obstacle::Full) => is_full = true,
                Some(Obstacle::NotAlone) => suspect_waits = true,
                Some(Obstacle::Turn | Obstacle::TooShort) => {}
            }
            false
        });
        (self.holds_back, self.is_full) = (holds_back, is_full);
        if suspect_waits {
            self.suspects.handle_waiting(now);
        }
        let (key, entry) = next?;
        if entry.hang_ups >= SUSPECT {
            self.suspects.handle_sent(now, key, entry.ticket);
        }
        Some((key, entry))
    }

    /// Whether all letters wait for something that goes alone. A letter that does has its
    /// outcome by now, or is under way.
    #[cold]
    fn wait_for_suspect(&mut self, now: Time, list: &WorkList) -> bool {
        if self.makes_way(now) {
            return true;
        }
        if let Some((key, ticket)) = self.suspects.alone(now) {
            if list.get(key).is_some_and(|entry| entry.ticket == ticket) {
                return true;
            }
            self.suspects.end();
        }
        false
    }

    /// Why a letter cannot be sent to this broker, if so.
    #[inline]
    pub(in crate::office) fn check(&self, entry: &Entry, limits: &Limits) -> Result<(), Refusal> {
        let has_properties = entry.properties().is_some();
        if !has_properties && limits.take(entry.size(), entry.qos, entry.retain) {
            return Ok(());
        }
        self.check_closely(entry, limits)
    }

    #[cold]
    fn check_closely(&self, entry: &Entry, limits: &Limits) -> Result<(), Refusal> {
        let is_received = |id| {
            let exchange = self.exchanges.get(id);
            exchange.is_some_and(|exchange| !exchange.stage.is_published())
        };
        // PUBREL of what the broker has received is no PUBLISH.
        if entry.packet_id.is_some_and(is_received) {
            return Ok(());
        }
        let (payload, properties) = (entry.payload.len(), entry.own_properties());
        limits.check(&entry.topic, payload, properties, entry.qos, entry.retain)
    }

    /// A letter is sent, or what it takes to go on with its exchange: this is what its
    /// [packet](to_packet) carries.
    #[inline]
    pub(in crate::office) fn send(
        &mut self,
        now: Time,
        key: Key,
        entry: &mut Entry,
        ids: &mut PacketIds,
    ) -> Option<Carried> {
        entry.tries = entry.tries.saturating_add(1);
        let carried = match entry.packet_id {
            Some(id) => self.resend(now, id)?,
            None => self.publish(now, key, entry, ids)?,
        };
        self.handed_out += 1;
        Some(carried)
    }

    /// What a letter waits for, if it may not go now.
    #[inline]
    fn obstacle(&self, now: Time, entry: &Entry, outlook: Outlook) -> Option<Obstacle> {
        let guest = entry.guest;
        if self.suspects.is_paused(now, guest) || self.no_room.is_paused(now, guest) {
            return Some(Obstacle::Turn);
        }
        if entry.hang_ups >= SUSPECT {
            if !self.suspects.has_waited(now) && self.has_unanswered() {
                return Some(Obstacle::NotAlone);
            }
        } else if !self.suspects.is_everyones_turn() && self.suspects.is_waiting(now) {
            return Some(Obstacle::Turn);
        }
        match (entry.qos, entry.packet_id) {
            // It goes on.
            (_, Some(id)) => {
                if !self.quota.has_room_again() && self.is_published(id) {
                    return Some(Obstacle::Full);
                }
            }
            (Qos::AtMostOnce, None) => {}
            (Qos::AtLeastOnce, None) if self.qos1.has_room(guest) && self.quota.has_room(guest) => {
            }
            (Qos::ExactlyOnce, None) if self.qos2.has_room(guest) && self.quota.has_room(guest) => {
                if entry.deadline <= now + self.round_trip.estimate() + MARGIN {
                    return Some(Obstacle::TooShort);
                }
            }
            (Qos::AtLeastOnce | Qos::ExactlyOnce, None) => return Some(Obstacle::Full),
        }
        let is_late = |pace| entry.deadline < outlook.arrival(now, entry.size(), pace);
        outlook.pace.is_some_and(is_late).then_some(Obstacle::Late)
    }

    /// Whether it is PUBLISH that is sent again to go on with an exchange.
    fn is_published(&self, id: PacketId) -> bool {
        let exchange = self.exchanges.get(id);
        exchange.is_some_and(|exchange| exchange.stage.is_published())
    }

    /// The next PUBREL of an exchange, first sent.
    pub(in crate::office) fn poll_release(&mut self, now: Time) -> Option<Dispatch> {
        while let Some(id) = self.releases.pop_front() {
            let Some(exchange) = self.exchanges.get_mut(id) else {
                continue;
            };
            if exchange.deadline <= now {
                exchange.abandon(&mut self.qos2, &mut self.quota);
            } else {
                exchange.stage = Stage::Released;
                self.handed_out += 1;
                return Some(Dispatch {
                    packet: Outgoing::PubRel(id),
                    expires: Some(exchange.deadline),
                    carried: Carried::PubRel(id),
                });
            }
        }
        None
    }

    /// The first PUBLISH of a letter on this session.
    fn publish(
        &mut self,
        now: Time,
        key: Key,
        entry: &mut Entry,
        ids: &mut PacketIds,
    ) -> Option<Carried> {
        let (stage, window) = match entry.qos {
            Qos::AtMostOnce => {
                let number = self.handed_out + 1;
                self.unwritten.push_back((entry.ticket, key, number));
                return Some(Carried::Letter(entry.ticket));
            }
            Qos::AtLeastOnce => (Stage::Published1, &mut self.qos1),
            Qos::ExactlyOnce => (Stage::Published2, &mut self.qos2),
        };
        let id = ids.allocate()?;
        window.handle_begun(entry.guest);
        self.quota.handle_begun(entry.guest);
        self.quota.handle_published();
        self.begun = now;
        entry.packet_id = Some(id);
        self.exchanges.insert(
            id,
            Exchange {
                guest: entry.guest,
                letter: Some(key),
                begun: now,
                sent: now,
                deadline: entry.deadline,
                stage,
                is_overdue: false,
                is_published: true,
                number: self.handed_out + 1,
            },
        );
        let duplicate = false;
        Some(Carried::Publish { id, duplicate })
    }

    /// A letter that is in flight on a session that the broker has kept: the
    /// exchange goes on where it was, under the same id ([MQTT-4.4.0-1]).
    fn resend(&mut self, now: Time, id: PacketId) -> Option<Carried> {
        let exchange = self.exchanges.get_mut(id)?;
        exchange.sent = now;
        match exchange.stage {
            Stage::Published1 | Stage::Published2 => {}
            Stage::Received | Stage::Released => {
                exchange.stage = Stage::Released;
                return Some(Carried::PubRel(id));
            }
            Stage::Abandoned { .. } => return None,
        }
        exchange.number = self.handed_out + 1;
        if !std::mem::replace(&mut exchange.is_published, true) {
            self.quota.handle_published();
        }
        let duplicate = true;
        Some(Carried::Publish { id, duplicate })
    }

    /// A letter of QoS 0 was written. Returns its place, unless it had its outcome
    /// before.
    pub(in crate::office) fn handle_written(
        &mut self,
        ticket: Ticket,
        list: &WorkList,
    ) -> Option<Key> {
        loop {
            let (unwritten, key, _) = self.unwritten.pop_front()?;
            if unwritten == ticket {
                let entry = list.get(key)?;
                return (entry.ticket == ticket).then_some(key);
            }
        }
    }

    /// A packet that had expired was not begun: the broker knows nothing of it.
    pub(in crate::office) fn handle_recalled(&mut self, carried: Carried, ids: &mut PacketIds) {
        match carried {
            Carried::Publish {
                id,
                duplicate: false,
            } => {
                self.end(id, ids);
            }
            Carried::Publish { id, .. } => {
                if let Some(exchange) = self.exchanges.get_mut(id)
                    && std::mem::replace(&mut exchange.is_published, false)
                {
                    self.quota.handle_unpublished();
                }
            }
            Carried::PubRel(id) => {
                if let Some(exchange) = self.exchanges.get_mut(id) {
                    exchange.abandon(&mut self.qos2, &mut self.quota);
                    self.unanswered.remove(&(exchange.begun, id));
                }
            }
            Carried::Letter(_) | Carried::Nothing => {}
        }
    }
}

/// The packet of a letter that carries this.
#[inline]
pub(in crate::office) fn to_packet(entry: &Entry, carried: Carried) -> Outgoing {
    let (delivery, duplicate) = match carried {
        Carried::PubRel(id) => return Outgoing::PubRel(id),
        Carried::Publish { id, duplicate } if entry.qos == Qos::ExactlyOnce => {
            (Delivery::ExactlyOnce(id), duplicate)
        }
        Carried::Publish { id, duplicate } => (Delivery::AtLeastOnce(id), duplicate),
        Carried::Letter(_) | Carried::Nothing => (Delivery::AtMostOnce, false),
    };
    Outgoing::Publish(Publish {
        topic: entry.topic.clone(),
        payload: entry.payload.clone(),
        delivery,
        retain: entry.retain,
        duplicate,
        properties: entry.properties().cloned(),
        lifetime: None,
    })
}
