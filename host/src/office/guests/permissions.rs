//! What a guest may publish, and how fast.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::office::{Filter, LastWill, Qos, Time, topic};

/// What a guest may do. By default it may do everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Permissions {
    /// Its letters and its last will go to topics that one of these matches, none of
    /// them shared. None: to any topic.
    pub publish: Option<Vec<Filter>>,
    /// None of them has a higher quality of service.
    pub max_qos: Qos,
    /// Whether the broker may be asked to keep them.
    pub retain: bool,
    /// No letter has a shorter ttl.
    pub min_ttl: Duration,
    /// No letter has a longer ttl.
    pub max_ttl: Duration,
    /// How fast it may publish.
    pub rate: Option<Rate>,
    /// Whether it gets a new connection when it asks for one.
    pub reconnect: bool,
    /// Whether the last will that it names is used.
    pub will: bool,
}

/// How fast a guest may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many letters a second, over any longer time. Not 0.
    pub letters: u32,
    /// So many at once after a silence. Not 0.
    pub burst: u32,
}

/// What a guest was not permitted. It shows as the rule of the configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// This topic.
    Publish(Box<str>),
    /// More than this quality of service.
    MaxQos(Qos),
    /// That the broker keeps it.
    Retain,
    /// Less than this ttl.
    MinTtl(Duration),
    /// More than this ttl.
    MaxTtl(Duration),
    /// More letters than this for now.
    Rate(Rate),
    /// A new connection.
    Reconnect,
    /// A last will.
    Will,
}

impl Default for Permissions {
    fn default() -> Self {
        Self {
            publish: None,
            max_qos: Qos::ExactlyOnce,
            retain: true,
            min_ttl: Duration::ZERO,
            max_ttl: Duration::MAX,
            rate: None,
            reconnect: true,
            will: true,
        }
    }
}

impl Permissions {
    /// Checks a letter with a valid topic, but for the rate.
    pub(in crate::office) fn check(
        &self,
        topic: &str,
        qos: Qos,
        retain: bool,
        ttl: Duration,
    ) -> Result<(), Rule> {
        self.check_publish(topic, qos, retain)?;
        if ttl < self.min_ttl {
            return Err(Rule::MinTtl(self.min_ttl));
        }
        if ttl > self.max_ttl {
            return Err(Rule::MaxTtl(self.max_ttl));
        }
        Ok(())
    }

    /// Checks a last will with a valid topic. It is a way to publish as well.
    pub(in crate::office) fn check_will(&self, will: &LastWill) -> Result<(), Rule> {
        match self.will {
            true => self.check_publish(&will.topic, will.qos, will.retain),
            false => Err(Rule::Will),
        }
    }

    fn check_publish(&self, name: &str, qos: Qos, retain: bool) -> Result<(), Rule> {
        let matches = |filter: &Filter| topic::matches(filter.plain(), name);
        if let Some(filters) = &self.publish
            && !filters.iter().any(matches)
        {
            return Err(Rule::Publish(name.into()));
        }
        if qos > self.max_qos {
            return Err(Rule::MaxQos(self.max_qos));
        }
        match retain && !self.retain {
            true => Err(Rule::Retain),
            false => Ok(()),
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Publish(topic) => {
                write!(
                    f,
                    "`permissions.publish` does not allow the topic {topic:?}"
                )
            }
            Self::MaxQos(max) => {
                write!(f, "`permissions.max-qos` allows no more than QoS {max}")
            }
            Self::Retain => f.write_str("`permissions.retain` does not allow retained letters"),
            Self::MinTtl(min) => {
                write!(f, "`permissions.min-ttl` allows no ttl below {min:?}")
            }
            Self::MaxTtl(max) => {
                write!(f, "`permissions.max-ttl` allows no ttl above {max:?}")
            }
            Self::Rate(Rate { letters, burst }) => write!(
                f,
                "`permissions.rate` allows no more for now than {letters} letters a second, \
                 {burst} at once"
            ),
            Self::Reconnect => f.write_str("`permissions.reconnect` is false"),
            Self::Will => f.write_str("`permissions.will` is false"),
        }
    }
}

/// The permissions of one guest, and what it has used of its rate.
#[derive(Debug)]
pub(in crate::office) struct Allowance {
    permissions: Option<Arc<Permissions>>,
    /// What is left of its rate at `at`, in thousandths of a letter: so the rate is
    /// what a millisecond adds.
    left: u64,
    at: Time,
}

const LETTER: u64 = 1000;

impl Allowance {
    pub(super) fn new(now: Time, permissions: Option<&Arc<Permissions>>) -> Self {
        let rate = permissions.and_then(|it| it.rate);
        Self {
            permissions: permissions.cloned(),
            left: rate.map_or(0, |rate| u64::from(rate.burst) * LETTER),
            at: now,
        }
    }

    /// Other permissions hold from now on. What was used of the rate before is used.
    pub(super) fn set(&mut self, now: Time, permissions: Option<&Arc<Permissions>>) {
        let left = self.rate().map(|rate| self.left_at(now, rate));
        let full = Self::new(now, permissions);
        self.left = left.map_or(full.left, |left| left.min(full.left));
        (self.permissions, self.at) = (full.permissions, now);
    }

    /// What is not permitted without exception.
    pub(in crate::office) fn permissions(&self) -> Option<&Arc<Permissions>> {
        self.permissions.as_ref()
    }

    fn rate(&self) -> Option<Rate> {
        self.permissions.as_ref()?.rate
    }

    /// How many letters it may publish now.
    pub(in crate::office) fn letters(&self, now: Time) -> usize {
        self.rate().map_or(usize::MAX, |rate| {
            usize::try_from(self.left_at(now, rate) / LETTER).unwrap_or(usize::MAX)
        })
    }

    /// So many were committed.
    pub(in crate::office) fn take(&mut self, now: Time, letters: usize) {
        if let Some(rate) = self.rate() {
            let taken = (letters as u64).saturating_mul(LETTER);
            self.left = self.left_at(now, rate).saturating_sub(taken);
            self.at = now;
        }
    }

    fn left_at(&self, now: Time, rate: Rate) -> u64 {
        let millis = now.as_millis().saturating_sub(self.at.as_millis());
        let gained = millis.saturating_mul(rate.letters.into());
        let full = u64::from(rate.burst) * LETTER;
        self.left.saturating_add(gained).min(full)
    }
}
