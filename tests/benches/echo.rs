//! How fast is the echo through the guest, beside the same echo written with
//! rumqttc's `AsyncClient` and no wasm?
//!
//! Both run as processes of their own against the same sink: a broker of one
//! connection that knows nothing but what this takes, so that it is not what is
//! measured. `cargo bench -p jackalope-tests --bench echo`

// A benchmark that can not go on says so by panicking, and prints its results.
#![allow(clippy::panic, clippy::print_stdout)]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use jackalope_tests::ECHO;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, PubAck, PubComp, PubRec, PubRel, Publish, SubAck,
    SubscribeReasonCode,
};
use rumqttc::mqttbytes::{Error, QoS};

const GATEWAY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");
const PLAIN: &str = env!("CARGO_BIN_EXE_plain-echo");

/// How many messages of ours are on their way at most.
const WINDOW: usize = 1_000;

/// A contender, connected and subscribed.
struct Echo {
    child: Child,
    stream: TcpStream,
    rest: BytesMut,
    _directory: tempfile::TempDir,
}

/// What one run has shown.
struct Run {
    per_second: f64,
    /// Processor time of the contender for one message, in microseconds.
    cpu: f64,
}

impl Echo {
    fn start(is_gateway: bool) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
        let port = listener.local_addr().expect("it is bound").port();
        let directory = tempfile::TempDir::new().expect("there is a place for it");
        let mut command = if is_gateway {
            let config = directory.path().join("jackalope.toml");
            let text = format!(
                "server = \"127.0.0.1:{port}\"\nwork-list = {{ max = 100000 }}\n[[guest]]\n\
                 component = {ECHO:?}\nsubscriptions = [{{ filter = \"echo/in/+\", qos = 2 }}]"
            );
            std::fs::write(&config, text).expect("it can be written");
            let mut command = Command::new(GATEWAY);
            command.arg("run").arg("--config").arg(config);
            command
        } else {
            let mut command = Command::new(PLAIN);
            command.arg(port.to_string());
            command
        };
        let child = command.stderr(Stdio::null()).spawn().expect("it was built");
        let (mut stream, _) = listener.accept().expect("it connects");
        stream.set_nodelay(true).expect("it is a TCP stream");
        let mut rest = BytesMut::new();
        let mut has_subscribed = false;
        while !has_subscribed {
            let answer = match next_packet(&mut stream, &mut rest) {
                Packet::Connect(_) => {
                    Packet::ConnAck(ConnAck::new(ConnectReturnCode::Success, false))
                }
                Packet::Subscribe(subscribe) => {
                    has_subscribed = true;
                    let granted = SubscribeReasonCode::Success(QoS::ExactlyOnce);
                    let codes = vec![granted; subscribe.filters.len()];
                    Packet::SubAck(SubAck::new(subscribe.pkid, codes))
                }
                other => panic!("{other:?} before SUBSCRIBE"),
            };
            stream.write_all(&encode(&answer)).expect("it reads");
        }
        Self {
            child,
            stream,
            rest,
            _directory: directory,
        }
    }

    /// Sends so many messages as fast as they are echoed.
    fn throughput(&mut self, qos: QoS, messages: usize, payload: usize) -> Run {
        let progress = Arc::new((Mutex::new(0_usize), Condvar::new()));
        let writer = Arc::new(Mutex::new(self.stream.try_clone().expect("it is open")));
        let cpu_before = self.cpu_seconds();
        let begun = Instant::now();
        let sender = {
            let (progress, writer) = (progress.clone(), writer.clone());
            thread::spawn(move || send(qos, messages, payload, &progress, &writer))
        };
        let mut echoed = 0;
        let mut answers = BytesMut::new();
        let mut chunk = vec![0; 256 << 10];
        while echoed < messages {
            let read = self.stream.read(&mut chunk).expect("it goes on");
            assert!(read > 0, "it hangs up after {echoed} of {messages}");
            self.rest.extend_from_slice(&chunk[..read]);
            while let Some(packet) = decode(&mut self.rest) {
                match packet {
                    Packet::Publish(publish) => {
                        echoed += 1;
                        match publish.qos {
                            QoS::AtMostOnce => {}
                            QoS::AtLeastOnce => {
                                append(&Packet::PubAck(PubAck::new(publish.pkid)), &mut answers);
                            }
                            QoS::ExactlyOnce => {
                                append(&Packet::PubRec(PubRec::new(publish.pkid)), &mut answers);
                            }
                        }
                    }
                    Packet::PubRel(it) => {
                        append(&Packet::PubComp(PubComp::new(it.pkid)), &mut answers);
                    }
                    Packet::PubRec(it) => {
                        append(&Packet::PubRel(PubRel::new(it.pkid)), &mut answers);
                    }
                    _ => {}
                }
            }
            if !answers.is_empty() {
                writer
                    .lock()
                    .expect("no panic")
                    .write_all(&answers)
                    .expect("it reads");
                answers.clear();
            }
            *progress.0.lock().expect("no panic") = echoed;
            progress.1.notify_one();
        }
        let took = begun.elapsed().as_secs_f64();
        sender.join().expect("it sends all");
        let cpu = (self.cpu_seconds() - cpu_before) * 1e6 / messages as f64;
        Run {
            per_second: messages as f64 / took,
            cpu,
        }
    }

    /// Round trips of messages sent at a steady rate, sorted.
    fn latencies(&mut self, messages: usize, pause: Duration) -> Vec<Duration> {
        let mut took = Vec::new();
        let mut next = Instant::now();
        for _ in 0..messages {
            thread::sleep(next.saturating_duration_since(Instant::now()));
            next += pause;
            let begun = Instant::now();
            self.stream
                .write_all(&publish(QoS::AtMostOnce, 0, 64))
                .expect("it reads");
            while !matches!(
                next_packet(&mut self.stream, &mut self.rest),
                Packet::Publish(_)
            ) {}
            took.push(begun.elapsed());
        }
        took.sort_unstable();
        took
    }

    /// User and system time so far.
    fn cpu_seconds(&self) -> f64 {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.expect("it runs");
        let fields: Vec<_> = stat
            .rsplit(')')
            .next()
            .expect("a name")
            .split_whitespace()
            .collect();
        let ticks: f64 = [11, 12]
            .iter()
            .map(|at| fields[*at].parse().unwrap_or(0.0))
            .sum();
        ticks / 100.0
    }
}

impl Drop for Echo {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn send(
    qos: QoS,
    messages: usize,
    payload: usize,
    progress: &(Mutex<usize>, Condvar),
    writer: &Mutex<TcpStream>,
) {
    let mut sent = 0;
    while sent < messages {
        let mut echoed = progress.0.lock().expect("no panic");
        while sent - *echoed > WINDOW - 64 {
            echoed = progress.1.wait(echoed).expect("no panic");
        }
        let room = (WINDOW - (sent - *echoed)).min(messages - sent).min(256);
        drop(echoed);
        let mut batch = BytesMut::new();
        for number in sent..sent + room {
            batch.extend_from_slice(&publish(qos, (number % 60_000) as u16 + 1, payload));
        }
        sent += room;
        writer
            .lock()
            .expect("no panic")
            .write_all(&batch)
            .expect("it reads");
    }
}

fn publish(qos: QoS, id: u16, payload: usize) -> BytesMut {
    let mut publish = Publish::new("echo/in/bench", qos, vec![b'x'; payload]);
    publish.pkid = if qos == QoS::AtMostOnce { 0 } else { id };
    encode(&Packet::Publish(publish))
}

fn encode(packet: &Packet) -> BytesMut {
    let mut bytes = BytesMut::new();
    append(packet, &mut bytes);
    bytes
}

fn append(packet: &Packet, bytes: &mut BytesMut) {
    packet.write(bytes, usize::MAX).expect("it is valid");
}

fn decode(bytes: &mut BytesMut) -> Option<Packet> {
    match Packet::read(bytes, 1 << 20) {
        Ok(packet) => Some(packet),
        Err(Error::InsufficientBytes(_)) => None,
        Err(error) => panic!("{error}"),
    }
}

fn next_packet(stream: &mut TcpStream, rest: &mut BytesMut) -> Packet {
    loop {
        if let Some(packet) = decode(rest) {
            return packet;
        }
        let mut chunk = [0; 4096];
        let read = stream.read(&mut chunk).expect("it goes on");
        assert!(read > 0, "it hangs up");
        rest.extend_from_slice(&chunk[..read]);
    }
}

/// The middle one of an odd number of runs.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() {
    // A smoke run shows that it still works.
    let is_smoke = std::env::args().any(|argument| argument == "--test");
    let (rounds, messages) = if is_smoke { (1, 2_000) } else { (5, 200_000) };
    println!(
        "| echo | guest / plain | guest, messages/s | plain, messages/s | guest, CPU µs | plain, CPU µs |"
    );
    println!("| --- | --- | --- | --- | --- | --- |");
    for (name, qos, payload, messages) in [
        ("QoS 0, 64 B", QoS::AtMostOnce, 64, messages),
        ("QoS 1, 64 B", QoS::AtLeastOnce, 64, messages / 2),
        ("QoS 2, 64 B", QoS::ExactlyOnce, 64, messages / 10),
        ("QoS 0, 4 KiB", QoS::AtMostOnce, 4096, messages / 4),
        ("QoS 1, 4 KiB", QoS::AtLeastOnce, 4096, messages / 4),
    ] {
        let mut runs = [Vec::new(), Vec::new()];
        for _ in 0..rounds {
            for (which, runs) in runs.iter_mut().enumerate() {
                let mut echo = Echo::start(which == 0);
                echo.throughput(qos, messages / 10, payload);
                runs.push(echo.throughput(qos, messages, payload));
            }
        }
        let [guest, plain] = runs;
        let ratios = guest
            .iter()
            .zip(&plain)
            .map(|(guest, plain)| guest.per_second / plain.per_second);
        let ratio = median(ratios.collect());
        let of = |runs: &[Run], what: fn(&Run) -> f64| median(runs.iter().map(what).collect());
        println!(
            "| {name} | {ratio:.2} | {:.0} | {:.0} | {:.2} | {:.2} |",
            of(&guest, |run| run.per_second),
            of(&plain, |run| run.per_second),
            of(&guest, |run| run.cpu),
            of(&plain, |run| run.cpu),
        );
    }
    println!();
    println!("| latency at 200 messages/s | p50 µs | p99 µs | worst µs |");
    println!("| --- | --- | --- | --- |");
    let messages = if is_smoke { 50 } else { 4_000 };
    for (which, name) in [(true, "guest"), (false, "plain")] {
        let mut echo = Echo::start(which);
        echo.latencies(20, Duration::from_millis(5));
        let took = echo.latencies(messages, Duration::from_millis(5));
        let at = |part: f64| took[((took.len() - 1) as f64 * part) as usize].as_micros();
        println!("| {name} | {} | {} | {} |", at(0.5), at(0.99), at(1.0));
    }
}
