//! How fast the peer acknowledges what it is sent.

use std::time::Duration;

use crate::office::{Outlook, Time};

/// For so long the kernel must have had something to send without a break, for
/// what was acknowledged meanwhile to say how fast the network is.
const SAMPLE: Duration = Duration::from_millis(200);

/// Nothing acknowledged for less than this may be a long way, and is no sample.
const SILENCE: Duration = Duration::from_secs(1);

/// What was measured longer ago says nothing any more.
const LIFETIME: Duration = Duration::from_secs(10);

/// So many bytes any network may have on its way: one that takes longer for them
/// than [`GRACE`](super::GRACE) is slower than 8 kB/s.
const CAUTIOUS: u64 = 16 << 10;

/// What a network of known pace may have on its way takes so long: longer than
/// its round trip, which is not held up then, and shorter than `GRACE`.
const AHEAD: Duration = Duration::from_secs(1);

/// How soon to look again at what was acknowledged, while more waits for it.
const LOOK_AGAIN: Duration = Duration::from_millis(50);

/// The pace of a network, as far as it is known.
///
/// Only a network that is kept busy shows its pace: what was all acknowledged
/// before the next look may have taken any time, and so may what was acknowledged
/// while nothing waited. Both say no more than that the network is not slower than
/// this.
#[derive(Debug, Clone, Copy, Default)]
pub struct Pace {
    /// Bytes a second, with the moment of the latest measurement.
    measured: Option<(u64, Time)>,
    /// How many bytes were last acknowledged within [`SAMPLE`], and when.
    carried: Option<(u64, Time)>,
    /// While something is unacknowledged.
    busy: Option<Busy>,
}

#[derive(Debug, Clone, Copy)]
struct Busy {
    since: Time,
    /// How many bytes were acknowledged since.
    acknowledged: u64,
    /// Whether more waited for the network meanwhile.
    is_limited: bool,
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

    /// How many bytes may be on their way. Where the pace is not known, twice what
    /// was carried at once: that takes no longer than two samples, and shows it.
    pub(super) fn limit(&self) -> u64 {
        let limit = match (self.measured, self.carried) {
            (Some((pace, _)), _) => pace.saturating_mul(AHEAD.as_secs()),
            (None, Some((carried, _))) => carried.saturating_mul(2),
            (None, None) => 0,
        };
        limit.max(CAUTIOUS)
    }

    /// When to look again, after a look that found too much on its way.
    pub(super) fn next_look(&self, looked: Time) -> Time {
        let pause = match (self.measured, self.busy) {
            (None, Some(busy)) => looked.since(busy.since) / 2,
            _ => LOOK_AGAIN,
        };
        looked + pause.clamp(Duration::from_millis(1), LOOK_AGAIN)
    }

    /// The kernel takes bytes.
    pub(super) fn handle_taken(&mut self, now: Time) {
        if self.busy.is_none() {
            self.begin_sample(now);
        }
    }

    /// The peer has acknowledged so many bytes more, and so many are left. If
    /// `is_limited`, more could have been sent until now if the network had taken
    /// it.
    pub(super) fn handle_acknowledged(
        &mut self,
        now: Time,
        news: u64,
        left: u64,
        is_limited: bool,
    ) {
        let is_new = |(_, at): &(u64, Time)| now < *at + LIFETIME;
        self.measured = self.measured.filter(is_new);
        self.carried = self.carried.filter(is_new);
        let Some(busy) = &mut self.busy else {
            return;
        };
        busy.acknowledged += news;
        busy.is_limited |= is_limited;
        let busy = *busy;
        let time = now.since(busy.since);
        let millis = u64::try_from(time.as_millis()).unwrap_or(1).max(1);
        let pace = busy.acknowledged * 1_000 / millis;
        let is_faster = self.measured.is_some_and(|(measured, _)| measured < pace);
        if left == 0 {
            self.busy = None;
            if is_faster {
                self.measured = Some((pace, now));
            }
            let carried = self.carried.map_or(0, |(carried, _)| carried);
            if time < SAMPLE && carried <= busy.acknowledged {
                self.carried = Some((busy.acknowledged, now));
            }
        } else if time >= SAMPLE && (busy.acknowledged > 0 || time >= SILENCE) {
            self.begin_sample(now);
            if is_faster || busy.is_limited {
                let smoothed = match self.measured {
                    Some((measured, _)) => u64::midpoint(measured, pace),
                    None => pace,
                };
                self.measured = Some((smoothed.max(1), now));
            }
        }
    }

    fn begin_sample(&mut self, now: Time) {
        self.busy = Some(Busy {
            since: now,
            acknowledged: 0,
            is_limited: false,
        });
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
            pace.handle_taken(at(moment));
            pace.handle_acknowledged(at(moment + 1), 100, 0, false);
        }
        assert_eq!(pace.outlook(at(1_000), 1_000_000).pace, None);
    }

    #[test]
    fn a_busy_network_shows_its_pace_and_is_believed_when_it_gets_faster() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0));
        for step in 1..=20 {
            pace.handle_acknowledged(at(step * 100), 2_000, 50_000, true);
        }
        assert_eq!(pace.outlook(at(2_000), 0).pace, Some(20_000));
        pace.handle_acknowledged(at(2_010), 50_000, 0, false);
        assert_eq!(pace.outlook(at(2_010), 0).pace, Some(5_000_000));
    }

    #[test]
    fn a_measurement_is_forgotten() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0));
        pace.handle_acknowledged(at(200), 10, 90, true);
        assert_eq!(pace.outlook(at(10_199), 0).pace, Some(50));
        pace.handle_acknowledged(at(10_200), 0, 90, true);
        // Measured again at once, as it is still busy.
        assert_eq!(pace.outlook(at(10_200), 0).pace, Some(1));
        pace.handle_acknowledged(at(10_201), 90, 0, false);
        assert_eq!(pace.outlook(at(20_200), 0).pace, Some(90_000));
        assert_eq!(pace.outlook(at(20_201), 0).pace, None, "nobody has to look");
    }

    #[test]
    fn what_was_sent_while_nothing_waited_shows_no_pace() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0));
        for step in 1..=20 {
            pace.handle_acknowledged(at(step * 100), 100, 200, false);
        }
        assert_eq!(pace.outlook(at(2_000), 0).pace, None);
    }

    #[test]
    fn a_long_way_is_not_a_slow_network() {
        let mut pace = Pace::default();
        pace.handle_taken(at(0));
        for now in [50, 200, 400, 550] {
            pace.handle_acknowledged(at(now), 0, CAUTIOUS, true);
        }
        assert_eq!(pace.outlook(at(550), 0).pace, None);
        pace.handle_acknowledged(at(600), 12_000, CAUTIOUS - 12_000, true);
        assert_eq!(pace.outlook(at(600), 0).pace, Some(20_000));
    }

    #[test]
    fn a_network_that_is_not_known_is_trusted_with_twice_what_it_carried() {
        let mut pace = Pace::default();
        assert_eq!(pace.limit(), CAUTIOUS);
        let mut now = 0;
        for doubled in 1..=10 {
            pace.handle_taken(at(now));
            now += 1;
            pace.handle_acknowledged(at(now), pace.limit(), 0, true);
            assert_eq!(pace.limit(), CAUTIOUS << doubled);
        }
        // Idle for long, it may be another network by now.
        pace.handle_acknowledged(at(now + 10_000), 0, 0, false);
        assert_eq!(pace.limit(), CAUTIOUS);
    }

    #[test]
    fn a_slow_network_is_not_trusted_with_more_than_it_carries_in_time() {
        let mut pace = Pace::default();
        let mut left = 0;
        for look in 0..1_000 {
            let more = pace.limit().saturating_sub(left);
            assert!(left + more <= 40_000, "2 s at 20 kB/s");
            pace.handle_taken(at(look * 50));
            left += more;
            let news = left.min(1_000);
            left -= news;
            pace.handle_acknowledged(at(look * 50 + 50), news, left, true);
        }
        assert_eq!(pace.limit(), 20_000);
    }
}
