//! The machine of a test: a guest, a broker and a network in memory, and a clock
//! that is set.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Runtime;

use super::happening::{Happening, Network, call_name};
use super::journal::Journal;
use crate::broker::{ConnectionId, Core, Output};
use crate::engine::{Machine, Step};
use crate::guest::{Guest, Printed, VirtualClock};
use crate::office::{Answer, Assignment, Office, Time};

/// A guest that is called more often than this without any time passing is
/// taken to answer itself.
const CALLS_AT_ONCE: usize = 10_000;

/// The machine of a test. Its network carries bytes at once, or not at all.
#[derive(Debug)]
pub(super) struct InMemory {
    now: Time,
    clock: VirtualClock,
    pub(super) network: Network,
    pub(super) broker: Core,
    pub(super) journal: Journal,
    guest: Guest,
    printed: Printed,
    runtime: Runtime,
    /// How many connections there have been.
    connections: u64,
    open: Option<Connection>,
    /// Whether a connection is to be made.
    is_dialing: bool,
    /// How many calls were made since time has passed.
    calls: usize,
}

#[derive(Debug)]
struct Connection {
    id: ConnectionId,
    /// What the broker has sent and the gateway has not read.
    input: BytesMut,
    /// Whether the broker has closed it.
    is_ended: bool,
}

impl InMemory {
    /// At time zero and without a connection.
    pub(super) fn new(
        network: Network,
        broker: Core,
        guest: Guest,
        clock: VirtualClock,
        printed: Printed,
        runtime: Runtime,
    ) -> Self {
        Self {
            now: Time::default(),
            clock,
            network,
            broker,
            journal: Journal::default(),
            guest,
            printed,
            runtime,
            connections: 0,
            open: None,
            is_dialing: false,
            calls: 0,
        }
    }

    /// Lets time pass until this moment.
    pub(super) fn set_time(&mut self, now: Time) {
        self.now = now;
        self.clock.set(now);
        self.calls = 0;
    }

    /// Whether the guest has been called so often that only time can help.
    pub(super) fn has_called_enough(&self) -> bool {
        self.calls >= CALLS_AT_ONCE
    }

    pub(super) fn happen(&mut self, what: Happening) {
        self.journal.happen(self.now, what);
    }

    /// Makes the connection that the gateway has asked for, if it has. Returns
    /// whether there is one now.
    pub(super) fn poll_dialed(&mut self) -> Option<Result<(), String>> {
        if !std::mem::take(&mut self.is_dialing) {
            return None;
        }
        if self.network == Network::Down {
            return Some(Err("the network is down".into()));
        }
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.open = Some(Connection {
            id,
            input: BytesMut::new(),
            is_ended: false,
        });
        self.broker.handle_open(self.now.into(), id);
        Some(Ok(()))
    }

    /// Whether there is something to read, or the end.
    pub(super) fn has_input(&mut self) -> bool {
        if self.network == Network::Up {
            self.carry();
        }
        let is_cut = self.network == Network::Down;
        let open = self.open.as_ref();
        open.is_some_and(|open| is_cut || open.is_ended || !open.input.is_empty())
    }

    /// Carries what the broker has sent.
    pub(super) fn carry(&mut self) {
        while let Some(output) = self.broker.poll_output() {
            // What is for a connection that is gone goes with it.
            match (output, &mut self.open) {
                (Output::Send(id, bytes), Some(open)) if id == open.id => {
                    open.input.extend_from_slice(&bytes);
                }
                (Output::Close(id), Some(open)) if id == open.id => open.is_ended = true,
                _ => {}
            }
        }
    }

    /// Writes down what broker and post office have to say.
    pub(super) fn note(&mut self, office: &mut Office) {
        // The trace of packets is not what a test of a guest is about.
        while self.broker.poll_event().is_some() {}
        self.journal.look_at(self.now, self.broker.messages());
        while let Some(notice) = office.poll_notice() {
            self.journal.handle_notice(self.now, notice);
        }
    }
}

impl Machine for InMemory {
    fn now(&mut self) -> Time {
        self.now
    }

    fn dial(&mut self) {
        self.is_dialing = true;
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        if self.network == Network::Up {
            self.carry();
        }
        let Some(open) = &mut self.open else {
            return Err(io::ErrorKind::NotConnected.into());
        };
        // What was carried before the network went down is there.
        let count = open.input.len().min(buffer.capacity() - buffer.len());
        if count > 0 {
            buffer.extend_from_slice(&open.input.split_to(count));
            return Ok(count);
        }
        match self.network {
            Network::Down => Err(io::ErrorKind::NetworkDown.into()),
            Network::Up if open.is_ended => Ok(0),
            Network::Up => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match (&self.open, self.network) {
            (Some(open), Network::Up) => {
                self.broker.handle_bytes(self.now.into(), open.id, bytes);
                Ok(bytes.len())
            }
            _ => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    fn unacknowledged(&mut self) -> usize {
        0
    }

    fn shutdown(&mut self) {
        if let Some(open) = &mut self.open {
            open.is_ended = true;
            self.broker.handle_closed(self.now.into(), open.id);
        }
    }

    fn close(&mut self) {
        self.open = None;
    }

    fn reset(&mut self) {
        self.is_dialing = false;
        if let Some(open) = self.open.take() {
            self.broker.handle_closed(self.now.into(), open.id);
        }
    }

    fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        self.calls += 1;
        if self.calls == CALLS_AT_ONCE {
            self.happen(Happening::Failed {
                call: call_name(&assignment.call),
                error: format!("called {CALLS_AT_ONCE} times at once; does it answer itself?"),
                again: true,
            });
        }
        let answer = self.runtime.block_on(self.guest.call(&assignment));
        for line in self.printed.take() {
            self.happen(Happening::Printed(line));
        }
        Some(answer)
    }

    fn observe(&mut self, _: Time, office: &mut Office, step: Step<'_>) {
        if matches!(step, Step::Call(_)) {
            self.note(office);
        }
    }
}

/// The shortest time that passes.
pub(super) const MOMENT: Duration = Duration::from_millis(1);
