//! When letters expire: a heap that is asked for the next deadline.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use super::{Ticket, Time};

/// Deadlines of letters, earliest first.
///
/// A letter that leaves early leaves its entry behind; the owner says which
/// entries are still alive. Stale entries are swept out when they outnumber
/// the live ones, so that memory follows the number of letters.
#[derive(Debug, Default)]
pub(super) struct Deadlines {
    heap: BinaryHeap<Reverse<Deadline>>,
}

/// When the letter in a slot expires, unless the slot holds another by then.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline {
    pub(super) at: Time,
    pub(super) ticket: Ticket,
    pub(super) slot: u32,
}

impl Deadlines {
    /// Below this many entries a sweep is not worth it.
    const SMALL: usize = 64;

    pub(super) fn push(&mut self, deadline: Deadline) {
        self.heap.push(Reverse(deadline));
    }

    /// The earliest deadline that is alive; stale ones before it are dropped.
    pub(super) fn peek(&mut self, is_alive: impl Fn(&Deadline) -> bool) -> Option<Deadline> {
        while let Some(Reverse(deadline)) = self.heap.peek() {
            if is_alive(deadline) {
                return Some(*deadline);
            }
            self.heap.pop();
        }
        None
    }

    /// Sweeps stale entries out when there are more of them than `live`.
    pub(super) fn tidy(&mut self, live: usize, is_alive: impl Fn(&Deadline) -> bool) {
        if self.heap.len() > 2 * live + Self::SMALL {
            self.heap.retain(|Reverse(deadline)| is_alive(deadline));
        }
    }
}
