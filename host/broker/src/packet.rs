//! The packets of MQTT 3.1.1, as the broker has read or sent them. Those of
//! MQTT 5 are in `v5`.

use bytes::Bytes;

use super::v5;

/// A packet of MQTT 3.1.1 (chapter 3 of the specification), or one of MQTT 5 in
/// [`V5`](Self::V5). Displayed as one line; payloads
/// show up in it when they are text, and passwords never do.
///
/// Packet ids are never 0, but for that of a PUBLISH with QoS 0, which has none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A client wants to connect.
    Connect(Connect),
    /// Whether it may.
    ConnAck {
        /// The broker's decision.
        code: ConnectReturnCode,
        /// Whether the broker has a session for the client.
        session_present: bool,
    },
    /// A message.
    Publish(Publish),
    /// Acknowledges a PUBLISH with QoS 1, by its packet id.
    PubAck(u16),
    /// Acknowledges a PUBLISH with QoS 2, by its packet id.
    PubRec(u16),
    /// Acknowledges a PUBREC, by its packet id.
    PubRel(u16),
    /// Acknowledges a PUBREL, by its packet id.
    PubComp(u16),
    /// A client wants to subscribe.
    Subscribe {
        /// The packet id.
        packet_id: u16,
        /// Topic filters, each with the highest QoS that is wanted. At least
        /// one.
        filters: Vec<(String, QoS)>,
    },
    /// Acknowledges a SUBSCRIBE.
    SubAck {
        /// The packet id of the SUBSCRIBE.
        packet_id: u16,
        /// The highest QoS that is granted to each of its topic filters, in
        /// their order; `None` for one that is refused.
        granted: Vec<Option<QoS>>,
    },
    /// A client wants to end subscriptions.
    Unsubscribe {
        /// The packet id.
        packet_id: u16,
        /// Their topic filters. At least one.
        filters: Vec<String>,
    },
    /// Acknowledges an UNSUBSCRIBE, by its packet id.
    UnsubAck(u16),
    /// A client shows that it is there, and asks whether the broker is.
    PingReq,
    /// The broker is there.
    PingResp,
    /// A client leaves in good order.
    Disconnect,
    /// Any packet on a connection that speaks MQTT 5.
    V5(Box<v5::Packet>),
}

impl Packet {
    /// Which type of packet it is.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck { .. } => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe { .. } => PacketType::Subscribe,
            Self::SubAck { .. } => PacketType::SubAck,
            Self::Unsubscribe { .. } => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect => PacketType::Disconnect,
            Self::V5(packet) => packet.packet_type(),
        }
    }
}

/// The content of a CONNECT (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The client id; empty if the broker is to invent one.
    pub client_id: String,
    /// Whether the session begins anew, and ends with the connection.
    pub clean_session: bool,
    /// The longest silence that the client allows itself, in seconds; 0 for any.
    pub keep_alive: u16,
    /// What to publish when the connection breaks.
    pub last_will: Option<LastWill>,
    /// Who the client says it is.
    pub login: Option<Login>,
}

/// What a broker publishes when the connection of a client ends without a
/// DISCONNECT.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastWill {
    /// The topic name.
    pub topic: String,
    /// The content.
    pub payload: Bytes,
    /// The QoS to publish it with.
    pub qos: QoS,
    /// Whether it is kept for future subscribers.
    pub retain: bool,
}

/// The user name of a CONNECT, and its password if there is one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// The user name.
    pub user_name: String,
    /// The password, which need not be text.
    pub password: Option<Bytes>,
}

/// The content of a PUBLISH (section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whether the sender may have sent it before; never with QoS 0.
    pub dup: bool,
    /// Its quality of service.
    pub qos: QoS,
    /// To the broker: whether it is kept for future subscribers. From the
    /// broker: whether it was kept.
    pub retain: bool,
    /// The topic name.
    pub topic: String,
    /// The packet id; 0 with QoS 0.
    pub packet_id: u16,
    /// The content.
    pub payload: Bytes,
}

/// The quality of service (section 4.3). As a number it is what packets carry:
/// `QoS::AtLeastOnce as u8` is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QoS {
    /// Not acknowledged.
    AtMostOnce = 0,
    /// Acknowledged; can arrive twice.
    AtLeastOnce = 1,
    /// Acknowledged twice; arrives once.
    ExactlyOnce = 2,
}

impl QoS {
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        match number {
            0 => Some(Self::AtMostOnce),
            1 => Some(Self::AtLeastOnce),
            2 => Some(Self::ExactlyOnce),
            _ => None,
        }
    }
}

/// The answer to a CONNECT (table 3.1). As a number it is what CONNACK carries:
/// `ConnectReturnCode::NotAuthorized as u8` is 5.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConnectReturnCode {
    /// The client is connected.
    Accepted = 0,
    /// The broker does not speak this version of the protocol.
    RefusedProtocolVersion = 1,
    /// The client id is not allowed.
    BadClientId = 2,
    /// The broker is not available.
    ServiceUnavailable = 3,
    /// The user name or the password is malformed.
    BadUserNamePassword = 4,
    /// The client is not allowed to connect.
    NotAuthorized = 5,
}

/// A type of packets (section 2.2.1). As a number it is what the fixed header
/// carries: `PacketType::Connect as u8` is 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum PacketType {
    /// CONNECT, from a client.
    Connect = 1,
    /// CONNACK, from the broker.
    ConnAck = 2,
    /// PUBLISH, from either.
    Publish = 3,
    /// PUBACK, from either.
    PubAck = 4,
    /// PUBREC, from either.
    PubRec = 5,
    /// PUBREL, from either.
    PubRel = 6,
    /// PUBCOMP, from either.
    PubComp = 7,
    /// SUBSCRIBE, from a client.
    Subscribe = 8,
    /// SUBACK, from the broker.
    SubAck = 9,
    /// UNSUBSCRIBE, from a client.
    Unsubscribe = 10,
    /// UNSUBACK, from the broker.
    UnsubAck = 11,
    /// PINGREQ, from a client.
    PingReq = 12,
    /// PINGRESP, from the broker.
    PingResp = 13,
    /// DISCONNECT, from a client.
    Disconnect = 14,
}

impl PacketType {
    pub(super) const fn from_number(number: u8) -> Option<Self> {
        Some(match number {
            1 => Self::Connect,
            2 => Self::ConnAck,
            3 => Self::Publish,
            4 => Self::PubAck,
            5 => Self::PubRec,
            6 => Self::PubRel,
            7 => Self::PubComp,
            8 => Self::Subscribe,
            9 => Self::SubAck,
            10 => Self::Unsubscribe,
            11 => Self::UnsubAck,
            12 => Self::PingReq,
            13 => Self::PingResp,
            14 => Self::Disconnect,
            _ => return None,
        })
    }
}
