//! The sender of letters that come over the control socket.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::office::{
    Answer, Call, Effects, Letter, NotAccepted, Outcome, Payload, Priority, Qos, Ticket, WhenOff,
};

/// A letter as somebody outside of the gateway wants it.
#[derive(Debug, Clone)]
pub struct Draft {
    /// Its topic.
    pub topic: Arc<str>,
    /// Its content.
    pub payload: Payload,
    /// Its quality of service.
    pub qos: Qos,
    /// Whether the broker is to keep it.
    pub retain: bool,
    /// For how long it may be sent.
    pub ttl: Duration,
    /// What its ttl does while the machine is off, if that is said.
    pub when_off: Option<WhenOff>,
    /// Its priority among those that come from outside.
    pub priority: Priority,
    /// What an earlier one from outside that waits has, if this one takes its place.
    pub replace_key: Option<Arc<str>>,
    /// What its outcome is to be known by; it is not sent.
    pub tag: Option<Arc<str>>,
}

/// A letter that was accepted.
#[derive(Debug)]
pub struct Accepted {
    /// Its number.
    pub ticket: Ticket,
    /// Its outcome, when it has one. It has none if the gateway ends before.
    pub outcome: oneshot::Receiver<Outcome>,
}

/// Why a letter from outside does not count as accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotPublished {
    /// It is not.
    NotAccepted(NotAccepted),
    /// It was on its way to what keeps it when that has failed. It is called back, but who
    /// begins anew before that is kept may find it.
    MayBeKept(Ticket, Arc<str>),
}

impl fmt::Display for NotPublished {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAccepted(why) => why.fmt(f),
            Self::MayBeKept(Ticket(ticket), why) => write!(
                f,
                "it is not known whether letter {ticket} is kept: {why}; this gateway does not \
                 send it, but the next one may, if this one is killed before the work list is \
                 kept again"
            ),
        }
    }
}

/// What stands in the place of a guest for letters that come from outside of all
/// of them: to the post office it is one more guest, with a work list and shares of
/// its own. It hears of outcomes, and passes them on to those who wait.
#[derive(Debug)]
pub struct ControlSender {
    tickets: Arc<AtomicU64>,
    /// As many as it has letters without an outcome, at most.
    waiting: BTreeMap<Ticket, oneshot::Sender<Outcome>>,
}

impl ControlSender {
    /// What it is called where guests are named. No guest can have this name.
    pub const NAME: &str = "(control)";

    /// Tickets come from the counter of the whole host.
    pub fn new(tickets: Arc<AtomicU64>) -> Self {
        Self {
            tickets,
            waiting: BTreeMap::new(),
        }
    }

    /// Makes a letter of a draft.
    pub(super) fn letter(&self, draft: Draft) -> Letter {
        Letter {
            // Relaxed: the counter guards nothing, its values only have to differ.
            ticket: Ticket(self.tickets.fetch_add(1, Ordering::Relaxed)),
            topic: draft.topic,
            payload: draft.payload,
            qos: draft.qos,
            retain: draft.retain,
            ttl: draft.ttl,
            when_off: draft.when_off,
            priority: draft.priority,
            replace_key: draft.replace_key,
            tag: draft.tag,
            properties: None,
        }
    }

    /// This letter is on the work list.
    pub(super) fn handle_accepted(&mut self, ticket: Ticket) -> Accepted {
        let (sender, outcome) = oneshot::channel();
        self.waiting.insert(ticket, sender);
        Accepted { ticket, outcome }
    }

    pub(super) fn call(&mut self, call: &Call) -> Answer {
        match call {
            Call::Outcomes(outcomes) => {
                for it in outcomes {
                    if let Some(waiting) = self.waiting.remove(&it.ticket) {
                        // Most do not wait.
                        let _ = waiting.send(it.outcome);
                    }
                }
            }
            Call::LastWill => return Answer::Will(None),
            _ => {}
        }
        Answer::Done(Effects::default())
    }
}
