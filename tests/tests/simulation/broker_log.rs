//! What the broker has seen.

use std::collections::{BTreeMap, BTreeSet};

use jackalope::broker::{ConnectionId, Core, Event, Fault, Packet};
use jackalope::office::{GuestId, Priority, Qos, Ticket};

use crate::guests::Key;
use crate::messages::Messages;
use crate::model::{Check, Model, ensure};
use crate::network::Piece;
use crate::packets::{self, Seen};
use crate::schedule::{FaultPlan, Schedule, Step};
use crate::terms::Terms;

/// How late a letter may arrive, in milliseconds.
const GRACE: u64 = 2_000;

/// The broker, seen from outside.
#[derive(Debug)]
pub(crate) struct BrokerLog {
    /// Counts sessions.
    pub(crate) session: u64,
    /// How much of the message log has been looked at.
    looked_at: usize,
    arrived: BTreeSet<u64>,
    /// Letters whose outcome says that nothing of them was sent.
    unsent: BTreeSet<u64>,
    logged: BTreeSet<u64>,
    logged_in_session: BTreeSet<(u64, u64)>,
    /// The latest letter that has arrived.
    latest_arrived: BTreeMap<(GuestId, Qos, Priority), u64>,
    /// The latest letter that was logged.
    latest_logged: BTreeMap<(GuestId, Qos, Priority), u64>,
    /// Letters that the broker may have lost although it acknowledges them.
    forgotten: BTreeSet<u64>,
    /// Whether QoS 2 letters are delivered in the order of their PUBLISH.
    orders_qos2: bool,
    /// Whether letters are delivered in the order of their first PUBLISH.
    orders: bool,
    /// What the broker allows, and what it has told on each connection.
    pub(crate) terms: Terms,
    told: BTreeMap<ConnectionId, Terms>,
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
        // What it refuses for now, or in an answer that is lost, it may take later.
        let refuses = |step: &Step| matches!(step, Step::Fault(FaultPlan::RefusePublish(..)));
        Self {
            session: 0,
            looked_at: 0,
            arrived: BTreeSet::new(),
            unsent: BTreeSet::new(),
            logged: BTreeSet::new(),
            logged_in_session: BTreeSet::new(),
            latest_arrived: BTreeMap::new(),
            latest_logged: BTreeMap::new(),
            forgotten: BTreeSet::new(),
            orders_qos2: !schedule.steps.iter().any(disturbs_order),
            orders: !schedule.steps.iter().any(refuses),
            terms: schedule.setup.terms,
            told: BTreeMap::new(),
        }
    }

    /// What the broker has told on a connection.
    pub(crate) fn told(&self, connection: ConnectionId) -> Terms {
        self.told
            .get(&connection)
            .copied()
            .unwrap_or(Terms::GENEROUS)
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

    /// The outcome of a letter says that nothing of it was sent.
    pub(crate) fn handle_unsent(&mut self, ticket: Ticket) -> Check {
        ensure!(
            !self.arrived.contains(&ticket.0),
            "letter {} has arrived, and its outcome says that it was not sent",
            ticket.0
        );
        self.unsent.insert(ticket.0);
        Ok(())
    }

    /// Something has happened at the broker.
    pub(crate) fn handle_event(
        &mut self,
        now: u64,
        event: &Event,
        model: &Model,
        messages: &mut Messages,
    ) -> Check {
        match event {
            Event::Violation { violation, .. } | Event::ViolationV5 { violation, .. } => {
                Err(format!("violation: {violation}"))
            }
            Event::Sent { packet, peer }
            | Event::Withheld { packet, peer }
            | Event::Cut { packet, peer } => {
                if let (Seen::ConnAck, Packet::V5(_)) = (packets::look(packet), packet) {
                    self.told.insert(peer.connection, self.terms);
                }
                messages.handle_sent(now, peer.connection, packet)
            }
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
        if let Seen::Publish(publish) = packets::look(packet)
            && let Some(Key::Letter(ticket)) = Key::of(publish.payload)
            && let Some(origin) = model.origin(ticket)
            && self.arrived.insert(ticket)
        {
            ensure!(
                !self.unsent.contains(&ticket),
                "letter {ticket} arrives after it was said that it was not sent"
            );
            // One that takes the place of another one comes when that would have come.
            if model.has_key(ticket) {
                return Ok(());
            }
            let latest = self.latest_arrived.entry(origin).or_default();
            ensure!(
                ticket > *latest,
                "letter {ticket} arrives first after letter {latest}"
            );
            *latest = ticket;
        }
        Ok(())
    }

    /// Looks at what the broker has accepted since the last time, at the arrival of
    /// a piece if that was why.
    pub(crate) fn look(&mut self, core: &Core, model: &Model, arrives: Option<&Piece>) -> Check {
        let messages = core.messages();
        for message in messages.iter().skip(self.looked_at) {
            let Some(Key::Letter(ticket)) = Key::of(&message.payload) else {
                continue;
            };
            let Some((guest, qos, priority)) = model.origin(ticket) else {
                return Err(format!("letter {ticket} was never accepted, and arrives"));
            };
            if let (Some(piece), Some(deadline)) = (arrives, model.deadline(ticket)) {
                let latest = deadline + GRACE;
                ensure!(
                    piece.is_out_of_reach || piece.at <= latest,
                    "letter {ticket} arrives at {}, which is after {latest}",
                    piece.at
                );
            }
            if qos == Qos::ExactlyOnce {
                ensure!(
                    self.logged_in_session.insert((ticket, self.session)),
                    "letter {ticket} of QoS 2 arrives twice in one session"
                );
            }
            let is_ordered = self.orders && (qos != Qos::ExactlyOnce || self.orders_qos2);
            if self.logged.insert(ticket) && is_ordered && !model.has_key(ticket) {
                let latest = self
                    .latest_logged
                    .entry((guest, qos, priority))
                    .or_default();
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
