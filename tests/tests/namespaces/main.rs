//! A gateway and a mosquitto on two hosts, with TLS over a line between them that is
//! slow, loses packets, is cut without a word, or leads to another address. Skipped,
//! with the reason on standard error, where nobody may make network namespaces.
//!
//! `JACKALOPE_TEST_SECONDS=120` leaves the line cut for so long, instead of 20 s. With
//! `--nocapture` the tests say what they have seen.

// What was seen is for those who ask for it, and why a test is skipped for everyone.
#![allow(clippy::print_stderr)]

mod line;

use std::collections::BTreeSet;
use std::fs;
use std::io::{Write, stderr};
use std::thread;
use std::time::{Duration, Instant};

use jackalope_tests::{BURST, Certificates, FLOOD, Gateway, GatewayOptions, Process};

use line::{BROKER, Line};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const KEEP_ALIVE: Duration = Duration::from_secs(5);

/// So long after its last word a broker is given up.
const SILENCE: Duration = KEEP_ALIVE.saturating_add(Duration::from_millis(2_500));

/// The time that the letters of one guest have; those of the other have an hour.
const TTL: Duration = Duration::from_secs(3);

/// How long after its ttl a letter that was begun in time may be on its way.
const GRACE: Duration = Duration::from_secs(2);

/// For a busy machine, on which everybody waits for a turn.
const SLACK: Duration = Duration::from_secs(1);

/// How many letters have an hour.
const LETTERS: usize = 3_000;

/// How much more memory an outage may cost: the buffers of a new connection.
const MEMORY_KIB: u64 = 8 * 1_024;

/// In the order in which they end.
struct Site {
    gateway: Gateway,
    watcher: Process,
    _broker: Process,
    line: Line,
    _certificates: Certificates,
}

impl Site {
    /// A gateway that is online over a line that is not good, with these options;
    /// or none where that is not possible.
    fn start(options: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Option<Self> {
        let line = match Line::lay() {
            Ok(line) => line,
            Err(reason) => {
                let test = thread::current();
                // Past the test runner, which keeps what passing tests print to itself.
                let _ = writeln!(stderr(), "skipped: {}: {reason}", test.name().unwrap_or(""));
                return None;
            }
        };
        let certificates = Certificates::new();
        certificates.issue("broker", &[BROKER]);
        let broker = start_broker(&line, &certificates);
        eprintln!("the line: {}", line.spoil());
        let topics = ["-t", "burst/+", "-t", "flood/out"];
        let format = ["-q", "1", "-d", "-F", "message: %U %t %p"];
        let watch = ["stdbuf", "-oL", "mosquitto_sub", "-h", BROKER];
        let watcher = line.start_at_broker(&[&watch[..], &topics, &format].concat());
        watcher.out.wait_for("Subscribed (mid");
        let secure = GatewayOptions::secure(BINARY, 8883, &certificates)
            .env("JACKALOPE_SERVER", &format!("mqtts://{BROKER}"))
            // A broker of MQTT 5 would throw away what comes too late.
            .env("JACKALOPE_VERSION", "3.1.1")
            .env(
                "JACKALOPE_KEEP_ALIVE",
                &format!("{}s", KEEP_ALIVE.as_secs()),
            )
            .launched_by(&line.at_gateway());
        let gateway = options(secure).start();
        gateway.log.wait_for(" online");
        Some(Self {
            gateway,
            watcher,
            _broker: broker,
            line,
            _certificates: certificates,
        })
    }

    /// With a guest whose letters have an hour, and one whose letters have not, which
    /// both have begun to publish.
    fn start_busy() -> Option<Self> {
        let short = format!(
            "env = {{ WINDOW = \"20\", SIZE = \"64\", TTL_MS = \"{}\" }}",
            TTL.as_millis()
        );
        let site = Self::start(|options| {
            options.guest("lasting", BURST, &["burst/start"], "").guest(
                "short",
                FLOOD,
                &["flood/start"],
                &short,
            )
        })?;
        for filter in ["burst/start", "flood/start"] {
            site.gateway
                .log
                .wait_for(&format!("subscribed filter={filter}"));
        }
        site.publish("flood/start", "");
        let order = format!("count={LETTERS} window=50 qos=1 size=64");
        site.publish("burst/start", &order);
        let has_begun = |lines: &[String]| lasting(lines).len() >= LETTERS / 10;
        site.watcher.out.wait_until("beginning", has_begun);
        Some(site)
    }

    /// On the broker's host, past the line.
    fn publish(&self, topic: &str, payload: &str) {
        let publish = [
            "mosquitto_pub",
            "-h",
            BROKER,
            "-q",
            "1",
            "-t",
            topic,
            "-m",
            payload,
        ];
        let mut publish = self.line.start_at_broker(&publish);
        assert!(
            publish.wait().success(),
            "{}",
            publish.errors.wait_for_end()
        );
    }

    /// Waits until the gateway knows that it is offline.
    #[track_caller]
    fn expect_offline(&self, what: &str, since: Instant) {
        let line = self.gateway.log.wait_for("offline");
        let after = since.elapsed();
        eprintln!("{what}: offline after {after:?}: {line}");
        assert!(after <= SILENCE + SLACK, "{after:?}");
    }

    /// Waits until it is online again.
    #[track_caller]
    fn expect_online(&self, what: &str, since: Instant) {
        let is_back = |lines: &[String]| {
            lines
                .iter()
                .filter(|line| line.contains(" online session_present"))
                .count()
                > 1
        };
        self.gateway.log.wait_until("second session", is_back);
        eprintln!("{what}: online after {:?}", since.elapsed());
    }

    /// Waits until all letters that have the time are delivered, and looks at what has
    /// arrived.
    #[track_caller]
    fn finish(&self, what: &str, memory_before: u64) {
        let all = format!(" burst/done {LETTERS}");
        let lines = self.watcher.out.wait_until(&all, |lines| {
            lasting(lines).len() == LETTERS && lines.iter().any(|line| line.ends_with(&all))
        });
        let ages: Vec<_> = lines.iter().filter_map(|line| age(line)).collect();
        let oldest = ages.iter().max().copied().unwrap_or_default();
        let memory = self.gateway.peak_memory_kib();
        eprintln!(
            "{what}: {LETTERS} lasting letters arrived, and {} short ones, the oldest after \
             {oldest:?}; {memory_before} KiB of memory at most before, {memory} KiB after",
            ages.len()
        );
        assert!(oldest <= TTL + GRACE + SLACK, "{oldest:?}");
        assert!(
            memory <= memory_before + MEMORY_KIB,
            "{memory_before} {memory}"
        );
    }
}

/// Starts a mosquitto that speaks TLS to others, and plainly on its own host.
fn start_broker(line: &Line, certificates: &Certificates) -> Process {
    let config = certificates.path("mosquitto.conf");
    let lines = format!(
        "user root\nallow_anonymous true\nmax_queued_messages 1000000\n\
         listener 1883 {BROKER}\nlistener 8883 {BROKER}\n\
         cafile {}\ncertfile {}\nkeyfile {}\n",
        certificates.path("ca.pem"),
        certificates.path("broker.pem"),
        certificates.path("broker.key"),
    );
    fs::write(&config, lines).expect("a temporary file can be written");
    // Debian keeps it where only root looks by default.
    let script = format!("PATH=$PATH:/usr/sbin:/usr/local/sbin exec mosquitto -c {config}");
    let broker = line.start_at_broker(&["sh", "-c", &script]);
    broker.errors.wait_for(" running");
    broker
}

/// What is behind the moment at which a message of this topic arrived, and that.
fn message<'a>(line: &'a str, topic: &str) -> Option<(Duration, &'a str)> {
    let (at, rest) = line.strip_prefix("message: ")?.split_once(' ')?;
    let payload = rest.strip_prefix(topic)?.strip_prefix(' ')?;
    let (seconds, nanos) = at.split_once('.')?;
    let at = Duration::new(seconds.parse().ok()?, nanos.parse().ok()?);
    Some((at, payload))
}

/// The letters that have an hour.
fn lasting(lines: &[String]) -> BTreeSet<&str> {
    let payloads = lines.iter().filter_map(|line| message(line, "burst/out"));
    payloads.map(|(_, payload)| payload).collect()
}

/// How old a letter was that has less time, when it arrived.
fn age(line: &str) -> Option<Duration> {
    let (at, payload) = message(line, "flood/out")?;
    let published = payload.split(' ').nth(1)?.parse().ok()?;
    Some(at.saturating_sub(Duration::from_millis(published)))
}

/// How long the line is cut.
fn seconds() -> Duration {
    let seconds = std::env::var("JACKALOPE_TEST_SECONDS").ok();
    let seconds = seconds.and_then(|seconds| seconds.parse().ok());
    Duration::from_secs(seconds.unwrap_or(20))
}

#[test]
fn a_line_that_is_slow_and_loses_packets() {
    let Some(site) = Site::start_busy() else {
        return;
    };
    site.finish("slow line", site.gateway.peak_memory_kib());
    assert_eq!(site.gateway.log.count("offline"), 0, "the session has held");
}

#[test]
fn a_cut_without_a_word() {
    let Some(site) = Site::start_busy() else {
        return;
    };
    let before = site.gateway.peak_memory_kib();
    site.line.cut();
    let cut = Instant::now();
    site.expect_offline("cut", cut);
    #[expect(
        clippy::disallowed_methods,
        reason = "nothing happens on a line that is cut, and that is the point"
    )]
    thread::sleep(seconds().saturating_sub(cut.elapsed()));
    site.line.restore();
    site.expect_online("cut line is back", Instant::now());
    site.finish("cut", before);
}

#[test]
fn a_cut_while_nothing_is_to_be_said() {
    let Some(site) = Site::start(|options| options) else {
        return;
    };
    site.gateway.log.wait_for("connection status=Online");
    site.line.cut();
    site.expect_offline("idle cut", Instant::now());
    // So says the guest: once before there was a connection, and now.
    let was_told = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("connection status=Offline"))
            .count()
            == 2
    };
    site.gateway.log.wait_until("guest that was told", was_told);
    site.line.restore();
    site.expect_online("idle line is back", Instant::now());
}

#[test]
fn another_address_of_the_gateway() {
    let Some(site) = Site::start_busy() else {
        return;
    };
    let before = site.gateway.peak_memory_kib();
    site.line.move_gateway();
    let moved = Instant::now();
    site.expect_offline("move", moved);
    site.expect_online("move", moved);
    site.finish("move", before);
}
