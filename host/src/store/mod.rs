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

/// Returns when the group that it came with is durable, and each one before it: no power
/// cut takes them away from then on. It takes as long as a disk does.
///
/// # Errors
/// It is not known which of the groups that are not durable yet are.
pub type Syncing = Box<dyn FnOnce() -> Result<(), StoreError> + Send>;

/// Keeps the work list. Calls take as long as they take: threads of their own wait for
/// them.
///
/// A program can have a store of its own, which goes into
/// [`KeepingOptions`](crate::gateway::KeepingOptions) with what it has
/// [loaded](Self::load). This one has a database, which makes each group durable at once:
///
/// ```
/// use jackalope::store::{Contents, Group, Store, StoreError, Syncing};
///
/// /// Where letters, outcomes, timers and state are rows: what `Contents::apply` does.
/// trait Database: Send {
///     fn read(&self) -> std::io::Result<Contents>;
///     /// A transaction: all that is in the group, and its number.
///     fn commit(&mut self, group: &Group) -> std::io::Result<()>;
/// }
///
/// struct InDatabase<D>(D);
///
/// impl<D: Database> Store for InDatabase<D> {
///     fn load(&mut self) -> Result<Contents, StoreError> {
///         self.0.read().map_err(|error| StoreError::Other(error.into()))
///     }
///
///     fn write(&mut self, group: &Group) -> Result<Syncing, StoreError> {
///         let committed = self.0.commit(group);
///         committed.map_err(|error| StoreError::Other(error.into()))?;
///         Ok(Box::new(|| Ok(())))
///     }
///
///     fn reopen(&mut self) -> Result<u64, StoreError> {
///         Ok(self.load()?.number)
///     }
/// }
/// ```
pub trait Store: Send {
    /// Reads all that is kept. Called once, before anything else.
    ///
    /// # Errors
    /// It cannot be read, or not be trusted.
    fn load(&mut self) -> Result<Contents, StoreError>;

    /// Writes a group behind those before it, and returns what makes it durable.
    /// While that is called, in another thread, more may be written; each is called in
    /// its turn, or dropped. A store to which that is of no use makes the group durable
    /// at once, and returns what does nothing.
    ///
    /// # Errors
    /// It is not known whether the group is durable. After an error, here or of what was
    /// returned, nothing is written any more before [`reopen`](Self::reopen) has
    /// succeeded, and what was returned before that is not called after it.
    fn write(&mut self, group: &Group) -> Result<Syncing, StoreError>;

    /// Begins anew after an error, with what is durable. Returns the number of the
    /// last group that is.
    ///
    /// # Errors
    /// It still does not work; this can be called again.
    fn reopen(&mut self) -> Result<u64, StoreError>;

    /// Makes a group durable. When this returns, no power cut takes it away.
    ///
    /// # Errors
    /// As those of [`write`](Self::write).
    fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        let sync = self.write(group)?;
        sync()
    }
}
