//! `jackalope run`: the gateway, from its configuration to its end.

use std::env;
use std::ffi::OsString;
use std::path::Path;

use anyhow::anyhow;
use clap::Args;

use tokio::runtime::{Builder, Handle, Runtime};
use tracing::{info, warn};

use super::assemble::options;
use super::control::Bound;
use super::reload::Loader;
use super::signals::Orders;
use super::{Failure, control, keeping, logging, signals};
use crate::config::{Config, DEFAULT_TLS_PORT, ServerConfig, UnknownVariable};
use crate::control::{Reloads, Server as ControlServer};
use crate::gateway::{Control, Followers, Gateway, Options, Server};
use crate::login::{Credentials, PasswordSource};
use crate::office::{Filter, Qos};

/// How many threads the slow calls of guests share. They sleep until there is
/// such a call.
const SLOW_CALL_THREADS: usize = 2;

/// What a look at a broker takes, without a file.
#[derive(Debug, Clone, Args)]
pub(super) struct Look {
    /// The broker, in the place of what file and environment say.
    #[arg(long, value_name = "ADDRESS")]
    server: Option<OsString>,
    /// A topic filter that the built-in handler subscribes to, which there is where
    /// no guest is; can be given again. Without a configuration the broker then
    /// chooses the client id.
    #[arg(long, value_name = "FILTER", value_parser = super::topic_filter)]
    subscribe: Vec<String>,
    /// Have it show the beginning of payloads.
    #[arg(long)]
    show_payloads: bool,
}

/// Runs a gateway until SIGTERM or Ctrl-C. SIGHUP has it read its configuration again,
/// SIGUSR1 makes a new connection.
pub(super) fn run(path: Option<&Path>, look: Look) -> Result<(), Failure> {
    let config = load(path, &look)?;
    logging::start()?;
    warn_of(&config);
    let runtime = Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    // They may come while guests are compiled, which takes its time.
    let orders = {
        let _context = runtime.enter();
        signals::listen_for_orders()?
    };
    let bound = control::bind(&config.control)?;
    let followers = Followers::default();
    let path = path.map(Path::to_path_buf);
    let listener = followers.listener();
    let kept = keeping::open(&config)?;
    let mut loader = Loader::new(
        path,
        look,
        config.clone(),
        bound.is_some(),
        listener,
        kept.first_ticket,
    );
    let loaded = runtime.block_on(loader.begin())?;
    let slow = Builder::new_multi_thread()
        .worker_threads(SLOW_CALL_THREADS)
        .thread_name("slow-calls")
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let options = options(config, loaded, kept.options, slow.handle().clone());
    let serve = serve(
        options,
        loader,
        orders,
        bound,
        followers,
        slow.handle().clone(),
    );
    run_on(runtime, slow, serve)
}

/// What is given as an argument goes before the environment, as that does before the
/// file.
pub(super) fn load(path: Option<&Path>, look: &Look) -> Result<Config, Failure> {
    let variable = |name: &str, value: OsString| (OsString::from(name), value);
    let is_own_client = path.is_none() && !look.subscribe.is_empty();
    // A gateway of this name would be thrown out, and would throw this one out.
    let client_id = is_own_client.then(|| variable("JACKALOPE_CLIENT_ID", "".into()));
    let server = look
        .server
        .clone()
        .map(|server| variable("JACKALOPE_SERVER", server));
    let variables = client_id.into_iter().chain(env::vars_os()).chain(server);
    let mut config = Config::load(path, variables).map_err(Failure::config)?;
    config.show_payloads |= look.show_payloads;
    if look.subscribe.is_empty() {
        return Ok(config);
    }
    if !config.guests.is_empty() {
        return Err(Failure::Usage(anyhow!(
            "--subscribe is for the built-in handler, which there is only without guests"
        )));
    }
    let filters = look.subscribe.iter().map(|filter| filter.parse::<Filter>());
    let filters: Result<Vec<_>, _> = filters.collect();
    let filters = filters.map_err(|error| Failure::Usage(anyhow!("--subscribe: {error}")))?;
    config.subscriptions = filters
        .into_iter()
        .map(|filter| (filter, Qos::AtLeastOnce))
        .collect();
    Ok(config)
}

/// Runs a gateway to its end, and does not wait for what is still busy then: a
/// guest, or a look-up of the broker's name, which can take longer than the end
/// of a gateway may.
fn run_on<T>(runtime: Runtime, slow_calls: Runtime, gateway: impl Future<Output = T>) -> T {
    let result = runtime.block_on(gateway);
    slow_calls.shutdown_background();
    runtime.shutdown_background();
    result
}

/// Warns of what is allowed and is likely to be a mistake.
pub(super) fn warn_of(config: &Config) {
    warn_of_unknown(&config.unknown_variables);
    for server in &config.servers {
        warn_of_plain_tcp(config, server);
    }
    warn_of_open_password(config);
}

/// Warns of variables with our prefix that change nothing.
fn warn_of_unknown(variables: &[UnknownVariable]) {
    if !variables.is_empty() {
        let names: Vec<_> = variables.iter().map(ToString::to_string).collect();
        warn!("no such setting, passed over: {}", names.join(", "));
    }
}

/// Says what TLS is missed for: a secret can be read by whoever is on the way to
/// the broker, and a port of TLS answers nothing.
fn warn_of_plain_tcp(config: &Config, server: &ServerConfig) {
    if server.tls.is_some() {
        return;
    }
    let (secure, is_tls_port) = match server.websocket {
        Some(_) => ("wss", server.address.port == 443),
        None => ("mqtts", server.address.port == DEFAULT_TLS_PORT),
    };
    if is_tls_port {
        let port = server.address.port;
        warn!("port {port} is usually one of TLS; its address begins with {secure}://");
    }
    if server.address.is_this_machine() {
        return;
    }
    let warn_of = |what: &str| {
        let address = &server.address;
        warn!("{what} to {address} unencrypted; write server = \"{secure}://…\" for TLS");
    };
    let login = config.login.as_ref();
    if login.is_some_and(|login| login.password != PasswordSource::None) {
        warn_of("the password goes");
    }
    if server.websocket.is_some() && !config.headers.is_empty() {
        warn_of("what is in websocket.headers goes");
    }
}

/// A key that others can read is refused. A password file is only warned of, as it
/// may be the program that keeps it up to date that has made it so.
fn warn_of_open_password(config: &Config) {
    let login = config.login.as_ref();
    if let Some((path, mode)) = login.and_then(Credentials::open_to_others) {
        let path = path.display();
        warn!(
            "password file {path} is open to other users (mode {mode:o}); run `chmod 600 {path}`"
        );
    }
}

async fn serve(
    options: Options,
    loader: Loader,
    orders: Orders,
    bound: Option<Bound>,
    followers: Followers,
    slow_calls: Handle,
) -> Result<(), Failure> {
    let signal = signals::listen()?;
    let stop = async {
        let name = signal.await;
        info!("{name}: finishing what is in flight");
    };
    let max_payload = options.connection.handshake.max_packet_size;
    let guests = options.guests.len() - usize::from(bound.is_some());
    let servers: Vec<_> = options
        .connection
        .servers
        .iter()
        .map(Server::to_string)
        .collect();
    info!(
        server = %servers.join(","),
        client_id = options.connection.handshake.client_id,
        guests,
        "jackalope {} starts",
        env!("CARGO_PKG_VERSION"),
    );
    let gateway = Gateway::new(options).map_err(Failure::other)?;
    let mut gateway = gateway.followed_by(followers);
    let control = gateway.control();
    let (reloads, asked) = Reloads::new();
    let _server = serve_control(bound, control.clone(), reloads, max_payload)?;
    // Compiling takes its time, which the gateway's thread does not have.
    slow_calls.spawn(loader.run(control, orders, asked));
    let summary = gateway.run(stop).await.map_err(Failure::other)?;
    if summary.letters_lost > 0 {
        warn!(
            letters = summary.letters_lost,
            "stopped with letters on the work list: they are lost"
        );
    }
    if summary.outcomes_lost > 0 {
        warn!(
            outcomes = summary.outcomes_lost,
            "stopped with outcomes that guests were not told: they are lost"
        );
    }
    if summary.letters_kept > 0 {
        let letters = summary.letters_kept;
        info!(
            letters,
            "stopped with letters on the work list: they are kept"
        );
    } else if (summary.letters_lost, summary.outcomes_lost) == (0, 0) {
        info!("stopped");
    }
    Ok(())
}

/// Serves the control socket, if there is one, for as long as what is returned lives.
fn serve_control(
    bound: Option<Bound>,
    control: Control,
    reloads: Reloads,
    max_payload: usize,
) -> Result<Option<ControlServer>, Failure> {
    let Some(Bound { listener, token }) = bound else {
        return Ok(None);
    };
    info!(address = listener.address(), "control socket");
    ControlServer::start(listener, control, reloads, token, max_payload)
        .map(Some)
        .map_err(Failure::other)
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;
    use std::time::Duration;

    use super::*;

    #[test]
    #[expect(
        clippy::disallowed_methods,
        reason = "what does not end must have a thread of its own"
    )]
    fn the_end_does_not_wait_for_what_never_ends() {
        let (never, ends) = mpsc::channel::<()>();
        let (ended, end) = mpsc::channel();
        let process = thread::spawn(move || {
            let runtime = || Builder::new_current_thread().build().expect("a runtime");
            run_on(runtime(), runtime(), async {
                // As a name look-up does.
                let (begun, begins) = tokio::sync::oneshot::channel();
                tokio::task::spawn_blocking(move || {
                    begun.send(()).expect("somebody waits for it");
                    ends.recv()
                });
                begins.await.expect("it begins");
            });
            ended.send(()).expect("somebody waits for it");
        });
        let waited = end.recv_timeout(Duration::from_secs(60));
        drop(never);
        assert_eq!(waited, Ok(()));
        process.join().expect("no panic");
    }
}
