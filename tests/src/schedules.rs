//! Random schedules, whatever they drive: many run side by side, and one that fails is
//! made shorter.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;

/// The number in a variable of the environment, if there is one.
pub fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    match value.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{name} is no number: {value}"),
    }
}

/// Runs something; a panic is a failure like any other.
pub fn caught<T>(run: impl FnOnce() -> T) -> Result<T, String> {
    catch_unwind(AssertUnwindSafe(run)).map_err(|panic| {
        let text = panic
            .downcast_ref::<String>()
            .cloned()
            .or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string));
        format!("panicked: {}", text.unwrap_or_default())
    })
}

/// Runs so many schedules, by their numbers, on all cores, until one fails. Returns what
/// each core has seen, or the least number of those that failed, and why.
pub fn run_all<T: Default + Send>(
    count: u64,
    run: impl Fn(u64, &mut T) -> Result<(), String> + Sync,
) -> Result<Vec<T>, (u64, String)> {
    let (next, has_failed) = (AtomicU64::new(0), AtomicBool::new(false));
    let work = || {
        let mut seen = T::default();
        while !has_failed.load(Ordering::Relaxed) {
            let number = next.fetch_add(1, Ordering::Relaxed);
            if number >= count {
                break;
            }
            if let Err(reason) = run(number, &mut seen) {
                has_failed.store(true, Ordering::Relaxed);
                return Err((number, reason));
            }
        }
        Ok(seen)
    };
    let results: Vec<_> = thread::scope(|scope| {
        let cores = thread::available_parallelism().map_or(2, usize::from);
        let workers: Vec<_> = (0..cores).map(|_| scope.spawn(work)).collect();
        let ended = workers.into_iter().map(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        });
        ended.collect()
    });
    let failures = results.iter().filter_map(|result| result.as_ref().err());
    match failures.min() {
        Some(failure) => Err(failure.clone()),
        None => Ok(results.into_iter().flatten().collect()),
    }
}

/// The shortest list of steps found that fails, whatever the reason, and the reason. They
/// are run so often at most.
pub fn shrink<S: Clone>(
    mut best: Vec<S>,
    mut reason: String,
    most: u32,
    run: impl Fn(&[S]) -> Result<(), String>,
) -> (Vec<S>, String) {
    let mut attempts = 0;
    let mut size = best.len().div_ceil(2).max(1);
    loop {
        let (mut place, mut is_shorter) = (0, false);
        while place < best.len() && attempts < most {
            attempts += 1;
            let mut shorter = best.clone();
            shorter.drain(place..(place + size).min(best.len()));
            match run(&shorter) {
                Err(other) => (best, reason, is_shorter) = (shorter, other, true),
                Ok(()) => place += size,
            }
        }
        if size == 1 && !is_shorter || attempts >= most {
            return (best, reason);
        }
        size = (size / 2).max(1);
    }
}
