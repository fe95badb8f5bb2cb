//! The post office: a state machine that owns the work list and the session.
//!
//! It never reads a clock, opens a socket, spawns or sleeps. Time and events
//! come in through `handle_*`, what is to be done goes out through `poll_*`,
//! and [`Office::next_timeout`] says when to come back at the latest. The same
//! inputs give the same outputs, so everything it promises can be tested by
//! driving it through whole outages in one thread and no time.
//!
//! What it promises:
//!
//! - [`Office::poll_packet`] never yields a letter, nor the second half of a
//!   QoS 2 exchange, at or after the letter's deadline.
//! - Each letter that was [posted](Office::post) has exactly one [`Outcome`],
//!   which its guest is called with.
//! - Calls of one guest come one at a time and in order.
//! - A timer that was set by a call that succeeded is called at its moments, or once
//!   for all those that have passed, until it is cancelled; and never earlier.
//! - A message of QoS 1 or 2 is acknowledged when all its guests have taken it.
//!
//! A letter's walk: [`Office::handle_answer`] (the call that published it has
//! succeeded) -> work list -> [`Office::poll_packet`] -> [`Office::handle_packet`]
//! (acknowledged) -> [`Office::poll_call`] (its outcome).

mod acceptance;
mod carry_letters;
mod change_guests;
mod end_calls;
mod guests;
mod journal;
mod keep_session;
mod kept;
mod note_changes;
mod notices;
mod operate;
mod payload;
mod properties;
mod rarely;
mod restore;
mod routing;
mod session;
mod settings;
mod time;
mod timers;
mod words;
mod work_list;

#[cfg(test)]
mod equals_tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use change_guests::with_will;
use guests::{Guests, Inbox};
use journal::Journal;
use notices::Notices;
use routing::{Route, Subscriptions};
use session::{Dial, Due, Inbound, Limits, Link, Outbound, PacketIds, Presence, Random, Wills};
use timers::Timers;
use work_list::WorkList;

pub use acceptance::{NotAccepted, check_replace_key, check_size, check_tag};
pub use change_guests::{Belongings, MAX_GONE, SessionChange};
pub use guests::{
    Answer, Assignment, CONTROL_PERMISSIONS, Call, Cancel, Displaced, Effects, Message, Operate,
    Origin, Permissions, Rate, Room, Rule, Status, Tray,
};
pub use journal::{Change, KeptLetter, KeptTimer, MAX_PENDING, NO_SESSION};
pub use kept::{Changes, Draft, Kept, MAX_KEY, NotWritten};
pub use notices::{Concluded, Notice};
pub use operate::{NotCancelled, NotHanded, OpenLetter, Standing};
pub use payload::Payload;
pub use properties::Properties;
pub use rarely::Rarely;
pub use restore::Remaining;
pub use routing::{Filter, FilterError, topic};
pub use session::{
    Carried, Connect, Delivery, Disconnection, Dispatch, Incoming, LastWill, MAX_PACKET_SIZE,
    MAX_REMAINING_LENGTH, MAX_SUBSCRIPTION_ID, Outgoing, Outlook, PacketId, Publish, QOS1_WINDOW,
    QOS2_WINDOW, Reason, Refusal, SubscriptionId, Terms, WillRefusal, filter_size, max_payload,
    properties_size, publish_size, publish_size_with, subscribe_size,
};
pub use settings::{
    BackoffSettings, DEFAULT_TTL, GoneGuests, GuestSettings, MAX_OUTCOMES, MAX_STATE, Overflow,
    Settings, StatusTopic, TimerSettings, WhenOff, WorkListSettings,
};
pub use time::Time;
pub use timers::{
    DueTimer, ListedTimer, MAX_TIMER_NAME, NotSet, SHORTEST_PERIOD, Schedule, TimerChanges,
    TimerId, TimerStanding, TimerTable,
};
pub use words::{OutcomeWord, UnknownWord};
pub use work_list::{
    DisplacedBy, GuestId, Keys, Letter, LetterOutcome, MAX_REPLACE_KEY, MAX_TAG, Outcome, Priority,
    Qos, Refused, Ticket, letter_size,
};

/// How many outcomes a guest can be owed beyond the letters on its work list.
pub const MAX_OWED_OUTCOMES: usize = 10_000;

/// How long the office goes on after [`Office::handle_shutdown`].
pub const SHUTDOWN_TIME: Duration = Duration::from_secs(5);

/// From so many unwritten acknowledgements on, the host reads no more.
const MAX_ANSWERS: usize = 1_000;

/// What is not over yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Backlog {
    /// Letters without an outcome.
    pub letters: usize,
    /// Messages that a guest has not taken, counted once a guest.
    pub messages: usize,
    /// Other things that a guest has not been told.
    pub events: usize,
    /// Whether a guest is at a call, or a call is due. If neither, what is left
    /// waits for its time.
    pub is_calling: bool,
}

/// The post office.
#[derive(Debug)]
pub struct Office {
    settings: Settings,
    random: Random,
    /// The latest moment that an input has named.
    latest: Time,
    link: Link,
    /// Whether the connection at hand was to start a new session.
    asked_for_new_session: bool,
    /// Which broker the next connection goes to, and which one the session is with.
    broker: usize,
    session_of: Option<usize>,
    /// What the broker has called the gateway, if that has no client id.
    client_id: Option<Arc<str>>,
    /// What may be sent on the connection at hand.
    limits: Limits,
    ids: PacketIds,
    list: WorkList,
    outbound: Outbound,
    inbound: Inbound,
    subscriptions: Subscriptions,
    presence: Presence,
    wills: Wills,
    guests: Guests,
    timers: Timers,
    /// The state of each guest.
    kept: Vec<Arc<Kept>>,
    /// The guests that were taken away and are not back, the first one first.
    gone: Vec<GuestId>,
    /// Room for those that a message goes to.
    routed: Vec<Route>,
    /// Those that are asked for the last will.
    with_will: Vec<GuestId>,
    /// Acknowledgements and pings that are still to be written.
    answers: VecDeque<Outgoing>,
    /// What is to outlive the gateway and is not kept yet.
    journal: Journal,
    close: Option<Disconnection>,
    notices: Notices,
    shutdown: Option<Time>,
    /// What was configured for the session that is to come.
    next_session: Option<Box<Settings>>,
}

impl Office {
    /// Opens with an empty work list and no connection. The first connection is
    /// due `first_connect_delay` after `now`.
    pub fn new(now: Time, settings: Settings) -> Self {
        let mut random = Random::from_seed(settings.seed);
        let first_id = if settings.clean_session {
            1
        } else {
            random.next() as u16
        };
        let first_connect = now + settings.first_connect_delay;
        Self {
            link: Link::new(settings.keep_alive, settings.backoff, first_connect),
            latest: now,
            asked_for_new_session: true,
            broker: 0,
            session_of: None,
            client_id: None,
            limits: Limits::of(&settings),
            ids: PacketIds::starting_at(first_id),
            list: WorkList::new(settings.guests.len(), settings.is_durable),
            outbound: Outbound::new(settings.guests.len()),
            inbound: Inbound::default(),
            subscriptions: Subscriptions::new(&settings.guests, settings.max_qos, settings.backoff),
            presence: Presence::new(settings.status_topic.clone()),
            wills: Wills::default(),
            guests: Guests::new(now, &settings.guests),
            timers: Timers::given(now, &settings.guests),
            kept: settings
                .guests
                .iter()
                .map(|guest| Arc::new(Kept::new(guest.max_state)))
                .collect(),
            gone: Vec::new(),
            routed: Vec::new(),
            with_will: with_will(&settings.guests, settings.status_topic.is_some()),
            answers: VecDeque::new(),
            journal: Journal::new(settings.is_durable),
            close: None,
            notices: Notices::new(),
            shutdown: None,
            next_session: None,
            random,
            settings,
        }
    }

    /// Returns whether there is a session with the broker.
    pub fn status(&self) -> Status {
        if self.link.is_online() {
            Status::Online
        } else {
            Status::Offline
        }
    }

    /// Returns why nothing can be kept at the moment, if so.
    pub fn commit_failed(&self) -> Option<&Arc<str>> {
        self.journal.failed()
    }

    /// Returns whether all that is to outlive the gateway is kept. Never, if nothing is.
    pub fn is_kept(&self) -> bool {
        self.journal.is_on() && self.journal.is_idle()
    }

    /// Returns how many groups were and will have been [handed out](Self::poll_commit)
    /// when everything up to here has been, and how many of them are kept.
    pub fn groups(&self) -> (u64, u64) {
        (self.journal.group(), self.journal.durable())
    }

    /// Whether so many groups of changes were handed out, be they kept or not.
    pub fn is_handed_out(&self, group: u64) -> bool {
        group <= self.journal.begun()
    }

    /// Whether a group of changes was handed out and is not kept.
    pub fn is_keeping(&self) -> bool {
        self.journal.under_way() > 0
    }

    /// Whether so much is to be kept that it is worth a group of its own.
    #[inline]
    pub fn has_large_group(&self) -> bool {
        self.journal.is_large()
    }

    /// Returns how many letters have no outcome yet.
    pub fn open_letters(&self) -> usize {
        self.list.len()
    }

    /// Returns how many letters have an outcome that their guest has not been told.
    pub fn untold_outcomes(&self) -> usize {
        self.guests.inboxes().map(Inbox::outcomes).sum()
    }

    /// Returns what is not over yet.
    pub fn backlog(&self, now: Time) -> Backlog {
        let takes_messages = self.shutdown.is_none();
        let mut backlog = Backlog {
            letters: self.list.len(),
            is_calling: takes_messages && self.timers.is_due(now),
            ..Backlog::default()
        };
        for inbox in self.guests.inboxes() {
            backlog.messages += inbox.messages();
            backlog.events += inbox.events();
            backlog.is_calling |= inbox.is_running()
                || inbox
                    .next_timeout(takes_messages)
                    .is_some_and(|at| at <= now);
        }
        backlog
    }

    /// Returns whether more is to be read from the broker. It is not while the
    /// network takes no answers to what was read before.
    pub fn wants_read(&self) -> bool {
        self.answers.len() < MAX_ANSWERS
    }

    /// Returns whether a letter waits that would come too late if it was sent at
    /// once, and that may be in time when what is ahead of it has arrived.
    pub fn holds_back(&self) -> bool {
        self.outbound.holds_back()
    }

    /// Returns whether letters are on their way that another session would send anew.
    pub fn has_in_flight(&self) -> bool {
        self.outbound.has_in_flight()
    }

    /// Returns when something is due next, if nothing happens before. What is due
    /// to be written already is not counted: it waits for room, not for time.
    pub fn next_timeout(&mut self) -> Option<Time> {
        let takes_messages = self.shutdown.is_none();
        let subscriptions = if self.link.is_online() {
            self.subscriptions.next_timeout(self.latest)
        } else {
            None
        };
        [
            self.link.next_timeout(),
            self.list.next_deadline(),
            self.outbound.next_deadline(),
            self.outbound.clogged_at().filter(|_| self.link.is_online()),
            self.outbound.next_turn(self.latest),
            subscriptions,
            self.shutdown,
            self.guests.next_timeout(takes_messages),
            self.timers.next_deadline().filter(|_| takes_messages),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Returns whether all is done after [`handle_shutdown`](Self::handle_shutdown),
    /// or its time is over.
    pub fn is_finished(&self, now: Time) -> bool {
        let Some(until) = self.shutdown else {
            return false;
        };
        let is_idle = self.guests.inboxes().all(Inbox::is_idle);
        let is_sent = self.list.len() == 0 && self.answers.is_empty();
        let is_kept = self.journal.is_idle();
        until <= now || (is_idle && is_kept && (is_sent || !self.link.is_online()))
    }

    // ---- what has happened ----

    /// Time has passed: letters expire, a silent broker is given up.
    pub fn handle_timeout(&mut self, now: Time) {
        self.expire(now);
        match self.link.poll(now, &self.with_will) {
            Some(Due::AskForWill) => {
                for guest in &self.with_will {
                    self.guests
                        .change(*guest, |inbox| inbox.set_wants_will(true));
                }
            }
            Some(Due::Ping) => self.answers.push_back(Outgoing::PingReq),
            Some(Due::GiveUp(reason)) => self.give_up(now, reason),
            None => {}
        }
    }

    /// The wire has read something, perhaps not a whole packet.
    pub fn handle_traffic(&mut self, now: Time) {
        self.link.handle_received(now);
    }

    /// The broker has sent a packet.
    pub fn handle_packet(&mut self, now: Time, packet: Incoming) {
        self.expire(now);
        if let Incoming::ConnAck {
            session_present,
            terms,
        } = packet
        {
            return self.handle_connack(now, session_present, terms);
        }
        if !self.link.is_online() {
            if self.link.is_connecting() {
                self.give_up(now, Disconnection::Violation("the first packet is CONNACK"));
            }
            return;
        }
        self.link.handle_received(now);
        match packet {
            Incoming::Publish(publish, came_for) => {
                self.handle_publish(now, publish, &came_for, Origin::Broker);
            }
            Incoming::PubAck(id) if self.presence.handle_puback(id) => {}
            Incoming::PubAck(id) => {
                let acked = self.outbound.handle_puback(now, id, &mut self.ids);
                self.handle_acked(acked, "PUBACK");
            }
            Incoming::PubRec(id) => {
                let acked = self.outbound.handle_pubrec(now, id);
                self.handle_acked(acked, "PUBREC");
            }
            Incoming::PubRel(id) => {
                let answer = self.inbound.handle_pubrel(id);
                self.note_release(id);
                self.answer(Some(answer));
            }
            Incoming::PubComp(id) => {
                let acked = self.outbound.handle_pubcomp(now, id, &mut self.ids);
                self.handle_acked(acked, "PUBCOMP");
            }
            Incoming::Refused { delivery, reason } => {
                if self.presence.handle_refused(delivery) {
                    return self.refuse_status(Refusal::Broker(reason));
                }
                let ids = &mut self.ids;
                let acked = self.outbound.handle_refused(now, delivery, reason, ids);
                self.handle_acked(acked, "refusal");
            }
            Incoming::SubAck { id, granted } => self.handle_suback(now, id, &granted),
            Incoming::UnsubAck { id, refused } => self.handle_unsuback(id, refused),
            Incoming::TooLarge {
                topic,
                delivery,
                size,
            } => {
                self.notices.push(Notice::TooLarge { topic, size });
                // What was too large before is not here.
                let answer = self.inbound.handle_unwanted(delivery, false);
                self.answer(answer);
            }
            Incoming::Disconnect(reason, server) => {
                let ended = match server {
                    Some(server) => Disconnection::Elsewhere(reason, server),
                    None => Disconnection::Ended(reason),
                };
                self.give_up(now, ended);
            }
            Incoming::PingResp | Incoming::ConnAck { .. } => {}
        }
    }

    /// Of the packets that were handed out on this connection and
    /// [carry](Carried) something, the network has taken a byte of the first `count`,
    /// but for those that were recalled.
    #[inline]
    pub fn handle_begun(&mut self, count: u64) {
        self.outbound.handle_begun(count);
    }

    /// The network has taken the last byte of a packet.
    pub fn handle_written(&mut self, now: Time, carried: Carried) {
        self.expire(now);
        if let Carried::Letter(ticket) = carried
            && let Some(key) = self.outbound.handle_written(ticket, &self.list)
        {
            self.conclude(key, Outcome::Delivered);
        }
    }

    /// A packet had expired by this moment, and nothing of it was or will be
    /// written.
    pub fn handle_recalled(&mut self, now: Time, carried: Carried) {
        self.expire(now);
        self.outbound.handle_recalled(carried, &mut self.ids);
    }

    /// A call has kept everyone waiting for so long.
    pub fn handle_time_taken(&mut self, guest: GuestId, time: Duration) {
        self.guests.handle_time_taken(guest, time);
    }

    /// The connection is gone, or could not be made. Returns why, as far as the post
    /// office knows better.
    pub fn handle_disconnected(&mut self, now: Time, reason: Disconnection) -> Disconnection {
        self.expire(now);
        match self.link.is_up() {
            true => self.disconnect(now, reason),
            false => reason,
        }
    }

    /// A guest has finished the call it was [assigned](Self::poll_call).
    pub fn handle_answer(&mut self, now: Time, guest: GuestId, answer: Answer) {
        self.expire(now);
        self.end_call(now, guest, answer);
    }

    /// Puts a letter on the work list. Its ttl counts from `now`.
    pub fn post(&mut self, now: Time, guest: GuestId, letter: Letter) {
        self.expire(now);
        self.post_since(now, now, guest, letter);
    }

    /// The oldest group of changes that was [handed out](Self::poll_commit) is kept, and
    /// outlives the gateway from now on.
    pub fn handle_committed(&mut self) {
        let answers = self.journal.handle_committed();
        self.answers.extend(answers);
        self.list.handle_committed(self.journal.under_way());
    }

    /// The oldest group of changes that was handed out could not be kept, for this reason,
    /// and is tried again. Meanwhile nothing is accepted from guests.
    pub fn handle_commit_failed(&mut self, why: Arc<str>) {
        self.journal.handle_failed(why);
    }

    /// Groups can be kept again.
    pub fn handle_commit_possible(&mut self) {
        self.journal.handle_possible();
    }

    /// The operator asks for a new connection. Guests [ask](Effects::reconnect) as
    /// well, and get one a minute each.
    pub fn handle_reconnect(&mut self, now: Time) {
        self.expire(now);
        if self.link.is_up() {
            self.give_up(now, Disconnection::Reconnect);
        } else {
            self.link.hurry(now);
        }
    }

    /// A message for the guests comes from within the gateway, not from the
    /// broker: it needs no connection and no acknowledgement.
    pub fn handle_local_message(
        &mut self,
        now: Time,
        topic: Arc<str>,
        payload: Payload,
        properties: Option<Arc<Properties>>,
    ) {
        self.expire(now);
        let publish = Publish {
            topic,
            payload,
            delivery: Delivery::AtMostOnce,
            retain: false,
            duplicate: false,
            properties,
            lifetime: None,
        };
        self.handle_publish(now, publish, &[], Origin::Gateway);
    }

    /// A guest was replaced by another one, who has failed at nothing yet. So
    /// what waits after a failure, or because it was put off, is due at once.
    pub fn handle_replaced(&mut self, guest: GuestId) {
        self.guests.change(guest, Inbox::handle_replaced);
    }

    /// The gateway is to stop: messages are no longer taken nor timers called, and for
    /// [`SHUTDOWN_TIME`] letters go out and guests hear of them.
    pub fn handle_shutdown(&mut self, now: Time) {
        if self.shutdown.is_none() {
            self.shutdown = Some(now + SHUTDOWN_TIME);
            if !self.link.is_online() {
                self.link.stop();
            }
        }
    }

    /// The next connection goes to this broker, by a number of its own; and if it
    /// does not come to CONNACK, whether another one is to be tried at once.
    pub fn set_broker(&mut self, broker: usize, has_another: bool) {
        self.broker = broker;
        self.link.set_has_another(has_another);
    }

    // ---- what is to be done ----

    /// A connection to make now.
    pub fn poll_connect(&mut self, now: Time) -> Option<Connect> {
        self.expire(now);
        let Dial::Now(will) = self.link.take_ready(now) else {
            return None;
        };
        self.begin_next_session(now);
        for guest in &self.with_will {
            self.guests
                .change(*guest, |inbox| inbox.set_wants_will(false));
        }
        let is_renewed = self.outbound.needs_new_session(now);
        if is_renewed {
            self.outbound.handle_renewed(now);
        }
        // What another broker knows of this client is of another session, whose
        // exchanges are not those at hand.
        let is_with_another = self.session_of.is_some_and(|of| of != self.broker);
        let clean_session = self.settings.clean_session || is_renewed || is_with_another;
        self.asked_for_new_session = clean_session;
        let will = will
            .or_else(|| self.presence.last_will())
            .or_else(|| self.settings.last_will.clone())
            .map(|will| LastWill {
                qos: will.qos.min(self.settings.max_qos),
                ..will
            });
        Some(Connect {
            clean_session,
            client_id: self.client_id.clone(),
            will: self.wills.handle_begun(self.broker, will),
        })
    }

    /// A connection to drop now, with what was written to it. If the reason is
    /// [`Reconnect`](Disconnection::Reconnect), a DISCONNECT goes before, provided
    /// that it can be written at once.
    pub fn poll_close(&mut self) -> Option<Disconnection> {
        self.close.take()
    }

    /// The last packet to write on a connection that is to end in good order, if
    /// there is one to go before DISCONNECT.
    pub fn poll_farewell(&mut self) -> Option<Dispatch> {
        self.presence.poll_farewell(&self.limits, &mut self.ids)
    }

    /// The next packet to write. `now` must be the moment of writing, and
    /// `outlook` what is known of the network then.
    pub fn poll_packet(&mut self, now: Time, outlook: Outlook) -> Option<Dispatch> {
        self.expire(now);
        if !self.link.is_online() {
            return None;
        }
        let ahead = self.next_ahead_of_letters(now);
        if ahead.is_some() {
            self.link.handle_sent(now);
            return ahead;
        }
        self.next_of_letters(now, outlook)
    }

    /// The next call of a guest. Its answer goes to
    /// [`handle_answer`](Self::handle_answer).
    pub fn poll_call(&mut self, now: Time) -> Option<Assignment> {
        self.expire(now);
        if self.journal.is_full() {
            return None;
        }
        let takes_messages = self.shutdown.is_none();
        if takes_messages {
            self.wake_timers(now);
        }
        let (guest, call) = self.guests.poll(now, takes_messages)?;
        Some(Assignment {
            guest,
            call,
            status: self.status(),
            room: self.room(now, guest),
            timers: self.timers.of(guest),
            kept: self.kept[guest.index()].clone(),
            now,
        })
    }

    /// The next group of changes that is to be kept, all or nothing, and after the one
    /// before. There are four at a time at most: another one comes when the oldest
    /// [is kept](Self::handle_committed), however often that has to be tried.
    pub fn poll_commit(&mut self) -> Option<Vec<Change>> {
        let changes = self.journal.poll()?;
        self.list.handle_commit_begun();
        Some(changes)
    }

    /// Sets whether there is notice of what goes as it should: of each message
    /// [received](Notice::Received), of each letter [accepted](Notice::Accepted),
    /// [sent](Notice::Sent) and [delivered](Outcome::Delivered). At first there
    /// is, which costs time.
    pub fn set_detailed_notices(&mut self, are_wanted: bool) {
        self.notices.set_details(are_wanted);
    }

    /// The next line for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop()
    }
}
