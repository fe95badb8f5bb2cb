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
mod machine;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod tls_tests;

use std::time::Duration;

pub use machine::{Machine, Step};

use crate::office::{Answer, Disconnection, GuestId, Incoming, Office, Reason, Status, Time};
use crate::wire::{
    DecodeError, Handshake, Layers, Output, Pace, Stuck, Transport, Version, Versions,
};
use brokers::Brokers;
use connection::{Closing, Connection};

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

/// How long the end of a connection in good order may take.
const GOODBYE: Duration = Duration::from_secs(1);

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

    fn leave_if_due<M: Machine>(&mut self, machine: &mut M) {
        if self.is_finishing || !self.brokers.is_leaving() {
            return;
        }
        let now = machine.now();
        if self.brokers.poll_leave(now, self.office.has_in_flight()) {
            self.office.handle_reconnect(now);
            self.close_if_due(machine);
        }
    }

    /// Ends the connection in good order, and makes no other: turns go on until
    /// the engine [is closed](Self::is_closed), which takes a second at most.
    pub fn finish<M: Machine>(&mut self, machine: &mut M) {
        self.is_finishing = true;
        if !matches!(self.connection, Connection::Closing(..)) {
            self.begin_close(machine, None);
        }
    }

    /// Looks at what has become of the bytes that were sent.
    fn look<M: Machine>(&mut self, machine: &mut M) {
        let Some(transport) = self.connection.transport_mut() else {
            return;
        };
        if transport.output().is_awaiting() {
            let count = machine.unacknowledged();
            let now = machine.now();
            transport.output_mut().handle_unacknowledged(now, count);
        }
        if let Err(stuck) = transport.output().check(machine.now()) {
            self.lose(machine, reason(stuck));
        }
    }

    /// Takes in what there is to read. Returns whether there may be more of it.
    fn read<M: Machine>(&mut self, machine: &mut M) -> bool {
        let mut bytes = 0;
        for _ in 0..TURN_PACKETS {
            let Connection::Open(transport) = &mut self.connection else {
                return self.read_to_end(machine);
            };
            if !self.office.wants_read() {
                return false;
            }
            match transport.poll_packet() {
                Ok(Some(packet)) => {
                    let now = machine.now();
                    machine.observe(now, &mut self.office, Step::Packet(&packet));
                    if let Incoming::ConnAck { .. } = packet {
                        self.brokers.negotiation().handle_accepted(now);
                    }
                    let is_connack = matches!(packet, Incoming::ConnAck { .. });
                    self.office.handle_packet(now, packet);
                    if is_connack && self.office.status() == Status::Online {
                        self.brokers.handle_accepted(now);
                    }
                    self.close_if_due(machine);
                    continue;
                }
                Ok(None) => {
                    if let Some(reason) = transport.closed_by_peer() {
                        last_word(machine, transport);
                        self.lose_to_peer(machine, reason);
                        continue;
                    }
                }
                Err(error) => {
                    let version = transport.version();
                    let now = machine.now();
                    let told = error.reason().filter(|_| version == Version::V5);
                    let reason = self.failed(now, version, error);
                    self.reject(machine, told, reason);
                    continue;
                }
            }
            let Some(room) = transport.room_for_input() else {
                return false;
            };
            if bytes >= TURN_BYTES {
                return true;
            }
            match machine.read(room) {
                Ok(0) => {
                    let reason = transport.ended(Disconnection::Closed);
                    self.lose_to_peer(machine, reason);
                }
                Ok(count) => {
                    bytes += count;
                    match transport.handle_read() {
                        Ok(false) => {}
                        Ok(true) => {
                            let now = machine.now();
                            machine.observe(now, &mut self.office, Step::Traffic);
                            self.office.handle_traffic(now);
                        }
                        Err(error) => {
                            last_word(machine, transport);
                            self.lose(machine, Disconnection::Failed(error.to_string()));
                        }
                    }
                }
                Err(error) if is_for_later(&error) => return false,
                Err(error) => {
                    let reason = transport.ended(lost(&error));
                    self.lose_to_peer(machine, reason);
                }
            }
        }
        true
    }

    /// Throws away what still comes on a connection that is being closed: closing
    /// it with bytes unread would reset it.
    fn read_to_end<M: Machine>(&mut self, machine: &mut M) -> bool {
        let Connection::Closing(transport, _) = &mut self.connection else {
            return false;
        };
        let mut thrown_away = bytes::BytesMut::with_capacity(4 << 10);
        match machine.read(&mut thrown_away) {
            Ok(0) => {
                let is_done = transport.output().is_done();
                self.let_go(machine, is_done);
                false
            }
            Ok(_) => true,
            Err(error) if is_for_later(&error) => false,
            Err(_) => {
                self.let_go(machine, false);
                false
            }
        }
    }

    /// Writes a batch of what is to be written. Returns whether there may be more
    /// that the network takes at once.
    fn write<M: Machine>(&mut self, machine: &mut M) -> bool {
        let mut is_all = true;
        if let Connection::Open(transport) = &mut self.connection {
            let now = machine.now();
            self.offered = now;
            is_all = false;
            while transport.output().has_room() && !is_all {
                machine.observe(now, &mut self.office, Step::Time);
                let outlook = transport.output().outlook(now);
                let Some(dispatch) = self.office.poll_packet(now, outlook) else {
                    is_all = true;
                    continue;
                };
                machine.observe(now, &mut self.office, Step::Packed(&dispatch));
                if let Err(error) = transport.push(now, dispatch) {
                    self.lose(machine, Disconnection::Failed(error.to_string()));
                    return false;
                }
            }
        }
        self.flush(machine);
        if !is_all && !self.has_room() {
            // A fast network has carried it by now.
            self.look(machine);
        }
        !is_all && self.has_room()
    }

    /// Gives the network what it takes at once, and nothing that has expired.
    fn flush<M: Machine>(&mut self, machine: &mut M) {
        loop {
            let Some(transport) = self.connection.transport_mut() else {
                return;
            };
            // The machine may have slept while the batch was waiting.
            let now = machine.now();
            let output = transport.output_mut();
            while let Some(carried) = output.poll_recalled(now) {
                machine.observe(now, &mut self.office, Step::Recalled(carried));
                self.office.handle_recalled(now, carried);
            }
            transport.seal(now);
            let is_unanswered = transport.is_unanswered();
            let output = transport.output_mut();
            if output.bytes().is_empty() {
                break;
            }
            if let Err(stuck) = output.check(now) {
                return self.lose(machine, reason(stuck));
            }
            match machine.write(output.bytes()) {
                Ok(count) => output.handle_taken(now, count),
                Err(error) if is_for_later(&error) => output.handle_blocked(),
                // What can still be read says more.
                Err(_) if is_unanswered => output.handle_blocked(),
                Err(error) => return self.lose_to_peer(machine, lost(&error)),
            }
            self.office.handle_begun(output.last_begun());
            while let Some(carried) = output.poll_written() {
                machine.observe(now, &mut self.office, Step::Written(carried));
                self.office.handle_written(now, carried);
            }
            if output.is_blocked() {
                break;
            }
        }
        self.end_close(machine);
    }

    fn has_room(&self) -> bool {
        matches!(&self.connection, Connection::Open(open) if open.output().has_room())
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

    /// The post office has no more use for the connection.
    fn close_if_due<M: Machine>(&mut self, machine: &mut M) {
        let reason = self.office.poll_close();
        if let Some(reason) = &reason {
            if *reason == Disconnection::ConnectTimeout {
                self.handle_silence();
            }
            self.brokers.handle_ended(reason);
        }
        match reason {
            Some(Disconnection::Reconnect) => self.begin_close(machine, None),
            Some(Disconnection::Violation(_)) if self.version() == Some(Version::V5) => {
                self.begin_close(machine, Some(Reason::PROTOCOL_ERROR));
            }
            Some(_) => self.abort(machine),
            None => {}
        }
    }

    /// The broker has not answered in time. Some brokers of 3.1.1 do not answer a
    /// CONNECT of MQTT 5.
    fn handle_silence(&mut self) {
        if let Connection::Open(transport) = &self.connection
            && self.versions == Versions::Any
            && transport.has_asked()
        {
            let version = transport.version();
            self.brokers.negotiation().handle_silence(version);
        }
    }

    fn begin_close<M: Machine>(&mut self, machine: &mut M, reason: Option<Reason>) {
        match std::mem::replace(&mut self.connection, Connection::None) {
            Connection::Open(mut transport) => {
                let now = machine.now();
                self.pace = transport.output().pace();
                if reason.is_none()
                    && let Some(farewell) = self.office.poll_farewell()
                {
                    // It was checked like any other.
                    let _ = transport.push(now, farewell);
                }
                // The next connection goes to another one, who is left does not have to
                // keep anything.
                let leaves = self.brokers.current() != self.pace_of;
                match reason {
                    None if leaves => transport.leave(now),
                    _ => transport.finish(now, reason),
                }
                self.connection = Connection::Closing(transport, Closing::until(now + GOODBYE));
                self.flush(machine);
            }
            Connection::None => {}
            Connection::Dialing(_) | Connection::Closing(..) => machine.reset(),
        }
    }

    /// Goes on with the end of a connection in good order.
    fn end_close<M: Machine>(&mut self, machine: &mut M) {
        let Connection::Closing(transport, closing) = &mut self.connection else {
            return;
        };
        if closing.until <= machine.now() {
            if transport.output().is_done() {
                return self.let_go(machine, true);
            }
            return self.abort(machine);
        }
        if transport.output().unwritten() == 0 && !closing.is_shut {
            closing.is_shut = true;
            machine.shutdown();
        }
    }

    /// Why the connection is of no more use after what was read.
    fn failed(&mut self, now: Time, version: Version, error: DecodeError) -> Disconnection {
        /// "Unacceptable protocol version" ([MQTT-3.1.2-2]).
        const VERSION: u8 = 1;
        match (error, self.versions) {
            (DecodeError::Version, Versions::Any) => {
                self.brokers.negotiation().handle_refused(now, version);
                Disconnection::Version
            }
            (DecodeError::Version, Versions::Only(_)) => {
                Disconnection::Refused(Reason::UNSUPPORTED_VERSION.0)
            }
            (DecodeError::Refused(code), _) => {
                if (version, code) == (Version::V4, VERSION) {
                    self.brokers.negotiation().handle_refused(now, version);
                }
                Disconnection::Refused(code)
            }
            (DecodeError::RefusedQos(most), _) => Disconnection::RefusedQos(most),
            (DecodeError::Elsewhere(reason, server), _) => Disconnection::Elsewhere(reason, server),
            (DecodeError::Violation(rule) | DecodeError::TopicAlias(rule), _) => {
                Disconnection::Violation(rule)
            }
            (error, _) => Disconnection::Failed(error.to_string()),
        }
    }

    /// The connection is gone, and not by our doing. Old brokers answer a CONNECT
    /// of MQTT 5 with nothing else.
    fn lose_to_peer<M: Machine>(&mut self, machine: &mut M, mut reason: Disconnection) {
        if let Connection::Open(transport) = &self.connection
            && self.versions == Versions::Any
            && self.office.status() == Status::Offline
            && reason.is_hang_up()
        {
            let version = transport.version();
            self.brokers.negotiation().handle_unanswered(version);
            if version == Version::V5 {
                reason = Disconnection::Version;
            }
        }
        self.lose(machine, reason);
    }

    /// The broker has sent what it must not. It is told why, if it can be.
    fn reject<M: Machine>(&mut self, machine: &mut M, told: Option<Reason>, reason: Disconnection) {
        if told.is_none() {
            return self.lose(machine, reason);
        }
        let now = machine.now();
        self.brokers.handle_ended(&reason);
        machine.observe(now, &mut self.office, Step::Disconnected(&reason));
        self.office.handle_disconnected(now, reason);
        self.begin_close(machine, told);
    }

    /// The connection is of no more use.
    fn lose<M: Machine>(&mut self, machine: &mut M, reason: Disconnection) {
        let is_known = matches!(self.connection, Connection::Closing(..));
        self.abort(machine);
        if !is_known {
            let now = machine.now();
            machine.observe(now, &mut self.office, Step::Disconnected(&reason));
            let reason = self.office.handle_disconnected(now, reason);
            self.brokers.handle_ended(&reason);
        }
    }

    /// Lets go of the connection and of all that the network has not carried.
    fn abort<M: Machine>(&mut self, machine: &mut M) {
        if let Some(transport) = self.connection.transport() {
            self.pace = transport.output().pace();
        }
        if !self.is_closed() {
            self.let_go(machine, false);
        }
    }

    fn let_go<M: Machine>(&mut self, machine: &mut M, in_good_order: bool) {
        self.connection = Connection::None;
        if in_good_order {
            machine.close();
        } else {
            machine.reset();
        }
    }
}

fn reason(stuck: Stuck) -> Disconnection {
    Disconnection::Failed(match stuck {
        Stuck::Overdue => "the network did not carry a letter in time".into(),
        Stuck::Silent => "the network carries nothing".into(),
    })
}

/// Lets a layer say why it ends: who looks into the broker's log finds it there.
fn last_word<M: Machine>(machine: &mut M, transport: &mut Transport) {
    transport.seal(machine.now());
    let _ = machine.write(transport.output().bytes());
}

fn lost(error: &std::io::Error) -> Disconnection {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset};
    if let BrokenPipe | ConnectionAborted | ConnectionReset = error.kind() {
        return Disconnection::Reset;
    }
    Disconnection::Failed(format!("the connection was lost: {error}"))
}

fn is_for_later(error: &std::io::Error) -> bool {
    matches!(
        error.kind(),
        std::io::ErrorKind::WouldBlock | std::io::ErrorKind::Interrupted
    )
}
