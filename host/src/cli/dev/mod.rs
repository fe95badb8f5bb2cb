//! `jackalope dev`: a guest, a gateway and a fake broker in one process, to try
//! a guest out by hand or by a script.

mod director;
mod input;

mod reload;

mod screen;
mod state;
mod story;
mod words;

mod guest_lines;

use std::io::{self, IsTerminal};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

use self::director::{Director, Ending};
use self::reload::Reload;
use self::screen::Screen;
use self::state::State;
use self::story::Story;
use self::words::Took;
use super::assemble::{Loaded, load, options, settle};
use super::{Failure, logging, signals};
use crate::broker::{Broker, CoreOptions, Options};
use crate::config::{ComponentSource, Config, GuestConfig, GuestLimits, ServerAddress};
use crate::gateway::Gateway;
use crate::guest::Engine;
use crate::office::{BackoffSettings, Qos};

/// What the gateway calls itself to the broker.
const CLIENT_ID: &str = "jackalope-dev";

/// Nobody wants to wait long for a broker in the same process.
const BACKOFF: BackoffSettings = BackoffSettings {
    min: Duration::from_millis(200),
    max: Duration::from_secs(1),
};

/// One for the gateway, one for everything else while a guest is at a call.
const THREADS: usize = 2;

/// How long what is under way may take at the end.
const GOODBYE: Duration = Duration::from_secs(1);

/// Runs a guest until its input or somebody says that it is enough.
pub(super) fn dev(guest: Option<PathBuf>, subscribe: Vec<String>) -> Result<(), Failure> {
    let screen = Screen::new();
    logging::start_with(guest_lines::layer(screen.clone()))?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let result = runtime.block_on(run(guest_config(guest, subscribe), screen));
    // A guest that is still busy is not worth waiting for.
    runtime.shutdown_background();
    result
}

/// The guest that the arguments describe.
fn guest_config(guest: Option<PathBuf>, subscribe: Vec<String>) -> GuestConfig {
    let (name, component, filter) = match guest {
        None => {
            let door = "door".to_owned();
            (
                door.clone(),
                ComponentSource::Example(door),
                "doors/+/request",
            )
        }
        Some(path) => {
            let name = path.file_stem().unwrap_or(path.as_os_str());
            let name = name.to_string_lossy().into_owned();
            (name, ComponentSource::File(path), "#")
        }
    };
    let filters = match subscribe.is_empty() {
        true => vec![filter.to_owned()],
        false => subscribe,
    };
    let mut subscriptions: Vec<(Arc<str>, Qos)> = Vec::new();
    for filter in filters {
        if !subscriptions.iter().any(|(known, _)| **known == *filter) {
            subscriptions.push((filter.into(), Qos::AtLeastOnce));
        }
    }
    GuestConfig {
        name,
        component,
        subscriptions,
        retries: 3,
        limits: GuestLimits::default(),
        env: Vec::new(),
    }
}

async fn run(guest: GuestConfig, screen: Screen) -> Result<(), Failure> {
    let broker = Broker::start(Options {
        core: CoreOptions {
            messages_kept: 0,
            ..CoreOptions::default()
        },
        events_kept: 1,
        ..Options::default()
    })
    .await
    .context("cannot listen on 127.0.0.1")
    .map_err(Failure::Other)?;
    let address = broker.address();
    screen.line("broker", format_args!("listening on {address}"));

    let config = Config {
        client_id: CLIENT_ID.to_owned(),
        server: ServerAddress {
            host: address.ip().to_string(),
            port: address.port(),
        },
        guests: vec![guest.clone()],
        ..Config::default()
    };
    let (loaded, reload) = load_guest(&config, guest.clone(), &screen)?;
    let signal = signals::listen()?;

    let mut config = config;
    config.session.backoff = BACKOFF;
    let options = options(config, vec![loaded], Handle::current());
    let (state, seen) = watch::channel(State::default());
    let mut story = Story::new(screen.clone(), state);
    let mut gateway = Gateway::new(options)
        .map_err(Failure::other)?
        .observed_by(move |observed| story.tell(observed));
    let control = gateway.control();
    let (stop, stopped) = oneshot::channel::<()>();
    let running = tokio::spawn(gateway.run(async {
        // It is to stop, or nobody is left to say so.
        let _ = stopped.await;
    }));
    let mut running = pin!(running);

    let is_script = !io::stdin().is_terminal();
    if !is_script {
        hint(&guest, &screen);
    }
    let filters = guest.subscriptions.iter();
    let filters = filters.map(|(filter, _)| filter.to_string()).collect();
    let (screen2, control2) = (screen.clone(), control.clone());
    let watching = async move {
        match reload {
            Some(reload) => reload.watch(control2, screen2).await,
            None => std::future::pending().await,
        }
    };
    let director = Director::new(
        screen.clone(),
        &broker,
        control,
        seen.clone(),
        filters,
        is_script,
    );
    let why = tokio::select! {
        ended = &mut running => {
            ended.map_err(Failure::other)?.map_err(Failure::other)?;
            ""
        }
        ending = director.run(input::lines()) => match ending {
            Ending::Quiet | Ending::Quit => "",
            Ending::NotQuiet => "not quiet after 10 s: ",
        },
        () = watching => "",
        name = signal => if name == "SIGTERM" { "SIGTERM: " } else { "" },
        () = screen.closed() => "",
    };
    drop(stop);
    let _ = timeout(GOODBYE, running).await;
    screen.line("end", format_args!("{why}{}", seen.borrow().totals));
    broker.stop().await;
    Ok(())
}

/// Loads the guest, and says so: that may take a moment.
fn load_guest(
    config: &Config,
    guest: GuestConfig,
    screen: &Screen,
) -> Result<(Loaded, Option<Reload>), Failure> {
    let engine = Engine::start().map_err(Failure::other)?;
    let path = match &guest.component {
        ComponentSource::File(path) => Some(path.clone()),
        ComponentSource::Example(_) => None,
    };
    // Before it is read, so that no change is missed.
    let stamp = path.as_deref().and_then(reload::stamp);
    let begun = Instant::now();
    let component = load(&engine, &guest.component).map_err(Failure::Other)?;
    let (name, took) = (&guest.name, Took(begun.elapsed()));
    match &path {
        Some(path) => screen.line("guest", format_args!("{} loaded in {took}", path.display())),
        None => screen.line(
            "guest",
            format_args!("the example {name}, loaded in {took}"),
        ),
    }
    let mut loaded = settle(&guest, &component, config.max_packet_size);
    // A guest that replaces it may have one.
    loaded.settings.has_will = true;
    let reload = path.map(|path| Reload {
        engine,
        path,
        config: guest,
        max_packet_size: config.max_packet_size,
        stamp,
    });
    Ok((loaded, reload))
}

/// What a person at a terminal can do.
fn hint(guest: &GuestConfig, screen: &Screen) {
    let example = match guest.component {
        ComponentSource::Example(_) => r#"[doors/front/request] {"action":"unlock"}"#,
        ComponentSource::File(_) => "[topic] payload",
    };
    screen.line("help", format_args!("type e.g. {example}, or `help`"));
}
