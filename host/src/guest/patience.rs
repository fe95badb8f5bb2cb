//! A limit on the time that a call uses. It costs nothing until the call is
//! pending for the first time.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// Where a call gives its thread back although it could go on, so that
/// [`within`] knows that from a wait in a host call. Clones belong to the same
/// call.
#[derive(Debug, Clone, Default)]
pub(super) struct Yields(Arc<AtomicBool>);

impl Yields {
    /// Lets others have the thread.
    pub(super) async fn yield_now(&self) {
        // Relaxed: it is read by the same thread, right after this poll.
        self.0.store(true, Ordering::Relaxed);
        // Tokio's own yield lets the runtime look at sockets and timers before
        // it goes on with the guest; waking the task at once would not.
        tokio::task::yield_now().await;
    }

    /// Whether the poll that has just ended has ended with a yield.
    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

/// Waits for `future`, but only until it has used as much time as `limit`. None
/// says that it has.
///
/// Time is used by a poll, and by a wait until the next poll; not by a wait that
/// began with a yield, which lasts until others let go of the thread. The first
/// poll is free: a call does not hold its thread for longer than a tick, and
/// most calls are over by then and need not look at the clock. The future is
/// borrowed, as one that is taken is kept twice.
#[expect(
    clippy::disallowed_methods,
    reason = "the limit of a call counts what it uses of this machine's time"
)]
pub(super) fn within<T>(
    limit: Duration,
    yields: &Yields,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> impl Future<Output = Option<T>> {
    // In a box: most calls never need it.
    let mut budget: Option<Box<Budget>> = None;
    std::future::poll_fn(move |cx| {
        if let Some(budget) = &mut budget {
            budget.resume(Instant::now());
        }
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let now = Instant::now();
        let budget = budget.get_or_insert_with(|| Box::new(Budget::new(now, limit)));
        let is_used_up = if yields.take() {
            budget.pause(now);
            budget.is_used_up()
        } else {
            let end = budget.end(now);
            let timer = &mut budget.timer;
            let timer = timer.get_or_insert_with(|| Box::pin(sleep_until(end)));
            timer.as_mut().reset(end);
            timer.as_mut().poll(cx).is_ready()
        };
        if is_used_up {
            Poll::Ready(None)
        } else {
            Poll::Pending
        }
    })
}

/// The time that is left for a call.
struct Budget {
    /// How much there was at `since`, or there is, if it is paused.
    left: Duration,
    /// Since when it is being used; none while it is paused.
    since: Option<Instant>,
    /// What wakes a call that waits for too long.
    timer: Option<Pin<Box<Sleep>>>,
}

impl Budget {
    /// It is being used.
    fn new(now: Instant, left: Duration) -> Self {
        Self {
            left,
            since: Some(now),
            timer: None,
        }
    }

    /// It is used from now on, if it was paused.
    fn resume(&mut self, now: Instant) {
        self.since.get_or_insert(now);
    }

    /// It is not used for now.
    fn pause(&mut self, now: Instant) {
        if let Some(since) = self.since.take() {
            self.left = self.left.saturating_sub(now - since);
        }
    }

    fn is_used_up(&self) -> bool {
        self.left.is_zero()
    }

    /// When it will be used up if it is not paused before.
    fn end(&self, now: Instant) -> Instant {
        self.since.unwrap_or(now) + self.left
    }
}

#[cfg(test)]
mod tests {
    use std::future::pending;
    use std::pin::pin;

    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[tokio::test]
    async fn what_is_done_is_done_whatever_the_limit() {
        let yields = Yields::default();
        let done = within(Duration::ZERO, &yields, pin!(async { 1 })).await;
        assert_eq!(done, Some(1));
    }

    #[tokio::test]
    async fn what_never_ends_is_ended() {
        let yields = Yields::default();
        let waits = pin!(pending::<()>());
        assert_eq!(within(Duration::ZERO, &yields, waits).await, None);
        let computes = pin!(async {
            loop {
                yields.yield_now().await;
            }
        });
        let answer: Option<()> = within(Duration::ZERO, &yields, computes).await;
        assert_eq!(answer, None);
    }

    #[test]
    fn a_pause_uses_no_time_and_all_else_adds_up() {
        #[expect(clippy::disallowed_methods, reason = "any moment will do")]
        let begun = Instant::now();
        let mut budget = Budget::new(begun, 10 * SECOND);
        budget.resume(begun + 2 * SECOND);
        budget.pause(begun + 3 * SECOND);
        let later = begun + 3_600 * SECOND;
        budget.resume(later);
        assert_eq!(budget.end(later), later + 7 * SECOND);
        budget.resume(later + 6 * SECOND);
        assert_eq!(budget.end(later + 6 * SECOND), later + 7 * SECOND);
        budget.pause(later + 6 * SECOND);
        assert!(!budget.is_used_up());
        budget.resume(later + 9 * SECOND);
        budget.pause(later + 11 * SECOND);
        assert!(budget.is_used_up());
    }
}
