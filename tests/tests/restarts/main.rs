//! The post office and what it keeps, over restarts of the gateway and of the machine,
//! in one thread and simulated time.
//!
//! A schedule of steps is made from a seed: guests publish, write down, set timers and
//! fail; they come and go and are replaced; the network and the store fail; the wall clock
//! is wrong; and at any moment the gateway is killed, the power is cut, or the gateway
//! stops in good order. What was durable is known to a naive model, and compared with what
//! the next life of the gateway takes up; at the end everything is healed and must come to
//! rest with nothing lost.
//!
//! In most schedules a naive model of a store keeps what is to be kept. In a third of them
//! the store itself does, on a disk in memory: it fails at any operation, `kill -9` stops it
//! between two of them, and a power cut leaves of what was not synced what a disk may leave.
//!
//! - `JACKALOPE_SIM_SCHEDULES=1000000` runs so many schedules.
//! - `JACKALOPE_SIM_START=…` is the seed of the first; they count up from there.
//! - `JACKALOPE_SIM_SEED=…` runs one schedule and shows what happens in it.

// A test that can not go on says so by panicking.
#![allow(clippy::panic, clippy::print_stderr)]

mod broker;
mod clocks;
mod facts;
mod run;
mod schedule;

use std::collections::BTreeMap;
use std::panic::{set_hook, take_hook};

use jackalope_tests::schedules::{self, caught, run_all, variable};
use run::Run;
use schedule::{Schedule, Step};

/// How many schedules are run when nothing else is asked for.
const SCHEDULES: u64 = 2_000;

/// How often a schedule is run to make it shorter.
const ATTEMPTS: u32 = 2_000;

/// How many lines of a trace are shown.
const LINES: usize = 120;

/// What has been seen how often.
type Seen = BTreeMap<&'static str, u64>;

/// What has to be seen, or the schedules show nothing.
const KINDS: [&str; 48] = [
    "killed",
    "group lost",
    "group durable at the last moment",
    "two groups under way",
    "three or four groups under way",
    "one group of two durable at the last moment",
    "stopped in good order",
    "rebooted",
    "store failed",
    "group durable in spite of the error",
    "letter not accepted while the store fails",
    "letter sent in another life",
    "letter sent in another boot",
    "letter in the place of another in another life",
    "letter held",
    "letter sent that was held",
    "letter expired over a restart",
    "outcome told in another life",
    "timer told in another life",
    "timer late until the clock is trusted",
    "message known from another life",
    "guest gone whose letters go out",
    "store on a disk failed",
    "group found on the disk",
    "group lost on the disk",
    "died while it read",
    "reloaded",
    "guest added",
    "guest replaced",
    "guest removed",
    "guest removed at a call",
    "guest removed that has letters",
    "guest back while its letters go out",
    "guest back by a reload",
    "guest back by a reload that was gone at the start",
    "guest back while its last call goes on",
    "last call of a guest that is gone",
    "last call of a guest that is gone has failed",
    "outcome kept for a guest that is gone",
    "outcome told that was kept for a guest that was gone",
    "outcome told in another life that was kept for a guest that was gone",
    "timer told after its guest was gone",
    "state found after its guest was gone",
    "guest dropped by a reload",
    "guest dropped by a reload that was gone before",
    "guest dropped at a start",
    "letter dropped with its guest",
    "outcome that nobody will hear",
];

#[test]
fn what_was_durable_goes_on_and_nothing_else() {
    if let Some(seed) = variable("JACKALOPE_SIM_SEED") {
        let schedule = Schedule::generate(seed);
        let mut trace = Vec::new();
        match run_caught(&schedule, Some(&mut trace)) {
            Ok(_) => return eprintln!("{}", trace.join("\n")),
            Err(reason) => fail(seed, &reason),
        }
    }
    let count = variable("JACKALOPE_SIM_SCHEDULES").unwrap_or(SCHEDULES);
    let start = variable("JACKALOPE_SIM_START").unwrap_or(0);
    let ran = run_all(count, |number, seen| {
        add(seen, run_caught(&Schedule::generate(start + number), None)?);
        Ok(())
    });
    let mut seen = Seen::new();
    match ran {
        Ok(all) => all.into_iter().for_each(|new| add(&mut seen, new)),
        Err((number, reason)) => fail(start + number, &reason),
    }
    eprintln!("{count} schedules: {seen:?}");
    let missing = KINDS.iter().find(|kind| !seen.contains_key(*kind));
    assert!(count < SCHEDULES || missing.is_none(), "never: {missing:?}");
}

fn add(all: &mut Seen, new: Seen) {
    for (kind, count) in new {
        *all.entry(kind).or_default() += count;
    }
}

#[test]
fn the_same_seed_does_the_same() {
    for seed in 0..20 {
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

/// Shows a schedule that fails, made shorter, and how to see it again.
#[track_caller]
fn fail(seed: u64, reason: &str) -> ! {
    // Each try that fails would say so.
    let hook = take_hook();
    set_hook(Box::new(|_| {}));
    let (schedule, shorter_reason) = shrink(Schedule::generate(seed), reason.to_owned());
    let mut trace = Vec::new();
    let _ = run_caught(&schedule, Some(&mut trace));
    set_hook(hook);
    let cut = trace.len().saturating_sub(LINES);
    panic!(
        "seed {seed}: {reason}\n\n{shorter_reason}, after\n{}\n{:?}\n\n\
         again: JACKALOPE_SIM_SEED={seed} cargo test -p jackalope-tests --test restarts",
        trace[cut..].join("\n"),
        schedule.setup,
    );
}

/// The shortest schedule found that fails, whatever the reason, and the reason.
fn shrink(Schedule { setup, steps }: Schedule, reason: String) -> (Schedule, String) {
    let run = |steps: &[Step]| {
        let steps = steps.to_vec();
        run_caught(&Schedule { setup, steps }, None).map(drop)
    };
    let (steps, reason) = schedules::shrink(steps, reason, ATTEMPTS, run);
    (Schedule { setup, steps }, reason)
}

/// Runs a schedule; a panic is a failure like any other.
fn run_caught(schedule: &Schedule, trace: Option<&mut Vec<String>>) -> Result<Seen, String> {
    caught(|| Run::new(schedule.setup, trace).run(&schedule.steps))
}
