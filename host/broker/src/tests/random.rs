//! Whatever arrives, the core stands.

use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Something that happens to the core.
#[derive(Debug, Clone)]
enum Step {
    Open(u64),
    Bytes(u64, Vec<u8>),
    Packet(u64, Packet),
    Lose(u64),
    Fault(Fault),
    ClearFaults,
    Publish(u8),
    Pass(u16),
}

fn step() -> impl Strategy<Value = Step> {
    let number = 1..4u64;
    prop_oneof![
        2 => number.clone().prop_map(Step::Open),
        2 => (number.clone(), vec(any::<u8>(), 0..40)).prop_map(|(n, bytes)| Step::Bytes(n, bytes)),
        9 => (number.clone(), packet()).prop_map(|(n, packet)| Step::Packet(n, packet)),
        1 => number.prop_map(Step::Lose),
        2 => fault().prop_map(Step::Fault),
        1 => Just(Step::ClearFaults),
        2 => (0..3u8).prop_map(Step::Publish),
        2 => any::<u16>().prop_map(Step::Pass),
    ]
}

fn packet() -> impl Strategy<Value = Packet> {
    let id = 1..4u16;
    let topic = prop_oneof![Just("t"), Just("t/x")];
    let connect =
        (prop_oneof![Just("a"), Just("b"), Just("")], any::<bool>()).prop_map(|(client, clean)| {
            let mut connect = with_will(client, "t", clean);
            connect.clean_session = clean;
            connect.keep_alive = 30;
            Packet::Connect(connect)
        });
    prop_oneof![
        4 => connect,
        2 => (0..3u8, id.clone(), topic, any::<bool>()).prop_map(|(qos, id, topic, dup)| {
            let packet = publish(qos, id, topic, "hi");
            if dup && qos > 0 { again(packet) } else { packet }
        }),
        2 => (id.clone(), 0..3u8).prop_map(|(id, qos)| subscribe(id, &[("t/#", qos)])),
        1 => id.clone().prop_map(|id| unsubscribe(id, "t/#")),
        1 => id.clone().prop_map(puback),
        1 => id.clone().prop_map(pubrec),
        1 => id.clone().prop_map(pubrel),
        1 => id.prop_map(pubcomp),
        1 => Just(Packet::PingReq),
        1 => Just(Packet::Disconnect),
    ]
}

fn fault() -> impl Strategy<Value = Fault> {
    let code = ConnectReturnCode::NotAuthorized;
    let client = || "a".to_owned();
    prop_oneof![
        Just(Fault::RefuseConnect(code, Times::Next(1))),
        Just(Fault::DelayConnect(seconds(5))),
        Just(Fault::NeverAnswerConnect),
        Just(Fault::DropNow),
        Just(Fault::DropAfter(2, PacketType::Publish)),
        Just(Fault::DropInMiddle),
        Just(Fault::WithholdAcks(vec![Ack::PubAck, Ack::PubComp])),
        Just(Fault::DelayAcks(seconds(5))),
        Just(Fault::DuplicateAcks),
        Just(Fault::RefuseSubscription("t/#".to_owned())),
        Just(Fault::StopReading),
        Just(Fault::ResumeReading),
        Just(Fault::ForgetSession(client())),
        Just(Fault::TakeOver(client())),
    ]
}

/// Runs the steps; what has come out of it. Connections get new numbers when
/// they are opened again, as they must.
fn run(steps: &[Step]) -> Test {
    let mut test = Test::with(CoreOptions {
        window: 2,
        queue: 3,
        open_exchanges: 2,
        ..CoreOptions::default()
    });
    let mut numbers = BTreeMap::new();
    let mut last = 0;
    for step in steps.iter().cloned() {
        let number = |place| numbers.get(&place).copied().unwrap_or(0);
        match step {
            Step::Open(place) => {
                test.lose(number(place));
                last += 1;
                numbers.insert(place, last);
                test.open(last);
            }
            Step::Bytes(place, bytes) => test.bytes(number(place), &bytes),
            Step::Packet(place, packet) => test.send(number(place), packet),
            Step::Lose(place) => test.lose(number(place)),
            Step::Fault(fault) => test.inject(fault),
            Step::ClearFaults => test.clear_faults(),
            Step::Publish(qos) => test.inject_message("t/x", "hi", qos, true),
            Step::Pass(millis) => test.pass(Duration::from_millis(millis.into())),
        }
    }
    test
}

proptest! {
    #[test]
    fn random_bytes_are_survived(chunks in vec(vec(any::<u8>(), 0..100), 0..20)) {
        for connected in [false, true] {
            let mut test = Test::new();
            if connected {
                test.connect(1, "a");
            } else {
                test.open(1);
            }
            for chunk in &chunks {
                test.bytes(1, chunk);
            }
        }
    }

    #[test]
    fn damaged_packets_are_survived(
        packet in packet(),
        place in any::<prop::sample::Index>(),
        byte in any::<u8>(),
    ) {
        let mut bytes = encode(&packet).to_vec();
        let place = place.index(bytes.len());
        bytes[place] = byte;
        for connected in [false, true] {
            let mut test = Test::new();
            if connected {
                test.connect(1, "a");
            } else {
                test.open(1);
            }
            test.bytes(1, &bytes);
        }
    }

    /// The harness itself checks that nothing is sent to a closed connection.
    #[test]
    fn the_same_steps_do_the_same(steps in vec(step(), 0..80)) {
        let (first, second) = (run(&steps), run(&steps));
        prop_assert_eq!(first.events, second.events);
        prop_assert_eq!(first.inboxes, second.inboxes);
    }
}
