//! What a gateway does, told to whoever watches it.

use std::collections::BTreeMap;
use std::fmt;
use std::time::{Duration, Instant};

use super::followers::Followers;
use super::news::Teller;
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

/// Passes on what happens to those who want to know, with the calls they have not been
/// told of yet.
#[derive(Default)]
pub(super) struct Observer {
    callback: Option<Callback>,
    followers: Followers,
    /// Makes news for the followers, while there are any.
    teller: Option<Teller>,
    begun: BTreeMap<GuestId, (Call, Instant)>,
}

impl Observer {
    pub(super) fn set_callback(&mut self, callback: Callback) {
        self.callback = Some(callback);
    }

    pub(super) fn set_followers(&mut self, followers: Followers) {
        self.followers = followers;
    }

    pub(super) fn followers(&self) -> &Followers {
        &self.followers
    }

    /// Whether anybody wants to know.
    pub(super) fn is_needed(&mut self) -> bool {
        let are_followers = self.followers.are_any();
        if !are_followers && self.teller.is_some() {
            self.teller = None;
        }
        are_followers || self.callback.is_some()
    }

    /// `is_online` is how it was before, and `names` are those of the guests.
    pub(super) fn notify(&mut self, observed: &Observed<'_>, is_online: bool, names: &[String]) {
        if let Some(callback) = &mut self.callback {
            callback(observed);
        }
        if !self.followers.are_any() {
            return;
        }
        let followers = &self.followers;
        let teller = self.teller.get_or_insert_with(|| Teller::new(is_online));
        teller.tell(observed, |news| followers.tell(news, names));
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
    pub(super) fn handle_answer(
        &mut self,
        guest: GuestId,
        answer: &Answer,
        is_online: bool,
        names: &[String],
    ) {
        if let Some((call, begun)) = self.begun.remove(&guest) {
            let called = Observed::Called {
                guest,
                call: &call,
                took: begun.elapsed(),
                answer,
            };
            self.notify(&called, is_online, names);
        }
    }
}

/// Nothing more happens.
impl Drop for Observer {
    fn drop(&mut self) {
        self.followers.end();
    }
}

impl fmt::Debug for Observer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observer")
            .field("begun", &self.begun)
            .finish_non_exhaustive()
    }
}
