//! How long the broker takes to answer.

use std::time::Duration;

/// Smoothed, with a margin for its variance (as in RFC 6298, section 2).
#[derive(Debug, Default)]
pub(super) struct RoundTrip {
    smoothed: Duration,
    variance: Duration,
}

impl RoundTrip {
    /// The first measurement of a connection, in place of all earlier ones.
    pub(super) fn begin(&mut self, sample: Duration) {
        *self = Self {
            smoothed: sample,
            variance: sample / 2,
        };
    }

    pub(super) fn handle_sample(&mut self, sample: Duration) {
        let difference = self.smoothed.abs_diff(sample);
        self.variance = (self.variance * 3 + difference) / 4;
        self.smoothed = (self.smoothed * 7 + sample) / 8;
    }

    /// An answer hardly takes longer than this.
    pub(super) fn estimate(&self) -> Duration {
        self.smoothed + self.variance * 4
    }
}
