//! MQTT 5. The clients' packets are the codec's, which reads what they get as
//! well.

mod conformance;
mod connect;
mod flow;
mod permissions;
mod publish;
mod random;
mod sessions;
mod subscribe;
mod violations;

use bytes::{Bytes, BytesMut};
use rumqttc::v5::mqttbytes as codec;
use rumqttc::v5::mqttbytes::v5::{
    Connect, ConnectProperties, Filter, LastWill, LastWillProperties, Packet, PingReq, PubAck,
    PubComp, PubRec, PubRecReason, PubRel, Publish, PublishProperties, RetainForwardRule,
    Subscribe, SubscribeProperties, Unsubscribe,
};

use super::{Test, seconds};
use crate::v5::{Property, Reason};
use crate::{
    Ack, CloseReason, ConnectReturnCode, ConnectionId, CoreOptions, Event, Fault, QoS, Times,
    Violation,
};

impl Test {
    fn send5(&mut self, number: u64, packet: &Packet) {
        self.bytes(number, &encode(packet));
    }

    /// Opens a connection and sends a CONNECT.
    fn open5(&mut self, number: u64, client: Client) {
        self.open(number);
        self.send5(number, &Packet::Connect(client.connect, client.will, None));
    }

    /// Connects with a clean start, and reads over what is answered.
    fn connect5(&mut self, number: u64, client: &str) {
        self.open5(number, Client::new(client));
        assert_eq!(self.sent(number).len(), 1, "CONNACK and no more");
    }

    fn subscribe5(&mut self, number: u64, filters: &[Filter]) {
        let mut subscribe = Subscribe::new_many(filters.iter().cloned(), None);
        subscribe.pkid = 60_000;
        self.send5(number, &Packet::Subscribe(subscribe));
    }

    /// The packets that a client got since the last time, as lines. That the
    /// codec can read them is checked.
    #[track_caller]
    fn sent(&mut self, number: u64) -> Vec<String> {
        let inbox = self.inboxes.entry(number).or_default();
        let mut count = 0;
        while !inbox.is_empty() {
            Packet::read(inbox, None).unwrap();
            count += 1;
        }
        let mut lines = Vec::new();
        self.events.retain(|event| match event {
            Event::Sent { peer, packet } if peer.connection == ConnectionId(number) => {
                lines.push(packet.to_string());
                false
            }
            _ => true,
        });
        assert_eq!(count, lines.len(), "packets to connection {number}");
        lines
    }

    #[track_caller]
    fn expect5(&mut self, number: u64, lines: &[&str]) {
        assert_eq!(self.sent(number), lines, "to connection {number}");
    }
}

/// A CONNECT with a clean start.
#[derive(Clone)]
struct Client {
    connect: Connect,
    will: Option<LastWill>,
}

impl Client {
    fn new(id: &str) -> Self {
        let connect = Connect {
            keep_alive: 0,
            client_id: id.to_owned(),
            clean_start: true,
            properties: Some(ConnectProperties::new()),
        };
        Self {
            connect,
            will: None,
        }
    }

    /// A session that outlives its connection by so many seconds.
    fn kept(id: &str, seconds: u32) -> Self {
        let mut client = Self::new(id);
        client.connect.clean_start = false;
        client.properties().session_expiry_interval = Some(seconds);
        client
    }

    fn properties(&mut self) -> &mut ConnectProperties {
        self.connect.properties.as_mut().unwrap()
    }

    fn with_will(mut self, delay: Option<u32>) -> Self {
        let properties = LastWillProperties {
            delay_interval: delay,
            payload_format_indicator: None,
            message_expiry_interval: None,
            content_type: Some("text/plain".to_owned()),
            response_topic: None,
            correlation_data: None,
            user_properties: vec![],
        };
        self.will = Some(LastWill {
            topic: Bytes::from_static(b"w"),
            message: Bytes::from_static(b"gone"),
            qos: codec::QoS::AtLeastOnce,
            retain: false,
            properties: Some(properties),
        });
        self
    }
}

fn encode(packet: &Packet) -> Bytes {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).unwrap();
    bytes.freeze()
}

fn publish(qos: u8, id: u16, topic: &str, payload: &str) -> Publish {
    let qos = codec::qos(qos).unwrap();
    let mut publish = Publish::new(topic, qos, payload.to_owned(), None);
    publish.pkid = id;
    publish
}

fn with(mut publish: Publish, change: impl FnOnce(&mut PublishProperties)) -> Packet {
    change(publish.properties.get_or_insert_default());
    Packet::Publish(publish)
}

fn filter(path: &str, qos: u8) -> Filter {
    Filter::new(path, codec::qos(qos).unwrap())
}
