//! `jackalope run`: the gateway, from its configuration to its end.

use std::collections::hash_map::RandomState;
use std::hash::{BuildHasher, Hasher};
use std::path::Path;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::signal::unix::{SignalKind, signal};
use tracing::{info, warn};

use super::{Failure, logging};
use crate::config::{ComponentSource, Config, GuestConfig};
use crate::example;
use crate::gateway::{Gateway, Logger, Options, Resident};
use crate::guest::{Component, Engine, Grants, Guest, GuestOptions, Limits};
use crate::office::{GuestSettings, Settings};
use crate::wire::{Address, Handshake, Login};

/// How many threads the slow calls of guests share. They sleep until there is
/// such a call.
const SLOW_CALL_THREADS: usize = 2;

/// Runs a gateway until SIGTERM or Ctrl-C.
pub(super) fn run(path: Option<&Path>) -> Result<(), Failure> {
    let config = Config::load(path, std::env::vars()).map_err(Failure::config)?;
    logging::start()?;
    let loaded = load_guests(&config)?;
    let slow = Builder::new_multi_thread()
        .worker_threads(SLOW_CALL_THREADS)
        .thread_name("slow-calls")
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let options = options(config, loaded, slow.handle().clone());
    let result = runtime.block_on(serve(options));
    // A guest that is still busy is not worth waiting for.
    slow.shutdown_background();
    result
}

async fn serve(options: Options) -> Result<(), Failure> {
    let stop = stop_signal()
        .context("cannot listen for signals")
        .map_err(Failure::Other)?;
    info!(
        server = %options.address,
        client_id = options.handshake.client_id,
        guests = options.guests.len(),
        "jackalope {} starts",
        env!("CARGO_PKG_VERSION"),
    );
    let gateway = Gateway::new(options).map_err(Failure::other)?;
    let summary = gateway.run(stop).await.map_err(Failure::other)?;
    if summary.letters_lost > 0 {
        warn!(
            letters = summary.letters_lost,
            "stopped with letters on the work list: they are lost"
        );
    } else {
        info!("stopped");
    }
    Ok(())
}

/// Ready at the first SIGTERM or Ctrl-C after this call.
fn stop_signal() -> std::io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(async move {
        let name = tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        };
        info!("{name}: finishing what is in flight");
    })
}

/// A guest with what the post office has to know about it.
struct Loaded {
    name: String,
    resident: Resident,
    settings: GuestSettings,
}

/// Loads every guest; a component that several guests share, once.
fn load_guests(config: &Config) -> Result<Vec<Loaded>, Failure> {
    if config.guests.is_empty() {
        let settings = GuestSettings {
            subscriptions: Vec::new(),
            retries: 0,
            has_will: false,
        };
        let resident = Resident::Logger(Logger);
        return Ok(vec![Loaded {
            name: "logger".into(),
            resident,
            settings,
        }]);
    }
    let engine = Engine::start().map_err(Failure::other)?;
    let mut components: Vec<(&ComponentSource, Component)> = Vec::new();
    let mut loaded = Vec::new();
    for guest in &config.guests {
        let known = components
            .iter()
            .find(|(source, _)| **source == guest.component);
        let component = match known {
            Some((_, component)) => component.clone(),
            None => {
                let component = load(&engine, &guest.component)
                    .with_context(|| format!("guest \"{}\"", guest.name))
                    .map_err(Failure::Config)?;
                components.push((&guest.component, component.clone()));
                component
            }
        };
        loaded.push(settle(guest, &component, config.max_packet_size));
    }
    Ok(loaded)
}

fn load(engine: &Engine, source: &ComponentSource) -> anyhow::Result<Component> {
    match source {
        ComponentSource::File(path) => Ok(Component::load(engine, path)?),
        ComponentSource::Example(name) => {
            let bytes = example::component(name).with_context(|| {
                let names = example::NAMES.join(", ");
                format!("there is no example \"{name}\" in this binary; there is: {names}")
            })?;
            Ok(Component::from_bytes(
                engine,
                &format!("example:{name}"),
                bytes,
            )?)
        }
    }
}

fn settle(guest: &GuestConfig, component: &Component, max_packet_size: usize) -> Loaded {
    let limits = Limits {
        memory: guest.limits.memory,
        call_time: guest.limits.call_time,
    };
    let options = GuestOptions {
        limits,
        grants: Grants {
            env: guest.env.clone(),
        },
        max_packet_size,
        ..GuestOptions::new(&guest.name)
    };
    Loaded {
        name: guest.name.clone(),
        resident: Resident::Component(Box::new(Guest::new(component, options))),
        settings: GuestSettings {
            subscriptions: guest.subscriptions.clone(),
            retries: guest.retries,
            has_will: component.exports_will(),
        },
    }
}

fn options(config: Config, loaded: Vec<Loaded>, slow_calls: Handle) -> Options {
    let Config {
        client_id,
        server,
        login,
        max_packet_size,
        session,
        ..
    } = config;
    let mut guests = Vec::new();
    let mut settings = Vec::new();
    for guest in loaded {
        guests.push((guest.name, guest.resident));
        settings.push(guest.settings);
    }
    Options {
        address: Address {
            host: server.host,
            port: server.port,
        },
        handshake: Handshake {
            client_id,
            keep_alive: session.keep_alive,
            login: login.map(|login| Login {
                user_name: login.user_name,
                password: login.password.map(|password| password.expose().to_owned()),
            }),
            max_packet_size,
        },
        settings: Settings {
            clean_session: session.clean_session,
            keep_alive: session.keep_alive,
            backoff: session.backoff,
            first_connect_delay: session.first_connect_delay,
            last_will: session.last_will,
            max_packet_size,
            work_list: session.work_list,
            guests: settings,
            // The keys of a hash map are the one thing std draws at random.
            seed: RandomState::new().build_hasher().finish(),
        },
        guests,
        slow_calls,
    }
}
