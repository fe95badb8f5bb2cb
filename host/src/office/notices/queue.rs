//! The notices that wait for whoever writes the log.

use std::collections::VecDeque;

use super::{Concluded, Notice};
use crate::office::{DisplacedBy, GuestId, Outcome, Ticket};

/// More room than this is given back when nothing waits.
const ROOM_KEPT: usize = 1_024;

/// Notices, in the order in which they came.
#[derive(Debug)]
pub(in crate::office) struct Notices {
    queue: VecDeque<Queued>,
    /// Whether there is notice of what goes as it should.
    has_details: bool,
}

/// A million letters can expire at once, so their outcomes are kept small where nobody
/// wants details.
#[derive(Debug)]
enum Queued {
    Outcome(GuestId, Ticket, Outcome, Option<DisplacedBy>),
    Other(Box<Notice>),
}

impl Notices {
    pub(in crate::office) fn new() -> Self {
        Self {
            queue: VecDeque::new(),
            has_details: true,
        }
    }

    pub(in crate::office) fn set_details(&mut self, has_details: bool) {
        self.has_details = has_details;
    }

    pub(in crate::office) fn push(&mut self, notice: Notice) {
        self.queue.push_back(Queued::Other(Box::new(notice)));
    }

    /// A notice that nobody may want, and that is then not made.
    pub(in crate::office) fn push_detail(&mut self, notice: impl FnOnce() -> Notice) {
        if self.has_details {
            self.push(notice());
        }
    }

    /// `about` is asked for where there are details.
    pub(in crate::office) fn push_outcome(
        &mut self,
        guest: GuestId,
        ticket: Ticket,
        outcome: Outcome,
        by: Option<DisplacedBy>,
        about: impl FnOnce() -> Option<Concluded>,
    ) {
        if self.has_details {
            self.push(Notice::Outcome {
                guest,
                ticket,
                outcome,
                by,
                about: about().map(Box::new),
            });
        } else if outcome != Outcome::Delivered {
            self.queue
                .push_back(Queued::Outcome(guest, ticket, outcome, by));
        }
    }

    pub(in crate::office) fn pop(&mut self) -> Option<Notice> {
        let queued = self.queue.pop_front()?;
        if self.queue.is_empty() && self.queue.capacity() > ROOM_KEPT {
            self.queue = VecDeque::new();
        }
        Some(match queued {
            Queued::Other(notice) => *notice,
            Queued::Outcome(guest, ticket, outcome, by) => Notice::Outcome {
                guest,
                ticket,
                outcome,
                by,
                about: None,
            },
        })
    }
}
