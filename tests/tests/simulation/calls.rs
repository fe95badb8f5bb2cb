//! What guests are called with.

use std::collections::BTreeMap;

use jackalope::office::{Assignment, Call, GuestId, Message, Overflow, Status, WorkListSettings};

use crate::guests::{Key, count, tag};
use crate::messages::Messages;
use crate::model::{Check, Model, ensure};
use crate::schedule::Setup;

/// What one guest is told.
#[derive(Debug, Default, Clone)]
struct Told {
    running: Option<Call>,
    /// How often the call with the event, and the message, at the front failed.
    outcome_failures: u32,
    /// How many outcomes are told one by one.
    alone: usize,
    message_failures: u32,
    /// When the message at the front was first put off.
    put_off: Option<u64>,
    /// The message that is called again.
    again: Option<Message>,
    status: Option<Status>,
    /// How many calls have succeeded: it writes that down in each.
    succeeded: u64,
    granted: BTreeMap<String, bool>,
}

/// The calls of all guests.
#[derive(Debug)]
pub(crate) struct Calls {
    work_lists: Vec<WorkListSettings>,
    retries: Vec<u32>,
    retry_for: Vec<u64>,
    /// How many outcomes each is told at once.
    outcomes: Vec<usize>,
    guests: Vec<Told>,
}

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Taken,
    PutOff { given_up: bool },
    Failed { given_up: bool },
}

impl Calls {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            work_lists: setup.guests.iter().map(|guest| guest.work_list).collect(),
            retries: setup.guests.iter().map(|guest| guest.retries).collect(),
            retry_for: setup.guests.iter().map(|guest| guest.retry_for).collect(),
            outcomes: setup.guests.iter().map(|guest| guest.outcomes).collect(),
            guests: vec![Told::default(); setup.guests.len()],
        }
    }

    pub(crate) fn handle_call(
        &mut self,
        assignment: &Assignment,
        model: &Model,
        messages: &mut Messages,
    ) -> Check {
        let id = assignment.guest;
        let guest = &mut self.guests[id.index()];
        ensure!(guest.running.is_none(), "{id:?} is called while at a call");
        let (kept, succeeded) = (count(&assignment.kept), guest.succeeded);
        ensure!(
            kept == succeeded,
            "{id:?}: {succeeded} calls have succeeded, and it kept {kept}"
        );
        let (listed, bytes) = (model.open_of(id), model.bytes_of(id));
        let (room, own) = (&assignment.room, &self.work_lists[id.index()]);
        let keep = (room.keep, room.keep_bytes);
        ensure!(keep == (own.max, own.max_bytes), "{id:?}: keeps {keep:?}");
        if own.overflow == Overflow::Reject {
            let accept = (room.free, room.free_bytes);
            ensure!(
                accept == (own.max - listed, own.max_bytes - bytes),
                "{id:?}: room for {accept:?} with {listed} letters of {bytes} bytes, and {own:?}"
            );
        }
        match &assignment.call {
            Call::Outcomes(outcomes) => {
                let due = model.to_tell[id.index()].iter().take(outcomes.len());
                let told = outcomes
                    .iter()
                    .map(|told| (told.ticket, told.outcome.word()));
                ensure!(
                    told.clone().eq(due.clone().copied()) && !outcomes.is_empty(),
                    "{id:?} is told {:?}; due is {:?}",
                    told.collect::<Vec<_>>(),
                    due.collect::<Vec<_>>()
                );
                let tagged = outcomes.iter().find(|told| told.tag != tag(told.ticket));
                ensure!(tagged.is_none(), "{id:?} is told {tagged:?}: not its tag");
                let most = match guest.alone {
                    0 => self.outcomes[id.index()],
                    _ => 1,
                };
                let count = outcomes.len();
                ensure!(count <= most, "{id:?} is told {count} outcomes at once");
            }
            Call::Message(message) => match &guest.again {
                Some(again) => {
                    ensure!(
                        message.duplicate && Key::of(&message.payload) == Key::of(&again.payload),
                        "{id:?} is called with another message before one is done"
                    );
                }
                None => messages.handle_call(id, message)?,
            },
            _ => {}
        }
        guest.running = Some(assignment.call.clone());
        Ok(())
    }

    pub(crate) fn handle_end(
        &mut self,
        now: u64,
        id: GuestId,
        end: End,
        model: &mut Model,
        messages: &mut Messages,
    ) -> Check {
        let retries = self.retries[id.index()];
        let guest = &mut self.guests[id.index()];
        let Some(call) = guest.running.take() else {
            return Err("the simulation answers twice".into());
        };
        let goes_on = matches!(
            end,
            End::PutOff { given_up: false } | End::Failed { given_up: false }
        );
        let ends = !goes_on;
        if end == End::Taken && call != Call::LastWill {
            guest.succeeded += 1;
        }
        match call {
            Call::Outcomes(outcomes) if outcomes.len() > 1 && end != End::Taken => {
                ensure!(
                    goes_on,
                    "{id:?}: outcomes are given up that were told together"
                );
                guest.alone = outcomes.len();
            }
            Call::Outcomes(outcomes) => {
                count_failure(&mut guest.outcome_failures, end, retries)?;
                if ends {
                    guest.outcome_failures = 0;
                    guest.alone = guest.alone.saturating_sub(outcomes.len());
                    model.to_tell[id.index()].drain(..outcomes.len());
                }
            }
            Call::Message(message) => {
                count_failure(&mut guest.message_failures, end, retries)?;
                if let End::PutOff { given_up } = end {
                    let since = *guest.put_off.get_or_insert(now);
                    let is_over = since + self.retry_for[id.index()] <= now;
                    ensure!(
                        given_up == is_over,
                        "{id:?}: put off since {since}, given up at {now}: {given_up}"
                    );
                }
                if ends {
                    guest.put_off = None;
                    guest.message_failures = 0;
                    guest.again = None;
                    messages.handle_taken(id, &message)?;
                } else {
                    guest.again = Some(message);
                }
            }
            Call::Connection(status) if ends => guest.status = Some(status),
            Call::Subscription { filter, granted } if ends => {
                guest.granted.insert(filter.to_string(), granted);
            }
            _ => {}
        }
        Ok(())
    }

    /// At the very end: every guest knows where it stands.
    pub(crate) fn check_complete(&self, setup: &Setup, final_cut: bool) -> Check {
        for (guest, told) in setup.guests.iter().zip(&self.guests) {
            ensure!(
                told.status == Some(Status::Online),
                "a guest believes that it is {:?}",
                told.status
            );
            if final_cut {
                for (filter, _) in &guest.subscriptions {
                    let granted = told.granted.get(*filter);
                    ensure!(
                        granted == Some(&true),
                        "a guest believes of {filter}: {granted:?}"
                    );
                }
            }
        }
        Ok(())
    }
}

/// That a call is given up when it has failed once more than it is retried.
fn count_failure(failures: &mut u32, end: End, retries: u32) -> Check {
    if let End::Failed { given_up } = end {
        *failures += 1;
        ensure!(
            given_up == (*failures > retries),
            "given up: {given_up}, after {failures} failures and with {retries} retries"
        );
    }
    Ok(())
}
