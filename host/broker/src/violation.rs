//! What a client does that the specification forbids.

use std::fmt;

use super::v5::Reason;

/// What a client did that it must not do. Each one closes its connection
/// ([MQTT-4.8.0-1], and [MQTT-4.13.1-1] of MQTT 5). Those from
/// [`PropertyNotAllowed`](Self::PropertyNotAllowed) on there are in MQTT 5 alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Violation {
    /// The first packet of a connection is not CONNECT.
    NotConnect,
    /// A CONNECT on a connection that has had one.
    SecondConnect,
    /// A packet type that does not exist.
    UnknownType,
    /// A packet that only a broker sends.
    BrokerPacket,
    /// Wrong flags in the fixed header.
    HeaderFlags,
    /// A remaining length of more than four bytes.
    RemainingLength,
    /// A packet that is shorter or longer than its content.
    Malformed,
    /// A text that is not UTF-8.
    NotUtf8,
    /// A null character in a text.
    NullCharacter,
    /// A protocol name other than `MQTT`.
    ProtocolName,
    /// A protocol level other than 4 and 5. Answered with return code 1.
    ProtocolLevel,
    /// The reserved flag of CONNECT is set.
    ConnectFlags,
    /// A will QoS or will retain flag without a will.
    WillFlags,
    /// A will QoS of 3.
    WillQos,
    /// A password without a user name.
    PasswordAlone,
    /// An empty client id without clean session. Answered with return code 2.
    ClientIdMissing,
    /// A PUBLISH with QoS 3.
    Qos3,
    /// The DUP flag on a QoS 0 PUBLISH.
    DupOnQos0,
    /// A packet id of 0.
    PacketIdZero,
    /// A packet id that is still in use for something else.
    PacketIdInUse,
    /// An empty topic name or topic filter.
    EmptyTopic,
    /// A wildcard in a topic name.
    WildcardInName,
    /// A topic filter with a misplaced wildcard.
    MisplacedWildcard,
    /// A SUBSCRIBE without a topic filter.
    EmptySubscribe,
    /// A requested QoS above 2, or reserved bits beside it.
    SubscribeOptions,
    /// An UNSUBSCRIBE without a topic filter.
    EmptyUnsubscribe,
    /// An acknowledgement that does not belong to the QoS of its message.
    WrongAck,
    /// More packets after DISCONNECT.
    AfterDisconnect,
    /// A packet above the size limit of this broker.
    PacketTooLarge,
    /// More open QoS 2 exchanges than this broker allows.
    TooManyExchanges,
    /// A property that its packet can not have.
    PropertyNotAllowed,
    /// A property that is there twice.
    PropertyTwice,
    /// A property with a value that it can not have.
    PropertyValue,
    /// A reason code that its packet can not have.
    ReasonCode,
    /// A topic alias of 0.
    TopicAliasZero,
    /// A topic alias above the maximum of this broker.
    TopicAliasTooHigh,
    /// A topic alias that stands for nothing.
    TopicAliasUnknown,
    /// A response topic that is no topic name.
    ResponseTopic,
    /// A subscription identifier in a PUBLISH.
    SubscriptionIdFromClient,
    /// More open exchanges than the receive maximum of this broker.
    ReceiveMaximumExceeded,
    /// A PUBLISH that is sent again on the same connection.
    ResentTooEarly,
    /// No Local on a shared subscription.
    NoLocalOnShared,
    /// A shared subscription without a group or a filter.
    SharedFilter,
    /// A QoS above the maximum of this broker.
    QosNotSupported,
    /// A retained message where this broker retains nothing.
    RetainNotSupported,
    /// A wildcard where this broker has none.
    WildcardNotSupported,
    /// A subscription identifier where this broker has none.
    SubscriptionIdNotSupported,
    /// A shared subscription where this broker has none.
    SharedNotSupported,
    /// A DISCONNECT that keeps a session which was to end.
    SessionExpiryRaised,
    /// An AUTH packet without an authentication method.
    AuthNotExpected,
    /// Authentication data without a method.
    AuthenticationDataAlone,
    /// A text frame of WebSocket; in MQTT 3.1.1, too.
    TextFrame,
    /// A frame that WebSocket forbids; in MQTT 3.1.1, too.
    Frame,
}

impl Violation {
    /// The rule that was broken: a numbered statement of the specification,
    /// one of its sections, or a limit of this broker.
    pub const fn rule(self) -> &'static str {
        self.describe().0
    }

    /// The rule of MQTT 5 that was broken, as [`rule`](Self::rule) has that of
    /// MQTT 3.1.1.
    pub const fn rule_v5(self) -> &'static str {
        match self {
            Self::UnknownType | Self::BrokerPacket => "section 2.1.2",
            Self::HeaderFlags => "MQTT-2.1.3-1",
            Self::RemainingLength => "section 2.1.4",
            Self::Malformed => "MQTT-4.13.1-1",
            Self::NotUtf8 => "MQTT-1.5.4-1",
            Self::NullCharacter => "MQTT-1.5.4-2",
            Self::WillQos => "MQTT-3.1.2-12",
            Self::PacketIdZero | Self::PacketIdInUse => "MQTT-2.2.1-3",
            Self::MisplacedWildcard => "MQTT-4.7.1-1",
            Self::EmptySubscribe => "MQTT-3.8.3-2",
            Self::SubscribeOptions => "MQTT-3.8.3-5",
            Self::AfterDisconnect => "MQTT-3.14.4-1",
            Self::PacketTooLarge => "MQTT-3.2.2-15",
            _ => self.rule(),
        }
    }

    /// As one line, with the rule of MQTT 5.
    pub(super) fn text_v5(self) -> String {
        format!("{} [{}]", self.describe().1, self.rule_v5())
    }

    /// What a client of MQTT 5 is told.
    pub(super) const fn reason(self) -> Reason {
        match self {
            Self::NotConnect | Self::SecondConnect | Self::AfterDisconnect => Reason::ProtocolError,
            Self::ProtocolName | Self::ProtocolLevel => Reason::UnsupportedProtocolVersion,
            Self::ClientIdMissing => Reason::ClientIdentifierNotValid,
            Self::PacketIdInUse | Self::WrongAck => Reason::ProtocolError,
            Self::EmptyTopic | Self::WildcardInName => Reason::TopicNameInvalid,
            Self::MisplacedWildcard => Reason::TopicFilterInvalid,
            Self::EmptySubscribe | Self::EmptyUnsubscribe => Reason::ProtocolError,
            Self::PacketTooLarge => Reason::PacketTooLarge,
            Self::TooManyExchanges => Reason::QuotaExceeded,
            Self::TopicAliasZero => Reason::TopicAliasInvalid,
            Self::TopicAliasTooHigh => Reason::TopicAliasInvalid,
            Self::ReceiveMaximumExceeded => Reason::ReceiveMaximumExceeded,
            Self::SharedFilter => Reason::TopicFilterInvalid,
            Self::QosNotSupported => Reason::QosNotSupported,
            Self::RetainNotSupported => Reason::RetainNotSupported,
            Self::WildcardNotSupported => Reason::WildcardSubscriptionsNotSupported,
            Self::SubscriptionIdNotSupported => Reason::SubscriptionIdentifiersNotSupported,
            Self::SharedNotSupported => Reason::SharedSubscriptionsNotSupported,
            Self::PropertyTwice
            | Self::PropertyValue
            | Self::ReasonCode
            | Self::TopicAliasUnknown
            | Self::ResponseTopic
            | Self::SubscriptionIdFromClient
            | Self::ResentTooEarly
            | Self::NoLocalOnShared
            | Self::SessionExpiryRaised
            | Self::AuthNotExpected
            | Self::AuthenticationDataAlone => Reason::ProtocolError,
            _ => Reason::MalformedPacket,
        }
    }

    const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::NotConnect => ("MQTT-3.1.0-1", "the first packet is not CONNECT"),
            Self::TextFrame => ("MQTT-6.0.0-1", "a text frame of WebSocket"),
            Self::Frame => ("RFC 6455, section 5", "a frame that WebSocket forbids"),
            Self::SecondConnect => ("MQTT-3.1.0-2", "a second CONNECT"),
            Self::UnknownType => ("section 2.2.1", "a packet type that does not exist"),
            Self::BrokerPacket => ("section 2.2.1", "a packet that only a broker sends"),
            Self::HeaderFlags => ("MQTT-2.2.2-2", "wrong flags in the fixed header"),
            Self::RemainingLength => ("section 2.2.3", "a malformed remaining length"),
            Self::Malformed => ("MQTT-4.8.0-1", "a packet with too few or too many bytes"),
            Self::NotUtf8 => ("MQTT-1.5.3-1", "a text that is not UTF-8"),
            Self::NullCharacter => ("MQTT-1.5.3-2", "a null character in a text"),
            Self::ProtocolName => ("MQTT-3.1.2-1", "a protocol name other than MQTT"),
            Self::ProtocolLevel => ("MQTT-3.1.2-2", "a protocol level other than 4 and 5"),
            Self::ConnectFlags => ("MQTT-3.1.2-3", "the reserved flag of CONNECT is set"),
            Self::WillFlags => ("MQTT-3.1.2-11", "will flags without a will"),
            Self::WillQos => ("MQTT-3.1.2-14", "a will with QoS 3"),
            Self::PasswordAlone => ("MQTT-3.1.2-22", "a password without a user name"),
            Self::ClientIdMissing => ("MQTT-3.1.3-7", "an empty client id without a clean session"),
            Self::Qos3 => ("MQTT-3.3.1-4", "a PUBLISH with QoS 3"),
            Self::DupOnQos0 => ("MQTT-3.3.1-2", "the DUP flag on a QoS 0 PUBLISH"),
            Self::PacketIdZero => ("MQTT-2.3.1-1", "a packet id of 0"),
            Self::PacketIdInUse => ("MQTT-2.3.1-2", "a packet id that is still in use"),
            Self::EmptyTopic => ("MQTT-4.7.3-1", "an empty topic name or filter"),
            Self::WildcardInName => ("MQTT-3.3.2-2", "a wildcard in a topic name"),
            Self::MisplacedWildcard => ("section 4.7.1", "a misplaced wildcard in a filter"),
            Self::EmptySubscribe => ("MQTT-3.8.3-3", "a SUBSCRIBE without a filter"),
            Self::SubscribeOptions => ("MQTT-3-8.3-4", "a requested QoS that does not exist"),
            Self::EmptyUnsubscribe => ("MQTT-3.10.3-2", "an UNSUBSCRIBE without a filter"),
            Self::WrongAck => ("section 4.3", "an acknowledgement of the wrong kind"),
            Self::AfterDisconnect => ("MQTT-3.14.4-2", "more packets after DISCONNECT"),
            Self::PacketTooLarge => ("limit of this broker", "a packet that is too large"),
            Self::TooManyExchanges => ("limit of this broker", "too many open QoS 2 exchanges"),
            Self::PropertyNotAllowed => {
                ("section 2.2.2.2", "a property that its packet can not have")
            }
            Self::PropertyTwice => ("section 2.2.2.2", "a property that is there twice"),
            Self::PropertyValue => ("section 2.2.2.2", "a property with a wrong value"),
            Self::ReasonCode => ("section 2.4", "a reason code that its packet can not have"),
            Self::TopicAliasZero => ("MQTT-3.3.2-8", "a topic alias of 0"),
            Self::TopicAliasTooHigh => ("MQTT-3.3.2-9", "a topic alias above the maximum"),
            Self::TopicAliasUnknown => {
                ("section 3.3.2.3.4", "a topic alias that stands for nothing")
            }
            Self::ResponseTopic => ("MQTT-3.3.2-14", "a response topic that is no topic name"),
            Self::SubscriptionIdFromClient => {
                ("MQTT-3.3.4-6", "a subscription identifier from a client")
            }
            Self::ReceiveMaximumExceeded => (
                "MQTT-3.3.4-7",
                "more open exchanges than the receive maximum",
            ),
            Self::ResentTooEarly => (
                "MQTT-4.4.0-1",
                "a PUBLISH sent again on the same connection",
            ),
            Self::NoLocalOnShared => ("MQTT-3.8.3-4", "no local on a shared subscription"),
            Self::SharedFilter => (
                "MQTT-4.8.2-1",
                "a shared subscription without group or filter",
            ),
            Self::QosNotSupported => ("MQTT-3.2.2-11", "a QoS above the maximum"),
            Self::RetainNotSupported => {
                ("MQTT-3.2.2-14", "a retained message where there are none")
            }
            Self::WildcardNotSupported => ("section 3.2.2.3.11", "a wildcard where there are none"),
            Self::SubscriptionIdNotSupported => (
                "section 3.2.2.3.12",
                "a subscription identifier where there are none",
            ),
            Self::SharedNotSupported => (
                "section 3.2.2.3.13",
                "a shared subscription where there are none",
            ),
            Self::SessionExpiryRaised => (
                "section 3.14.2.2.2",
                "a session expiry that was 0 is raised",
            ),
            Self::AuthNotExpected => ("MQTT-4.12.0-7", "AUTH without an authentication method"),
            Self::AuthenticationDataAlone => (
                "section 3.1.2.11.10",
                "authentication data without a method",
            ),
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (rule, text) = self.describe();
        write!(f, "{text} [{rule}]")
    }
}

impl std::error::Error for Violation {}
