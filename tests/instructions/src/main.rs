//! How many instructions does the processor execute for a letter and for a call
//! of a guest? And are they more than they were?
//!
//! Unlike time, that can be compared from one run to the next and from one
//! machine to another: Valgrind counts them. Each path is run twice, with few
//! rounds and with many, and the difference is what the rounds have cost
//! without the way to them. The counts are compared with those in
//! `accepted.toml`: more than a tenth above one of them is an error.
//!
//! `cargo run --release -p instructions`, and with `-- --accept` what was counted
//! becomes what later counts are compared with. It needs Valgrind (`sudo apt-get install valgrind`).

// It says so by panicking when it can not go on, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

use std::collections::BTreeMap;
use std::process::{Command, ExitCode};

use jackalope::office::{Answer, Payload, Qos};
use jackalope_tests::BURST;
use jackalope_tests::hosted::{ECHOED, Hosted, message, message_with, runtime};
use jackalope_tests::office::rounds;

/// A name, and what runs so many rounds of it.
type Path = (&'static str, fn(usize));

/// What is counted.
const PATHS: [Path; 3] = [
    ("guest-call", guest_call),
    ("guest-publish", guest_publish),
    ("post-send-ack", post_send_ack),
];

/// So many rounds warm everything up, and so many more are counted.
const WARM_UP: usize = 2_000;
const ROUNDS: usize = 20_000;

const FILE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/accepted.toml");

/// By how much a count may be above the one in the file, in percent.
const TOLERANCE: u64 = 10;

/// A message of 64 bytes, which the guest publishes again, and the outcome.
fn guest_call(rounds: usize) {
    let runtime = runtime();
    let _context = runtime.enter();
    let (mut guest, message) = (Hosted::start(), message(ECHOED, 64));
    for _ in 0..rounds {
        guest.echo(&message);
    }
}

/// A letter of 64 bytes that a guest publishes, one of 100 in a call.
fn guest_publish(rounds: usize) {
    const BURST_OF_100: &str = "count=100 window=100 qos=1 size=64";
    let runtime = runtime();
    let _context = runtime.enter();
    let mut guest = Hosted::of(BURST);
    let order = Payload::new(BURST_OF_100.as_bytes());
    let message = message_with("burst/start", order);
    for _ in 0..rounds.div_ceil(100) {
        let Answer::Done(effects) = guest.call(&message) else {
            panic!("it fails");
        };
        assert_eq!(effects.letters.len(), 100);
    }
}

/// A letter of QoS 1 with 64 bytes through the post office, while 1,000 others
/// wait there.
fn post_send_ack(rounds: usize) {
    rounds::post_send_ack(Qos::AtLeastOnce, rounds);
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [run, path, rounds] = &arguments[..]
        && run == "--run"
    {
        let (_, run) = PATHS.iter().find(|(name, _)| name == path).expect("a path");
        run(rounds.parse().expect("a number"));
        return ExitCode::SUCCESS;
    }
    let counts: BTreeMap<&str, u64> = PATHS.iter().map(|(path, _)| (*path, count(path))).collect();
    if arguments.iter().any(|argument| argument == "--accept") {
        accept(&counts);
        return ExitCode::SUCCESS;
    }
    compare(&counts)
}

/// Instructions for one round.
fn count(path: &str) -> u64 {
    let few = collected(path, WARM_UP);
    let many = collected(path, WARM_UP + ROUNDS);
    (many - few) / ROUNDS as u64
}

/// Instructions of a whole process that runs so many rounds.
fn collected(path: &str, rounds: usize) -> u64 {
    let program = std::env::current_exe().expect("it runs");
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(program)
        .args(["--run", path, &rounds.to_string()])
        .output()
        .expect("valgrind is installed (`sudo apt-get install valgrind`)");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{path}: {said}");
    let total = said.lines().find_map(|line| line.split_once("Collected :"));
    let (_, total) = total.expect("callgrind ends with the number it has collected");
    total.trim().parse().expect("a number")
}

fn accept(counts: &BTreeMap<&str, u64>) {
    let mut text =
        "# Instructions a round, as counted by `cargo run --release -p instructions -- --accept`.\n\
         # More than a tenth above is an error.\n"
            .to_owned();
    for (path, count) in counts {
        text += &format!("{path} = {count}\n");
    }
    std::fs::write(FILE, text).expect("it can be written");
}

fn compare(counts: &BTreeMap<&str, u64>) -> ExitCode {
    let text = std::fs::read_to_string(FILE).expect("it is there");
    let accepted: BTreeMap<String, u64> = toml::from_str(&text).expect("names and numbers");
    let mut code = ExitCode::SUCCESS;
    println!("| path | counted / accepted | instructions | accepted |");
    println!("| --- | --- | --- | --- |");
    for (path, count) in counts {
        let accepted = accepted.get(*path).expect("each path has a number");
        let ratio = *count as f64 / *accepted as f64;
        println!("| {path} | {ratio:.2} | {count} | {accepted} |");
        if count * 100 > accepted * (100 + TOLERANCE) {
            println!(
                "\n{path} takes {count} instructions, more than {TOLERANCE} % above the \
                 {accepted} of {FILE}. If that is worth it, accept it: \
                 cargo run --release -p instructions -- --accept\n"
            );
            code = ExitCode::FAILURE;
        }
    }
    code
}
