//! What does a call of a guest cost in the host, and what does the bare call of
//! the same component cost?
//!
//! `host` is what the gateway does for a call: limits on time and memory, a
//! stack of its own, the effects that take letters, a fresh look at what was
//! printed. `bare` is the same component with nothing around it. `echo` is a
//! message that the guest publishes again and the call with the letter's
//! outcome, which follows in the end. `timer` is a call by a timer, at which the
//! guest reads a number of its state and writes the next one.
//!
//! `cargo bench -p jackalope-tests --bench calls`

// A benchmark that can not go on says so by panicking.
#![allow(clippy::panic)]

mod guests {
    pub(crate) mod bare;
}

use std::time::Duration;

use divan::Bencher;
use jackalope::office::{Answer, Call, DueTimer, Time};
use jackalope_tests::KEEPER;
use jackalope_tests::hosted::{ECHOED, Hosted, assignment, connection, message, runtime};

use guests::bare::Bare;

/// The topic of messages that the guest takes and does nothing with.
const DROPPED: &str = "echo/drop";

const SIZES: [usize; 3] = [64, 4 << 10, 64 << 10];

fn main() {
    let runtime = runtime();
    let _context = runtime.enter();
    divan::main();
}

#[divan::bench]
fn empty_host(bencher: Bencher<'_, '_>) {
    let (mut guest, call) = (Hosted::start(), connection());
    bencher.bench_local(|| guest.call(&call));
}

#[divan::bench]
fn empty_bare(bencher: Bencher<'_, '_>) {
    let mut guest = Bare::start();
    bencher.bench_local(|| guest.connection());
}

#[divan::bench(args = SIZES)]
fn message_host(bencher: Bencher<'_, '_>, size: usize) {
    let (mut guest, call) = (Hosted::start(), message(DROPPED, size));
    bencher.bench_local(|| guest.call(&call));
}

#[divan::bench(args = SIZES)]
fn message_bare(bencher: Bencher<'_, '_>, size: usize) {
    let (mut guest, payload) = (Bare::start(), vec![b'x'; size]);
    bencher.bench_local(|| guest.message(DROPPED, &payload));
}

#[divan::bench(args = SIZES)]
fn echo_host(bencher: Bencher<'_, '_>, size: usize) {
    let (mut guest, call) = (Hosted::start(), message(ECHOED, size));
    bencher.bench_local(|| guest.echo(&call));
}

#[divan::bench(args = SIZES)]
fn echo_bare(bencher: Bencher<'_, '_>, size: usize) {
    let (mut guest, payload) = (Bare::start(), vec![b'x'; size]);
    bencher.bench_local(|| guest.echo(ECHOED, &payload));
}

#[divan::bench]
fn timer_host(bencher: Bencher<'_, '_>) {
    let due = Call::Timer(DueTimer {
        name: "tick".into(),
        due: Time::default(),
        missed: 0,
        period: Some(Duration::from_secs(1)),
    });
    let (mut guest, call) = (Hosted::of(KEEPER), assignment(due));
    bencher.bench_local(|| match guest.call(&call) {
        Answer::Done(effects) if !effects.state.is_empty() => effects,
        other => panic!("it has written nothing down: {other:?}"),
    });
}
