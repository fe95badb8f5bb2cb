//! Between the words of the contract and those of the post office.

use std::time::Duration;

use super::bindings::exports::jackalope::gateway::{handler, will};
use super::bindings::jackalope::gateway::types;
use crate::office::{LastWill, Message, Outcome, Payload, Qos, Status, topic};

impl From<types::Qos> for Qos {
    fn from(qos: types::Qos) -> Self {
        match qos {
            types::Qos::AtMostOnce => Self::AtMostOnce,
            types::Qos::AtLeastOnce => Self::AtLeastOnce,
            types::Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Qos> for types::Qos {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
            Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Status> for types::ConnectionStatus {
    fn from(status: Status) -> Self {
        match status {
            Status::Online => Self::Online,
            Status::Offline => Self::Offline,
        }
    }
}

impl From<Outcome> for handler::LetterOutcome {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Delivered => Self::Delivered,
            Outcome::Expired => Self::Expired,
            Outcome::Displaced => Self::Displaced,
            Outcome::Refused => Self::Refused,
        }
    }
}

/// Whether the broker has granted a subscription, as a guest is told.
pub(super) fn subscription_status(granted: bool) -> handler::SubscriptionStatus {
    if granted {
        handler::SubscriptionStatus::Subscribed
    } else {
        handler::SubscriptionStatus::Refused
    }
}

/// A message as a guest is lent it.
pub(super) fn message(message: &Message) -> handler::IncomingMessage<'_> {
    handler::IncomingMessage {
        topic: &message.topic,
        payload: &message.payload,
        qos: message.qos.into(),
        retained: message.retained,
        duplicate: message.duplicate,
    }
}

/// A last will as a guest has named it, or what is wrong with it.
pub(super) fn last_will(will: will::WillMessage) -> Result<LastWill, String> {
    topic::check_name(&will.topic).map_err(|error| format!("the last will's topic {error}"))?;
    if will.payload.len() > usize::from(u16::MAX) {
        return Err(format!(
            "the last will's payload has {} bytes, more than 65,535",
            will.payload.len()
        ));
    }
    Ok(LastWill {
        topic: will.topic.into(),
        payload: Payload::new(will.payload),
        qos: will.qos.into(),
        retain: will.retain,
        delay: Duration::ZERO,
    })
}

/// A guest's reason as it is kept: it is meant for a log line.
pub(super) fn reason(mut text: String) -> String {
    const LONGEST: usize = 1024;
    if text.len() > LONGEST {
        text.truncate(text.floor_char_boundary(LONGEST));
        text.push('…');
        text.shrink_to_fit();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_cut_between_characters() {
        assert_eq!(reason("because".to_owned()), "because");
        let long = reason("ä".repeat(1000));
        assert_eq!(long, format!("{}…", "ä".repeat(512)));
    }
}
