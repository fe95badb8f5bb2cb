//! Calls of guests: what the post office asks of a guest, and what comes back.

use std::collections::VecDeque;
use std::sync::Arc;

use crate::office::{
    Changes, DisplacedBy, DueTimer, Filter, GuestId, Kept, Keys, LastWill, Letter, LetterOutcome,
    Overflow, Payload, Permissions, Properties, Qos, Ticket, Time, TimerChanges, TimerTable,
};

/// Whether there is a session with the broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The broker has accepted the connection.
    Online,
    /// There is no connection.
    Offline,
}

/// A message as a guest is called with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its content.
    pub payload: Payload,
    /// The quality of service the broker has sent it with.
    pub qos: Qos,
    /// Whether the broker had kept it.
    pub retained: bool,
    /// Whether this is not the first try.
    pub duplicate: bool,
    /// Which subscription of the guest it matches, of several the first one.
    pub subscription: Filter,
    /// What it carries beside topic and payload.
    pub properties: Option<Arc<Properties>>,
    /// Until when it is good, if its publisher has said so.
    pub expires: Option<Time>,
    /// Where it comes from.
    pub origin: Origin,
}

/// Where a message comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// From the broker.
    Broker,
    /// From within the gateway.
    Gateway,
}

/// One call of one guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// `handler.connection`
    Connection(Status),
    /// `subscriptions.subscription`
    Subscription {
        /// The filter, as configured.
        filter: Arc<str>,
        /// Whether the broker has granted it.
        granted: bool,
    },
    /// `handler.message`
    Message(Message),
    /// `outcomes.outcome`: what became of these, the first that is known first. There
    /// is at least one.
    Outcomes(Vec<LetterOutcome>),
    /// `timer-handler.timer`
    Timer(DueTimer),
    /// `will.last-will`
    LastWill,
}

/// A call with what goes along with it: the next thing for one guest to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assignment {
    /// Whom to call. Not called again before its answer is in.
    pub guest: GuestId,
    /// What to call it with.
    pub call: Call,
    /// What `status` answers during the call.
    pub status: Status,
    /// What `publish` may accept during the call.
    pub room: Room,
    /// The timers that the guest has; none if it has none.
    pub timers: Option<Arc<TimerTable>>,
    /// The state of the guest as it is.
    pub kept: Arc<Kept>,
    /// When it is made.
    pub now: Time,
}

/// What one call may ask for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Room {
    /// At most so many are accepted; `publish` answers `work-list-full` to more.
    pub accept: usize,
    /// Where nothing gives its place up, no more than these find one, beside those that
    /// take the place of another one; `publish` answers `work-list-full` to more.
    pub free: usize,
    /// The same in bytes, by their [size](Letter::size).
    pub free_bytes: usize,
    /// The letters that give their place up there to one of the same key, if there are
    /// any.
    pub replaceable: Option<Keys>,
    /// At most so many of the accepted are kept. The others are displaced before they
    /// are committed, by `overflow`. At least 1.
    pub keep: usize,
    /// At most so many bytes of them are kept, and no letter is accepted that is larger.
    pub keep_bytes: usize,
    /// Which of the accepted are kept.
    pub overflow: Overflow,
    /// None is accepted of a higher quality of service.
    pub max_qos: Qos,
    /// Whether any is accepted that has properties.
    pub carries_properties: bool,
    /// How many timers the guest may have.
    pub timers: usize,
    /// What is not permitted. None: nothing.
    pub permissions: Option<Arc<Permissions>>,
    /// Why nothing is accepted, written down or set at the moment: what is to outlive
    /// the gateway cannot be kept.
    pub not_kept: Option<Arc<str>>,
    /// At most so many are accepted by the rate that the guest is permitted;
    /// `publish` answers `not-permitted` to more.
    pub permitted: usize,
}

/// What a call of a guest led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// It succeeded, and this is to be committed.
    Done(Effects),
    /// `reject`: never again, for this reason. What it published is kept.
    Rejected(String, Effects),
    /// `retry`: later, for this reason. Nothing it published is kept.
    Retry(String),
    /// `will.last-will` succeeded.
    Will(Option<LastWill>),
    /// A trap, or out of time: the text says which. Nothing is kept.
    Failed(String),
}

/// What one call asked for, not yet committed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Effects {
    /// Letters that were accepted and gave their places up to others of the same call.
    pub displaced: Vec<Displaced>,
    /// The other accepted letters, in the order they were published.
    pub letters: VecDeque<Letter>,
    /// What it has changed of its state.
    pub state: Changes,
    /// Whether it asked for a new connection. It gets the first at once, and others
    /// a minute after the last at the earliest.
    pub reconnect: bool,
    /// Timers that it set or cancelled.
    pub timers: TimerChanges,
}

/// A letter that was displaced within the call that published it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Displaced {
    /// Its number.
    pub ticket: Ticket,
    /// Its tag.
    pub tag: Option<Arc<str>>,
    /// For what.
    pub by: DisplacedBy,
}
