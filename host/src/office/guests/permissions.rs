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
    /// What else whoever operates the gateway may ask for. A guest asks for none of it.
    pub operate: Operate,
}

/// What may be asked for from outside, beside what guests ask for. By default everything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Operate {
    /// Guests may be handed messages on topics that one of these matches. None: on any
    /// topic.
    pub send: Option<Vec<Filter>>,
    /// Guests of these names may be handed messages. None: any guest.
    pub send_to: Option<Vec<String>>,
    /// Which letters may be called back.
    pub cancel: Cancel,
    /// Whether the configuration may be read again.
    pub reload: bool,
    /// Whether payloads may be seen.
    pub payloads: bool,
}

/// Which letters may be called back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cancel {
    /// Those that were published in the same way.
    Own,
    /// Those of guests as well.
    All,
}

/// How fast a guest may publish.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// So many letters in `per`, over any longer time. Not 0.
    pub letters: u32,
    /// Whole milliseconds. Not zero.
    pub per: Duration,
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
    /// A message for a guest on this topic.
    Send(Box<str>),
    /// A message for this guest.
    SendTo(Box<str>),
    /// That a letter of somebody else is called back.
    Cancel,
    /// A reload.
    Reload,
    /// Payloads.
    Payloads,
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
            operate: Operate::default(),
        }
    }
}

impl Default for Operate {
    fn default() -> Self {
        Self {
            send: None,
            send_to: None,
            cancel: Cancel::All,
            reload: true,
            payloads: true,
        }
    }
}

impl Permissions {
    /// Checks a letter with a valid topic, but for the rate.
    pub(crate) fn check(
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
        if !is_among(self.publish.as_deref(), name) {
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

impl Operate {
    /// Checks a message for a guest of this name, with a valid topic.
    pub(in crate::office) fn check_send(&self, guest: &str, topic: &str) -> Result<(), Rule> {
        let may = self.send_to.as_ref();
        if may.is_some_and(|names| names.iter().all(|name| name != guest)) {
            return Err(Rule::SendTo(guest.into()));
        }
        match is_among(self.send.as_deref(), topic) {
            true => Ok(()),
            false => Err(Rule::Send(topic.into())),
        }
    }

    /// Checks a reload.
    ///
    /// # Errors
    /// None may be asked for.
    pub fn check_reload(&self) -> Result<(), Rule> {
        match self.reload {
            true => Ok(()),
            false => Err(Rule::Reload),
        }
    }

    /// Checks whether payloads may be seen.
    pub(in crate::office) fn check_payloads(&self) -> Result<(), Rule> {
        match self.payloads {
            true => Ok(()),
            false => Err(Rule::Payloads),
        }
    }
}

/// Whether there are no filters, or one of them matches a topic.
fn is_among(filters: Option<&[Filter]>, name: &str) -> bool {
    let matches = |filter: &Filter| topic::matches(filter.plain(), name);
    filters.is_none_or(|filters| filters.iter().any(matches))
}

impl Rate {
    /// Into how many parts a letter is divided, so that a millisecond adds `letters` of them.
    fn parts(self) -> u64 {
        u64::try_from(self.per.as_millis()).unwrap_or(u64::MAX)
    }

    /// What there is after a silence, in parts of a letter.
    fn full(self) -> u64 {
        u64::from(self.burst).saturating_mul(self.parts())
    }
}

/// As people say it: `5 letters a second, 20 at once`.
impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const SECOND: u64 = 1_000;
        const MINUTE: u64 = 60 * SECOND;
        const HOUR: u64 = 60 * MINUTE;
        let letters = if self.letters == 1 {
            "letter"
        } else {
            "letters"
        };
        write!(f, "{} {letters} ", self.letters)?;
        match self.parts() {
            SECOND => f.write_str("a second")?,
            MINUTE => f.write_str("a minute")?,
            HOUR => f.write_str("an hour")?,
            millis if millis.is_multiple_of(HOUR) => write!(f, "in {} h", millis / HOUR)?,
            millis if millis.is_multiple_of(MINUTE) => write!(f, "in {} min", millis / MINUTE)?,
            millis if millis.is_multiple_of(SECOND) => write!(f, "in {} s", millis / SECOND)?,
            millis => write!(f, "in {millis} ms")?,
        }
        write!(f, ", {} at once", self.burst)
    }
}

/// The table of the configuration that says what may be asked for over the control socket.
pub const CONTROL_PERMISSIONS: &str = "control-permissions";

impl Rule {
    /// The rule in words, where it stands in this table of the configuration: that of a
    /// guest is `permissions`.
    pub fn in_table(&self, table: &'static str) -> impl fmt::Display {
        fmt::from_fn(move |f| {
            write!(f, "`{table}.")?;
            match self {
                Self::Publish(topic) => write!(f, "publish` does not allow the topic {topic:?}"),
                Self::MaxQos(max) => write!(f, "max-qos` allows no more than QoS {max}"),
                Self::Retain => f.write_str("retain` does not allow retained letters"),
                Self::MinTtl(min) => write!(f, "min-ttl` allows no ttl below {min:?}"),
                Self::MaxTtl(max) => write!(f, "max-ttl` allows no ttl above {max:?}"),
                Self::Rate(rate) => write!(f, "rate` allows no more for now than {rate}"),
                Self::Reconnect => f.write_str("reconnect` is false"),
                Self::Will => f.write_str("will` is false"),
                Self::Send(topic) => write!(f, "send` does not allow the topic {topic:?}"),
                Self::SendTo(guest) => write!(f, "send-to` does not allow the guest {guest:?}"),
                Self::Cancel => f.write_str("cancel` does not allow letters of guests"),
                Self::Reload => f.write_str("reload` is false"),
                Self::Payloads => f.write_str("payloads` is false"),
            }
        })
    }
}

/// As it stands in the configuration of a guest.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.in_table("permissions").fmt(f)
    }
}

/// The permissions of one guest, and what it has used of its rate.
#[derive(Debug)]
pub(in crate::office) struct Allowance {
    permissions: Option<Arc<Permissions>>,
    /// What is left of its rate at `at`, in [parts](Rate::parts) of a letter.
    left: u64,
    at: Time,
}

impl Allowance {
    pub(super) fn new(now: Time, permissions: Option<&Arc<Permissions>>) -> Self {
        let rate = permissions.and_then(|it| it.rate);
        Self {
            permissions: permissions.cloned(),
            left: rate.map_or(0, Rate::full),
            at: now,
        }
    }

    /// Other permissions hold from now on. What was used of the rate before is used.
    pub(super) fn set(&mut self, now: Time, permissions: Option<&Arc<Permissions>>) {
        let fresh = Self::new(now, permissions);
        self.left = match (self.rate(), fresh.rate()) {
            (Some(before), Some(rate)) => {
                let left = u128::from(self.left_at(now, before)) * u128::from(rate.parts());
                let left = left / u128::from(before.parts().max(1));
                u64::try_from(left).unwrap_or(u64::MAX).min(fresh.left)
            }
            _ => fresh.left,
        };
        (self.permissions, self.at) = (fresh.permissions, now);
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
            let letters = self.left_at(now, rate) / rate.parts().max(1);
            usize::try_from(letters).unwrap_or(usize::MAX)
        })
    }

    /// So many were committed.
    pub(in crate::office) fn take(&mut self, now: Time, letters: usize) {
        if let Some(rate) = self.rate() {
            let taken = (letters as u64).saturating_mul(rate.parts());
            self.left = self.left_at(now, rate).saturating_sub(taken);
            self.at = now;
        }
    }

    fn left_at(&self, now: Time, rate: Rate) -> u64 {
        let millis = now.as_millis().saturating_sub(self.at.as_millis());
        let gained = millis.saturating_mul(rate.letters.into());
        self.left.saturating_add(gained).min(rate.full())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_read_well() {
        for (letters, seconds, shown) in [
            (5, 1, "5 letters a second, 20 at once"),
            (1, 60, "1 letter a minute, 20 at once"),
            (6, 3_600, "6 letters an hour, 20 at once"),
            (1, 10, "1 letter in 10 s, 20 at once"),
            (2, 600, "2 letters in 10 min, 20 at once"),
            (3, 86_400, "3 letters in 24 h, 20 at once"),
        ] {
            let rate = Rate {
                letters,
                per: Duration::from_secs(seconds),
                burst: 20,
            };
            assert_eq!(rate.to_string(), shown);
        }
    }

    /// What may be published goes on from one rate to another, down to its parts.
    #[test]
    fn another_rate_begins_with_what_is_left() {
        let with = |letters, per, burst| {
            let per = Duration::from_secs(per);
            let rate = Some(Rate {
                letters,
                per,
                burst,
            });
            Arc::new(Permissions {
                rate,
                ..Permissions::default()
            })
        };
        let at = |seconds| Time::default() + Duration::from_secs(seconds);
        let mut allowance = Allowance::new(at(0), Some(&with(6, 60, 6)));
        allowance.take(at(0), 6);
        // Two letters and a half.
        allowance.set(at(25), Some(&with(1, 3_600, 5)));
        assert_eq!(allowance.letters(at(25)), 2);
        assert_eq!(allowance.letters(at(25 + 1_799)), 2);
        assert_eq!(allowance.letters(at(25 + 1_800)), 3);
        allowance.set(at(25 + 1_800), Some(&with(1, 1, 2)));
        assert_eq!(
            allowance.letters(at(25 + 1_800)),
            2,
            "no more than its burst"
        );
        allowance.set(at(2_000), None);
        assert_eq!(allowance.letters(at(2_000)), usize::MAX);
    }

    #[test]
    fn the_slowest_and_largest_rate_is_exact() {
        let year = Duration::from_secs(365 * 24 * 60 * 60);
        let rate = Some(Rate {
            letters: 1,
            per: year,
            burst: 1_000_000,
        });
        let permissions = Arc::new(Permissions {
            rate,
            ..Permissions::default()
        });
        let begin = Time::default();
        let mut allowance = Allowance::new(begin, Some(&permissions));
        assert_eq!(allowance.letters(begin), 1_000_000);
        allowance.take(begin, 1_000_000);
        let millisecond = Duration::from_millis(1);
        assert_eq!(allowance.letters(begin + (year - millisecond)), 0);
        assert_eq!(allowance.letters(begin + year), 1);
    }
}
