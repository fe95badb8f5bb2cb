//! What each packet does.

use std::sync::Arc;

use rumqttc::mqttbytes::v4::{
    ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck, Subscribe,
    SubscribeReasonCode, UnsubAck, Unsubscribe,
};
use rumqttc::mqttbytes::{PacketType, QoS};

use super::Core;
use crate::event::{CloseReason, ConnectionId, Event};
use crate::incoming::Arrival;
use crate::message::Message;
use crate::options::DeliverQos2;
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
        let cut = self.faults.drop_after(kind(&packet));
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
            Packet::PubRel(PubRel { pkid }) => return self.handle_pubrel(now, id, client, pkid),
            Packet::Subscribe(subscribe) => return self.handle_subscribe(now, id, subscribe),
            Packet::Unsubscribe(unsubscribe) => {
                return self.handle_unsubscribe(now, id, &unsubscribe);
            }
            Packet::PubAck(PubAck { pkid }) => session.outgoing.handle_puback(pkid)?,
            Packet::PubRec(PubRec { pkid }) => {
                session.outgoing.handle_pubrec(pkid)?;
                self.send(now, id, Packet::PubRel(PubRel::new(pkid)));
            }
            Packet::PubComp(PubComp { pkid }) => session.outgoing.handle_pubcomp(pkid)?,
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
        let (qos, pkid) = (publish.qos, publish.pkid);
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
            QoS::AtLeastOnce => self.acknowledge(now, id, Packet::PubAck(PubAck::new(pkid))),
            QoS::ExactlyOnce => self.acknowledge(now, id, Packet::PubRec(PubRec::new(pkid))),
        }
        Ok(())
    }

    fn handle_pubrel(
        &mut self,
        now: Time,
        id: ConnectionId,
        client: Arc<str>,
        pkid: u16,
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        if let Some(publish) = session.incoming.handle_pubrel(pkid)?
            && self.options.deliver_qos2 == DeliverQos2::AtPubrel
        {
            self.accept(message(now, client, publish));
        }
        self.acknowledge(now, id, Packet::PubComp(PubComp { pkid }));
        Ok(())
    }

    fn handle_subscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        subscribe: Subscribe,
    ) -> Result<(), Violation> {
        let Subscribe { pkid, filters } = subscribe;
        match self.session(id) {
            Some((_, session)) => session.incoming.handle_subscribe(pkid)?,
            None => return Ok(()),
        }
        let (mut codes, mut granted) = (Vec::new(), Vec::new());
        for filter in filters {
            if self.faults.refuses_filter(&filter.path) {
                codes.push(SubscribeReasonCode::Failure);
            } else {
                codes.push(SubscribeReasonCode::Success(filter.qos));
                granted.push(filter);
            }
        }
        if let Some((_, session)) = self.session(id) {
            let filters = granted
                .iter()
                .map(|filter| (filter.path.clone(), filter.qos));
            session.subscriptions.extend(filters);
        }
        self.acknowledge(now, id, Packet::SubAck(SubAck::new(pkid, codes)));
        for filter in granted {
            self.send_retained(now, id, &filter);
        }
        Ok(())
    }

    fn handle_unsubscribe(
        &mut self,
        now: Time,
        id: ConnectionId,
        unsubscribe: &Unsubscribe,
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        session.incoming.check_free(unsubscribe.pkid)?;
        for filter in &unsubscribe.topics {
            session.subscriptions.remove(filter);
        }
        // Also when there was no such subscription ([MQTT-3.10.4-5]).
        self.send(now, id, Packet::UnsubAck(UnsubAck::new(unsubscribe.pkid)));
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

const fn kind(packet: &Packet) -> PacketType {
    match packet {
        Packet::Connect(_) => PacketType::Connect,
        Packet::ConnAck(_) => PacketType::ConnAck,
        Packet::Publish(_) => PacketType::Publish,
        Packet::PubAck(_) => PacketType::PubAck,
        Packet::PubRec(_) => PacketType::PubRec,
        Packet::PubRel(_) => PacketType::PubRel,
        Packet::PubComp(_) => PacketType::PubComp,
        Packet::Subscribe(_) => PacketType::Subscribe,
        Packet::SubAck(_) => PacketType::SubAck,
        Packet::Unsubscribe(_) => PacketType::Unsubscribe,
        Packet::UnsubAck(_) => PacketType::UnsubAck,
        Packet::PingReq => PacketType::PingReq,
        Packet::PingResp => PacketType::PingResp,
        Packet::Disconnect => PacketType::Disconnect,
    }
}
