//! A scenario file as written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Spanned;

use crate::config::ConfigError;
use crate::config::entry::Entry;
use crate::config::file::{SUBSCRIPTIONS, Timer, WorkList, parse_as};
use crate::config::table::{Subscription, Table};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) timer: Vec<Table<Timer>>,
    pub(super) env: BTreeMap<Spanned<String>, Entry>,
    pub(super) settings: Option<Entry>,
    pub(super) work_list: Table<WorkList>,
    pub(super) scenario: Vec<Table<Scenario>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Scenario {
    pub(super) name: Option<Entry>,
    pub(super) network: Option<Entry>,
    pub(super) subscriptions: Option<Vec<Subscription>>,
    pub(super) settings: Option<Entry>,
    pub(super) version: Option<Entry>,
    pub(super) allow_unexpected: Option<Entry>,
    pub(super) step: Vec<Table<Step>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Step {
    pub(super) message: Option<Table<Message>>,
    pub(super) network: Option<Entry>,
    pub(super) acks: Option<Entry>,
    pub(super) guest: Option<Entry>,
    pub(super) advance: Option<Entry>,
    pub(super) expect_published: Option<Table<ExpectPublished>>,
    pub(super) expect_nothing_published: Option<Entry>,
    pub(super) expect_outcome: Option<Table<ExpectOutcome>>,
    pub(super) expect_rejected: Option<Entry>,
    pub(super) expect_retried: Option<Entry>,
    pub(super) expect_failed: Option<Entry>,
    pub(super) expect_printed: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Message {
    pub(super) topic: Option<Entry>,
    pub(super) payload: Option<Entry>,
    pub(super) json: Option<Entry>,
    pub(super) qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
    pub(super) properties: Option<Table<Properties>>,
    pub(super) then_network: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Properties {
    pub(super) content_type: Option<Entry>,
    pub(super) response_topic: Option<Entry>,
    pub(super) correlation_data: Option<Entry>,
    pub(super) user: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ExpectPublished {
    pub(super) topic: Option<Entry>,
    pub(super) payload: Option<Entry>,
    pub(super) json: Option<Entry>,
    pub(super) qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
    pub(super) properties: Option<Table<Properties>>,
    pub(super) priority: Option<Entry>,
    pub(super) replace_key: Option<Entry>,
    pub(super) after_reboot: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ExpectOutcome {
    pub(super) topic: Option<Entry>,
    pub(super) tag: Option<Entry>,
    pub(super) outcome: Option<Entry>,
    pub(super) by: Option<Entry>,
}

/// A line that is a step of its own: a message.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Line {
    pub(super) message: Option<Table<Message>>,
}

/// Reads the text of the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Written, ConfigError> {
    parse_as(path, text, |key| match key {
        "scenario" => Some("a table for each scenario: [[scenario]]"),
        "scenario.step" => Some(r#"a list of steps: [{ advance = "2h" }, …]"#),
        "subscriptions" | "scenario.subscriptions" => Some(SUBSCRIPTIONS),
        "scenario.step.message" | "scenario.step.expect-published" => Some(MESSAGE),
        "scenario.step.expect-outcome" => {
            Some(r#"a table: { topic = "a/b", outcome = "expired" }"#)
        }
        "scenario.step.message.properties" | "scenario.step.expect-published.properties" => {
            Some(PROPERTIES)
        }
        "timer" => Some("a table for each timer: [[timer]]"),
        "env" | "settings" | "work-list" | "scenario.settings" => Some("a table"),
        _ => None,
    })
}

/// Reads a line that is a message.
pub(super) fn parse_line(text: &str) -> Result<Line, ConfigError> {
    parse_as(Path::new(""), text, |key| match key {
        "message" => Some(MESSAGE),
        "message.properties" => Some(PROPERTIES),
        _ => None,
    })
}

const MESSAGE: &str = r#"a table: { topic = "a/b", payload = "…" }"#;

const PROPERTIES: &str = r#"a table: { content-type = "…", user = { name = "value" } }"#;
