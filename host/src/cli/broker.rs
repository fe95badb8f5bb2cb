//! `jackalope broker`: the fake broker on its own.

use std::io::{self, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::retry_on_intr;
use tokio::runtime::{Builder, Handle};
use tokio::time::timeout;

use super::{Failure, signals};
use crate::broker::{Broker, Events, Options};

mod behaviour;
mod secure;

pub(super) use behaviour::Behaviour;

/// How many lines may wait for a slow reader of standard output; older ones
/// are left out.
const EVENTS_KEPT: usize = 10_000;

/// How long the last lines may take to be printed.
const LAST_LINES: Duration = Duration::from_secs(1);

/// Serves until SIGTERM, Ctrl-C, or nobody reads what is printed.
pub(super) fn broker(listen: SocketAddr, behaviour: Behaviour) -> Result<(), Failure> {
    let runtime = Builder::new_multi_thread()
        .worker_threads(1)
        .enable_all()
        .build()
        .map_err(Failure::other)?;
    let result = runtime.block_on(serve(listen, behaviour));
    // Lines that nobody takes are not worth waiting for.
    runtime.shutdown_background();
    result
}

async fn serve(address: SocketAddr, mut behaviour: Behaviour) -> Result<(), Failure> {
    let signal = signals::listen()?;
    let faults: Vec<_> = behaviour.faults().collect();
    let core = behaviour.options();
    let (tls, directory) = behaviour.secure.prepare()?.unzip();
    let broker = Broker::start(Options {
        address,
        events_kept: EVENTS_KEPT,
        core,
        tls,
    })
    .await
    .with_context(|| format!("cannot listen on {address}"))
    .map_err(Failure::Other)?;
    faults.into_iter().for_each(|fault| broker.inject(fault));
    let ca = directory.as_ref().map(|it| it.path().join("ca.pem"));
    let (address, events) = (broker.address(), broker.events());
    // Not on a thread of the broker's: a reader may keep it waiting.
    #[expect(
        clippy::disallowed_methods,
        reason = "a slow reader of what is printed must not hold up the broker"
    )]
    let mut printing = tokio::task::spawn_blocking(move || {
        // A closed pipe says that nobody reads any more.
        let _ = print(address, ca, events);
    });
    // Without a line to print, only this tells that nobody would read it.
    #[expect(clippy::disallowed_methods, reason = "poll(2) waits")]
    let unread = tokio::task::spawn_blocking(wait_until_unread);
    tokio::select! {
        _ = signal => {}
        _ = &mut printing => {}
        Ok(Ok(())) = unread => {}
    }
    broker.stop().await;
    if !printing.is_finished() {
        #[expect(
            clippy::disallowed_methods,
            reason = "only how long the end of the command may take"
        )]
        let _ = timeout(LAST_LINES, printing).await;
    }
    Ok(())
}

/// Waits until standard output is closed at its other end. A file never is.
fn wait_until_unread() -> rustix::io::Result<()> {
    let out = io::stdout();
    // Errors and hang-ups are reported unasked, and nothing else is of interest.
    let mut watched = [PollFd::new(&out, PollFlags::empty())];
    retry_on_intr(|| poll(&mut watched, None))?;
    Ok(())
}

/// Prints what happens until the broker has stopped.
fn print(address: SocketAddr, ca: Option<PathBuf>, mut events: Events) -> io::Result<()> {
    #[expect(
        clippy::disallowed_methods,
        reason = "only shown: the time of each line"
    )]
    let started = Instant::now();
    let mut out = io::stdout();
    writeln!(out, "listening on {address}")?;
    if let Some(ca) = ca {
        let ca = ca.display();
        writeln!(
            out,
            "TLS as well, for who trusts {ca}; client.pem and client.key are beside it"
        )?;
    }
    while let Some(event) = Handle::current().block_on(events.next_event()) {
        writeln!(out, "{:>9.3}  {event}", started.elapsed().as_secs_f64())?;
    }
    Ok(())
}
