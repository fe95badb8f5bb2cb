//! The timers of guests, as naively as can be.

use std::collections::BTreeMap;

use jackalope::office::{Assignment, Call, DueTimer, GuestId, TimerChanges};

use crate::guests::Finished;
use crate::model::{Check, ensure};
use crate::schedule::{Setup, TimerPlan};

/// When the post office opens, in milliseconds.
pub(crate) const OPENED: u64 = 1_000;

/// A timer that there is, whatever the post office makes of it.
#[derive(Debug, Clone, Copy)]
struct Timer {
    /// The first moment of which its guest has not heard.
    next: u64,
    period: Option<u64>,
    /// How often the call with it has failed.
    failures: u32,
}

type Named = BTreeMap<String, Timer>;

#[derive(Debug, Default, Clone)]
struct Guest {
    max: usize,
    retries: u32,
    timers: Named,
    /// What it is at a call with.
    told: Option<DueTimer>,
    /// What the timers will be when the call at hand has ended well.
    changed: Option<Vec<TimerPlan>>,
    begun: u64,
}

/// The timers of all guests.
#[derive(Debug)]
pub(crate) struct Timers(Vec<Guest>);

impl Timer {
    fn set(begun: u64, first: u64, period: Option<u64>) -> Self {
        Self {
            next: begun + first,
            period,
            failures: 0,
        }
    }

    /// How many periods have passed since the moment of which its guest has not heard.
    fn passed(&self, now: u64) -> u64 {
        self.period.map_or(0, |period| (now - self.next) / period)
    }
}

impl Timers {
    pub(crate) fn new(setup: &Setup) -> Self {
        let guest = |guest: &crate::schedule::GuestSetup| {
            let mut timers = Named::new();
            replay(&mut timers, &guest.timers, OPENED);
            Guest {
                max: guest.max_timers,
                retries: guest.retries,
                timers,
                ..Guest::default()
            }
        };
        Self(setup.guests.iter().map(guest).collect())
    }

    pub(crate) fn handle_call(&mut self, assignment: &Assignment) -> Check {
        let id = assignment.guest;
        let guest = &mut self.0[id.index()];
        let now = assignment.now.as_millis();
        guest.begun = now;
        let max = assignment.room.timers;
        ensure!(max == guest.max, "{id:?} may have {max} timers");
        let listed = TimerChanges::default().list(assignment.timers.as_deref(), assignment.now);
        let listed = listed.into_iter().map(|timer| {
            let period = timer.period.map(|period| period.as_millis() as u64);
            (
                timer.name.to_string(),
                timer.due_in.as_millis() as u64,
                period,
            )
        });
        let expect = guest.timers.iter().map(|(name, timer)| {
            let next = match timer.period {
                Some(period) if timer.next <= now => timer.next + (timer.passed(now) + 1) * period,
                _ => timer.next.max(now),
            };
            (name.clone(), next - now, timer.period)
        });
        ensure!(
            listed.clone().eq(expect.clone()),
            "{id:?} has {:?}, and should have {:?}",
            listed.collect::<Vec<_>>(),
            expect.collect::<Vec<_>>()
        );
        let Call::Timer(due) = &assignment.call else {
            return Ok(());
        };
        let Some(timer) = guest.timers.get(&*due.name) else {
            return Err(format!("{id:?} is called with {due:?}, which is cancelled"));
        };
        ensure!(timer.next <= now, "{id:?}: {due:?} comes early: {timer:?}");
        let missed = timer.passed(now);
        let moment = timer.next + missed * timer.period.unwrap_or(0);
        ensure!(
            (due.missed, due.due.as_millis()) == (missed, moment),
            "{id:?}: {due:?} should be due at {moment}, with {missed} missed: {timer:?}"
        );
        guest.told = Some(due.clone());
        Ok(())
    }

    /// What the guest has done in its call counts if that ends well.
    pub(crate) fn handle_answer(
        &mut self,
        id: GuestId,
        finished: &Finished,
        counts: bool,
    ) -> Check {
        let guest = &mut self.0[id.index()];
        let mut timers = guest.timers.clone();
        if let Some(due) = guest.told.iter().find(|due| due.period.is_none()) {
            timers.remove(&*due.name);
        }
        for (plan, was_so) in &finished.timers {
            let is_there = timers.contains_key(plan.name);
            let expect = match plan.schedule {
                Some(_) => is_there || timers.len() < guest.max,
                None => is_there,
            };
            ensure!(
                *was_so == expect,
                "{id:?}: {plan:?} came to {was_so}, with {timers:?}"
            );
            if expect {
                replay(&mut timers, std::slice::from_ref(plan), guest.begun);
            }
        }
        let done = finished.timers.iter().filter(|(_, was_so)| *was_so);
        guest.changed = counts.then(|| done.map(|(plan, _)| *plan).collect());
        Ok(())
    }

    /// The call has ended, to be made again if it goes on.
    pub(crate) fn handle_end(&mut self, id: GuestId, failed: bool, goes_on: bool) -> Check {
        let guest = &mut self.0[id.index()];
        if let Some(due) = guest.told.take() {
            let timer = guest.timers.get_mut(&*due.name);
            let timer = timer.ok_or("a timer is gone while it is told")?;
            timer.failures += u32::from(failed);
            ensure!(
                goes_on == (failed && timer.failures <= guest.retries),
                "{id:?}: {due:?} goes on: {goes_on}, with {} retries: {timer:?}",
                guest.retries
            );
            match timer.period {
                _ if goes_on => {}
                Some(period) => {
                    timer.next = due.due.as_millis() + period;
                    timer.failures = 0;
                }
                None => {
                    guest.timers.remove(&*due.name);
                }
            }
        }
        if let Some(changes) = guest.changed.take() {
            replay(&mut guest.timers, &changes, guest.begun);
        }
        Ok(())
    }

    /// Nobody waits for a timer that is due.
    pub(crate) fn check_complete(&self, now: u64) -> Check {
        for (number, guest) in self.0.iter().enumerate() {
            let overdue = guest.timers.iter().find(|(_, timer)| timer.next <= now);
            ensure!(
                overdue.is_none(),
                "guest {number} was never called with {overdue:?}"
            );
        }
        Ok(())
    }
}

fn replay(timers: &mut Named, plans: &[TimerPlan], begun: u64) {
    for plan in plans {
        match plan.schedule {
            Some((first, period)) => {
                timers.insert(plan.name.into(), Timer::set(begun, first, period));
            }
            None => {
                timers.remove(plan.name);
            }
        }
    }
}
