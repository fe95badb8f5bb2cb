//! A broker, as naive as can be. It keeps its half of the session while the gateway is
//! away, and sends again what was not acknowledged.

use std::collections::{BTreeMap, VecDeque};

use jackalope::office::{Delivery, Incoming, Outgoing, PacketId, Payload, Publish, Qos, Ticket};

/// What is its business of one client.
#[derive(Debug, Default)]
pub(crate) struct Broker {
    pub(crate) has_session: bool,
    /// Which one it is.
    pub(crate) session: u64,
    /// What the client is to have.
    pub(crate) messages: Vec<Message>,
    /// Letters of QoS 2 that are not released.
    exchanges: BTreeMap<PacketId, Ticket>,
    /// What is on its way.
    pub(crate) to_broker: VecDeque<(Outgoing, Option<Ticket>)>,
    pub(crate) to_client: VecDeque<(Incoming, Option<Ticket>)>,
}

#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) number: u64,
    pub(crate) topic: &'static str,
    pub(crate) delivery: Delivery,
    stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Waiting,
    Sent,
    Received,
}

impl Broker {
    /// The client connects.
    pub(crate) fn connect(&mut self, keeps: bool, session: u64) {
        if !keeps {
            *self = Self {
                session,
                ..Self::default()
            };
        }
        for at in 0..self.messages.len() {
            self.send(at);
        }
    }

    pub(crate) fn disconnect(&mut self, keeps: bool) {
        self.to_broker.clear();
        self.to_client.clear();
        if !keeps {
            *self = Self::default();
        }
    }

    /// Somebody publishes a message.
    pub(crate) fn publish(&mut self, number: u64, topic: &'static str, qos: Qos, is_online: bool) {
        // Ids of QoS 1 are taken in turn, as a message that comes again while it is being
        // taken is acknowledged twice.
        let first = match qos {
            Qos::AtLeastOnce => 1_000 + u16::try_from(number % 50_000).expect("it is small"),
            Qos::AtMostOnce | Qos::ExactlyOnce => 1,
        };
        let id = (first..).find_map(|id| {
            let id = PacketId::new(id)?;
            let mut all = self.messages.iter();
            all.all(|it| it.delivery.packet_id() != Some(id))
                .then_some(id)
        });
        let id = id.expect("there are enough");
        let message = Message {
            number,
            topic,
            delivery: match qos {
                Qos::AtMostOnce => Delivery::AtMostOnce,
                Qos::AtLeastOnce => Delivery::AtLeastOnce(id),
                Qos::ExactlyOnce => Delivery::ExactlyOnce(id),
            },
            stage: Stage::Waiting,
        };
        if qos == Qos::AtMostOnce {
            if is_online {
                let packet = message.packet();
                self.to_client.push_back((packet, None));
            }
            return;
        }
        self.messages.push(message);
        if is_online {
            self.send(self.messages.len() - 1);
        }
    }

    fn send(&mut self, at: usize) {
        let message = &mut self.messages[at];
        let packet = match (message.stage, message.delivery.packet_id()) {
            (Stage::Received, Some(id)) => Incoming::PubRel(id),
            _ => message.packet(),
        };
        if message.stage == Stage::Waiting {
            message.stage = Stage::Sent;
        }
        self.to_client.push_back((packet, None));
    }

    /// The message that has this id.
    pub(crate) fn message(&self, id: PacketId) -> Option<&Message> {
        let mut all = self.messages.iter();
        all.find(|it| it.delivery.packet_id() == Some(id))
    }

    /// Takes the next packet that has arrived.
    pub(crate) fn read(&mut self) {
        let Some((packet, ticket)) = self.to_broker.pop_front() else {
            return;
        };
        let answer = match packet {
            Outgoing::Publish(publish) => match publish.delivery {
                Delivery::AtMostOnce => return,
                Delivery::AtLeastOnce(id) => Incoming::PubAck(id),
                Delivery::ExactlyOnce(id) => {
                    self.exchanges.insert(id, ticket.expect("it is a letter"));
                    Incoming::PubRec(id)
                }
            },
            Outgoing::PubRel(id) => {
                self.exchanges.remove(&id);
                Incoming::PubComp(id)
            }
            Outgoing::PubAck(id) | Outgoing::PubComp(id) => {
                self.messages
                    .retain(|it| it.delivery.packet_id() != Some(id));
                return;
            }
            Outgoing::PubRec(id) => {
                let mut all = self.messages.iter_mut();
                let message = all.find(|it| it.delivery.packet_id() == Some(id));
                message.expect("it was sent").stage = Stage::Received;
                Incoming::PubRel(id)
            }
            Outgoing::Subscribe { id, filters, .. } => {
                let granted = filters.iter().map(|(_, qos)| Ok(*qos)).collect();
                Incoming::SubAck { id, granted }
            }
            Outgoing::Unsubscribe { id, .. } => Incoming::UnsubAck { id, refused: None },
            Outgoing::PingReq => Incoming::PingResp,
            Outgoing::Disconnect(_) | Outgoing::Leave => return,
        };
        self.to_client.push_back((answer, ticket));
    }
}

impl Message {
    fn packet(&self) -> Incoming {
        let publish = Publish {
            topic: self.topic.into(),
            payload: Payload::new(self.number.to_string()),
            delivery: self.delivery,
            retain: false,
            duplicate: self.stage != Stage::Waiting,
            properties: None,
            lifetime: None,
        };
        Incoming::Publish(publish, Vec::new())
    }
}
