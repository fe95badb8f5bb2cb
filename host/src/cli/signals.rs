//! The signals that end a process in good order, and those that do not.

use anyhow::Context;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::Failure;

/// Waits for the first SIGTERM or Ctrl-C after this call, and returns its name.
/// Must be called within a tokio runtime.
pub(super) fn listen() -> Result<impl Future<Output = &'static str> + Send, Failure> {
    let mut terminate = listen_for(SignalKind::terminate())?;
    let mut interrupt = listen_for(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}

/// The signals that a gateway acts upon and goes on.
pub(super) struct Orders {
    /// SIGHUP: read the configuration again.
    pub(super) reload: Signal,
    /// SIGUSR1: make a new connection.
    pub(super) reconnect: Signal,
}

/// Receives these signals from now on, and keeps them from ending the process.
/// Must be called within a tokio runtime.
pub(super) fn listen_for_orders() -> Result<Orders, Failure> {
    Ok(Orders {
        reload: listen_for(SignalKind::hangup())?,
        reconnect: listen_for(SignalKind::user_defined1())?,
    })
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .context("cannot listen for signals")
        .map_err(Failure::Other)
}
