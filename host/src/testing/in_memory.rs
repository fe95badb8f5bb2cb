//! The machine of a test: a guest, a broker and a network in memory, and a clock
//! that is set.

use std::io;
use std::time::Duration;

use bytes::BytesMut;
use tokio::runtime::Runtime;

use super::event::{Event, Network, call_name};
use super::journal::Journal;
use crate::broker::{ConnectionId, Core, Output};
use crate::engine::{Machine, Step};
use crate::guest::{Guest, Printed, VirtualClock};
use crate::office::{Answer, Assignment, Office, Time};

/// A guest that is called more often than this at one moment is taken to
/// answer itself.
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
    /// Whether the gateway has asked for a connection.
    is_dialing: bool,
    /// How many calls were made at this moment.
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

    /// Sets the clock forward.
    pub(super) fn set_time(&mut self, now: Time) {
        self.now = now;
        self.clock.set(now);
        self.calls = 0;
    }

    /// Takes from the guest all that it has in its memory.
    pub(super) fn restart_guest(&mut self) {
        self.guest.restart();
        self.record(Event::Restarted);
    }

    /// Returns whether the guest was called too often for one moment.
    pub(super) fn has_called_enough(&self) -> bool {
        self.calls >= CALLS_AT_ONCE
    }

    pub(super) fn record(&mut self, event: Event) {
        self.journal.record(self.now, event);
    }

    /// Returns whether the gateway has asked for a connection.
    pub(super) fn is_dialing(&self) -> bool {
        self.is_dialing
    }

    /// Makes the connection that the gateway has asked for.
    ///
    /// # Errors
    /// Why it cannot be made.
    pub(super) fn finish_dial(&mut self) -> Result<(), String> {
        self.is_dialing = false;
        if self.network == Network::Down {
            return Err("the network is down".into());
        }
        self.connections += 1;
        let id = ConnectionId(self.connections);
        self.open = Some(Connection {
            id,
            input: BytesMut::new(),
            is_ended: false,
        });
        self.broker.handle_open(self.now.into(), id);
        Ok(())
    }

    /// Returns whether a read would find bytes, the end or an error.
    pub(super) fn has_input(&self) -> bool {
        let is_cut = self.network == Network::Down;
        let open = self.open.as_ref();
        open.is_some_and(|open| is_cut || open.is_ended || !open.input.is_empty())
    }

    /// Carries what the broker has sent to the gateway, if the network is up.
    pub(super) fn carry(&mut self) {
        if self.network == Network::Down {
            return;
        }
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

    /// Records what the broker and the post office report.
    pub(super) fn record_reports(&mut self, office: &mut Office) {
        // The trace of packets is not what a test of a guest is about.
        while self.broker.poll_event().is_some() {}
        let notices: Vec<_> = std::iter::from_fn(|| office.poll_notice()).collect();
        notices.iter().for_each(|notice| self.journal.note(notice));
        self.journal
            .record_messages(self.now, self.broker.messages());
        for notice in notices {
            self.journal.handle_notice(self.now, notice);
        }
    }
}

impl Machine for InMemory {
    fn now(&mut self) -> Time {
        self.now
    }

    fn dial(&mut self, _: usize) {
        self.is_dialing = true;
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        self.carry();
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
            self.record(Event::Failed {
                call: call_name(&assignment.call),
                error: format!("called {CALLS_AT_ONCE} times at once; does it answer itself?"),
                again: true,
            });
        }
        let answer = self.runtime.block_on(self.guest.call(&assignment));
        for line in self.printed.take() {
            self.record(Event::Printed(line));
        }
        Some(answer)
    }

    fn observe(&mut self, _: Time, office: &mut Office, step: Step<'_>) {
        if matches!(step, Step::Call(_)) {
            self.record_reports(office);
        }
    }
}

/// The resolution of virtual time.
pub(super) const SHORTEST_STEP: Duration = Duration::from_millis(1);
