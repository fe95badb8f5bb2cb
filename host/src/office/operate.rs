//! What somebody beside the guests asks of the office: what it has, and what an
//! operator orders.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::session::Arrival;
use super::topic::{self, TopicError};
use super::work_list::Entry;
use super::{
    CONTROL_PERMISSIONS, Cancel, Delivery, GuestId, Letter, Message, NotAccepted, Notice, Office,
    Operate, Origin, Outcome, Payload, Priority, Qos, Rule, Ticket, Time, TimerStanding, Tray,
    WhenOff, check_replace_key, check_size, check_tag,
};

/// A letter without an outcome. What is in it is nobody else's business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OpenLetter {
    /// Who sent it.
    pub guest: GuestId,
    /// Its number.
    pub ticket: Ticket,
    /// Its topic.
    pub topic: Arc<str>,
    /// How many bytes its payload has.
    pub size: usize,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// What its ttl does while the machine is off, if its sender says so.
    pub when_off: Option<WhenOff>,
    /// Its priority.
    pub priority: Priority,
    /// What it is replaced by.
    pub replace_key: Option<Arc<str>>,
    /// How long ago its ttl began. None: that is not known, or was before the boot.
    pub age: Option<Duration>,
    /// How much of its ttl is left.
    pub left: Duration,
    /// How often it was begun to be sent; 255 stands for more as well.
    pub tries: u8,
    /// Whether it is under way on the connection at hand.
    pub is_in_flight: bool,
    /// Whether it is not sent, as it is not known how much of its ttl is left.
    pub is_held: bool,
}

/// How one guest is doing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Standing {
    /// How many of its letters have no outcome.
    pub letters: usize,
    /// How many bytes these take, by their [size](Letter::size).
    pub bytes: usize,
    /// How many of them are under way on the connection at hand.
    pub in_flight: usize,
    /// How many messages it has not taken.
    pub messages: usize,
    /// How many outcomes it has not been told.
    pub outcomes: usize,
    /// Whether it is at a call.
    pub is_at_call: bool,
    /// How many of its calls have failed in a row.
    pub failures: u32,
}

/// Why a letter is not called back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotCancelled {
    /// No letter of this number is on the work list: it has its outcome, or there
    /// never was one.
    Unknown,
    /// It is under way, and what the network has cannot be called back.
    InFlight,
    /// It has its outcome, and that cannot be kept: this is why. After a restart it may
    /// be back.
    NotKept(Arc<str>),
    /// Whoever asks may not.
    NotPermitted(Rule),
}

/// Why a message is not handed to a guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotHanded {
    /// Its topic is not valid.
    Topic(TopicError),
    /// The guest has no subscription that matches.
    NotSubscribed,
    /// Too many messages wait for the guest.
    Full,
    /// The gateway stops.
    Stopping,
    /// Whoever sends it may not.
    NotPermitted(Rule),
}

impl fmt::Display for NotCancelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => {
                f.write_str("no letter with this ticket waits: it has its outcome, or never was")
            }
            Self::InFlight => f.write_str("the letter is in flight, and cannot be called back"),
            Self::NotKept(why) => write!(
                f,
                "the letter is cancelled, and may come back with a restart, as it is not known \
                 whether that is kept: {why}"
            ),
            Self::NotPermitted(rule) => rule.in_table(CONTROL_PERMISSIONS).fmt(f),
        }
    }
}

impl fmt::Display for NotHanded {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Topic(error) => write!(f, "the topic {error}"),
            Self::NotSubscribed => f.write_str("the guest does not subscribe to this topic"),
            Self::Full => f.write_str("too many messages wait for the guest"),
            Self::Stopping => f.write_str("the gateway stops"),
            Self::NotPermitted(rule) => rule.in_table(CONTROL_PERMISSIONS).fmt(f),
        }
    }
}

impl Office {
    /// The letters of one guest that have no outcome, in the order in which they
    /// came.
    pub fn letters(&self, now: Time, guest: GuestId) -> impl Iterator<Item = OpenLetter> {
        let is_online = self.link.is_online();
        self.list
            .letters_of(guest)
            .map(move |entry| open_letter(now, entry, entry.is_sent && is_online))
    }

    /// How a guest is doing.
    pub fn standing(&self, guest: GuestId) -> Standing {
        let inbox = self.guests.inbox(guest);
        Standing {
            in_flight: match self.link.is_online() {
                true => self.list.sent_of(guest),
                false => 0,
            },
            letters: self.list.len_of(guest),
            bytes: self.list.bytes_of(guest),
            messages: inbox.messages(),
            outcomes: inbox.outcomes(),
            is_at_call: inbox.is_running(),
            failures: inbox.failures(),
        }
    }

    /// How the timers of a guest are doing, by their names.
    pub fn timers(&self, now: Time, guest: GuestId) -> impl Iterator<Item = TimerStanding> {
        self.timers.standing(now, guest)
    }

    /// Puts a letter on the work list if it can be accepted, by the rules that hold
    /// for guests. Its ttl counts from `now`.
    ///
    /// # Errors
    /// What is wrong with it, or why there is no room.
    pub fn submit(&mut self, now: Time, guest: GuestId, letter: Letter) -> Result<(), NotAccepted> {
        self.expire(now);
        let room = self.room(now, guest);
        room.check(0, &letter.topic, letter.qos, letter.retain, letter.ttl)?;
        letter.tag.as_deref().map_or(Ok(()), check_tag)?;
        let key = letter.replace_key.as_deref();
        key.map_or(Ok(()), check_replace_key)?;
        let (topic, size) = (&letter.topic, letter.payload.len());
        check_size(self.settings.max_packet_size, topic, letter.qos, 0, size)?;
        if self.shutdown.is_some() {
            return Err(NotAccepted::Stopping);
        }
        let key = letter.replace_key.as_deref();
        Tray::default().check(&room, key, letter.size())?;
        self.guests.handle_published(now, guest, 1);
        self.post_since(now, now, guest, letter);
        Ok(())
    }

    /// Drops the connection and makes a new one, if whoever asks for it, known as this
    /// guest, may. Who is known as none may do everything.
    ///
    /// # Errors
    /// The rule that does not permit it.
    pub fn submit_reconnect(&mut self, now: Time, from: Option<GuestId>) -> Result<(), Rule> {
        from.map_or(Ok(()), |from| self.check_reconnect(from))?;
        self.handle_reconnect(now);
        Ok(())
    }

    /// Takes a letter off the work list as [`handle_cancel`](Self::handle_cancel) does, if
    /// whoever asks for it, known as this guest, may.
    ///
    /// # Errors
    /// There is no such letter, it cannot be called back, or that is not permitted.
    pub fn submit_cancel(
        &mut self,
        now: Time,
        from: Option<GuestId>,
        ticket: Ticket,
    ) -> Result<Outcome, NotCancelled> {
        let is_of_others = self.list.find(ticket).is_some_and(|key| {
            let entry = self.list.get(key);
            entry.is_some_and(|entry| Some(entry.guest) != from)
        });
        let may = self.may_operate(from).map_or(Cancel::All, |it| it.cancel);
        match is_of_others && may == Cancel::Own {
            true => Err(NotCancelled::NotPermitted(Rule::Cancel)),
            false => self.handle_cancel(now, ticket),
        }
    }

    /// Hands a message to a guest as [`handle_message_for`](Self::handle_message_for) does,
    /// if whoever sends it, known as `from`, may.
    ///
    /// # Errors
    /// The guest does not get it, or that is not permitted.
    pub fn submit_message(
        &mut self,
        now: Time,
        from: Option<GuestId>,
        guest: GuestId,
        topic: Arc<str>,
        payload: Payload,
    ) -> Result<(), NotHanded> {
        topic::check_name(&topic).map_err(NotHanded::Topic)?;
        if let Some(may) = self.may_operate(from) {
            let name = &self.settings.guests[guest.index()].name;
            may.check_send(name, &topic)
                .map_err(NotHanded::NotPermitted)?;
        }
        self.handle_message_for(now, guest, topic, payload)
    }

    /// Whether whoever is known as this guest may see payloads.
    ///
    /// # Errors
    /// The rule that does not permit it.
    pub fn check_payloads(&self, from: Option<GuestId>) -> Result<(), Rule> {
        self.may_operate(from)
            .map_or(Ok(()), Operate::check_payloads)
    }

    /// None: everything.
    fn may_operate(&self, from: Option<GuestId>) -> Option<&Operate> {
        let permissions = self.guests.allowance(from?).permissions();
        permissions.map(|permissions| &permissions.operate)
    }

    /// Takes a letter off the work list that is not under way: its time is over at
    /// once, so its outcome is [`Expired`](Outcome::Expired). Returns that: if it was
    /// sent on an earlier connection, it may have arrived.
    ///
    /// # Errors
    /// There is no such letter, or it cannot be called back.
    pub fn handle_cancel(&mut self, now: Time, ticket: Ticket) -> Result<Outcome, NotCancelled> {
        self.expire(now);
        let key = self.list.find(ticket).ok_or(NotCancelled::Unknown)?;
        let entry = self.list.get(key).ok_or(NotCancelled::Unknown)?;
        if self.link.is_online() && entry.is_sent {
            return Err(NotCancelled::InFlight);
        }
        Ok(self.call_back(key))
    }

    /// A message for one guest comes from within the gateway, as with
    /// [`handle_local_message`](Self::handle_local_message).
    ///
    /// # Errors
    /// The guest does not get it.
    pub fn handle_message_for(
        &mut self,
        now: Time,
        guest: GuestId,
        topic: Arc<str>,
        payload: Payload,
    ) -> Result<(), NotHanded> {
        self.expire(now);
        topic::check_name(&topic).map_err(NotHanded::Topic)?;
        if self.shutdown.is_some() {
            return Err(NotHanded::Stopping);
        }
        self.routed.clear();
        self.subscriptions.route(&topic, &[], &mut self.routed);
        let route = self.routed.iter().find(|route| route.0 == guest);
        let route = *route.ok_or(NotHanded::NotSubscribed)?;
        let message = Message {
            topic,
            payload,
            qos: Qos::AtMostOnce,
            retained: false,
            duplicate: false,
            subscription: self.subscriptions.filter(route).clone(),
            properties: None,
            expires: None,
            origin: Origin::Gateway,
        };
        if !self.guests.inbox(guest).has_room_for(&message) {
            return Err(NotHanded::Full);
        }
        let arrival = self.inbound.handle_publish(Delivery::AtMostOnce, false, 1);
        if let Arrival::New(receipt) = arrival {
            self.notices.push_detail(|| Notice::Received {
                message: message.clone(),
                guests: vec![guest],
            });
            self.deliver(guest, message, receipt);
        }
        Ok(())
    }
}

fn open_letter(now: Time, entry: &Entry, is_in_flight: bool) -> OpenLetter {
    OpenLetter {
        guest: entry.guest,
        ticket: entry.ticket,
        topic: entry.topic.clone(),
        size: entry.payload.len(),
        qos: entry.qos,
        retain: entry.retain,
        when_off: entry.when_off(),
        priority: entry.priority,
        replace_key: entry.replace_key().cloned(),
        age: entry.age(now),
        left: entry.deadline.since(now),
        tries: entry.tries,
        is_in_flight,
        is_held: entry.is_held,
    }
}
