//! The packets of MQTT 5, as the broker has read or sent them.

use bytes::Bytes;

use super::property::Properties;
use super::reason::Reason;
use crate::packet::{PacketType, QoS};

/// A packet of MQTT 5 (chapter 3 of the specification). Displayed as one line;
/// payloads show up in it when they are text, and passwords never do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Packet {
    /// A client wants to connect.
    Connect(Connect),
    /// Whether it may.
    ConnAck(ConnAck),
    /// A message.
    Publish(Publish),
    /// Ends the exchange of a PUBLISH with QoS 1.
    PubAck(Acknowledgement),
    /// Acknowledges a PUBLISH with QoS 2, or ends its exchange with an error.
    PubRec(Acknowledgement),
    /// Acknowledges a PUBREC.
    PubRel(Acknowledgement),
    /// Acknowledges a PUBREL.
    PubComp(Acknowledgement),
    /// A client wants to subscribe.
    Subscribe(Subscribe),
    /// Acknowledges a SUBSCRIBE.
    SubAck(SubAck),
    /// A client wants to end subscriptions.
    Unsubscribe(Unsubscribe),
    /// Acknowledges an UNSUBSCRIBE.
    UnsubAck(SubAck),
    /// A client shows that it is there, and asks whether the broker is.
    PingReq,
    /// The broker is there.
    PingResp,
    /// One side leaves.
    Disconnect(Disconnect),
}

impl Packet {
    /// Which type of packet it is.
    pub const fn packet_type(&self) -> PacketType {
        match self {
            Self::Connect(_) => PacketType::Connect,
            Self::ConnAck(_) => PacketType::ConnAck,
            Self::Publish(_) => PacketType::Publish,
            Self::PubAck(_) => PacketType::PubAck,
            Self::PubRec(_) => PacketType::PubRec,
            Self::PubRel(_) => PacketType::PubRel,
            Self::PubComp(_) => PacketType::PubComp,
            Self::Subscribe(_) => PacketType::Subscribe,
            Self::SubAck(_) => PacketType::SubAck,
            Self::Unsubscribe(_) => PacketType::Unsubscribe,
            Self::UnsubAck(_) => PacketType::UnsubAck,
            Self::PingReq => PacketType::PingReq,
            Self::PingResp => PacketType::PingResp,
            Self::Disconnect(_) => PacketType::Disconnect,
        }
    }
}

/// The content of a CONNECT (section 3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connect {
    /// The client id; empty if the broker is to assign one.
    pub client_id: String,
    /// Whether the session begins anew.
    pub clean_start: bool,
    /// The longest silence that the client allows itself, in seconds; 0 for any.
    pub keep_alive: u16,
    /// What to publish when the connection breaks.
    pub last_will: Option<LastWill>,
    /// Who the client says it is.
    pub user_name: Option<String>,
    /// Its password, which need not be text.
    pub password: Option<Bytes>,
    /// Its properties.
    pub properties: Properties,
}

/// What a broker publishes when the connection of a client ends without a
/// normal DISCONNECT.
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
    /// Its properties.
    pub properties: Properties,
}

/// The content of a CONNACK (section 3.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnAck {
    /// The broker's decision.
    pub reason: Reason,
    /// Whether the broker has a session for the client.
    pub session_present: bool,
    /// Its properties.
    pub properties: Properties,
}

/// The content of a PUBLISH (section 3.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Publish {
    /// Whether the sender may have sent it before; never with QoS 0.
    pub dup: bool,
    /// Its quality of service.
    pub qos: QoS,
    /// To the broker: whether it is kept for future subscribers. From the
    /// broker: whether it was kept, or as it was published.
    pub retain: bool,
    /// The topic name; empty if a topic alias stands for it.
    pub topic: String,
    /// The packet id; 0 with QoS 0.
    pub packet_id: u16,
    /// The content.
    pub payload: Bytes,
    /// Its properties.
    pub properties: Properties,
}

/// The content of PUBACK, PUBREC, PUBREL and PUBCOMP (sections 3.4 to 3.7).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledgement {
    /// The packet id.
    pub packet_id: u16,
    /// How it was taken.
    pub reason: Reason,
    /// Its properties.
    pub properties: Properties,
}

impl Acknowledgement {
    pub(crate) fn new(packet_id: u16, reason: Reason) -> Self {
        Self {
            packet_id,
            reason,
            properties: Properties::default(),
        }
    }
}

/// The content of a SUBSCRIBE (section 3.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subscribe {
    /// The packet id.
    pub packet_id: u16,
    /// What is wanted. At least one.
    pub filters: Vec<SubscribeFilter>,
    /// Its properties.
    pub properties: Properties,
}

/// A subscription that is wanted, with its options (section 3.8.3.1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubscribeFilter {
    /// The topic filter; `$share/group/filter` for a shared subscription.
    pub filter: String,
    /// The highest QoS that is wanted.
    pub qos: QoS,
    /// Whether messages from the client itself are left out.
    pub no_local: bool,
    /// Whether messages keep the retain flag that they were published with.
    pub retain_as_published: bool,
    /// When retained messages are sent.
    pub retain_handling: RetainHandling,
}

/// When a subscription is answered with retained messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetainHandling {
    /// Each time.
    Send = 0,
    /// If there was no such subscription.
    SendIfNew = 1,
    /// Never.
    DoNotSend = 2,
}

/// The content of SUBACK and UNSUBACK (sections 3.9 and 3.11).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubAck {
    /// The packet id of what is acknowledged.
    pub packet_id: u16,
    /// A reason for each topic filter, in their order.
    pub reasons: Vec<Reason>,
    /// Its properties.
    pub properties: Properties,
}

/// The content of an UNSUBSCRIBE (section 3.10).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsubscribe {
    /// The packet id.
    pub packet_id: u16,
    /// Topic filters. At least one.
    pub filters: Vec<String>,
    /// Its properties.
    pub properties: Properties,
}

/// The content of a DISCONNECT (section 3.14).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disconnect {
    /// Why.
    pub reason: Reason,
    /// Its properties.
    pub properties: Properties,
}
