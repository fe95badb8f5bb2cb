//! How connections and sessions end.

use std::sync::Arc;
use std::time::Duration;

use super::connection::Phase;
use super::{Core, Output};
use crate::event::{CloseReason, ConnectionId, Event};
use crate::message::Message;
use crate::time::Time;
use crate::v5::{self, Disconnect, LastWill, Packet, Properties, Property, Reason};
use crate::violation::Violation;

impl Core {
    /// Closes the connection of a client, for another one with its id
    /// ([MQTT-3.1.4-2]).
    pub(super) fn take_over(&mut self, now: Time, client: &str) {
        let session = self.sessions.get(client);
        if let Some(former) = session.and_then(|session| session.connection) {
            self.close(now, former, CloseReason::TakenOver);
        }
    }

    pub(super) fn forget_session(&mut self, now: Time, client: &Arc<str>) {
        match self.sessions.get_mut(client) {
            Some(session) if session.connection.is_some() => session.forget(),
            _ => self.end_session(now, client),
        }
    }

    /// Ends the sessions whose time is over, and publishes the wills that have
    /// waited long enough.
    pub(super) fn end_sessions(&mut self, now: Time) {
        let due = |time: Option<Time>| time.is_some_and(|time| time <= now);
        let clients: Vec<_> = self
            .sessions
            .iter()
            .filter(|(_, session)| due(session.deadline()))
            .map(|(client, _)| client.clone())
            .collect();
        for client in clients {
            let Some(session) = self.sessions.get_mut(&client) else {
                continue;
            };
            if due(session.ends) {
                self.end_session(now, &client);
            } else if let Some((_, will)) = session.will.take() {
                self.publish_will(now, client, will);
            }
        }
    }

    pub(super) fn end_session(&mut self, now: Time, client: &Arc<str>) {
        if let Some(session) = self.sessions.remove(client) {
            let ended = client.clone();
            self.events.push_back(Event::SessionEnded { client: ended });
            if let Some((_, will)) = session.will {
                self.publish_will(now, client.clone(), will);
            }
        }
    }

    /// A client has done what it must not do.
    pub(super) fn violate(&mut self, now: Time, id: ConnectionId, violation: Violation) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        let (v5, phase) = (connection.v5, connection.phase);
        let peer = self.peer(id);
        self.violations.push(violation);
        if !v5 {
            self.events.push_back(Event::Violation { peer, violation });
            return self.close(now, id, CloseReason::Violation(violation));
        }
        self.events
            .push_back(Event::ViolationV5 { peer, violation });
        if phase == Phase::New {
            self.send_connack_v5(now, id, violation.reason());
        }
        self.close(now, id, CloseReason::ViolationV5(violation));
    }

    pub(super) fn close(&mut self, now: Time, id: ConnectionId, reason: CloseReason) {
        self.say_goodbye(now, id, reason);
        let peer = self.peer(id);
        let Some(connection) = self.connections.remove(&id) else {
            return;
        };
        if reason != CloseReason::Lost {
            self.outputs.push_back(Output::Close(id));
        }
        self.scheduled.retain(|_, later| later.connection != id);
        let client = peer.client.clone();
        self.events.push_back(Event::Closed { peer, reason });

        let Some(client) = client else { return };
        let mut kept = false;
        // A connection that was never accepted has no session.
        if let Some(session) = self.sessions.get_mut(&client)
            && session.connection == Some(id)
        {
            session.handle_closed(now);
            kept = session.expiry > 0;
            if !kept {
                self.end_session(now, &client);
            }
        }
        let Some(will) = connection.will else { return };
        let delay = will.properties.will_delay();
        match self.sessions.get_mut(&client) {
            Some(session) if kept && delay > 0 => {
                let due = now + Duration::from_secs(delay.into());
                session.will = Some((due, will));
            }
            _ => self.publish_will(now, client, will),
        }
    }

    /// Tells a client of MQTT 5 why its connection ends.
    fn say_goodbye(&mut self, now: Time, id: ConnectionId, close: CloseReason) {
        let Some(connection) = self.connections.get(&id) else {
            return;
        };
        if !connection.v5 || connection.phase != Phase::Connected {
            return;
        }
        let limit = connection.maximum_packet_size;
        let (reason, text) = match close {
            CloseReason::KeepAlive => (Reason::KeepAliveTimeout, None),
            CloseReason::TakenOver => (Reason::SessionTakenOver, None),
            CloseReason::DisconnectedWith(reason) => (reason, None),
            // It has said goodbye itself.
            CloseReason::ViolationV5(Violation::AfterDisconnect) => return,
            CloseReason::ViolationV5(violation) => (violation.reason(), Some(violation.text_v5())),
            _ => return,
        };
        let text = text.into_iter().map(Property::ReasonString);
        let goodbye = |properties| Packet::Disconnect(Disconnect { reason, properties });
        let mut packet = goodbye(Properties(text.collect()));
        // [MQTT-3.14.2-3]
        if let (Some(limit), Some(bytes)) = (limit, v5::write(&packet))
            && bytes.len() > limit
        {
            packet = goodbye(Properties::default());
        }
        self.send(now, id, packet);
    }

    fn publish_will(&mut self, now: Time, client: Arc<str>, will: LastWill) {
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
            properties: will.properties.of_message(),
        });
    }
}
