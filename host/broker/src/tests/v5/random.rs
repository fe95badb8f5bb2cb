//! Whatever arrives, the core stands and keeps to what the client allows.

use std::collections::{BTreeMap, BTreeSet};

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;
use crate::Packet as AnyPacket;
use crate::v5::Packet as Own;

#[derive(Debug, Clone)]
enum Step {
    Connect(u64, u32),
    Packet(u64, Box<Packet>),
    Lose(u64),
    Fault(Fault),
    ClearFaults,
    Publish(u8),
    Pass(u64),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..3u64;
    prop_oneof![
        2 => (number.clone(), 0..3u32).prop_map(|(n, expiry)| Step::Connect(n, expiry)),
        9 => (number.clone(), packet()).prop_map(|(n, packet)| Step::Packet(n, Box::new(packet))),
        1 => number.prop_map(Step::Lose),
        1 => fault().prop_map(Step::Fault),
        1 => Just(Step::ClearFaults),
        3 => (0..3u8).prop_map(Step::Publish),
        1 => (0..5u64).prop_map(Step::Pass),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    prop_oneof![
        Just(Fault::RefuseConnectV5(Reason::Banned, Times::Next(1))),
        Just(Fault::Disconnect(Reason::QuotaExceeded)),
        Just(Fault::RefusePublish("t".to_owned(), Reason::QuotaExceeded)),
        Just(Fault::WithholdAcks(vec![Ack::PubAck, Ack::PubRec])),
        Just(Fault::ForgetSession("a".to_owned())),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let id = 1..4u16;
    prop_oneof![
        3 => (0..3u8, id.clone(), 0..4u16, any::<bool>()).prop_map(|(qos, id, alias, named)| {
            let topic = if named { "t" } else { "" };
            with(publish(qos, id * u16::from(qos > 0), topic, "hi"), |properties| {
                properties.topic_alias = (alias > 0 || !named).then_some(alias);
                properties.message_expiry_interval = (alias == 2).then_some(2);
            })
        }),
        2 => (0..3u8, any::<bool>()).prop_map(|(qos, share)| {
            let path = if share { "$share/g/#" } else { "#" };
            let mut subscribe = Subscribe::new(filter(path, qos), None);
            subscribe.pkid = 9;
            Packet::Subscribe(subscribe)
        }),
        2 => id.clone().prop_map(|id| Packet::PubAck(PubAck::new(id, None))),
        2 => (id.clone(), any::<bool>()).prop_map(|(id, error)| {
            let mut pubrec = PubRec::new(id, None);
            if error {
                pubrec.reason = PubRecReason::QuotaExceeded;
            }
            Packet::PubRec(pubrec)
        }),
        2 => id.clone().prop_map(|id| Packet::PubRel(PubRel::new(id, None))),
        2 => id.prop_map(|id| Packet::PubComp(PubComp::new(id, None))),
    ]
}

/// Runs the steps, with clients that take two messages at once.
fn run(steps: &[Step]) -> Test {
    let mut test = Test::with(CoreOptions {
        queue: 3,
        receive_maximum: 2,
        topic_alias_maximum: 2,
        ..CoreOptions::default()
    });
    let mut numbers = BTreeMap::new();
    let mut last = 0;
    for step in steps {
        let number = |place| numbers.get(place).copied().unwrap_or(0);
        match step {
            Step::Connect(place, expiry) => {
                test.lose(number(place));
                last += 1;
                numbers.insert(*place, last);
                let name = if *place == 1 { "a" } else { "b" };
                let mut client = Client::kept(name, *expiry).with_will(Some(1));
                client.properties().receive_maximum = Some(2);
                client.properties().topic_alias_max = Some(1);
                test.open5(last, client);
            }
            Step::Packet(place, packet) => test.send5(number(place), packet),
            Step::Lose(place) => test.lose(number(place)),
            Step::Fault(fault) => test.inject(fault.clone()),
            Step::ClearFaults => test.clear_faults(),
            Step::Publish(qos) => test.inject_message("x", "hi", *qos, true),
            Step::Pass(time) => test.pass(seconds(*time)),
        }
    }
    test
}

/// Checks that no connection has more than two messages under way.
fn check_window(events: &[Event]) {
    let mut open: BTreeMap<ConnectionId, BTreeSet<u16>> = BTreeMap::new();
    for event in events {
        if let Event::Fault {
            fault: Fault::ForgetSession(_),
        } = event
        {
            // What is under way is forgotten with it, which is the fault.
            open.clear();
        }
        let (Event::Sent { peer, packet } | Event::Received { peer, packet }) = event else {
            continue;
        };
        let AnyPacket::V5(packet) = packet else {
            continue;
        };
        let open = open.entry(peer.connection).or_default();
        let sent = matches!(event, Event::Sent { .. });
        match &**packet {
            Own::Publish(publish) if sent && publish.packet_id > 0 => {
                open.insert(publish.packet_id);
                assert!(open.len() <= 2, "{peer}: {open:?}");
            }
            Own::PubAck(ack) | Own::PubComp(ack) if !sent => {
                open.remove(&ack.packet_id);
            }
            Own::PubRec(ack) if !sent && ack.reason.is_error() => {
                open.remove(&ack.packet_id);
            }
            _ => {}
        }
    }
}

proptest! {
    #[test]
    fn damaged_packets_are_survived(
        packet in packet(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&packet).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut test = Test::new();
        test.connect5(1, "a");
        test.bytes(1, &bytes);
        test.sent(1);
    }

    #[test]
    fn a_damaged_connect_is_survived(place in any::<prop::sample::Index>(), byte in any::<u8>()) {
        let client = Client::kept("a", 60).with_will(Some(1));
        let packet = Packet::Connect(client.connect, client.will, None);
        let mut bytes = encode(&packet).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        let mut test = Test::new();
        test.open(1);
        test.bytes(1, &bytes);
    }

    #[test]
    fn the_window_is_kept_and_all_that_is_sent_can_be_read(steps in vec(step(), 0..80)) {
        let mut test = run(&steps);
        check_window(&test.events);
        let numbers: Vec<_> = test.inboxes.keys().copied().collect();
        for number in numbers {
            test.sent(number);
        }
    }
}
