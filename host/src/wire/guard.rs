//! Keeps bytes that the kernel has taken from being carried too late.
//!
//! When the network is gone, the kernel goes on trying to deliver what it was
//! given, for many minutes. A letter that was written in time would then arrive
//! long after it expired. TCP_USER_TIMEOUT ends the connection when bytes have
//! not been acknowledged by the other side for that long; it is set to the
//! shortest ttl on the connection.

use std::io;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::office::Time;

/// The kernel is given at least this long: with less, one lost segment on a
/// slow link would end the connection each time a short-lived letter is sent.
const SHORTEST: Duration = Duration::from_secs(2);

/// The TCP_USER_TIMEOUT of one connection.
#[derive(Debug)]
pub(super) struct Guard {
    longest: Duration,
    /// The earliest expiry in the batch at hand.
    earliest: Option<Time>,
    /// What the kernel was told, and until when it must stay that short.
    set: Option<(Duration, Time)>,
}

impl Guard {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            earliest: None,
            set: None,
        }
    }

    /// A packet that expires goes into the batch at hand.
    pub(super) fn handle_push(&mut self, now: Time, expires: Time) {
        debug_assert!(now < expires, "nothing expired is pushed");
        self.earliest = Some(
            self.earliest
                .map_or(expires, |earliest| earliest.min(expires)),
        );
    }

    /// When the batch at hand must be gone.
    pub(super) fn earliest(&self) -> Option<Time> {
        self.earliest
    }

    /// The kernel has taken the batch.
    pub(super) fn handle_written(&mut self) {
        self.earliest = None;
    }

    /// Tells the kernel, if the batch at hand changes anything.
    pub(super) fn apply(&mut self, now: Time, stream: &TcpStream) -> io::Result<()> {
        if let Some(timeout) = self.next(now) {
            let millis = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX);
            rustix::net::sockopt::set_tcp_user_timeout(stream, millis)?;
        }
        Ok(())
    }

    /// A new value, if one is due. It is raised only when what it was lowered
    /// for has expired: until then those bytes may still be on their way.
    fn next(&mut self, now: Time) -> Option<Duration> {
        let left = self
            .earliest
            .map_or(self.longest, |expires| expires.since(now));
        let wanted = left.clamp(SHORTEST.min(self.longest), self.longest);
        match self.set {
            Some((current, _)) if wanted == current => return None,
            Some((current, until)) if wanted > current && now < until => return None,
            _ => {}
        }
        self.set = Some((wanted, now + wanted));
        Some(wanted)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LONGEST: Duration = Duration::from_secs(90);

    #[track_caller]
    fn check(guard: &mut Guard, now: u64, expires: Option<u64>, expect: Option<u64>) {
        let now = Time::from_millis(now);
        if let Some(expires) = expires {
            guard.handle_push(now, Time::from_millis(expires));
        }
        assert_eq!(guard.next(now), expect.map(Duration::from_millis));
        guard.handle_written();
    }

    #[test]
    fn the_shortest_ttl_on_the_connection_counts() {
        let mut guard = Guard::new(LONGEST);
        check(&mut guard, 0, Some(3_600_000), Some(90_000));
        check(&mut guard, 10, Some(3_600_010), None);
        check(&mut guard, 1_000, Some(6_000), Some(5_000));
        check(&mut guard, 2_000, Some(3_602_000), None);
        check(&mut guard, 3_000, None, None);
        check(&mut guard, 6_000, None, Some(90_000));
        check(&mut guard, 6_000, Some(6_001), Some(2_000));
    }
}
