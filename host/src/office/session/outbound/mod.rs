//! The sending half of the session: letters on their way, and the exchanges of
//! QoS 1 and QoS 2.

mod begun;
mod exchange;
mod pauses;
mod quota;
mod round_trip;
mod send;
mod suspects;
mod window;

use std::collections::{BTreeSet, VecDeque};
use std::time::Duration;

use super::by_packet_id::ByPacketId;
use super::{Delivery, PacketId, PacketIds, Reason};
use crate::office::work_list::{Key, WorkList};
use crate::office::{GuestId, Ticket, Time};
use exchange::{Exchange, Stage};
use pauses::Pauses;
use quota::Quota;
use round_trip::RoundTrip;
pub use send::Refusal;
pub(in crate::office) use send::{Limits, to_packet};
use suspects::Suspects;
pub(in crate::office) use suspects::{FIRST_PAUSE, LONGEST_PAUSE, RIGHT_AFTER, SUSPECT};
use window::Window;

/// How many QoS 1 letters may be in flight.
pub const QOS1_WINDOW: usize = 100;
/// How many QoS 2 letters may be in flight: mosquitto cuts a client off at the
/// 21st open exchange, and while 20 are open it acknowledges letters of QoS 1 and
/// throws them away.
pub const QOS2_WINDOW: usize = 19;

/// A connection is given up when letters wait for room in a window, and the broker
/// has not answered one that expired in it for so long.
const UNANSWERED: Duration = Duration::from_secs(60);

/// A session is given up when expired letters of QoS 2, which nothing but the end of
/// the session ends, have used up what a guest can have of the window, and the
/// broker has had so long to answer others.
const SILENT: Duration = Duration::from_secs(10);

/// And not more often than this, as all guests are offline meanwhile and lose what
/// the broker keeps for them.
const RENEWAL: Duration = Duration::from_secs(300);

/// How long the letters of a guest wait after the broker had no room for one:
/// doubled each time, until one is accepted.
const FIRST_NO_ROOM: Duration = Duration::from_secs(1);
const LONGEST_NO_ROOM: Duration = Duration::from_secs(60);

/// What an acknowledgement led to.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Acked {
    /// The letter is delivered.
    Delivered(Key),
    /// The broker does not take the letter.
    Refused(Key, Reason),
    /// The broker has no room for the letter at the moment.
    Again(Key),
    /// Nothing to report: a first half, a duplicate, or a letter that had its
    /// outcome before.
    Nothing,
    /// The broker has acknowledged something that was never sent to it.
    Unknown,
}

/// The letters on their way.
#[derive(Debug)]
pub(in crate::office) struct Outbound {
    /// By guest: whether it is there, and not gone.
    are_there: Vec<bool>,
    exchanges: ByPacketId<Exchange>,
    /// Exchanges whose letters gave their place up before their deadline, which
    /// the work list watches no more.
    unlisted: BTreeSet<(Time, PacketId)>,
    qos1: Window,
    qos2: Window,
    /// What the broker allows of both together.
    quota: Quota,
    /// After the broker had no room for a letter.
    no_room: Pauses,
    /// PUBRELs to send, in the order of their PUBRECs ([MQTT-4.6.0-4]).
    releases: VecDeque<PacketId>,
    /// Letters of QoS 0 that were handed out, in their order. They leave the work
    /// list when they are written. Each has its place among all that this
    /// connection was given.
    unwritten: VecDeque<(Ticket, Key, u64)>,
    /// How many packets this connection was given that carry something, and of how
    /// many the network has taken a byte, those that were recalled included.
    handed_out: u64,
    taken: u64,
    round_trip: RoundTrip,
    /// When the connection began.
    connected: Time,
    /// When the broker last answered, or the connection began, and when it was last
    /// given something to answer.
    answered: Time,
    begun: Time,
    /// When a new session was last asked for, to end exchanges.
    renewed: Option<Time>,
    /// Whether the letter of a guest waits because it would come too late.
    holds_back: bool,
    /// Whether the letter of a guest waits for room in a window.
    is_full: bool,
    /// Exchanges of expired letters that the broker has not answered, by the
    /// moment that they began.
    unanswered: BTreeSet<(Time, PacketId)>,
    suspects: Suspects,
}

impl Outbound {
    pub(in crate::office) fn new(guests: usize) -> Self {
        let are_there = vec![true; guests];
        Self {
            exchanges: ByPacketId::default(),
            unlisted: BTreeSet::new(),
            qos1: Window::new(QOS1_WINDOW, &are_there),
            qos2: Window::new(QOS2_WINDOW, &are_there),
            quota: Quota::none(),
            no_room: Pauses::new(guests, FIRST_NO_ROOM, LONGEST_NO_ROOM),
            releases: VecDeque::new(),
            unwritten: VecDeque::new(),
            handed_out: 0,
            taken: 0,
            round_trip: RoundTrip::default(),
            connected: Time::default(),
            answered: Time::default(),
            begun: Time::default(),
            renewed: None,
            holds_back: false,
            is_full: false,
            unanswered: BTreeSet::new(),
            suspects: Suspects::new(guests),
            are_there,
        }
    }

    /// The guests are others: by guest, whether it is there, and not gone. `new` have
    /// just come.
    pub(in crate::office) fn handle_guests(&mut self, are_there: Vec<bool>, new: &[GuestId]) {
        let guests = are_there.len();
        self.suspects.resize(guests);
        self.no_room.resize(guests);
        for guest in new {
            self.suspects.forget(*guest);
            self.no_room.forget(*guest);
        }
        self.qos1.divide(&are_there);
        self.qos2.divide(&are_there);
        self.quota.divide(&are_there);
        self.are_there = are_there;
    }

    /// Returns whether a guest has exchanges open.
    pub(in crate::office) fn is_used_by(&self, guest: GuestId) -> bool {
        self.qos1.is_used_by(guest) || self.qos2.is_used_by(guest)
    }

    /// Returns whether there are exchanges without a letter, which time can do
    /// something about.
    #[inline]
    pub(in crate::office) fn has_loose_ends(&self) -> bool {
        !self.unlisted.is_empty() || !self.unanswered.is_empty() || self.qos2.has_overdue()
    }

    /// When a new connection is the only thing that helps. No guest brings that
    /// about alone, unless it is the only one or the broker does not answer.
    pub(in crate::office) fn clogged_at(&self) -> Option<Time> {
        let unanswered = self.unanswered.first().filter(|_| self.is_full);
        let unanswered = unanswered.map(|(begun, _)| *begun + UNANSWERED);
        let used_up = self.is_used_up().then(|| {
            let heard = self.answered.max(self.begun);
            self.renewal_at().max(heard + SILENT)
        });
        [unanswered, used_up].into_iter().flatten().min()
    }

    /// Returns whether a new connection must also be a new session.
    pub(in crate::office) fn needs_new_session(&self, now: Time) -> bool {
        self.is_used_up() && self.renewal_at() <= now
    }

    fn is_used_up(&self) -> bool {
        self.qos2.is_used_up() || self.quota.is_used_up()
    }

    fn renewal_at(&self) -> Time {
        self.renewed.map_or(Time::default(), |at| at + RENEWAL)
    }

    /// A new session is asked for.
    pub(in crate::office) fn handle_renewed(&mut self, now: Time) {
        self.renewed = Some(now);
    }

    /// Returns whether a letter waits that would come too late if it was sent at
    /// once, and that may be in time when what is ahead of it has arrived.
    pub(in crate::office) fn holds_back(&self) -> bool {
        self.holds_back
    }

    /// The connection is gone, or ends in good order: then a letter that was begun
    /// is still [written](Self::handle_written).
    pub(in crate::office) fn handle_disconnected(&mut self) {
        (self.holds_back, self.is_full) = (false, false);
        self.suspects.end();
    }

    /// Whether something that went out on this connection is not answered.
    fn has_unanswered(&self) -> bool {
        let mut exchanges = self.exchanges.values();
        !self.unwritten.is_empty() || exchanges.any(|exchange| self.is_unanswered(exchange))
    }

    /// Whether letters are on their way that another session would send anew.
    pub(in crate::office) fn has_in_flight(&self) -> bool {
        let mut exchanges = self.exchanges.values();
        !self.unwritten.is_empty() || exchanges.any(|exchange| exchange.letter.is_some())
    }

    fn is_unanswered(&self, exchange: &Exchange) -> bool {
        exchange.stage.is_published()
            && self.connected <= exchange.sent
            && exchange.letter.is_some()
    }

    /// The broker has hung up. Returns the letter that was alone under way, if
    /// that was why.
    pub(in crate::office) fn handle_hang_up(
        &mut self,
        now: Time,
        list: &mut WorkList,
    ) -> Option<Key> {
        let alone = self.suspects.alone(now).map(|(key, _)| key);
        let mut unanswered = 0;
        for exchange in self.exchanges.values() {
            if self.is_unanswered(exchange)
                && now < exchange.sent + RIGHT_AFTER
                && let Some(entry) = exchange.letter.and_then(|key| list.get_mut(key))
            {
                unanswered += 1;
                entry.hang_ups = entry.hang_ups.saturating_add(1);
            }
        }
        let key = alone.filter(|_| unanswered == 1)?;
        let entry = list.get(key).filter(|entry| entry.hang_ups > SUSPECT)?;
        self.suspects.handle_refused(now, entry.guest);
        Some(key)
    }

    /// A subscription is to go alone. Returns whether it may, because nothing else is
    /// under way or it has waited long enough. Letters wait until then, and for its
    /// answer.
    pub(in crate::office) fn make_way(&mut self, now: Time, is_quiet: bool) -> bool {
        let may_go = self.suspects.has_waited(now) || (is_quiet && !self.has_unanswered());
        match may_go {
            true => self.suspects.handle_subscription(now),
            false => self.suspects.handle_waiting(now),
        }
        may_go
    }

    /// Whether everything waits for the answer to a subscription.
    pub(in crate::office) fn makes_way(&self, now: Time) -> bool {
        self.suspects.is_for_subscription(now)
    }

    /// All subscriptions are answered.
    pub(in crate::office) fn handle_subscribed(&mut self) {
        self.suspects.handle_subscribed();
    }

    /// When letters may go again that may not after `now`.
    pub(in crate::office) fn next_turn(&self, now: Time) -> Option<Time> {
        let suspects = self.suspects.next_timeout(now);
        let no_room = self.no_room.next_timeout(now);
        suspects.into_iter().chain(no_room).min()
    }

    /// A connection begins; the broker took so long to answer CONNECT.
    pub(in crate::office) fn handle_connected(
        &mut self,
        now: Time,
        round_trip: Duration,
        list: &mut WorkList,
    ) {
        (self.connected, self.answered) = (now, now);
        self.begin_connection(list);
        self.round_trip.begin(round_trip);
    }

    /// On this connection so many exchanges may be open together. To be told once
    /// it is known whether the session was kept.
    pub(in crate::office) fn handle_receive_maximum(&mut self, most: usize) {
        self.quota = if most < QOS1_WINDOW + QOS2_WINDOW {
            Quota::new(most, &self.are_there)
        } else {
            Quota::none()
        };
        for (_, exchange) in self.exchanges.iter_mut() {
            exchange.is_published = false;
            self.quota.handle_begun(exchange.guest);
            if exchange.is_overdue && exchange.stage != Stage::Published1 {
                self.quota.handle_overdue(exchange.guest);
            }
        }
    }

    /// A broker that makes QoS 1 of QoS 2 answers PUBLISH like this, too (RabbitMQ
    /// before 4.0): then there is no second half.
    pub(in crate::office) fn handle_puback(
        &mut self,
        now: Time,
        id: PacketId,
        ids: &mut PacketIds,
    ) -> Acked {
        self.answered = now;
        match self.exchanges.get(id).map(|exchange| exchange.stage) {
            Some(
                Stage::Published1 | Stage::Published2 | Stage::Abandoned { is_answered: false },
            ) => self.complete(id, ids),
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

    /// The broker does not take what was sent: the exchange is over.
    pub(in crate::office) fn handle_refused(
        &mut self,
        now: Time,
        delivery: Delivery,
        reason: Reason,
        ids: &mut PacketIds,
    ) -> Acked {
        self.answered = now;
        let Some(id) = delivery.packet_id() else {
            return Acked::Unknown;
        };
        let stage = self.exchanges.get(id).map(|exchange| exchange.stage);
        match (delivery, stage) {
            (Delivery::AtLeastOnce(_), Some(Stage::Published1))
            | (Delivery::ExactlyOnce(_), Some(Stage::Published2 | Stage::Abandoned { .. })) => {}
            _ => return Acked::Unknown,
        }
        let guest = self.exchanges.get(id).map(|exchange| exchange.guest);
        match self.end(id, ids) {
            Some(key) if reason.is_for_now() => {
                // Of those that were on their way together the first alone makes
                // the pause longer.
                if let Some(guest) = guest
                    && !self.no_room.is_paused(now, guest)
                {
                    self.no_room.begin(now, guest);
                }
                Acked::Again(key)
            }
            Some(key) => Acked::Refused(key, reason),
            None => Acked::Nothing,
        }
    }

    /// The broker has what was sent.
    fn complete(&mut self, id: PacketId, ids: &mut PacketIds) -> Acked {
        if let Some(exchange) = self.exchanges.get(id) {
            self.no_room.start_over(exchange.guest);
        }
        self.end(id, ids).map_or(Acked::Nothing, Acked::Delivered)
    }

    /// The exchange is over. Returns its letter, if that has no outcome.
    fn end(&mut self, id: PacketId, ids: &mut PacketIds) -> Option<Key> {
        let exchange = self.exchanges.remove(id)?;
        ids.release(id);
        if exchange.letter.is_none() {
            self.unlisted.remove(&(exchange.deadline, id));
            self.unanswered.remove(&(exchange.begun, id));
        }
        let (guest, is_overdue) = (exchange.guest, exchange.is_overdue);
        let is_qos2 = exchange.stage != Stage::Published1;
        let window = match is_qos2 {
            false => &mut self.qos1,
            true => &mut self.qos2,
        };
        window.handle_completed(guest, is_overdue);
        self.quota
            .handle_completed(guest, is_overdue && is_qos2, exchange.is_published);
        exchange.letter
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
                exchange.mark_overdue2(&mut self.qos2, &mut self.quota);
                false
            }
            Stage::Published2 | Stage::Received | Stage::Abandoned { .. } => {
                exchange.abandon(&mut self.qos2, &mut self.quota)
            }
        };
        if !is_answered {
            self.unanswered.insert((exchange.begun, id));
        }
    }

    /// A letter is called back that is under way on no connection: the time of its
    /// exchange is over, so that it is not gone on with on the next one.
    pub(in crate::office) fn handle_cancelled(&mut self, now: Time, id: PacketId) {
        if let Some(exchange) = self.exchanges.get_mut(id) {
            exchange.deadline = exchange.deadline.min(now);
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
                    exchange.abandon(&mut self.qos2, &mut self.quota);
                }
            }
        }
        for id in completed {
            self.end(id, ids);
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
