//! Configurations, one after another, for a gateway that runs on.
//!
//! A change takes effect as a whole or not at all: it is read, its components are
//! compiled, and its guests have looked at their settings before the gateway hears of
//! it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use tokio::sync::mpsc::Receiver;
use tokio::task::block_in_place;
use tracing::{error, info, warn};

use super::assemble::{self, Loaded, Make, configure, control_sender, load_guests, logger};
use super::changed::{control_changed, keeping_changed, keys_changed, settings_changed};
use super::components::Components;
use super::run::{Look, load, warn_of};
use super::signals::Orders;
use super::{Failure, engine};
use crate::config::{CacheDirectory, Config, ControlConfig, Keeping};
use crate::control::{NotReloaded, ReloadAnswer, Reloaded};
use crate::gateway::{Change, Control};
use crate::guest::Listener;
use crate::office::Rule;

/// Makes gateways and changes of gateways out of what is written.
pub(super) struct Loader {
    path: Option<PathBuf>,
    look: Look,
    /// There are some when there was a guest.
    components: Option<Components>,
    tickets: Arc<AtomicU64>,
    has_control: bool,
    /// Who hears what guests print.
    listener: Listener,
    /// What the gateway has taken up, and what its guests are made of.
    config: Config,
    running: Vec<(String, Make)>,
    started: Started,
}

/// What was read at the start, and is not taken up again.
struct Started {
    control: ControlConfig,
    cache_directory: CacheDirectory,
    keeping: Option<Keeping>,
}

impl Loader {
    /// With the first configuration.
    pub(super) fn new(
        path: Option<PathBuf>,
        look: Look,
        config: Config,
        has_control: bool,
        listener: Listener,
        first_ticket: u64,
    ) -> Self {
        let started = Started {
            control: config.control.clone(),
            cache_directory: config.cache_directory.clone(),
            keeping: config.keeping.clone(),
        };
        Self {
            path,
            look,
            components: None,
            tickets: Arc::new(AtomicU64::new(first_ticket)),
            has_control,
            listener,
            config,
            running: Vec::new(),
            started,
        }
    }

    /// All that the first configuration says, ready to run.
    pub(super) async fn begin(&mut self) -> Result<Vec<Loaded>, Failure> {
        let config = self.config.clone();
        let mut loaded = self.load(&config)?;
        configure(&mut loaded).await?;
        let made_of = |guest: &Loaded| (guest.name.clone(), guest.make.clone());
        self.running = loaded.iter().map(made_of).collect();
        Ok(loaded)
    }

    fn load(&mut self, config: &Config) -> Result<Vec<Loaded>, Failure> {
        let mut loaded = match config.guests.is_empty() {
            true => vec![logger(config)],
            false => {
                let listener = self.listener.clone();
                load_guests(config, self.components(config)?, &listener)?
            }
        };
        if self.has_control {
            let (tickets, work_list) = (self.tickets.clone(), config.session.work_list);
            let permissions = config.control_permissions.clone();
            loaded.push(control_sender(tickets, work_list, permissions));
        }
        Ok(loaded)
    }

    fn components(&mut self, config: &Config) -> Result<&mut Components, Failure> {
        let components = match self.components.take() {
            Some(components) => components,
            None => {
                let engine = engine::start(&config.cache_directory)?;
                self.started.cache_directory = config.cache_directory.clone();
                Components::of(engine.with_tickets(self.tickets.clone()))
            }
        };
        Ok(self.components.insert(components))
    }

    /// Reads everything again, and has the gateway go on with it.
    pub(super) async fn reload(&mut self, gateway: &Control) -> Result<Reloaded, Failure> {
        let config = load(self.path.as_deref(), &self.look)?;
        let loaded = block_in_place(|| self.load(&config))?;
        let (mut guests, mut settings, mut running) = (Vec::new(), Vec::new(), Vec::new());
        for mut guest in loaded {
            let mut known = self.running.iter();
            let stays = known.any(|(name, make)| *name == guest.name && guest.make.is_same(make));
            // One that stays has looked at its settings, which are as they were.
            if !stays {
                guest.configure().await.map_err(Failure::Config)?;
            }
            guests.push((guest.name.clone(), Some(guest.handler).filter(|_| !stays)));
            settings.push(guest.settings);
            running.push((guest.name, guest.make));
        }
        let is_new_connection = about_connection(&config) != about_connection(&self.config);
        let at_next_start = self.at_next_start(&config);
        let changed_settings = settings_changed(&self.config, &config);
        let changed_keys = keys_changed(&self.config, &config);
        let is_same_text = config == self.config;
        let change = Change {
            guests,
            settings: assemble::settings_of(&config, settings),
            connection: is_new_connection.then(|| assemble::connection(config.clone())),
        };
        warn_of(&config);
        let changed = gateway.change(change).await.map_err(Failure::other)?;
        let changed = changed.map_err(|_| {
            Failure::Other(anyhow::anyhow!(
                "the gateway has other guests than were configured"
            ))
        })?;
        self.running = running;
        self.config = config;
        if let Some(components) = &mut self.components {
            let used = self.running.iter().filter_map(|(_, make)| make.component());
            components.retain(|component| used.clone().any(|used| used.is_same(component)));
        }
        Ok(Reloaded {
            is_same: is_same_text && changed.replaced.is_empty(),
            changed,
            settings: changed_settings,
            keys: changed_keys,
            at_next_start,
        })
    }

    /// What is other than at the start, and waits for the next one.
    fn at_next_start(&self, config: &Config) -> Vec<String> {
        let started = &self.started;
        let mut names = control_changed(&started.control, &config.control);
        if self.components.is_some() && config.cache_directory != started.cache_directory {
            names.push("cache-directory");
        }
        names.extend(keeping_changed(
            started.keeping.as_ref(),
            config.keeping.as_ref(),
        ));
        names.into_iter().map(String::from).collect()
    }

    /// By what the gateway has taken up, and not by what is written now.
    fn check_reload(&self) -> Result<(), Rule> {
        let permissions = self.config.control_permissions.as_ref();
        permissions.map_or(Ok(()), |it| it.operate.check_reload())
    }

    /// Reloads at each SIGHUP, and whenever it is asked to, for as long as the gateway
    /// runs; and reconnects at each SIGUSR1.
    pub(super) async fn run(
        mut self,
        gateway: Control,
        mut orders: Orders,
        mut asked: Receiver<ReloadAnswer>,
    ) {
        loop {
            let answer = tokio::select! {
                Some(()) = orders.reload.recv() => None,
                Some(()) = orders.reconnect.recv() => {
                    info!("SIGUSR1: connecting anew");
                    gateway.reconnect().await;
                    continue;
                }
                Some(answer) = asked.recv() => match self.check_reload() {
                    Ok(()) => Some(answer),
                    Err(rule) => {
                        let _ = answer.send(Err(NotReloaded::NotPermitted(rule)));
                        continue;
                    }
                },
                else => return,
            };
            let reloaded = self.reload(&gateway).await;
            match &reloaded {
                Ok(reloaded) => log(reloaded),
                Err(failure) => error!("the gateway goes on as it is: {:#}", failure.error()),
            }
            if let Some(answer) = answer {
                let told = reloaded
                    .map_err(|failure| NotReloaded::Invalid(format!("{:#}", failure.error())));
                // Who does not wait any more finds it in the log.
                let _ = answer.send(told);
            }
        }
    }
}

fn log(
    Reloaded {
        changed,
        settings,
        keys,
        at_next_start,
        ..
    }: &Reloaded,
) {
    info!(
        added = changed.added.len(),
        replaced = changed.replaced.len(),
        removed = changed.removed.len(),
        "configuration read again"
    );
    if !settings.is_empty() {
        info!("changed: {}", settings.join(", "));
    }
    if !keys.is_empty() {
        info!("changed keys: {}", keys.join(", "));
    }
    if changed.reconnects {
        info!("the broker, or who the gateway is to it, has changed: a new session begins");
    }
    if let Some(why) = &changed.not_kept {
        warn!("that guests are gone cannot be kept yet: {why}");
    }
    if !at_next_start.is_empty() {
        warn!(
            "changed, and waits for the next start: {}",
            at_next_start.join(", ")
        );
    }
}

/// What cannot change within a session.
fn about_connection(config: &Config) -> Config {
    let mut config = config.clone();
    let defaults = Config::default();
    config.session.work_list = defaults.session.work_list;
    config.session.gone_guests = defaults.session.gone_guests;
    config.session.first_connect_delay = defaults.session.first_connect_delay;
    Config {
        cache_directory: defaults.cache_directory,
        control: defaults.control,
        keeping: defaults.keeping,
        control_permissions: defaults.control_permissions,
        subscriptions: defaults.subscriptions,
        show_payloads: defaults.show_payloads,
        guests: defaults.guests,
        unknown_variables: defaults.unknown_variables,
        ..config
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::NamedTempFile;

    use super::*;

    /// A configuration with these keys of its work list.
    fn config(keys: &str) -> Config {
        let file = NamedTempFile::new().expect("there is a place for temporary files");
        fs::write(&file, format!("[work-list]\n{keys}")).expect("it is ours");
        Config::load(Some(file.path()), std::iter::empty()).expect("it is right")
    }

    #[test]
    fn how_letters_are_kept_waits_for_the_next_start_while_the_session_goes_on() {
        let kept = "store = \"disk\"\n";
        let before = config(&format!("{kept}directory = \"/a\""));
        for (key, now) in [
            ("directory", "directory = \"/b\""),
            ("on-damage", "directory = \"/a\"\non-damage = \"set-aside\""),
            (
                "after-reboot",
                "directory = \"/a\"\nafter-reboot = \"pause\"",
            ),
            (
                "clock-trust",
                "directory = \"/a\"\nclock-trust = \"past-record\"",
            ),
            ("hold", "directory = \"/a\"\nhold = \"1h\""),
        ] {
            let now = config(&format!("{kept}{now}"));
            let changed = keeping_changed(before.keeping.as_ref(), now.keeping.as_ref());
            assert_eq!(changed, [format!("work-list.{key}")]);
            assert_eq!(about_connection(&now), about_connection(&before), "{key}");
        }
        let none = config("");
        let changed = keeping_changed(before.keeping.as_ref(), none.keeping.as_ref());
        assert_eq!(changed, ["work-list.store"]);
        assert_eq!(about_connection(&none), about_connection(&before));
    }
}
