//! How fast is the post office alone, and how much memory does a letter take?
//!
//! `cargo bench -p jackalope-tests --bench office`

// A benchmark prints its results.
#![allow(clippy::print_stdout)]

use std::cell::RefCell;
use std::collections::VecDeque;
use std::fs;
use std::time::Duration;

use divan::Bencher;
use jackalope::office::Qos;
use jackalope_tests::office::TestOffice;
use jackalope_tests::office::rounds::{GUEST, OTHER, PAYLOAD, TOPIC, shuffled};

const QOS: [Qos; 3] = [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce];

/// How many letters wait.
const WAITING: [usize; 3] = [1_000, 100_000, 1_000_000];

const HOUR: Duration = Duration::from_hours(1);

fn main() {
    memory();
    divan::main();
}

/// A letter is posted, sent and acknowledged and its outcome told, while letters
/// of another guest wait for a window of their quality of service.
#[divan::bench(args = pairs(), sample_count = 100, sample_size = 1_000)]
fn post_send_ack(bencher: Bencher, (qos, waiting): (Qos, usize)) {
    let mut test = TestOffice::measured(2);
    let other_qos = if qos == Qos::ExactlyOnce {
        Qos::AtLeastOnce
    } else {
        Qos::ExactlyOnce
    };
    test.wait(OTHER, other_qos, waiting);
    let test = RefCell::new(test);
    let mut n = 0;
    bencher
        .with_inputs(|| {
            n += 1;
            let ttl = HOUR + Duration::from_millis(shuffled(n, waiting));
            test.borrow_mut().measured_letter(qos, ttl)
        })
        .bench_local_values(|letter| test.borrow_mut().post_send_ack(letter));
}

/// The same where the letter joins the end of the queue: it is posted, and the
/// one at the front is sent; of those that are on their way, the first is
/// acknowledged and its outcome told.
#[divan::bench(args = pairs(), sample_count = 100, sample_size = 1_000)]
fn queue(bencher: Bencher, (qos, waiting): (Qos, usize)) {
    let mut test = TestOffice::measured(1);
    let mut ids = VecDeque::from(test.wait(GUEST, qos, waiting));
    let mut n = 0;
    let test = RefCell::new(test);
    bencher
        .with_inputs(|| {
            n += 1;
            let ttl = HOUR + Duration::from_millis(shuffled(n, waiting));
            test.borrow_mut().measured_letter(qos, ttl)
        })
        .bench_local_values(|letter| {
            let mut test = test.borrow_mut();
            test.post_letter(GUEST, letter);
            if let Some(id) = ids.pop_front() {
                test.acknowledge(qos, Some(id));
            }
            ids.extend(test.next_id());
            test.take_outcome();
            test.take_notices();
        });
}

/// One of many letters expires, and its guest hears of it; another one is
/// posted, which is not measured.
#[divan::bench(args = WAITING, sample_count = 1_000, sample_size = 100)]
fn expire(bencher: Bencher, waiting: usize) {
    let mut test = TestOffice::measured(1);
    test.wait(GUEST, Qos::AtMostOnce, waiting);
    let mut posted = waiting;
    let begun = test.now;
    let test = RefCell::new(test);
    bencher
        .with_inputs(|| {
            // As many letters as wait have deadlines in each stretch of time
            // that is as many milliseconds long.
            let mut test = test.borrow_mut();
            let (stretch, n) = (posted / waiting, posted % waiting);
            let after = (stretch * waiting) as u64 + shuffled(n, waiting);
            let ttl = (begun + HOUR + Duration::from_millis(after)).since(test.now);
            let letter = test.measured_letter(Qos::AtMostOnce, ttl);
            test.post_letter(GUEST, letter);
            test.take_notices();
            posted += 1;
        })
        .bench_local_values(|()| test.borrow_mut().expire_next());
}

/// A message comes in, its guest is called and answers with a letter, which is
/// sent and acknowledged; the guest is called with its outcome.
#[divan::bench(args = [
    (Qos::AtMostOnce, 1), (Qos::AtMostOnce, 100),
    (Qos::AtLeastOnce, 1), (Qos::AtLeastOnce, 100),
    (Qos::ExactlyOnce, 1), (Qos::ExactlyOnce, 100),
], sample_count = 100, sample_size = 1_000)]
fn echo(bencher: Bencher, (qos, guests): (Qos, u16)) {
    let test = RefCell::new(TestOffice::measured(guests));
    bencher
        .with_inputs(|| {
            let mut test = test.borrow_mut();
            (test.message(qos), test.measured_letter(qos, HOUR))
        })
        .bench_local_values(|(message, letter)| test.borrow_mut().echo(message, letter));
}

/// A timer is due and its guest is called, while others wait.
#[divan::bench(args = [100, 100_000], sample_count = 100, sample_size = 1_000)]
fn timer(bencher: Bencher, waiting: usize) {
    let test = RefCell::new(TestOffice::with_timers(waiting));
    bencher.bench_local(|| test.borrow_mut().next_timer());
}

/// What a letter takes of the machine's memory beside its topic and payload:
/// the growth of the process, so what the allocator keeps for itself counts.
fn memory() {
    let before = resident();
    let mut test = TestOffice::measured(1);
    let overhead = |letters: usize| {
        (resident() - before) as f64 / letters as f64 - (TOPIC.len() + PAYLOAD) as f64
    };
    let (mut worst, mut worst_at) = (0.0, 0);
    for letters in 1..=1_000_000 {
        let letter = test.measured_letter(Qos::AtMostOnce, HOUR + Duration::from_millis(letters));
        test.post_letter(GUEST, letter);
        test.take_notices();
        if letters >= 10_000 && letters % 500 == 0 {
            let letters = letters as usize;
            if overhead(letters) > worst {
                (worst, worst_at) = (overhead(letters), letters);
            }
        }
    }
    let usual = overhead(1_000_000);
    println!("memory of a letter beside its topic and payload, resident:");
    println!("  {usual:.0} bytes with 1,000,000 of them, {worst:.0} at the worst ({worst_at})");
    test.expire_all();
    let owed = (resident() - before) as f64 / 1e6;
    println!("  {owed:.0} bytes when it has just expired with all others and its outcome is owed");
}

/// The memory that the process takes, in bytes.
fn resident() -> usize {
    // Pages: of the program as a whole, and those of them in memory.
    let pages = fs::read_to_string("/proc/self/statm").expect("this is Linux");
    let resident = pages.split(' ').nth(1).expect("it has seven fields");
    4096 * resident.parse::<usize>().expect("they are numbers")
}

fn pairs() -> impl Iterator<Item = (Qos, usize)> {
    QOS.into_iter()
        .flat_map(|qos| WAITING.map(|waiting| (qos, waiting)))
}
