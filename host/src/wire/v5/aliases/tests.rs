//! Aliases beside a broker that does as the specification says.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use proptest::prelude::*;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};

use super::*;
use crate::office::{
    Carried, Connect, Delivery, Dispatch, Incoming, Outgoing, PacketId, Payload, Qos, Time,
};
use crate::wire::v5::properties::TOPIC_ALIAS;
use crate::wire::v5::tests::{decode, no_properties};
use crate::wire::v5::{LETTER_PROPERTIES, Reason, v5};
use crate::wire::{Handshake, Layers, Pace, Transport, Version, Versions};

const NOON: Time = Time::from_millis(1_000_000);

fn letter(topic: &str, id: u16) -> Publish {
    Publish {
        topic: topic.into(),
        payload: Payload::new(topic),
        delivery: Delivery::AtLeastOnce(PacketId::new(id).expect("not zero")),
        retain: false,
        duplicate: false,
        properties: None,
        lifetime: None,
    }
}

/// A connection to a broker that takes so many aliases, with nothing to write.
fn connected(maximum: u16, max_packet_size: Option<u32>) -> Transport {
    let handshake = Handshake {
        versions: Versions::Only(Version::V5),
        session_expiry: Duration::ZERO,
        client_id: "gateway".into(),
        keep_alive: Duration::ZERO,
        login: None,
        max_packet_size: 1 << 20,
    };
    let connect = Connect {
        clean_session: true,
        client_id: None,
        will: None,
    };
    let (version, pace) = (Version::V5, Pace::default());
    let transport = Transport::new(NOON, version, &handshake, &connect, pace, Layers::default());
    let mut transport = transport.expect("it is valid");
    let connack = Packet::ConnAck(v5::ConnAck {
        session_present: false,
        code: v5::ConnectReturnCode::Success,
        properties: Some(v5::ConnAckProperties {
            topic_alias_max: Some(maximum),
            max_packet_size,
            ..no_properties()
        }),
    });
    let mut bytes = BytesMut::new();
    connack.write(&mut bytes, None).expect("it is valid");
    let room = transport.room_for_input().expect("nothing is left");
    room.extend_from_slice(&bytes);
    transport.handle_read().expect("there is no TLS");
    let packet = transport.poll_packet().expect("it is valid");
    assert!(matches!(packet, Some(Incoming::ConnAck { .. })));
    take(&mut transport, NOON, usize::MAX);
    transport
}

/// The kernel takes so many bytes.
fn take(transport: &mut Transport, now: Time, count: usize) -> Vec<u8> {
    let output = transport.output_mut();
    let count = count.min(output.bytes().len());
    let taken = output.bytes()[..count].to_vec();
    output.handle_taken(now, count);
    taken
}

fn push(transport: &mut Transport, now: Time, publish: Publish, expires: Option<Time>) {
    let (carried, packet) = match publish.delivery.packet_id() {
        Some(id) => {
            let duplicate = false;
            (
                Carried::Publish { id, duplicate },
                Outgoing::Publish(publish),
            )
        }
        None => (Carried::Nothing, Outgoing::Publish(publish)),
    };
    let dispatch = Dispatch {
        packet,
        expires,
        carried,
    };
    transport.push(now, dispatch).expect("it is valid");
}

/// A broker that resolves aliases.
#[derive(Default)]
struct Broker {
    maximum: u16,
    input: BytesMut,
    aliases: BTreeMap<u16, Bytes>,
    /// Topics and payloads.
    received: Vec<(Bytes, Bytes)>,
    /// How many came without their topic.
    short: usize,
}

impl Broker {
    fn read(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
        while let Ok(packet) = Packet::read(&mut self.input, None) {
            let Packet::Publish(publish) = packet else {
                continue;
            };
            let properties: PublishProperties = publish.properties.unwrap_or_default();
            let mut topic = publish.topic;
            if let Some(alias) = properties.topic_alias {
                assert!(
                    (1..=self.maximum).contains(&alias),
                    "[MQTT-3.3.2-9]: {alias}"
                );
                if topic.is_empty() {
                    self.short += 1;
                    topic = self.aliases[&alias].clone();
                } else {
                    self.aliases.insert(alias, topic.clone());
                }
            }
            assert!(!topic.is_empty());
            self.received.push((topic, publish.payload));
        }
    }
}

#[derive(Debug, Clone)]
enum Act {
    /// A letter with one of the topics, that lives for so many milliseconds.
    Push(usize, u64),
    /// The kernel takes so many percent.
    Take(usize),
    /// Milliseconds.
    Pass(u64),
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        6 => (0..6_usize, 1..60_u64).prop_map(|(topic, ttl)| Act::Push(topic, ttl)),
        2 => (0..=100_usize).prop_map(Act::Take),
        2 => (1..40_u64).prop_map(Act::Pass),
    ]
}

proptest! {
    /// Whatever is recalled in between, the broker gets each letter that goes out
    /// under its own topic.
    #[test]
    fn no_alias_stands_for_another_topic_than_the_broker_knows(
        maximum in 0..5_u16,
        acts in prop::collection::vec(act(), 0..120),
    ) {
        let mut transport = connected(maximum, None);
        let mut broker = Broker { maximum, ..Broker::default() };
        let (mut now, mut id) = (NOON, 0);
        for act in acts {
            match act {
                Act::Push(topic, ttl) => {
                    id += 1;
                    let expires = now + Duration::from_millis(ttl);
                    let letter = letter(&format!("gateway/topic/{topic}"), id);
                    push(&mut transport, now, letter, Some(expires));
                }
                Act::Take(percent) => {
                    while transport.output_mut().poll_recalled(now).is_some() {}
                    let count = transport.output().bytes().len() * percent / 100;
                    broker.read(&take(&mut transport, now, count));
                }
                Act::Pass(millis) => now = now + Duration::from_millis(millis),
            }
        }
        broker.read(&take(&mut transport, now, usize::MAX));
        for (topic, payload) in broker.received {
            prop_assert_eq!(topic, payload);
        }
    }
}

#[test]
fn a_topic_that_comes_again_is_named_by_an_alias_once_the_broker_knows_it() {
    let mut transport = connected(10, None);
    let mut broker = Broker {
        maximum: 10,
        ..Broker::default()
    };
    let mut sizes = VecDeque::new();
    for id in 1..=4 {
        push(
            &mut transport,
            NOON,
            letter("gateway/temperature", id),
            None,
        );
        let bytes = take(&mut transport, NOON, usize::MAX);
        sizes.push_back(bytes.len());
        broker.read(&bytes);
    }
    let plain = sizes[0];
    let short = plain + PROPERTY - "gateway/temperature".len();
    assert_eq!(sizes, [plain, plain + PROPERTY, short, short]);
    assert_eq!((broker.received.len(), broker.short), (4, 2));
}

#[test]
fn letters_of_one_batch_carry_their_topic() {
    let mut transport = connected(10, None);
    for id in 1..=5 {
        push(
            &mut transport,
            NOON,
            letter("gateway/temperature", id),
            None,
        );
    }
    let mut broker = Broker {
        maximum: 10,
        ..Broker::default()
    };
    broker.read(&take(&mut transport, NOON, usize::MAX));
    assert_eq!((broker.received.len(), broker.short), (5, 0));
}

#[test]
fn where_an_alias_would_make_a_packet_too_large_there_is_none() {
    let topic = "gateway/temperature";
    let size = publish_size_with(topic, topic.len(), Qos::AtLeastOnce, LETTER_PROPERTIES);
    for (max, expect) in [(size, 0), (size + PROPERTY, 1)] {
        let max = u32::try_from(max).expect("it is small");
        let mut transport = connected(10, Some(max));
        let mut broker = Broker {
            maximum: 10,
            ..Broker::default()
        };
        for id in 1..=3 {
            let expires = Some(NOON + Duration::from_secs(10));
            push(&mut transport, NOON, letter(topic, id), expires);
            let bytes = take(&mut transport, NOON, usize::MAX);
            assert!(bytes.len() <= max as usize);
            broker.read(&bytes);
        }
        assert_eq!(broker.short, expect);
    }
}

/// PUBLISH with QoS 0, a payload `x`, and these properties.
fn message(topic: &str, properties: &[u8]) -> Vec<u8> {
    let remaining = 2 + topic.len() + 1 + properties.len() + 1;
    let mut bytes = vec![0x30, remaining as u8, 0, topic.len() as u8];
    bytes.extend(topic.as_bytes());
    bytes.push(properties.len() as u8);
    bytes.extend(properties);
    bytes.push(b'x');
    bytes
}

#[test]
fn the_aliases_of_the_broker_are_resolved() {
    let messages = [
        message("first", &[TOPIC_ALIAS, 0, 16]),
        message("second", &[TOPIC_ALIAS, 0, 1]),
        message("", &[TOPIC_ALIAS, 0, 16]),
        message("third", &[]),
        // With a subscription identifier and a content type around it.
        message("fifth", &[0x0b, 7, TOPIC_ALIAS, 0, 5, 0x03, 0, 1, b'x']),
        message("", &[0x03, 0, 1, b'x', TOPIC_ALIAS, 0, 5, 0x0b, 7]),
        message("", &[TOPIC_ALIAS, 0, 1]),
        message("fourth", &[TOPIC_ALIAS, 0, 16]),
        message("", &[TOPIC_ALIAS, 0, 16]),
    ];
    let packets = decode(&messages.concat(), 1_000).expect("they are valid");
    let topics = packets.iter().map(|packet| match packet {
        Incoming::Publish(publish, _) => &*publish.topic,
        other => panic!("{other:?}"),
    });
    let expect = [
        "first", "second", "first", "third", "fifth", "fifth", "second", "fourth", "fourth",
    ];
    assert_eq!(topics.collect::<Vec<_>>(), expect);
}

#[test]
fn a_message_that_is_too_large_has_its_topic_and_gives_it_to_its_alias() {
    let mut bytes = message("too/large", &[TOPIC_ALIAS, 0, 3]);
    bytes.extend([0; 60]);
    bytes[1] += 60;
    let size = bytes.len();
    bytes.extend(message("", &[TOPIC_ALIAS, 0, 3]));
    let packets = decode(&bytes, 60).expect("it is valid");
    let [
        Incoming::TooLarge {
            topic, size: of, ..
        },
        Incoming::Publish(next, _),
    ] = &packets[..]
    else {
        panic!("{packets:?}");
    };
    assert_eq!(
        (&**topic, *of, &*next.topic),
        ("too/large", size, "too/large")
    );
}

#[test]
fn an_alias_that_is_none_is_refused_with_its_reason() {
    #[track_caller]
    fn check(messages: &[Vec<u8>], reason: Reason) {
        let error = decode(&messages.concat(), 1_000).expect_err("it is wrong");
        assert_eq!(error.reason(), Some(reason), "{error}");
    }
    check(
        &[message("a", &[TOPIC_ALIAS, 0, 0])],
        Reason::TOPIC_ALIAS_INVALID,
    );
    check(
        &[message("a", &[TOPIC_ALIAS, 0, 17])],
        Reason::TOPIC_ALIAS_INVALID,
    );
    check(
        &[message("", &[TOPIC_ALIAS, 0, 17])],
        Reason::TOPIC_ALIAS_INVALID,
    );
    check(&[message("", &[TOPIC_ALIAS, 0, 1])], Reason::PROTOCOL_ERROR);
    check(&[message("", &[])], Reason::PROTOCOL_ERROR);
    let twice = [TOPIC_ALIAS, 0, 1, TOPIC_ALIAS, 0, 1];
    check(&[message("a", &twice)], Reason::PROTOCOL_ERROR);
    let other = [
        message("a", &[TOPIC_ALIAS, 0, 2]),
        message("", &[TOPIC_ALIAS, 0, 1]),
    ];
    check(&other, Reason::PROTOCOL_ERROR);
}
