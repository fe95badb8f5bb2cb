//! The clock of the engine's epochs: a thread that ticks only while a guest
//! runs, so that an idle gateway sleeps.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle, Thread};
use std::time::Duration;

/// For how long a guest may hold a thread before it has to give it back, at
/// most.
pub const TICK: Duration = Duration::from_millis(5);

/// How many epochs a tick has. With one, every change of the epoch would take
/// the thread from the call that happens to run, however short it is.
pub(super) const EPOCHS_A_TICK: u64 = 2;

/// How often the epoch changes.
pub(super) const EPOCH: Duration = Duration::from_micros(2_500);

/// So many epochs without a call, and the thread goes to sleep. Waking it costs
/// a system call, which a busy gateway shall not pay with every message.
const IDLE_EPOCHS: u32 = 40;

/// Runs the thread and stops it when dropped.
pub(super) struct Ticker {
    shared: Arc<Shared>,
    thread: Thread,
    handle: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Shared {
    /// How many calls are running.
    calls: AtomicUsize,
    /// Whether the thread is asleep, or about to be.
    asleep: AtomicBool,
    stop: AtomicBool,
}

/// One running call: there are ticks while this lives.
pub(super) struct Ticking<'a>(&'a Shared);

impl Ticker {
    /// Starts the thread; `tick` is called once an [`EPOCH`] while calls run.
    pub(super) fn start(tick: impl Fn() + Send + 'static) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let handle = thread::Builder::new()
            .name("guest-ticker".to_owned())
            .spawn(move || theirs.run(&tick))?;
        Ok(Self {
            shared,
            thread: handle.thread().clone(),
            handle: Some(handle),
        })
    }

    /// Has the thread tick until the guard is dropped.
    pub(super) fn ticking(&self) -> Ticking<'_> {
        self.shared.calls.fetch_add(1, Ordering::SeqCst);
        if self.shared.asleep.load(Ordering::SeqCst) {
            self.thread.unpark();
        }
        Ticking(&self.shared)
    }
}

impl Drop for Ticking<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::SeqCst);
        self.thread.unpark();
        if let Some(handle) = self.handle.take() {
            // It fails when the thread has panicked, and then it has ended too.
            let _ = handle.join();
        }
    }
}

impl Shared {
    fn run(&self, tick: &dyn Fn()) {
        let mut idle = 0;
        while !self.stop.load(Ordering::SeqCst) {
            if self.calls.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            if idle > IDLE_EPOCHS {
                self.sleep();
                idle = 0;
            } else {
                // Not `thread::sleep`: `stop` is to end it early. A stray
                // wake-up makes one tick shorter, which harms nobody.
                thread::park_timeout(EPOCH);
                tick();
            }
        }
    }

    /// Sleeps until there is a call or the end. Says so first and looks at the
    /// calls afterwards, while a caller counts itself first and looks at
    /// `asleep` afterwards: one of the two sees the other.
    fn sleep(&self) {
        self.asleep.store(true, Ordering::SeqCst);
        while self.calls.load(Ordering::SeqCst) == 0 && !self.stop.load(Ordering::SeqCst) {
            thread::park();
        }
        self.asleep.store(false, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[test]
    fn ticks_while_a_call_runs_and_wakes_up_for_the_next_one() {
        let (ticks, ticked) = mpsc::channel();
        let ticker = Ticker::start(move || ticks.send(()).unwrap_or_default()).expect("a thread");
        for _ in 0..3 {
            let ticking = ticker.ticking();
            for _ in 0..2 {
                ticked.recv().expect("a tick");
            }
            drop(ticking);
            while !ticker.shared.asleep.load(Ordering::SeqCst) {
                thread::yield_now();
            }
            while ticked.try_recv().is_ok() {}
            // Asleep: nothing comes any more.
            assert_eq!(ticked.try_recv(), Err(mpsc::TryRecvError::Empty));
        }
    }

    #[test]
    fn the_thread_ends_with_its_owner() {
        let (ticks, ticked) = mpsc::channel::<()>();
        let ticker = Ticker::start(move || ticks.send(()).unwrap_or_default()).expect("a thread");
        drop(ticker);
        while ticked.try_recv().is_ok() {}
        assert_eq!(ticked.try_recv(), Err(mpsc::TryRecvError::Disconnected));
    }
}
