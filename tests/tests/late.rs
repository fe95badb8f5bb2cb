//! Letters that may come too late, over networks and to brokers that are slow or
//! stand still; and guests that flood the gateway, beside one that does not.
//!
//! What is late is judged by the clock: each payload says when it was published,
//! and [`Narrow`] when it read the last byte of it from the gateway. So the
//! machine may be as slow as it likes, up to [`SLACK`].
//!
//! `JACKALOPE_TEST_SECONDS=60` lets the floods of those that expire at once go on
//! for so long. With `--nocapture` the tests say what they have counted.

// What was counted is for those who ask for it.
#![allow(clippy::print_stderr)]

use std::collections::{BTreeMap, BTreeSet};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jackalope_tests::{
    BURST, ECHO, FLOOD, Gateway, GatewayOptions, HOSTILE, Mosquitto, Narrow, Seen, Subscriber,
};
use rumqttc::mqttbytes::v4::Packet;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const LETTERS: usize = 1_000;

const TTL: Duration = Duration::from_secs(5);

/// How long after its ttl a letter that was begun in time may be on its way.
const GRACE: Duration = Duration::from_secs(2);

/// What was received in time is read later: at the pace of the network, its
/// kernel has up to 8 KiB that take 0.4 s. The rest is for a busy machine, on
/// which gateway and network wait for their turn.
const SLACK: Duration = Duration::from_secs(1);

/// Bytes a second of a slow network: a tenth of the letters get through in time.
const SLOW: u32 = 20_000;

/// A network that holds nothing up.
const FAST: u32 = u32::MAX;

/// A mosquitto that drops nothing because its subscribers are slow.
const PATIENT: &str = "allow_anonymous true\nmax_queued_messages 1000000";

/// So many letters fit into the buffer of the network's kernel, which nobody can
/// take back.
const RECEIVED: usize = 8;

/// A gateway with the guest that floods, over a network that sees it.
struct Site {
    broker: Mosquitto,
    network: Narrow,
    gateway: Gateway,
}

/// What has come of a flood, as the network saw it.
struct Report {
    /// The letters of which it read the whole PUBLISH, and for QoS 2 also PUBREL.
    carried: BTreeSet<usize>,
    /// How long after its publication each packet was read that makes the broker
    /// deliver, or would.
    ages: Vec<Duration>,
    published: SystemTime,
}

impl Site {
    fn start(qos: u8, pace: u32) -> Self {
        let broker = Mosquitto::with(PATIENT);
        let network = Narrow::to(broker.port(), pace);
        let gateway = GatewayOptions::new(BINARY, network.port())
            // What is read on the way is of this version.
            .config("version = \"3.1.1\"")
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config("work-list = { max = 2000 }")
            .env("JACKALOPE_LOG", "debug")
            .guest(
                "flood",
                FLOOD,
                &["flood/start"],
                &format!(
                    "env = {{ COUNT = \"{LETTERS}\", QOS = \"{qos}\", TTL_MS = \"{}\" }}",
                    TTL.as_millis()
                ),
            )
            .start();
        gateway.log.wait_for("subscribed filter=flood/start");
        Self {
            broker,
            network,
            gateway,
        }
    }

    /// Has the guest publish its letters.
    fn flood(&self) {
        self.broker.publish("flood/start", "");
    }

    fn wait_for_letters(&self, what: &str) {
        let line = format!("letter {what}");
        let is_so =
            |lines: &[String]| lines.iter().filter(|have| have.contains(&line)).count() >= LETTERS;
        self.gateway.log.wait_until(&line, is_so);
    }

    /// Waits until all letters have their outcome and all that was sent before has
    /// been carried. Each must have been told exactly once.
    #[track_caller]
    fn finish(&self, name: &str) -> Report {
        let tally = self.gateway.log.wait_for("all have their outcome");
        self.network.wait_for(
            "letter on flood/done",
            |packet| matches!(packet, Packet::Publish(it) if it.topic == "flood/done"),
        );
        let tally = tally_in(&tally);
        let counts = tally.split([' ', '=']);
        let told: usize = counts.filter_map(|word| word.parse::<usize>().ok()).sum();
        assert_eq!(told, LETTERS, "{tally}");
        assert!(tally.contains("wrong=0 unaccepted=0"), "{tally}");
        let report = Report::of(&self.network.seen());
        let worst = report.ages.iter().max().copied().unwrap_or_default();
        eprintln!(
            "{name}: {tally}; carried={} late={} oldest={worst:?} connections={} offline={}",
            report.carried.len(),
            report.late(),
            self.network.connections(),
            self.gateway.log.count("offline:"),
        );
        report
    }

    /// Waits until nothing of the letters may be on its way any more.
    fn wait_until_too_late(&self, published: SystemTime) {
        let end = published + TTL + GRACE + SLACK;
        while let Ok(left) = end.duration_since(SystemTime::now()) {
            #[expect(
                clippy::disallowed_methods,
                reason = "letters expire by the clock, and nothing that happens tells when"
            )]
            thread::sleep(left);
        }
    }
}

impl Report {
    fn of(seen: &[Seen]) -> Self {
        let mut open = BTreeMap::new();
        let mut report = Self {
            carried: BTreeSet::new(),
            ages: Vec::new(),
            published: SystemTime::UNIX_EPOCH,
        };
        for Seen {
            at,
            connection,
            packet,
        } in seen
        {
            let (number, published, is_delivered) = match packet {
                Packet::Publish(publish) if publish.topic == "flood/out" => {
                    let (number, published) = head(&publish.payload);
                    open.insert((*connection, publish.pkid), (number, published));
                    (number, published, (publish.qos as u8) < 2)
                }
                Packet::PubRel(release) => {
                    let Some(letter) = open.get(&(*connection, release.pkid)) else {
                        continue;
                    };
                    (letter.0, letter.1, true)
                }
                _ => continue,
            };
            report.published = published;
            let age = at.duration_since(published).unwrap_or_default();
            report.ages.push(age);
            if is_delivered {
                report.carried.insert(number);
            }
        }
        report
    }

    /// How many packets were late.
    fn late(&self) -> usize {
        let is_late = |age: &&Duration| **age > TTL + GRACE + SLACK;
        self.ages.iter().filter(is_late).count()
    }
}

/// What the guest has counted, out of a line of the log.
fn tally_in(line: &str) -> &str {
    let begin = line.find("delivered=").expect("it is a tally");
    let end = line.find(" guest=").unwrap_or(line.len());
    &line[begin..end]
}

/// The number of a letter, and when it was published.
fn head(payload: &[u8]) -> (usize, SystemTime) {
    let mut words = payload.split(|byte| *byte == b' ').map(|word| {
        let word = std::str::from_utf8(word).ok();
        word.and_then(|word| word.parse::<u64>().ok())
            .expect("it begins with two numbers")
    });
    let (number, millis) = (words.next(), words.next());
    let number = number.and_then(|number| usize::try_from(number).ok());
    (
        number.expect("it has a number"),
        SystemTime::UNIX_EPOCH + Duration::from_millis(millis.expect("it has a moment")),
    )
}

fn numbers(messages: &[String]) -> BTreeSet<usize> {
    let payloads = messages
        .iter()
        .filter_map(|message| message.strip_prefix("flood/out 0 "));
    payloads.map(|payload| head(payload.as_bytes()).0).collect()
}

#[track_caller]
fn check_slow_network(qos: u8) {
    let site = Site::start(qos, SLOW);
    site.flood();
    let report = site.finish(&format!("slow network, QoS {qos}"));
    assert_eq!(report.late(), 0);
    assert!(!report.carried.is_empty(), "the network is alive");
    assert_eq!(
        site.gateway.log.count("offline"),
        0,
        "and nobody gives it up"
    );
}

#[test]
fn a_slow_network_carries_nothing_too_late_at_qos_0() {
    check_slow_network(0);
}

#[test]
fn a_slow_network_carries_nothing_too_late_at_qos_1() {
    check_slow_network(1);
}

#[test]
fn a_slow_network_carries_nothing_too_late_at_qos_2() {
    check_slow_network(2);
}

/// Lets the letters meet a broker that stands still until all of them are too
/// late. What its machine had received by then is delivered when it goes on: not
/// even the end of the connection takes that back.
#[track_caller]
fn check_stopped_broker(qos: u8) -> (Report, BTreeSet<usize>) {
    let site = Site::start(qos, FAST);
    let subscriber = site.broker.subscribe("flood/+", 2);
    site.network.hold();
    site.flood();
    site.wait_for_letters("accepted");
    site.broker.signal("STOP");
    let begun = SystemTime::now();
    site.network.release();
    // They were published before this.
    site.wait_until_too_late(begun);
    let before = numbers(&subscriber.messages());
    assert_eq!(before, BTreeSet::new(), "the broker has stopped");
    let in_time = Report::of(&site.network.seen());
    site.broker.signal("CONT");
    let (report, arrived) = finish_after_stop(&site, &subscriber, "stopped broker", qos);
    assert_eq!(report.late(), 0);
    assert_eq!(
        report.carried, in_time.carried,
        "what expired is not sent to a broker that goes on"
    );
    (report, arrived)
}

fn finish_after_stop(
    site: &Site,
    subscriber: &Subscriber,
    name: &str,
    qos: u8,
) -> (Report, BTreeSet<usize>) {
    let report = site.finish(&format!("{name}, QoS {qos}"));
    subscriber.wait_for_message("flood/done 0 ");
    let arrived = numbers(&subscriber.messages());
    eprintln!("{name}, QoS {qos}: arrived={}", arrived.len());
    (report, arrived)
}

#[test]
fn a_broker_that_stood_still_gets_only_what_its_machine_had_at_qos_0() {
    let (report, arrived) = check_stopped_broker(0);
    assert!(arrived.is_subset(&report.carried));
}

#[test]
fn a_broker_that_stood_still_gets_only_what_its_machine_had_at_qos_1() {
    let (report, arrived) = check_stopped_broker(1);
    assert!(arrived.is_subset(&report.carried));
}

#[test]
fn a_broker_that_stood_still_delivers_nothing_late_at_qos_2() {
    let (_, arrived) = check_stopped_broker(2);
    assert_eq!(arrived, BTreeSet::new(), "it is never told to deliver them");
}

/// The network stands still together with the broker: it has what fits into the
/// buffer of its kernel, and the rest is thrown away when it is too late.
#[track_caller]
fn check_stopped_network(qos: u8) {
    let site = Site::start(qos, FAST);
    let subscriber = site.broker.subscribe("flood/+", 2);
    site.network.hold();
    site.flood();
    site.wait_for_letters("accepted");
    let begun = SystemTime::now();
    site.broker.signal("STOP");
    site.wait_until_too_late(begun);
    site.gateway
        .log
        .wait_for("the network did not carry a letter in time");
    site.network.release();
    site.broker.signal("CONT");
    let (_, arrived) = finish_after_stop(&site, &subscriber, "stopped network", qos);
    assert!(arrived.len() <= RECEIVED, "{arrived:?}");
    if qos == 2 {
        assert_eq!(arrived, BTreeSet::new(), "it is never told to deliver them");
    }
}

#[test]
fn a_network_that_stood_still_carries_nothing_late_at_qos_0() {
    check_stopped_network(0);
}

#[test]
fn a_network_that_stood_still_carries_nothing_late_at_qos_1() {
    check_stopped_network(1);
}

#[test]
fn a_network_that_stood_still_carries_nothing_late_at_qos_2() {
    check_stopped_network(2);
}

/// How long floods go on at least.
fn seconds() -> Duration {
    let seconds = std::env::var("JACKALOPE_TEST_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(0))
}

/// One guest floods the gateway with letters that have a millisecond to live,
/// another one publishes letters that are to arrive.
#[track_caller]
fn check_flood_beside_an_honest_guest(qos: u8) {
    const COUNT: usize = 1_000;
    let broker = Mosquitto::with(PATIENT);
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config("work-list = { max = 2000 }")
        .guest(
            "flood",
            FLOOD,
            &["flood/start", "flood/report"],
            &format!(
                "env = {{ WINDOW = \"1000\", QOS = \"{qos}\", TTL_MS = \"1\", SIZE = \"64\" }}"
            ),
        )
        .guest("honest", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=flood/report");
    gateway.log.wait_for("subscribed filter=burst/start");
    let out = broker.subscribe("burst/out", 2);
    let done = broker.subscribe("burst/done", 2);
    broker.publish("flood/start", "");
    let begun = Instant::now();
    let mut bursts = 0;
    while bursts < 2 || begun.elapsed() < seconds() {
        // QoS 1 and 2 in turns.
        let order = format!("count={COUNT} window=50 qos={} size=64", 1 + bursts % 2);
        broker.publish("burst/start", &order);
        bursts += 1;
        let done = done.wait_for(bursts);
        assert_eq!(done[bursts - 1], format!("burst/done 0 {COUNT}"));
    }
    assert_eq!(out.wait_for(bursts * COUNT).len(), bursts * COUNT);
    let time = begun.elapsed();
    broker.publish("flood/report", "");
    let tally = gateway.log.wait_for("so far");
    let tally = tally_in(&tally);
    eprintln!(
        "ttl 1 ms, QoS {qos}: {tally} in {time:?}, honest={}",
        bursts * COUNT
    );
    assert!(tally.contains("wrong=0 "), "{tally}");
    assert_eq!(gateway.log.count(" online "), 1, "the session has held");
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
}

#[test]
fn letters_of_qos_0_that_expire_at_once_cost_another_guest_nothing() {
    check_flood_beside_an_honest_guest(0);
}

#[test]
fn letters_of_qos_1_that_expire_at_once_cost_another_guest_nothing() {
    check_flood_beside_an_honest_guest(1);
}

#[test]
fn letters_of_qos_2_that_expire_at_once_cost_another_guest_nothing() {
    check_flood_beside_an_honest_guest(2);
}

/// Mosquitto acknowledges a letter of QoS 1 and throws it away when 20 exchanges
/// of QoS 2 are open, which are as many as it allows.
#[test]
fn letters_of_qos_1_arrive_beside_as_many_of_qos_2_as_there_may_be() {
    const COUNT: usize = 1_000;
    let broker = Mosquitto::with(PATIENT);
    let flood = "env = { WINDOW = \"50\", QOS = \"2\", TTL_MS = \"3600000\", SIZE = \"64\" }";
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("flood", FLOOD, &["flood/start"], flood)
        .guest("another", FLOOD, &["flood/start"], flood)
        .guest("honest", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=burst/start");
    let out = broker.subscribe("burst/out", 2);
    let done = broker.subscribe("burst/done", 2);
    broker.publish("flood/start", "");
    let order = format!("count={COUNT} window=50 qos=1 size=64");
    broker.publish("burst/start", &order);
    done.wait_for_message(&format!("burst/done 0 {COUNT}"));
    // What the broker forwards comes in order.
    broker.publish("burst/out", "the last one");
    out.wait_for_message("burst/out 0 the last one");
    assert_eq!(out.messages().len(), COUNT + 1);
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
}

/// A guest does not take its messages, of which there are more and more. The
/// broker goes on although they are not acknowledged; by default mosquitto would
/// send nothing more of QoS 1 and 2 after the 20th.
#[track_caller]
fn check_messages_that_are_not_taken(deed: &str, qos: u8) {
    let broker = Mosquitto::with(&format!("{PATIENT}\nmax_inflight_messages 0"));
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("hostile", HOSTILE, &["hostile/do"], "")
        .guest("echo", ECHO, &["echo/in/+"], "")
        .start();
    gateway.log.wait_for("subscribed filter=hostile/do");
    gateway.log.wait_for("subscribed filter=echo/in/+");
    let out = broker.subscribe("echo/out/+", 2);
    for number in 0..10 {
        let flood = ["-t", "hostile/do", "-m", deed, "--repeat", "300", "-q"];
        broker.publish_with(&[&flood[..], &[&qos.to_string()]].concat());
        broker.publish(&format!("echo/in/{number}"), "x");
        out.wait_for_message(&format!("echo/out/{number} 0 x"));
    }
    assert_eq!(gateway.log.count(" online "), 1, "the session has held");
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
}

#[test]
fn messages_of_qos_0_that_a_guest_puts_off_for_ever_hold_up_nobody_else() {
    check_messages_that_are_not_taken("retry", 0);
}

#[test]
fn messages_of_qos_1_that_a_guest_puts_off_for_ever_hold_up_nobody_else() {
    check_messages_that_are_not_taken("retry", 1);
}

#[test]
fn messages_of_qos_0_at_which_a_guest_traps_hold_up_nobody_else() {
    check_messages_that_are_not_taken("panic", 0);
}

#[test]
fn messages_of_qos_1_at_which_a_guest_traps_hold_up_nobody_else() {
    check_messages_that_are_not_taken("panic", 1);
}
