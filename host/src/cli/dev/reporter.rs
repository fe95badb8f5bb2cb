//! Reports what the gateway does, line by line.

use std::collections::BTreeMap;
use std::time::Duration;

use tokio::sync::watch;

use super::screen::Screen;
use super::state::State;
use super::words::{Counted, Shown, Span, Took};
use crate::clock;
use crate::gateway::Observed;
use crate::office::{
    Answer, Call, Disconnection, Effects, LastWill, Letter, Message, Notice, Outcome, Qos, Ticket,
    Time,
};

/// Prints what happens, and keeps the [`State`] up to date.
#[derive(Debug)]
pub(super) struct Reporter {
    screen: Screen,
    /// The latest state, which the others see once it is reported.
    now: State,
    state: watch::Sender<State>,
    /// Letters without an outcome.
    letters: BTreeMap<Ticket, OpenLetter>,
    /// Why there is no connection. The same reason is reported once.
    down: Option<Disconnection>,
    /// How long the last call took, for the notices that follow from it.
    took: Duration,
}

#[derive(Debug)]
struct OpenLetter {
    letter: Letter,
    /// How often it went out.
    sent: u32,
    /// Whether it went out on this connection.
    is_sent: bool,
}

impl Reporter {
    pub(super) fn new(screen: Screen, state: watch::Sender<State>) -> Self {
        Self {
            screen,
            now: State::default(),
            state,
            letters: BTreeMap::new(),
            down: None,
            took: Duration::ZERO,
        }
    }

    /// Reports something that the gateway has done.
    pub(super) fn report(&mut self, observed: &Observed<'_>) {
        match observed {
            Observed::Notice(notice) => self.report_notice(notice),
            Observed::Called {
                call, took, answer, ..
            } => self.report_call(call, *took, answer),
            Observed::Replaced { .. } => self.line("guest", "replaced by the new one"),
            Observed::Waiting(_) => {}
        }
        self.now.unsent = self.letters.values().filter(|open| !open.is_sent).count();
        self.now.is_busy = true;
        if let Observed::Waiting(backlog) = observed {
            self.now.backlog = *backlog;
            self.now.is_busy = backlog.is_calling;
        }
        self.state.send_replace(self.now);
    }

    fn line(&self, subject: &str, text: impl std::fmt::Display) {
        self.screen.line(subject, text);
    }

    fn report_notice(&mut self, notice: &Notice) {
        match notice {
            Notice::Online { .. } => self.online(),
            Notice::Offline {
                reason, next_try, ..
            } => self.offline(reason, *next_try),
            Notice::Subscribed { filter, qos } => {
                self.now.answered += 1;
                self.line(
                    "broker",
                    format_args!("subscribed {filter} ({})", name(*qos)),
                );
            }
            Notice::SubscriptionRefused {
                filter, next_try, ..
            } => {
                self.now.answered += 1;
                let next_try = match next_try {
                    Some(at) => until(*at),
                    None => "on the next connection".to_owned(),
                };
                self.line(
                    "broker",
                    format_args!("refused the subscription {filter}; again {next_try}"),
                );
            }
            Notice::SubscriptionHangsUp { filter, next_try } => {
                self.now.answered += 1;
                let next_try = until(*next_try);
                self.line(
                    "link",
                    format_args!(
                        "the broker hangs up each time it is sent the subscription {filter}; \
                         again {next_try}"
                    ),
                );
            }
            Notice::Received { message, .. } => self.received(message),
            Notice::Unrouted { topic } => {
                self.line(
                    "message",
                    format_args!("{topic}: the guest does not subscribe to this topic"),
                );
            }
            Notice::TooLarge { topic, size } => {
                let size = Counted(*size, "byte");
                self.line(
                    "message",
                    format_args!("{topic}: given up, {size} are too many"),
                );
            }
            Notice::Dropped { topic, .. } => {
                self.line(
                    "message",
                    format_args!("{topic}: dropped, too many wait for the guest"),
                );
            }
            Notice::Unexpected { packet } => {
                self.line("broker", format_args!("sent an unexpected {packet}"));
            }
            Notice::Accepted { ticket, .. } => self.accepted(*ticket),
            Notice::Sent { ticket } => self.sent(*ticket),
            Notice::Outcome {
                ticket, outcome, ..
            } => self.outcome(*ticket, *outcome),
            Notice::Rejected { reason, .. } => {
                let took = Took(self.took);
                self.line(
                    "guest",
                    format_args!("message rejected in {took}: {reason}"),
                );
            }
            Notice::PutOff {
                reason, next_try, ..
            } => {
                let (took, next_try) = (Took(self.took), until(*next_try));
                self.line(
                    "guest",
                    format_args!("message put off in {took}: {reason}; again {next_try}"),
                );
            }
            Notice::Failed {
                call,
                error,
                next_try,
                ..
            } => {
                let (call, took, next_try) = (about(call), Took(self.took), until(*next_try));
                self.line(
                    "guest",
                    format_args!("{call} failed after {took}: {error}; again {next_try}"),
                );
            }
            Notice::GivenUp { call, error, .. } => {
                let (call, took) = (about(call), Took(self.took));
                self.line(
                    "guest",
                    format_args!("{call} failed after {took}: {error}; given up"),
                );
            }
            Notice::LetterRefused {
                ticket,
                topic,
                refusal,
                ..
            } => {
                let ticket = ticket.0;
                self.line(
                    "link",
                    format_args!("letter {ticket} cannot be sent  {topic}: {refusal}"),
                );
            }
            Notice::HangUp { ticket, topic, .. } => {
                let ticket = ticket.0;
                self.line(
                    "link",
                    format_args!("the broker hangs up each time letter {ticket} is sent  {topic}"),
                );
            }
            Notice::StatusRefused { topic, refusal } => {
                self.line(
                    "link",
                    format_args!("the status cannot be sent  {topic}: {refusal}"),
                );
            }
            Notice::StatusUnanswered => {
                self.line(
                    "link",
                    format_args!("the broker hung up when it was sent the status"),
                );
            }
            Notice::WillRefused { topic, refusal } => {
                self.line(
                    "link",
                    format_args!("the last will is not as configured  {topic}: {refusal}"),
                );
            }
            Notice::ReconnectIgnored {
                rule: Some(rule), ..
            } => {
                self.line("guest", format_args!("its reconnect is ignored: {rule}"));
            }
            Notice::ReconnectIgnored { rule: None, .. } => {
                self.line(
                    "guest",
                    format_args!("its reconnect is ignored: a guest has one a minute"),
                );
            }
            Notice::InvalidWill { error, .. } => {
                self.line("guest", format_args!("its last will is not used: {error}"));
            }
        }
    }

    fn online(&mut self) {
        self.down = None;
        for open in self.letters.values_mut() {
            open.is_sent = false;
        }
        self.now.is_online = true;
        self.now.answered = 0;
        self.line("link", "up");
    }

    fn offline(&mut self, reason: &Disconnection, next_try: Option<Time>) {
        self.now.is_online = false;
        self.now.disconnections += 1;
        if self.down.as_ref() == Some(reason) {
            return;
        }
        let is_again = self.down.replace(reason.clone()).is_some();
        match next_try {
            Some(_) if is_again => {
                self.line("link", format_args!("down: {reason}; it goes on trying"));
            }
            Some(at) => self.line("link", format_args!("down: {reason}; again {}", until(at))),
            None => self.line("link", format_args!("down: {reason}")),
        }
    }

    fn received(&mut self, message: &Message) {
        self.now.totals.messages += 1;
        let mut marks = String::new();
        for (holds, mark) in [
            (message.retained, " (retained)"),
            (message.duplicate, " (sent again)"),
            (!self.now.is_online, " (while offline)"),
        ] {
            if holds {
                marks.push_str(mark);
            }
        }
        let (topic, payload) = (&message.topic, Shown(&message.payload));
        self.line("message", format_args!("{topic}{marks}  {payload}"));
    }

    /// Remembers the letters of a call. Reports the call, unless it was without
    /// effect and not for a message. What else comes of it follows as notices.
    fn report_call(&mut self, call: &Call, took: Duration, answer: &Answer) {
        self.took = took;
        match answer {
            Answer::Done(effects) => {
                let is_message = matches!(call, Call::Message(_));
                if is_message || effects.reconnect || !effects.letters.is_empty() {
                    let (call, took) = (about(call), Took(took));
                    let effects = led_to(effects);
                    self.line("guest", format_args!("{call} handled in {took}{effects}"));
                }
                self.remember(effects);
            }
            Answer::Rejected(_, effects) => self.remember(effects),
            Answer::Will(Some(will)) => {
                let (took, will) = (Took(took), described(will));
                self.line(
                    "guest",
                    format_args!("names its last will in {took}: {will}"),
                );
            }
            Answer::Will(None) | Answer::Retry(_) | Answer::Failed(_) => {}
        }
    }

    fn remember(&mut self, effects: &Effects) {
        let displaced = effects.displaced.len();
        self.now.totals.count_displaced(displaced);
        let open = |letter: &Letter| OpenLetter {
            letter: letter.clone(),
            sent: 0,
            is_sent: false,
        };
        let letters = effects
            .letters
            .iter()
            .map(|letter| (letter.ticket, open(letter)));
        self.letters.extend(letters);
    }

    fn accepted(&mut self, ticket: Ticket) {
        self.now.totals.letters += 1;
        let Some(OpenLetter { letter, .. }) = self.letters.get(&ticket) else {
            return;
        };
        let (topic, qos, ttl) = (&letter.topic, name(letter.qos), Span(letter.ttl));
        let retain = if letter.retain { ", retained" } else { "" };
        let payload = Shown(&letter.payload);
        self.letter(
            ticket,
            format_args!("accepted  {topic}  {qos}{retain}, ttl {ttl}  {payload}"),
        );
    }

    fn sent(&mut self, ticket: Ticket) {
        let Some(open) = self.letters.get_mut(&ticket) else {
            return;
        };
        open.sent += 1;
        open.is_sent = true;
        let text = if open.sent > 1 { "sent again" } else { "sent" };
        self.letter(ticket, text);
    }

    fn outcome(&mut self, ticket: Ticket, outcome: Outcome) {
        // Letters that were displaced within their call are reported with it.
        let Some(open) = self.letters.remove(&ticket) else {
            return;
        };
        self.now.totals.count(outcome);
        let tag = open.letter.tag.as_deref();
        let tag = tag.map_or_else(String::new, |tag| format!("  tag {tag}"));
        let text = match outcome {
            Outcome::Delivered if open.letter.qos == Qos::AtMostOnce => {
                "delivered (as far as QoS 0 can tell)"
            }
            Outcome::Delivered => "delivered (acknowledged)",
            Outcome::Expired { sent: true } => "expired, sent but not acknowledged",
            Outcome::Expired { sent: false } => "expired, never sent",
            Outcome::Displaced { .. } => "displaced by a younger one: the work list is full",
            Outcome::Refused(why) => {
                let text = format!(
                    "refused: it can not be sent to this broker ({})",
                    why.as_str()
                );
                return self.letter(ticket, format_args!("{text}{tag}"));
            }
        };
        self.letter(ticket, format_args!("{text}{tag}"));
    }

    fn letter(&self, ticket: Ticket, text: impl std::fmt::Display) {
        self.screen.line(format_args!("letter {}", ticket.0), text);
    }
}

/// What a call is about.
fn about(call: &Call) -> String {
    match call {
        Call::Connection(status) => format!("connection {status}"),
        Call::Subscription { filter, .. } => format!("subscription {filter}"),
        Call::Message(_) => "message".to_owned(),
        Call::Outcomes(outcomes) => match &outcomes[..] {
            [told] => format!("outcome of letter {}", told.ticket.0),
            all => format!("{} outcomes", all.len()),
        },
        Call::Timer(due) => format!("timer {}", due.name),
        Call::LastWill => "last-will".to_owned(),
    }
}

/// What a call has led to.
fn led_to(effects: &Effects) -> String {
    let mut text = format!(
        ", {}",
        Counted(effects.letters.len() + effects.displaced.len(), "letter")
    );
    if !effects.displaced.is_empty() {
        let displaced = effects.displaced.len();
        text += &format!(", {displaced} of them displaced by the others: the work list is full");
    }
    if !effects.timers.is_empty() {
        text += ", changes its timers";
    }
    if effects.reconnect {
        text += ", asks for a new connection";
    }
    text
}

fn described(will: &LastWill) -> String {
    let (topic, qos, payload) = (&will.topic, name(will.qos), Shown(&will.payload));
    let retain = if will.retain { ", retained" } else { "" };
    let delay = match will.delay {
        Duration::ZERO => String::new(),
        delay => format!(", after {}", Span(delay)),
    };
    format!("{topic}  {qos}{retain}{delay}  {payload}")
}

fn name(qos: Qos) -> String {
    format!("QoS {qos}")
}

fn until(moment: Time) -> String {
    match moment.since(clock::now()) {
        Duration::ZERO => "at once".to_owned(),
        pause => format!("in {}", Span(pause)),
    }
}
