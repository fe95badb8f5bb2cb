//! What brokers make of the last will.
//!
//! A broker that does not take the last will does not take the connection, and the
//! gateway would be offline for good. So it connects with what the broker takes: a
//! lower quality of service, a will that is not retained, or none. MQTT 5 says which;
//! where nothing is said, the will is a suspect as a letter is after hang-ups: after
//! [`SUSPECT`] connections in a row that were refused or closed with it, one is begun
//! without it, and if that is accepted, the will was why. To be sure, the next one is
//! begun with it once more.

use std::fmt;
use std::sync::Arc;

use super::outbound::SUSPECT;
use super::{Disconnection, LastWill, Reason};
use crate::office::Qos;

/// What has become of a last will that the broker does not take as it is. Displays
/// with what to do about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WillRefusal {
    /// It has this quality of service instead of its own, which is too high.
    Qos(Qos),
    /// It is not retained, as the broker retains nothing.
    Retain,
    /// There is none, for this reason.
    Broker(Reason),
    /// There is none: with it the broker refuses or closes the connection, and
    /// without it does not.
    HangsUp,
}

impl fmt::Display for WillRefusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Qos(qos) => write!(
                f,
                "its quality of service is not supported, and is lowered to {qos}: set qos = {qos} \
                 for it, or max-qos = {qos}"
            ),
            Self::Retain => f.write_str(
                "the broker retains nothing, so it is not retained: set retain = false for it",
            ),
            Self::Broker(reason) => write!(
                f,
                "the broker says: {reason}, so there is none: give it a topic and a payload that \
                 the broker takes"
            ),
            Self::HangsUp => f.write_str(
                "the broker accepts connections without it alone, so there is none: is the gateway \
                 allowed to publish to its topic?",
            ),
        }
    }
}

/// What is known of one broker.
#[derive(Debug, Clone, Default)]
struct Known {
    max_qos: Option<Qos>,
    retains_nothing: bool,
    /// The topic of a will that it does not take at all.
    refused: Option<Arc<str>>,
    /// How many connections in a row it has refused or closed that named a will.
    hang_ups: u8,
    /// Whether it has accepted one without right after those.
    is_likely: bool,
}

/// The last will that a connection was begun with.
#[derive(Debug, Default)]
enum Asked {
    #[default]
    Nothing,
    With(LastWill),
    /// It was left out, to see whether it is why the broker does not accept: this is
    /// its topic.
    Without(Arc<str>),
}

/// The last wills that the brokers take.
#[derive(Debug, Default)]
pub(in crate::office) struct Wills {
    brokers: Vec<Known>,
    /// Which of them the connection at hand is with, or the one before.
    broker: usize,
    asked: Asked,
}

impl Wills {
    /// A connection with this broker begins. Returns what it takes of this will.
    pub(in crate::office) fn handle_begun(
        &mut self,
        broker: usize,
        will: Option<LastWill>,
    ) -> Option<LastWill> {
        if self.brokers.len() <= broker {
            self.brokers.resize(broker + 1, Known::default());
        }
        self.broker = broker;
        self.asked = Asked::Nothing;
        let known = &self.brokers[broker];
        let mut will = will.filter(|will| known.refused.as_ref() != Some(&will.topic))?;
        if known.hang_ups >= SUSPECT {
            self.asked = Asked::Without(will.topic);
            return None;
        }
        will.qos = will.qos.min(known.max_qos.unwrap_or(will.qos));
        will.retain &= !known.retains_nothing;
        self.asked = Asked::With(will.clone());
        Some(will)
    }

    /// The broker has accepted the connection. Returns what that says about the will
    /// with this topic, if it is news.
    pub(in crate::office) fn handle_accepted(&mut self) -> Option<(Arc<str>, WillRefusal)> {
        let known = self.brokers.get_mut(self.broker)?;
        match std::mem::take(&mut self.asked) {
            Asked::Nothing => None,
            Asked::With(_) => {
                (known.hang_ups, known.is_likely) = (0, false);
                None
            }
            Asked::Without(topic) => {
                if std::mem::replace(&mut known.is_likely, true) {
                    known.refused = Some(topic);
                    known.hang_ups = 0;
                    return None;
                }
                known.hang_ups = SUSPECT - 1;
                Some((topic, WillRefusal::HangsUp))
            }
        }
    }

    /// The connection has ended before the broker accepted it. Returns what the next
    /// one does about the will with this topic, if the broker has said that it is why.
    pub(in crate::office) fn handle_ended(
        &mut self,
        reason: &Disconnection,
    ) -> Option<(Reason, Arc<str>, WillRefusal)> {
        let known = self.brokers.get_mut(self.broker)?;
        match std::mem::take(&mut self.asked) {
            Asked::With(will) => {
                let Some(said) = reason.about_the_will() else {
                    known.hang_ups += u8::from(reason.may_be_the_will());
                    return None;
                };
                let refusal = known.concede(&will, said, reason);
                Some((said, will.topic, refusal))
            }
            Asked::Without(_) if reason.may_be_the_will() => {
                // Then it is not for the will.
                (known.hang_ups, known.is_likely) = (0, false);
                None
            }
            Asked::Nothing | Asked::Without(_) => None,
        }
    }
}

impl Known {
    /// Gives way to what the broker has said of the will.
    fn concede(&mut self, will: &LastWill, said: Reason, reason: &Disconnection) -> WillRefusal {
        if said == Reason::QOS_NOT_SUPPORTED
            && let Some(lower) = lower(will.qos)
        {
            let most = match reason {
                Disconnection::RefusedQos(most) => *most,
                _ => lower,
            };
            let most = most.min(lower);
            self.max_qos = Some(most);
            return WillRefusal::Qos(most);
        }
        if said == Reason::RETAIN_NOT_SUPPORTED && will.retain {
            self.retains_nothing = true;
            return WillRefusal::Retain;
        }
        self.refused = Some(will.topic.clone());
        WillRefusal::Broker(said)
    }
}

const fn lower(qos: Qos) -> Option<Qos> {
    match qos {
        Qos::AtMostOnce => None,
        Qos::AtLeastOnce => Some(Qos::AtMostOnce),
        Qos::ExactlyOnce => Some(Qos::AtLeastOnce),
    }
}
