//! The guests.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use toml::Spanned;

use super::entry::{Entry, Origin, Refusal};
use super::file::Guest;
use super::permissions;
use super::resolve::{path, qos, set};
use super::settings::settings;
use super::table::{Subscription, Table};
use super::timer;
use super::values::{Period, Size, period, size};
use super::work_list;
use crate::office::{
    Filter, MAX_STATE, Permissions, Qos, Schedule, TimerSettings, WorkListSettings,
};

/// One guest. `Debug` shows the names of its variables and not their values, and no
/// settings.
#[derive(Clone, PartialEq, Eq)]
pub struct GuestConfig {
    /// `name`: its name in logs, 1 to 64 of `A-Z a-z 0-9 _ -`; no two guests have
    /// the same. Default: the component's file name without its extension.
    pub name: String,
    /// `component`: where its component comes from.
    pub component: ComponentSource,
    /// `subscriptions`: valid topic filters, perhaps with names for levels, none of
    /// them twice, each with the highest quality of service wanted. Default: none; a
    /// filter alone: 1.
    pub subscriptions: Vec<(Filter, Qos)>,
    /// `retries`: how often a call that failed is made again, 0 to 1,000.
    /// Default: 3.
    pub retries: u32,
    /// `retry-for`: how long it may put a message off with `retry`, 1 s to 24 h.
    /// Default: 1 h, the ttl of a letter whose guest names none. It outlasts a
    /// restart of whatever the guest waits for; and the messages behind the one
    /// that is put off do not wait for ever.
    pub retry_for: Duration,
    /// `[guest.work-list]`: the bounds of its work list, and what happens at them; each
    /// is by default that of `[work-list]`.
    pub work_list: WorkListSettings,
    /// `[[guest.timer]]`: the timers that it has from the start, by name, no two with
    /// the same. Default: none.
    pub timers: Vec<(Arc<str>, Schedule)>,
    /// `[guest.limits]`: what it may use.
    pub limits: GuestLimits,
    /// `[guest.permissions]`: what it may publish and ask for. Default: everything.
    pub permissions: Option<Permissions>,
    /// `[guest.env]`: the variables it sees, sorted by name, and no others.
    /// Default: none.
    pub env: Vec<(String, String)>,
    /// `[guest.settings]`: what it is told by its import `settings`, as a JSON object.
    /// Default: `{}`.
    pub settings: Arc<str>,
}

/// Where a component comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ComponentSource {
    /// A file. The path is that of the configuration, joined to the directory
    /// of the configuration file.
    File(PathBuf),
    /// `example:name`: an example built into the binary.
    Example(String),
}

/// What a guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GuestLimits {
    /// `memory`: the size of its linear memory in bytes, 1 MiB to 4 GiB.
    /// Default: 64 MiB.
    pub memory: usize,
    /// `call-time`: how much time one call may use, 1 ms to 1 h. Default: 1 s.
    pub call_time: Duration,
    /// `timers`: how many timers it may have, 0 to 1,000. Default: 100.
    pub timers: usize,
    /// `state`: how much its state may take in bytes, 0 to 16 MiB. Default: 64 KiB.
    pub state: usize,
}

/// A [`GuestId`](crate::office::GuestId) has 16 bits.
const MAX_GUESTS: usize = 1 << 16;
const DEFAULT_RETRIES: u32 = 3;
const DEFAULT_RETRY_FOR: Duration = Duration::from_secs(3600);
const DEFAULT_QOS: Qos = Qos::AtLeastOnce;
const EXAMPLE: &str = "example:";

impl Default for GuestLimits {
    fn default() -> Self {
        Self {
            memory: 64 << 20,
            call_time: Duration::from_secs(1),
            timers: TimerSettings::default().max,
            state: MAX_STATE,
        }
    }
}

impl fmt::Debug for GuestConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.env.iter().map(|(name, _)| name).collect();
        f.debug_struct("GuestConfig")
            .field("name", &self.name)
            .field("component", &self.component)
            .field("subscriptions", &self.subscriptions)
            .field("retries", &self.retries)
            .field("retry_for", &self.retry_for)
            .field("work_list", &self.work_list)
            .field("timers", &self.timers)
            .field("limits", &self.limits)
            .field("permissions", &self.permissions)
            .field("env", &names)
            .finish_non_exhaustive()
    }
}

/// Resolves all guests; their components are relative to `directory`, and their work
/// lists are bounded as `work_list` unless they say otherwise.
pub(super) fn resolve(
    written: &[Table<Guest>],
    work_list: WorkListSettings,
    directory: &Path,
) -> Result<Vec<GuestConfig>, Refusal> {
    if let Some(first_too_many) = written.get(MAX_GUESTS) {
        return Err(Refusal {
            origin: Origin::File(first_too_many.span.clone()),
            key: "guest",
            reason: format!("there are more than {MAX_GUESTS} guests"),
        });
    }
    let mut guests: Vec<GuestConfig> = Vec::with_capacity(written.len());
    let mut names = BTreeSet::new();
    for written in written {
        let guest = resolve_one(written, work_list, directory)?;
        if !names.insert(guest.name.clone()) {
            let origin = match &written.keys.name {
                Some(entry) => entry.origin.clone(),
                None => Origin::File(written.span.clone()),
            };
            return Err(Refusal {
                origin,
                key: "guest.name",
                reason: format!("there are two guests of the name {:?}", guest.name),
            });
        }
        guests.push(guest);
    }
    Ok(guests)
}

fn resolve_one(
    written: &Table<Guest>,
    work_list: WorkListSettings,
    directory: &Path,
) -> Result<GuestConfig, Refusal> {
    let guest = &written.keys;
    let Some(component) = &guest.component else {
        return Err(Refusal {
            origin: Origin::File(written.span.clone()),
            key: "guest.component",
            reason: r#"is missing; write e.g. component = "door.wasm""#.to_owned(),
        });
    };
    let (source, stem) = component_source(component, directory)
        .map_err(|reason| component.refuse("guest.component", reason))?;
    let mut config = GuestConfig {
        name: stem,
        component: source,
        subscriptions: subscriptions(
            &guest.subscriptions,
            ["guest.subscriptions.filter", "guest.subscriptions.qos"],
        )?,
        retries: DEFAULT_RETRIES,
        retry_for: DEFAULT_RETRY_FOR,
        work_list: work_list::resolve(&guest.work_list.keys, work_list, &work_list::OF_GUEST)?,
        timers: Vec::new(),
        limits: GuestLimits::default(),
        permissions: guest
            .permissions
            .as_ref()
            .map(|written| permissions::resolve(&written.keys, &permissions::OF_GUEST))
            .transpose()?,
        env: env(&guest.env, "guest.env")?,
        settings: settings(guest.settings.as_ref(), "guest.settings")?,
    };
    if guest.name.is_none() && !is_name(&config.name) {
        let reason = format!(
            "{:?} is taken from the component and {NOT_A_NAME}",
            config.name
        );
        return Err(component.refuse("guest.name", reason));
    }
    set(&mut config.name, &guest.name, "guest.name", name)?;
    set(
        &mut config.retries,
        &guest.retries,
        "guest.retries",
        |entry| entry.whole(0..=1000),
    )?;
    set(
        &mut config.retry_for,
        &guest.retry_for,
        "guest.retry-for",
        |entry| period(entry, Period::from_secs(1)..=Period::from_secs(86_400)),
    )?;
    set(
        &mut config.limits.memory,
        &guest.limits.keys.memory,
        "guest.limits.memory",
        |entry| size(entry, Size(1 << 20)..=Size(4 << 30)),
    )?;
    set(
        &mut config.limits.call_time,
        &guest.limits.keys.call_time,
        "guest.limits.call-time",
        |entry| period(entry, Period::from_millis(1)..=Period::from_secs(3600)),
    )?;
    set(
        &mut config.limits.timers,
        &guest.limits.keys.timers,
        "guest.limits.timers",
        |entry| entry.whole(0..=1000).map(|max| max as usize),
    )?;
    config.timers = timer::resolve(&guest.timer, config.limits.timers, &timer::OF_GUEST)?;
    set(
        &mut config.limits.state,
        &guest.limits.keys.state,
        "guest.limits.state",
        |entry| size(entry, Size(0)..=Size(16 << 20)),
    )?;
    Ok(config)
}

pub(crate) const NOT_A_NAME: &str = "is not a name; write 1 to 64 of A-Z, a-z, 0-9, _ and -";

pub(crate) fn is_name(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '-'))
}

pub(super) fn name(entry: &Entry) -> Result<String, String> {
    match entry.value.as_str() {
        Some(text) if is_name(text) => Ok(text.to_owned()),
        _ => Err(entry.but(NOT_A_NAME)),
    }
}

/// The source, and the name that the guest gets from it.
fn component_source(entry: &Entry, directory: &Path) -> Result<(ComponentSource, String), String> {
    let path = path(entry)?;
    if let Some(name) = entry.text()?.strip_prefix(EXAMPLE) {
        if !is_name(name) {
            return Err(entry.but(r#"names no example; write e.g. "example:door""#));
        }
        return Ok((ComponentSource::Example(name.to_owned()), name.to_owned()));
    }
    let Some(stem) = path.file_stem() else {
        return Err(entry.but("names no file"));
    };
    Ok((
        ComponentSource::File(directory.join(path)),
        stem.to_string_lossy().into_owned(),
    ))
}

/// Resolves subscriptions. Errors call a filter and a quality of service by
/// `keys`.
pub(crate) fn subscriptions(
    written: &[Subscription],
    keys: [&'static str; 2],
) -> Result<Vec<(Filter, Qos)>, Refusal> {
    let [filter_key, qos_key] = keys;
    let mut seen = BTreeSet::new();
    let mut subscriptions = Vec::with_capacity(written.len());
    for subscription in written {
        let Some(entry) = &subscription.filter else {
            return Err(Refusal {
                origin: Origin::File(subscription.span.clone()),
                key: filter_key,
                reason: r#"is missing; write e.g. { filter = "a/b", qos = 1 }"#.to_owned(),
            });
        };
        let filter = topic_filter(entry).map_err(|reason| entry.refuse(filter_key, reason))?;
        if !seen.insert(filter.plain().clone()) {
            let reason = entry.but("is there twice; the guest gets each message once");
            return Err(entry.refuse(filter_key, reason));
        }
        let mut wanted = DEFAULT_QOS;
        set(&mut wanted, &subscription.qos, qos_key, qos)?;
        subscriptions.push((filter, wanted));
    }
    Ok(subscriptions)
}

pub(super) fn topic_filter(entry: &Entry) -> Result<Filter, String> {
    let filter = entry.text()?.parse::<Filter>();
    filter.map_err(|error| entry.but(error))
}

/// The granted environment. Errors show no value: it may be a secret.
pub(crate) fn env(
    written: &BTreeMap<Spanned<String>, Entry>,
    key: &'static str,
) -> Result<Vec<(String, String)>, Refusal> {
    let mut env = Vec::with_capacity(written.len());
    for (name, entry) in written {
        let shown = name.get_ref();
        if shown.is_empty() || shown.contains(['=', '\0']) {
            return Err(Refusal {
                origin: Origin::File(name.span()),
                key,
                reason: format!("{shown:?} is not the name of a variable"),
            });
        }
        match entry.value.as_str() {
            Some(value) if !value.contains('\0') => env.push((shown.clone(), value.to_owned())),
            Some(_) => {
                let reason = format!("the value of {shown} holds a null character");
                return Err(entry.refuse(key, reason));
            }
            None => {
                let reason = format!("the value of {shown} is not a text; put it in quotes");
                return Err(entry.refuse(key, reason));
            }
        }
    }
    Ok(env)
}
