//! The post office against the fake broker, in one thread and simulated time.
//!
//! A schedule of steps is made from a seed: guests publish, trap and dawdle,
//! set and cancel timers, lines break at any byte, the broker misbehaves, the clock
//! jumps. After every
//! input the post office is compared with a naive model; at the end everything
//! is healed and must come to rest with nothing lost. Half of the schedules speak
//! MQTT 5, to a broker whose terms change, and one in 20 goes through TLS.
//!
//! - `JACKALOPE_SIM_SCHEDULES=1000000` runs so many schedules.
//! - `JACKALOPE_SIM_START=…` is the seed of the first; they count up from there.
//! - `JACKALOPE_SIM_SEED=…` runs one schedule and shows what happens in it.

// A test that can not go on says so by panicking.
#![allow(clippy::panic, clippy::print_stderr)]

mod broker_log;
mod calls;
mod equals;
mod guests;
mod kinds;
mod messages;
mod model;
mod network;
mod packets;
mod run;
mod schedule;
mod shrink;
mod terms;
mod timers;
mod tls;
mod unwritten;

use std::time::Instant;

use jackalope_tests::schedules::{caught, run_all, variable};
use kinds::Kinds;
use schedule::Schedule;

/// How many schedules are run when nothing else is asked for.
const SCHEDULES: u64 = 10_000;

/// How many lines of a trace are shown.
const LINES: usize = 150;

#[test]
fn schedules_hold() {
    hold(Schedule::generate, SCHEDULES);
}

#[test]
fn guests_are_equals() {
    hold(equals::generate, SCHEDULES / 20);
}

fn hold(generate: fn(u64) -> Schedule, usual: u64) {
    if let Some(seed) = variable("JACKALOPE_SIM_SEED") {
        return check(generate, seed);
    }
    let count = variable("JACKALOPE_SIM_SCHEDULES").unwrap_or(usual);
    let start = variable("JACKALOPE_SIM_START").unwrap_or(0);
    let kinds = Kinds::default();
    let begun = Instant::now();
    let ran = run_all(count, |number, (): &mut ()| {
        if number > 0 && number % 100_000 == 0 {
            eprintln!("{number} schedules in {} s", begun.elapsed().as_secs());
        }
        let schedule = generate(start + number);
        kinds.count(&schedule);
        run_caught(&schedule, None)
    });
    if let Err((number, reason)) = ran {
        fail(generate, start + number, reason);
    }
    eprintln!(
        "{count} schedules in {} s: {kinds}",
        begun.elapsed().as_secs()
    );
    assert!(count < SCHEDULES || kinds.are_all_there(), "{kinds}");
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..100 {
        let (mut first, mut second) = (Vec::new(), Vec::new());
        let schedule = Schedule::generate(seed);
        let results = (
            run_caught(&schedule, Some(&mut first)),
            run_caught(&schedule, Some(&mut second)),
        );
        assert_eq!(results.0, results.1, "seed {seed}");
        assert!(!first.is_empty(), "seed {seed} leaves no trace");
        assert_eq!(first, second, "seed {seed}");
    }
}

#[track_caller]
fn check(generate: fn(u64) -> Schedule, seed: u64) {
    let schedule = generate(seed);
    if let Err(reason) = run_caught(&schedule, None) {
        fail(generate, seed, reason);
    }
    let mut trace = Vec::new();
    let _ = run_caught(&schedule, Some(&mut trace));
    eprintln!("{}", trace.join("\n"));
}

/// Shows a schedule that fails, made shorter, and how to see it again.
#[track_caller]
fn fail(generate: fn(u64) -> Schedule, seed: u64, reason: String) -> ! {
    let (schedule, shorter_reason) = shrink::shrink(generate(seed), reason.clone());
    let mut trace = Vec::new();
    let _ = run_caught(&schedule, Some(&mut trace));
    let cut = trace.len().saturating_sub(LINES);
    let steps: Vec<_> = schedule
        .steps
        .iter()
        .map(|step| format!("{step:?}"))
        .collect();
    panic!(
        "seed {seed}: {reason}\n\n{shorter_reason}, after\n{}\n{:?}\n\n{}\n\n\
         again: JACKALOPE_SIM_SEED={seed} cargo test -p jackalope-tests --test simulation",
        trace[cut..].join("\n"),
        schedule.setup,
        steps.join("\n"),
    );
}

/// Runs a schedule; a panic is a failure like any other.
fn run_caught(schedule: &Schedule, trace: Option<&mut Vec<String>>) -> Result<(), String> {
    caught(|| run::run(schedule, trace)).flatten()
}
