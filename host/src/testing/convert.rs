//! Between what the post office and the broker each call by a name of their own.

use crate::broker;
use crate::office::{Qos, Time};

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
