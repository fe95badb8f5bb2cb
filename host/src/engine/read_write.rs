//! What a turn reads and writes: the bytes that come are packets for the post office, and
//! its packets are the bytes that go.

use super::connection::Connection;
use super::{Engine, Machine, Step, TURN_BYTES, TURN_PACKETS};
use crate::office::{Disconnection, Incoming, Status};
use crate::wire::{Stuck, Transport, Version};

impl Engine {
    /// Looks at what has become of the bytes that were sent.
    pub(super) fn look<M: Machine>(&mut self, machine: &mut M) {
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
    pub(super) fn read<M: Machine>(&mut self, machine: &mut M) -> bool {
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
    pub(super) fn write<M: Machine>(&mut self, machine: &mut M) -> bool {
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
    pub(super) fn flush<M: Machine>(&mut self, machine: &mut M) {
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
