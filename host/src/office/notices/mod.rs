//! What happens in the post office, told to whoever writes the log.
//!
//! A payload in here prints as its length.

mod queue;

use std::sync::Arc;

use super::{
    Call, Disconnection, DisplacedBy, GuestId, Letter, Message, Outcome, Qos, Reason, Refusal,
    Rule, Ticket, Time, WillRefusal,
};

pub(super) use queue::Notices;

/// What is told of a letter together with its outcome.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Concluded {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its quality of service.
    pub qos: Qos,
    /// Its tag.
    pub tag: Option<Arc<str>>,
}

/// Something worth a line in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// A session with the broker has begun.
    Online {
        /// Whether the broker still had it.
        session_present: bool,
    },
    /// A connection has ended, or could not be made.
    Offline {
        /// Why.
        reason: Disconnection,
        /// When the next try is due. None: there will be none.
        next_try: Option<Time>,
        /// How many connections in a row the broker ended soon after they began,
        /// this one included.
        hang_ups: u32,
    },
    /// The broker has granted a subscription.
    Subscribed {
        /// Its filter.
        filter: Arc<str>,
        /// The quality of service granted.
        qos: Qos,
    },
    /// The broker has refused a subscription.
    SubscriptionRefused {
        /// Its filter.
        filter: Arc<str>,
        /// Why.
        reason: Reason,
        /// When it is tried again. None: on the next connection.
        next_try: Option<Time>,
    },
    /// The broker has hung up again and again right after it was sent this
    /// subscription, which is taken for refused.
    SubscriptionHangsUp {
        /// Its filter.
        filter: Arc<str>,
        /// When it is tried again.
        next_try: Time,
    },
    /// The broker was told that a subscription is wanted no more.
    Unsubscribed {
        /// Its filter.
        filter: Arc<str>,
        /// Why the broker goes on with it, if it does.
        refused: Option<Reason>,
    },
    /// A message has come in.
    Received {
        /// The message.
        message: Message,
        /// Whom it goes to.
        guests: Vec<GuestId>,
    },
    /// A message has come in that no guest subscribes to.
    Unrouted {
        /// Its topic.
        topic: Arc<str>,
    },
    /// A message has come in that is larger than the gateway takes. It is
    /// acknowledged and gone.
    TooLarge {
        /// Its topic.
        topic: Arc<str>,
        /// Its size in bytes.
        size: usize,
    },
    /// A message of QoS 0 has come in for a guest for which too many wait. It is
    /// not called with it.
    Dropped {
        /// Who.
        guest: GuestId,
        /// The topic of the message.
        topic: Arc<str>,
        /// How many were dropped for this guest, with this one.
        count: u64,
    },
    /// The broker has sent a packet that answers nothing.
    Unexpected {
        /// What it was.
        packet: &'static str,
    },
    /// A letter is on the work list.
    Accepted {
        /// Who sent it.
        guest: GuestId,
        /// The letter.
        letter: Letter,
    },
    /// A letter goes out to the broker.
    Sent {
        /// Who sent it.
        guest: GuestId,
        /// Its number.
        ticket: Ticket,
        /// Its topic.
        topic: Arc<str>,
        /// Whether it was begun to be sent before.
        again: bool,
    },
    /// The broker has hung up again and again right after it was sent this letter,
    /// which is refused.
    HangUp {
        /// Who sent it.
        guest: GuestId,
        /// Its number.
        ticket: Ticket,
        /// Its topic.
        topic: Arc<str>,
    },
    /// A letter cannot be sent to this broker, and is refused.
    LetterRefused {
        /// Who sent it.
        guest: GuestId,
        /// Its number.
        ticket: Ticket,
        /// Its topic.
        topic: Arc<str>,
        /// Why.
        refusal: Refusal,
    },
    /// A letter has its outcome.
    Outcome {
        /// Who sent it.
        guest: GuestId,
        /// Its number.
        ticket: Ticket,
        /// What became of it.
        outcome: Outcome,
        /// For what, if it was displaced.
        by: Option<DisplacedBy>,
        /// What it was, where there are details. A letter that was displaced within
        /// its call is not kept for that long.
        about: Option<Box<Concluded>>,
    },
    /// A guest has rejected a message, which is acknowledged all the same.
    Rejected {
        /// Who.
        guest: GuestId,
        /// The topic of the message.
        topic: Arc<str>,
        /// The guest's reason.
        reason: String,
    },
    /// A guest has put a message off.
    PutOff {
        /// Who.
        guest: GuestId,
        /// The topic of the message.
        topic: Arc<str>,
        /// The guest's reason.
        reason: String,
        /// When it is called with it again.
        next_try: Time,
    },
    /// A call of a guest has failed and will be made again.
    Failed {
        /// Who.
        guest: GuestId,
        /// What it was called with.
        call: Call,
        /// How it failed.
        error: String,
        /// When it is called with it again.
        next_try: Time,
    },
    /// A call of a guest has failed for the last time, or is not made at all.
    GivenUp {
        /// Who.
        guest: GuestId,
        /// What it was called with.
        call: Call,
        /// How it failed, or why it is not made.
        error: String,
    },
    /// What the gateway says of itself cannot be sent to this broker, which learns
    /// of its status by the last will alone.
    StatusRefused {
        /// The status topic.
        topic: Arc<str>,
        /// Why.
        refusal: Refusal,
    },
    /// The broker has hung up in the place of acknowledging what the gateway said of
    /// itself.
    StatusUnanswered,
    /// The broker does not take the last will as it is, and gets another one, or none.
    /// Told once a broker.
    WillRefused {
        /// The topic of the will.
        topic: Arc<str>,
        /// What has become of it.
        refusal: WillRefusal,
    },
    /// A guest has asked for a new connection less than a minute after the last one
    /// that it got, or while the gateway stops, or may not ask for one.
    ReconnectIgnored {
        /// Who.
        guest: GuestId,
        /// What does not permit it.
        rule: Option<Rule>,
    },
    /// A guest has named a last will that cannot be sent, or that it may not name.
    InvalidWill {
        /// Who.
        guest: GuestId,
        /// What is wrong with it.
        error: String,
    },
    /// A guest has been gone for longest of more than [`MAX_GONE`](super::MAX_GONE):
    /// nothing is kept of it any more but its letters.
    Forgotten {
        /// Who.
        guest: GuestId,
    },
}
