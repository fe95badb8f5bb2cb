//! What the tasks of one listener and its owner share: the core behind a lock,
//! and the clock.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::events::Log;
use crate::core::{Core, Output};
use crate::event::ConnectionId;
use crate::options::Options;
use crate::time::Time;

/// How much may wait for a client that does not read, in bytes. Above it the
/// connection is given up, rather than all memory.
pub(super) const OUTBOX_LIMIT: usize = 64 * 1024 * 1024;

/// How many bytes of packets a socket takes at once, but for the last packet.
const BATCH: usize = 64 * 1024;

#[derive(Debug)]
pub(super) struct Shared {
    state: Mutex<State>,
    /// Ticks when anything has changed.
    changed: watch::Sender<()>,
    /// Ticks when something is due earlier than was said.
    earlier: Notify,
    started: Instant,
}

#[derive(Debug)]
struct State {
    core: Core,
    log: Log,
    events_kept: usize,
    outboxes: BTreeMap<ConnectionId, Outbox>,
    last_connection: u64,
    /// The next timeout, as far as the one who waits for it knows.
    awaited: Option<Time>,
}

/// What is to be done to a socket.
#[derive(Debug, Default)]
struct Outbox {
    packets: VecDeque<Bytes>,
    /// Of all of them, in bytes.
    length: usize,
    close: bool,
    wake: Arc<Notify>,
}

impl Outbox {
    fn put(&mut self, packet: Bytes) {
        self.length += packet.len();
        self.packets.push_back(packet);
    }

    /// Moves packets to the end of `batch`.
    fn take(&mut self, batch: &mut BytesMut) {
        while batch.len() < BATCH
            && let Some(packet) = self.packets.pop_front()
        {
            self.length -= packet.len();
            batch.extend_from_slice(&packet);
        }
    }
}

/// What the task of a socket does next.
#[derive(Debug)]
pub(super) struct Turn {
    /// Whether more waits to be sent.
    pub(super) waits: bool,
    /// Whether to close it, once the network has been given all of that.
    pub(super) close: bool,
    pub(super) reads: bool,
}

impl Shared {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            state: Mutex::new(State {
                core: Core::new(options.core.clone()),
                log: Log::default(),
                events_kept: options.events_kept,
                outboxes: BTreeMap::new(),
                last_connection: 0,
                awaited: None,
            }),
            changed: watch::Sender::new(()),
            earlier: Notify::new(),
            #[expect(clippy::disallowed_methods, reason = "this is the broker's clock")]
            started: Instant::now(),
        }
    }

    /// Ticks after every change of the core and its events. Ask for it before
    /// looking, so that no change is missed.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }

    pub(super) fn look<T>(&self, look: impl FnOnce(&Core, &Log) -> T) -> T {
        let state = self.lock();
        look(&state.core, &state.log)
    }

    /// Changes the core and passes on what comes out of it.
    pub(super) fn change<T>(&self, change: impl FnOnce(&mut Core, Time) -> T) -> T {
        let mut state = self.lock();
        let now = self.now();
        let reading = state.core.is_reading();
        let answer = change(&mut state.core, now);
        if state.core.is_reading() != reading {
            state
                .outboxes
                .values()
                .for_each(|outbox| outbox.wake.notify_one());
        }
        state.distribute(now);
        let next = state.core.next_timeout();
        let earlier = next.is_some_and(|next| state.awaited.is_none_or(|awaited| next < awaited));
        drop(state);
        if earlier {
            self.earlier.notify_one();
        }
        self.changed.send_replace(());
        answer
    }

    /// A socket was accepted: its number, and what wakes its task.
    pub(super) fn open(&self) -> (ConnectionId, Arc<Notify>) {
        let mut state = self.lock();
        state.last_connection += 1;
        let id = ConnectionId(state.last_connection);
        let outbox = Outbox::default();
        let wake = outbox.wake.clone();
        state.outboxes.insert(id, outbox);
        drop(state);
        self.change(|core, now| core.handle_open(now, id));
        (id, wake)
    }

    /// What is to be done to a socket now. With a batch, moves packets to it, of
    /// which one that was written is followed by the next: what a client does not read
    /// stays in its outbox, which has a bound.
    pub(super) fn turn(&self, id: ConnectionId, batch: Option<&mut BytesMut>) -> Turn {
        let mut state = self.lock();
        let reads = state.core.wants_read(id);
        let Some(outbox) = state.outboxes.get_mut(&id) else {
            return Turn {
                waits: false,
                close: true,
                reads,
            };
        };
        if let Some(batch) = batch {
            outbox.take(batch);
        }
        Turn {
            waits: !outbox.packets.is_empty(),
            close: outbox.close,
            reads,
        }
    }

    /// The task of a socket is done.
    pub(super) fn close(&self, id: ConnectionId) {
        self.lock().outboxes.remove(&id);
        self.change(|core, now| core.handle_closed(now, id));
    }

    pub(super) fn stop(&self) {
        self.lock().log.stopped = true;
        self.changed.send_replace(());
    }

    /// For how long nothing is due, if anything is, until
    /// [`earlier`](Self::earlier) says otherwise.
    pub(super) fn idle(&self) -> Option<Duration> {
        let mut state = self.lock();
        state.awaited = state.core.next_timeout();
        Some(state.awaited?.since(self.now()))
    }

    /// Waits until something is due earlier than [`idle`](Self::idle) has said.
    pub(super) async fn earlier(&self) {
        self.earlier.notified().await;
    }

    /// The only clock there is.
    fn now(&self) -> Time {
        Time::default() + self.started.elapsed()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // A test that failed in `Broker::with` has not harmed the core.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Moves what the core has put out to the sockets and the log.
    fn distribute(&mut self, now: Time) {
        while let Some(output) = self.core.poll_output() {
            let (Output::Send(id, _) | Output::Close(id)) = &output;
            let id = *id;
            let Some(outbox) = self.outboxes.get_mut(&id) else {
                continue;
            };
            match output {
                Output::Send(_, packet) => outbox.put(packet),
                Output::Close(_) => outbox.close = true,
            }
            if outbox.length > OUTBOX_LIMIT {
                self.core.handle_unread(now, id);
            }
            outbox.wake.notify_one();
        }
        while let Some(event) = self.core.poll_event() {
            self.log.push(event, self.events_kept);
        }
    }
}
