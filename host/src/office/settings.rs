//! What the post office is told once, when it opens.

use std::sync::Arc;
use std::time::Duration;

use super::{Filter, LastWill, Payload, Permissions, Qos, Schedule};

/// Everything the post office has to know about the session and the guests.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Whether each connection starts a new session at the broker. When not,
    /// the broker keeps subscriptions and messages while the gateway is away.
    pub clean_session: bool,
    /// The longest silence towards the broker. Zero turns keep-alive off
    /// ([MQTT-3.1.2-24]).
    pub keep_alive: Duration,
    /// How long to wait between tries to connect, and to subscribe again after
    /// a refusal.
    pub backoff: BackoffSettings,
    /// How long to wait before the first try to connect.
    pub first_connect_delay: Duration,
    /// The last will when no guest names one.
    pub last_will: Option<LastWill>,
    /// Where the broker is told whether the gateway is online. The last will is
    /// taken up by it: guests are not asked for one.
    pub status_topic: Option<StatusTopic>,
    /// The largest packet that may be sent, in bytes.
    pub max_packet_size: usize,
    /// The highest quality of service that letters are accepted with, subscriptions
    /// asked for with, and the last will is lowered to.
    pub max_qos: Qos,
    /// Whether any broker that may be spoken to carries properties.
    pub carries_properties: bool,
    /// Whether what is to outlive the gateway is [handed out](super::Office::poll_commit)
    /// to be kept.
    pub is_durable: bool,
    /// What the session with each broker is called where it is kept, so that it is not
    /// taken for one with another broker or of another client when the gateway begins
    /// anew with another configuration. Without: as the number of the broker.
    pub sessions: Vec<u64>,
    /// What becomes of what guests have that are gone.
    pub gone_guests: GoneGuests,
    /// The guests; a [`GuestId`](super::GuestId) is a place in this list.
    pub guests: Vec<GuestSettings>,
    /// Where jitter and packet ids start. The same seed and the same inputs
    /// give the same outputs.
    pub seed: u64,
}

impl Settings {
    /// What the session with this broker is called.
    pub(super) fn session_with(&self, broker: usize) -> u64 {
        let session = self.sessions.get(broker);
        session.copied().unwrap_or(broker as u64)
    }

    /// The broker that the session of this name is with, if there is one.
    pub(super) fn broker_of(&self, session: u64) -> Option<usize> {
        match self.sessions.is_empty() {
            true => usize::try_from(session).ok(),
            false => self.sessions.iter().position(|known| *known == session),
        }
    }
}

/// Where the broker is told whether the gateway is online, and how. It is told so
/// at the beginning of each connection, and that it is offline at the end, be it in
/// good order or by the last will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusTopic {
    /// A valid topic name.
    pub topic: Arc<str>,
    /// What is published when the gateway is online.
    pub online: Payload,
    /// What is published when it is not; at most 65,535 bytes.
    pub offline: Payload,
    /// Not [`Qos::ExactlyOnce`], which nobody needs who hears the last of it.
    pub qos: Qos,
    /// Whether the broker keeps it for those who ask later.
    pub retain: bool,
}

/// An exponential backoff: it doubles from `min` to `max`, less a jitter of up
/// to half of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BackoffSettings {
    /// The first pause.
    pub min: Duration,
    /// The longest pause, not below `min`.
    pub max: Duration,
}

/// The bounds of the work list of one guest and what happens at them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkListSettings {
    /// How many letters it holds, waiting and in flight. Not 0.
    pub max: usize,
    /// How many bytes their [PUBLISH packets](super::Letter::size) may take together.
    /// `usize::MAX`: any number.
    pub max_bytes: usize,
    /// What happens to a letter beyond that.
    pub overflow: Overflow,
}

impl WorkListSettings {
    /// Whether a letter of this size fits beside so many letters of so many bytes.
    pub(super) fn have_room(&self, (letters, bytes): (usize, usize), size: usize) -> bool {
        letters < self.max && size <= self.max_bytes.saturating_sub(bytes)
    }
}

impl Default for WorkListSettings {
    fn default() -> Self {
        Self {
            max: 100,
            max_bytes: usize::MAX,
            overflow: Overflow::DropOldest,
        }
    }
}

/// What happens to a letter when the work list has no room for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overflow {
    /// It is accepted, and the oldest letters of the lowest priority give their places
    /// up. Those of a higher priority than its own do not: where there are no others, it
    /// gives its own up.
    DropOldest,
    /// It is accepted, and gives its place up at once.
    DropNewest,
    /// It is not accepted.
    Reject,
}

/// What becomes of what a guest has that is gone: letters, state, timers that it has set,
/// and outcomes that it was not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GoneGuests {
    /// Letters go out. All else waits until the guest is back, and what became of the
    /// letters as well.
    #[default]
    Keep,
    /// All of it goes, at once.
    Drop,
}

/// What a ttl does while the machine is off. While it sleeps, a ttl goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum WhenOff {
    /// It goes on.
    #[default]
    Count,
    /// It stands still: what counts is how long the machine runs.
    Pause,
    /// It is over: the letter is not sent in another boot.
    Drop,
}

/// What the post office has to know about one guest.
#[derive(Debug, Clone)]
pub struct GuestSettings {
    /// What it is known by in what outlives the gateway.
    pub name: Arc<str>,
    /// The filters whose messages it gets, with the highest quality of service.
    pub subscriptions: Vec<(Filter, Qos)>,
    /// How often a call that failed is made again before it is given up.
    pub retries: u32,
    /// How long it may put a message off before that is given up.
    pub retry_for: Duration,
    /// Whether it is to be asked for the last will.
    pub has_will: bool,
    /// How many outcomes it is told at once, at most; see [`MAX_OUTCOMES`]. 0: it
    /// hears of none.
    pub outcomes: usize,
    /// Whether it hears what the broker makes of its subscriptions.
    pub hears_subscriptions: bool,
    /// Its work list.
    pub work_list: WorkListSettings,
    /// Its timers.
    pub timers: TimerSettings,
    /// How much its state may take, in bytes; see [`Kept`](super::Kept).
    pub max_state: usize,
    /// What it may do. None: everything.
    pub permissions: Option<Arc<Permissions>>,
}

/// What the post office has to know about the timers of one guest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TimerSettings {
    /// How many it may have.
    pub max: usize,
    /// Those that it has from the beginning, by name. They count from the opening of
    /// the office.
    pub given: Vec<(Arc<str>, Schedule)>,
}

impl Default for TimerSettings {
    /// None is given.
    fn default() -> Self {
        Self {
            max: 100,
            given: Vec::new(),
        }
    }
}

/// How much the state of a guest may take in bytes, unless it is said otherwise.
pub const MAX_STATE: usize = 64 << 10;

/// The ttl of a letter whose sender names none.
pub const DEFAULT_TTL: Duration = Duration::from_secs(60 * 60);

/// How many outcomes one call tells, at most.
pub const MAX_OUTCOMES: usize = 256;
