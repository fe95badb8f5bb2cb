//! What the broker has seen, and what guests are told.

use std::collections::{BTreeMap, BTreeSet};

use jackalope::broker::{Core, Event, Fault, Packet};
use jackalope::office::{
    Assignment, Call, GuestId, Message, Outcome, Overflow, Qos, Status, Ticket,
};

use crate::guests::Key;
use crate::messages::Messages;
use crate::model::{Check, Model, ensure};
use crate::schedule::{FaultPlan, Schedule, Setup, Step};

/// The broker, seen from outside.
#[derive(Debug, Default)]
pub(crate) struct BrokerLog {
    /// Counts sessions.
    pub(crate) session: u64,
    /// How much of the message log has been looked at.
    looked_at: usize,
    arrived: BTreeSet<u64>,
    logged: BTreeSet<u64>,
    logged_in_session: BTreeSet<(u64, u64)>,
    /// The latest letter that has arrived.
    latest_arrived: BTreeMap<(GuestId, Qos), u64>,
    /// The latest letter that was logged.
    latest_logged: BTreeMap<(GuestId, Qos), u64>,
    /// Letters that the broker may have lost although it acknowledges them.
    forgotten: BTreeSet<u64>,
    /// Whether QoS 2 letters are delivered in the order of their PUBLISH.
    orders_qos2: bool,
}

impl BrokerLog {
    pub(crate) fn new(schedule: &Schedule) -> Self {
        let disturbs_order = |step: &Step| {
            let Step::Fault(fault) = step else {
                return false;
            };
            matches!(
                fault,
                FaultPlan::Withhold(_) | FaultPlan::DelayAcks(_) | FaultPlan::ForgetSession
            )
        };
        Self {
            orders_qos2: !schedule.steps.iter().any(disturbs_order),
            ..Self::default()
        }
    }

    /// That a letter may be called delivered.
    pub(crate) fn check_delivered(&self, ticket: Ticket) -> Check {
        ensure!(
            self.logged.contains(&ticket.0) || self.forgotten.contains(&ticket.0),
            "letter {} is delivered, and the broker does not have it",
            ticket.0
        );
        Ok(())
    }

    /// Something has happened at the broker.
    pub(crate) fn handle_event(
        &mut self,
        event: &Event,
        model: &Model,
        messages: &mut Messages,
    ) -> Check {
        match event {
            Event::Violation { violation, .. } => Err(format!("violation: {violation}")),
            Event::Sent { packet, .. }
            | Event::Withheld { packet, .. }
            | Event::Cut { packet, .. } => messages.handle_sent(packet),
            Event::Received { packet, .. } => {
                self.handle_received(packet, model)?;
                messages.handle_received(packet)
            }
            Event::SessionCreated { .. } | Event::SessionEnded { .. } => {
                self.session += 1;
                messages.handle_lost();
                Ok(())
            }
            Event::Fault {
                fault: Fault::ForgetSession(_),
            } => {
                self.session += 1;
                messages.handle_lost();
                self.forgotten.extend(model.exchanged());
                Ok(())
            }
            Event::Dropped { .. } => Err("the broker has dropped a message".into()),
            _ => Ok(()),
        }
    }

    fn handle_received(&mut self, packet: &Packet, model: &Model) -> Check {
        if let Packet::Publish(publish) = packet
            && let Some(Key::Letter(ticket)) = Key::of(&publish.payload)
            && let Some(origin) = model.origin(ticket)
            && self.arrived.insert(ticket)
        {
            let latest = self.latest_arrived.entry(origin).or_default();
            ensure!(
                ticket > *latest,
                "letter {ticket} arrives first after letter {latest}"
            );
            *latest = ticket;
        }
        Ok(())
    }

    /// Looks at what the broker has accepted since the last time.
    pub(crate) fn look(&mut self, core: &Core, model: &Model) -> Check {
        let messages = core.messages();
        for message in messages.iter().skip(self.looked_at) {
            let Some(Key::Letter(ticket)) = Key::of(&message.payload) else {
                continue;
            };
            let Some((guest, qos)) = model.origin(ticket) else {
                return Err(format!("letter {ticket} was never accepted, and arrives"));
            };
            if qos == Qos::ExactlyOnce {
                ensure!(
                    self.logged_in_session.insert((ticket, self.session)),
                    "letter {ticket} of QoS 2 arrives twice in one session"
                );
            }
            if self.logged.insert(ticket) && (qos != Qos::ExactlyOnce || self.orders_qos2) {
                let latest = self.latest_logged.entry((guest, qos)).or_default();
                ensure!(
                    ticket > *latest,
                    "letter {ticket} is delivered after letter {latest}"
                );
                *latest = ticket;
            }
        }
        self.looked_at = messages.len();
        Ok(())
    }
}

/// What one guest is told.
#[derive(Debug, Default, Clone)]
struct Told {
    running: Option<Call>,
    /// How often the call with the event, and the message, at the front failed.
    outcome_failures: u32,
    message_failures: u32,
    /// The message that is called again.
    again: Option<Message>,
    status: Option<Status>,
    granted: BTreeMap<String, bool>,
}

/// The calls of all guests.
#[derive(Debug)]
pub(crate) struct Calls {
    max: usize,
    overflow: Overflow,
    retries: Vec<u32>,
    guests: Vec<Told>,
}

/// How a call has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    Taken,
    PutOff,
    Failed { given_up: bool },
}

impl Calls {
    pub(crate) fn new(setup: &Setup) -> Self {
        Self {
            max: setup.max,
            overflow: setup.overflow,
            retries: setup.guests.iter().map(|guest| guest.retries).collect(),
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
        let listed = model.open_of(id);
        let room = assignment.room;
        ensure!(room.keep == self.max, "{id:?}: keeps {}", room.keep);
        if self.overflow == Overflow::Reject {
            ensure!(
                room.accept == self.max - listed,
                "{id:?}: room for {} with {listed} of {}",
                room.accept,
                self.max
            );
        }
        match &assignment.call {
            Call::Outcome(ticket, outcome) => {
                let due = model.to_tell[id.index()].front();
                ensure!(
                    due == Some(&(*ticket, *outcome)),
                    "{id:?} is told {outcome:?} of {ticket:?}; due is {due:?}"
                );
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
        let ends = !matches!(end, End::PutOff | End::Failed { given_up: false });
        match call {
            Call::Outcome(..) => {
                count(&mut guest.outcome_failures, end, retries)?;
                if ends {
                    guest.outcome_failures = 0;
                    model.to_tell[id.index()].pop_front();
                }
            }
            Call::Message(message) => {
                count(&mut guest.message_failures, end, retries)?;
                if ends {
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
fn count(failures: &mut u32, end: End, retries: u32) -> Check {
    if let End::Failed { given_up } = end {
        *failures += 1;
        ensure!(
            given_up == (*failures > retries),
            "given up: {given_up}, after {failures} failures and with {retries} retries"
        );
    }
    Ok(())
}

/// A letter that was posted at the very end must arrive.
pub(crate) fn check_canary(outcome: Option<Outcome>, what: &str) -> Check {
    ensure!(
        outcome == Some(Outcome::Delivered),
        "{what}: a letter of the calm after the storm came to {outcome:?}"
    );
    Ok(())
}
