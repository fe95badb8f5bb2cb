//! The meter of what a guest allocates.

use wasmtime::ResourceLimiter;

/// How many entries all tables of a guest may have together. A table is for
/// function pointers; large programs have some ten thousand.
const TABLE_ELEMENTS: usize = 100_000;
/// How many core instances a guest may consist of. Python has about fifty.
const INSTANCES: usize = 200;
const TABLES: usize = 200;
/// A memory reserves addresses, 4 GiB of them on most machines.
const MEMORIES: usize = 16;

/// Bounds the memories and tables of one instance of a guest: each sum, not
/// each single one.
#[derive(Debug)]
pub(super) struct Meter {
    limit: usize,
    memory: usize,
    table_elements: usize,
    denied: bool,
}

impl Meter {
    /// With so many bytes for memories.
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            memory: 0,
            table_elements: 0,
            denied: false,
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
}

impl ResourceLimiter for Meter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // More than the memory's own type allows fails in any case, and the
        // limit is not to blame.
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current);
        if growth > self.limit.saturating_sub(self.memory) {
            self.denied = true;
            return Ok(false);
        }
        // Counts even if the machine turns out not to have it. Taking it back
        // in `memory_grow_failed` would not do: that is also called for growth
        // nobody has asked the meter for.
        self.memory += growth;
        Ok(true)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if maximum.is_some_and(|maximum| desired > maximum) {
            return Ok(false);
        }
        let growth = desired.saturating_sub(current);
        if growth > TABLE_ELEMENTS.saturating_sub(self.table_elements) {
            return Ok(false);
        }
        self.table_elements += growth;
        Ok(true)
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
        let mut meter = Meter::new(100);
        for (current, desired, allowed) in [(0, 60, true), (0, 50, false), (0, 40, true)] {
            assert_eq!(
                meter.memory_growing(current, desired, None).ok(),
                Some(allowed)
            );
        }
        assert!(meter.denied());
        meter.begin();
        assert!(!meter.denied());
    }

    #[test]
    fn the_limit_is_not_blamed_for_a_memory_s_own_maximum() {
        let mut meter = Meter::new(100);
        assert_eq!(meter.memory_growing(0, 200, Some(150)).ok(), Some(false));
        assert!(!meter.denied());
    }

    #[test]
    fn the_sum_of_all_tables_is_bounded() {
        let mut meter = Meter::new(0);
        assert_eq!(
            meter.table_growing(0, TABLE_ELEMENTS, None).ok(),
            Some(true)
        );
        assert_eq!(meter.table_growing(0, 1, None).ok(), Some(false));
    }
}
