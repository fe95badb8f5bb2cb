//! A limit on the clock that costs nothing until something has to wait.

use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

/// Waits for `future`, but no longer than `limit` from the moment it first has
/// to wait. None says that the time is over.
///
/// Most calls of a guest never wait. So the timer is made when the future is
/// pending for the first time; `tokio::time::timeout` would make it always. The
/// future is borrowed, as one that is taken is kept twice.
pub(super) async fn within<T>(
    limit: Duration,
    mut future: Pin<&mut impl Future<Output = T>>,
) -> Option<T> {
    let mut timer = None;
    std::future::poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        let timer = timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(limit)));
        timer.as_mut().poll(cx).map(|()| None)
    })
    .await
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use super::*;

    #[tokio::test]
    async fn what_is_done_is_done_whatever_the_limit() {
        assert_eq!(within(Duration::ZERO, pin!(async { 1 })).await, Some(1));
    }

    #[tokio::test]
    async fn what_never_ends_is_ended() {
        let never = std::future::pending::<()>();
        assert_eq!(within(Duration::ZERO, pin!(never)).await, None);
    }
}
