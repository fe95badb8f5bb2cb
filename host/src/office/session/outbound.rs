//! The sending half of the session: letters on their way, and the exchanges of
//! QoS 1 and QoS 2.

use std::cell::Cell;
use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::by_packet_id::ByPacketId;
use super::packet_ids::PacketIds;
use super::round_trip::RoundTrip;
use super::window::Window;
use super::{Carried, Delivery, Dispatch, Outgoing, Outlook, PacketId, Publish};
use crate::office::work_list::{Entry, Key, WorkList};
use crate::office::{GuestId, Qos, Ticket, Time};

/// How many QoS 1 letters may be in flight.
pub const QOS1_WINDOW: usize = 100;
/// How many QoS 2 letters may be in flight: mosquitto cuts a client off at the
/// 21st open exchange, and while 20 are open it acknowledges letters of QoS 1 and
/// throws them away.
pub const QOS2_WINDOW: usize = 19;

/// A connection is given up when letters wait for room in a window, and the broker
/// has not answered one that expired in it for so long.
const UNANSWERED: Duration = Duration::from_secs(60);

/// A connection is given up when the broker answers nothing for so long, and
/// nothing that it could answer would make room in a window.
const SILENT: Duration = Duration::from_secs(10);

/// What a QoS 2 letter needs beside a round trip: the clock counts milliseconds.
const MARGIN: Duration = Duration::from_millis(2);

/// One exchange with the broker. It can outlive its letter: an id is free only
/// when the broker has said so.
#[derive(Debug)]
struct Exchange {
    guest: GuestId,
    /// Its letter, until that has its outcome.
    letter: Option<Key>,
    /// When its PUBLISH was first handed out.
    begun: Time,
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
    Abandoned {
        /// Whether PUBREC has come.
        is_answered: bool,
    },
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

/// The letters on their way.
#[derive(Debug)]
pub(in crate::office) struct Outbound {
    exchanges: ByPacketId<Exchange>,
    /// Exchanges whose letters gave their place up before their deadline, which
    /// the work list watches no more.
    unlisted: BTreeSet<(Time, PacketId)>,
    qos1: Window,
    qos2: Window,
    /// PUBRELs to send, in the order of their PUBRECs ([MQTT-4.6.0-4]).
    releases: VecDeque<PacketId>,
    /// Letters of QoS 0 that were handed out, in their order. They leave the work
    /// list when they are written.
    unwritten: VecDeque<(Ticket, Key)>,
    round_trip: RoundTrip,
    /// When the connection began.
    connected: Time,
    /// When the broker last answered, or the connection began.
    answered: Time,
    /// Whether the letter of a guest waits because it would come too late.
    holds_back: bool,
    /// Whether the letter of a guest waits for room in a window.
    is_full: bool,
    /// Exchanges of expired letters that the broker has not answered, by the
    /// moment that they began.
    unanswered: BTreeSet<(Time, PacketId)>,
}

impl Outbound {
    pub(in crate::office) fn new(guests: usize) -> Self {
        Self {
            exchanges: ByPacketId::default(),
            unlisted: BTreeSet::new(),
            qos1: Window::new(QOS1_WINDOW, guests),
            qos2: Window::new(QOS2_WINDOW, guests),
            releases: VecDeque::new(),
            unwritten: VecDeque::new(),
            round_trip: RoundTrip::default(),
            connected: Time::default(),
            answered: Time::default(),
            holds_back: false,
            is_full: false,
            unanswered: BTreeSet::new(),
        }
    }

    /// When a new connection is the only thing that helps. No guest brings that
    /// about alone, unless it is the only one or the broker does not answer.
    pub(in crate::office) fn clogged_at(&self) -> Option<Time> {
        let unanswered = self.unanswered.first().filter(|_| self.is_full);
        let unanswered = unanswered.map(|(begun, _)| *begun + UNANSWERED);
        let silent = self.qos2.is_overdue().then(|| self.answered + SILENT);
        [unanswered, silent].into_iter().flatten().min()
    }

    /// Returns whether a new connection must also be a new session.
    pub(in crate::office) fn needs_new_session(&self) -> bool {
        self.qos2.is_overdue()
    }

    /// Returns whether a letter waits that would come too late if it was sent at
    /// once, and that may be in time when what is ahead of it has arrived.
    pub(in crate::office) fn holds_back(&self) -> bool {
        self.holds_back
    }

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
        let round_trip = now + self.round_trip.estimate() + MARGIN;
        let (qos1, qos2) = (&self.qos1, &self.qos2);
        let (holds_back, is_full) = (Cell::new(false), Cell::new(false));
        let key = list.next_unsent(|entry| {
            let has_room = match entry.qos {
                _ if entry.packet_id.is_some() => true,
                Qos::AtMostOnce => true,
                Qos::AtLeastOnce => qos1.has_room(entry.guest),
                Qos::ExactlyOnce => qos2.has_room(entry.guest),
            };
            is_full.set(is_full.get() || !has_room);
            let is_in_time = match entry.qos {
                _ if entry.packet_id.is_some() => true,
                Qos::AtMostOnce | Qos::AtLeastOnce => true,
                Qos::ExactlyOnce => round_trip < entry.deadline,
            };
            let may_go = has_room && is_in_time;
            let is_late = may_go && outlook.arrival(now, entry.size()) > entry.deadline;
            holds_back.set(holds_back.get() || is_late);
            may_go && !is_late
        });
        (self.holds_back, self.is_full) = (holds_back.get(), is_full.get());
        let key = key?;
        let entry = list.get_mut(key)?;
        if entry.size() > max_packet_size {
            return Some(Next::TooLarge(key));
        }
        let (packet, carried) = match entry.packet_id {
            Some(id) => self.resend(id, entry)?,
            None => self.publish(now, key, entry, ids)?,
        };
        let dispatch = Dispatch {
            packet,
            expires: Some(entry.deadline),
            carried,
        };
        Some(Next::Letter(dispatch, entry.ticket))
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
        entry.packet_id = Some(id);
        self.exchanges.insert(
            id,
            Exchange {
                guest: entry.guest,
                letter: Some(key),
                begun: now,
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
    fn resend(&mut self, id: PacketId, entry: &Entry) -> Option<(Outgoing, Carried)> {
        let exchange = self.exchanges.get_mut(id)?;
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

    /// The connection is gone, or ends in good order: then a letter that was begun
    /// is still [written](Self::handle_written).
    pub(in crate::office) fn handle_disconnected(&mut self) {
        (self.holds_back, self.is_full) = (false, false);
    }

    /// A connection begins; the broker took so long to answer CONNECT.
    pub(in crate::office) fn handle_connected(&mut self, now: Time, round_trip: Duration) {
        (self.connected, self.answered) = (now, now);
        self.unwritten.clear();
        self.round_trip.begin(round_trip);
    }

    pub(in crate::office) fn handle_puback(
        &mut self,
        now: Time,
        id: PacketId,
        ids: &mut PacketIds,
    ) -> Acked {
        self.answered = now;
        match self.exchanges.get(id) {
            Some(Exchange {
                stage: Stage::Published1,
                ..
            }) => self.complete(id, ids),
            _ => Acked::Unknown,
        }
    }

    pub(in crate::office) fn handle_pubrec(&mut self, now: Time, id: PacketId) -> Acked {
        self.answered = now;
        let Some(exchange) = self.exchanges.get_mut(id) else {
            return Acked::Unknown;
        };
        match exchange.stage {
            Stage::Published2 => {
                exchange.stage = Stage::Received;
                if self.connected <= exchange.begun {
                    self.round_trip.handle_sample(now.since(exchange.begun));
                }
                self.releases.push_back(id);
                Acked::Nothing
            }
            Stage::Abandoned { .. } => {
                exchange.stage = Stage::Abandoned { is_answered: true };
                self.unanswered.remove(&(exchange.begun, id));
                Acked::Nothing
            }
            // A duplicate; its PUBREL is on its way.
            Stage::Received | Stage::Released => Acked::Nothing,
            Stage::Published1 => Acked::Unknown,
        }
    }

    pub(in crate::office) fn handle_pubcomp(
        &mut self,
        now: Time,
        id: PacketId,
        ids: &mut PacketIds,
    ) -> Acked {
        self.answered = now;
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
        self.unanswered.remove(&(exchange.begun, id));
        let window = match exchange.stage {
            Stage::Published1 => &mut self.qos1,
            _ => &mut self.qos2,
        };
        window.handle_completed(exchange.guest, exchange.is_overdue);
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
        let is_answered = match exchange.stage {
            Stage::Published1 => {
                exchange.mark_overdue(&mut self.qos1);
                false
            }
            Stage::Released => {
                exchange.mark_overdue(&mut self.qos2);
                false
            }
            Stage::Published2 | Stage::Received | Stage::Abandoned { .. } => {
                exchange.abandon(&mut self.qos2)
            }
        };
        if !is_answered {
            self.unanswered.insert((exchange.begun, id));
        }
    }

    /// The broker has kept the session: exchanges go on under their ids. Those
    /// without a letter are over if they are QoS 1, and their ids free. Those of
    /// QoS 2 are abandoned unless PUBREL can be sent again in time.
    pub(in crate::office) fn handle_session_kept(&mut self, now: Time, ids: &mut PacketIds) {
        self.releases.clear();
        // What is not sent again is not answered.
        self.unanswered.clear();
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
                Stage::Abandoned { .. } => {}
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
        self.unlisted.clear();
        self.unanswered.clear();
        self.releases.clear();
        self.qos1.clear();
        self.qos2.clear();
        for (id, exchange) in std::mem::take(&mut self.exchanges).iter_mut() {
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
            window.handle_overdue();
        }
    }

    /// PUBREL is never sent. Returns whether there is nothing that the broker could
    /// still answer.
    fn abandon(&mut self, window: &mut Window) -> bool {
        self.mark_overdue(window);
        let is_answered = match self.stage {
            Stage::Published1 | Stage::Published2 => false,
            Stage::Received | Stage::Released => true,
            Stage::Abandoned { is_answered } => is_answered,
        };
        self.stage = Stage::Abandoned { is_answered };
        is_answered
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
