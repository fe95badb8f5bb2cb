//! What a configuration lets a guest do, or an operator, in plain words.

use std::fmt;
use std::time::Duration;

use crate::config::GuestConfig;
use crate::guest::{Ask, Offer, Report};
use crate::office::{Cancel, DEFAULT_TTL, Filter, Operate, Permissions, Qos, Rule};
use crate::words::Span;

/// What a guest may do, and what it asks for as well, by its component.
pub(super) struct Permitted<'a> {
    pub(super) guest: &'a GuestConfig,
    pub(super) report: &'a Report,
}

impl fmt::Display for Permitted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.guest.permissions {
            None => f.write_str("without [guest.permissions] it may do everything")?,
            Some(permissions) => {
                f.write_str("[guest.permissions] lets it")?;
                for line in allowed(permissions) {
                    write!(f, "\n  {line}")?;
                }
            }
        }
        let denied = self.denied();
        if !denied.is_empty() {
            f.write_str("\nit asks for more, and is not permitted to")?;
        }
        for line in denied {
            write!(f, "\n  {line}")?;
        }
        Ok(())
    }
}

impl Permitted<'_> {
    /// What the component asks for in vain, each with the rule.
    fn denied(&self) -> Vec<String> {
        let (asks, offers) = (&self.report.asks, &self.report.offers);
        let (limits, all) = (&self.guest.limits, Permissions::default());
        let permissions = self.guest.permissions.as_ref().unwrap_or(&all);
        let no_topic = || "`permissions.publish` names no topic".to_owned();
        let mut denied = Vec::new();
        if asks.contains(&Ask::Publish) && !publishes(permissions) {
            denied.push(format!("publish: {}", no_topic()));
        }
        if asks.contains(&Ask::Reconnect) && !permissions.reconnect {
            denied.push(format!("ask for a reconnect: {}", Rule::Reconnect));
        }
        if offers.contains(&Offer::Will) && !names_will(permissions) {
            let rule = match permissions.will {
                true => no_topic(),
                false => Rule::Will.to_string(),
            };
            denied.push(format!("set a last will: {rule}"));
        }
        if asks.contains(&Ask::Timers) && limits.timers == 0 {
            denied.push("set timers: `limits.timers` is 0".to_owned());
        }
        if asks.contains(&Ask::State) && limits.state == 0 {
            denied.push("keep state: `limits.state` is 0".to_owned());
        }
        denied
    }
}

/// What whoever uses the control socket may do, and which guests are named there in vain.
pub(super) struct Operated<'a> {
    pub(super) permissions: &'a Permissions,
    pub(super) guests: &'a [GuestConfig],
}

impl fmt::Display for Operated<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[control-permissions] lets whoever uses the control socket")?;
        for line in operated(self.permissions) {
            write!(f, "\n  {line}")?;
        }
        let is_there = |name: &str| self.guests.iter().any(|guest| guest.name == name);
        let names = self.permissions.operate.send_to.iter().flatten();
        let missing: Vec<_> = names.filter(|name| !is_there(name)).cloned().collect();
        match missing.is_empty() {
            true => Ok(()),
            false => write!(
                f,
                "\n`control-permissions.send-to` names guests that are not there: {}",
                missing.join(", ")
            ),
        }
    }
}

/// What permissions allow an operator, each a verb and more.
fn operated(permissions: &Permissions) -> Vec<String> {
    let mut lines = published(permissions);
    let Operate {
        send,
        send_to,
        cancel,
        reload,
        payloads,
    } = &permissions.operate;
    if allows_any(send.as_deref()) && allows_any(send_to.as_deref()) {
        let guests = match send_to {
            None => "any guest".to_owned(),
            Some(names) => names.join(", "),
        };
        lines.push(format!("send to {guests}, on {}", topics(send.as_deref())));
    }
    lines.push(match cancel {
        Cancel::All => "call any letter back".to_owned(),
        Cancel::Own => "call letters back that came over the control socket".to_owned(),
    });
    for (may, what) in [
        (permissions.reconnect, "ask for a reconnect"),
        (*reload, "ask for a reload"),
        (*payloads, "see payloads"),
    ] {
        if may {
            lines.push(what.to_owned());
        }
    }
    lines
}

/// What permissions allow a guest, each a verb and more.
fn allowed(permissions: &Permissions) -> Vec<String> {
    let mut lines = published(permissions);
    if permissions.reconnect {
        lines.push("ask for a reconnect".to_owned());
    }
    if names_will(permissions) {
        lines.push("set a last will".to_owned());
    }
    if lines.is_empty() {
        lines.push("do nothing that needs a permission".to_owned());
    }
    lines
}

/// What may be published.
fn published(permissions: &Permissions) -> Vec<String> {
    let mut lines = Vec::new();
    if publishes(permissions) {
        let topics = topics(permissions.publish.as_deref());
        lines.push(format!("publish to {topics}"));
        lines.push(format!("publish with {}", options(permissions)));
        if let Some(rate) = permissions.rate {
            lines.push(format!("publish {rate}"));
        }
    }
    lines
}

fn publishes(permissions: &Permissions) -> bool {
    allows_any(permissions.publish.as_deref())
}

/// Whether a list of what is allowed, without which all is, allows anything.
fn allows_any<T>(list: Option<&[T]>) -> bool {
    list.is_none_or(|list| !list.is_empty())
}

/// A last will goes where letters may go.
fn names_will(permissions: &Permissions) -> bool {
    permissions.will && publishes(permissions)
}

fn topics(filters: Option<&[Filter]>) -> String {
    match filters {
        None => "any topic".to_owned(),
        Some(filters) => {
            let filters: Vec<_> = filters.iter().map(ToString::to_string).collect();
            filters.join(", ")
        }
    }
}

fn options(permissions: &Permissions) -> String {
    let qos = match permissions.max_qos {
        Qos::AtMostOnce => "QoS 0",
        Qos::AtLeastOnce => "QoS 0 and 1",
        Qos::ExactlyOnce => "any QoS",
    };
    let retained = match permissions.retain {
        true => "retained or not",
        false => "not retained",
    };
    format!("{qos}, {retained}, and {}", ttl(permissions))
}

fn ttl(permissions: &Permissions) -> String {
    let (min, max) = (permissions.min_ttl, permissions.max_ttl);
    let bounds = match (min.is_zero(), max == Duration::MAX) {
        (true, true) => return "any ttl".to_owned(),
        (true, false) => format!("a ttl of {} at most", Span(max)),
        (false, true) => format!("a ttl of {} at least", Span(min)),
        (false, false) => format!("a ttl of {} to {}", Span(min), Span(max)),
    };
    match (min..=max).contains(&DEFAULT_TTL) {
        true => bounds,
        false => format!(
            "{bounds}, which it has to name: by default it is {}",
            Span(DEFAULT_TTL)
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::guest::{LoadError, LoadProblem};
    use crate::office::Rate;

    #[track_caller]
    fn check(permissions: Permissions, expect: &[&str]) {
        assert_eq!(allowed(&permissions), expect);
    }

    /// The guest of a configuration with these tables.
    fn guest(tables: &str) -> GuestConfig {
        let file = tempfile::NamedTempFile::new().expect("there is a place for it");
        let text = format!("[[guest]]\ncomponent = 'door.wasm'\n{tables}");
        std::fs::write(file.path(), text).expect("it can be written");
        let config = Config::load(Some(file.path()), std::iter::empty());
        config.expect("it is valid").guests.remove(0)
    }

    /// What such a guest, which asks for all there is, is told of its permissions.
    #[track_caller]
    fn check_shown(tables: &str, expect: &str) {
        let report = Report {
            name: "door.wasm".into(),
            size: None,
            imports: Vec::new(),
            exports: Vec::new(),
            asks: [Ask::Publish, Ask::Reconnect, Ask::Timers, Ask::State].into(),
            offers: [Offer::Handler, Offer::Will].into(),
            max_state: 0,
            verdict: Err(LoadError {
                name: "door.wasm".into(),
                problem: LoadProblem::NotWasm,
            }),
        };
        let permitted = Permitted {
            guest: &guest(tables),
            report: &report,
        };
        assert_eq!(permitted.to_string(), expect);
    }

    #[test]
    fn what_is_asked_for_in_vain_is_told_with_the_rule() {
        check_shown("", "without [guest.permissions] it may do everything");
        check_shown(
            "[guest.permissions]\npublish = ['a']\nretain = false",
            "[guest.permissions] lets it
  publish to a
  publish with any QoS, not retained, and any ttl
  ask for a reconnect
  set a last will",
        );
        check_shown(
            "[guest.permissions]\npublish = []\nreconnect = false\n\
             [guest.limits]\ntimers = 0\nstate = 0",
            "[guest.permissions] lets it
  do nothing that needs a permission
it asks for more, and is not permitted to
  publish: `permissions.publish` names no topic
  ask for a reconnect: `permissions.reconnect` is false
  set a last will: `permissions.publish` names no topic
  set timers: `limits.timers` is 0
  keep state: `limits.state` is 0",
        );
        check_shown(
            "[guest.permissions]\nwill = false\nmax-qos = 0",
            "[guest.permissions] lets it
  publish to any topic
  publish with QoS 0, retained or not, and any ttl
  ask for a reconnect
it asks for more, and is not permitted to
  set a last will: `permissions.will` is false",
        );
    }

    #[test]
    fn permissions_are_told_in_plain_words() {
        check(
            Permissions::default(),
            &[
                "publish to any topic",
                "publish with any QoS, retained or not, and any ttl",
                "ask for a reconnect",
                "set a last will",
            ],
        );
        let filters = ["doors/#", "gateways/+/online"];
        let filters = filters.map(|it| it.parse::<Filter>().expect("it is valid"));
        let second = Duration::from_secs(1);
        let few = Permissions {
            publish: Some(filters.into()),
            max_qos: Qos::AtLeastOnce,
            retain: false,
            max_ttl: 600 * second,
            rate: Some(Rate {
                letters: 5,
                per: second,
                burst: 20,
            }),
            reconnect: false,
            will: false,
            ..Permissions::default()
        };
        check(
            few.clone(),
            &[
                "publish to doors/#, gateways/+/online",
                "publish with QoS 0 and 1, not retained, and a ttl of 10 min at most, which it \
                 has to name: by default it is 1 h",
                "publish 5 letters a second, 20 at once",
            ],
        );
        let none = Permissions {
            publish: Some(Vec::new()),
            ..few.clone()
        };
        check(none, &["do nothing that needs a permission"]);
        let long = Permissions {
            min_ttl: second,
            max_ttl: 7_200 * second,
            ..Permissions::default()
        };
        assert_eq!(ttl(&long), "a ttl of 1 s to 2 h");
        check_shown(
            "[guest.permissions]\nrate = '6/m'\nwill = false\nreconnect = false\n\
             [guest.limits]\nstate = 1024",
            "[guest.permissions] lets it
  publish to any topic
  publish with any QoS, retained or not, and any ttl
  publish 6 letters a minute, 6 at once
it asks for more, and is not permitted to
  ask for a reconnect: `permissions.reconnect` is false
  set a last will: `permissions.will` is false",
        );
    }
}
