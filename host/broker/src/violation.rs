//! What a client does that the specification forbids.

use std::fmt;

/// What a client did that it must not do. Each one closes its connection
/// ([MQTT-4.8.0-1]).
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
    /// A protocol level other than 4. Answered with return code 1.
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
}

impl Violation {
    /// The rule that was broken: a numbered statement of the specification,
    /// one of its sections, or a limit of this broker.
    pub const fn rule(self) -> &'static str {
        self.describe().0
    }

    const fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::NotConnect => ("MQTT-3.1.0-1", "the first packet is not CONNECT"),
            Self::SecondConnect => ("MQTT-3.1.0-2", "a second CONNECT"),
            Self::UnknownType => ("section 2.2.1", "a packet type that does not exist"),
            Self::BrokerPacket => ("section 2.2.1", "a packet that only a broker sends"),
            Self::HeaderFlags => ("MQTT-2.2.2-2", "wrong flags in the fixed header"),
            Self::RemainingLength => ("section 2.2.3", "a malformed remaining length"),
            Self::Malformed => ("MQTT-4.8.0-1", "a packet with too few or too many bytes"),
            Self::NotUtf8 => ("MQTT-1.5.3-1", "a text that is not UTF-8"),
            Self::NullCharacter => ("MQTT-1.5.3-2", "a null character in a text"),
            Self::ProtocolName => ("MQTT-3.1.2-1", "a protocol name other than MQTT"),
            Self::ProtocolLevel => ("MQTT-3.1.2-2", "a protocol level other than 4"),
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
