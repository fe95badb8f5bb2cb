//! What happens, as log lines: short, stable, with fields, without payloads.

use std::collections::BTreeMap;
use std::fmt;

use tracing::{Level, debug, enabled, error, info, warn};

use super::observer::{Observed, Observer};
use crate::office::{Answer, Assignment, Call, GuestId, Notice, Office, Outcome, Ticket, Time};

/// Writes the notices of the post office, and passes them on to an observer.
pub(super) struct Log {
    names: Vec<String>,
    observer: Option<Observer>,
}

/// Letters that did not arrive: a line for all that went the same way at once,
/// since a full work list can lose thousands in one moment.
#[derive(Default)]
struct Losses(BTreeMap<(GuestId, &'static str), (usize, Ticket)>);

impl Log {
    pub(super) fn new(names: Vec<String>) -> Self {
        Self {
            names,
            observer: None,
        }
    }

    pub(super) fn set_observer(&mut self, observer: Observer) {
        self.observer = Some(observer);
    }

    /// A call begins. An observer is told first what it comes from.
    pub(super) fn handle_call(&mut self, now: Time, office: &mut Office, assignment: &Assignment) {
        if self.observer.is_some() {
            self.drain(now, office);
        }
        if let Some(observer) = &mut self.observer {
            observer.handle_call(assignment);
        }
    }

    /// The call of a guest is over.
    pub(super) fn handle_answer(&mut self, guest: GuestId, answer: &Answer) {
        if let Some(observer) = &mut self.observer {
            observer.handle_answer(guest, answer);
        }
    }

    /// A guest has taken the place of another.
    pub(super) fn handle_replaced(&mut self, guest: GuestId) {
        if let Some(observer) = &mut self.observer {
            observer.tell(&Observed::Replaced { guest });
        }
        info!(guest = self.name(guest), "guest replaced");
    }

    /// There is nothing more to do at this moment.
    pub(super) fn handle_waiting(&mut self, now: Time, office: &Office) {
        if let Some(observer) = &mut self.observer {
            observer.tell(&Observed::Waiting(office.backlog(now)));
        }
    }

    /// Writes all that there is.
    pub(super) fn drain(&mut self, now: Time, office: &mut Office) {
        office.set_detailed_notices(self.observer.is_some() || enabled!(Level::DEBUG));
        let mut losses = Losses::default();
        while let Some(notice) = office.poll_notice() {
            if let Some(observer) = &mut self.observer {
                observer.tell(&Observed::Notice(&notice));
            }
            self.write(now, &notice, &mut losses);
        }
        for ((guest, outcome), (letters, first)) in losses.0 {
            let (guest, first) = (self.name(guest), first.0);
            warn!(guest, letters, first_ticket = first, "letters {outcome}");
        }
    }

    fn name(&self, guest: GuestId) -> &str {
        self.names.get(guest.index()).map_or("?", String::as_str)
    }

    fn write(&self, now: Time, notice: &Notice, losses: &mut Losses) {
        let pause = |next_try: &Time| format!("{:?}", next_try.since(now));
        match notice {
            Notice::Online { session_present } => info!(session_present, "online"),
            Notice::Offline {
                reason,
                next_try: Some(at),
            } => {
                warn!(next_try = pause(at), "offline: {reason}");
            }
            Notice::Offline {
                reason,
                next_try: None,
            } => info!("offline: {reason}"),
            Notice::Subscribed { filter, qos } => {
                info!(%filter, qos = *qos as u8, "subscribed");
            }
            Notice::SubscriptionRefused { filter, next_try } => {
                warn!(%filter, next_try = pause(next_try), "the broker refused the subscription");
            }
            Notice::Received { message, guests } => {
                debug!(topic = %message.topic, guests = guests.len(), "message");
            }
            Notice::Unrouted { topic } => warn!(%topic, "a message that no guest subscribes to"),
            Notice::TooLarge { topic, size } => {
                error!(%topic, size, "a message larger than max-packet-size was given up");
            }
            Notice::Dropped {
                guest,
                topic,
                count,
            } => {
                let guest = self.name(*guest);
                warn!(guest, %topic, count, "a message was dropped: too many wait for the guest");
            }
            Notice::Unexpected { packet } => warn!("the broker sent an unexpected {packet}"),
            Notice::Accepted {
                guest,
                ticket,
                topic,
            } => {
                debug!(guest = self.name(*guest), ticket = ticket.0, %topic, "letter accepted");
            }
            Notice::Sent { ticket } => debug!(ticket = ticket.0, "letter sent"),
            Notice::Outcome {
                guest,
                ticket,
                outcome,
            } => {
                if *outcome != Outcome::Delivered {
                    losses.add(*guest, outcome.as_str(), *ticket);
                }
                debug!(
                    guest = self.name(*guest),
                    ticket = ticket.0,
                    "letter {outcome}"
                );
            }
            Notice::Rejected {
                guest,
                topic,
                reason,
            } => {
                warn!(guest = self.name(*guest), %topic, reason, "message rejected");
            }
            Notice::PutOff {
                guest,
                topic,
                reason,
                next_try,
            } => {
                let (guest, next_try) = (self.name(*guest), pause(next_try));
                warn!(guest, %topic, reason, next_try, "message put off");
            }
            Notice::Failed {
                guest,
                call,
                error,
                next_try,
            } => {
                let (guest, next_try) = (self.name(*guest), pause(next_try));
                warn!(guest, call = %Name(call), error, next_try, "a call failed");
            }
            Notice::GivenUp { guest, call, error } => {
                error!(guest = self.name(*guest), call = %Name(call), error, "given up");
            }
            Notice::ReconnectIgnored { guest } => {
                let guest = self.name(*guest);
                warn!(guest, "its reconnect is ignored: a guest has one a minute");
            }
            Notice::InvalidWill { guest, error } => {
                warn!(
                    guest = self.name(*guest),
                    error, "its last will is not used"
                );
            }
        }
    }
}

impl Losses {
    fn add(&mut self, guest: GuestId, outcome: &'static str, ticket: Ticket) {
        self.0.entry((guest, outcome)).or_insert((0, ticket)).0 += 1;
    }
}

impl fmt::Debug for Log {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Log")
            .field("names", &self.names)
            .finish_non_exhaustive()
    }
}

/// A call, by what it is about.
struct Name<'a>(&'a Call);

impl fmt::Display for Name<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Call::Connection(status) => write!(f, "connection {status}"),
            Call::Subscription { filter, .. } => write!(f, "subscription {filter}"),
            Call::Message(message) => write!(f, "message {}", message.topic),
            Call::Outcome(ticket, outcome) => {
                write!(f, "outcome {outcome:?} of {}", ticket.0)
            }
            Call::LastWill => f.write_str("last-will"),
        }
    }
}
