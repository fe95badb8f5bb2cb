//! What happens, as log lines: short, stable, with fields, without payloads.

use std::collections::BTreeMap;
use std::fmt;

use tracing::{Level, debug, enabled, error, info, warn};

use super::observer::{Observed, Observer};
use super::repeats::Repeats;
use super::report::Record;
use crate::office::{
    Answer, Assignment, Call, Disconnection, DisplacedBy, GuestId, MAX_GONE, Notice, Office,
    Outcome, Ticket, Time,
};

/// From so many hang-ups in a row on, the log names what may be the cause.
const MANY_HANG_UPS: u32 = 3;

/// What the log says of a broker that does not allow it.
const STATUS_UNANSWERED: &str = "the broker hung up when it was sent the status: may this client \
    publish to status.topic?";

const SUBSCRIPTION_HANGS_UP: &str =
    "taken for refused: the broker hung up each time it was sent this subscription";

/// Writes the notices of the post office, and passes them on to an observer.
pub(super) struct Log {
    names: Vec<String>,
    /// Where user name and password come from, if there are any.
    login: String,
    /// Which of several servers the connection goes to.
    server: Option<String>,
    observer: Observer,
    repeats: Repeats<Kind>,
    record: Record,
}

/// What lines have in common that are counted together: the level, what is the
/// same in all of them, and the guest that they are about.
type Kind = (Level, &'static str, Option<GuestId>);

/// Letters that did not arrive: a line for all that went the same way at once,
/// since a full work list can lose thousands in one moment.
#[derive(Default)]
struct Losses(BTreeMap<(GuestId, &'static str), (u64, Ticket)>);

impl Log {
    /// `login` says who the gateway is to the broker.
    pub(super) fn new(now: Time, names: Vec<String>, login: String) -> Self {
        Self {
            record: Record::new(now, names.len()),
            names,
            login,
            server: None,
            observer: Observer::default(),
            repeats: Repeats::new(),
        }
    }

    /// The name of a guest that has come.
    pub(super) fn set_name(&mut self, guest: GuestId, name: String) {
        self.record.forget(guest);
        match self.names.get_mut(guest.index()) {
            Some(known) => *known = name,
            None => self.names.push(name),
        }
    }

    /// Who the gateway is to the broker from now on, which is one of so many.
    pub(super) fn set_login(&mut self, login: String, servers: usize) {
        self.login = login;
        if servers == 1 {
            self.server = None;
        }
    }

    /// A connection is made to this one of several servers.
    pub(super) fn set_server(&mut self, server: String) {
        self.server = Some(server);
    }

    /// Those who are told what happens, besides the log.
    pub(super) fn observer(&mut self) -> &mut Observer {
        &mut self.observer
    }

    /// A call begins. Who observes it is told first what it comes from.
    pub(super) fn handle_call(&mut self, now: Time, office: &mut Office, assignment: &Assignment) {
        if self.observer.is_needed() {
            self.drain(now, office);
            self.observer.handle_call(assignment);
        }
    }

    /// The call of a guest is over.
    pub(super) fn handle_answer(&mut self, guest: GuestId, answer: &Answer) {
        let is_online = self.record.is_online();
        let observer = &mut self.observer;
        observer.handle_answer(guest, answer, is_online, &self.names);
    }

    /// A guest has taken the place of another.
    pub(super) fn handle_replaced(&mut self, guest: GuestId) {
        self.notify(&Observed::Replaced { guest });
        info!(guest = self.name(guest), "guest replaced");
    }

    /// There is nothing more to do at this moment.
    pub(super) fn handle_waiting(&mut self, now: Time, office: &Office) {
        if self.observer.is_needed() {
            self.notify(&Observed::Waiting(office.backlog(now)));
        }
    }

    fn notify(&mut self, observed: &Observed<'_>) {
        let is_online = self.record.is_online();
        self.observer.notify(observed, is_online, &self.names);
    }

    /// Writes all that there is.
    pub(super) fn drain(&mut self, now: Time, office: &mut Office) {
        let is_observed = self.observer.is_needed();
        office.set_detailed_notices(is_observed || enabled!(Level::DEBUG));
        while let Some((kind, more)) = self.repeats.poll(now) {
            self.write_more(kind, more);
        }
        let mut losses = Losses::default();
        while let Some(notice) = office.poll_notice() {
            if is_observed {
                self.notify(&Observed::Notice(&notice));
            }
            self.record.handle_notice(now, &notice);
            self.write(now, &notice, &mut losses);
        }
        for ((guest, lost), (letters, first)) in losses.0 {
            let kind = (Level::WARN, lost, Some(guest));
            if self.repeats.admit(now, kind, letters) {
                let (guest, first) = (self.name(guest), first.0);
                warn!(guest, letters, first_ticket = first, "{lost}");
            }
        }
    }

    /// When [`drain`](Self::drain) is due next, if nothing happens before.
    pub(super) fn next_timeout(&self) -> Option<Time> {
        self.repeats.next_timeout()
    }

    /// The gateway ends: writes what has only been counted.
    pub(super) fn handle_end(&mut self) {
        for (kind, more) in self.repeats.take_all() {
            self.write_more(kind, more);
        }
    }

    fn write_more(&self, (level, text, guest): Kind, more: u64) {
        let guest = guest.map(|guest| self.name(guest));
        if level == Level::ERROR {
            error!(guest, more, "{text}, again and again");
        } else {
            warn!(guest, more, "{text}, again and again");
        }
    }

    /// What is kept of all that.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// The names of the guests.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    fn name(&self, guest: GuestId) -> &str {
        self.names.get(guest.index()).map_or("?", String::as_str)
    }

    fn write(&mut self, now: Time, notice: &Notice, losses: &mut Losses) {
        if let Some(kind) = kind(notice)
            && !self.repeats.admit(now, kind, 1)
        {
            return;
        }
        let server = self.server.as_deref();
        let pause = |next_try: &Time| format!("{:?}", next_try.since(now));
        match notice {
            Notice::Online { session_present } => info!(session_present, server, "online"),
            Notice::Offline {
                reason: reason @ (Disconnection::Version | Disconnection::Will(_)),
                ..
            } => info!(server, "{reason}"),
            Notice::Offline {
                reason,
                next_try: Some(at),
                hang_ups,
            } if *hang_ups >= MANY_HANG_UPS => {
                warn!(
                    server,
                    next_try = pause(at),
                    "offline: {reason}, {hang_ups} times in a row soon after it began: does another \
                     client use the same client-id, or does the broker not accept what is sent?"
                );
            }
            Notice::Offline {
                reason,
                next_try: Some(at),
                ..
            } => {
                let next_try = pause(at);
                if is_about_login(reason) {
                    warn!(server, next_try, "offline: {reason}; {}", self.login);
                } else {
                    warn!(server, next_try, "offline: {reason}");
                }
            }
            Notice::Offline {
                reason,
                next_try: None,
                ..
            } => info!(server, "offline: {reason}"),
            Notice::Subscribed { filter, qos } => {
                info!(%filter, qos = *qos as u8, "subscribed");
            }
            Notice::SubscriptionRefused {
                filter,
                reason,
                next_try,
            } => {
                let next_try = match next_try {
                    Some(at) => pause(at),
                    None => "on the next connection".to_owned(),
                };
                warn!(%filter, %reason, next_try, "the broker refused the subscription");
            }
            Notice::SubscriptionHangsUp { filter, next_try } => {
                let next_try = pause(next_try);
                error!(%filter, next_try, "{SUBSCRIPTION_HANGS_UP}");
            }
            Notice::Unsubscribed {
                filter,
                refused: None,
            } => info!(%filter, "unsubscribed"),
            Notice::Unsubscribed {
                filter,
                refused: Some(reason),
            } => warn!(%filter, %reason, "the broker does not end the subscription"),
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
            Notice::Accepted { guest, letter } => {
                let (guest, ticket) = (self.name(*guest), letter.ticket.0);
                debug!(guest, ticket, topic = %letter.topic, "letter accepted");
            }
            Notice::Sent { ticket, .. } => debug!(ticket = ticket.0, "letter sent"),
            Notice::HangUp {
                guest,
                ticket,
                topic,
            } => {
                let (guest, ticket) = (self.name(*guest), ticket.0);
                error!(
                    guest, ticket, %topic,
                    "refused: the broker hung up each time it was sent this letter"
                );
            }
            Notice::LetterRefused {
                guest,
                ticket,
                topic,
                refusal,
            } => {
                let (guest, ticket) = (self.name(*guest), ticket.0);
                error!(guest, ticket, %topic, "a letter is refused: {refusal}");
            }
            Notice::Outcome {
                guest,
                ticket,
                outcome,
                by,
                ..
            } => {
                let lost = match outcome {
                    Outcome::Delivered => None,
                    Outcome::Expired { .. } => Some("letters expired"),
                    // As its guest has asked for.
                    Outcome::Displaced { .. } if *by == Some(DisplacedBy::ReplaceKey) => None,
                    Outcome::Displaced { .. } => Some("letters displaced"),
                    Outcome::Refused(_) => Some("letters refused"),
                };
                if let Some(lost) = lost {
                    losses.add(*guest, lost, *ticket);
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
            Notice::StatusRefused { topic, refusal } => {
                warn!(%topic, "the status is not published: {refusal}");
            }
            Notice::WillRefused { topic, refusal } => {
                warn!(%topic, "the last will is not as configured: {refusal}");
            }
            Notice::StatusUnanswered => warn!("{STATUS_UNANSWERED}"),
            Notice::ReconnectIgnored {
                guest,
                rule: Some(rule),
            } => {
                let guest = self.name(*guest);
                warn!(guest, "its reconnect is ignored: {rule}");
            }
            Notice::ReconnectIgnored { guest, rule: None } => {
                let guest = self.name(*guest);
                warn!(guest, "its reconnect is ignored: a guest has one a minute");
            }
            Notice::InvalidWill { guest, error } => {
                warn!(
                    guest = self.name(*guest),
                    error, "its last will is not used"
                );
            }
            Notice::Forgotten { guest } => {
                warn!(guest = self.name(*guest), "{}", forgotten());
            }
        }
    }
}

impl Losses {
    fn add(&mut self, guest: GuestId, lost: &'static str, ticket: Ticket) {
        self.0.entry((guest, lost)).or_insert((0, ticket)).0 += 1;
    }
}

/// The kind of line that a notice is, if a guest or the broker can cause it
/// again and again.
fn kind(notice: &Notice) -> Option<Kind> {
    let (level, text, guest) = match notice {
        Notice::Offline {
            reason: Disconnection::Version | Disconnection::Will(_),
            ..
        } => return None,
        Notice::Offline {
            reason,
            next_try: Some(_),
            ..
        } => (Level::WARN, offline(reason), None),
        Notice::HangUp { guest, .. } => (
            Level::ERROR,
            "refused: the broker hung up each time it was sent this letter",
            Some(*guest),
        ),
        Notice::LetterRefused { guest, .. } => (Level::ERROR, "a letter is refused", Some(*guest)),
        Notice::SubscriptionRefused { .. } => {
            (Level::WARN, "the broker refused the subscription", None)
        }
        Notice::SubscriptionHangsUp { .. } => (Level::ERROR, SUBSCRIPTION_HANGS_UP, None),
        Notice::StatusRefused { .. } => (Level::WARN, "the status is not published", None),
        Notice::StatusUnanswered => (Level::WARN, STATUS_UNANSWERED, None),
        Notice::Unrouted { .. } => (Level::WARN, "a message that no guest subscribes to", None),
        Notice::TooLarge { .. } => {
            let text = "a message larger than max-packet-size was given up";
            (Level::ERROR, text, None)
        }
        Notice::Unexpected { .. } => (Level::WARN, "the broker sent an unexpected packet", None),
        Notice::Rejected { guest, .. } => (Level::WARN, "message rejected", Some(*guest)),
        Notice::PutOff { guest, .. } => (Level::WARN, "message put off", Some(*guest)),
        Notice::Failed { guest, .. } => (Level::WARN, "a call failed", Some(*guest)),
        Notice::GivenUp { guest, .. } => (Level::ERROR, "given up", Some(*guest)),
        Notice::ReconnectIgnored {
            guest,
            rule: Some(_),
        } => (Level::WARN, "its reconnect is ignored", Some(*guest)),
        Notice::InvalidWill { guest, .. } => {
            (Level::WARN, "its last will is not used", Some(*guest))
        }
        _ => return None,
    };
    Some((level, text, guest))
}

/// Whether user name and password may be what the broker does not like: codes 4
/// and 5 of MQTT 3.1.1, and those of MQTT 5 with the same names.
fn is_about_login(reason: &Disconnection) -> bool {
    matches!(reason, Disconnection::Refused(4 | 5 | 0x86 | 0x87))
}

/// What has become of what a guest had that is gone.
pub(super) fn forgotten() -> String {
    format!(
        "what it had is dropped, but for its letters: of more than {MAX_GONE} guests that are \
         gone it has been so for longest"
    )
}

/// What is the same each time that the connection ends in one way.
fn offline(reason: &Disconnection) -> &'static str {
    match reason {
        Disconnection::Refused(_) | Disconnection::RefusedQos(_) => {
            "offline: the broker refused the connection"
        }
        Disconnection::Ended(_) => "offline: the broker ended the connection",
        Disconnection::Elsewhere(..) => "offline: the broker names another one",
        Disconnection::Closed | Disconnection::ClosedWith(_) => {
            "offline: the broker closed the connection"
        }
        Disconnection::Reset => "offline: the connection was reset",
        Disconnection::Reconnect => "offline: a new connection was asked for",
        Disconnection::Violation(_) => "offline: the broker broke a rule of MQTT",
        _ => "offline",
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
            Call::Outcomes(outcomes) => match &outcomes[..] {
                [told] => write!(f, "outcome {} of {}", told.outcome, told.ticket.0),
                all => write!(f, "{} outcomes", all.len()),
            },
            Call::Timer(due) => write!(f, "timer {}", due.name),
            Call::LastWill => f.write_str("last-will"),
        }
    }
}
