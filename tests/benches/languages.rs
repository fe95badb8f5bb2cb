//! What does a guest cost, written in one language or another? The sensor that
//! `jackalope new` writes is built as its README says, and measured here:
//!
//! - *size*: the bytes of its component
//! - *compiled in*: from these bytes to a guest that can be started, without the cache
//! - *started in*: a new instance, its look at its settings, and its first call; the median
//! - *a call*: a message that is parsed as JSON and written down; the median
//! - *memory*: the least `limits.memory` with which all these calls succeed
//!
//! `cargo bench -p jackalope-tests --bench languages`

// A benchmark prints its results, and one that can not go on says so by panicking.
#![allow(clippy::print_stdout, clippy::panic)]

use std::fs;
use std::time::{Duration, Instant};

use jackalope::guest::{Component, Engine, Guest, GuestOptions, Limits};
use jackalope::office::{Answer, Assignment, Call, Payload};
use jackalope_tests::hosted::{Hosted, connection, message, runtime};
use jackalope_tests::{Project, is_smoke};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");
const KEPT: &str = env!("CARGO_TARGET_TMPDIR");

const SETTINGS: &str = r#"{"threshold":30.0,"topic":"sensors/cellar"}"#;

/// By which the memory of a guest grows.
const PAGE: usize = 64 << 10;

fn main() {
    let (languages, starts, calls) = match is_smoke() {
        true => (&["rust"][..], 1, 10),
        false => (&["rust", "c", "javascript", "python"][..], 11, 1_000),
    };
    let runtime = runtime();
    let _context = runtime.enter();
    println!("| | size, KiB | compiled in, ms | started in, ms | a call, µs | memory, KiB |");
    println!("| --- | --- | --- | --- | --- | --- |");
    for language in languages {
        let project = Project::new(BINARY, language);
        if project.build(KEPT) {
            let component = project.path().join(project.component());
            let bytes = fs::read(component).expect("it was built");
            measure(language, &bytes, starts, calls);
        }
    }
}

fn measure(language: &str, bytes: &[u8], starts: usize, calls: usize) {
    let engine = Engine::start().expect("the machine runs WebAssembly");
    let begun = Instant::now();
    let component = Component::from_bytes(&engine, language, bytes).expect("it is a guest");
    let compiled = begun.elapsed();

    let memory = Limits::default().memory;
    let started = median(starts, || drop(start(&component, memory)));
    let (mut guest, reading) = (start(&component, memory), reading());
    let called = median(calls, || {
        let answer = guest.as_mut().map(|guest| guest.call(&reading));
        assert!(
            matches!(answer, Some(Answer::Done(_))),
            "{language}: {answer:?}"
        );
    });
    let pages = least(memory / PAGE, |pages| {
        let guest = start(&component, pages * PAGE);
        guest.is_some_and(|mut guest| {
            (0..calls).all(|_| matches!(guest.call(&reading), Answer::Done(_)))
        })
    });
    println!(
        "| {language} | {} | {} | {:.1} | {:.1} | {} |",
        bytes.len() >> 10,
        compiled.as_millis(),
        started.as_secs_f64() * 1e3,
        called.as_secs_f64() * 1e6,
        (pages * PAGE) >> 10,
    );
}

/// A guest after its first call, if it has succeeded with so much memory.
fn start(component: &Component, memory: usize) -> Option<Hosted> {
    let options = GuestOptions {
        limits: Limits {
            memory,
            ..Limits::default()
        },
        settings: SETTINGS.into(),
        ..GuestOptions::new("sensor")
    };
    let mut guest = Hosted::new(Guest::new(component, options));
    matches!(guest.call(&connection()), Answer::Done(_)).then_some(guest)
}

/// What the probe measures.
fn reading() -> Assignment {
    let mut assignment = message("probes/cellar", 0);
    if let Call::Message(message) = &mut assignment.call {
        message.payload = Payload::new(b"31.5");
    }
    assignment
}

fn median(rounds: usize, mut round: impl FnMut()) -> Duration {
    let mut times: Vec<Duration> = (0..rounds)
        .map(|_| {
            let begun = Instant::now();
            round();
            begun.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[rounds / 2]
}

/// The least number up to this one, which will do, that will do.
fn least(enough: usize, will_do: impl Fn(usize) -> bool) -> usize {
    let (mut low, mut high) = (0, enough);
    while low + 1 < high {
        let middle = low.midpoint(high);
        if will_do(middle) {
            high = middle;
        } else {
            low = middle;
        }
    }
    high
}
