//! What can keep the work list on a disk, and how fast? How much is written, how large
//! are the files, how long does it take to open them, who notices damage, and what
//! happens when the disk is full?
//!
//! Each group of changes is made durable: so many letters are accepted in it, as many
//! earlier ones get their outcome, and as many outcomes were told, while 1,000 letters
//! or more wait. With `a change` each of the three is a group of its own, as it is when
//! letters are rare. A letter has 260 bytes. What is written is what the kernel counts
//! for this process (`write_bytes`): whole pages, without the file system's own. Files
//! lie below `target/`, which should be on the disk that is meant.
//!
//! `cargo bench -p jackalope-tests --bench store`; behind `--`, parts of names of stores
//! leave out the others. With `FULL_DISK=DIRECTORY`, where a small file system is
//! mounted, this one is filled as well.

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

mod stores;

use std::env;
use std::path::Path;
use std::process::{Command, abort};
use std::time::{Duration, Instant};

use jackalope_tests::{is_smoke, kernel_count};
use stores::{Flow, Kind, place, size, trouble};

/// A process with this variable opens a store in this directory, and no more.
const OPEN: &str = "STORE_BENCH_OPEN";

/// With this one as well it puts so many letters into it, and ends as if it was killed.
const FILL: &str = "STORE_BENCH_FILL";

fn main() {
    let name = env::args().skip(1).find(|name| !name.starts_with("--"));
    if let Some(directory) = env::var_os(OPEN) {
        let is_named = |kind: &Kind| name.as_deref() == Some(kind.name());
        let kind = Kind::ALL.into_iter().find(is_named);
        return child(kind.expect("it is named"), Path::new(&directory));
    }
    let is_asked_for = |kind: &Kind| name.as_ref().is_none_or(|it| kind.name().contains(it));
    let all: Vec<_> = Kind::ALL.into_iter().filter(is_asked_for).collect();
    groups(&all);
    let is_fast = |kind: &Kind| *kind != Kind::SqliteRollback;
    let fast: Vec<_> = all.iter().copied().filter(is_fast).collect();
    churn(&fast);
    opening(&fast);
    trouble::damage(&fast, if is_smoke() { 5 } else { 1_000 });
    if let Some(small) = env::var_os("FULL_DISK") {
        trouble::full(&fast, Path::new(&small));
    }
}

fn groups(kinds: &[Kind]) {
    // None: each change by itself.
    let (sizes, time): (&[Option<u64>], _) = if is_smoke() {
        (&[None, Some(16)], Duration::from_millis(1))
    } else {
        let sizes = &[None, Some(1), Some(16), Some(256), Some(4096)];
        (sizes, Duration::from_secs(2))
    };
    println!(
        "\n| letters a group | store | letters/s | written a letter, bytes | a commit: median, longest, ms |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for group in sizes {
        for kind in kinds {
            let place = place();
            let letters = group.unwrap_or(1);
            let mut flow = Flow::new(*kind, place.path(), letters);
            flow.begin();
            let before = written();
            let first = flow.next;
            let mut took = Vec::new();
            let mut sum = Duration::ZERO;
            while sum < time {
                for changes in flow.prepare(letters, group.is_none()) {
                    let begun = Instant::now();
                    flow.store.commit(&changes).expect("there is room");
                    took.push(begun.elapsed());
                    sum += begun.elapsed();
                }
            }
            let letters = (flow.next - first) as f64;
            // What is written behind our back belongs to it.
            drop(flow);
            took.sort_unstable();
            println!(
                "| {} | {} | {:.0} | {:.0} | {:.2}, {:.1} |",
                group.map_or("a change".to_owned(), |group| group.to_string()),
                kind.name(),
                letters / sum.as_secs_f64(),
                (written() - before) as f64 / letters,
                took[took.len() / 2].as_secs_f64() * 1e3,
                took[took.len() - 1].as_secs_f64() * 1e3,
            );
        }
    }
}

fn written() -> u64 {
    kernel_count("/proc/self/io", "write_bytes:")
}

/// As many letters as in some days go through.
fn churn(kinds: &[Kind]) {
    let letters = if is_smoke() { 5_000 } else { 3_000_000 };
    println!(
        "\n| {letters} letters, 256 a group | letters/s | files at most, MB | then, MB | open again, ms |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for kind in kinds {
        let place = place();
        let mut flow = Flow::new(*kind, place.path(), 256);
        let begun = Instant::now();
        let mut most = 0;
        while flow.next < letters {
            for changes in flow.prepare(256, false) {
                flow.store.commit(&changes).expect("there is room");
            }
            if flow.next.is_multiple_of(25_600) {
                most = most.max(size(place.path()));
            }
        }
        let took = begun.elapsed();
        let (waiting, untold) = (flow.waiting as usize, flow.untold as usize);
        drop(flow);
        let then = size(place.path());
        let begun = Instant::now();
        let mut store = kind.open(place.path()).expect("it opens");
        let kept = store.load().expect("it is as written");
        assert_eq!((kept.letters(), kept.outcomes()), (waiting, untold));
        println!(
            "| {} | {:.0} | {:.1} | {:.1} | {:.0} |",
            kind.name(),
            letters as f64 / took.as_secs_f64(),
            most as f64 / 1e6,
            then as f64 / 1e6,
            begun.elapsed().as_secs_f64() * 1e3
        );
    }
}

fn opening(kinds: &[Kind]) {
    let sizes: &[u64] = if is_smoke() {
        &[1_000]
    } else {
        &[100_000, 1_000_000]
    };
    println!(
        "\n| letters that wait | store | files, MB | after a kill, s | after a close, s | resident, MB | at most, MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- |");
    for letters in sizes {
        for kind in kinds {
            let place = place();
            run(*kind, place.path(), Some(*letters));
            let size = size(place.path()) as f64 / 1e6;
            let [killed, closed] = [(); 2].map(|()| {
                let text = run(*kind, place.path(), None);
                let numbers = text.split_whitespace().flat_map(str::parse::<u64>);
                let numbers: Vec<_> = numbers.collect();
                let [took, resident, most, found] = numbers[..] else {
                    panic!("{text}");
                };
                assert_eq!(found, *letters);
                (took as f64 / 1e3, resident / 1024, most / 1024)
            });
            println!(
                "| {letters} | {} | {size:.1} | {:.2} | {:.2} | {} | {} |",
                kind.name(),
                killed.0,
                closed.0,
                closed.1,
                closed.2.max(killed.2),
            );
        }
    }
}

/// Has a process of its own open a store. Returns what it says.
fn run(kind: Kind, directory: &Path, fill: Option<u64>) -> String {
    let me = env::current_exe().expect("it runs");
    let mut command = Command::new(me);
    command.arg(kind.name()).env(OPEN, directory);
    if let Some(letters) = fill {
        command.env(FILL, letters.to_string());
    }
    let output = command.output().expect("it starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        fill.is_some() || output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    said
}

fn child(kind: Kind, directory: &Path) {
    if let Ok(letters) = env::var(FILL) {
        let mut flow = Flow::new(kind, directory, 1);
        flow.fill(letters.parse().expect("it is a number"));
        abort();
    }
    let begun = Instant::now();
    let mut store = kind.open(directory).expect("it opens");
    let kept = store.load().expect("it is as written");
    let took = begun.elapsed().as_millis();
    let memory = |name| kernel_count("/proc/self/status", name);
    let letters = kept.letters();
    println!("{took} {} {} {letters}", memory("VmRSS:"), memory("VmHWM:"));
}
