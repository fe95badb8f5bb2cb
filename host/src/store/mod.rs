//! Where the work list is kept, so that it outlives the gateway.
//!
//! The post office has everything in memory, and hands out what has changed in groups.
//! A [`Store`] makes them durable, one after the other: of each group all or nothing. It
//! is read once, when the gateway starts, as [`Contents`], which is also what a store
//! has to be: however it keeps them, it gives back what [`Contents::apply`] makes of
//! the groups that were committed.

mod contents;
pub(crate) mod disk;
mod error;
mod open_letters;
mod restore;
mod stored_letters;
mod time_off;

pub use contents::{Contents, OwedOutcome, StoredLetter, StoredTimer};
pub use disk::{CutOff, Disk, Looked};
pub use error::StoreError;
pub use restore::{Held, OldLetters};
pub use stored_letters::StoredLetters;
pub use time_off::{
    Boot, BootId, Boots, ClockTrust, EARLIEST, InAll, Lifetime, Moment, NoBootId, Since, Trust,
    Ttl, UnknownClockTrust,
};

use crate::office::Change;

/// What is made durable at once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// Groups are numbered, from one more than [`Contents::number`].
    pub number: u64,
    /// When it is: by which clocks the times in it are meant.
    pub moment: Moment,
    /// What has changed, in its order.
    pub changes: Vec<Change>,
}

/// Keeps the work list. Calls take as long as they take: a thread of its own waits for
/// them.
pub trait Store: Send {
    /// Reads all that is kept. Called once, before anything else.
    ///
    /// # Errors
    /// It cannot be read, or not be trusted.
    fn load(&mut self) -> Result<Contents, StoreError>;

    /// Makes a group durable. When this returns, no power cut takes it away.
    ///
    /// # Errors
    /// It is not known whether the group is durable. Nothing is committed any more
    /// before [`reopen`](Self::reopen) has succeeded.
    fn commit(&mut self, group: &Group) -> Result<(), StoreError>;

    /// Begins anew after an error, with what is durable. Returns the number of the
    /// last group that is.
    ///
    /// # Errors
    /// It still does not work; this can be called again.
    fn reopen(&mut self) -> Result<u64, StoreError>;

    /// Tries a group again that could not be committed.
    ///
    /// # Errors
    /// It still is not known whether the group is durable.
    fn commit_again(&mut self, group: &Group) -> Result<(), StoreError> {
        // It may have been durable after all.
        match self.reopen()? == group.number {
            true => Ok(()),
            false => self.commit(group),
        }
    }
}
