//! How a connection ends: in good order, for which it has a moment, or at once.

use std::time::Duration;

use super::connection::{Closing, Connection};
use super::{Engine, Machine, Step};
use crate::office::{Disconnection, Reason, Status, Time};
use crate::wire::{DecodeError, Version, Versions};

/// How long the end of a connection in good order may take.
const GOODBYE: Duration = Duration::from_secs(1);

impl Engine {
    /// Leaves the broker for the one that is preferred, if it is time for that.
    pub(super) fn leave_if_due<M: Machine>(&mut self, machine: &mut M) {
        if self.is_finishing || !self.brokers.is_leaving() {
            return;
        }
        let now = machine.now();
        if self.brokers.poll_leave(now, self.office.has_in_flight()) {
            self.office.handle_reconnect(now);
            self.close_if_due(machine);
        }
    }

    /// The post office has no more use for the connection.
    pub(super) fn close_if_due<M: Machine>(&mut self, machine: &mut M) {
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

    pub(super) fn begin_close<M: Machine>(&mut self, machine: &mut M, reason: Option<Reason>) {
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
    pub(super) fn end_close<M: Machine>(&mut self, machine: &mut M) {
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
    pub(super) fn failed(
        &mut self,
        now: Time,
        version: Version,
        error: DecodeError,
    ) -> Disconnection {
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
    pub(super) fn lose_to_peer<M: Machine>(&mut self, machine: &mut M, mut reason: Disconnection) {
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
    pub(super) fn reject<M: Machine>(
        &mut self,
        machine: &mut M,
        told: Option<Reason>,
        reason: Disconnection,
    ) {
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
    pub(super) fn lose<M: Machine>(&mut self, machine: &mut M, reason: Disconnection) {
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

    pub(super) fn let_go<M: Machine>(&mut self, machine: &mut M, in_good_order: bool) {
        self.connection = Connection::None;
        if in_good_order {
            machine.close();
        } else {
            machine.reset();
        }
    }
}
