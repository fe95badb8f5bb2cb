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
//! - A message of QoS 1 or 2 is acknowledged when all its guests have taken it.
//!
//! A letter's walk: [`Office::handle_answer`] (the call that published it has
//! succeeded) -> work list -> [`Office::poll_packet`] -> [`Office::handle_packet`]
//! (acknowledged) -> [`Office::poll_call`] (its outcome).

mod answered;
mod backoff;
mod by_packet_id;
mod call;
mod chunks;
mod deadlines;
mod guests;
mod inbound;
mod inbox;
mod letter;
mod letters;
mod link;
mod notice;
mod notices;
mod outbound;
mod packet;
mod packet_ids;
mod payload;
mod routes;
mod session;
mod settings;
mod subscriptions;
mod time;
pub mod topic;
mod work_list;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use backoff::Random;
use guests::Guests;
use inbound::Inbound;
use inbox::Inbox;
use link::{Due, Link};
use notices::Notices;
use outbound::Outbound;
use packet_ids::PacketIds;
use subscriptions::Subscriptions;
use work_list::WorkList;

pub use call::{Answer, Assignment, Call, Message, Room, Status, Tray};
pub use letter::{GuestId, Letter, Outcome, Qos, Ticket};
pub use link::Disconnection;
pub use notice::Notice;
pub use outbound::{Dispatch, QOS1_WINDOW, QOS2_WINDOW};
pub use packet::{
    Connect, Delivery, Incoming, LastWill, MAX_PACKET_SIZE, MAX_REMAINING_LENGTH, Outgoing,
    PacketId, Publish, max_payload, publish_size,
};
pub use payload::Payload;
pub use settings::{BackoffSettings, GuestSettings, Overflow, Settings, WorkListSettings};
pub use time::Time;

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
    /// Whether a guest is at a call, or a call is due. When not, what is left
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
    ids: PacketIds,
    list: WorkList,
    outbound: Outbound,
    inbound: Inbound,
    subscriptions: Subscriptions,
    guests: Guests,
    /// Room for those that a message goes to.
    routed: Vec<GuestId>,
    /// Those that are asked for the last will.
    with_will: Vec<GuestId>,
    /// Acknowledgements and pings that are still to be written.
    answers: VecDeque<Outgoing>,
    close: Option<Disconnection>,
    notices: Notices,
    shutdown: Option<Time>,
}

impl Office {
    /// Opens with an empty work list and no connection; the first is due
    /// `first_connect_delay` after `now`.
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
            ids: PacketIds::starting_at(first_id),
            list: WorkList::new(settings.guests.len()),
            outbound: Outbound::default(),
            inbound: Inbound::default(),
            subscriptions: Subscriptions::new(&settings.guests, settings.backoff),
            guests: Guests::new(now, &settings.guests),
            routed: Vec::new(),
            with_will: (0..)
                .zip(&settings.guests)
                .filter(|(_, guest)| guest.has_will)
                .map(|(index, _)| GuestId(index))
                .collect(),
            answers: VecDeque::new(),
            close: None,
            notices: Notices::new(),
            shutdown: None,
            random,
            settings,
        }
    }

    /// Whether there is a session with the broker.
    pub fn status(&self) -> Status {
        if self.link.is_online() {
            Status::Online
        } else {
            Status::Offline
        }
    }

    /// How many letters have no outcome yet.
    pub fn open_letters(&self) -> usize {
        self.list.len()
    }

    /// What is not over yet.
    pub fn backlog(&self, now: Time) -> Backlog {
        let takes_messages = self.shutdown.is_none();
        let mut backlog = Backlog {
            letters: self.list.len(),
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

    /// Whether more is to be read from the broker: not while a guest, or the
    /// network, is too far behind with what was read before.
    pub fn wants_read(&mut self, now: Time) -> bool {
        let has_room = self.answers.len() < MAX_ANSWERS && self.guests.have_room();
        self.link.set_deaf(now, !has_room);
        has_room
    }

    /// When something is due next, if nothing happens before. What is to be
    /// written and is due already waits for room, and no time helps it.
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
            subscriptions,
            self.shutdown,
            self.guests.next_timeout(takes_messages),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Whether all is done after [`handle_shutdown`](Self::handle_shutdown), or
    /// there is no time left for it.
    pub fn is_finished(&self, now: Time) -> bool {
        let Some(until) = self.shutdown else {
            return false;
        };
        let is_idle = self.guests.inboxes().all(|inbox| {
            if self.link.is_online() {
                inbox.is_idle()
            } else {
                !inbox.is_running()
            }
        });
        let is_sent = self.list.len() == 0 && self.answers.is_empty();
        until <= now || (is_idle && (is_sent || !self.link.is_online()))
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
        if let Incoming::ConnAck { session_present } = packet {
            return self.handle_connack(now, session_present);
        }
        if !self.link.is_online() {
            if self.link.is_connecting() {
                self.give_up(now, Disconnection::Violation("the first packet is CONNACK"));
            }
            return;
        }
        self.link.handle_received(now);
        match packet {
            Incoming::Publish(publish) => self.handle_publish(publish),
            Incoming::PubAck(id) => {
                let acked = self.outbound.handle_puback(id, &mut self.ids);
                self.handle_acked(acked, "PUBACK");
            }
            Incoming::PubRec(id) => {
                let acked = self.outbound.handle_pubrec(id);
                self.handle_acked(acked, "PUBREC");
            }
            Incoming::PubRel(id) => {
                let answer = self.inbound.handle_pubrel(id);
                self.answers.push_back(answer);
            }
            Incoming::PubComp(id) => {
                let acked = self.outbound.handle_pubcomp(id, &mut self.ids);
                self.handle_acked(acked, "PUBCOMP");
            }
            Incoming::SubAck { id, granted } => self.handle_suback(now, id, &granted),
            Incoming::TooLarge {
                topic,
                delivery,
                size,
            } => {
                self.notices.push(Notice::TooLarge { topic, size });
                self.answers.extend(self.inbound.handle_unwanted(delivery));
            }
            Incoming::PingResp | Incoming::ConnAck { .. } => {}
        }
    }

    /// The connection is gone, or could not be made.
    pub fn handle_disconnected(&mut self, now: Time, reason: Disconnection) {
        self.expire(now);
        if self.link.is_up() {
            self.disconnect(now, reason);
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

    /// Someone asks for a new connection.
    pub fn handle_reconnect(&mut self, now: Time) {
        if self.link.is_up() {
            self.give_up(now, Disconnection::Reconnect);
        } else {
            self.link.hurry(now);
        }
    }

    /// A message for the guests comes from within the gateway, not from the
    /// broker: it needs no connection and no acknowledgement.
    pub fn handle_local_message(&mut self, now: Time, topic: Arc<str>, payload: Payload) {
        self.expire(now);
        self.handle_publish(Publish {
            topic,
            payload,
            delivery: Delivery::AtMostOnce,
            retain: false,
            duplicate: false,
        });
    }

    /// A guest was replaced by another one, who has failed at nothing yet: what
    /// waits after a failure, or because it was put off, is due at once.
    pub fn handle_replaced(&mut self, guest: GuestId) {
        self.guests.change(guest, Inbox::handle_replaced);
    }

    /// The gateway is to stop: messages are no longer taken, and for
    /// [`SHUTDOWN_TIME`] letters go out and guests hear of them.
    pub fn handle_shutdown(&mut self, now: Time) {
        if self.shutdown.is_none() {
            self.shutdown = Some(now + SHUTDOWN_TIME);
            if !self.link.is_online() {
                self.link.stop();
            }
        }
    }

    // ---- what is to be done ----

    /// A connection to make now.
    pub fn poll_connect(&mut self, now: Time) -> Option<Connect> {
        let will = self.link.take_ready(now)?;
        for guest in &self.with_will {
            self.guests
                .change(*guest, |inbox| inbox.set_wants_will(false));
        }
        let clean_session = self.settings.clean_session || self.outbound.needs_new_session();
        self.asked_for_new_session = clean_session;
        Some(Connect {
            clean_session,
            will: will.or_else(|| self.settings.last_will.clone()),
        })
    }

    /// A connection to drop now, with what was written to it; when the reason
    /// is [`Reconnect`](Disconnection::Reconnect), with a DISCONNECT if it can
    /// be written without waiting.
    pub fn poll_close(&mut self) -> Option<Disconnection> {
        self.close.take()
    }

    /// The next packet to write. `now` must be the moment of writing.
    pub fn poll_packet(&mut self, now: Time) -> Option<Dispatch> {
        self.expire(now);
        if !self.link.is_online() {
            return None;
        }
        let dispatch = self.next_packet(now)?;
        self.link.handle_sent(now);
        Some(dispatch)
    }

    /// The next call of a guest. Its answer goes to
    /// [`handle_answer`](Self::handle_answer).
    pub fn poll_call(&mut self, now: Time) -> Option<Assignment> {
        self.expire(now);
        let takes_messages = self.shutdown.is_none();
        let (guest, call) = self.guests.poll(now, takes_messages)?;
        Some(Assignment {
            guest,
            call,
            status: self.status(),
            room: self.room(guest),
        })
    }

    /// Whether there is to be notice of what goes as it should: of each message
    /// [received](Notice::Received), of each letter [accepted](Notice::Accepted),
    /// [sent](Notice::Sent) and [delivered](Outcome::Delivered). There is unless
    /// this says otherwise, and it takes its time.
    pub fn set_detailed_notices(&mut self, are_wanted: bool) {
        self.notices.set_details(are_wanted);
    }

    /// The next line for the log.
    pub fn poll_notice(&mut self) -> Option<Notice> {
        self.notices.pop()
    }
}
