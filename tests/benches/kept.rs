//! How long does a gateway with a million letters on its disk take until it says how it
//! is, how much memory has it resident then, and how fast does it answer?
//!
//! The letters have payloads of 200 bytes and wait for a broker that is not there. From
//! exec to the answer to `GET /status` on the control socket; then ten more of these.
//! `cargo bench -p jackalope-tests --bench kept`; the directory is where temporary
//! files are, which should be on the disk that is meant.

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jackalope::office::{Change, KeptLetter, Letter, Payload, Priority, Qos, Ticket};
use jackalope::store::{BootId, Disk, Group, Moment, Store, Trust};
use jackalope::{clock, office};
use jackalope_tests::{command, is_smoke, kernel_count};
use tempfile::TempDir;

const GATEWAY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn main() {
    println!(
        "| letters | exec to status, ms | resident, MB | at most, MB | a status, ms | files, MB |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let all: &[u64] = if is_smoke() {
        &[1_000]
    } else {
        &[0, 100_000, 1_000_000]
    };
    for letters in all {
        measure(*letters);
    }
}

fn measure(letters: u64) {
    let place = TempDir::new().expect("there is a place for it");
    let (kept, socket) = (place.path().join("letters"), place.path().join("socket"));
    fill(&kept, letters);
    let config = place.path().join("jackalope.toml");
    fs::write(
        &config,
        format!(
            "server = \"127.0.0.1:1\"\ncontrol-socket = {socket:?}\n\
             [work-list]\nmax = 1000000\nstore = \"disk\"\ndirectory = {kept:?}\n"
        ),
    )
    .expect("it can be written");
    let mut command = command(GATEWAY);
    command.arg("run").arg("--config").arg(config);
    let begun = Instant::now();
    let gateway = command.stderr(Stdio::null()).spawn().expect("it was built");
    let mut gateway = Killed(gateway);
    let status = loop {
        match ask(&socket) {
            Some(status) => break status,
            None if gateway.0.try_wait().is_ok_and(|ended| ended.is_none()) => {
                #[expect(clippy::disallowed_methods, reason = "the socket is not there yet")]
                thread::sleep(Duration::from_millis(1));
            }
            None => panic!("the gateway has ended"),
        }
    };
    let took = begun.elapsed();
    assert!(
        status.contains(&format!("\"letters\":{letters},")),
        "{status}"
    );
    let begun = Instant::now();
    for _ in 0..10 {
        ask(&socket).expect("it runs");
    }
    let answer = begun.elapsed() / 10;
    let memory = |name: &str| {
        let path = format!("/proc/{}/status", gateway.0.id());
        kernel_count(path, name) * 1024 / 1_000_000
    };
    let files = fs::read_dir(kept.join("log"))
        .expect("it is there")
        .flatten();
    let files: u64 = files
        .map(|file| file.metadata().map_or(0, |it| it.len()))
        .sum();
    println!(
        "| {letters} | {} | {} | {} | {:.2} | {} |",
        took.as_millis(),
        memory("VmRSS:"),
        memory("VmHWM:"),
        answer.as_secs_f64() * 1e3,
        files / 1_000_000,
    );
}

/// Puts so many letters into a directory.
fn fill(directory: &Path, letters: u64) {
    let mut disk = Disk::open(directory, 1).expect("it can be made");
    let number = disk.load().expect("it is empty").number;
    let moment = Moment {
        boot: clock::boot_id().unwrap_or_else(|_| BootId::default()),
        running: clock::now(),
        wall: office::Time::default().as_millis(),
        trust: Trust::Never,
    };
    let tickets: Vec<u64> = (1..=letters).collect();
    for (group, tickets) in (number + 1..).zip(tickets.chunks(4_096)) {
        let changes = tickets.iter().map(|ticket| {
            Change::Accepted(KeptLetter {
                guest: "(control)".into(),
                posted: moment.running,
                place: None,
                letter: letter(*ticket),
            })
        });
        let group = Group {
            number: group,
            moment,
            changes: changes.collect(),
        };
        disk.commit(&group).expect("there is room");
    }
}

fn letter(ticket: u64) -> Letter {
    Letter {
        ticket: Ticket(ticket),
        topic: format!("site/{}/state", ticket % 1_000).into(),
        payload: Payload::new([7; 200]),
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl: Duration::from_secs(86_400),
        when_off: None,
        priority: Priority::default(),
        replace_key: None,
        tag: None,
        properties: None,
    }
}

/// The answer to a question after the status, if there is one.
fn ask(socket: &Path) -> Option<String> {
    let mut stream = UnixStream::connect(socket).ok()?;
    let question = b"GET /status HTTP/1.1\r\nhost: jackalope\r\nconnection: close\r\n\r\n";
    stream.write_all(question).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    (!answer.is_empty()).then_some(answer)
}

struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
