//! How connections and sessions begin and end.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Phase;
use super::{Core, Work};
use crate::event::{CloseReason, ConnectionId, Event};
use crate::message::Message;
use crate::packet::{Connect, ConnectReturnCode, Packet};
use crate::session::Session;
use crate::time::Time;
use crate::violation::Violation;

impl Core {
    pub(super) fn handle_connect(
        &mut self,
        now: Time,
        id: ConnectionId,
        connect: Connect,
    ) -> Result<(), Violation> {
        let Some(connection) = self.connections.get_mut(&id) else {
            return Ok(());
        };
        if connection.phase != Phase::New {
            return Err(Violation::SecondConnect);
        }
        if self.faults.never_answer_connect {
            connection.phase = Phase::Ignored;
        } else if let Some(delay) = self.faults.connect_delay {
            connection.phase = Phase::Waiting;
            self.schedule(now + delay, id, Work::AnswerConnect(connect));
        } else {
            self.answer_connect(now, id, connect);
        }
        Ok(())
    }

    pub(super) fn answer_connect(&mut self, now: Time, id: ConnectionId, connect: Connect) {
        if let Some(code) = self.faults.refuse_connect() {
            self.send_connack(now, id, code, false);
            return self.close(now, id, CloseReason::Refused(code));
        }
        if connect.client_id.is_empty() && !connect.clean_session {
            // [MQTT-3.1.3-8]
            self.send_connack(now, id, ConnectReturnCode::BadClientId, false);
            return self.violate(now, id, Violation::ClientIdMissing);
        }
        let client: Arc<str> = if connect.client_id.is_empty() {
            self.invent_client_id()
        } else {
            connect.client_id.into()
        };
        self.take_over(now, &client);
        // Publishing the will of the former connection can cut this one.
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.phase = Phase::Connected;
        connection.client = Some(client.clone());
        connection.last_heard = now;
        connection.will = connect.last_will;
        connection.patience = (connect.keep_alive > 0)
            .then(|| Duration::from_secs(connect.keep_alive.into()) * 3 / 2);
        let present = self.begin_session(&client, id, connect.clean_session);
        self.send_connack(now, id, ConnectReturnCode::Accepted, present);
        self.resume_sending(now, &client, id);
    }

    /// Gives a session to a connection; whether there was one already.
    fn begin_session(&mut self, client: &Arc<str>, id: ConnectionId, clean: bool) -> bool {
        if clean {
            self.end_session(client);
        }
        let present = self.sessions.contains_key(client);
        let session = self
            .sessions
            .entry(client.clone())
            .or_insert_with(|| Session::new(clean));
        session.connection = Some(id);
        let client = client.clone();
        self.events.push_back(if present {
            Event::SessionResumed {
                client,
                in_flight: session.outgoing.in_flight(),
                waiting: session.outgoing.waiting(),
            }
        } else {
            Event::SessionCreated { client }
        });
        present
    }

    fn resume_sending(&mut self, now: Time, client: &str, id: ConnectionId) {
        let Some(session) = self.sessions.get_mut(client) else {
            return;
        };
        for packet in session.outgoing.resend() {
            self.send(now, id, packet);
        }
        self.send_waiting(now, client);
    }

    /// Closes the connection of a client, for another one with its id
    /// ([MQTT-3.1.4-2]).
    pub(super) fn take_over(&mut self, now: Time, client: &str) {
        let session = self.sessions.get(client);
        if let Some(former) = session.and_then(|session| session.connection) {
            self.close(now, former, CloseReason::TakenOver);
        }
    }

    pub(super) fn forget_session(&mut self, client: &Arc<str>) {
        match self.sessions.get_mut(client) {
            Some(session) if session.connection.is_some() => session.forget(),
            _ => self.end_session(client),
        }
    }

    fn end_session(&mut self, client: &Arc<str>) {
        if self.sessions.remove(client).is_some() {
            let client = client.clone();
            self.events.push_back(Event::SessionEnded { client });
        }
    }

    /// A client has done what it must not do.
    pub(super) fn violate(&mut self, now: Time, id: ConnectionId, violation: Violation) {
        if self.connections.contains_key(&id) {
            let peer = self.peer(id);
            self.violations.push(violation);
            self.events.push_back(Event::Violation { peer, violation });
            self.close(now, id, CloseReason::Violation(violation));
        }
    }

    pub(super) fn close(&mut self, now: Time, id: ConnectionId, reason: CloseReason) {
        let peer = self.peer(id);
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if reason != CloseReason::Lost {
            self.outputs.push_back(super::Output::Close(id));
        }
        self.scheduled.retain(|_, later| later.connection != id);
        let client = peer.client.clone();
        self.events.push_back(Event::Closed { peer, reason });

        let Some(client) = client else { return };
        // A connection that was never accepted has no session.
        if let Some(session) = self.sessions.get_mut(&client)
            && session.connection == Some(id)
        {
            session.connection = None;
            session.incoming.handle_closed();
            if session.ephemeral {
                self.end_session(&client);
            }
        }
        if let Some(will) = connection.will {
            self.events.push_back(Event::WillPublished {
                client: client.clone(),
                topic: will.topic.clone(),
            });
            self.accept(Message {
                time: now,
                from: Some(client),
                topic: will.topic,
                payload: will.payload,
                qos: will.qos,
                retain: will.retain,
            });
        }
    }

    pub(super) fn send_connack(
        &mut self,
        now: Time,
        id: ConnectionId,
        code: ConnectReturnCode,
        session_present: bool,
    ) {
        let packet = Packet::ConnAck {
            code,
            session_present,
        };
        self.send(now, id, packet);
    }

    /// A client id for a client that has none ([MQTT-3.1.3-6]).
    fn invent_client_id(&mut self) -> Arc<str> {
        loop {
            self.last_client += 1;
            let client = format!("client-{}", self.last_client);
            if !self.sessions.contains_key(client.as_str()) {
                return client.into();
            }
        }
    }
}
