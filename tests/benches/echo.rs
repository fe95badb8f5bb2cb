//! How fast is the echo through the guest, beside the same echo written with
//! rumqttc's `AsyncClient` and no wasm, and beside
//! `mosquitto_sub | mosquitto_pub -l`?
//!
//! The plain echo runs on one thread, as rumqttc's examples do, and once more on
//! as many as tokio likes, which costs it a hop between threads a message. The
//! tools take part where they can: they read lines and have one quality of
//! service each.
//!
//! `cargo bench -p jackalope-tests --bench echo`, some three and a half minutes; with
//! `-- --test` only shows that it works.
//!
//! Each contender is a process with a peer of its own, which runs in the
//! benchmark: it sends numbered messages, up to a window of 1,000 on their way,
//! and checks that they come back as they were, all of them and in order.
//!
//! - On the sink the peer is itself the broker: one thread that stamps packets
//!   encoded beforehand, only skims what arrives, and acknowledges in batches.
//!   That it is not what is measured is shown by the last column: the share of
//!   a core that the gateway and its peer keep busy.
//! - On mosquitto the peer is a client of a broker that it shares with the
//!   contender alone, and the last column counts both.
//!
//! Each round starts all contenders anew and lets them take turns at each kind
//! of message. A ratio is the median of the ratios of the rounds, any other
//! figure the median of the rounds. CPU is the processor time of the contender
//! for a message there and back, user and system.
//!
//! What MQTT 5 and TLS cost is measured on the sink: the guest with each of them, and
//! the plain echo with rumqttc's own TLS, beside the same without. TLS is 1.3, by
//! rustls and ring on all sides.
//!
//! Latency is measured on the sink, at 200 messages a second of QoS 0 and 64
//! bytes to the gateway and as many to the plain echo, in turns in the same
//! seconds, so that both have the same noise to bear.

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

mod support;

use std::process::Command;
use std::time::{Duration, Instant};

use jackalope_tests::{ECHO, is_smoke};
use support::contender::{Contender, Kind, Speech, has_mosquitto};
use support::packet::Template;
use support::peer::{Peer, Place};
use support::run::{self, Run, Stopwatch};
use support::{Messages, table, within};

/// How many messages are on their way at most.
const WINDOW: u32 = 1_000;

/// How many of them have to be back before more are sent, all at once.
const REFILL: u32 = 64;

/// Where the peer publishes.
const TO: &str = "echo/in/bench";

/// Where the contender does.
const FROM: &str = "echo/out/bench";

const GUEST: Kind = guest(Speech::V4);
const PLAIN: Kind = plain(false);
const PLAIN_ON_THREADS: Kind = plain(true);
const TOOLS: [Kind; 2] = [tools(0), tools(1)];

const fn guest(speech: Speech) -> Kind {
    Kind::Guest {
        component: ECHO,
        filter: "echo/in/+",
        speech,
        is_kept: false,
    }
}

const fn plain(on_threads: bool) -> Kind {
    Kind::Plain {
        binary: env!("CARGO_BIN_EXE_plain-echo"),
        on_threads,
    }
}

const fn tools(qos: u8) -> Kind {
    Kind::Tools {
        filter: TO,
        topic: FROM,
        qos,
    }
}

/// A contender and its peer.
#[derive(Debug)]
struct Echo {
    contender: Contender,
    peer: Peer,
    sent: u32,
    echoed: u32,
}

impl Echo {
    async fn start(place: Place, kind: &Kind) -> Self {
        let (contender, peer) = Peer::meet(place, kind, TO, FROM, b"hello").await;
        Self {
            contender,
            peer,
            sent: 0,
            echoed: 0,
        }
    }

    /// A run as it is counted.
    async fn run(&mut self, messages: Messages) -> Run {
        let time = Duration::from_millis(if is_smoke() { 20 } else { 400 });
        // The first are not counted: buffers grow and caches fill.
        self.throughput(messages, time / 8).await;
        self.throughput(messages, time).await
    }

    /// Sends as many as are echoed for so long, and waits for the last.
    async fn throughput(&mut self, messages: Messages, duration: Duration) -> Run {
        let echoed_before = self.echoed;
        let stopwatch = Stopwatch::start(&self.contender, &self.peer);
        within(duration, "echo", self.send_for(messages, duration)).await;
        stopwatch.stop(&self.contender, &self.peer, self.echoed - echoed_before)
    }

    async fn send_for(&mut self, messages: Messages, duration: Duration) {
        let template = Template::new(TO, messages.qos, messages.payload, self.peer.is_v5());
        let end = Instant::now() + duration;
        loop {
            let room = WINDOW - (self.sent - self.echoed);
            if room >= REFILL && Instant::now() < end {
                self.send(&template, room);
            } else if room == WINDOW {
                return;
            }
            self.progress(messages).await;
        }
    }

    /// The time of one round trip.
    async fn latency(&mut self, messages: Messages, template: &Template) -> Duration {
        let begun = Instant::now();
        self.send(template, 1);
        while self.echoed < self.sent {
            self.progress(messages).await;
        }
        begun.elapsed()
    }

    fn send(&mut self, template: &Template, count: u32) {
        for _ in 0..count {
            template.append(self.sent, self.peer.output());
            self.sent += 1;
        }
    }

    async fn progress(&mut self, messages: Messages) {
        let echoed = &mut self.echoed;
        self.peer
            .progress(|publish| {
                messages.check(&publish, FROM, *echoed);
                *echoed += 1;
            })
            .await;
    }
}

/// How many contenders there are at most.
const CONTENDERS: usize = 4;

/// The contenders of one round: the guest, the plain echo on one thread and on
/// many, and the tools for QoS 0 and for QoS 1 where there are any.
struct Field {
    programs: Vec<Echo>,
    tools: Vec<Echo>,
}

impl Field {
    async fn start(place: Place) -> Self {
        let (mut programs, mut tools) = (Vec::new(), Vec::new());
        for kind in [GUEST, PLAIN, PLAIN_ON_THREADS] {
            programs.push(Echo::start(place, &kind).await);
        }
        if has_mosquitto() {
            for kind in TOOLS {
                tools.push(Echo::start(place, &kind).await);
            }
        }
        Self { programs, tools }
    }

    /// A run of each that can do it, in turns.
    async fn run(&mut self, messages: Messages) -> Vec<Run> {
        let tools = self.tools.get_mut(usize::from(messages.qos));
        let mut runs = Vec::new();
        for echo in self.programs.iter_mut().chain(tools) {
            runs.push(echo.run(messages).await);
        }
        runs
    }
}

async fn throughput(place: Place, rounds: usize) {
    let mut runs = [(); 6].map(|()| [const { Vec::new() }; CONTENDERS]);
    for _ in 0..rounds {
        let mut field = Field::start(place).await;
        for (messages, runs) in Messages::ALL.into_iter().zip(&mut runs) {
            for (run, runs) in field.run(messages).await.into_iter().zip(runs) {
                runs.push(run);
            }
        }
    }
    let (echo, busy) = match place {
        Place::Sink => ("echo on the sink", "busy cores, guest : sink"),
        Place::Mosquitto => ("echo on mosquitto", "busy cores, guest : mosquitto + peer"),
    };
    table::head(&[
        echo,
        "guest / plain",
        "guest / plain on threads",
        "guest / tools",
        "guest, messages/s",
        "plain",
        "on threads",
        "tools",
        "guest, CPU µs",
        "plain",
        "on threads",
        "tools",
        busy,
    ]);
    for (messages, [guest, others @ ..]) in Messages::ALL.into_iter().zip(runs) {
        let mut row = vec![messages.to_string()];
        row.extend(run::cells(&guest, &others));
        table::row(&row);
    }
    println!();
}

/// What MQTT 5 and TLS cost.
async fn speeches(rounds: usize) {
    // Has to be built, which takes longer than a glance should.
    let plain_tls = (!is_smoke()).then(plain_tls);
    let kinds: Vec<_> = [Speech::V4, Speech::V5, Speech::Tls]
        .map(guest)
        .into_iter()
        .chain([PLAIN])
        .chain(plain_tls)
        .collect();
    let mut runs = [(); 6].map(|()| vec![Vec::new(); kinds.len()]);
    for _ in 0..rounds {
        let mut echoes = Vec::new();
        for kind in &kinds {
            echoes.push(Echo::start(Place::Sink, kind).await);
        }
        for (messages, runs) in Messages::ALL.into_iter().zip(&mut runs) {
            for (echo, runs) in echoes.iter_mut().zip(runs) {
                runs.push(echo.run(messages).await);
            }
        }
    }
    table::head(&[
        "echo on the sink",
        "guest, MQTT 5 / 3.1.1",
        "guest, TLS / TCP",
        "plain, TLS / TCP",
        "guest, messages/s",
        "guest, MQTT 5",
        "guest, TLS",
        "plain",
        "plain, TLS",
        "guest, CPU µs",
        "guest, MQTT 5",
        "guest, TLS",
        "plain",
        "plain, TLS",
    ]);
    for (messages, runs) in Messages::ALL.into_iter().zip(&runs) {
        let speed = |run: &Run| run.per_second;
        let ratio = |one: usize, other: usize| match (runs.get(one), runs.get(other)) {
            (Some(one), Some(other)) => format!("{:.2}", table::ratio(one, other, speed)),
            _ => "–".into(),
        };
        let mut row = vec![messages.to_string(), ratio(1, 0), ratio(2, 0), ratio(4, 3)];
        for what in [speed, |run: &Run| run.cpu] {
            let median = |runs: &Vec<Run>| table::median(runs.iter().map(what));
            let digits = if what(&runs[0][0]) < 1_000.0 { 2 } else { 0 };
            let cell = |index| match runs.get(index) {
                Some(runs) => format!("{:.digits$}", median(runs)),
                None => "–".into(),
            };
            row.extend((0..5).map(cell));
        }
        table::row(&row);
    }
    println!();
}

/// Builds the plain echo with TLS, whose TLS stack has a lock file of its own.
fn plain_tls() -> Kind {
    let place = concat!(env!("CARGO_MANIFEST_DIR"), "/plain-tls");
    let target = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/plain-tls");
    let status = Command::new(env!("CARGO"))
        .args([
            "build",
            "--quiet",
            "--release",
            "--locked",
            "--target-dir",
            target,
        ])
        .current_dir(place)
        .status();
    assert!(
        status.expect("cargo runs").success(),
        "{place} is not built"
    );
    Kind::PlainTls {
        binary: format!("{target}/release/plain-echo-tls"),
    }
}

/// Round trips in microseconds, sorted.
struct Latencies(Vec<f64>);

impl Latencies {
    fn at(&self, part: f64) -> f64 {
        self.0[((self.0.len() - 1) as f64 * part).round() as usize]
    }
}

async fn latency_round(count: usize) -> [Latencies; 2] {
    let messages = Messages::new(0, 64);
    let template = Template::new(TO, messages.qos, messages.payload, false);
    let mut echoes = [
        Echo::start(Place::Sink, &GUEST).await,
        Echo::start(Place::Sink, &PLAIN).await,
    ];
    let mut took = [Vec::new(), Vec::new()];
    // Each gets one every 5 ms.
    let pause = Duration::from_millis(5) / 2;
    let mut next = Instant::now();
    let warm_up = 20;
    for index in 0..warm_up + count {
        for (echo, took) in echoes.iter_mut().zip(&mut took) {
            #[expect(clippy::disallowed_methods, reason = "the load has a pace")]
            std::thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pause;
            let latency = within(pause, "echo", echo.latency(messages, &template)).await;
            if index >= warm_up {
                took.push(latency.as_secs_f64() * 1e6);
            }
        }
    }
    took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        Latencies(took)
    })
}

async fn latency(rounds: usize) {
    let count = if is_smoke() { 50 } else { 2_000 };
    let (mut guest, mut plain) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        let [ours, theirs] = latency_round(count).await;
        guest.push(ours);
        plain.push(theirs);
    }
    table::head(&[
        "latency at 200 messages/s",
        "guest / plain",
        "guest, µs",
        "plain, µs",
    ]);
    for (name, part) in [("p50", 0.5), ("p99", 0.99), ("worst", 1.0)] {
        let of = |rounds: &[Latencies]| table::median(rounds.iter().map(|it| it.at(part)));
        table::row(&[
            format!("{name} of a round"),
            format!("{:.2}", table::ratio(&guest, &plain, |it| it.at(part))),
            format!("{:.0}", of(&guest)),
            format!("{:.0}", of(&plain)),
        ]);
    }
    let worst = |rounds: &[Latencies]| rounds.iter().map(|it| it.at(1.0)).fold(0.0, f64::max);
    table::row(&[
        "worst of all".into(),
        format!("{:.2}", worst(&guest) / worst(&plain)),
        format!("{:.0}", worst(&guest)),
        format!("{:.0}", worst(&plain)),
    ]);
}

fn main() {
    let rounds = if is_smoke() { 1 } else { 5 };
    support::block_on(async {
        throughput(Place::Sink, rounds).await;
        if has_mosquitto() {
            throughput(Place::Mosquitto, rounds).await;
        } else {
            println!("mosquitto and its clients are not installed: left out\n");
        }
        speeches(rounds).await;
        latency(rounds).await;
    });
}
