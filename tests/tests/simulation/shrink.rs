//! Makes a schedule that fails shorter.

use jackalope_tests::schedules;

use crate::run_caught;
use crate::schedule::{Schedule, Step};

/// How often a schedule is run to make it shorter.
const ATTEMPTS: u32 = 3_000;

/// The shortest schedule found that fails, whatever the reason, and the reason.
pub(crate) fn shrink(schedule: Schedule, reason: String) -> (Schedule, String) {
    let Schedule { setup, steps } = schedule;
    let schedule = |steps: &[Step]| Schedule {
        setup: setup.clone(),
        steps: steps.to_vec(),
    };
    let run = |steps: &[Step]| run_caught(&schedule(steps), None);
    let (steps, reason) = schedules::shrink(steps, reason, ATTEMPTS, run);
    simplify(Schedule { setup, steps }, reason)
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
