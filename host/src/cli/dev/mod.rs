//! `jackalope dev`: a guest, a gateway and a fake broker in one process, to try
//! a guest out by hand or by a script.

mod input;
mod interpreter;

mod guest;
mod reload;

mod guest_lines;
mod reporter;
mod screen;
mod state;

use std::future::pending;
use std::io::{self, IsTerminal};
use std::time::Duration;

use anyhow::Context;
use tokio::runtime::{Builder, Handle};
use tokio::sync::{oneshot, watch};
use tokio::time::timeout;

pub(super) use self::guest::Chosen;
use self::interpreter::{BrokerMode, Ending, Interpreter};
use self::reload::Reload;
use self::reporter::Reporter;
use self::screen::Screen;
use self::state::State;
use super::assemble::options;
use super::{Failure, logging, signals};
use crate::broker::{Broker, CoreOptions, Options};
use crate::config::{Config, GuestConfig, ServerConfig};
use crate::gateway::{Control, Gateway};
use crate::office::BackoffSettings;
use crate::wire::Address;

/// What the gateway calls itself to the broker.
const CLIENT_ID: &str = "jackalope-dev";

/// Nobody wants to wait long for a broker in the same process.
const BACKOFF: BackoffSettings = BackoffSettings {
    min: Duration::from_millis(200),
    max: Duration::from_secs(1),
};

/// One is the gateway's, the others are for the slow calls of the guest and for
/// everything else meanwhile.
const THREADS: usize = 3;

/// How long the gateway may take to end.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(1);

/// Runs a guest until the end of input, `quit` or a signal.
pub(super) fn dev(chosen: Chosen) -> Result<(), Failure> {
    let is_default = chosen.is_by_default();
    let guest = chosen.describe()?;
    let screen = Screen::new();
    logging::start_with(guest_lines::layer(screen.clone()))?;
    let runtime = Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let result = runtime.block_on(run(guest, is_default, screen));
    // Without waiting for a guest that is still busy.
    runtime.shutdown_background();
    result
}

async fn run(guest: GuestConfig, is_default: bool, screen: Screen) -> Result<(), Failure> {
    let broker = start_broker().await?;
    screen.line("broker", format_args!("listening on {}", broker.address()));

    let config = config(&broker);
    let (loaded, reload) = guest::load(&guest, &config, &screen).await?;
    if is_default {
        guest::print_default(&guest, &screen);
    }

    let signal = signals::listen()?;
    let (state, seen) = watch::channel(State::default());
    let mut reporter = Reporter::new(screen.clone(), state);
    let mut gateway = Gateway::new(options(config, vec![loaded], None, Handle::current()))
        .map_err(Failure::other)?
        .observed_by(move |observed| reporter.report(observed));
    let control = gateway.control();
    let (stop, stopped) = oneshot::channel::<()>();
    #[expect(
        clippy::disallowed_methods,
        reason = "the gateway runs beside broker and commands"
    )]
    let mut running = tokio::spawn(gateway.run(async {
        // It is to stop, or nobody is left to say so.
        let _ = stopped.await;
    }));

    let filters = guest.subscriptions.iter();
    let filters = filters
        .map(|(filter, _)| filter.plain().to_string())
        .collect();
    let is_script = !io::stdin().is_terminal();
    let mut interpreter = Interpreter {
        screen: screen.clone(),
        broker: &broker,
        control: control.clone(),
        state: seen.clone(),
        filters,
        is_script,
        broker_mode: BrokerMode::Normal,
    };
    let lines = async {
        interpreter.wait_ready().await;
        if !is_script {
            guest::print_hint(&guest, &screen);
        }
        interpreter.run(input::lines()).await
    };
    let why = tokio::select! {
        ended = &mut running => {
            let ended = ended.map_err(Failure::other)?;
            return ended.map(drop).map_err(Failure::other);
        }
        ending = lines => match ending {
            Ending::Idle | Ending::Quit => "",
            Ending::Busy => "still busy after 10 s: ",
        },
        name = signal => match name {
            "SIGINT" => "",
            _ => "SIGTERM: ",
        },
        () = watch_file(reload, control, &screen) => "",
        () = screen.closed() => "",
    };
    drop(stop);
    #[expect(
        clippy::disallowed_methods,
        reason = "only how long the end of the command may take"
    )]
    let _ = timeout(SHUTDOWN_TIMEOUT, running).await;
    screen.line("end", format_args!("{why}{}", seen.borrow().totals));
    broker.stop().await;
    Ok(())
}

async fn start_broker() -> Result<Broker, Failure> {
    let options = Options {
        events_kept: 1,
        core: CoreOptions {
            messages_kept: 0,
            ..CoreOptions::default()
        },
        ..Options::default()
    };
    Broker::start(options)
        .await
        .context("cannot listen on 127.0.0.1")
        .map_err(Failure::Other)
}

/// The defaults, but for where the broker is and how soon it is tried again.
fn config(broker: &Broker) -> Config {
    let address = broker.address();
    let mut config = Config {
        client_id: CLIENT_ID.to_owned(),
        servers: vec![ServerConfig {
            address: Address {
                host: address.ip().to_string(),
                port: address.port(),
            },
            ..ServerConfig::default()
        }],
        ..Config::default()
    };
    config.session.backoff = BACKOFF;
    config
}

/// Never ends.
async fn watch_file(reload: Option<Reload>, control: Control, screen: &Screen) {
    match reload {
        Some(reload) => reload.watch(&control, screen).await,
        None => pending().await,
    }
}
