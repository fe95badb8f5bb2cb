//! Exponential backoff with jitter.

use std::time::Duration;

use crate::office::BackoffSettings;

/// A small generator of random numbers (SplitMix64): what it yields depends on
/// its seed alone.
#[derive(Debug)]
pub(in crate::office) struct Random(u64);

impl Random {
    pub(in crate::office) fn from_seed(seed: u64) -> Self {
        Self(seed)
    }

    pub(in crate::office) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }
}

/// Counts failures in a row and says how long to wait after the latest.
#[derive(Debug)]
pub(in crate::office) struct Backoff {
    settings: BackoffSettings,
    failures: u32,
}

impl Backoff {
    pub(in crate::office) fn new(settings: BackoffSettings) -> Self {
        Self {
            settings,
            failures: 0,
        }
    }

    /// The pause after one more failure: `min` doubled for each earlier one, at
    /// most `max`. Up to half of it is taken off, so that a fleet does not come
    /// back in step, but it is never below `min`.
    pub(in crate::office) fn next(&mut self, random: &mut Random) -> Duration {
        let full = doubled(self.settings.min, self.failures, self.settings.max);
        self.failures = self.failures.saturating_add(1);
        let half = u64::try_from(full.as_millis() / 2).unwrap_or(u64::MAX);
        let jitter = Duration::from_millis(random.next() % (half + 1));
        (full - jitter).max(self.settings.min)
    }

    /// From here on the pauses are at least as long as after so many failures.
    pub(in crate::office) fn skip_to(&mut self, failures: u32) {
        self.failures = self.failures.max(failures);
    }

    pub(in crate::office) fn reset(&mut self) {
        self.failures = 0;
    }
}

/// `first`, doubled `times` times, at most `max`.
pub(in crate::office) fn doubled(first: Duration, times: u32, max: Duration) -> Duration {
    first.saturating_mul(2_u32.saturating_pow(times)).min(max)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SETTINGS: BackoffSettings = BackoffSettings {
        min: Duration::from_secs(1),
        max: Duration::from_secs(30),
    };

    #[test]
    fn pauses_double_to_the_longest_and_start_over() {
        let mut random = Random::from_seed(7);
        let mut backoff = Backoff::new(SETTINGS);
        for full in [1, 2, 4, 8, 16, 30, 30] {
            let pause = backoff.next(&mut random);
            let full = Duration::from_secs(full);
            assert!(
                pause <= full && pause >= (full / 2).max(SETTINGS.min),
                "{pause:?} of {full:?}"
            );
        }
        for _ in 0..100 {
            assert!(backoff.next(&mut random) <= SETTINGS.max);
        }
        backoff.reset();
        assert_eq!(backoff.next(&mut random), SETTINGS.min);
    }

    #[test]
    fn the_same_seed_gives_the_same_jitter() {
        let pauses = |seed| {
            let mut random = Random::from_seed(seed);
            let mut backoff = Backoff::new(SETTINGS);
            (0..8)
                .map(|_| backoff.next(&mut random))
                .collect::<Vec<_>>()
        };
        assert_eq!(pauses(1), pauses(1));
        assert_ne!(pauses(1), pauses(2));
    }
}
