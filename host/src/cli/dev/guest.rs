//! The guest that the arguments name.

use std::env;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::anyhow;

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

/// Describes the guest as a configuration would.
pub(super) fn describe(file: Option<PathBuf>, subscribe: &[Filter]) -> GuestConfig {
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
    for filter in subscribe
        .iter()
        .cloned()
        .chain(default.take(usize::from(subscribe.is_empty())))
    {
        let is_known = |(known, _): &(Filter, Qos)| known.plain() == filter.plain();
        if !guest.subscriptions.iter().any(is_known) {
            guest.subscriptions.push((filter, Qos::AtLeastOnce));
        }
    }
    guest
}

/// The one guest of a configuration.
pub(super) fn of_config(path: &Path) -> Result<GuestConfig, Failure> {
    let config = Config::load(Some(path), env::vars_os()).map_err(Failure::config)?;
    let shown = path.display();
    let mut guests = config.guests;
    match (guests.pop(), guests.len()) {
        (Some(guest), 0) => Ok(guest),
        (None, _) => Err(Failure::Config(anyhow!(
            "{shown} has no [[guest]]: name a component, `jackalope dev GUEST`"
        ))),
        (Some(_), others) => Err(Failure::Config(anyhow!(
            "{shown} has {} guests, and one is tried out at a time: leave one [[guest]] in a \
             copy of it",
            others + 1
        ))),
    }
}

/// Loads the guest, and prints how long that took.
pub(super) fn load(
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
