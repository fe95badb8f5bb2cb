//! What each packet does.

use std::sync::Arc;

use super::Core;
use crate::event::{CloseReason, ConnectionId, Event};
use crate::incoming::Arrival;
use crate::message::Message;
use crate::options::DeliverQos2;
use crate::packet::{ConnectReturnCode, Packet, Publish, QoS};
use crate::session::Session;
use crate::time::Time;
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
                        self.send_connack(now, id, code, false);
                    }
                    self.violate(now, id, violation);
                }
            }
        }
    }

    fn handle_packet(&mut self, now: Time, id: ConnectionId, packet: Packet) {
        let Some(connection) = self.connections.get_mut(&id) else {
            return;
        };
        connection.last_heard = now;
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
            packet: packet.clone(),
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
            Packet::Disconnect => return self.handle_disconnect(now, id),
            _ => {}
        }
        let Some((client, session)) = self.session(id) else {
            return Ok(());
        };
        match packet {
            Packet::Publish(publish) => return self.handle_publish(now, id, client, publish),
            Packet::PubRel(packet_id) => return self.handle_pubrel(now, id, client, packet_id),
            Packet::Subscribe { packet_id, filters } => {
                return self.handle_subscribe(now, id, packet_id, filters);
            }
            Packet::Unsubscribe { packet_id, filters } => {
                return self.handle_unsubscribe(now, id, packet_id, &filters);
            }
            Packet::PubAck(packet_id) => session.outgoing.handle_puback(packet_id)?,
            Packet::PubRec(packet_id) => {
                session.outgoing.handle_pubrec(packet_id)?;
                self.send(now, id, Packet::PubRel(packet_id));
            }
            Packet::PubComp(packet_id) => session.outgoing.handle_pubcomp(packet_id)?,
            _ => return Err(Violation::BrokerPacket),
        }
        self.send_waiting(now, &client);
        Ok(())
    }

    fn handle_publish(
        &mut self,
        now: Time,
        id: ConnectionId,
        client: Arc<str>,
        publish: Publish,
    ) -> Result<(), Violation> {
        let (qos, packet_id) = (publish.qos, publish.packet_id);
        let arrival = if qos == QoS::AtMostOnce {
            Arrival::New
        } else {
            let limit = self.options.open_exchanges;
            match self.session(id) {
                Some((_, session)) => session.incoming.handle_publish(&publish, limit)?,
                None => return Ok(()),
            }
        };
        let now_or_at_pubrel = self.options.deliver_qos2;
        if arrival == Arrival::New
            && (qos != QoS::ExactlyOnce || now_or_at_pubrel == DeliverQos2::AtPublish)
        {
            self.accept(message(now, client, publish));
        }
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(now, id, Packet::PubAck(packet_id)),
            QoS::ExactlyOnce => self.acknowledge(now, id, Packet::PubRec(packet_id)),
        }
        Ok(())
    }

    fn handle_pubrel(
        &mut self,
        now: Time,
        id: ConnectionId,
        client: Arc<str>,
        packet_id: u16,
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        if let Some(publish) = session.incoming.handle_pubrel(packet_id)?
            && self.options.deliver_qos2 == DeliverQos2::AtPubrel
        {
            self.accept(message(now, client, publish));
        }
        self.acknowledge(now, id, Packet::PubComp(packet_id));
        Ok(())
    }

    fn handle_subscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        packet_id: u16,
        filters: Vec<(String, QoS)>,
    ) -> Result<(), Violation> {
        match self.session(id) {
            Some((_, session)) => session.incoming.handle_subscribe(packet_id)?,
            None => return Ok(()),
        }
        let (mut granted, mut subscriptions) = (Vec::new(), Vec::new());
        for (filter, qos) in filters {
            if self.faults.refuses_filter(&filter) {
                granted.push(None);
            } else {
                granted.push(Some(qos));
                subscriptions.push((filter, qos));
            }
        }
        if let Some((_, session)) = self.session(id) {
            session.subscriptions.extend(subscriptions.iter().cloned());
        }
        self.acknowledge(now, id, Packet::SubAck { packet_id, granted });
        for (filter, qos) in subscriptions {
            self.send_retained(now, id, &filter, qos);
        }
        Ok(())
    }

    fn handle_unsubscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        packet_id: u16,
        filters: &[String],
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        session.incoming.check_free(packet_id)?;
        for filter in filters {
            session.subscriptions.remove(filter);
        }
        // Also when there was no such subscription ([MQTT-3.10.4-5]).
        self.send(now, id, Packet::UnsubAck(packet_id));
        Ok(())
    }

    fn handle_disconnect(&mut self, now: Time, id: ConnectionId) -> Result<(), Violation> {
        if let Some(connection) = self.connections.get_mut(&id) {
            // [MQTT-3.14.4-3]
            connection.will = None;
            if !connection.input.is_empty() {
                return Err(Violation::AfterDisconnect);
            }
        }
        self.close(now, id, CloseReason::Disconnect);
        Ok(())
    }

    /// The client and the session of a connection that is accepted.
    pub(super) fn session(&mut self, id: ConnectionId) -> Option<(Arc<str>, &mut Session)> {
        let client = self.connections.get(&id)?.client.clone()?;
        let session = self.sessions.get_mut(&client)?;
        (session.connection == Some(id)).then_some((client, session))
    }
}

fn message(time: Time, client: Arc<str>, publish: Publish) -> Message {
    Message {
        time,
        from: Some(client),
        topic: publish.topic,
        payload: publish.payload,
        qos: publish.qos,
        retain: publish.retain,
    }
}
