//! The meter of what a guest allocates.

use wasmtime::ResourceLimiterAsync;

use super::patience::Yields;

/// How many entries all tables of a guest may have together. A table is for
/// function pointers; large programs have some ten thousand.
const TABLE_ELEMENTS: usize = 100_000;
/// How many core instances a guest may consist of. Python has about fifty.
const INSTANCES: usize = 200;
const TABLES: usize = 200;
/// A memory reserves addresses, 4 GiB of them on most machines.
const MEMORIES: usize = 16;

/// With up to so many bytes of memory, nothing that a guest does with one
/// instruction or hands over to one function of the host takes much longer than
/// a tick. Filling 4 MiB for the first time took 2.3 ms, 64 MiB took 50 ms.
const SMALL: usize = 4 * 1024 * 1024;

/// Bounds the memories and tables of one instance of a guest: each sum, not
/// each single one.
#[derive(Debug)]
pub(super) struct Meter {
    limit: usize,
    memory: usize,
    table_elements: usize,
    denied: bool,
    yields: Yields,
}

impl Meter {
    /// With so many bytes for memories.
    pub(super) fn new(limit: usize, yields: Yields) -> Self {
        Self {
            limit,
            memory: 0,
            table_elements: 0,
            denied: false,
            yields,
        }
    }

    /// A new call begins.
    pub(super) fn begin(&mut self) {
        self.denied = false;
    }

    /// Whether this call was denied memory.
    pub(super) fn denied(&self) -> bool {
        self.denied
    }

    /// Whether there is so much memory that the guest can keep its thread for
    /// longer than a tick.
    pub(super) fn is_large(&self) -> bool {
        self.memory > SMALL
    }

    /// Whether a memory may grow.
    fn grow_memory(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        // More than the memory's own type allows fails in any case, and the
        // limit is not to blame.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        let growth = desired.saturating_sub(current);
        if growth > self.limit.saturating_sub(self.memory) {
            self.denied = true;
            return false;
        }
        // Counts even if the machine turns out not to have it. Taking it back
        // in `memory_grow_failed` would not do: that is also called for growth
        // nobody has asked the meter for.
        self.memory += growth;
        true
    }

    /// Whether a table may grow.
    fn grow_table(&mut self, current: usize, desired: usize, maximum: Option<usize>) -> bool {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return false;
        }
        let growth = desired.saturating_sub(current);
        if growth > TABLE_ELEMENTS.saturating_sub(self.table_elements) {
            return false;
        }
        self.table_elements += growth;
        true
    }
}

#[wasmtime_wasi::async_trait]
impl ResourceLimiterAsync for Meter {
    async fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let was_large = self.is_large();
        let may_grow = self.grow_memory(current, desired, maximum);
        if self.is_large() && !was_large {
            // The next instruction can be the long one.
            self.yields.yield_now().await;
        }
        Ok(may_grow)
    }

    async fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        Ok(self.grow_table(current, desired, maximum))
    }

    fn instances(&self) -> usize {
        INSTANCES
    }

    fn tables(&self) -> usize {
        TABLES
    }

    fn memories(&self) -> usize {
        MEMORIES
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_all_memories_is_bounded() {
        let mut meter = Meter::new(100, Yields::default());
        for (current, desired, allowed) in [(0, 60, true), (0, 50, false), (0, 40, true)] {
            assert_eq!(meter.grow_memory(current, desired, None), allowed);
        }
        assert!(meter.denied());
        meter.begin();
        assert!(!meter.denied());
    }

    #[test]
    fn the_limit_is_not_blamed_for_a_memory_s_own_maximum() {
        let mut meter = Meter::new(100, Yields::default());
        assert!(!meter.grow_memory(0, 200, Some(150)));
        assert!(!meter.denied());
    }

    #[test]
    fn the_sum_of_all_tables_is_bounded() {
        let mut meter = Meter::new(0, Yields::default());
        assert!(meter.grow_table(0, TABLE_ELEMENTS, None));
        assert!(!meter.grow_table(0, 1, None));
    }
}
