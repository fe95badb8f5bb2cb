//! Answers, as their JSON.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::reload::Reloaded;
use crate::gateway::{Dropped, GuestReport, LetterList, PastError, Report};
use crate::office::{OpenLetter, Outcome, Ticket, TimerStanding};
use crate::wire::Version;

/// A letter was accepted; with its outcome, if that was waited for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AcceptedLetter {
    pub(crate) ticket: u64,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) tag: Option<String>,
    /// In a word, if it is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<String>,
    /// What there is to say beside the word.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) detail: Option<String>,
}

impl AcceptedLetter {
    pub(crate) fn new(ticket: Ticket, tag: Option<&str>, outcome: Option<Outcome>) -> Self {
        Self {
            ticket: ticket.0,
            tag: tag.map(str::to_owned),
            outcome: outcome.map(|outcome| outcome.word().to_string()),
            detail: outcome.and_then(Outcome::detail).map(str::to_owned),
        }
    }
}

/// Something was not done.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Problem {
    /// What is wrong, for people.
    pub(crate) error: String,
    /// The same for programs.
    pub(crate) code: Code,
}

/// Why something was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Code {
    /// There is nothing at this path.
    UnknownRoute,
    /// It does not take this method.
    WrongMethod,
    /// The token is missing or wrong.
    Unauthorized,
    /// A parameter or the body is not as it has to be.
    InvalidRequest,
    /// What came takes too long to come.
    TooSlow,
    /// Too many are served already.
    Unavailable,
    /// The gateway ends.
    Stopping,
    /// The topic is not valid.
    InvalidTopic,
    /// No such quality of service is allowed.
    InvalidQos,
    /// The ttl is 0.
    InvalidTtl,
    /// The tag is too long.
    TagTooLong,
    /// The replace key is too long.
    ReplaceKeyTooLong,
    /// No packet takes such a payload.
    PayloadTooLarge,
    /// The configuration does not permit it, at this moment or ever.
    NotPermitted,
    /// No more letters are accepted until some have gone.
    WorkListFull,
    /// What keeps the work list has failed.
    NotKept,
    /// What keeps the work list has failed while it had the letter.
    MayBeKept,
    /// No letter without an outcome has this ticket.
    UnknownTicket,
    /// The letter cannot be called back.
    InFlight,
    /// There is no guest of this name.
    UnknownGuest,
    /// The guest does not subscribe to this topic.
    NotSubscribed,
    /// Too many messages wait for the guest.
    InboxFull,
    /// The configuration cannot be taken up, and nothing has changed.
    InvalidConfiguration,
}

/// What a reload has changed.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Changes {
    pub(crate) added: Vec<String>,
    pub(crate) replaced: Vec<String>,
    pub(crate) removed: Vec<String>,
    /// Guests that are gone, with what was dropped of each.
    #[serde(default)]
    pub(crate) dropped: Vec<Dropped>,
    /// Guests that were there, with the keys that are others.
    #[serde(default)]
    pub(crate) changed: Vec<String>,
    /// Keys that are others, beside those of guests.
    #[serde(default)]
    pub(crate) changed_keys: Vec<String>,
    /// Whether nothing is other than it was read before.
    #[serde(default)]
    pub(crate) unchanged: bool,
    /// Whether a new session begins.
    pub(crate) new_session: bool,
    /// Settings that wait for the next start.
    pub(crate) at_next_start: Vec<String>,
    /// Why it cannot be kept that guests are gone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) not_kept: Option<String>,
}

impl From<Reloaded> for Changes {
    fn from(
        Reloaded {
            changed,
            settings,
            keys,
            is_same,
            at_next_start,
        }: Reloaded,
    ) -> Self {
        Self {
            added: changed.added,
            replaced: changed.replaced,
            removed: changed.removed,
            dropped: changed.dropped,
            changed: settings,
            changed_keys: keys,
            unchanged: is_same,
            new_session: changed.reconnects,
            at_next_start,
            not_kept: changed.not_kept,
        }
    }
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Letters {
    /// How many there are, of which not all may be listed.
    pub(crate) total: usize,
    pub(crate) letters: Vec<ListedLetter>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct ListedLetter {
    pub(crate) ticket: u64,
    pub(crate) guest: String,
    pub(crate) topic: String,
    pub(crate) bytes: usize,
    pub(crate) qos: u8,
    pub(crate) retain: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) after_reboot: Option<String>,
    pub(crate) priority: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) replace_key: Option<String>,
    pub(crate) state: LetterState,
    /// None: it is not known, or was before the machine was started.
    pub(crate) age_ms: Option<u64>,
    pub(crate) left_ms: u64,
    pub(crate) tries: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum LetterState {
    Waiting,
    InFlight,
    Held,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum SessionState {
    Online,
    Offline,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Health {
    pub(crate) session: SessionState,
    /// For how long that has been so.
    pub(crate) since_ms: u64,
    /// Why the work list cannot be kept, if so.
    pub(crate) not_kept: Option<String>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct Status {
    pub(crate) session: SessionState,
    pub(crate) since_ms: u64,
    pub(crate) mqtt: Option<String>,
    pub(crate) broker: String,
    pub(crate) client_id: String,
    pub(crate) next_try_ms: Option<u64>,
    pub(crate) last_error: Option<LastError>,
    pub(crate) letters: usize,
    pub(crate) in_flight: usize,
    /// How many wait until it is known how much of their ttl is left.
    pub(crate) held: usize,
    /// Why the work list cannot be kept, if so.
    pub(crate) not_kept: Option<String>,
    pub(crate) guests: Vec<GuestStatus>,
    /// Of the gateway.
    pub(crate) version: String,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct LastError {
    pub(crate) text: String,
    pub(crate) age_ms: u64,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct GuestStatus {
    pub(crate) name: String,
    pub(crate) state: GuestState,
    pub(crate) letters: usize,
    /// How many bytes their packets take.
    pub(crate) bytes: usize,
    pub(crate) in_flight: usize,
    pub(crate) messages: usize,
    pub(crate) outcomes: usize,
    /// How many of its calls have failed in a row.
    pub(crate) failures: u32,
    pub(crate) last_error: Option<LastError>,
    pub(crate) timers: Vec<TimerStatus>,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) struct TimerStatus {
    pub(crate) name: String,
    pub(crate) due_in_ms: u64,
    /// None if it is due once.
    pub(crate) every_ms: Option<u64>,
    /// At how many of its moments its guest was not called.
    pub(crate) missed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum GuestState {
    /// It has nothing to do.
    Idle,
    /// It is at a call, or calls wait for it.
    Busy,
    /// Its last call has failed.
    Failing,
    /// It is not there any more, and its letters are still on their way.
    Gone,
}

impl From<bool> for SessionState {
    fn from(is_online: bool) -> Self {
        match is_online {
            true => Self::Online,
            false => Self::Offline,
        }
    }
}

impl From<&Report> for Health {
    fn from(report: &Report) -> Self {
        Self {
            session: report.is_online.into(),
            since_ms: millis(report.lasted),
            not_kept: report.not_kept.clone(),
        }
    }
}

impl From<Report> for Status {
    fn from(report: Report) -> Self {
        let version = report.version.map(|version| match version {
            Version::V4 => "3.1.1".to_owned(),
            Version::V5 => "5".to_owned(),
        });
        let all = || report.guests.iter().map(|guest| guest.standing);
        Self {
            session: report.is_online.into(),
            since_ms: millis(report.lasted),
            mqtt: version,
            next_try_ms: report.next_try.map(millis),
            last_error: report.last_error.map(LastError::from),
            letters: all().map(|standing| standing.letters).sum(),
            in_flight: all().map(|standing| standing.in_flight).sum(),
            held: report.held,
            not_kept: report.not_kept,
            guests: report.guests.into_iter().map(GuestStatus::from).collect(),
            broker: report.broker,
            client_id: report.client_id,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }
}

impl From<GuestReport> for GuestStatus {
    fn from(guest: GuestReport) -> Self {
        let standing = guest.standing;
        Self {
            name: guest.name,
            state: match standing {
                _ if guest.is_gone => GuestState::Gone,
                _ if standing.failures > 0 => GuestState::Failing,
                _ if standing.is_at_call || standing.messages > 0 => GuestState::Busy,
                _ => GuestState::Idle,
            },
            letters: standing.letters,
            bytes: standing.bytes,
            in_flight: standing.in_flight,
            messages: standing.messages,
            outcomes: standing.outcomes,
            failures: standing.failures,
            last_error: guest.last_error.map(LastError::from),
            timers: guest.timers.into_iter().map(TimerStatus::from).collect(),
        }
    }
}

impl From<TimerStanding> for TimerStatus {
    fn from(timer: TimerStanding) -> Self {
        Self {
            name: timer.name.to_string(),
            due_in_ms: millis(timer.due_in),
            every_ms: timer.period.map(millis),
            missed: timer.missed,
        }
    }
}

impl From<PastError> for LastError {
    fn from(error: PastError) -> Self {
        Self {
            text: error.text,
            age_ms: millis(error.age),
        }
    }
}

impl From<LetterList> for Letters {
    fn from(list: LetterList) -> Self {
        Self {
            total: list.total,
            letters: list.letters.into_iter().map(listed).collect(),
        }
    }
}

fn listed((guest, letter): (String, OpenLetter)) -> ListedLetter {
    ListedLetter {
        ticket: letter.ticket.0,
        guest,
        topic: letter.topic.to_string(),
        bytes: letter.size,
        qos: letter.qos as u8,
        retain: letter.retain,
        after_reboot: letter.when_off.map(|when_off| when_off.to_string()),
        priority: letter.priority.to_string(),
        replace_key: letter.replace_key.map(|key| key.to_string()),
        state: match (letter.is_in_flight, letter.is_held) {
            (true, _) => LetterState::InFlight,
            (false, true) => LetterState::Held,
            (false, false) => LetterState::Waiting,
        },
        age_ms: letter.age.map(millis),
        left_ms: millis(letter.left),
        tries: letter.tries,
    }
}

/// JSON, as it is sent.
pub(super) fn line(body: &impl Serialize) -> Vec<u8> {
    // What fails here would be a key that is no text.
    let mut text = serde_json::to_vec(body).unwrap_or_default();
    text.push(b'\n');
    text
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
