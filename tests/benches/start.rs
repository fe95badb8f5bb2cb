//! How long does a gateway take from exec to CONNACK, how much memory has it
//! resident when idle, how often does it wake up then, how large is it?
//!
//! The broker is this process: it accepts one connection and answers CONNECT,
//! SUBSCRIBE and nothing else. `cargo bench -p jackalope-tests --bench start`

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

use std::fmt::Write as _;
use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use jackalope_tests::{command, is_smoke, kernel_count};
use tempfile::TempDir;

const GATEWAY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const CONNACK: [u8; 4] = [0x20, 2, 0, 0];

/// PUBLISH of QoS 0 to `doors/front/request`: a request that the door rejects.
const REQUEST: &[u8] = b"\x30\x16\x00\x13doors/front/requestx";

/// A gateway that is connected.
struct Gateway {
    child: Child,
    stream: TcpStream,
    /// From before exec until CONNACK was written.
    took: Duration,
    _directory: TempDir,
}

impl Gateway {
    /// Starts one with so many copies of the example guest.
    fn start(guests: usize, cache: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let mut config = format!(
            "server = \"127.0.0.1:{port}\"\nversion = \"3.1.1\"\nkeep-alive = \"0s\"\ncache-directory = {cache:?}\n"
        );
        for number in 0..guests {
            let filter = "doors/+/request";
            write!(
                config,
                "[[guest]]\nname = \"door-{number}\"\ncomponent = \"example:door\"\n\
                 subscriptions = [{filter:?}]\n"
            )
            .expect("a text takes all");
        }
        let directory = TempDir::new().expect("there is a place for it");
        let path = directory.path().join("jackalope.toml");
        fs::write(&path, config).expect("it can be written");
        let mut command = command(GATEWAY);
        command.arg("run").arg("--config").arg(path);
        let begun = Instant::now();
        let child = command.stderr(Stdio::null()).spawn().expect("it was built");
        let (mut stream, _) = listener.accept().expect("it connects");
        let connect = read(&mut stream);
        assert_eq!(connect.first(), Some(&0x10), "it is CONNECT");
        stream.write_all(&CONNACK).expect("it reads");
        Self {
            child,
            stream,
            took: begun.elapsed(),
            _directory: directory,
        }
    }

    /// Has every guest called, and waits until nothing happens any more.
    fn wait_idle(&mut self, guests: usize) {
        if guests > 0 {
            let subscribe = read(&mut self.stream);
            assert_eq!(subscribe.first(), Some(&0x82), "it is SUBSCRIBE");
            let suback = [0x90, 3, subscribe[2], subscribe[3], 1];
            self.stream.write_all(&suback).expect("it reads");
            self.stream.write_all(REQUEST).expect("it reads");
        }
        let mut last = 0;
        loop {
            #[expect(clippy::disallowed_methods, reason = "what it waits for shows nowhere")]
            thread::sleep(Duration::from_millis(300));
            let now = self.wake_ups();
            if now == last {
                return;
            }
            last = now;
        }
    }

    /// How often any of its threads has gone to sleep so far.
    fn wake_ups(&self) -> u64 {
        let tasks = fs::read_dir(format!("/proc/{}/task", self.child.id()));
        let tasks = tasks.expect("it runs").flatten();
        tasks
            .map(|task| kernel_count(task.path().join("status"), "voluntary_ctxt_switches:"))
            .sum()
    }

    /// Of its memory, in KiB, what the kernel counts under this name.
    fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/smaps_rollup", self.child.id());
        kernel_count(path, name)
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What has arrived; packets as small as these do so as a whole.
fn read(stream: &mut TcpStream) -> Vec<u8> {
    let mut chunk = [0; 4096];
    let read = stream.read(&mut chunk).expect("it goes on");
    assert!(read > 0, "it hangs up");
    chunk[..read].to_vec()
}

fn place() -> TempDir {
    TempDir::new().expect("there is a place for it")
}

/// The median of so many starts, in milliseconds.
fn milliseconds(runs: usize, start: impl Fn() -> Gateway) -> f64 {
    let mut took: Vec<_> = (0..runs).map(|_| start().took).collect();
    took.sort_unstable();
    took[runs / 2].as_secs_f64() * 1e3
}

fn main() {
    // A smoke run shows that it still works.
    let runs = if is_smoke() { 1 } else { 21 };

    let warm = place();
    drop(Gateway::start(1, warm.path()));
    let cached = milliseconds(runs, || Gateway::start(1, warm.path()));
    let fresh = milliseconds(runs, || Gateway::start(1, place().path()));
    let without = milliseconds(runs, || Gateway::start(0, warm.path()));
    println!("| exec to CONNACK | fresh / cached | cached, ms | fresh, ms | no guest, ms |");
    println!("| --- | --- | --- | --- | --- |");
    println!(
        "| example guest | {:.1} | {cached:.1} | {fresh:.1} | {without:.1} |",
        fresh / cached
    );

    println!();
    println!(
        "| idle, guests | KiB a further guest | resident, KiB | of it private and written, KiB \
         | resident after compiling, KiB | wake-ups in {IDLE:?} |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    let mut first = None;
    for guests in [1, 10, 100] {
        let mut compiled = Gateway::start(guests, place().path());
        compiled.wait_idle(guests);
        let compiled = compiled.memory("Rss:");
        let mut gateway = Gateway::start(guests, warm.path());
        gateway.wait_idle(guests);
        let resident = gateway.memory("Rss:");
        let written = gateway.memory("Private_Dirty:");
        let before = gateway.wake_ups();
        #[expect(
            clippy::disallowed_methods,
            reason = "the time in which nothing happens is what is measured"
        )]
        thread::sleep(IDLE);
        let wake_ups = gateway.wake_ups() - before;
        let first = *first.get_or_insert(resident);
        let further = match guests {
            1 => "-".to_owned(),
            _ => format!(
                "{:.0}",
                resident.saturating_sub(first) as f64 / (guests - 1) as f64
            ),
        };
        println!("| {guests} | {further} | {resident} | {written} | {compiled} | {wake_ups} |");
    }

    let bytes = fs::metadata(GATEWAY).expect("it was built").len();
    println!();
    println!("| binary, stripped | {:.1} MB |", bytes as f64 / 1e6);
    println!("| --- | --- |");
}

/// For how long it is watched doing nothing.
const IDLE: Duration = Duration::from_secs(5);
