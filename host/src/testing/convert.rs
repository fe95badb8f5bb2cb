//! Between what the post office and the broker each call by a name of their own.

use bytes::Bytes;

use crate::broker;
use crate::broker::v5::Property;
use crate::office::{Payload, Properties, Qos, Time};

impl From<broker::QoS> for Qos {
    fn from(qos: broker::QoS) -> Self {
        match qos {
            broker::QoS::AtMostOnce => Self::AtMostOnce,
            broker::QoS::AtLeastOnce => Self::AtLeastOnce,
            broker::QoS::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

impl From<Qos> for broker::QoS {
    fn from(qos: Qos) -> Self {
        match qos {
            Qos::AtMostOnce => Self::AtMostOnce,
            Qos::AtLeastOnce => Self::AtLeastOnce,
            Qos::ExactlyOnce => Self::ExactlyOnce,
        }
    }
}

/// The same moment: both count milliseconds from the same fixed point.
impl From<broker::Time> for Time {
    fn from(time: broker::Time) -> Self {
        Self::from_millis(time.as_millis())
    }
}

/// The same moment: both count milliseconds from the same fixed point.
impl From<Time> for broker::Time {
    fn from(time: Time) -> Self {
        Self::from_millis(time.as_millis())
    }
}

/// As the broker carries them.
pub(crate) fn to_broker(properties: Option<&Properties>) -> broker::v5::Properties {
    let Some(own) = properties else {
        return broker::v5::Properties::default();
    };
    let content_type = own.content_type.as_deref().map(str::to_owned);
    let response_topic = own.response_topic.as_deref().map(str::to_owned);
    let data = own.correlation_data.as_ref();
    let user = own.user.iter();
    let all = content_type
        .map(Property::ContentType)
        .into_iter()
        .chain(response_topic.map(Property::ResponseTopic))
        .chain(data.map(|data| Property::CorrelationData(Bytes::copy_from_slice(data))))
        .chain(user.map(|(name, value)| Property::User(name.to_string(), value.to_string())));
    broker::v5::Properties(all.collect())
}

/// What a guest has sent with a letter, if anything.
pub(super) fn from_broker(properties: &broker::v5::Properties) -> Option<Properties> {
    let mut own = Properties::default();
    for property in &properties.0 {
        match property {
            Property::ContentType(text) => own.content_type = Some(text.as_str().into()),
            Property::ResponseTopic(text) => own.response_topic = Some(text.as_str().into()),
            Property::CorrelationData(data) => own.correlation_data = Some(Payload::new(data)),
            Property::User(name, value) => {
                own.user.push((name.as_str().into(), value.as_str().into()));
            }
            _ => {}
        }
    }
    Some(own).filter(|own| !own.is_empty())
}
