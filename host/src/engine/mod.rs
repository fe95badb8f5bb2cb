//! The engine: the order in which things are done, over the post office, one
//! connection and the calls of guests.
//!
//! It has no clock, no socket and no guest: those are the [`Machine`]'s. The
//! gateway drives it on a real one, [`testing`](crate::testing) and the
//! simulation on machines of their own, so that what they test is what runs.
//!
//! A [turn](Engine::turn) does what can be done without waiting, and a bounded
//! part of it: looks at what has become of the bytes that were sent, reads,
//! writes, has guests called, writes what they want written, ends a connection
//! that is of no more use and begins the next. The clock is asked again before
//! each thing that must not be late.

mod brokers;
mod connection;
mod end_connection;
mod machine;
mod read_write;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::time::Duration;

pub use machine::{Machine, Step};

use crate::office::{Answer, Disconnection, GuestId, Office, Time};
use crate::wire::{Handshake, Layers, Output, Pace, Transport, Version, Versions};
use brokers::Brokers;
use connection::Connection;

/// How many packets a turn takes in at most: a quarter of what an inbox holds, so
/// that guests take some before it is full, whoever keeps everyone waiting.
const TURN_PACKETS: usize = 256;

/// How many bytes a turn reads at most, before guests are called with what was in
/// them: less than an inbox holds.
const TURN_BYTES: usize = 256 << 10;

/// After so much time in calls, a turn looks at the network again. Guests that are
/// fast are done with all that a turn takes in by then.
const CALL_TIME: Duration = Duration::from_millis(5);

/// The same where the clock stands still, in a test.
const TURN_CALLS: usize = 4_096;

/// Drives a post office, its connection and its guests.
#[derive(Debug)]
pub struct Engine {
    office: Office,
    connection: Connection,
    pace: Pace,
    brokers: Brokers,
    /// Which of them the connection at hand is with, or the last one was, and `pace` of.
    pace_of: usize,
    /// Which versions of MQTT the connection at hand may speak.
    versions: Versions,
    /// Whether no more connections are made.
    is_finishing: bool,
    /// When the network was last offered to the post office.
    offered: Time,
}

impl Engine {
    /// Without a connection, and with one broker to connect to.
    pub fn new(office: Office) -> Self {
        Self {
            office,
            connection: Connection::None,
            pace: Pace::default(),
            versions: Versions::default(),
            brokers: Brokers::new(1, None),
            pace_of: 0,
            is_finishing: false,
            offered: Time::default(),
        }
    }

    /// The same with so many brokers, of which the first is preferred. After so long
    /// with another one, it is [looked](Machine::look) whether that can be reached
    /// again; without, it is not.
    #[must_use]
    pub fn with_brokers(self, count: usize, patience: Option<Duration>) -> Self {
        Self {
            brokers: Brokers::new(count, patience),
            ..self
        }
    }

    /// There are other brokers, so many, when the connection at hand has ended, which
    /// the post office is [told](Office::handle_changed) to end.
    pub fn set_brokers(&mut self, count: usize, patience: Option<Duration>) {
        self.brokers = Brokers::new(count, patience);
        self.pace_of = usize::MAX;
    }

    /// The post office.
    pub fn office(&self) -> &Office {
        &self.office
    }

    /// The post office, for inputs that come neither from the network nor from
    /// guests.
    pub fn office_mut(&mut self) -> &mut Office {
        &mut self.office
    }

    /// Whether there is no connection and none is being made.
    pub fn is_closed(&self) -> bool {
        matches!(self.connection, Connection::None)
    }

    /// Which of the brokers the connection at hand goes to, or the next one.
    pub fn broker(&self) -> usize {
        self.brokers.current()
    }

    /// The version of MQTT that the connection at hand speaks, if there is one.
    pub fn version(&self) -> Option<Version> {
        self.connection.transport().map(Transport::version)
    }

    /// Returns whether something is to be read, if there is something.
    pub fn wants_read(&self) -> bool {
        match self.connection {
            Connection::Open(_) => self.office.wants_read(),
            Connection::Closing(..) => true,
            Connection::None | Connection::Dialing(_) => false,
        }
    }

    /// Returns whether a turn is due when the network takes bytes again.
    pub fn wants_write(&self) -> bool {
        let transport = self.connection.transport();
        transport.is_some_and(|transport| transport.output().is_blocked())
    }

    /// The bytes that wait for the network to take them.
    pub fn unwritten(&self) -> usize {
        let transport = self.connection.transport();
        transport.map_or(0, |transport| transport.output().unwritten())
    }

    /// When the next turn is due, if nothing happens before.
    pub fn next_timeout(&mut self) -> Option<Time> {
        let office = match self.is_finishing {
            true => None,
            false => self.office.next_timeout(),
        };
        // One that is being closed is offered nothing more.
        let output = match &self.connection {
            Connection::Open(transport) => Some(transport.output()),
            _ => None,
        };
        let waits = |it: &&Output| self.office.holds_back() || (it.is_awaiting() && it.is_full());
        let look_again = output.filter(waits).map(|it| it.next_look(self.offered));
        let brokers = self.brokers.next_timeout();
        [office, self.connection.next_timeout(), look_again, brokers]
            .into_iter()
            .flatten()
            .min()
    }

    /// Does what can be done without waiting, so much of it at most. Returns
    /// whether there may be more.
    pub fn turn<M: Machine>(&mut self, machine: &mut M) -> bool {
        let now = machine.now();
        machine.observe(now, &mut self.office, Step::Time);
        self.office.handle_timeout(now);
        self.look(machine);
        let reads = self.read(machine);
        self.leave_if_due(machine);
        // An acknowledgement lets the next letter go, which is on its way while
        // guests are called.
        self.write(machine);
        let calls = self.call(machine);
        self.commit(machine);
        let writes = self.write(machine);
        if self.brokers.poll_look(machine.now()) {
            machine.look(0);
        }
        self.close_if_due(machine);
        self.connect(machine);
        reads || calls || writes
    }

    /// A connection is there, on which CONNECT is to say this; or there will be
    /// none, for this reason.
    pub fn handle_dialed<M: Machine>(
        &mut self,
        machine: &mut M,
        dialed: Result<&Handshake, String>,
    ) {
        let dialed = dialed.map(|handshake| (handshake, Layers::default()));
        self.handle_dialed_through(machine, dialed);
    }

    /// The same, with layers on the connection.
    pub fn handle_dialed_through<M: Machine>(
        &mut self,
        machine: &mut M,
        dialed: Result<(&Handshake, Layers), String>,
    ) {
        let Connection::Dialing(connect) = &self.connection else {
            return machine.reset();
        };
        let now = machine.now();
        let transport = dialed.and_then(|(handshake, layers)| {
            self.versions = handshake.versions;
            let version = self.brokers.negotiation().version(now, handshake.versions);
            let transport = Transport::new(now, version, handshake, connect, self.pace, layers);
            transport.map_err(|error| error.to_string())
        });
        match transport {
            Ok(transport) => self.connection = Connection::Open(Box::new(transport)),
            Err(error) => self.lose(machine, Disconnection::Failed(error)),
        }
    }

    /// The oldest of what was to be [kept](Machine::commit) is.
    pub fn handle_committed<M: Machine>(&mut self, machine: &mut M) {
        let now = machine.now();
        machine.observe(now, &mut self.office, Step::Committed);
        self.office.handle_committed();
        // So that the next of it is kept during the turn that this one leads to.
        self.commit(machine);
    }

    /// A guest has finished a call that [took longer](Machine::call).
    pub fn handle_answer<M: Machine>(&mut self, machine: &mut M, guest: GuestId, answer: Answer) {
        let now = machine.now();
        self.answer(machine, now, guest, answer);
    }

    /// The broker that is preferred can be reached. Returns whether the connection to
    /// another one ends for it, in good order: in a moment without letters in flight,
    /// or 10 s from now.
    pub fn handle_reachable<M: Machine>(&mut self, machine: &mut M) -> bool {
        let now = machine.now();
        let moves = !self.is_finishing && self.brokers.handle_reachable(now);
        self.leave_if_due(machine);
        moves
    }

    /// Ends the connection in good order, and makes no other: turns go on until
    /// the engine [is closed](Self::is_closed), which takes a second at most.
    pub fn finish<M: Machine>(&mut self, machine: &mut M) {
        self.is_finishing = true;
        if !matches!(self.connection, Connection::Closing(..)) {
            self.begin_close(machine, None);
        }
    }

    /// Has guests called. Returns whether there may be more calls.
    fn call<M: Machine>(&mut self, machine: &mut M) -> bool {
        let mut now = machine.now();
        let until = now + CALL_TIME;
        for _ in 0..TURN_CALLS {
            if until <= now {
                return true;
            }
            machine.observe(now, &mut self.office, Step::Time);
            let Some(assignment) = self.office.poll_call(now) else {
                return false;
            };
            let guest = assignment.guest;
            machine.observe(now, &mut self.office, Step::Call(&assignment));
            let answer = machine.call(assignment);
            // Each call takes its time, and the next begins when it is over.
            let begun = std::mem::replace(&mut now, machine.now());
            self.office.handle_time_taken(guest, now.since(begun));
            if let Some(answer) = answer {
                self.answer(machine, now, guest, answer);
            }
            // So that it is kept while the next guest is called.
            if self.office.has_large_group() {
                self.commit(machine);
            }
        }
        true
    }

    /// Has what has changed kept: little of it is put off while something is being kept.
    fn commit<M: Machine>(&mut self, machine: &mut M) {
        if self.office.is_keeping() && !self.office.has_large_group() {
            return;
        }
        if let Some(changes) = self.office.poll_commit() {
            let now = machine.now();
            machine.observe(now, &mut self.office, Step::Commit(&changes));
            machine.commit(changes);
        }
    }

    fn answer<M: Machine>(&mut self, machine: &mut M, now: Time, guest: GuestId, answer: Answer) {
        machine.observe(now, &mut self.office, Step::Answer(guest, &answer));
        self.office.handle_answer(now, guest, answer);
    }

    fn connect<M: Machine>(&mut self, machine: &mut M) {
        if self.is_finishing || !self.is_closed() {
            return;
        }
        let now = machine.now();
        machine.observe(now, &mut self.office, Step::Time);
        let (broker, has_another) = (self.brokers.current(), self.brokers.has_another());
        self.office.set_broker(broker, has_another);
        if let Some(connect) = self.office.poll_connect(now) {
            machine.observe(now, &mut self.office, Step::Connect(&connect));
            self.connection = Connection::Dialing(connect);
            self.brokers.handle_begun();
            if std::mem::replace(&mut self.pace_of, broker) != broker {
                self.pace = Pace::default();
            }
            machine.dial(broker);
        }
    }
}
