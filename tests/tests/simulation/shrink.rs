//! Makes a schedule that fails shorter.

use crate::run_caught;
use crate::schedule::{Schedule, Step};

/// How often a schedule is run to make it shorter.
const ATTEMPTS: u32 = 3_000;

/// The shortest schedule found that fails, whatever the reason, and the reason.
pub(crate) fn shrink(schedule: &Schedule, reason: String) -> (Schedule, String) {
    let (mut best, mut reason) = (schedule.clone(), reason);
    let mut attempts = 0;
    let mut size = best.steps.len().div_ceil(2).max(1);
    loop {
        let (mut place, mut is_shorter) = (0, false);
        while place < best.steps.len() && attempts < ATTEMPTS {
            attempts += 1;
            let mut shorter = best.clone();
            shorter
                .steps
                .drain(place..(place + size).min(best.steps.len()));
            match run_caught(&shorter, None) {
                Err(other) => (best, reason, is_shorter) = (shorter, other, true),
                Ok(()) => place += size,
            }
        }
        if size == 1 && !is_shorter || attempts >= ATTEMPTS {
            break;
        }
        size = (size / 2).max(1);
    }
    simplify(best, reason)
}

/// Drops letters of plans that are not needed.
fn simplify(mut best: Schedule, mut reason: String) -> (Schedule, String) {
    for place in 0..best.steps.len() {
        while let Step::Plan(_, plan) = &best.steps[place]
            && !plan.letters.is_empty()
        {
            let mut simpler = best.clone();
            if let Step::Plan(_, plan) = &mut simpler.steps[place] {
                plan.letters.pop();
            }
            match run_caught(&simpler, None) {
                Err(other) => (best, reason) = (simpler, other),
                Ok(()) => break,
            }
        }
    }
    (best, reason)
}
