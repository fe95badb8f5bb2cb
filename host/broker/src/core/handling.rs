//! What each packet does.

use std::sync::Arc;

use super::Core;
use crate::convert;
use crate::event::{CloseReason, ConnectionId, Event};
use crate::packet::{self, ConnectReturnCode};
use crate::session::Session;
use crate::time::Time;
use crate::v5::{Acknowledgement, Disconnect, Packet, Reason};
use crate::violation::Violation;

impl Core {
    /// Handles all whole packets that have arrived on a connection.
    pub(super) fn process(&mut self, now: Time, id: ConnectionId) {
        let limit = self.options.max_packet_size;
        while let Some(connection) = self.connections.get_mut(&id) {
            match connection.read(limit) {
                Ok(None) => return,
                Ok(Some(packet)) => self.handle_packet(now, id, packet),
                Err(violation) => {
                    if violation == Violation::ProtocolLevel {
                        let code = ConnectReturnCode::RefusedProtocolVersion;
                        self.send_connack(now, id, code);
                    }
                    self.violate(now, id, violation);
                }
            }
        }
    }

    fn handle_packet(&mut self, now: Time, id: ConnectionId, received: packet::Packet) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.last_heard = now;
        let Some(packet) = convert::into_v5(received.clone()) else {
            return self.violate(now, id, Violation::BrokerPacket);
        };
        if let Packet::Connect(connect) = &packet
            && connection.client.is_none()
            && !connect.client_id.is_empty()
        {
            connection.client = Some(connect.client_id.as_str().into());
        }
        let cut = self.faults.drop_after(packet.packet_type());
        connection.muted = cut;
        let peer = self.peer(id);
        self.events.push_back(Event::Received {
            peer,
            packet: received,
        });
        if let Err(violation) = self.dispatch(now, id, packet) {
            self.violate(now, id, violation);
        }
        if cut {
            self.close(now, id, CloseReason::Fault);
        }
    }

    fn dispatch(&mut self, now: Time, id: ConnectionId, packet: Packet) -> Result<(), Violation> {
        match packet {
            Packet::Connect(connect) => return self.handle_connect(now, id, connect),
            Packet::PingReq => {
                self.send(now, id, Packet::PingResp);
                return Ok(());
            }
            Packet::Disconnect(disconnect) => return self.handle_disconnect(now, id, &disconnect),
            _ => {}
        }
        let Some((client, session)) = self.session(id) else {
            return Ok(());
        };
        match packet {
            Packet::Publish(publish) => return self.handle_publish(now, id, client, publish),
            Packet::PubRel(ack) => return self.handle_pubrel(now, id, client, ack.packet_id),
            Packet::Subscribe(subscribe) => return self.handle_subscribe(now, id, subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                return self.handle_unsubscribe(now, id, &unsubscribe);
            }
            Packet::PubAck(ack) => session.outgoing.handle_puback(ack.packet_id)?,
            Packet::PubRec(ack) if ack.reason.is_error() => {
                session.outgoing.handle_pubrec_error(ack.packet_id)?;
            }
            Packet::PubRec(ack) => {
                let reason = if session.outgoing.handle_pubrec(ack.packet_id)? {
                    Reason::Success
                } else {
                    Reason::PacketIdentifierNotFound
                };
                let pubrel = Acknowledgement::new(ack.packet_id, reason);
                self.send(now, id, Packet::PubRel(pubrel));
            }
            Packet::PubComp(ack) => session.outgoing.handle_pubcomp(ack.packet_id)?,
            _ => return Err(Violation::BrokerPacket),
        }
        self.send_waiting(now, &client);
        Ok(())
    }

    fn handle_disconnect(
        &mut self,
        now: Time,
        id: ConnectionId,
        disconnect: &Disconnect,
    ) -> Result<(), Violation> {
        if let Some(expiry) = disconnect.properties.session_expiry() {
            self.change_session_expiry(id, expiry)?;
        }
        if let Some(connection) = self.connections.get_mut(&id) {
            if disconnect.reason == Reason::Success {
                // [MQTT-3.14.4-3]
                connection.will = None;
            }
            if !connection.input.is_empty() {
                return Err(Violation::AfterDisconnect);
            }
        }
        let reason = match disconnect.reason {
            Reason::Success => CloseReason::Disconnect,
            reason => CloseReason::DisconnectWith(reason),
        };
        self.close(now, id, reason);
        Ok(())
    }

    fn change_session_expiry(&mut self, id: ConnectionId, expiry: u32) -> Result<(), Violation> {
        let connection = self.connections.get(&id);
        let wants_session = connection.is_some_and(|connection| connection.wants_session);
        if expiry > 0 && !wants_session {
            return Err(Violation::SessionExpiryRaised);
        }
        let maximum = self.options.session_expiry_maximum;
        if let Some((_, session)) = self.session(id)
            // One that was forgotten stays so.
            && session.expiry > 0
        {
            session.expiry = expiry.min(maximum);
        }
        Ok(())
    }

    /// The client and the session of a connection that is accepted.
    pub(super) fn session(&mut self, id: ConnectionId) -> Option<(Arc<str>, &mut Session)> {
        let client = self.connections.get(&id)?.client.clone()?;
        let session = self.sessions.get_mut(&client)?;
        (session.connection == Some(id)).then_some((client, session))
    }

    /// Whether a connection speaks MQTT 5.
    pub(super) fn is_v5(&self, id: ConnectionId) -> bool {
        let connection = self.connections.get(&id);
        connection.is_some_and(|connection| connection.v5)
    }
}
