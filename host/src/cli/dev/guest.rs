//! The guest that the arguments name.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::anyhow;
use clap::Args;

use super::guest_lines;
use super::reload::{self, Reload};
use super::screen::Screen;
use crate::cli::assemble::{Loaded, check_timers};
use crate::cli::components;
use crate::cli::{Failure, engine};
use crate::config::{ComponentSource, Config, GuestConfig, GuestLimits};
use crate::office::{Filter, Qos, WorkListSettings};
use crate::words::Took;

/// What a file subscribes to when nobody says what.
const EVERYTHING: &str = "#";

/// Which guest is tried out, and how.
#[derive(Debug, Args)]
pub(in crate::cli) struct Chosen {
    /// The component; without it that of the configuration, or the example `door`, which
    /// is built in.
    #[arg(value_name = "GUEST")]
    component: Option<PathBuf>,
    /// A topic filter that the guest subscribes to, e.g. `doors/{door}/request`;
    /// can be given again. Without it: what the configuration says, or everything, `#`;
    /// the door: `doors/+/request`.
    #[arg(long, value_name = "FILTER")]
    subscribe: Vec<Filter>,
    /// A configuration with the guest: its subscriptions, limits, permissions,
    /// environment, settings and timers. What else it says is left alone, as the broker
    /// is the fake one.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// The name of the guest, where the configuration has several.
    #[arg(long, value_name = "NAME", requires = "config")]
    guest: Option<String>,
}

impl Chosen {
    /// The guest as a configuration describes it.
    pub(super) fn describe(self) -> Result<GuestConfig, Failure> {
        let Some(path) = self.config else {
            return Ok(describe(self.component, &self.subscribe));
        };
        let guests = Config::load_guests(&path).map_err(Failure::config)?;
        let mut guest = choose(guests, self.guest.as_deref(), &path)?;
        if let Some(file) = self.component {
            guest.component = ComponentSource::File(file);
        }
        if !self.subscribe.is_empty() {
            guest.subscriptions.clear();
            subscribe(&mut guest, self.subscribe);
        }
        Ok(guest)
    }

    /// Whether nobody says what a file subscribes to.
    pub(super) fn is_by_default(&self) -> bool {
        self.config.is_none() && self.subscribe.is_empty()
    }
}

/// The guest of this name, or the only one there is.
fn choose(
    guests: Vec<GuestConfig>,
    name: Option<&str>,
    path: &Path,
) -> Result<GuestConfig, Failure> {
    let path = path.display();
    let names: Vec<_> = guests.iter().map(|guest| guest.name.clone()).collect();
    let names = names.join(", ");
    let is_only = guests.len() == 1;
    let is_chosen = |guest: &GuestConfig| name.map_or(is_only, |name| guest.name == name);
    match (guests.into_iter().find(is_chosen), name) {
        (Some(guest), _) => Ok(guest),
        _ if names.is_empty() => Err(Failure::Config(anyhow!("{path} has no [[guest]]"))),
        (None, Some(name)) => Err(Failure::Usage(anyhow!(
            "{path} has no guest \"{name}\", but: {names}"
        ))),
        (None, None) => Err(Failure::Usage(anyhow!(
            "{path} has several guests: choose with --guest one of {names}"
        ))),
    }
}

/// Describes the guest as a configuration would.
fn describe(file: Option<PathBuf>, filters: &[Filter]) -> GuestConfig {
    let (component, filter) = match file {
        Some(path) => (ComponentSource::File(path), EVERYTHING),
        None => (
            ComponentSource::Example("door".to_owned()),
            "doors/+/request",
        ),
    };
    let name = match &component {
        ComponentSource::File(path) => path.file_stem().unwrap_or(path.as_os_str()),
        ComponentSource::Example(name) => name.as_ref(),
    };
    let mut guest = GuestConfig {
        name: name.to_string_lossy().into_owned(),
        subscriptions: Vec::new(),
        retries: 3,
        retry_for: Duration::from_secs(3_600),
        work_list: WorkListSettings::default(),
        timers: Vec::new(),
        limits: GuestLimits::default(),
        permissions: None,
        env: Vec::new(),
        settings: "{}".into(),
        component,
    };
    let default = filter.parse().into_iter();
    let default = default.take(usize::from(filters.is_empty()));
    subscribe(&mut guest, filters.iter().cloned().chain(default));
    guest
}

fn subscribe(guest: &mut GuestConfig, filters: impl IntoIterator<Item = Filter>) {
    for filter in filters {
        let is_known = |(known, _): &(Filter, Qos)| known.plain() == filter.plain();
        if !guest.subscriptions.iter().any(is_known) {
            guest.subscriptions.push((filter, Qos::AtLeastOnce));
        }
    }
}

/// Loads the guest, prints how long that took, and has it look at its settings.
pub(super) async fn load(
    guest: &GuestConfig,
    config: &Config,
    screen: &Screen,
) -> Result<(Loaded, Option<Reload>), Failure> {
    let engine = engine::start_unconfigured()?;
    let path = file_of(guest);
    // Before it is read, so that no change is missed.
    let stamp = path.and_then(reload::stamp);
    #[expect(
        clippy::disallowed_methods,
        reason = "only shown: how long loading took"
    )]
    let begun = Instant::now();
    let component = components::load(&engine, &guest.component).map_err(Failure::Other)?;
    check_timers(guest, &component).map_err(Failure::Config)?;
    let (name, took) = (&guest.name, Took(begun.elapsed()));
    match path {
        Some(path) => screen.line("guest", format_args!("{} loaded in {took}", path.display())),
        None => screen.line(
            "guest",
            format_args!("the example {name}, loaded in {took}"),
        ),
    }
    let listener = guest_lines::listener(screen);
    let mut loaded = Loaded::new(guest, &component, config.max_packet_size, listener);
    loaded.configure().await.map_err(Failure::Config)?;
    // One that does not export these does nothing when it is called; its successor
    // may export them.
    loaded.settings.has_will = true;
    loaded.settings.hears_subscriptions = true;
    loaded.settings.outcomes = loaded.settings.outcomes.max(1);
    let reload = path.map(|path| Reload {
        engine,
        path: path.to_owned(),
        config: guest.clone(),
        max_packet_size: config.max_packet_size,
        stamp,
    });
    Ok((loaded, reload))
}

/// Prints what the guest subscribes to by default.
pub(super) fn print_default(guest: &GuestConfig, screen: &Screen) {
    if file_of(guest).is_some() {
        let text = "subscribes to everything, also to what it sends; --subscribe chooses";
        screen.line("guest", text);
    }
}

/// Prints what a person at a terminal can type.
pub(super) fn print_hint(guest: &GuestConfig, screen: &Screen) {
    let example = match file_of(guest) {
        Some(_) => "[topic] payload",
        None => r#"[doors/front/request] {"action":"unlock"}"#,
    };
    screen.line("help", format_args!("type e.g. {example}, or `help`"));
}

fn file_of(guest: &GuestConfig) -> Option<&Path> {
    match &guest.component {
        ComponentSource::File(path) => Some(path),
        ComponentSource::Example(_) => None,
    }
}
