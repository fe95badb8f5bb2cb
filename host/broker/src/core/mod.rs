//! The broker as a pure state machine.

mod aliases;
mod connecting;
mod connection;
mod delivering;
mod ending;
mod handling;
mod publishing;
mod subscribing;

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use bytes::Bytes;

use self::connection::Connection;
use super::event::{CloseReason, ConnectionId, Event, Peer, TlsError};
use super::fault::{Fault, Faults, Immediate};
use super::message::{Message, PublishError};
use super::options::CoreOptions;
use super::packet::QoS;
use super::session::Session;
use super::topic;
use super::v5::{Connect, Packet, Properties};
use super::violation::Violation;
use crate::time::Time;

/// A broker of MQTT 3.1.1 and MQTT 5 without clock and sockets.
///
/// Bytes, time and faults go in by the `handle_*` methods and by
/// [`publish`](Self::publish) and [`inject`](Self::inject). After each of
/// these, take what comes out: [`poll_output`](Self::poll_output) until it
/// answers `None`, [`poll_event`](Self::poll_event) likewise, and
/// [`next_timeout`](Self::next_timeout) for when to come back.
///
/// Times never go back. An input for a connection that is not open is left
/// alone, so the two sides may close a connection at the same time.
#[derive(Debug, Default)]
pub struct Core {
    options: CoreOptions,
    faults: Faults,
    connections: BTreeMap<ConnectionId, Connection>,
    sessions: BTreeMap<Arc<str>, Session>,
    /// By topic.
    retained: BTreeMap<String, Message>,
    /// How many messages each shared subscription has had, by its filter.
    turns: BTreeMap<String, usize>,
    /// By time, then in the order in which they were put here.
    scheduled: BTreeMap<(Time, u64), Scheduled>,
    last_scheduled: u64,
    last_client: u64,

    outputs: VecDeque<Output>,
    events: VecDeque<Event>,
    messages: VecDeque<Message>,
    violations: Vec<Violation>,
    dropped: u64,
}

/// Something to be done to a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// These bytes are to be sent.
    Send(ConnectionId, Bytes),
    /// It is to be closed, once the bytes before this have been given to the
    /// network, without waiting for anything else.
    Close(ConnectionId),
}

/// Something that a fault puts off.
#[derive(Debug)]
struct Scheduled {
    connection: ConnectionId,
    work: Work,
}

#[derive(Debug)]
enum Work {
    AnswerConnect(Connect),
    Acknowledge(Packet),
}

impl Core {
    /// A broker without clients.
    pub fn new(options: CoreOptions) -> Self {
        Self {
            options,
            ..Self::default()
        }
    }

    /// How it behaves from now on. Clients are told when they connect: whoever is
    /// connected should not be when this changes.
    pub fn options_mut(&mut self) -> &mut CoreOptions {
        &mut self.options
    }

    /// The messages accepted for delivery, the oldest first: from clients,
    /// from wills and by [`publish`](Self::publish).
    pub fn messages(&self) -> &VecDeque<Message> {
        &self.messages
    }

    /// What the clients did that they must not do, the oldest first.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// How many messages were dropped because too many waited for a client.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Whether a client with this id is connected.
    pub fn is_connected(&self, client: &str) -> bool {
        self.sessions
            .get(client)
            .is_some_and(|session| session.connection.is_some())
    }

    /// The subscriptions in the session of a client, by topic filter.
    pub fn subscriptions(&self, client: &str) -> impl Iterator<Item = (&str, QoS)> {
        let session = self.sessions.get(client);
        session.into_iter().flat_map(|session| {
            let subscriptions = session.subscriptions.iter();
            subscriptions.map(|(filter, subscription)| (filter.as_str(), subscription.qos))
        })
    }

    /// How many QoS 1 and 2 messages a client has not acknowledged, sent or
    /// waiting.
    pub fn unacknowledged(&self, client: &str) -> usize {
        self.sessions.get(client).map_or(0, |session| {
            session.outgoing.in_flight() + session.outgoing.waiting()
        })
    }

    /// Whether bytes may be read from a connection: not if it is closed, nor
    /// after [`Fault::StopReading`].
    pub fn wants_read(&self, connection: ConnectionId) -> bool {
        self.is_reading() && self.connections.contains_key(&connection)
    }

    /// Whether anything is read at all.
    pub(crate) fn is_reading(&self) -> bool {
        !self.faults.reading_stopped
    }

    /// A connection was opened. Its number must be new.
    pub fn handle_open(&mut self, now: Time, connection: ConnectionId) {
        self.connections.insert(connection, Connection::new(now));
        let peer = self.peer(connection);
        self.events.push_back(Event::Opened { peer });
    }

    /// Bytes have arrived, any number of them.
    pub fn handle_bytes(&mut self, now: Time, connection: ConnectionId, bytes: &[u8]) {
        if let Some(open) = self.connections.get_mut(&connection) {
            open.input.extend_from_slice(bytes);
            self.process(now, connection);
        }
    }

    /// The other side has closed a connection.
    pub fn handle_closed(&mut self, now: Time, connection: ConnectionId) {
        self.close(now, connection, CloseReason::Lost);
    }

    /// A client does not read, and what waits for it is too much.
    pub(crate) fn handle_unread(&mut self, now: Time, connection: ConnectionId) {
        self.close(now, connection, CloseReason::Unread);
    }

    /// A client has done what it must not do, below MQTT.
    pub(crate) fn handle_violation(
        &mut self,
        now: Time,
        connection: ConnectionId,
        violation: Violation,
    ) {
        if self.connections.contains_key(&connection) {
            self.violate(now, connection, violation);
        }
    }

    /// A client did not get through TLS, which is below MQTT.
    pub(crate) fn handle_tls_error(
        &mut self,
        now: Time,
        connection: ConnectionId,
        error: TlsError,
    ) {
        if self.connections.contains_key(&connection) {
            let peer = self.peer(connection);
            self.events.push_back(Event::TlsFailed { peer, error });
            self.close(now, connection, CloseReason::Tls);
        }
    }

    /// Does what is due. Calling it too early does no harm.
    pub fn handle_timeout(&mut self, now: Time) {
        while let Some(first) = self.scheduled.first_entry()
            && first.key().0 <= now
        {
            let Scheduled { connection, work } = first.remove();
            match work {
                Work::AnswerConnect(connect) => {
                    self.answer_connect(now, connection, connect);
                    self.process(now, connection);
                }
                Work::Acknowledge(packet) => self.send_acknowledgement(now, connection, packet),
            }
        }
        let silent: Vec<_> = self
            .deadlines()
            .filter(|&(deadline, _)| deadline <= now)
            .map(|(_, connection)| connection)
            .collect();
        for connection in silent {
            self.close(now, connection, CloseReason::KeepAlive);
        }
        self.end_sessions(now);
    }

    /// When to call [`handle_timeout`](Self::handle_timeout).
    pub fn next_timeout(&self) -> Option<Time> {
        let scheduled = self.scheduled.keys().next().map(|&(time, _)| time);
        let silent = self.deadlines().map(|(deadline, _)| deadline).min();
        let sessions = self.sessions.values().filter_map(Session::deadline).min();
        scheduled.into_iter().chain(silent).chain(sessions).min()
    }

    /// The next thing to be done to a connection.
    pub fn poll_output(&mut self) -> Option<Output> {
        self.outputs.pop_front()
    }

    /// The next thing that has happened.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Publishes a message as another client would.
    pub fn publish(
        &mut self,
        now: Time,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
        retain: bool,
    ) -> Result<(), PublishError> {
        self.publish_with(now, topic, payload, qos, retain, Properties::default())
    }

    /// The same with properties, which subscribers of MQTT 5 get.
    pub fn publish_with(
        &mut self,
        now: Time,
        topic: &str,
        payload: impl Into<Bytes>,
        qos: QoS,
        retain: bool,
        properties: Properties,
    ) -> Result<(), PublishError> {
        let payload = payload.into();
        if properties != properties.clone().of_message() || !properties.fit() {
            return Err(PublishError::Property);
        }
        topic::check_name(topic).map_err(PublishError::Topic)?;
        if topic.contains('\0') {
            return Err(PublishError::Topic(Violation::NullCharacter));
        }
        if topic.len() > usize::from(u16::MAX) {
            return Err(PublishError::TopicTooLong);
        }
        // Two lengths of two bytes: of the topic, and of the packet id.
        if topic.len() + payload.len() + 4 > self.options.max_packet_size {
            return Err(PublishError::TooLarge);
        }
        self.accept(Message {
            time: now,
            from: None,
            topic: topic.to_owned(),
            payload,
            qos,
            retain,
            properties,
        });
        Ok(())
    }

    /// Lets something go wrong.
    pub fn inject(&mut self, now: Time, fault: Fault) {
        let event = Event::Fault {
            fault: fault.clone(),
        };
        self.events.push_back(event);
        match self.faults.inject(fault) {
            None => {}
            Some(Immediate::DropAll) => {
                let all: Vec<_> = self.connections.keys().copied().collect();
                for connection in all {
                    self.close(now, connection, CloseReason::Fault);
                }
            }
            Some(Immediate::DisconnectAll(reason)) => {
                let all: Vec<_> = self.connections.keys().copied().collect();
                for connection in all {
                    let reason = if self.is_v5(connection) {
                        CloseReason::DisconnectedWith(reason)
                    } else {
                        CloseReason::Fault
                    };
                    self.close(now, connection, reason);
                }
            }
            Some(Immediate::ResumeReading) => self.resume_reading(now),
            Some(Immediate::ForgetSession(client)) => self.forget_session(now, &client),
            Some(Immediate::TakeOver(client)) => self.take_over(now, &client),
        }
    }

    /// Ends all faults that stay or wait. What they have done already, and what
    /// they have put off, remains.
    pub fn clear_faults(&mut self, now: Time) {
        self.resume_reading(now);
        self.faults = Faults::default();
        self.events.push_back(Event::FaultsCleared);
    }

    /// Until when each client must be heard of.
    fn deadlines(&self) -> impl Iterator<Item = (Time, ConnectionId)> {
        let watched = self.is_reading();
        self.connections
            .iter()
            .filter(move |_| watched)
            .filter_map(|(&id, connection)| Some((connection.deadline()?, id)))
    }

    /// Starts keep-alive anew: nothing could be heard meanwhile.
    fn resume_reading(&mut self, now: Time) {
        if std::mem::take(&mut self.faults.reading_stopped) {
            for connection in self.connections.values_mut() {
                connection.last_heard = now;
            }
        }
    }

    fn schedule(&mut self, time: Time, connection: ConnectionId, work: Work) {
        self.last_scheduled += 1;
        let scheduled = Scheduled { connection, work };
        self.scheduled
            .insert((time, self.last_scheduled), scheduled);
    }

    fn peer(&self, connection: ConnectionId) -> Peer {
        let open = self.connections.get(&connection);
        Peer {
            connection,
            client: open.and_then(|open| open.client.clone()),
        }
    }
}
