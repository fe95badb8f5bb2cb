//! The sending half of the session: letters in flight, QoS 1 and QoS 2.

use std::collections::{BTreeSet, VecDeque};

use super::by_packet_id::ByPacketId;
use super::packet_ids::PacketIds;
use super::{Delivery, Outgoing, PacketId, Publish, publish_size};
use crate::office::work_list::{Entry, Key, WorkList};
use crate::office::{Qos, Ticket, Time};

/// How many QoS 1 letters may be in flight.
pub const QOS1_WINDOW: usize = 100;
/// How many QoS 2 letters may be in flight: mosquitto cuts a client off at the
/// 21st open exchange.
pub const QOS2_WINDOW: usize = 20;

/// One exchange with the broker. It can outlive its letter: an id is free only
/// when the broker has said so.
#[derive(Debug)]
struct Exchange {
    /// Its letter, until that has its outcome.
    letter: Option<Key>,
    /// Nothing that makes the broker deliver is sent from this moment on.
    deadline: Time,
    stage: Stage,
    /// Whether the deadline passed before the exchange was over.
    is_overdue: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    /// QoS 1: PUBLISH sent, PUBACK awaited.
    Published1,
    /// QoS 2: PUBLISH sent, PUBREC awaited.
    Published2,
    /// QoS 2: PUBREC received, PUBREL to be sent, at which the broker delivers.
    Received,
    /// QoS 2: PUBREL sent, PUBCOMP awaited.
    Released,
    /// QoS 2: the deadline passed before PUBREL, which is never sent. The id
    /// stays taken until the broker forgets the session.
    Abandoned,
}

/// What an acknowledgement led to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Acked {
    /// The letter is delivered.
    Delivered(Key),
    /// Nothing to report: a first half, a duplicate, or a letter that had its
    /// outcome before.
    Nothing,
    /// The broker has acknowledged something that was never sent to it.
    Unknown,
}

/// A packet to write, with the moment after which it must not be on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dispatch {
    /// The packet.
    pub packet: Outgoing,
    /// When what it carries expires. None: never.
    pub expires: Option<Time>,
}

/// What comes next on the way out.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Next {
    /// PUBREL of an exchange, first sent.
    Release(Dispatch),
    /// A packet of a letter whose turn it is.
    Letter(Dispatch, Sent),
    /// The letter at this place is larger than the broker takes.
    TooLarge(Key),
}

/// A letter as it goes out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::office) struct Sent {
    pub(in crate::office) key: Key,
    pub(in crate::office) ticket: Ticket,
    /// Whether it leaves the work list with this.
    pub(in crate::office) is_final: bool,
}

/// How many exchanges of one quality of service are open.
#[derive(Debug, Default)]
struct Window {
    open: usize,
    overdue: usize,
}

/// The letters in flight.
#[derive(Debug, Default)]
pub(in crate::office) struct Outbound {
    exchanges: ByPacketId<Exchange>,
    /// Exchanges whose letters gave their place up before their deadline, which
    /// the work list watches no more.
    unlisted: BTreeSet<(Time, PacketId)>,
    qos1: Window,
    qos2: Window,
    /// PUBRELs to send, in the order of their PUBRECs ([MQTT-4.6.0-4]).
    releases: VecDeque<PacketId>,
}

impl Outbound {
    /// Returns whether exchanges of expired letters fill a window, so that nothing
    /// more can be sent: only a new connection helps.
    pub(in crate::office) fn is_clogged(&self) -> bool {
        self.qos1.overdue >= QOS1_WINDOW || self.needs_new_session()
    }

    /// Returns whether a new connection must also be a new session.
    pub(in crate::office) fn needs_new_session(&self) -> bool {
        self.qos2.overdue >= QOS2_WINDOW
    }

    /// The next packet, with nothing expired in it. `now` must be the moment of
    /// writing, and the work list free of expired letters.
    pub(in crate::office) fn poll(
        &mut self,
        now: Time,
        list: &mut WorkList,
        ids: &mut PacketIds,
        max_packet_size: usize,
    ) -> Option<Next> {
        if let Some(release) = self.poll_release(now) {
            return Some(Next::Release(release));
        }
        let (qos1_is_open, qos2_is_open) =
            (self.qos1.open < QOS1_WINDOW, self.qos2.open < QOS2_WINDOW);
        let key = list.next_unsent(|entry| match entry.qos {
            _ if entry.packet_id.is_some() => true,
            Qos::AtMostOnce => true,
            Qos::AtLeastOnce => qos1_is_open,
            Qos::ExactlyOnce => qos2_is_open,
        })?;
        let entry = list.get_mut(key)?;
        if publish_size(&entry.topic, entry.payload.len(), entry.qos) > max_packet_size {
            return Some(Next::TooLarge(key));
        }
        let packet = match entry.packet_id {
            Some(id) => self.resend(id, entry)?,
            None => Outgoing::Publish(self.publish(key, entry, ids)?),
        };
        let sent = Sent {
            key,
            ticket: entry.ticket,
            is_final: entry.qos == Qos::AtMostOnce,
        };
        Some(Next::Letter(
            Dispatch {
                packet,
                expires: Some(entry.deadline),
            },
            sent,
        ))
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
                let expires = Some(exchange.deadline);
                return Some(Dispatch {
                    packet: Outgoing::PubRel(id),
                    expires,
                });
            }
        }
        None
    }

    /// The first PUBLISH of a letter on this session.
    fn publish(&mut self, key: Key, entry: &mut Entry, ids: &mut PacketIds) -> Option<Publish> {
        let delivery = match entry.qos {
            Qos::AtMostOnce => Delivery::AtMostOnce,
            Qos::AtLeastOnce => {
                self.qos1.open += 1;
                Delivery::AtLeastOnce(self.begin(key, entry, ids, Stage::Published1)?)
            }
            Qos::ExactlyOnce => {
                self.qos2.open += 1;
                Delivery::ExactlyOnce(self.begin(key, entry, ids, Stage::Published2)?)
            }
        };
        Some(to_publish(entry, delivery, false))
    }

    fn begin(
        &mut self,
        key: Key,
        entry: &mut Entry,
        ids: &mut PacketIds,
        stage: Stage,
    ) -> Option<PacketId> {
        let id = ids.allocate()?;
        entry.packet_id = Some(id);
        self.exchanges.insert(
            id,
            Exchange {
                letter: Some(key),
                deadline: entry.deadline,
                stage,
                is_overdue: false,
            },
        );
        Some(id)
    }

    /// A letter that is in flight on a session that the broker has kept: the
    /// exchange goes on where it was, under the same id ([MQTT-4.4.0-1]).
    fn resend(&mut self, id: PacketId, entry: &Entry) -> Option<Outgoing> {
        let exchange = self.exchanges.get_mut(id)?;
        match exchange.stage {
            Stage::Published1 => Some(Outgoing::Publish(to_publish(
                entry,
                Delivery::AtLeastOnce(id),
                true,
            ))),
            Stage::Published2 => Some(Outgoing::Publish(to_publish(
                entry,
                Delivery::ExactlyOnce(id),
                true,
            ))),
            Stage::Received | Stage::Released => {
                exchange.stage = Stage::Released;
                Some(Outgoing::PubRel(id))
            }
            Stage::Abandoned => None,
        }
    }

    pub(in crate::office) fn handle_puback(&mut self, id: PacketId, ids: &mut PacketIds) -> Acked {
        match self.exchanges.get(id) {
            Some(Exchange {
                stage: Stage::Published1,
                ..
            }) => self.complete(id, ids),
            _ => Acked::Unknown,
        }
    }

    pub(in crate::office) fn handle_pubrec(&mut self, id: PacketId) -> Acked {
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return Acked::Unknown;
        };
        match exchange.stage {
            Stage::Published2 => {
                exchange.stage = Stage::Received;
                self.releases.push_back(id);
                Acked::Nothing
            }
            // A duplicate; its PUBREL is on its way or never goes.
            Stage::Received | Stage::Released | Stage::Abandoned => Acked::Nothing,
            Stage::Published1 => Acked::Unknown,
        }
    }

    pub(in crate::office) fn handle_pubcomp(&mut self, id: PacketId, ids: &mut PacketIds) -> Acked {
        match self.exchanges.get(id) {
            Some(Exchange {
                stage: Stage::Released,
                ..
            }) => self.complete(id, ids),
            _ => Acked::Unknown,
        }
    }

    /// The exchange is over.
    fn complete(&mut self, id: PacketId, ids: &mut PacketIds) -> Acked {
        let Some(exchange) = self.exchanges.remove(id) else {
            return Acked::Unknown;
        };
        ids.release(id);
        self.unlisted.remove(&(exchange.deadline, id));
        let window = match exchange.stage {
            Stage::Published1 => &mut self.qos1,
            _ => &mut self.qos2,
        };
        window.open -= 1;
        window.overdue -= usize::from(exchange.is_overdue);
        exchange.letter.map_or(Acked::Nothing, Acked::Delivered)
    }

    /// A letter has given its place up while its exchange goes on.
    pub(in crate::office) fn forget_letter(&mut self, id: PacketId) {
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.letter = None;
            self.unlisted.insert((exchange.deadline, id));
        }
    }

    /// Exchanges of letters that gave their place up are overdue, too, when
    /// their deadline has passed.
    pub(in crate::office) fn expire(&mut self, now: Time) {
        while let Some(&(deadline, id)) = self.unlisted.first()
            && deadline <= now
        {
            self.unlisted.pop_first();
            self.handle_expired(id);
        }
    }

    /// When [`expire`](Self::expire) is to be called next.
    pub(in crate::office) fn next_deadline(&self) -> Option<Time> {
        self.unlisted.first().map(|(deadline, _)| *deadline)
    }

    /// A letter has expired before its exchange is over. A QoS 2 exchange ends
    /// where it is unless the broker was told to deliver while there was time.
    pub(in crate::office) fn handle_expired(&mut self, id: PacketId) {
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return;
        };
        exchange.letter = None;
        match exchange.stage {
            Stage::Published1 => exchange.mark_overdue(&mut self.qos1),
            Stage::Released => exchange.mark_overdue(&mut self.qos2),
            Stage::Published2 | Stage::Received | Stage::Abandoned => {
                exchange.abandon(&mut self.qos2);
            }
        }
    }

    /// The broker has kept the session: exchanges go on under their ids. Those
    /// without a letter are over if they are QoS 1, and their ids free. Those of
    /// QoS 2 are abandoned unless PUBREL can be sent again in time.
    pub(in crate::office) fn handle_session_kept(&mut self, now: Time, ids: &mut PacketIds) {
        self.releases.clear();
        let mut completed = Vec::new();
        for (id, exchange) in self.exchanges.iter_mut() {
            if exchange.letter.is_some() {
                continue;
            }
            match exchange.stage {
                Stage::Published1 => completed.push(id),
                Stage::Received | Stage::Released if now < exchange.deadline => {
                    self.releases.push_back(id);
                }
                Stage::Abandoned => {}
                Stage::Published2 | Stage::Received | Stage::Released => {
                    exchange.abandon(&mut self.qos2);
                }
            }
        }
        for id in completed {
            self.complete(id, ids);
        }
    }

    /// The broker knows nothing of us: every id is free, every letter unsent.
    pub(in crate::office) fn handle_session_lost(
        &mut self,
        list: &mut WorkList,
        ids: &mut PacketIds,
    ) {
        for (id, exchange) in std::mem::take(self).exchanges.iter_mut() {
            ids.release(id);
            if let Some(entry) = exchange.letter.and_then(|key| list.get_mut(key)) {
                entry.packet_id = None;
            }
        }
    }
}

impl Exchange {
    fn mark_overdue(&mut self, window: &mut Window) {
        if !std::mem::replace(&mut self.is_overdue, true) {
            window.overdue += 1;
        }
    }

    fn abandon(&mut self, window: &mut Window) {
        self.mark_overdue(window);
        self.stage = Stage::Abandoned;
    }
}

fn to_publish(entry: &Entry, delivery: Delivery, duplicate: bool) -> Publish {
    Publish {
        topic: entry.topic.clone(),
        payload: entry.payload.clone(),
        delivery,
        retain: entry.retain,
        duplicate,
    }
}
