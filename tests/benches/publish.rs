//! How fast are letters, from the guest's `publish` to the outcome, beside
//! rumqttc's `AsyncClient` and no wasm?
//!
//! `cargo bench -p jackalope-tests --bench publish`, a minute and a half; with
//! `-- --test` only shows that it works.
//!
//! One message asks for a burst. The guest publishes a window of 500 letters, or
//! as many as the environment variable `WINDOW` says, and one more with each
//! outcome, so that each letter goes from the guest to the work list, out to the
//! broker, and as an outcome back to the guest. The plain program awaits `publish`
//! in one task and counts acknowledgements in another, both on one thread, and once
//! more on as many as tokio likes; its windows are those of rumqttc, 100 in its
//! queue and 100 in flight. A second gateway has its work list on a disk, where
//! temporary files are. A burst ends when its maker has heard of the last letter
//! and says so.
//! QoS 0 is not acknowledged: what is heard of is that it was written.
//!
//! Sink and mosquitto are as in the benchmark `echo`. On the sink, each letter
//! is checked; at mosquitto nobody subscribes to them. Each round starts both
//! contenders anew and lets them take turns. A ratio is the median of the
//! ratios of the rounds, any other figure the median of the rounds. CPU is the
//! processor time of the contender for a letter, user and system.

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

mod support;

use std::time::Duration;

use jackalope_tests::{BURST, is_smoke};
use support::contender::{Contender, Kind, Speech, has_mosquitto};
use support::packet;
use support::peer::{Peer, Place};
use support::run::{self, Run, Stopwatch};
use support::{Messages, table, within};

/// How many letters of the guest have no outcome, at most.
fn window() -> u32 {
    let said = std::env::var("WINDOW").ok();
    said.map_or(500, |said| said.parse().expect("WINDOW is a number"))
}

/// Asks for a burst.
const START: &str = "burst/start";

/// The letters.
const OUT: &str = "burst/out";

/// Says that all have their outcome, and how many were delivered.
const DONE: &str = "burst/done";

const GUEST: Kind = Kind::Guest {
    component: BURST,
    filter: START,
    speech: Speech::V4,
    is_kept: false,
};
/// The same, with its work list on a disk.
const KEPT: Kind = Kind::Guest {
    component: BURST,
    filter: START,
    speech: Speech::V4,
    is_kept: true,
};
const PLAIN: Kind = plain(false);
const PLAIN_ON_THREADS: Kind = plain(true);

const fn plain(on_threads: bool) -> Kind {
    Kind::Plain {
        binary: env!("CARGO_BIN_EXE_plain-publish"),
        on_threads,
    }
}

/// A contender and its peer.
#[derive(Debug)]
struct Publisher {
    contender: Contender,
    peer: Peer,
    sees_letters: bool,
}

impl Publisher {
    async fn start(place: Place, kind: &Kind) -> Self {
        let nothing = order(0, Messages::new(0, 64));
        let (contender, peer) = Peer::meet(place, kind, START, DONE, nothing.as_bytes()).await;
        Self {
            contender,
            peer,
            sees_letters: place == Place::Sink,
        }
    }

    async fn burst(&mut self, count: u32, messages: Messages) -> Run {
        let stopwatch = Stopwatch::start(&self.contender, &self.peer);
        within(Duration::ZERO, "burst", self.ask_and_wait(count, messages)).await;
        stopwatch.stop(&self.contender, &self.peer, count)
    }

    async fn ask_and_wait(&mut self, count: u32, messages: Messages) {
        let ask = packet::publish(START, false, order(count, messages).as_bytes());
        self.peer.output().extend(ask);
        let mut seen = 0;
        let mut is_done = false;
        while !is_done {
            self.peer
                .progress(|publish| {
                    if publish.topic == DONE.as_bytes() {
                        let delivered = String::from_utf8_lossy(publish.payload);
                        assert_eq!(delivered, count.to_string());
                        is_done = true;
                    } else {
                        messages.check(&publish, OUT, seen);
                        seen += 1;
                    }
                })
                .await;
        }
        if self.sees_letters {
            assert_eq!(seen, count, "letters were lost");
        }
    }
}

fn order(count: u32, Messages { qos, payload }: Messages) -> String {
    let window = window();
    format!("count={count} window={window} qos={qos} size={payload}")
}

/// A burst of some 0.4 s.
async fn run(publisher: &mut Publisher, messages: Messages) -> Run {
    // Shows how fast it is about, and is not counted.
    let run = publisher.burst(1_000, messages).await;
    let count = if is_smoke() {
        1_000
    } else {
        (run.per_second * 0.4) as u32
    };
    publisher.burst(count, messages).await
}

async fn compare(place: Place, rounds: usize) {
    let mut runs = [(); 6].map(|()| [const { Vec::new() }; 4]);
    for _ in 0..rounds {
        let mut publishers = Vec::new();
        for kind in [GUEST, PLAIN, PLAIN_ON_THREADS, KEPT] {
            publishers.push(Publisher::start(place, &kind).await);
        }
        for (messages, runs) in Messages::ALL.into_iter().zip(&mut runs) {
            for (publisher, runs) in publishers.iter_mut().zip(runs) {
                runs.push(run(publisher, messages).await);
            }
        }
    }
    let (publish, busy) = match place {
        Place::Sink => ("publish on the sink", "busy cores, guest : sink"),
        Place::Mosquitto => (
            "publish on mosquitto",
            "busy cores, guest : mosquitto + peer",
        ),
    };
    table::head(&[
        publish,
        "guest / plain",
        "guest / plain on threads",
        "guest / kept on disk",
        "guest, letters/s",
        "plain",
        "on threads",
        "kept",
        "guest, CPU µs",
        "plain",
        "on threads",
        "kept",
        busy,
    ]);
    for (messages, [guest, others @ ..]) in Messages::ALL.into_iter().zip(runs) {
        let mut row = vec![messages.to_string()];
        row.extend(run::cells(&guest, &others));
        table::row(&row);
    }
    println!();
}

fn main() {
    let rounds = if is_smoke() { 1 } else { 5 };
    support::block_on(async {
        compare(Place::Sink, rounds).await;
        if has_mosquitto() {
            compare(Place::Mosquitto, rounds).await;
        } else {
            println!("mosquitto is not installed: left out");
        }
    });
}
