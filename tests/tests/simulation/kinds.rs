//! How many schedules there were of each kind.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};

use jackalope::wire::Version;

use crate::schedule::{FaultPlan, Schedule, Step};
use crate::terms::Terms;

/// What a schedule can have; the first four exclude each other.
const NAMES: [&str; 11] = [
    "clean on 3.1.1",
    "kept on 3.1.1",
    "clean on 5",
    "kept on 5",
    "with terms that change",
    "with a quota that shrinks",
    "with letters that the broker refuses",
    "with shared subscriptions",
    "with TLS",
    "with timers",
    "with work lists bounded in bytes",
];

/// Counts schedules. Displays as how many there were of each kind.
#[derive(Debug, Default)]
pub(crate) struct Kinds([AtomicU64; NAMES.len()]);

impl Kinds {
    pub(crate) fn count(&self, schedule: &Schedule) {
        let setup = &schedule.setup;
        let is_v5 = setup.version == Version::V5;
        let terms = schedule.steps.iter().filter_map(|step| match step {
            Step::Terms(terms) => Some(*terms),
            _ => None,
        });
        let mut all = vec![setup.terms];
        all.extend(terms);
        let shrinks = |pair: &[Terms]| pair[1].receive_maximum < pair[0].receive_maximum;
        let refuses = |step: &Step| matches!(step, Step::Fault(FaultPlan::RefusePublish(..)));
        let mut filters = setup.guests.iter().flat_map(|guest| &guest.subscriptions);
        let mut bounds = setup.guests.iter().map(|guest| guest.work_list);
        let sets_timers =
            |step: &Step| matches!(step, Step::Plan(_, plan) if !plan.timers.is_empty());
        let kinds = [
            !is_v5 && setup.clean_session,
            !is_v5 && !setup.clean_session,
            is_v5 && setup.clean_session,
            is_v5 && !setup.clean_session,
            all.len() > 1,
            all.windows(2).any(shrinks),
            schedule.steps.iter().any(refuses),
            filters.any(|(filter, _)| filter.starts_with("$share/")),
            setup.is_secure,
            schedule.steps.iter().any(sets_timers),
            bounds.any(|bounds| bounds.max_bytes < usize::MAX),
        ];
        for (count, is_so) in self.0.iter().zip(kinds) {
            count.fetch_add(is_so.into(), Ordering::Relaxed);
        }
    }

    /// Whether there was one of each.
    pub(crate) fn are_all_there(&self) -> bool {
        self.0.iter().all(|count| count.load(Ordering::Relaxed) > 0)
    }
}

impl fmt::Display for Kinds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (count, name)) in self.0.iter().zip(NAMES).enumerate() {
            let comma = if place > 0 { ", " } else { "" };
            write!(f, "{comma}{} {name}", count.load(Ordering::Relaxed))?;
        }
        Ok(())
    }
}
