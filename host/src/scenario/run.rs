//! Runs a scenario, step by step.

use std::io;

use super::failed::Failed;
use super::step::{Action, Expectation, Step};
use crate::guest::Component;
use crate::office::Outcome;
use crate::testing::{Event, Network, Record, World, WorldOptions};

/// A scenario that was read.
#[derive(Debug)]
pub struct Scenario {
    pub(super) name: String,
    /// Where it is written.
    pub(super) line: usize,
    pub(super) options: WorldOptions,
    pub(super) begins: Network,
    pub(super) allows_unexpected: bool,
    pub(super) steps: Vec<Step>,
}

/// A scenario that is being run.
struct Run {
    world: World,
    /// What was recorded, and whether a step has expected it.
    records: Vec<(Record, bool)>,
}

impl Scenario {
    /// What it shows.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs it with this guest, in a fresh instance, up to its first failure.
    ///
    /// Must not be called within an async runtime: it brings its own.
    ///
    /// # Errors
    /// The machine gives no runtime.
    pub fn run(&self, guest: &Component) -> io::Result<Result<(), Failed>> {
        let mut run = Run {
            world: World::new(guest, self.options.clone(), self.begins)?,
            records: Vec::new(),
        };
        for step in &self.steps {
            if let Err((expected, seen)) = run.perform(&step.action) {
                return Ok(Err(run.failed(step.line, expected, seen)));
            }
        }
        if let Err((expected, seen)) = run.end(self.allows_unexpected) {
            return Ok(Err(run.failed(self.line, expected, seen)));
        }
        Ok(Ok(()))
    }
}

/// What was expected, and what was seen in its place.
type Mismatch = (String, Vec<String>);

impl Run {
    fn perform(&mut self, action: &Action) -> Result<(), Mismatch> {
        let world = &mut self.world;
        match action {
            Action::Message { message, then_down } => {
                let taken = if *then_down {
                    world.publish_then_network_down(message.clone())
                } else {
                    world.publish(message.clone())
                };
                taken.map_err(|error| (message.to_string(), vec![error.to_string()]))?;
            }
            Action::Network(network) => world.set_network(*network),
            Action::Acks(acks) => world.set_acks(*acks),
            Action::RestartGuest => world.restart_guest(),
            Action::Advance(duration) => world.advance(*duration),
            Action::Expect(expectation) => return self.expect(expectation),
        }
        Ok(())
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), Mismatch> {
        self.take_records();
        let mut has_fitted = false;
        for (record, expected) in &mut self.records {
            if *expected || !expectation.fits(&record.event) {
                continue;
            }
            *expected = true;
            has_fitted = true;
            if !expectation.takes_all() {
                break;
            }
        }
        let others = self.unexpected();
        let seen: Vec<_> = others.filter_map(|event| expectation.show(event)).collect();
        let is_met = match expectation {
            Expectation::NothingPublished => seen.is_empty(),
            _ => has_fitted,
        };
        if is_met {
            return Ok(());
        }
        let seen = if seen.is_empty() {
            vec![expectation.nothing().to_owned()]
        } else {
            seen
        };
        Err((expectation.to_string(), seen))
    }

    /// Checks what is left when there are no more steps.
    fn end(&mut self, allows_unexpected: bool) -> Result<(), Mismatch> {
        self.take_records();
        let violations = self.world.violations();
        if !violations.is_empty() {
            return Err(("(a gateway that keeps to MQTT)".into(), violations));
        }
        let matters = |event: &&Event| match event {
            Event::Published(_)
            | Event::Rejected { .. }
            | Event::Retried { .. }
            | Event::Failed { .. } => true,
            Event::Outcome { outcome, .. } => *outcome != Outcome::Delivered,
            _ => false,
        };
        let left: Vec<_> = self.unexpected().filter(matters).collect();
        if allows_unexpected || left.is_empty() {
            return Ok(());
        }
        let left = left.into_iter().map(ToString::to_string).collect();
        Err(("(nothing more)".into(), left))
    }

    fn unexpected(&self) -> impl Iterator<Item = &Event> {
        let left = self.records.iter().filter(|(_, expected)| !expected);
        left.map(|(record, _)| &record.event)
    }

    fn take_records(&mut self) {
        let new = self.world.take_records().into_iter();
        self.records.extend(new.map(|record| (record, false)));
    }

    fn failed(mut self, line: usize, expected: String, seen: Vec<String>) -> Failed {
        self.take_records();
        let records = self.records.into_iter();
        Failed {
            line,
            expected,
            seen,
            records: records.map(|(record, _)| record).collect(),
        }
    }
}
