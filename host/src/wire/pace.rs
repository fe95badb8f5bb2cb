//! How fast the peer acknowledges what it is sent.

use std::time::Duration;

use crate::office::{Outlook, Time};

/// For so long the kernel must have had something to send without a break, for
/// what was acknowledged meanwhile to say how fast the network is.
const SAMPLE: Duration = Duration::from_millis(200);

/// What was measured longer ago says nothing any more.
const LIFETIME: Duration = Duration::from_secs(10);

/// The pace of a network, as far as it is known.
///
/// Only a network that is kept busy shows its pace: what was all acknowledged
/// before the next look may have taken any time, and says no more than that the
/// network is not slower than this.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Bytes a second, with the moment of the latest measurement.
    measured: Option<(u64, Time)>,
    /// Since when there is something unacknowledged, and how many bytes were
    /// acknowledged since.
    busy: Option<(Time, u64)>,
}

impl Pace {
    /// For a new connection over the same network.
    #[must_use]
    pub(super) fn renewed(self) -> Self {
        Self { busy: None, ..self }
    }

    /// What is to be expected of a packet behind so many bytes.
    pub(super) fn outlook(&self, now: Time, ahead: u64) -> Outlook {
        let measured = self.measured.filter(|(_, at)| now < *at + LIFETIME);
        Outlook {
            ahead,
            pace: measured.map(|(pace, _)| pace),
        }
    }

    /// The kernel takes bytes, while it was already waiting for others or not.
    pub(super) fn handle_taken(&mut self, now: Time, was_busy: bool) {
        if !was_busy || self.busy.is_none() {
            self.busy = Some((now, 0));
        }
    }

    /// The peer has acknowledged so many bytes more, and so many are left.
    pub(super) fn handle_acknowledged(&mut self, now: Time, news: u64, left: u64) {
        self.measured = self.measured.filter(|(_, at)| now < *at + LIFETIME);
        let Some((since, before)) = self.busy else {
            return;
        };
        let acknowledged = before + news;
        let time = now.since(since);
        let pace = acknowledged * 1_000 / u64::try_from(time.as_millis()).unwrap_or(1).max(1);
        self.busy = Some((since, acknowledged));
        if left == 0 {
            self.busy = None;
            if let Some((measured, at)) = &mut self.measured
                && *measured < pace
            {
                (*measured, *at) = (pace, now);
            }
        } else if time >= SAMPLE {
            self.busy = Some((now, 0));
            let smoothed = match self.measured {
                Some((measured, _)) => (measured + pace) / 2,
                None => pace,
            };
            self.measured = Some((smoothed.max(1), now));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    #[test]
    fn what_is_acknowledged_at_once_shows_no_pace() {
        let mut pace = Pace::default();
        for moment in 0..1_000 {
            pace.handle_taken(at(moment), false);
            pace.handle_acknowledged(at(moment + 1), 100, 0);
        }
        assert_eq!(pace.outlook(at(1_000), 1_000_000).pace, None);
    }

    #[test]
    fn a_busy_network_shows_its_pace_and_is_believed_when_it_gets_faster() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0), false);
        for step in 1..=20 {
            pace.handle_acknowledged(at(step * 100), 2_000, 50_000);
        }
        assert_eq!(pace.outlook(at(2_000), 0).pace, Some(20_000));
        pace.handle_acknowledged(at(2_010), 50_000, 0);
        assert_eq!(pace.outlook(at(2_010), 0).pace, Some(5_000_000));
    }

    #[test]
    fn a_measurement_is_forgotten() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0), false);
        pace.handle_acknowledged(at(200), 10, 90);
        assert_eq!(pace.outlook(at(10_199), 0).pace, Some(50));
        pace.handle_acknowledged(at(10_200), 0, 90);
        // Measured again at once, as it is still busy.
        assert_eq!(pace.outlook(at(10_200), 0).pace, Some(1));
        pace.handle_acknowledged(at(10_201), 90, 0);
        assert_eq!(pace.outlook(at(20_200), 0).pace, Some(90_000));
        assert_eq!(pace.outlook(at(20_201), 0).pace, None, "nobody has to look");
    }
}
