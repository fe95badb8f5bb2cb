//! What a gateway does, told to whoever watches it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use crate::office::{Answer, Assignment, Backlog, Call, GuestId, Notice};

/// Something that has happened, in the order in which it did.
#[derive(Debug)]
#[non_exhaustive]
pub enum Observed<'a> {
    /// Something has happened in the post office.
    Notice(&'a Notice),
    /// A guest was called and has answered. What the post office makes of it
    /// comes next.
    Called {
        /// Who.
        guest: GuestId,
        /// What it was called with.
        call: &'a Call,
        /// How long that took; an instance that had to be made included.
        took: Duration,
        /// What it answered.
        answer: &'a Answer,
    },
    /// A guest has [taken the place](super::Control::replace) of another.
    Replaced {
        /// Whose place.
        guest: GuestId,
    },
    /// All that could be done is done. This is left, and the gateway waits for
    /// something to happen.
    Waiting(Backlog),
}

type Callback = Box<dyn FnMut(&Observed<'_>) + Send>;

/// An observer, with the calls it has not been told of yet.
pub(super) struct Observer {
    callback: Callback,
    begun: BTreeMap<GuestId, (Call, Instant)>,
}

impl Observer {
    pub(super) fn new(callback: Callback) -> Self {
        Self {
            callback,
            begun: BTreeMap::new(),
        }
    }

    pub(super) fn notify(&mut self, observed: &Observed<'_>) {
        (self.callback)(observed);
    }

    /// A call begins.
    pub(super) fn handle_call(&mut self, assignment: &Assignment) {
        let call = assignment.call.clone();
        #[expect(
            clippy::disallowed_methods,
            reason = "only shown: how long the call took"
        )]
        self.begun.insert(assignment.guest, (call, Instant::now()));
    }

    /// The call of this guest is over.
    pub(super) fn handle_answer(&mut self, guest: GuestId, answer: &Answer) {
        if let Some((call, begun)) = self.begun.remove(&guest) {
            self.notify(&Observed::Called {
                guest,
                call: &call,
                took: begun.elapsed(),
                answer,
            });
        }
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}
