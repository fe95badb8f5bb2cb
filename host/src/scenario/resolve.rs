//! From what is written to steps that can be made.

use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value as Json;
use toml::Value;

use super::expected::expectations;
use super::file::{self, Written};
use super::run::Scenario;
use super::step::{Action, ExpectedPayload, Step};
use crate::config::Place;
use crate::config::entry::{Entry, Origin, Refusal};
use crate::config::guest::{env, subscriptions};
use crate::config::resolve::{qos, set, topic_name};
use crate::config::settings::settings;
use crate::config::table::{Subscription, Table};
use crate::config::timer;
use crate::config::values::{Period, period};
use crate::config::work_list;
use crate::office::{Filter, Payload, Properties, Qos, TimerSettings, WorkListSettings};
use crate::testing::{Acks, Asked, Network, Published, WorldOptions};
use crate::wire::Version;

/// A year is as long as a scenario may be in one step.
const LONGEST: Period = Period::from_secs(366 * 86_400);

/// The largest payload that fits into a packet of the fake broker, whatever its
/// topic.
const LARGEST_PAYLOAD: usize = (1 << 20) - (1 << 16) - 4;

/// What errors call a timer.
const TIMER: timer::Keys = timer::Keys {
    table: "timer",
    name: "timer.name",
    every: "timer.every",
    first: "timer.first",
    after: "timer.after",
};

/// Resolves all scenarios of the file at `path`.
pub(super) fn resolve(
    path: &Path,
    text: &str,
    written: &Written,
) -> Result<Vec<Scenario>, Refusal> {
    let keys = ["subscriptions.filter", "subscriptions.qos"];
    let options = WorldOptions {
        subscriptions: subscriptions(&written.subscriptions, keys)?,
        timers: timer::resolve(&written.timer, TimerSettings::default().max, &TIMER)?,
        env: env(&written.env, "env")?,
        settings: settings(written.settings.as_ref(), "settings")?,
        work_list: work_list::resolve(
            &written.work_list.keys,
            WorkListSettings::default(),
            &work_list::OF_ALL,
        )?,
        ..WorldOptions::default()
    };
    if written.scenario.is_empty() {
        return Err(refuse(
            0..0,
            "scenario",
            "there is none; write [[scenario]]",
        ));
    }
    let line = |span: &Range<usize>| match Place::in_file(path, text, span.start) {
        Place::File { line, .. } => line,
        Place::Variable(_) => 0,
    };
    let scenario = |written| scenario(written, &options, &line);
    written.scenario.iter().map(scenario).collect()
}

fn scenario(
    written: &Table<file::Scenario>,
    defaults: &WorldOptions,
    line: &dyn Fn(&Range<usize>) -> usize,
) -> Result<Scenario, Refusal> {
    let keys = &written.keys;
    let Some(name) = &keys.name else {
        let reason = "is missing: say what the scenario shows";
        return Err(refuse(written.span.clone(), "scenario.name", reason));
    };
    let name = read(name, "scenario.name", title)?;
    if keys.step.is_empty() {
        let reason = r#"there is none; write step = [{ advance = "2h" }, …]"#;
        return Err(refuse(written.span.clone(), "scenario.step", reason));
    }
    let mut options = defaults.clone();
    if let Some(written) = &keys.subscriptions {
        options.subscriptions = own_subscriptions(written)?;
    }
    if keys.settings.is_some() {
        options.settings = settings(keys.settings.as_ref(), "scenario.settings")?;
    }
    set(
        &mut options.version,
        &keys.version,
        "scenario.version",
        version,
    )?;
    let mut begins = Network::Up;
    set(&mut begins, &keys.network, "scenario.network", network)?;
    let mut allows_unexpected = false;
    set(
        &mut allows_unexpected,
        &keys.allow_unexpected,
        "scenario.allow-unexpected",
        Entry::flag,
    )?;
    let step = |written: &Table<file::Step>| {
        let action = step(written)?;
        let line = line(&written.span);
        Ok(Step { line, action })
    };
    Ok(Scenario {
        name,
        line: line(&written.span),
        options,
        begins,
        allows_unexpected,
        steps: keys.step.iter().map(step).collect::<Result<_, _>>()?,
    })
}

fn own_subscriptions(written: &[Subscription]) -> Result<Vec<(Filter, Qos)>, Refusal> {
    let keys = [
        "scenario.subscriptions.filter",
        "scenario.subscriptions.qos",
    ];
    subscriptions(written, keys)
}

fn step(written: &Table<file::Step>) -> Result<Action, Refusal> {
    let keys = &written.keys;
    let mut found: Vec<(&'static str, Action)> = Vec::new();
    if let Some(table) = &keys.message {
        let (message, then_down) = message(table)?;
        found.push(("message", Action::Message { message, then_down }));
    }
    if let Some(entry) = &keys.network {
        let network = read(entry, "scenario.step.network", network)?;
        found.push(("network", Action::Network(network)));
    }
    if let Some(entry) = &keys.acks {
        found.push((
            "acks",
            Action::Acks(read(entry, "scenario.step.acks", acks)?),
        ));
    }
    if let Some(entry) = &keys.guest {
        let restart = read(entry, "scenario.step.guest", restart)?;
        found.push(("guest", restart));
    }
    if let Some(entry) = &keys.advance {
        let duration = read(entry, "scenario.step.advance", advance)?;
        found.push(("advance", Action::Advance(duration)));
    }
    for (name, expectation) in expectations(keys)? {
        found.push((name, Action::Expect(expectation)));
    }
    match (found.pop(), found.pop()) {
        (Some((_, action)), None) => Ok(action),
        (Some((second, _)), Some((first, _))) => {
            let reason =
                format!("`{first}` and `{second}`: a step is one thing; make two steps of it");
            Err(refuse(written.span.clone(), "scenario.step", &reason))
        }
        (None, _) => {
            let reason = "is empty; write message, network, acks, guest, advance or expect-…";
            Err(refuse(written.span.clone(), "scenario.step", reason))
        }
    }
}

/// A message, and whether the network goes down after it.
pub(super) fn message(written: &Table<file::Message>) -> Result<(Published, bool), Refusal> {
    let keys = &written.keys;
    let key = "scenario.step.message.topic";
    let topic = needed(&keys.topic, &written.span, key)?;
    let topic = read(topic, key, topic_name)?.to_string();
    let payload = match one_payload(
        &keys.payload,
        &keys.json,
        [
            "scenario.step.message.payload",
            "scenario.step.message.json",
        ],
    )? {
        None => String::new(),
        Some(ExpectedPayload::Exactly(payload)) => payload,
        Some(ExpectedPayload::Json(json)) => json.to_string(),
    };
    if payload.len() > LARGEST_PAYLOAD {
        let reason = "the payload is too large for the broker";
        return Err(refuse(
            written.span.clone(),
            "scenario.step.message",
            reason,
        ));
    }
    let mut message = Published {
        topic,
        payload: payload.into_bytes(),
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: match &keys.properties {
            Some(table) => {
                let properties = properties(table, "scenario.step.message.properties")?;
                Some(Arc::new(properties))
            }
            None => None,
        },
        asked: Asked::default(),
    };
    set(
        &mut message.qos,
        &keys.qos,
        "scenario.step.message.qos",
        qos,
    )?;
    set(
        &mut message.retain,
        &keys.retain,
        "scenario.step.message.retain",
        Entry::flag,
    )?;
    let mut then_down = false;
    set(
        &mut then_down,
        &keys.then_network,
        "scenario.step.message.then-network",
        |entry| match entry.value.as_str() {
            Some("down") => Ok(true),
            _ => Err(entry.but(r#"is not allowed; write "down""#)),
        },
    )?;
    Ok((message, then_down))
}

/// Properties, all errors of which are called by `key`.
pub(super) fn properties(
    written: &Table<file::Properties>,
    key: &'static str,
) -> Result<Properties, Refusal> {
    let keys = &written.keys;
    let optional = |entry: &Option<Entry>| match entry {
        Some(entry) => read(entry, key, text).map(Some),
        None => Ok(None),
    };
    let mut properties = Properties {
        content_type: optional(&keys.content_type)?.map(Arc::from),
        response_topic: optional(&keys.response_topic)?.map(Arc::from),
        correlation_data: optional(&keys.correlation_data)?.map(Payload::new),
        user: Vec::new(),
    };
    for (name, entry) in &keys.user {
        let value = read(entry, key, text)?;
        let name = name.get_ref().as_str();
        properties.user.push((name.into(), value.into()));
    }
    let refuse = |reason: String| refuse(written.span.clone(), key, &reason);
    properties.check().map_err(refuse)?;
    Ok(properties)
}

/// What stands under `payload` or under `json`, but not under both.
pub(super) fn one_payload(
    payload: &Option<Entry>,
    json: &Option<Entry>,
    [payload_key, json_key]: [&'static str; 2],
) -> Result<Option<ExpectedPayload>, Refusal> {
    match (payload, json) {
        (None, None) => Ok(None),
        (Some(entry), None) => {
            let payload = read(entry, payload_key, text)?;
            Ok(Some(ExpectedPayload::Exactly(payload)))
        }
        (None, Some(entry)) => {
            let json = read(entry, json_key, |entry| to_json(&entry.value))?;
            Ok(Some(ExpectedPayload::Json(json)))
        }
        (Some(_), Some(entry)) => {
            let reason = "there is a payload as well; write one of the two";
            Err(entry.refuse(json_key, reason.to_owned()))
        }
    }
}

fn to_json(value: &Value) -> Result<Json, String> {
    Ok(match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) if number.is_finite() => Json::from(*number),
        Value::Float(_) => return Err(format!("{value} is no number of JSON")),
        Value::Boolean(flag) => Json::from(*flag),
        Value::Datetime(_) => return Err(format!("{value} is a date; put it in quotes")),
        Value::Array(items) => items.iter().map(to_json).collect::<Result<_, _>>()?,
        Value::Table(fields) => fields
            .iter()
            .map(|(key, value)| Ok((key.clone(), to_json(value)?)))
            .collect::<Result<_, String>>()?,
    })
}

fn title(entry: &Entry) -> Result<String, String> {
    match entry.text()? {
        title if title.trim().is_empty() || title.contains(char::is_control) => {
            Err(entry.but("is no name; say on one line what the scenario shows"))
        }
        title => Ok(title.to_owned()),
    }
}

fn network(entry: &Entry) -> Result<Network, String> {
    match entry.value.as_str() {
        Some("up") => Ok(Network::Up),
        Some("down") => Ok(Network::Down),
        _ => Err(entry.but(r#"is no state of the network; write "up" or "down""#)),
    }
}

fn version(entry: &Entry) -> Result<Version, String> {
    match entry.value.as_str() {
        Some("3.1.1") => Ok(Version::V4),
        Some("5") => Ok(Version::V5),
        _ => Err(entry.but(r#"is not a version of MQTT; write "3.1.1" or "5""#)),
    }
}

fn acks(entry: &Entry) -> Result<Acks, String> {
    match entry.value.as_str() {
        Some("sent") => Ok(Acks::Sent),
        Some("withheld") => Ok(Acks::Withheld),
        _ => Err(entry.but(r#"is not what can be done with them; write "withheld" or "sent""#)),
    }
}

fn restart(entry: &Entry) -> Result<Action, String> {
    match entry.value.as_str() {
        Some("restarted") => Ok(Action::RestartGuest),
        _ => Err(entry.but(r#"is not what can be done with it; write "restarted""#)),
    }
}

fn advance(entry: &Entry) -> Result<Duration, String> {
    period(entry, Period::from_millis(1)..=LONGEST)
}

pub(super) fn text(entry: &Entry) -> Result<String, String> {
    entry.text().map(str::to_owned)
}

pub(super) fn read<T>(
    entry: &Entry,
    key: &'static str,
    read: impl FnOnce(&Entry) -> Result<T, String>,
) -> Result<T, Refusal> {
    read(entry).map_err(|reason| entry.refuse(key, reason))
}

pub(super) fn needed<'a>(
    entry: &'a Option<Entry>,
    table: &Range<usize>,
    key: &'static str,
) -> Result<&'a Entry, Refusal> {
    entry
        .as_ref()
        .ok_or_else(|| refuse(table.clone(), key, "is missing"))
}

pub(super) fn refuse(span: Range<usize>, key: &'static str, reason: &str) -> Refusal {
    Refusal {
        origin: Origin::File(span),
        key,
        reason: reason.to_owned(),
    }
}
