//! A disk in memory whose power can be cut, with the store of a work list on it.

use crate::store::Store;
use crate::store::disk::memory::{Chance, Memory};

/// A disk in memory, which knows what of that which was written is durable.
#[derive(Debug, Clone, Default)]
pub struct MemoryDisk(Memory);

impl MemoryDisk {
    /// A store on this disk, of which nothing is read yet: that of a gateway, but with
    /// files so small that they come and go all the time.
    pub fn store(&self, random: u64) -> Box<dyn Store> {
        self.0.open(random)
    }

    /// One operation fails with this error of the operating system, after so many.
    pub fn fail_after(&self, operations: usize, errno: i32) {
        self.0.fail(self.0.operations() + operations, errno);
    }

    /// Nothing fails any more.
    pub fn heal(&self) {
        self.0.heal();
    }

    /// What the disk looks like before and after each operation of this, as whoever goes
    /// on without a power cut finds it.
    pub fn record(&self, operations: impl FnOnce()) -> Vec<Self> {
        self.0.record();
        operations();
        let history = self.0.take_history();
        history.iter().map(|it| Self(it.as_it_is())).collect()
    }

    /// What a power cut may leave of it, one of many things by this number.
    #[must_use]
    pub fn cut(&self, random: u64) -> Self {
        Self(self.0.snapshot().cut(&mut Chance(random)))
    }
}
