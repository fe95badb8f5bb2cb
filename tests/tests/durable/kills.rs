//! Gateways that are killed again and again with all that they do under way.
//!
//! `JACKALOPE_TEST_ROUNDS=200` has it killed so often, and `JACKALOPE_TEST_SEED=1` chooses
//! when, as far as that hangs on the test; all of it with what it has seen:
//! `JACKALOPE_TEST_ROUNDS=200 cargo test -p jackalope-tests --test durable kills -- --nocapture`

use std::collections::{BTreeMap, BTreeSet};
use std::env;
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use jackalope_tests::{Gateway, PATIENCE, Process, Random, Subscriber};

use crate::BINARY;
use crate::site::{Site, ticket, words};

/// How often it is killed, unless the environment says otherwise.
const ROUNDS: u64 = 80;

/// How many messages of each quality of service come in a round.
const MESSAGES: u64 = 12;

/// How long letters live that are to expire.
const TTL: Duration = Duration::from_millis(200);

/// What there was so far.
struct Campaign {
    site: Site,
    random: Random,
    version: &'static str,
    out: Subscriber,
    told: Subscriber,
    by_hand: Subscriber,
    /// What publishes with QoS 1, and with QoS 2.
    publishers: [Process; 2],
    /// The names of messages that came with QoS 1, and with QoS 2.
    names: [Vec<String>; 2],
    /// Of letters by hand: what has to arrive, and what must not.
    promised: Vec<String>,
    expired: Vec<String>,
    /// Letters by hand that were given up with the gateway.
    unanswered: u64,
    tickets: BTreeSet<u64>,
}

fn number(name: &str) -> Option<u64> {
    env::var(name).ok()?.parse().ok()
}

#[test]
fn kills() {
    let rounds = number("JACKALOPE_TEST_ROUNDS").unwrap_or(ROUNDS);
    let drawn = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    let drawn = drawn.map_or(0, |time| u64::from(time.subsec_nanos()));
    let seed = number("JACKALOPE_TEST_SEED").unwrap_or(drawn);
    eprintln!("JACKALOPE_TEST_ROUNDS={rounds} JACKALOPE_TEST_SEED={seed}");
    let mut campaign = Campaign::new(seed);
    for _ in 0..rounds {
        campaign.round();
    }
    campaign.check();
}

impl Campaign {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let version = random.pick(&["3.1.1", "5"]);
        let site = Site::new();
        let publisher = |qos| {
            let port = site.broker.port().to_string();
            let words = [
                "-h",
                "127.0.0.1",
                "-p",
                &port,
                "-l",
                "-t",
                "tell/in",
                "-q",
                qos,
            ];
            Process::start("mosquitto_pub", &words)
        };
        let publishers = [publisher("1"), publisher("2")];
        let [out, told, by_hand] = ["out", "told", "by-hand"].map(|topic| site.subscribe(topic));
        // What comes before it has subscribed once is for nobody.
        site.start_online();
        Self {
            site,
            random,
            version,
            out,
            told,
            by_hand,
            publishers,
            names: [const { Vec::new() }; 2],
            promised: Vec::new(),
            expired: Vec::new(),
            unanswered: 0,
            tickets: BTreeSet::new(),
        }
    }

    fn start(&self) -> Gateway {
        let options = self.site.options("");
        options.env("JACKALOPE_VERSION", self.version).start()
    }

    /// From one start to the next kill.
    fn round(&mut self) {
        let gateway = self.start();
        let seen = self.told.messages().len();
        match self.random.below(5) {
            // While it starts.
            0 => {
                self.come(MESSAGES);
                self.pause(200_000);
            }
            1 => return self.offline(gateway),
            2 => {
                self.come(MESSAGES);
                gateway.log.wait_for(" online");
                let publishing = self.publish_at_once();
                self.pause(60_000);
                self.kill(gateway);
                return self.hear(publishing);
            }
            _ => {
                self.come(MESSAGES);
                let some = self.random.below(2 * MESSAGES) as usize;
                // Whatever becomes of its letter, each message leads to one of these.
                self.told.wait_for(seen + some);
                self.pause(4_000);
            }
        }
        self.kill(gateway);
    }

    fn kill(&self, mut gateway: Gateway) {
        gateway.signal("KILL");
        gateway.wait();
    }

    /// Any time up to so many microseconds.
    fn pause(&mut self, micros: u64) {
        wait_until(Instant::now() + Duration::from_micros(self.random.below(micros)));
    }

    /// Messages come, some of which have letters that live as long as a blink.
    fn come(&mut self, count: u64) {
        for _ in 0..count {
            for (place, letter) in ["a", "b"].into_iter().enumerate() {
                let name = format!("{letter}{}", self.names[place].len());
                let ttl = match self.random.one_in(6) {
                    true => format!(" {}", 1 + self.random.below(40)),
                    false => String::new(),
                };
                self.publishers[place].type_line(&format!("{name}{ttl}"));
                self.names[place].push(name);
            }
        }
    }

    /// The network is cut with letters on their way, and letters come by hand, of which
    /// one expires before it is restored.
    fn offline(&mut self, gateway: Gateway) {
        gateway.log.wait_for(" online");
        self.come(MESSAGES);
        self.pause(30_000);
        self.site.cut(&gateway);
        let number = self.promised.len() + self.expired.len();
        let (lasting, short) = (format!("offline-{number}"), format!("short-{number}"));
        self.publish(&lasting, "1h");
        self.promised.push(lasting);
        self.publish(&short, &format!("{}ms", TTL.as_millis()));
        let is_over = Instant::now() + TTL;
        self.expired.push(short);
        self.kill(gateway);
        let next = self.random.one_in(2).then(|| self.start());
        wait_until(is_over);
        self.site.network.restore();
        if let Some(next) = next {
            self.pause(100_000);
            self.kill(next);
        }
    }

    fn publish(&mut self, name: &str, ttl: &str) {
        let words = ["publish", "by-hand", name, "--ttl", ttl];
        let printed = self.site.expect(&words, 0);
        self.take_ticket(&printed);
    }

    /// Some letters by hand, whose answers nobody waits for.
    fn publish_at_once(&mut self) -> Vec<(String, Process)> {
        let socket = self.site.socket().display().to_string();
        let count = 1 + self.random.below(4);
        let publish = |number| {
            let name = format!("online-{}-{number}", self.names[0].len());
            let words = ["publish", "by-hand", &name, "--socket", &socket];
            let process = Process::start(BINARY, &words);
            (name, process)
        };
        (0..count).map(publish).collect()
    }

    /// What was answered counts.
    fn hear(&mut self, publishing: Vec<(String, Process)>) {
        for (name, mut process) in publishing {
            if process.wait().success() {
                self.take_ticket(&process.out.wait_for_end());
                self.promised.push(name);
            } else {
                self.unanswered += 1;
            }
        }
    }

    #[track_caller]
    fn take_ticket(&mut self, printed: &str) {
        let ticket = ticket(printed);
        assert!(self.tickets.insert(ticket), "two letters {ticket}");
    }

    /// Lets a last one do what is left to do, and looks at all that came.
    fn check(mut self) {
        for publisher in &mut self.publishers {
            publisher.end_input();
            assert!(publisher.wait().success());
        }
        let mut last = self.start();
        last.log.wait_for(" online");
        let (count, told_count) = self.wait_until_drained();
        last.signal("TERM");
        assert!(last.wait().success());
        for topic in ["out", "told", "by-hand"] {
            self.site
                .broker
                .publish_with(&["-q", "2", "-t", topic, "-m", "end"]);
        }
        for (messages, topic) in [
            (&self.out, "out"),
            (&self.told, "told"),
            (&self.by_hand, "by-hand"),
        ] {
            messages.wait_for_message(&format!("{topic} 0 end"));
        }

        let out = by_count(&self.out.messages());
        let told = self.told.messages();
        let copies = told.len();
        let told: BTreeSet<_> = told.iter().map(|message| words(message)).collect();
        let told: Vec<_> = told.into_iter().filter(|words| *words != ["end"]).collect();
        let mut fates = BTreeMap::new();
        let mut numbers = BTreeSet::new();
        for words in &told {
            let [ticket, fate, number, name, count] = words[..] else {
                panic!("{words:?}");
            };
            let parsed = |word: &str| word.parse::<u64>().expect("it is a number");
            assert!(
                self.tickets.insert(parsed(ticket)),
                "told twice: {ticket} of {told:?}"
            );
            assert!(
                numbers.insert(parsed(number)),
                "{number} was told twice: {told:?}"
            );
            let twice = fates.insert(parsed(count), (name, fate));
            assert_eq!(twice, None, "{name} {count} has two outcomes");
        }
        // The calls that were kept, of both kinds, without a gap.
        assert!(
            fates.keys().copied().eq(1..=count),
            "{count} calls and {fates:?}"
        );
        assert!(
            numbers.iter().copied().eq(1..=told_count),
            "{told_count} told: {numbers:?}"
        );

        for (count, name) in &out {
            assert_eq!(fates.get(count).map(|(name, _)| *name), Some(&**name));
        }
        let mut tally = BTreeMap::new();
        for (count, (name, fate)) in &fates {
            *tally.entry(*fate).or_insert(0) += 1;
            match *fate {
                "delivered" => assert!(out.contains_key(count), "{name} {count} is lost"),
                "expired-unsent" => assert!(!out.contains_key(count), "{name} {count} was sent"),
                "expired" => {}
                fate => panic!("{name} {count}: {fate}"),
            }
        }
        let mut calls: BTreeMap<&str, u64> = BTreeMap::new();
        for (name, _) in fates.values() {
            *calls.entry(name).or_default() += 1;
        }
        for name in &self.names[0] {
            assert!(calls.contains_key(&**name), "{name} is lost");
        }
        for name in &self.names[1] {
            assert_eq!(calls.get(&**name), Some(&1), "{name} came with QoS 2");
        }
        let arrived = self.by_hand.messages();
        let arrived: BTreeSet<_> = arrived.iter().map(|message| words(message)[0]).collect();
        for name in &self.promised {
            assert!(
                arrived.contains(&**name),
                "{name} was accepted, and is lost"
            );
        }
        for name in &self.expired {
            assert!(
                !arrived.contains(&**name),
                "{name} had expired, and was sent"
            );
        }
        eprintln!(
            "MQTT {}: {} messages of QoS 1 and {} of QoS 2 led to {count} letters: {tally:?}; \
             {copies} letters that told; {} by hand arrived, {} expired, {} were not answered",
            self.version,
            self.names[0].len(),
            self.names[1].len(),
            self.promised.len(),
            self.expired.len(),
            self.unanswered,
        );
    }

    /// Waits until each message had its call, and each call its outcome. Returns how many
    /// calls there were of both kinds.
    fn wait_until_drained(&self) -> (u64, u64) {
        let reports = self.site.subscribe("report");
        let give_up = Instant::now() + PATIENCE;
        for asked in 1.. {
            self.site.broker.publish("tell/report", "");
            let last = reports.wait_for(asked).swap_remove(asked - 1);
            let numbers = words(&last);
            let number = |place: usize| {
                let (_, number) = numbers[place].split_once('=')?;
                number.parse::<u64>().ok()
            };
            let (count, told) = (number(0).unwrap_or(0), number(1).unwrap_or(0));
            let have = by_name(&self.told.messages());
            let is_done = |name: &String| have.contains(name);
            if count == told && self.names.iter().flatten().all(is_done) {
                return (count, told);
            }
            assert!(
                Instant::now() < give_up,
                "it does not come to an end: {last}"
            );
        }
        unreachable!("it was asked for ever")
    }
}

fn wait_until(time: Instant) {
    while let Some(left) = time.checked_duration_since(Instant::now()) {
        thread::park_timeout(left);
    }
}

/// The names of letters by the count that they have.
#[track_caller]
fn by_count(messages: &[String]) -> BTreeMap<u64, String> {
    let mut found = BTreeMap::new();
    for message in messages {
        let words = words(message);
        let [name, count] = words[..] else {
            continue;
        };
        let count = count.parse().expect("it is a number");
        if let Some(other) = found.insert(count, name.to_owned()) {
            assert_eq!(other, name, "two letters are number {count}");
        }
    }
    found
}

/// The names of which an outcome was told.
fn by_name(messages: &[String]) -> BTreeSet<String> {
    let name = |message: &String| words(message).get(3).map(|name| (*name).to_owned());
    messages.iter().filter_map(name).collect()
}
