//! The clocks that a guest sees: the machine's, or one that is set by hand.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use wasmtime_wasi::{HostMonotonicClock, HostWallClock, WasiCtxBuilder};

use crate::office::Time;

/// What the wall clock of a guest shows when its virtual clock stands at zero,
/// as the time since 1970: 2030-01-01, 00:00 UTC.
pub const VIRTUAL_START: Duration = Duration::from_secs(1_893_456_000);

/// What the clocks of a guest show.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Clocks {
    /// The time.
    #[default]
    Real,
    /// What somebody sets. The monotonic clock shows the time since zero, the
    /// wall clock that since [`VIRTUAL_START`].
    ///
    /// This is what a guest reads, not what it waits for: a guest that sleeps
    /// still sleeps for real, under its limit for a call, and finds that no
    /// time has passed.
    Virtual(VirtualClock),
}

/// A clock that goes when it is set. Clones are handles to the same clock.
#[derive(Debug, Clone, Default)]
pub struct VirtualClock(Arc<AtomicU64>);

impl VirtualClock {
    /// Sets it. It must not be set back: guests rely on that.
    pub fn set(&self, now: Time) {
        self.0.store(now.as_millis(), Ordering::Relaxed);
    }

    fn since_zero(&self) -> Duration {
        Duration::from_millis(self.0.load(Ordering::Relaxed))
    }
}

impl PartialEq for VirtualClock {
    /// Whether they are the same clock, not merely set to the same time.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for VirtualClock {}

impl Clocks {
    pub(super) fn set(&self, wasi: &mut WasiCtxBuilder) {
        if let Self::Virtual(clock) = self {
            wasi.monotonic_clock(clock.clone());
            wasi.wall_clock(clock.clone());
        }
    }
}

impl HostMonotonicClock for VirtualClock {
    fn resolution(&self) -> u64 {
        1_000_000
    }

    fn now(&self) -> u64 {
        u64::try_from(self.since_zero().as_nanos()).unwrap_or(u64::MAX)
    }
}

impl HostWallClock for VirtualClock {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }

    fn now(&self) -> Duration {
        VIRTUAL_START.saturating_add(self.since_zero())
    }
}
