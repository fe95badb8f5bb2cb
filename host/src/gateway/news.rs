//! What happens, in the words in which people are told: by `jackalope dev`, and by those
//! who follow a gateway.

use std::collections::BTreeSet;
use std::fmt;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::log::forgotten;
use super::observer::Observed;
use crate::clock;
use crate::office::{
    Answer, Call, Concluded, Disconnection, DisplacedBy, Effects, GuestId, LastWill, Letter,
    Message, Notice, Outcome, OutcomeWord, Properties, Qos, Ticket, Time, TimerChanges,
};
use crate::words::{self, Counted, Shown, Span, Took};

/// What kind of news it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Event {
    /// How it is when somebody begins to follow.
    Following,
    Online,
    Offline,
    Subscribed,
    SubscriptionRefused,
    Unsubscribed,
    /// A message has come in.
    Message,
    /// One has come in that no guest gets, or not this one.
    MessageDropped,
    /// A guest was called with a message, or its call had effects.
    Handled,
    /// A guest was called by a timer.
    Timer,
    Rejected,
    PutOff,
    /// A call has failed and is made again.
    Failed,
    /// A call has failed and is not made again.
    GivenUp,
    /// A guest whose call had failed runs again, as another instance.
    Rebuilt,
    /// Another component has taken the place of a guest.
    Replaced,
    /// A guest has printed a line.
    Printed,
    /// A guest has named its last will.
    Will,
    Accepted,
    Sent,
    Delivered,
    Expired,
    Displaced,
    Refused,
    /// Something is not as it should be.
    Problem,
    /// News was left out for a follower who reads too slowly.
    Dropped,
    /// The gateway has ended.
    End,
}

/// What a line is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Subject {
    Link,
    Broker,
    Message,
    Guest,
    Letter(Ticket),
    /// The news itself.
    News,
}

/// Something that has happened. Displays as its text, its payload and its properties.
#[derive(Debug)]
pub(crate) struct News<'a> {
    pub(crate) event: Event,
    pub(crate) subject: Subject,
    pub(crate) text: String,
    /// The guest that it is about; of a message, those that it goes to.
    pub(crate) guests: &'a [GuestId],
    pub(crate) topic: Option<&'a str>,
    pub(crate) timer: Option<&'a str>,
    /// What there is to say beside an outcome.
    pub(crate) detail: Option<&'static str>,
    /// For what a letter was displaced.
    pub(crate) by: Option<DisplacedBy>,
    /// The letter, when it is accepted.
    pub(crate) letter: Option<&'a Letter>,
    pub(crate) payload: Option<&'a [u8]>,
    /// What it carries beside that, which is as private.
    pub(crate) properties: Option<&'a Properties>,
}

impl<'a> News<'a> {
    pub(crate) fn new(event: Event, subject: Subject, text: impl Into<String>) -> Self {
        Self {
            event,
            subject,
            text: text.into(),
            guests: &[],
            topic: None,
            timer: None,
            detail: None,
            by: None,
            letter: None,
            payload: None,
            properties: None,
        }
    }

    fn of(self, guest: &'a GuestId) -> Self {
        Self {
            guests: slice::from_ref(guest),
            ..self
        }
    }

    fn on(self, topic: &'a str) -> Self {
        Self {
            topic: Some(topic),
            ..self
        }
    }

    fn with(self, payload: &'a [u8], properties: &'a Option<Arc<Properties>>) -> Self {
        Self {
            payload: Some(payload),
            properties: properties.as_deref(),
            ..self
        }
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Link => "link",
            Self::Broker => "broker",
            Self::Message => "message",
            Self::Guest => "guest",
            Self::Letter(ticket) => return write!(f, "letter {}", ticket.0),
            Self::News => "news",
        })
    }
}

impl fmt::Display for News<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)?;
        if let Some(payload) = self.payload {
            write!(f, "  {}", Shown::all(payload))?;
        }
        let properties = self.properties.into_iter().flat_map(words::described);
        let properties: Vec<_> = properties.collect();
        match properties.is_empty() {
            true => Ok(()),
            false => write!(f, "  ({})", properties.join(", ")),
        }
    }
}

/// Makes news of what happens, one after the other.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    is_online: bool,
    /// Why there is no connection. The same reason is told once.
    down: Option<Disconnection>,
    /// How long the last call took, for the notices that follow from it.
    took: Duration,
    /// Those whose last call has failed.
    failed: BTreeSet<GuestId>,
}

impl Teller {
    /// Begins to tell what happens from now on.
    pub(crate) fn new(is_online: bool) -> Self {
        Self {
            is_online,
            ..Self::default()
        }
    }

    pub(crate) fn tell(&mut self, observed: &Observed<'_>, mut to: impl FnMut(&News<'_>)) {
        let news = match observed {
            Observed::Notice(notice) => self.notice(notice),
            Observed::Called {
                guest,
                call,
                took,
                answer,
            } => {
                self.took = *took;
                if matches!(answer, Answer::Failed(_)) {
                    self.failed.insert(*guest);
                } else if self.failed.remove(guest) {
                    let text = "runs again, as another instance";
                    to(&News::new(Event::Rebuilt, Subject::Guest, text).of(guest));
                }
                self.called(guest, call, answer)
            }
            Observed::Replaced { guest } => {
                self.failed.remove(guest);
                let text = "replaced by the new one";
                Some(News::new(Event::Replaced, Subject::Guest, text).of(guest))
            }
            Observed::Waiting(_) => None,
        };
        if let Some(news) = news {
            to(&news);
        }
    }

    fn notice<'a>(&mut self, notice: &'a Notice) -> Option<News<'a>> {
        let problem = |subject, text| News::new(Event::Problem, subject, text);
        Some(match notice {
            Notice::Online { .. } => {
                (self.is_online, self.down) = (true, None);
                News::new(Event::Online, Subject::Link, "up")
            }
            Notice::Offline {
                reason, next_try, ..
            } => {
                self.is_online = false;
                return self.offline(reason, *next_try);
            }
            Notice::Subscribed { filter, qos } => {
                let text = format!("subscribed {filter} ({})", name(*qos));
                News::new(Event::Subscribed, Subject::Broker, text)
            }
            Notice::SubscriptionRefused {
                filter, next_try, ..
            } => {
                let next_try = match next_try {
                    Some(at) => until(*at),
                    None => "on the next connection".to_owned(),
                };
                let text = format!("refused the subscription {filter}; again {next_try}");
                News::new(Event::SubscriptionRefused, Subject::Broker, text)
            }
            Notice::SubscriptionHangsUp { filter, next_try } => {
                let next_try = until(*next_try);
                let text = format!(
                    "the broker hangs up each time it is sent the subscription {filter}; \
                     again {next_try}"
                );
                News::new(Event::SubscriptionRefused, Subject::Link, text)
            }
            Notice::Unsubscribed { filter, refused } => {
                let text = match refused {
                    None => format!("unsubscribed {filter}"),
                    Some(reason) => format!("does not end the subscription {filter}: {reason}"),
                };
                News::new(Event::Unsubscribed, Subject::Broker, text)
            }
            Notice::Received { message, guests } => News {
                guests,
                ..self.received(message)
            },
            Notice::Unrouted { topic } => {
                let text = format!("{topic}: no guest subscribes to this topic");
                News::new(Event::MessageDropped, Subject::Message, text).on(topic)
            }
            Notice::TooLarge { topic, size } => {
                let size = Counted(*size, "byte");
                let text = format!("{topic}: given up, {size} are too many");
                News::new(Event::MessageDropped, Subject::Message, text).on(topic)
            }
            Notice::Dropped { guest, topic, .. } => {
                let text = format!("{topic}: dropped, too many wait for the guest");
                let news = News::new(Event::MessageDropped, Subject::Message, text);
                news.on(topic).of(guest)
            }
            Notice::Unexpected { packet } => {
                problem(Subject::Broker, format!("sent an unexpected {packet}"))
            }
            Notice::Accepted { guest, letter } => accepted(letter).of(guest),
            Notice::Sent {
                guest,
                ticket,
                topic,
                again,
            } => {
                let again = if *again { " again" } else { "" };
                let text = format!("sent{again}  {topic}");
                let news = News::new(Event::Sent, Subject::Letter(*ticket), text);
                news.on(topic).of(guest)
            }
            Notice::Outcome {
                guest,
                ticket,
                outcome,
                by,
                about,
            } => {
                // Letters that were displaced within their call are told with it.
                concluded(*ticket, *outcome, *by, about.as_deref()?).of(guest)
            }
            Notice::Rejected {
                guest,
                topic,
                reason,
            } => {
                let text = format!("message rejected in {}: {reason}", Took(self.took));
                let news = News::new(Event::Rejected, Subject::Guest, text);
                news.on(topic).of(guest)
            }
            Notice::PutOff {
                guest,
                topic,
                reason,
                next_try,
            } => {
                let (took, next_try) = (Took(self.took), until(*next_try));
                let text = format!("message put off in {took}: {reason}; again {next_try}");
                let news = News::new(Event::PutOff, Subject::Guest, text);
                news.on(topic).of(guest)
            }
            Notice::Failed {
                guest,
                call,
                error,
                next_try,
            } => {
                let (what, took, next_try) = (about(call), Took(self.took), until(*next_try));
                let text = format!("{what} failed after {took}: {error}; again {next_try}");
                called(Event::Failed, guest, call, text)
            }
            Notice::GivenUp { guest, call, error } => {
                let (what, took) = (about(call), Took(self.took));
                let text = format!("{what} failed after {took}: {error}; given up");
                called(Event::GivenUp, guest, call, text)
            }
            Notice::LetterRefused {
                guest,
                ticket,
                topic,
                refusal,
            } => {
                let ticket = ticket.0;
                let text = format!("letter {ticket} cannot be sent  {topic}: {refusal}");
                problem(Subject::Link, text).on(topic).of(guest)
            }
            Notice::HangUp {
                guest,
                ticket,
                topic,
            } => {
                let ticket = ticket.0;
                let text =
                    format!("the broker hangs up each time letter {ticket} is sent  {topic}");
                problem(Subject::Link, text).on(topic).of(guest)
            }
            Notice::StatusRefused { topic, refusal } => {
                let text = format!("the status cannot be sent  {topic}: {refusal}");
                problem(Subject::Link, text).on(topic)
            }
            Notice::StatusUnanswered => {
                let text = "the broker hung up when it was sent the status";
                problem(Subject::Link, text.to_owned())
            }
            Notice::WillRefused { topic, refusal } => {
                let text = format!("the last will is not as configured  {topic}: {refusal}");
                problem(Subject::Link, text).on(topic)
            }
            Notice::ReconnectIgnored { guest, rule } => {
                let text = match rule {
                    Some(rule) => format!("its reconnect is ignored: {rule}"),
                    None => "its reconnect is ignored: a guest has one a minute".to_owned(),
                };
                problem(Subject::Guest, text).of(guest)
            }
            Notice::InvalidWill { guest, error } => {
                let text = format!("its last will is not used: {error}");
                problem(Subject::Guest, text).of(guest)
            }
            Notice::Forgotten { guest } => problem(Subject::Guest, forgotten()).of(guest),
        })
    }

    fn offline(&mut self, reason: &Disconnection, next_try: Option<Time>) -> Option<News<'static>> {
        if self.down.as_ref() == Some(reason) {
            return None;
        }
        let is_again = self.down.replace(reason.clone()).is_some();
        let text = match next_try {
            Some(_) if is_again => format!("down: {reason}; it goes on trying"),
            Some(at) => format!("down: {reason}; again {}", until(at)),
            None => format!("down: {reason}"),
        };
        Some(News::new(Event::Offline, Subject::Link, text))
    }

    fn received<'a>(&self, message: &'a Message) -> News<'a> {
        let mut text = message.topic.to_string();
        for (holds, mark) in [
            (message.retained, " (retained)"),
            (message.duplicate, " (sent again)"),
            (!self.is_online, " (while offline)"),
        ] {
            if holds {
                text.push_str(mark);
            }
        }
        let news = News::new(Event::Message, Subject::Message, text);
        news.on(&message.topic)
            .with(&message.payload, &message.properties)
    }

    /// A call that was without effect is told if it was for a message or by a timer. What
    /// else comes of it follows as notices.
    fn called<'a>(
        &self,
        guest: &'a GuestId,
        call: &'a Call,
        answer: &'a Answer,
    ) -> Option<News<'a>> {
        let took = Took(self.took);
        match answer {
            Answer::Done(effects) => {
                let event = match call {
                    Call::Timer(_) => Event::Timer,
                    Call::Message(_) => Event::Handled,
                    _ if effects.reconnect || !effects.letters.is_empty() => Event::Handled,
                    _ => return None,
                };
                let text = format!("{} handled in {took}{}", about(call), led_to(call, effects));
                Some(called(event, guest, call, text))
            }
            Answer::Will(Some(will)) => {
                let text = format!("names its last will in {took}: {}", described(will));
                let news = News::new(Event::Will, Subject::Guest, text);
                let news = news.on(&will.topic).of(guest);
                Some(news.with(&will.payload, &will.properties))
            }
            Answer::Rejected(..) | Answer::Will(None) | Answer::Retry(_) | Answer::Failed(_) => {
                None
            }
        }
    }
}

fn called<'a>(event: Event, guest: &'a GuestId, call: &'a Call, text: String) -> News<'a> {
    let news = News::new(event, Subject::Guest, text).of(guest);
    match call {
        Call::Message(message) => news.on(&message.topic),
        Call::Timer(due) => News {
            timer: Some(&due.name),
            ..news
        },
        _ => news,
    }
}

fn accepted(letter: &Letter) -> News<'_> {
    let (topic, qos, ttl) = (&letter.topic, name(letter.qos), Span(letter.ttl));
    let retain = if letter.retain { ", retained" } else { "" };
    let asked = words::asked(
        letter.priority,
        letter.replace_key.as_deref(),
        letter.when_off,
    );
    let asked: String = asked.iter().map(|it| format!(", {it}")).collect();
    let text = format!("accepted  {topic}  {qos}{retain}, ttl {ttl}{asked}");
    let news = News {
        letter: Some(letter),
        ..News::new(Event::Accepted, Subject::Letter(letter.ticket), text)
    };
    news.on(topic).with(&letter.payload, &letter.properties)
}

fn concluded(
    ticket: Ticket,
    outcome: Outcome,
    by: Option<DisplacedBy>,
    letter: &Concluded,
) -> News<'_> {
    let Concluded { topic, qos, tag } = letter;
    let what = match outcome {
        Outcome::Delivered if *qos == Qos::AtMostOnce => "delivered (as far as QoS 0 can tell)",
        Outcome::Delivered => "delivered (acknowledged)",
        Outcome::Expired { sent: true } => "expired, sent but not acknowledged",
        Outcome::Expired { sent: false } => "expired, never sent",
        Outcome::Displaced { .. } if by == Some(DisplacedBy::ReplaceKey) => {
            "displaced by a younger one with its replace key"
        }
        Outcome::Displaced { .. } => "displaced: the work list is full",
        Outcome::Refused(_) => "refused: it can not be sent to this broker",
    };
    let why = match outcome {
        Outcome::Refused(why) => format!(" ({})", why.as_str()),
        _ => String::new(),
    };
    let tag = tag.as_ref().map(|tag| format!("  tag {tag}"));
    let text = format!("{what}{why}  {topic}{}", tag.unwrap_or_default());
    let event = match outcome.word() {
        OutcomeWord::Delivered => Event::Delivered,
        OutcomeWord::Expired => Event::Expired,
        OutcomeWord::Displaced => Event::Displaced,
        OutcomeWord::Refused => Event::Refused,
    };
    News {
        detail: outcome.detail(),
        by,
        ..News::new(event, Subject::Letter(ticket), text).on(topic)
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
fn led_to(call: &Call, effects: &Effects) -> String {
    let letters = effects.letters.len() + effects.displaced.len();
    let mut text = format!(", {}", Counted(letters, "letter"));
    for (by, why) in [
        (
            DisplacedBy::ReplaceKey,
            "by younger ones with their replace keys",
        ),
        (
            DisplacedBy::Overflow,
            "by the others: the work list is full",
        ),
    ] {
        let displaced = effects.displaced.iter().filter(|it| it.by == by).count();
        if displaced > 0 {
            text += &format!(", {displaced} of them displaced {why}");
        }
    }
    if let Call::Timer(due) = call
        && due.missed > 0
    {
        text += &format!(", {} missed before", due.missed);
    }
    // To one that is due once, that it is gone is no change.
    let unchanged = TimerChanges::beginning(call);
    if effects.timers != unchanged {
        text += ", changes its timers";
    }
    if effects.reconnect {
        text += ", asks for a new connection";
    }
    text
}

fn described(will: &LastWill) -> String {
    let (topic, qos) = (&will.topic, name(will.qos));
    let retain = if will.retain { ", retained" } else { "" };
    let delay = match will.delay {
        Duration::ZERO => String::new(),
        delay => format!(", after {}", Span(delay)),
    };
    format!("{topic}  {qos}{retain}{delay}")
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
