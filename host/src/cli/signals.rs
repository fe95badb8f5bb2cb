//! The signals that end a process in good order, and the one that does not.

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

/// Receives each SIGHUP after this call, and keeps it from ending the process.
/// Must be called within a tokio runtime.
pub(super) fn listen_for_hangups() -> Result<Signal, Failure> {
    listen_for(SignalKind::hangup())
}

fn listen_for(kind: SignalKind) -> Result<Signal, Failure> {
    signal(kind)
        .context("cannot listen for signals")
        .map_err(Failure::Other)
}
