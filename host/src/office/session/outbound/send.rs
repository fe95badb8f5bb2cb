//! What goes out next, and what becomes of it on the way to the network.

use std::time::Duration;

use super::Outbound;
use super::exchange::{Exchange, Stage};
use super::suspects::SUSPECT;
use crate::office::session::{
    Carried, Delivery, Dispatch, Outgoing, Outlook, PacketId, PacketIds, Publish,
};
use crate::office::work_list::{Entry, Key, WorkList};
use crate::office::{Qos, Ticket, Time};

/// What a QoS 2 letter needs beside a round trip: the clock counts milliseconds.
const MARGIN: Duration = Duration::from_millis(2);

/// What comes next on the way out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Next {
    /// PUBREL of an exchange, first sent.
    Release(Dispatch),
    /// A packet of a letter whose turn it is.
    Letter(Dispatch, Ticket),
    /// The letter at this place is larger than the broker takes.
    TooLarge(Key),
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
    /// The next packet, with nothing expired in it. `now` must be the moment of
    /// writing, and the work list free of expired letters.
    ///
    /// What cannot be in time is not begun: a letter that would arrive after its
    /// deadline at the pace of the network, and one of QoS 2 that has no time left
    /// for PUBREC to come and PUBREL to go.
    pub(in crate::office) fn poll(
        &mut self,
        now: Time,
        list: &mut WorkList,
        ids: &mut PacketIds,
        max_packet_size: usize,
        outlook: Outlook,
    ) -> Option<Next> {
        if let Some(release) = self.poll_release(now) {
            return Some(Next::Release(release));
        }
        if let Some((key, ticket)) = self.suspects.alone(now) {
            if list.get(key).is_some_and(|entry| entry.ticket == ticket) {
                return None;
            }
            self.suspects.end();
        }
        let (mut holds_back, mut is_full, mut suspect_waits) = (false, false, false);
        let key = list.next_unsent(|entry| {
            let obstacle = self.obstacle(now, entry, outlook);
            holds_back |= obstacle == Some(Obstacle::Late);
            is_full |= obstacle == Some(Obstacle::Full);
            suspect_waits |= obstacle == Some(Obstacle::NotAlone);
            obstacle.is_none()
        });
        (self.holds_back, self.is_full) = (holds_back, is_full);
        if suspect_waits {
            self.suspects.handle_waiting(now);
        }
        let key = key?;
        let entry = list.get_mut(key)?;
        if entry.hang_ups >= SUSPECT {
            self.suspects.handle_sent(now, key, entry.ticket);
        }
        if entry.size() > max_packet_size {
            return Some(Next::TooLarge(key));
        }
        let (packet, carried) = match entry.packet_id {
            Some(id) => self.resend(now, id, entry)?,
            None => self.publish(now, key, entry, ids)?,
        };
        let dispatch = Dispatch {
            packet,
            expires: Some(entry.deadline),
            carried,
        };
        Some(Next::Letter(dispatch, entry.ticket))
    }

    /// What a letter waits for, if it may not go now.
    #[inline]
    fn obstacle(&self, now: Time, entry: &Entry, outlook: Outlook) -> Option<Obstacle> {
        if self.suspects.is_paused(now, entry.guest) {
            return Some(Obstacle::Turn);
        }
        if entry.hang_ups >= SUSPECT {
            if !self.suspects.has_waited(now) && self.has_unanswered() {
                return Some(Obstacle::NotAlone);
            }
        } else if self.suspects.is_waiting(now) {
            return Some(Obstacle::Turn);
        }
        match entry.qos {
            // It goes on.
            _ if entry.packet_id.is_some() => {}
            Qos::AtMostOnce => {}
            Qos::AtLeastOnce if self.qos1.has_room(entry.guest) => {}
            Qos::ExactlyOnce if self.qos2.has_room(entry.guest) => {
                if entry.deadline <= now + self.round_trip.estimate() + MARGIN {
                    return Some(Obstacle::TooShort);
                }
            }
            Qos::AtLeastOnce | Qos::ExactlyOnce => return Some(Obstacle::Full),
        }
        let is_late = |pace| entry.deadline < outlook.arrival(now, entry.size(), pace);
        outlook.pace.is_some_and(is_late).then_some(Obstacle::Late)
    }

    fn poll_release(&mut self, now: Time) -> Option<Dispatch> {
        while let Some(id) = self.releases.pop_front() {
            let Some(exchange) = self.exchanges.get_mut(id) else {
                continue;
            };
            if exchange.deadline <= now {
                exchange.abandon(&mut self.qos2);
            } else {
                exchange.stage = Stage::Released;
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
    ) -> Option<(Outgoing, Carried)> {
        let (stage, window) = match entry.qos {
            Qos::AtMostOnce => {
                self.unwritten.push_back((entry.ticket, key));
                let publish = to_publish(entry, Delivery::AtMostOnce, false);
                return Some((publish, Carried::Letter(entry.ticket)));
            }
            Qos::AtLeastOnce => (Stage::Published1, &mut self.qos1),
            Qos::ExactlyOnce => (Stage::Published2, &mut self.qos2),
        };
        let id = ids.allocate()?;
        window.handle_begun(entry.guest);
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
            },
        );
        let delivery = match entry.qos {
            Qos::ExactlyOnce => Delivery::ExactlyOnce(id),
            _ => Delivery::AtLeastOnce(id),
        };
        let duplicate = false;
        Some((
            to_publish(entry, delivery, duplicate),
            Carried::Publish { id, duplicate },
        ))
    }

    /// A letter that is in flight on a session that the broker has kept: the
    /// exchange goes on where it was, under the same id ([MQTT-4.4.0-1]).
    fn resend(&mut self, now: Time, id: PacketId, entry: &Entry) -> Option<(Outgoing, Carried)> {
        let exchange = self.exchanges.get_mut(id)?;
        exchange.sent = now;
        let delivery = match exchange.stage {
            Stage::Published1 => Delivery::AtLeastOnce(id),
            Stage::Published2 => Delivery::ExactlyOnce(id),
            Stage::Received | Stage::Released => {
                exchange.stage = Stage::Released;
                return Some((Outgoing::PubRel(id), Carried::PubRel(id)));
            }
            Stage::Abandoned { .. } => return None,
        };
        let duplicate = true;
        Some((
            to_publish(entry, delivery, duplicate),
            Carried::Publish { id, duplicate },
        ))
    }

    /// A letter of QoS 0 was written. Returns its place, unless it had its outcome
    /// before.
    pub(in crate::office) fn handle_written(
        &mut self,
        ticket: Ticket,
        list: &WorkList,
    ) -> Option<Key> {
        loop {
            let (unwritten, key) = self.unwritten.pop_front()?;
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
                self.complete(id, ids);
            }
            Carried::PubRel(id) => {
                if let Some(exchange) = self.exchanges.get_mut(id) {
                    exchange.abandon(&mut self.qos2);
                    self.unanswered.remove(&(exchange.begun, id));
                }
            }
            Carried::Publish { .. } | Carried::Letter(_) | Carried::Nothing => {}
        }
    }
}

fn to_publish(entry: &Entry, delivery: Delivery, duplicate: bool) -> Outgoing {
    Outgoing::Publish(Publish {
        topic: entry.topic.clone(),
        payload: entry.payload.clone(),
        delivery,
        retain: entry.retain,
        duplicate,
    })
}
