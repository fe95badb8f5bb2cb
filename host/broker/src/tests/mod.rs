//! The core, driven by packets and time. The clients' packets are the codec's.
#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panicking")]

mod conformance;
mod conformance_v3;
mod connect;
mod faults;
mod listener;
mod publish;
mod random;
mod sessions;
mod subscribe;
mod tls;
mod trace;
mod v5;
mod violations;
mod websocket;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes;
use rumqttc::mqttbytes::v4::{
    Connect, LastWill, Packet, PubAck, PubComp, PubRec, PubRel, Publish, Subscribe,
    SubscribeFilter, SubscribeReasonCode, Unsubscribe,
};

use super::*;
use crate::time::Time;

/// A core with its time, and what it has sent. Clients are known by the number
/// of their connection.
#[derive(Debug, Default)]
struct Test {
    core: Core,
    now: Time,
    inboxes: BTreeMap<u64, BytesMut>,
    closed: BTreeSet<u64>,
    events: Vec<Event>,
}

impl Test {
    fn new() -> Self {
        Self::default()
    }

    fn with(options: CoreOptions) -> Self {
        Self {
            core: Core::new(options),
            ..Self::default()
        }
    }

    fn open(&mut self, number: u64) {
        self.core.handle_open(self.now, ConnectionId(number));
        self.collect();
    }

    fn bytes(&mut self, number: u64, bytes: &[u8]) {
        self.core
            .handle_bytes(self.now, ConnectionId(number), bytes);
        self.collect();
    }

    fn send(&mut self, number: u64, packet: Packet) {
        self.bytes(number, &encode(&packet));
    }

    /// The client closes its connection.
    fn lose(&mut self, number: u64) {
        self.core.handle_closed(self.now, ConnectionId(number));
        self.collect();
    }

    fn inject(&mut self, fault: Fault) {
        self.core.inject(self.now, fault);
        self.collect();
    }

    fn clear_faults(&mut self) {
        self.core.clear_faults(self.now);
        self.collect();
    }

    fn inject_message(&mut self, topic: &str, payload: &'static str, qos: u8, retain: bool) {
        let qos = QoS::from_number(qos).unwrap();
        self.core
            .publish(self.now, topic, payload, qos, retain)
            .unwrap();
        self.collect();
    }

    /// Lets time pass, stopping wherever something is due.
    fn pass(&mut self, duration: Duration) {
        let end = self.now + duration;
        while let Some(next) = self.core.next_timeout()
            && next <= end
        {
            self.now = self.now.max(next);
            self.core.handle_timeout(self.now);
            self.collect();
        }
        self.now = end;
    }

    fn collect(&mut self) {
        while let Some(output) = self.core.poll_output() {
            match output {
                Output::Send(ConnectionId(number), bytes) => {
                    assert!(
                        !self.closed.contains(&number),
                        "sent to a closed connection"
                    );
                    self.inboxes.entry(number).or_default().extend(bytes);
                }
                Output::Close(ConnectionId(number)) => {
                    assert!(self.closed.insert(number), "closed twice");
                }
            }
        }
        while let Some(event) = self.core.poll_event() {
            self.events.push(event);
        }
    }

    /// Opens a connection and connects with a clean session.
    fn connect(&mut self, number: u64, client: &str) {
        self.connect_with(number, connect(client));
        self.expect(number, &["CONNACK accepted"]);
    }

    /// Opens a connection and connects with a session that is to stay.
    fn resume(&mut self, number: u64, client: &str) {
        let mut connect = connect(client);
        connect.clean_session = false;
        self.connect_with(number, connect);
    }

    fn connect_with(&mut self, number: u64, connect: Connect) {
        self.open(number);
        self.send(number, Packet::Connect(connect));
    }

    fn subscribe(&mut self, number: u64, id: u16, filters: &[(&str, u8)]) {
        self.send(number, subscribe(id, filters));
    }

    /// Subscribes to a topic filter, which is granted.
    fn subscribed(&mut self, number: u64, filter: &str, qos: u8) {
        self.subscribe(number, 60_000, &[(filter, qos)]);
        self.expect(number, &[&format!("SUBACK id=60000 q{qos}")]);
    }

    fn publish(&mut self, number: u64, id: u16, topic: &str, payload: &str) {
        self.send(number, publish(1, id, topic, payload));
    }

    /// Checks all packets that a client got since the last check.
    #[track_caller]
    fn expect(&mut self, number: u64, lines: &[&str]) {
        let inbox = self.inboxes.entry(number).or_default();
        let mut packets = Vec::new();
        while let Ok(packet) = Packet::read(inbox, usize::MAX) {
            packets.push(line(&packet));
        }
        assert_eq!(packets, lines, "to connection {number}");
        assert!(inbox.is_empty(), "half a packet to connection {number}");
    }

    #[track_caller]
    fn expect_open(&self, number: u64) {
        assert!(!self.closed.contains(&number), "{number} is closed");
    }

    /// Checks that the broker has closed a connection, and why.
    #[track_caller]
    fn expect_closed(&self, number: u64, expected: CloseReason) {
        assert!(self.closed.contains(&number), "{number} is open");
        let reason = self.events.iter().rev().find_map(|event| match event {
            Event::Closed { peer, reason } if peer.connection.0 == number => Some(*reason),
            _ => None,
        });
        assert_eq!(reason, Some(expected));
    }

    /// Checks all messages that were accepted, as `topic payload`.
    #[track_caller]
    fn expect_messages(&self, expected: &[&str]) {
        let messages: Vec<_> = self
            .core
            .messages()
            .iter()
            .map(|message| format!("{} {}", message.topic, text(&message.payload)))
            .collect();
        assert_eq!(messages, expected);
    }

    #[track_caller]
    fn expect_no_violation(&self) {
        assert_eq!(self.core.violations(), []);
    }
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

fn encode(packet: &Packet) -> Bytes {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, usize::MAX).unwrap();
    bytes.freeze()
}

/// A packet of the codec as the broker has it when it comes from a client.
fn received(packet: &Packet) -> super::Packet {
    let mut bytes = BytesMut::from(encode(packet));
    frame::read(&mut bytes, usize::MAX).unwrap().unwrap()
}

/// A packet for a client as one line.
fn line(packet: &Packet) -> String {
    use super::Packet as Own;
    let own = match packet {
        Packet::ConnAck(connack) => Own::ConnAck {
            code: match connack.code as u8 {
                0 => ConnectReturnCode::Accepted,
                1 => ConnectReturnCode::RefusedProtocolVersion,
                2 => ConnectReturnCode::BadClientId,
                3 => ConnectReturnCode::ServiceUnavailable,
                4 => ConnectReturnCode::BadUserNamePassword,
                _ => ConnectReturnCode::NotAuthorized,
            },
            session_present: connack.session_present,
        },
        Packet::SubAck(suback) => Own::SubAck {
            packet_id: suback.pkid,
            granted: suback
                .return_codes
                .iter()
                .map(|code| match code {
                    SubscribeReasonCode::Success(qos) => QoS::from_number(*qos as u8),
                    SubscribeReasonCode::Failure => None,
                })
                .collect(),
        },
        Packet::UnsubAck(unsuback) => Own::UnsubAck(unsuback.pkid),
        Packet::PingResp => Own::PingResp,
        either => received(either),
    };
    own.to_string()
}

fn connect(client: &str) -> Connect {
    let mut connect = Connect::new(client);
    connect.keep_alive = 0;
    connect
}

fn with_will(client: &str, topic: &str, retain: bool) -> Connect {
    let mut connect = connect(client);
    let mut will = LastWill::new(topic, "gone", mqttbytes::QoS::AtLeastOnce, retain);
    will.retain = retain;
    connect.last_will = Some(will);
    connect
}

fn publish(qos: u8, id: u16, topic: &str, payload: &str) -> Packet {
    let qos = mqttbytes::qos(qos).unwrap();
    let mut publish = Publish::new(topic, qos, payload);
    publish.pkid = id;
    Packet::Publish(publish)
}

/// Sets the DUP flag.
fn again(packet: Packet) -> Packet {
    match packet {
        Packet::Publish(mut publish) => {
            publish.dup = true;
            Packet::Publish(publish)
        }
        other => other,
    }
}

/// Sets the retain flag.
fn retained(packet: Packet) -> Packet {
    match packet {
        Packet::Publish(mut publish) => {
            publish.retain = true;
            Packet::Publish(publish)
        }
        other => other,
    }
}

fn subscribe(id: u16, filters: &[(&str, u8)]) -> Packet {
    let filters = filters.iter().map(|&(filter, qos)| {
        SubscribeFilter::new(filter.to_owned(), mqttbytes::qos(qos).unwrap())
    });
    let mut subscribe = Subscribe::new_many(filters);
    subscribe.pkid = id;
    Packet::Subscribe(subscribe)
}

fn unsubscribe(id: u16, filter: &str) -> Packet {
    let mut unsubscribe = Unsubscribe::new(filter);
    unsubscribe.pkid = id;
    Packet::Unsubscribe(unsubscribe)
}

fn puback(id: u16) -> Packet {
    Packet::PubAck(PubAck::new(id))
}

fn pubrec(id: u16) -> Packet {
    Packet::PubRec(PubRec::new(id))
}

fn pubrel(id: u16) -> Packet {
    Packet::PubRel(PubRel::new(id))
}

fn pubcomp(id: u16) -> Packet {
    Packet::PubComp(PubComp { pkid: id })
}
