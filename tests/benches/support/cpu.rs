//! Processor time of processes.

use std::fs;
use std::ops::Sub;
use std::time::Duration;

/// Processor time, user and system.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Cpu(Duration);

impl Cpu {
    /// In microseconds, for each of so many.
    pub(crate) fn micros_each(self, count: u32) -> f64 {
        self.0.as_secs_f64() * 1e6 / f64::from(count)
    }

    /// As a share of one core, over this time.
    pub(crate) fn share(self, took: Duration) -> f64 {
        self.0.as_secs_f64() / took.as_secs_f64()
    }
}

impl Sub for Cpu {
    type Output = Self;

    fn sub(self, earlier: Self) -> Self {
        // A thread that ends takes its time with it.
        Self(self.0.saturating_sub(earlier.0))
    }
}

/// What these processes have used so far, all threads that live. Counted by the
/// kernel's scheduler in nanoseconds, unlike `/proc/PID/stat` with its ticks of
/// 10 ms.
pub(crate) fn of(processes: impl IntoIterator<Item = u32>) -> Cpu {
    let mut nanos = 0;
    for process in processes {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).expect("it runs");
        for task in tasks.flatten() {
            // The thread may have ended in between.
            let line = fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
            let first = line.split_whitespace().next();
            nanos += first.and_then(|it| it.parse().ok()).unwrap_or(0);
        }
    }
    Cpu(Duration::from_nanos(nanos))
}
