//! The connection: when to make one, when to give it up.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::backoff::{Backoff, Random};
use super::{Reason, Remedy};
use crate::office::{BackoffSettings, GuestId, LastWill, Qos, Time};

/// How long dialling and CONNACK may take together.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(20);

/// How long guests may take to name the last will.
const WILL_TIMEOUT: Duration = Duration::from_secs(2);

/// A broker that asks for patience is tried again as after so many failures.
const PATIENT: u32 = 3;

/// Why a connection has ended, or was not made.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disconnection {
    /// The broker has refused it, with this return code of CONNACK
    /// ([MQTT-3.2.2.3]) or, from 0x80 on, [reason code](Reason).
    Refused(u8),
    /// The broker has refused it for its quality of service, and takes this one at
    /// most.
    RefusedQos(Qos),
    /// The broker has refused it for this reason, which is about the last will, and
    /// another one is tried at once, or none.
    Will(Reason),
    /// The broker does not speak the version of MQTT that was tried, and another
    /// one is tried at once.
    Version,
    /// The broker has ended it and said why.
    Ended(Reason),
    /// The broker has refused or ended it for this reason, and names another broker.
    Elsewhere(Reason, Arc<str>),
    /// The broker has closed it.
    Closed,
    /// The same, and it has said this.
    ClosedWith(String),
    /// The broker, or something on the way to it, has reset it.
    Reset,
    /// The network or a malformed packet has ended it: the text says how.
    Failed(String),
    /// There was no connection, or no CONNACK, within 20 s.
    ConnectTimeout,
    /// The broker has been silent for one and a half keep-alives.
    Unresponsive,
    /// The broker has broken a rule of the protocol.
    Violation(&'static str),
    /// A guest or the operator asked for a new connection.
    Reconnect,
    /// Exchanges of expired letters, which the broker does not end, leave no room for
    /// others.
    Clogged,
    /// The gateway stops.
    Shutdown,
}

impl fmt::Display for Disconnection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused(code) if *code >= Reason::FIRST_REFUSAL => {
                write!(f, "the broker refused the connection: {}", Reason(*code))
            }
            Self::Refused(code) => {
                let reason = match code {
                    1 => "it does not speak MQTT 3.1.1",
                    2 => "it does not allow this client id",
                    3 => "it is unavailable",
                    4 => "it does not accept the user name or password",
                    5 => "this client is not authorized",
                    _ => "for a reason it does not name",
                };
                write!(
                    f,
                    "the broker refused the connection: {reason} (return code {code})"
                )
            }
            Self::RefusedQos(most) => write!(
                f,
                "the broker refused the connection: {}; it takes QoS {most} at most",
                Reason::QOS_NOT_SUPPORTED
            ),
            Self::Will(reason) => {
                write!(f, "the broker does not take the last will: {reason}")
            }
            Self::Version => f.write_str("the broker did not accept MQTT 5, so 3.1.1 is tried"),
            Self::Ended(reason) => write!(f, "the broker ended the connection: {reason}"),
            Self::Elsewhere(reason, server) => write!(
                f,
                "the broker does not want this gateway: {reason}; it names the server {server:?}"
            ),
            Self::Closed => f.write_str("the broker closed the connection"),
            Self::ClosedWith(words) => write!(f, "the broker closed the connection: {words}"),
            Self::Reset => f.write_str("the connection was reset"),
            Self::Failed(error) => f.write_str(error),
            Self::ConnectTimeout => {
                write!(
                    f,
                    "no answer from the broker within {} s",
                    CONNECT_TIMEOUT.as_secs()
                )
            }
            Self::Unresponsive => {
                f.write_str("the broker has been silent for one and a half keep-alives")
            }
            Self::Violation(rule) => write!(f, "the broker broke a rule of MQTT: {rule}"),
            Self::Reconnect => f.write_str("a new connection was asked for"),
            Self::Clogged => f.write_str(
                "exchanges of expired letters, which the broker does not end, take up the window",
            ),
            Self::Shutdown => f.write_str("the gateway stops"),
        }
    }
}

impl Disconnection {
    /// Returns whether somebody on the other side has ended it, and it may be for
    /// what the gateway has sent.
    pub const fn is_hang_up(&self) -> bool {
        match self {
            Self::Closed | Self::ClosedWith(_) | Self::Reset => true,
            Self::Ended(reason) => reason.may_be_a_letter(),
            _ => false,
        }
    }

    /// Returns whether another broker may do what this one, or the way to it, has not
    /// done.
    pub const fn is_the_brokers(&self) -> bool {
        !matches!(
            self,
            Self::Version | Self::Will(_) | Self::Reconnect | Self::Shutdown
        )
    }

    /// What the broker says of the last will that it does not take, if there was one.
    pub(super) fn about_the_will(&self) -> Option<Reason> {
        match self {
            Self::Refused(code) => Some(Reason(*code)).filter(|it| it.is_about_the_will()),
            Self::RefusedQos(_) => Some(Reason::QOS_NOT_SUPPORTED),
            _ => None,
        }
    }

    /// Whether the broker has not accepted the connection and may have done so for the
    /// last will, of which it says nothing.
    pub(super) fn may_be_the_will(&self) -> bool {
        /// "Not authorized" ([MQTT-3.2.2.3]).
        const NOT_AUTHORIZED: u8 = 5;
        match self {
            Self::Refused(code) => *code == NOT_AUTHORIZED || Reason(*code).may_be_a_letter(),
            _ => self.is_hang_up(),
        }
    }

    const fn remedy(&self) -> Remedy {
        match self {
            Self::Refused(code) => Reason(*code).remedy(),
            Self::Ended(reason) | Self::Elsewhere(reason, _) => reason.remedy(),
            _ => Remedy::TryAgain,
        }
    }
}

#[derive(Debug)]
enum State {
    /// No connection. The next try is due then.
    Waiting {
        until: Time,
    },
    /// Guests are asked for the last will.
    Asking {
        until: Time,
        open: Vec<GuestId>,
        wills: Vec<(GuestId, LastWill)>,
    },
    /// The answers are in: the gateway is to dial.
    Ready {
        will: Option<LastWill>,
    },
    /// The gateway dials, and CONNACK is awaited.
    Connecting {
        until: Time,
    },
    Online(Traffic),
    /// No more connections.
    Stopped,
}

/// When something last went each way ([MQTT-3.1.2-23]).
#[derive(Debug)]
struct Traffic {
    sent: Time,
    received: Time,
    /// Whether a PINGREQ went out since something was received.
    pinged: bool,
}

/// What the link wants done.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Due {
    /// Ask these guests for the last will.
    AskForWill,
    /// Send PINGREQ.
    Ping,
    /// Give the connection up.
    GiveUp(Disconnection),
}

/// Whether the time to dial has come.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::office) enum Dial {
    NotYet,
    /// It has, with the guests' last will if one was named.
    Now(Option<LastWill>),
}

/// The state of the connection.
#[derive(Debug)]
pub(in crate::office) struct Link {
    /// What the gateway wants, and what holds on the present connection.
    own_keep_alive: Duration,
    keep_alive: Duration,
    min_pause: Duration,
    backoff: Backoff,
    state: State,
    /// When the last connection was begun.
    begun: Option<Time>,
    /// When the broker accepted the present one.
    connected: Option<Time>,
    /// A connection has lasted when it has gone on for so long: longer than two
    /// clients of one id wait that throw each other out.
    lasting: Duration,
    /// How many connections in a row the broker ended before they had lasted.
    hang_ups: u32,
    /// Whether another broker is tried at once where one does not accept.
    has_another: bool,
}

impl Link {
    pub(in crate::office) fn new(
        keep_alive: Duration,
        backoff: BackoffSettings,
        first_connect: Time,
    ) -> Self {
        Self {
            own_keep_alive: keep_alive,
            keep_alive,
            min_pause: backoff.min,
            backoff: Backoff::new(backoff),
            state: State::Waiting {
                until: first_connect,
            },
            begun: None,
            connected: None,
            lasting: backoff.max * 2,
            hang_ups: 0,
            has_another: false,
        }
    }

    /// From the next connection on, these hold.
    pub(in crate::office) fn set(&mut self, keep_alive: Duration, backoff: BackoffSettings) {
        self.own_keep_alive = keep_alive;
        self.min_pause = backoff.min;
        self.backoff = Backoff::new(backoff);
        self.lasting = backoff.max * 2;
    }

    pub(in crate::office) fn is_online(&self) -> bool {
        matches!(self.state, State::Online(_))
    }

    /// Returns whether there is a connection, or one being made.
    pub(in crate::office) fn is_up(&self) -> bool {
        matches!(self.state, State::Online(_) | State::Connecting { .. })
    }

    pub(in crate::office) fn is_connecting(&self) -> bool {
        matches!(self.state, State::Connecting { .. })
    }

    pub(in crate::office) fn next_timeout(&self) -> Option<Time> {
        match &self.state {
            State::Asking { open, .. } if open.is_empty() => Some(Time::default()),
            State::Waiting { until } | State::Asking { until, .. } => Some(*until),
            State::Connecting { until } => Some(*until),
            State::Online(traffic) => {
                let ping = self.ping_at(traffic);
                [ping, self.give_up_at(traffic)].into_iter().flatten().min()
            }
            // Ready waits for the connection before to be closed, and not for time.
            State::Ready { .. } | State::Stopped => None,
        }
    }

    /// Keep-alive counts from what we sent, but only what the broker sends shows
    /// that it lives.
    fn ping_at(&self, traffic: &Traffic) -> Option<Time> {
        if self.keep_alive.is_zero() {
            return None;
        }
        let by_sent = traffic.sent + self.keep_alive;
        if traffic.pinged {
            return Some(by_sent);
        }
        Some(by_sent.min(traffic.received + self.keep_alive))
    }

    fn give_up_at(&self, traffic: &Traffic) -> Option<Time> {
        if self.keep_alive.is_zero() {
            return None;
        }
        Some(traffic.received + self.keep_alive * 3 / 2)
    }

    /// What is due at this moment. The caller does it and asks again.
    pub(in crate::office) fn poll(
        &mut self,
        now: Time,
        guests_with_will: &[GuestId],
    ) -> Option<Due> {
        match &mut self.state {
            State::Waiting { until } if *until <= now => {
                if guests_with_will.is_empty() {
                    self.state = State::Ready { will: None };
                    return None;
                }
                let open = guests_with_will.to_vec();
                self.state = State::Asking {
                    until: now + WILL_TIMEOUT,
                    open,
                    wills: Vec::new(),
                };
                Some(Due::AskForWill)
            }
            State::Asking { until, open, wills } if open.is_empty() || *until <= now => {
                let will = wills
                    .drain(..)
                    .min_by_key(|(guest, _)| *guest)
                    .map(|(_, will)| will);
                self.state = State::Ready { will };
                None
            }
            State::Connecting { until } if *until <= now => {
                Some(Due::GiveUp(Disconnection::ConnectTimeout))
            }
            State::Online(_) => self.poll_online(now),
            _ => None,
        }
    }

    fn poll_online(&mut self, now: Time) -> Option<Due> {
        let State::Online(traffic) = &self.state else {
            return None;
        };
        if self.give_up_at(traffic).is_some_and(|at| at <= now) {
            return Some(Due::GiveUp(Disconnection::Unresponsive));
        }
        if self.ping_at(traffic).is_none_or(|at| at > now) {
            return None;
        }
        if let State::Online(traffic) = &mut self.state {
            traffic.pinged = true;
            traffic.sent = now;
        }
        Some(Due::Ping)
    }

    /// A guest has named the last will, or has none to name.
    pub(in crate::office) fn handle_will(&mut self, guest: GuestId, will: Option<LastWill>) {
        if let State::Asking { open, wills, .. } = &mut self.state
            && let Some(position) = open.iter().position(|asked| *asked == guest)
        {
            open.swap_remove(position);
            wills.extend(will.map(|will| (guest, will)));
        }
    }

    /// Returns whether the gateway is to dial. From then on CONNACK is awaited.
    pub(in crate::office) fn take_ready(&mut self, now: Time) -> Dial {
        let State::Ready { will } = &mut self.state else {
            return Dial::NotYet;
        };
        let will = will.take();
        self.state = State::Connecting {
            until: now + CONNECT_TIMEOUT,
        };
        self.begun = Some(now);
        Dial::Now(will)
    }

    /// The broker has accepted, and may want another keep-alive. Returns how long
    /// that took, from the beginning of the connection.
    pub(in crate::office) fn handle_connected(
        &mut self,
        now: Time,
        keep_alive: Option<Duration>,
    ) -> Duration {
        self.keep_alive = keep_alive.unwrap_or(self.own_keep_alive);
        self.connected = Some(now);
        self.state = State::Online(Traffic {
            sent: now,
            received: now,
            pinged: false,
        });
        self.begun.map_or(Duration::ZERO, |begun| now.since(begun))
    }

    pub(in crate::office) fn handle_sent(&mut self, now: Time) {
        if let State::Online(traffic) = &mut self.state {
            traffic.sent = now;
        }
    }

    pub(in crate::office) fn handle_received(&mut self, now: Time) {
        if let State::Online(traffic) = &mut self.state {
            traffic.received = now;
            traffic.pinged = false;
        }
    }

    /// The connection is gone. Returns when the next is due.
    ///
    /// The pauses grow until a connection has lasted. One that ended because
    /// somebody here wanted it neither makes them longer nor shorter.
    pub(in crate::office) fn handle_disconnected(
        &mut self,
        now: Time,
        reason: &Disconnection,
        random: &mut Random,
    ) -> Option<Time> {
        let connected = self.connected.take();
        if matches!(self.state, State::Stopped) {
            return None;
        }
        if connected.is_some_and(|connected| connected + self.lasting <= now) {
            self.backoff.reset();
            self.hang_ups = 0;
        }
        if connected.is_some() && reason.is_hang_up() {
            self.hang_ups += 1;
        }
        if *reason == Disconnection::Reconnect {
            let earliest = self.begun.map_or(now, |begun| begun + self.min_pause);
            let until = now.max(earliest);
            self.state = State::Waiting { until };
            return Some(until);
        }
        if let Disconnection::Version | Disconnection::Will(_) = reason {
            self.state = State::Waiting { until: now };
            return Some(now);
        }
        if connected.is_none() && self.has_another && reason.is_the_brokers() {
            self.state = State::Waiting { until: now };
            return Some(now);
        }
        match reason.remedy() {
            Remedy::TryAgain => {}
            Remedy::Patience => self.backoff.skip_to(PATIENT),
            Remedy::Stranger => self.backoff.skip_to(u32::MAX),
        }
        let until = now + self.backoff.next(random);
        self.state = State::Waiting { until };
        Some(until)
    }

    pub(in crate::office) fn set_has_another(&mut self, has_another: bool) {
        self.has_another = has_another;
    }

    /// How many connections in a row the broker ended soon after they began.
    pub(in crate::office) fn hang_ups(&self) -> u32 {
        self.hang_ups
    }

    /// Makes the next connection due at once, though not within the shortest
    /// pause after the last one was begun.
    pub(in crate::office) fn hurry(&mut self, now: Time) -> Option<Time> {
        let State::Waiting { until } = &mut self.state else {
            return None;
        };
        let earliest = self
            .begun
            .map_or(now, |begun| now.max(begun + self.min_pause));
        *until = earliest.min(*until);
        Some(*until)
    }

    pub(in crate::office) fn stop(&mut self) {
        self.state = State::Stopped;
    }
}
