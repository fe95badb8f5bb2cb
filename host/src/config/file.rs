//! The configuration file as written.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::path::Path;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::entry::{Entry, Origin};
use super::error::{ConfigError, Place};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    pub(super) client_id: Option<Entry>,
    pub(super) clean_session: Option<Entry>,
    pub(super) user_name: Option<Entry>,
    pub(super) password_file: Option<Entry>,
    /// From the environment alone: a file that is copied around holds no
    /// password.
    #[serde(skip)]
    pub(super) password: Option<Entry>,
    pub(super) server: Option<Entry>,
    pub(super) keep_alive: Option<Entry>,
    pub(super) first_connect_delay: Option<Entry>,
    pub(super) max_packet_size: Option<Entry>,
    pub(super) backoff: Backoff,
    pub(super) last_will: Option<Spanned<LastWill>>,
    pub(super) work_list: WorkList,
    pub(super) guest: Vec<Spanned<Guest>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Backoff {
    pub(super) min: Option<Entry>,
    pub(super) max: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LastWill {
    pub(super) topic: Option<Entry>,
    pub(super) payload: Option<Entry>,
    pub(super) qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WorkList {
    pub(super) max: Option<Entry>,
    pub(super) overflow: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Guest {
    pub(super) name: Option<Entry>,
    pub(super) component: Option<Entry>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) retries: Option<Entry>,
    pub(super) limits: Limits,
    pub(super) env: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Limits {
    pub(super) memory: Option<Entry>,
    pub(super) call_time: Option<Entry>,
}

/// A subscription, whether it is written as a filter alone or as a table.
pub(super) struct Subscription {
    pub(super) span: Range<usize>,
    pub(super) filter: Option<Entry>,
    pub(super) qos: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct SubscriptionTable {
    filter: Option<Entry>,
    qos: Option<Entry>,
}

enum Either {
    Filter(String),
    Table(SubscriptionTable),
}

impl<'de> Deserialize<'de> for Subscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Either>::deserialize(deserializer)?;
        let span = spanned.span();
        let table = match spanned.into_inner() {
            Either::Table(table) => table,
            Either::Filter(filter) => SubscriptionTable {
                filter: Some(Entry {
                    value: Value::String(filter),
                    origin: Origin::File(span.clone()),
                }),
                qos: None,
            },
        };
        Ok(Self {
            span,
            filter: table.filter,
            qos: table.qos,
        })
    }
}

// By hand, because an untagged enum would lose the places of what is in it.
impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;

        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic filter")
            }

            fn visit_str<E>(self, filter: &str) -> Result<Either, E> {
                Ok(Either::Filter(filter.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                SubscriptionTable::deserialize(MapAccessDeserializer::new(map)).map(Either::Table)
            }
        }

        deserializer.deserialize_any(EitherVisitor)
    }
}

/// Reads the text of the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Written, ConfigError> {
    toml::from_str(text).map_err(|mut error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().to_owned();
        // Without its input the error ends in the path of the key.
        error.set_input(None);
        let key = error
            .to_string()
            .trim_end()
            .rsplit_once("\nin `")
            .and_then(|(_, key)| key.strip_suffix('`'))
            .map(one_line);
        ConfigError::Malformed {
            place: Place::in_file(path, text, offset),
            reason: one_line(&explain(key.as_deref(), &message)),
            key,
        }
    })
}

/// Says in the words of TOML what serde says in those of Rust.
fn explain(key: Option<&str>, message: &str) -> String {
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let hint = if key.is_none() && rest.starts_with("`password`") {
            "; a password stands in a file of its own, see `password-file`"
        } else {
            ""
        };
        return format!("unknown key {rest}{hint}");
    }
    let Some((found, _)) = message
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.split_once(", expected "))
    else {
        return message.to_owned();
    };
    let expected = match key {
        Some("guest") => "a table for each guest: [[guest]]",
        Some("guest.subscriptions") => {
            r#"a list of topic filters: ["a/b", { filter = "c/#", qos = 1 }]"#
        }
        Some("backoff" | "last-will" | "work-list" | "guest.limits" | "guest.env") => "a table",
        _ => "a value of 64 bits at most",
    };
    format!(
        "found {}, expected {expected}",
        found.replace("map", "a table")
    )
}

/// Keys are quoted in errors, and a quoted key may hold a line break.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
