//! Between the words of the contract 0.2 and those of the post office.

use std::sync::Arc;
use std::time::Duration;

use super::{convert, handler, outcomes, subscriptions, timer_handler, types, will};
use crate::office::{
    DueTimer, LastWill, LetterOutcome, Message, Origin, Outcome, Payload, Properties, Qos, Refused,
    Status, Time,
};

/// A message as a guest is lent it, with the levels that its subscription names and
/// its [`user_properties`].
pub(super) fn message<'a>(
    message: &'a Message,
    now: Time,
    levels: &'a [(&'a str, &'a str)],
    user: &'a [(&'a str, &'a str)],
) -> handler::IncomingMessage<'a> {
    let properties = message.properties.as_deref();
    handler::IncomingMessage {
        topic: &message.topic,
        payload: &message.payload,
        qos: message.qos.into(),
        retained: message.retained,
        duplicate: message.duplicate,
        subscription: message.subscription.as_str(),
        levels,
        properties: properties.map(|properties| types::PropertiesParam {
            content_type: properties.content_type.as_deref(),
            response_topic: properties.response_topic.as_deref(),
            correlation_data: properties.correlation_data.as_deref(),
            user_properties: user,
        }),
        expires_in_ms: message.expires.map(|at| millis(at.since(now))),
        origin: match message.origin {
            Origin::Broker => handler::Origin::Broker,
            Origin::Gateway => handler::Origin::Gateway,
        },
    }
}

/// A timer as a guest is lent it.
pub(super) fn due_timer(due: &DueTimer, now: Time) -> timer_handler::DueTimer<'_> {
    timer_handler::DueTimer {
        name: &due.name,
        late_ms: millis(now.since(due.due)),
        missed: due.missed,
    }
}

/// Names and values as they are lent.
pub(super) fn user_properties(properties: Option<&Properties>) -> Vec<(&str, &str)> {
    let user = properties.map_or(&[][..], |properties| &properties.user);
    user.iter()
        .map(|(name, value)| (&**name, &**value))
        .collect()
}

/// An outcome as a guest is lent it.
pub(super) fn outcome(told: &LetterOutcome) -> outcomes::LetterOutcome<'_> {
    outcomes::LetterOutcome {
        ticket: told.ticket.0,
        tag: told.tag.as_deref(),
        fate: match told.outcome {
            Outcome::Delivered => outcomes::Fate::Delivered,
            Outcome::Expired { sent } => outcomes::Fate::Expired(sent),
            Outcome::Displaced { sent } => outcomes::Fate::Displaced(sent),
            Outcome::Refused(why) => outcomes::Fate::Refused(why.into()),
        },
    }
}

/// Whether the broker has granted a subscription, as a guest is told.
pub(super) fn subscription_status(granted: bool) -> subscriptions::SubscriptionStatus {
    match granted {
        true => subscriptions::SubscriptionStatus::Subscribed,
        false => subscriptions::SubscriptionStatus::Refused,
    }
}

/// A last will as a guest has named it, or what is wrong with it.
pub(super) fn last_will(will: will::WillMessage) -> Result<LastWill, String> {
    let properties = will.properties.map(properties).transpose();
    let properties = properties.map_err(|error| format!("the last will's {error}"))?;
    let named = convert::last_will(will.topic, will.payload, will.qos.into(), will.retain)?;
    Ok(LastWill {
        delay: Duration::from_secs(will.delay_s.into()),
        properties: properties.filter(|it| !it.is_empty()).map(Arc::new),
        ..named
    })
}

fn properties(named: types::PropertiesResult) -> Result<Properties, String> {
    let user = named.user_properties.into_iter();
    let properties = Properties {
        content_type: named.content_type.map(Arc::from),
        response_topic: named.response_topic.map(Arc::from),
        correlation_data: named.correlation_data.map(Payload::new),
        user: user
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    };
    properties.check()?;
    Ok(properties)
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

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

impl From<Refused> for outcomes::Refusal {
    fn from(why: Refused) -> Self {
        match why {
            Refused::TooLarge => Self::TooLarge,
            Refused::Qos => Self::Qos,
            Refused::Retain => Self::Retain,
            Refused::Properties => Self::NeedsMqtt5,
            Refused::NotAuthorized => Self::NotAuthorized,
            Refused::Topic => Self::Topic,
            Refused::Payload => Self::Payload,
            Refused::HangsUp => Self::HangsUp,
            Refused::Unspecified => Self::Unspecified,
        }
    }
}
