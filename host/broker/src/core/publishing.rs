//! What clients publish.

use std::sync::Arc;

use super::Core;
use crate::event::ConnectionId;
use crate::incoming::{Arrival, Limit, Released};
use crate::message::Message;
use crate::options::DeliverQos2;
use crate::packet::QoS;
use crate::time::Time;
use crate::v5::{Acknowledgement, Packet, Publish, Reason};
use crate::violation::Violation;

impl Core {
    pub(super) fn handle_publish(
        &mut self,
        now: Time,
        id: ConnectionId,
        client: Arc<str>,
        mut publish: Publish,
    ) -> Result<(), Violation> {
        let v5 = self.is_v5(id);
        if v5 {
            self.check_publish(&publish)?;
            if let Some(connection) = self.connections.get_mut(&id) {
                let maximum = self.options.topic_alias_maximum;
                connection.aliases.resolve(&mut publish, maximum)?;
            }
        }
        let (qos, packet_id) = (publish.qos, publish.packet_id);
        let mut refused = self.refusal_of(id, &publish);
        let arrival = if qos == QoS::AtMostOnce {
            Arrival::New
        } else {
            let limit = if v5 {
                Limit::ReceiveMaximum(self.options.receive_maximum.max(1))
            } else {
                Limit::ExactlyOnce(self.options.open_exchanges)
            };
            let Some((_, session)) = self.session(id) else {
                return Ok(());
            };
            let arrival = session.incoming.handle_publish(&publish, limit)?;
            // What is here already was accepted.
            refused = refused.filter(|_| arrival == Arrival::New);
            if refused.is_some() && qos == QoS::ExactlyOnce {
                session.incoming.refuse(packet_id);
            }
            arrival
        };
        let now_or_at_pubrel = self.options.deliver_qos2;
        let mut reason = refused.unwrap_or(Reason::Success);
        if refused.is_none()
            && arrival == Arrival::New
            && (qos != QoS::ExactlyOnce || now_or_at_pubrel == DeliverQos2::AtPublish)
            && !self.accept(message(now, client, publish))
        {
            reason = Reason::NoMatchingSubscribers;
        }
        let ack = Acknowledgement::new(packet_id, reason);
        match qos {
            QoS::AtMostOnce => {}
            QoS::AtLeastOnce => self.acknowledge(now, id, Packet::PubAck(ack)),
            QoS::ExactlyOnce => self.acknowledge(now, id, Packet::PubRec(ack)),
        }
        Ok(())
    }

    /// What a client of MQTT 5 was told in CONNACK.
    fn check_publish(&self, publish: &Publish) -> Result<(), Violation> {
        if publish.qos > self.options.maximum_qos {
            return Err(Violation::QosNotSupported);
        }
        if publish.retain && !self.options.retain_available {
            return Err(Violation::RetainNotSupported);
        }
        Ok(())
    }

    /// Why a message is not taken.
    fn refusal_of(&self, id: ConnectionId, publish: &Publish) -> Option<Reason> {
        if let Some(reason) = self.faults.refuses_topic(&publish.topic) {
            return Some(reason);
        }
        if !self.permissions_of(id).may_publish(&publish.topic) {
            return Some(Reason::NotAuthorized);
        }
        let wrong = publish.properties.is_text() && str::from_utf8(&publish.payload).is_err();
        wrong.then_some(Reason::PayloadFormatInvalid)
    }

    pub(super) fn handle_pubrel(
        &mut self,
        now: Time,
        id: ConnectionId,
        client: Arc<str>,
        packet_id: u16,
    ) -> Result<(), Violation> {
        let Some((_, session)) = self.session(id) else {
            return Ok(());
        };
        let mut reason = Reason::Success;
        match session.incoming.handle_pubrel(packet_id)? {
            Released::Message(publish) if self.options.deliver_qos2 == DeliverQos2::AtPubrel => {
                self.accept(message(now, client, *publish));
            }
            Released::Message(_) | Released::Nothing => {}
            Released::Unknown => reason = Reason::PacketIdentifierNotFound,
        }
        let ack = Acknowledgement::new(packet_id, reason);
        self.acknowledge(now, id, Packet::PubComp(ack));
        Ok(())
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
        properties: publish.properties.of_message(),
    }
}
