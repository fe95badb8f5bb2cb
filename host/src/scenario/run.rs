//! Runs a scenario, step by step.

use std::io;

use super::failed::Failed;
use super::step::{Expectation, Step, What};
use crate::guest::Component;
use crate::office::Outcome;
use crate::testing::{Happened, Happening, Network, World, WorldOptions};

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
    /// What has happened, and whether a step has expected it.
    happened: Vec<(Happened, bool)>,
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
            happened: Vec::new(),
        };
        for step in &self.steps {
            if let Err((expected, seen)) = run.make(&step.what) {
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
    fn make(&mut self, what: &What) -> Result<(), Mismatch> {
        let world = &mut self.world;
        match what {
            What::Message { message, cuts } => {
                let taken = if *cuts {
                    world.publish_and_cut(message.clone())
                } else {
                    world.publish(message.clone())
                };
                taken.map_err(|error| (message.to_string(), vec![error.to_string()]))?;
            }
            What::Network(network) => world.set_network(*network),
            What::Acks(acks) => world.set_acks(*acks),
            What::Advance(duration) => world.advance(*duration),
            What::Expect(expectation) => return self.expect(expectation),
        }
        Ok(())
    }

    fn expect(&mut self, expectation: &Expectation) -> Result<(), Mismatch> {
        self.look();
        let mut has_fitted = false;
        for (happened, expected) in &mut self.happened {
            if *expected || !expectation.fits(&happened.what) {
                continue;
            }
            *expected = true;
            has_fitted = true;
            if !expectation.takes_all() {
                break;
            }
        }
        let others = self.unexpected();
        let seen: Vec<_> = others.filter_map(|what| expectation.show(what)).collect();
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

    /// Whether all is well when there are no more steps.
    fn end(&mut self, allows_unexpected: bool) -> Result<(), Mismatch> {
        self.look();
        let violations = self.world.violations();
        if !violations.is_empty() {
            return Err(("(a gateway that keeps to MQTT)".into(), violations));
        }
        let matters = |what: &&Happening| match what {
            Happening::Published(_)
            | Happening::Rejected { .. }
            | Happening::Retried { .. }
            | Happening::Failed { .. } => true,
            Happening::Outcome { outcome, .. } => *outcome != Outcome::Delivered,
            _ => false,
        };
        let left: Vec<_> = self.unexpected().filter(matters).collect();
        if allows_unexpected || left.is_empty() {
            return Ok(());
        }
        let left = left.into_iter().map(ToString::to_string).collect();
        Err(("(nothing more)".into(), left))
    }

    fn unexpected(&self) -> impl Iterator<Item = &Happening> {
        let left = self.happened.iter().filter(|(_, expected)| !expected);
        left.map(|(happened, _)| &happened.what)
    }

    fn look(&mut self) {
        let new = self.world.take_happened().into_iter();
        self.happened.extend(new.map(|happened| (happened, false)));
    }

    fn failed(mut self, line: usize, expected: String, seen: Vec<String>) -> Failed {
        self.look();
        let happened = self.happened.into_iter();
        Failed {
            line,
            expected,
            seen,
            happened: happened.map(|(happened, _)| happened).collect(),
        }
    }
}
