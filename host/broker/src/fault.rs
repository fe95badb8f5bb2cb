//! Faults: what a broker and the line to it do wrong, on demand.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::packet::{ConnectReturnCode, PacketType};
use super::topic;
use super::v5::{Packet, Reason};

mod text;

pub use text::FaultError;

/// Something that goes wrong. Some happen at once, some wait for their packet
/// and happen once, and some stay until
/// [`clear_faults`](super::Core::clear_faults). They concern all clients
/// unless they name one. Each is a word as well, e.g. `drop-after=3:publish`.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Fault {
    /// Answers CONNECT with this return code, or the reason of MQTT 5 that says
    /// the same, and closes the connection. The sessions stay as they are.
    RefuseConnect(ConnectReturnCode, Times),
    /// Answers CONNECT of MQTT 5 with this reason and closes the connection; to
    /// clients of MQTT 3.1.1 nothing happens. The sessions stay as they are.
    RefuseConnectV5(Reason, Times),
    /// Handles CONNECT this much later; what the client sends meanwhile waits.
    /// Stays.
    DelayConnect(Duration),
    /// Swallows CONNECT and whatever follows on that connection, which stays
    /// open and silent even after the fault is cleared. Stays.
    NeverAnswerConnect,
    /// Closes all connections, at once.
    DropNow,
    /// Closes all connections, at once: those of MQTT 5 with a DISCONNECT of this
    /// reason.
    Disconnect(Reason),
    /// Closes the connection on which the n-th packet of a type arrives (the
    /// first is 1), counted over all connections from now on. The packet has
    /// its effect, but its sender gets no answer: the line is cut right behind
    /// it. Once.
    DropAfter(u32, PacketType),
    /// Sends half of the next packet, to whichever client, and closes that
    /// connection. Once.
    DropInMiddle,
    /// Keeps these acknowledgements back: they are never sent, so their packet
    /// ids stay in use. Stays.
    WithholdAcks(Vec<Ack>),
    /// Sends all acknowledgements this much later; those that wait keep their
    /// time when the fault is cleared, and are lost with their connection.
    /// Stays.
    DelayAcks(Duration),
    /// Sends all acknowledgements twice. Stays.
    DuplicateAcks,
    /// Refuses a subscription to exactly this topic filter; to clients of MQTT 5
    /// as not authorized. Stays.
    RefuseSubscription(String),
    /// Delivers nothing that a client publishes to a topic that this filter
    /// matches; wills are left alone. A client of MQTT 5 is told this reason, which should be an error, in
    /// PUBACK or PUBREC; one of MQTT 3.1.1 can not be told, and gets what it
    /// always gets. Stays.
    RefusePublish(String, Reason),
    /// Reads nothing more from any connection, so that sockets fill up; see
    /// [`wants_read`](super::Core::wants_read). Meanwhile keep-alive is not
    /// watched. Stays, until [`ResumeReading`](Self::ResumeReading).
    StopReading,
    /// Ends [`StopReading`](Self::StopReading).
    ResumeReading,
    /// Loses the session of this client id: subscriptions, packet ids and
    /// messages. A connection that uses it stays open; the next one finds no
    /// session. At once.
    ForgetSession(String),
    /// Closes the connection of this client id, as if another client had
    /// connected with it ([MQTT-3.1.4-2]). At once.
    TakeOver(String),
}

/// How often a fault happens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Times {
    /// The next so many times.
    Next(u32),
    /// Until the faults are cleared.
    Always,
}

/// An acknowledgement that faults can keep back, delay or double.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ack {
    /// Of a PUBLISH with QoS 1.
    PubAck,
    /// Of a PUBLISH with QoS 2.
    PubRec,
    /// Of a PUBREL.
    PubComp,
    /// Of a SUBSCRIBE.
    SubAck,
}

impl Ack {
    /// Which acknowledgement a packet is.
    pub(super) fn of(packet: &Packet) -> Option<Self> {
        match packet {
            Packet::PubAck(_) => Some(Self::PubAck),
            Packet::PubRec(_) => Some(Self::PubRec),
            Packet::PubComp(_) => Some(Self::PubComp),
            Packet::SubAck(_) => Some(Self::SubAck),
            _ => None,
        }
    }
}

/// The faults in force.
#[derive(Debug, Default)]
pub(super) struct Faults {
    refuse_connect: Option<(ConnectReturnCode, Times)>,
    refuse_connect_v5: Option<(Reason, Times)>,
    pub(super) connect_delay: Option<Duration>,
    pub(super) never_answer_connect: bool,
    drop_after: Vec<(u32, PacketType)>,
    drop_in_middle: u32,
    withheld: BTreeSet<Ack>,
    pub(super) ack_delay: Option<Duration>,
    pub(super) duplicate_acks: bool,
    refused_filters: BTreeSet<String>,
    refused_topics: BTreeMap<String, Reason>,
    pub(super) reading_stopped: bool,
}

/// What a fault does at once.
pub(super) enum Immediate {
    DropAll,
    DisconnectAll(Reason),
    ResumeReading,
    ForgetSession(Arc<str>),
    TakeOver(Arc<str>),
}

impl Faults {
    /// Puts a fault in force; answers what is to be done about it now.
    pub(super) fn inject(&mut self, fault: Fault) -> Option<Immediate> {
        match fault {
            Fault::RefuseConnect(code, times) => self.refuse_connect = Some((code, times)),
            Fault::RefuseConnectV5(reason, times) => {
                self.refuse_connect_v5 = Some((reason, times));
            }
            Fault::DelayConnect(delay) => self.connect_delay = Some(delay),
            Fault::NeverAnswerConnect => self.never_answer_connect = true,
            Fault::DropAfter(count, kind) => self.drop_after.push((count.max(1), kind)),
            Fault::DropInMiddle => self.drop_in_middle += 1,
            Fault::WithholdAcks(acks) => self.withheld.extend(acks),
            Fault::DelayAcks(delay) => self.ack_delay = Some(delay),
            Fault::DuplicateAcks => self.duplicate_acks = true,
            Fault::RefuseSubscription(filter) => {
                self.refused_filters.insert(filter);
            }
            Fault::RefusePublish(filter, reason) => {
                self.refused_topics.insert(filter, reason);
            }
            Fault::StopReading => self.reading_stopped = true,
            Fault::ResumeReading => return Some(Immediate::ResumeReading),
            Fault::Disconnect(reason) => return Some(Immediate::DisconnectAll(reason)),
            Fault::DropNow => return Some(Immediate::DropAll),
            Fault::ForgetSession(client) => return Some(Immediate::ForgetSession(client.into())),
            Fault::TakeOver(client) => return Some(Immediate::TakeOver(client.into())),
        }
        None
    }

    /// A CONNECT is to be answered: the code that it is refused with.
    pub(super) fn refuse_connect(&mut self) -> Option<ConnectReturnCode> {
        next(&mut self.refuse_connect)
    }

    /// The same for one of MQTT 5.
    pub(super) fn refuse_connect_v5(&mut self) -> Option<Reason> {
        next(&mut self.refuse_connect_v5)
    }

    /// A packet has arrived: whether the line is cut behind it.
    pub(super) fn drop_after(&mut self, kind: PacketType) -> bool {
        let mut drop = false;
        self.drop_after.retain_mut(|(left, wanted)| {
            if *wanted == kind {
                *left -= 1;
            }
            drop |= *left == 0;
            *left > 0
        });
        drop
    }

    /// A packet is to be sent: whether the line is cut in its middle.
    pub(super) fn drop_in_middle(&mut self) -> bool {
        let drop = self.drop_in_middle > 0;
        self.drop_in_middle = self.drop_in_middle.saturating_sub(1);
        drop
    }

    pub(super) fn withholds(&self, packet: &Packet) -> bool {
        Ack::of(packet).is_some_and(|ack| self.withheld.contains(&ack))
    }

    pub(super) fn refuses_filter(&self, filter: &str) -> bool {
        self.refused_filters.contains(filter)
    }

    /// The reason why a message to a topic is refused.
    pub(super) fn refuses_topic(&self, name: &str) -> Option<Reason> {
        let mut refused = self.refused_topics.iter();
        refused
            .find(|(filter, _)| topic::matches(filter, name))
            .map(|(_, &reason)| reason)
    }
}

/// What is answered this time.
fn next<T: Copy>(answer: &mut Option<(T, Times)>) -> Option<T> {
    match answer {
        Some((answer, Times::Always)) => Some(*answer),
        Some((answer, Times::Next(left))) if *left > 0 => {
            *left -= 1;
            Some(*answer)
        }
        _ => None,
    }
}
