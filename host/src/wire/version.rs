//! Which version of MQTT is spoken.

use std::time::Duration;

use crate::office::Time;

/// A version of MQTT.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// 3.1.1.
    V4,
    /// 5.
    V5,
}

/// The versions that may be spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Versions {
    /// This one alone.
    Only(Version),
    /// 5 if the broker speaks it, else 3.1.1.
    #[default]
    Any,
}

/// For how long a broker is taken for one of 3.1.1: it may have been replaced by
/// a newer one since, and asking costs one more connection.
const MEMORY: Duration = Duration::from_secs(24 * 60 * 60);

/// The same, if it was only silent when it was asked for MQTT 5: it may have been
/// busy.
const MEMORY_OF_SILENCE: Duration = Duration::from_secs(60 * 60);

/// What is known of the versions that the broker speaks, from one connection to
/// the next.
#[derive(Debug, Default)]
pub struct Negotiation {
    /// MQTT 5 is not tried before.
    not_before: Time,
    /// What a broker of 3.1.1 may have made of a CONNECT of MQTT 5. The next
    /// connection is to show whether it is one, and then it is remembered for so
    /// long.
    guess: Option<Duration>,
}

impl Negotiation {
    /// The version for the next connection.
    pub fn version(&self, now: Time, versions: Versions) -> Version {
        match versions {
            Versions::Only(version) => version,
            Versions::Any if self.guess.is_some() || now < self.not_before => Version::V4,
            Versions::Any => Version::V5,
        }
    }

    /// The broker has said that it does not speak this version. The other one is
    /// next.
    pub fn handle_refused(&mut self, now: Time, version: Version) {
        self.guess = None;
        self.not_before = match version {
            Version::V5 => now + MEMORY,
            Version::V4 => Time::default(),
        };
    }

    /// The broker has closed the connection without an answer to CONNECT. A next
    /// one of 3.1.1 may be answered.
    pub fn handle_unanswered(&mut self, version: Version) {
        self.guess = (version == Version::V5).then_some(MEMORY);
    }

    /// The broker has not answered CONNECT, and gone on to wait: it may take the
    /// properties of MQTT 5 for the length of something that is still to come.
    pub fn handle_silence(&mut self, version: Version) {
        self.guess = (version == Version::V5).then_some(MEMORY_OF_SILENCE);
    }

    /// The broker has accepted a connection.
    pub fn handle_accepted(&mut self, now: Time) {
        if let Some(memory) = self.guess.take() {
            self.not_before = now + memory;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOON: Time = Time::from_millis(1_000_000);

    #[test]
    fn a_refusal_is_remembered_for_a_day() {
        let mut negotiation = Negotiation::default();
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V5);
        negotiation.handle_refused(NOON, Version::V5);
        negotiation.handle_unanswered(Version::V4);
        let almost = NOON + (MEMORY - Duration::from_millis(1));
        assert_eq!(negotiation.version(almost, Versions::Any), Version::V4);
        assert_eq!(
            negotiation.version(NOON + MEMORY, Versions::Any),
            Version::V5
        );
    }

    #[test]
    fn a_broker_that_hangs_up_is_old_if_it_accepts_the_old_version() {
        let mut negotiation = Negotiation::default();
        negotiation.handle_unanswered(Version::V5);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V4);
        // It hangs up whatever it is asked.
        negotiation.handle_unanswered(Version::V4);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V5);

        negotiation.handle_unanswered(Version::V5);
        negotiation.handle_accepted(NOON);
        negotiation.handle_unanswered(Version::V4);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V4);
    }

    #[test]
    fn a_broker_that_is_silent_may_be_old_or_busy() {
        let mut negotiation = Negotiation::default();
        negotiation.handle_silence(Version::V5);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V4);
        // It is silent whatever it is asked.
        negotiation.handle_silence(Version::V4);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V5);

        negotiation.handle_silence(Version::V5);
        negotiation.handle_accepted(NOON);
        let end = NOON + MEMORY_OF_SILENCE;
        let almost = NOON + (MEMORY_OF_SILENCE - Duration::from_millis(1));
        assert_eq!(negotiation.version(almost, Versions::Any), Version::V4);
        assert_eq!(negotiation.version(end, Versions::Any), Version::V5);
    }

    #[test]
    fn a_broker_that_has_become_a_new_one_is_asked_again() {
        let mut negotiation = Negotiation::default();
        negotiation.handle_refused(NOON, Version::V5);
        negotiation.handle_refused(NOON, Version::V4);
        assert_eq!(negotiation.version(NOON, Versions::Any), Version::V5);
    }

    #[test]
    fn one_version_alone_is_never_another() {
        let mut negotiation = Negotiation::default();
        for version in [Version::V4, Version::V5] {
            negotiation.handle_refused(NOON, version);
            assert_eq!(negotiation.version(NOON, Versions::Only(version)), version);
        }
    }
}
