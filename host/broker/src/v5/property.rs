//! Properties (section 2.2.2).

use bytes::{BufMut, Bytes, BytesMut};

use super::write::{field, varint};
use crate::packet::QoS;
use crate::reader::Reader;
use crate::violation::Violation;

/// A property of a packet, or of a will.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Property {
    /// Whether the payload is UTF-8.
    PayloadFormat(bool),
    /// For how long a message may be delivered, in seconds.
    MessageExpiry(u32),
    /// What the payload is.
    ContentType(String),
    /// Where an answer is expected.
    ResponseTopic(String),
    /// What the answer is told by.
    CorrelationData(Bytes),
    /// The number of a subscription: 1 to 268,435,455.
    SubscriptionId(u32),
    /// For how long a session is kept without a connection, in seconds;
    /// `u32::MAX` for ever.
    SessionExpiry(u32),
    /// The client id that the broker has chosen.
    AssignedClientId(String),
    /// The keep-alive that the broker has chosen, in seconds.
    ServerKeepAlive(u16),
    /// How the client authenticates itself.
    AuthenticationMethod(String),
    /// What it authenticates itself by.
    AuthenticationData(Bytes),
    /// Whether reasons may be given at length.
    RequestProblemInformation(bool),
    /// How long a will waits, in seconds.
    WillDelay(u32),
    /// Whether response information is wanted.
    RequestResponseInformation(bool),
    /// What response topics are made of.
    ResponseInformation(String),
    /// Another broker.
    ServerReference(String),
    /// A reason at length.
    ReasonString(String),
    /// How many messages of QoS 1 and 2 may be under way; not 0.
    ReceiveMaximum(u16),
    /// The highest topic alias that is taken.
    TopicAliasMaximum(u16),
    /// The number that stands for the topic; not 0.
    TopicAlias(u16),
    /// The highest QoS that is taken: 0 or 1.
    MaximumQos(QoS),
    /// Whether messages can be retained.
    RetainAvailable(bool),
    /// A name and a value of the user's choice.
    User(String, String),
    /// How large packets may be, in bytes; not 0.
    MaximumPacketSize(u32),
    /// Whether subscriptions may have wildcards.
    WildcardAvailable(bool),
    /// Whether subscriptions may have numbers.
    SubscriptionIdsAvailable(bool),
    /// Whether subscriptions may be shared.
    SharedAvailable(bool),
}

/// The properties of a packet, in their order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Properties(pub Vec<Property>);

/// Answers the first property of a kind.
macro_rules! find {
    ($properties:expr, $kind:ident) => {
        $properties.0.iter().find_map(|property| match property {
            Property::$kind(value) => Some(value),
            _ => None,
        })
    };
}

impl Properties {
    /// Those that go with a message to its subscribers as they are.
    pub(crate) fn of_message(self) -> Self {
        let mut properties = self.0;
        properties.retain(|property| {
            matches!(
                property,
                Property::PayloadFormat(_)
                    | Property::MessageExpiry(_)
                    | Property::ContentType(_)
                    | Property::ResponseTopic(_)
                    | Property::CorrelationData(_)
                    | Property::User(..)
            )
        });
        Self(properties)
    }

    /// Whether they can be written.
    pub(crate) fn fit(&self) -> bool {
        write(self, &mut BytesMut::new()).is_some()
    }

    pub(crate) fn push(&mut self, property: Property) {
        self.0.push(property);
    }

    /// Whether the payload is said to be text.
    pub(crate) fn is_text(&self) -> bool {
        find!(self, PayloadFormat) == Some(&true)
    }

    pub(crate) fn message_expiry(&self) -> Option<u32> {
        find!(self, MessageExpiry).copied()
    }

    /// Says how many seconds are left.
    pub(crate) fn set_message_expiry(&mut self, seconds: u32) {
        for property in &mut self.0 {
            if let Property::MessageExpiry(left) = property {
                *left = seconds;
            }
        }
    }

    pub(crate) fn subscription_id(&self) -> Option<u32> {
        find!(self, SubscriptionId).copied()
    }

    pub(crate) fn session_expiry(&self) -> Option<u32> {
        find!(self, SessionExpiry).copied()
    }

    pub(crate) fn has_authentication_method(&self) -> bool {
        find!(self, AuthenticationMethod).is_some()
    }

    pub(crate) fn has_authentication_data(&self) -> bool {
        find!(self, AuthenticationData).is_some()
    }

    pub(crate) fn will_delay(&self) -> u32 {
        find!(self, WillDelay).copied().unwrap_or(0)
    }

    pub(crate) fn receive_maximum(&self) -> u16 {
        find!(self, ReceiveMaximum).copied().unwrap_or(u16::MAX)
    }

    pub(crate) fn topic_alias_maximum(&self) -> u16 {
        find!(self, TopicAliasMaximum).copied().unwrap_or(0)
    }

    pub(crate) fn topic_alias(&self) -> Option<u16> {
        find!(self, TopicAlias).copied()
    }

    pub(crate) fn maximum_packet_size(&self) -> Option<u32> {
        find!(self, MaximumPacketSize).copied()
    }

    pub(crate) fn response_topic(&self) -> Option<&str> {
        find!(self, ResponseTopic).map(String::as_str)
    }
}

/// Reads the properties of a packet. `allowed` holds the numbers of those that
/// it may have.
pub(super) fn read(body: &mut Reader<'_>, allowed: &[u8]) -> Result<Properties, Violation> {
    let length = body.varint()?;
    let mut body = Reader(body.take(length as usize)?);
    let (mut properties, mut seen) = (Vec::new(), Vec::new());
    while !body.is_empty() {
        // A number takes one byte, as none is above 127.
        let number = body.u8()?;
        if !allowed.contains(&number) {
            // Only PUBLISH may have a topic alias.
            return Err(if number == 11 && allowed.contains(&35) {
                Violation::SubscriptionIdFromClient
            } else {
                Violation::PropertyNotAllowed
            });
        }
        // Only the user's own may come twice.
        if number != 38 && seen.contains(&number) {
            return Err(Violation::PropertyTwice);
        }
        seen.push(number);
        properties.push(read_property(number, &mut body)?);
    }
    Ok(Properties(properties))
}

fn read_property(number: u8, body: &mut Reader<'_>) -> Result<Property, Violation> {
    let not_zero = |value: u32| match value {
        0 => Err(Violation::PropertyValue),
        value => Ok(value),
    };
    Ok(match number {
        1 => Property::PayloadFormat(read_bool(body)?),
        2 => Property::MessageExpiry(body.u32()?),
        3 => Property::ContentType(body.text()?.to_owned()),
        8 => Property::ResponseTopic(body.text()?.to_owned()),
        9 => Property::CorrelationData(Bytes::copy_from_slice(body.bytes()?)),
        11 => Property::SubscriptionId(not_zero(body.varint()?)?),
        17 => Property::SessionExpiry(body.u32()?),
        21 => Property::AuthenticationMethod(body.text()?.to_owned()),
        22 => Property::AuthenticationData(Bytes::copy_from_slice(body.bytes()?)),
        23 => Property::RequestProblemInformation(read_bool(body)?),
        24 => Property::WillDelay(body.u32()?),
        25 => Property::RequestResponseInformation(read_bool(body)?),
        31 => Property::ReasonString(body.text()?.to_owned()),
        33 => match body.u16()? {
            0 => return Err(Violation::PropertyValue),
            maximum => Property::ReceiveMaximum(maximum),
        },
        34 => Property::TopicAliasMaximum(body.u16()?),
        35 => match body.u16()? {
            0 => return Err(Violation::TopicAliasZero),
            alias => Property::TopicAlias(alias),
        },
        38 => Property::User(body.text()?.to_owned(), body.text()?.to_owned()),
        39 => Property::MaximumPacketSize(not_zero(body.u32()?)?),
        _ => return Err(Violation::PropertyNotAllowed),
    })
}

fn read_bool(body: &mut Reader<'_>) -> Result<bool, Violation> {
    match body.u8()? {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(Violation::PropertyValue),
    }
}

/// Writes the properties of a packet, with their length; `None` if one of them
/// is too long.
pub(super) fn write(properties: &Properties, bytes: &mut BytesMut) -> Option<()> {
    let mut own = BytesMut::new();
    for property in &properties.0 {
        write_property(property, &mut own)?;
    }
    varint(own.len(), bytes)?;
    bytes.put(own);
    Some(())
}

fn write_property(property: &Property, bytes: &mut BytesMut) -> Option<()> {
    use Property as P;
    let number = number(property);
    bytes.put_u8(number);
    match property {
        P::PayloadFormat(flag)
        | P::RequestProblemInformation(flag)
        | P::RequestResponseInformation(flag)
        | P::RetainAvailable(flag)
        | P::WildcardAvailable(flag)
        | P::SubscriptionIdsAvailable(flag)
        | P::SharedAvailable(flag) => bytes.put_u8((*flag).into()),
        P::MaximumQos(qos) => bytes.put_u8(*qos as u8),
        P::ServerKeepAlive(value)
        | P::ReceiveMaximum(value)
        | P::TopicAliasMaximum(value)
        | P::TopicAlias(value) => bytes.put_u16(*value),
        P::MessageExpiry(value)
        | P::SessionExpiry(value)
        | P::WillDelay(value)
        | P::MaximumPacketSize(value) => bytes.put_u32(*value),
        P::SubscriptionId(value) => varint(*value as usize, bytes)?,
        P::CorrelationData(value) | P::AuthenticationData(value) => field(value, bytes)?,
        P::ContentType(value)
        | P::ResponseTopic(value)
        | P::AssignedClientId(value)
        | P::AuthenticationMethod(value)
        | P::ResponseInformation(value)
        | P::ServerReference(value)
        | P::ReasonString(value) => field(value.as_bytes(), bytes)?,
        P::User(name, value) => {
            field(name.as_bytes(), bytes)?;
            field(value.as_bytes(), bytes)?;
        }
    }
    Some(())
}

/// Table 2-4.
const fn number(property: &Property) -> u8 {
    match property {
        Property::PayloadFormat(_) => 1,
        Property::MessageExpiry(_) => 2,
        Property::ContentType(_) => 3,
        Property::ResponseTopic(_) => 8,
        Property::CorrelationData(_) => 9,
        Property::SubscriptionId(_) => 11,
        Property::SessionExpiry(_) => 17,
        Property::AssignedClientId(_) => 18,
        Property::ServerKeepAlive(_) => 19,
        Property::AuthenticationMethod(_) => 21,
        Property::AuthenticationData(_) => 22,
        Property::RequestProblemInformation(_) => 23,
        Property::WillDelay(_) => 24,
        Property::RequestResponseInformation(_) => 25,
        Property::ResponseInformation(_) => 26,
        Property::ServerReference(_) => 28,
        Property::ReasonString(_) => 31,
        Property::ReceiveMaximum(_) => 33,
        Property::TopicAliasMaximum(_) => 34,
        Property::TopicAlias(_) => 35,
        Property::MaximumQos(_) => 36,
        Property::RetainAvailable(_) => 37,
        Property::User(..) => 38,
        Property::MaximumPacketSize(_) => 39,
        Property::WildcardAvailable(_) => 40,
        Property::SubscriptionIdsAvailable(_) => 41,
        Property::SharedAvailable(_) => 42,
    }
}
