//! Events, kept for readers who come when they like.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use super::shared::Shared;
use crate::event::Event;

/// The events of a broker, as far as they are kept.
#[derive(Debug, Default)]
pub(super) struct Log {
    kept: VecDeque<Event>,
    /// The number of the first one that is kept.
    first: usize,
    pub(super) stopped: bool,
}

impl Log {
    pub(super) fn push(&mut self, event: Event, limit: usize) {
        self.kept.push_back(event);
        while self.kept.len() > limit.max(1) {
            self.kept.pop_front();
            self.first += 1;
        }
    }

    /// The event with a number, or the first one kept after it.
    fn get(&self, number: usize) -> Option<(usize, &Event)> {
        let number = number.max(self.first);
        Some((number, self.kept.get(number - self.first)?))
    }
}

/// Reads the events of a [`Broker`](super::Broker), each one once.
pub struct Events {
    shared: Arc<Shared>,
    next: usize,
}

impl Events {
    pub(super) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, next: 0 }
    }

    /// The next event, without waiting.
    pub fn poll_event(&mut self) -> Option<Event> {
        let next = self.next;
        let (number, event) = self
            .shared
            .look(|_, log| log.get(next).map(|(number, event)| (number, event.clone())))?;
        self.next = number + 1;
        Some(event)
    }

    /// The next event; `None` when the broker has stopped.
    pub async fn next_event(&mut self) -> Option<Event> {
        let mut changes = self.shared.changes();
        loop {
            // In this order, or the last event could be missed.
            let stopped = self.shared.look(|_, log| log.stopped);
            if let Some(event) = self.poll_event() {
                return Some(event);
            }
            if stopped || changes.changed().await.is_err() {
                return None;
            }
        }
    }

    /// The next event that is wanted; the others before it are read over.
    /// `None` when the broker has stopped without it. Does not give up by
    /// itself.
    pub async fn wait_for(&mut self, mut wanted: impl FnMut(&Event) -> bool) -> Option<Event> {
        loop {
            let event = self.next_event().await?;
            if wanted(&event) {
                return Some(event);
            }
        }
    }
}

impl fmt::Debug for Events {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Events")
            .field("next", &self.next)
            .finish_non_exhaustive()
    }
}
