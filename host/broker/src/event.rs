//! The trace of a broker: what happened, in order.

use std::fmt;
use std::sync::Arc;

use super::fault::Fault;
use super::packet::{ConnectReturnCode, Packet};
use super::v5::Reason;
use super::violation::Violation;

/// The number of a connection. Who opens connections chooses it, and never
/// twice the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ConnectionId(pub u64);

/// The other end of a connection. Displayed as its client id, or as `#3` while
/// that is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Peer {
    /// The connection.
    pub connection: ConnectionId,
    /// The client id, once there has been a CONNECT.
    pub client: Option<Arc<str>>,
}

/// Something that happened. Displayed as one line; payloads show up in it when
/// they are text, and passwords never do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// A connection was opened.
    Opened {
        /// Where to.
        peer: Peer,
    },
    /// A packet has arrived, and nothing is wrong with its form.
    Received {
        /// Where from.
        peer: Peer,
        /// The packet.
        packet: Packet,
    },
    /// A packet was sent.
    Sent {
        /// Where to.
        peer: Peer,
        /// The packet.
        packet: Packet,
    },
    /// A packet was not sent, because of a fault.
    Withheld {
        /// Where to.
        peer: Peer,
        /// The packet.
        packet: Packet,
    },
    /// Half of a packet was sent, because of a fault.
    Cut {
        /// Where to.
        peer: Peer,
        /// The packet.
        packet: Packet,
    },
    /// A client did what it must not do.
    Violation {
        /// Who.
        peer: Peer,
        /// What.
        violation: Violation,
    },
    /// A client of MQTT 5 did what it must not do.
    ViolationV5 {
        /// Who.
        peer: Peer,
        /// What.
        violation: Violation,
    },
    /// A client did not get through TLS. The connection is closed.
    TlsFailed {
        /// Who.
        peer: Peer,
        /// Why.
        error: TlsError,
    },
    /// A connection was closed.
    Closed {
        /// Where to.
        peer: Peer,
        /// Why.
        reason: CloseReason,
    },
    /// A session has begun.
    SessionCreated {
        /// The client id.
        client: Arc<str>,
    },
    /// A session goes on with a new connection.
    SessionResumed {
        /// The client id.
        client: Arc<str>,
        /// How many messages are sent again.
        in_flight: usize,
        /// How many messages wait.
        waiting: usize,
    },
    /// A session has ended.
    SessionEnded {
        /// The client id.
        client: Arc<str>,
    },
    /// The will of a client is published.
    WillPublished {
        /// The client id.
        client: Arc<str>,
        /// The topic of the will.
        topic: String,
    },
    /// A message for a client was dropped, because too many wait.
    Dropped {
        /// The client id.
        client: Arc<str>,
        /// The topic of the message.
        topic: String,
    },
    /// A message for a client of MQTT 5 was dropped, because its packet would
    /// be larger than the client allows.
    TooLarge {
        /// The client id.
        client: Arc<str>,
        /// The topic of the message.
        topic: String,
    },
    /// A fault was injected.
    Fault {
        /// Which.
        fault: Fault,
    },
    /// The faults were cleared.
    FaultsCleared,
}

/// Why a connection was closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum CloseReason {
    /// The client sent DISCONNECT.
    Disconnect,
    /// The client closed it, or the line broke.
    Lost,
    /// Nothing was heard of the client for one and a half times its keep-alive
    /// ([MQTT-3.1.2-24]).
    KeepAlive,
    /// The client did what it must not do.
    Violation(Violation),
    /// The client of MQTT 5 did what it must not do.
    ViolationV5(Violation),
    /// The client sent a DISCONNECT with this reason.
    DisconnectWith(Reason),
    /// The broker did not accept the CONNECT of MQTT 5.
    RefusedWith(Reason),
    /// The broker sent a DISCONNECT with this reason, because of a fault.
    DisconnectedWith(Reason),
    /// Another connection uses the client id ([MQTT-3.1.4-2]).
    TakenOver,
    /// The broker did not accept the CONNECT.
    Refused(ConnectReturnCode),
    /// A fault.
    Fault,
    /// The client did not get through TLS.
    Tls,
    /// Too much waited for the client, which does not read it.
    Unread,
}

/// Why a client did not get through TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum TlsError {
    /// A certificate of the client is demanded, and it began without TLS.
    Plain,
    /// The handshake has failed, as rustls says it: the client did not accept what it
    /// was shown, showed nothing that is accepted, or sent something else.
    Handshake(String),
    /// The client hung up before the handshake was over, as one does that does not
    /// trust the broker and does not say so.
    HungUp,
    /// What came after the handshake is not what TLS sends, as rustls says it.
    Record(String),
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.client {
            Some(client) => f.write_str(client),
            None => write!(f, "#{}", self.connection.0),
        }
    }
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Opened { peer } => write!(f, "{peer} connected"),
            Self::Received { peer, packet } => write!(f, "{peer} > {packet}"),
            Self::Sent { peer, packet } => write!(f, "{peer} < {packet}"),
            Self::Withheld { peer, packet } => write!(f, "{peer} | {packet} (withheld)"),
            Self::Cut { peer, packet } => write!(f, "{peer} | {packet} (half of it)"),
            Self::Violation { peer, violation } => write!(f, "{peer} VIOLATION: {violation}"),
            Self::ViolationV5 { peer, violation } => {
                write!(f, "{peer} VIOLATION: {}", violation.text_v5())
            }
            Self::TlsFailed { peer, error } => write!(f, "{peer} TLS FAILED: {error}"),
            Self::Closed { peer, reason } => write!(f, "{peer} closed: {reason}"),
            Self::SessionCreated { client } => write!(f, "{client} session created"),
            Self::SessionResumed {
                client,
                in_flight,
                waiting,
            } => write!(
                f,
                "{client} session resumed, {in_flight} in flight, {waiting} waiting"
            ),
            Self::SessionEnded { client } => write!(f, "{client} session ended"),
            Self::WillPublished { client, topic } => write!(f, "{client} will to {topic}"),
            Self::Dropped { client, topic } => {
                write!(f, "{client} queue full, dropped a message to {topic}")
            }
            Self::TooLarge { client, topic } => {
                write!(
                    f,
                    "{client} takes no packet as large, dropped a message to {topic}"
                )
            }
            Self::Fault { fault } => write!(f, "fault: {fault}"),
            Self::FaultsCleared => f.write_str("faults cleared"),
        }
    }
}

impl fmt::Display for CloseReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Disconnect => f.write_str("disconnect"),
            Self::Lost => f.write_str("connection lost"),
            Self::KeepAlive => f.write_str("keep-alive timeout"),
            Self::Violation(violation) => write!(f, "{violation}"),
            Self::ViolationV5(violation) => f.write_str(&violation.text_v5()),
            Self::DisconnectWith(reason) => write!(f, "disconnect, {reason}"),
            Self::RefusedWith(reason) => write!(f, "refused: {reason}"),
            Self::DisconnectedWith(reason) => write!(f, "fault, {reason}"),
            Self::TakenOver => f.write_str("client id taken over"),
            Self::Refused(code) => write!(f, "{code}"),
            Self::Fault => f.write_str("fault"),
            Self::Tls => f.write_str("TLS failed"),
            Self::Unread => f.write_str("the client does not read what it is sent"),
        }
    }
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain => f.write_str(
                "the client began without TLS, and has to show a certificate, which takes TLS",
            ),
            Self::Handshake(reason) => write!(f, "in the handshake: {reason}"),
            Self::HungUp => f.write_str("the client hung up in the handshake"),
            Self::Record(reason) => write!(f, "after the handshake: {reason}"),
        }
    }
}
