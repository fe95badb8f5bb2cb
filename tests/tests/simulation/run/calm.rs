//! The calm after the storm: everything is healed, and must come to a good end.

use jackalope::office::{OutcomeWord, Priority, Qos, Status};

use super::Run;
use crate::equals::Equals;
use crate::model::{Check, ensure};
use crate::schedule::{FaultPlan, HOUR, LetterPlan, Schedule, Step, TOPICS};
use crate::terms::Terms;

/// By then at the latest all is quiet: every ttl is over.
const LONGEST: u64 = 2 * HOUR;

/// No call waits longer than that.
const LONGEST_PAUSE: u64 = 31_000;

/// How long a letter may take when nothing is in its way.
const SOON: u64 = HOUR / 6;

impl Run {
    pub(super) fn calm(&mut self, schedule: &Schedule) -> Check {
        let side = &mut self.side;
        side.note(|| "-- calm".into());
        let cut = side.setup.final_cut || needs_cut(schedule);
        side.core.clear_faults(side.moment());
        side.reading_stopped = false;
        side.drain_broker()?;
        if changes_terms(schedule) {
            side.change_terms(&Terms::GENEROUS)?;
        }
        side.jump = None;
        (side.refused_dials, side.dials_hang) = (0, false);
        (side.network.up, side.network.down) = (1, 1);
        side.network.capacity = usize::MAX;
        side.network.pace = None;
        side.network.thaw(side.now);
        for guest in &mut side.guests {
            guest.plans.clear();
            guest.wants_calm = true;
        }
        if cut {
            side.network.cut_all(side.now);
        }
        let with_time = side.model.open_until(side.now + SOON);
        self.pass_until(LONGEST, "quiet", Self::is_quiet)?;
        for ticket in with_time.into_iter().filter(|_| cut) {
            let outcome = self.side.model.outcome(ticket);
            ensure!(
                outcome != Some(OutcomeWord::Expired),
                "letter {ticket} has had all the time it needs, and expired"
            );
        }
        // Calls may wait until a guest that failed is called again.
        self.pass(LONGEST_PAUSE)?;
        // A filter at which the broker seemed to hang up waits for minutes.
        if cut {
            self.pass_until(LONGEST, "subscribed", |run| {
                let side = &run.side;
                let is_told = side.calls.check_complete(&side.setup, true).is_ok();
                is_told && run.unsubscribed().is_none()
            })?;
        }
        self.pass_until(LONGEST, "quiet", Self::is_quiet)?;
        self.check_complete(cut)?;
        // Acknowledgements that never came may fill the window until the letters
        // they belong to expire.
        self.send_canaries(if cut { SOON } else { LONGEST })?;
        self.take_canaries()?;
        self.check_complete(cut)?;
        let equals = self.side.equals.as_ref();
        equals.map_or(Ok(()), Equals::check_complete)
    }

    fn pass_until(&mut self, longest: u64, what: &str, is_so: fn(&mut Self) -> bool) -> Check {
        let end = self.side.now + longest;
        let mut step = 1_000;
        while !is_so(self) {
            ensure!(self.side.now < end, "not {what} within {longest} ms");
            self.pass(step)?;
            // Out of step with keep-alive, whose packets are no quiet.
            step = (step * 2).min(37_003);
        }
        Ok(())
    }

    fn is_quiet(&mut self) -> bool {
        let side = &mut self.side;
        self.engine.office().status() == Status::Online
            && side.model.open() == 0
            && side.model.to_tell.iter().all(|owed| owed.is_empty())
            && side.guests.iter().all(|guest| guest.running.is_none())
            && side.messages.is_quiet(side.now)
            && side.network.is_quiet()
    }

    fn check_complete(&self, cut: bool) -> Check {
        let side = &self.side;
        side.messages.check_complete()?;
        side.timers.check_complete(side.now)?;
        side.calls.check_complete(&side.setup, cut)?;
        let missing = self.unsubscribed().filter(|_| cut);
        ensure!(missing.is_none(), "{missing:?} is not subscribed to");
        Ok(())
    }

    /// A filter of a guest that the broker does not have.
    fn unsubscribed(&self) -> Option<&'static str> {
        let side = &self.side;
        let guests = side.setup.guests.iter();
        let mut filters = guests.flat_map(|guest| &guest.subscriptions);
        let is_missing = |filter: &str| {
            let mut granted = side.core.subscriptions(super::CLIENT);
            granted.all(|(granted, _)| granted != filter)
        };
        filters.find_map(|(filter, _)| is_missing(filter).then_some(*filter))
    }

    /// Letters with all the time in the world must arrive.
    fn send_canaries(&mut self, longest: u64) -> Check {
        for guest in 0..self.side.guests.len() {
            for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
                let letter = LetterPlan {
                    topic: "out",
                    qos,
                    retain: false,
                    ttl: 48 * HOUR,
                    priority: Priority::Normal,
                    replace_key: None,
                    padding: 0,
                };
                let ticket = self.post(guest, &letter)?;
                self.pass_until(longest, "quiet", |run| run.side.model.open() == 0)?;
                let outcome = self.side.model.outcome(ticket);
                ensure!(
                    outcome == Some(OutcomeWord::Delivered),
                    "{qos:?} of guest {guest}: a letter of the calm came to {outcome:?}"
                );
            }
        }
        Ok(())
    }

    /// Messages to everyone must be taken.
    fn take_canaries(&mut self) -> Check {
        for topic in TOPICS {
            for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
                self.side.publish(&LetterPlan {
                    topic,
                    qos,
                    retain: false,
                    ttl: 0,
                    priority: Priority::Normal,
                    replace_key: None,
                    padding: 0,
                })?;
            }
        }
        self.pass_until(SOON, "quiet", Self::is_quiet)
    }
}

/// Whether the last connection can not recover by itself: the gateway can not
/// know what it has lost, or is not to find out.
fn needs_cut(schedule: &Schedule) -> bool {
    schedule.setup.keep_alive == 0
        || changes_terms(schedule)
        || schedule
            .steps
            .iter()
            .any(|step| matches!(step, Step::Fault(FaultPlan::ForgetSession)))
}

/// Whether the broker has ever allowed less than everything.
fn changes_terms(schedule: &Schedule) -> bool {
    let mut steps = schedule.steps.iter();
    schedule.setup.terms != Terms::GENEROUS || steps.any(|step| matches!(step, Step::Terms(_)))
}
