//! The signals that end a process in good order.

use anyhow::Context;
use tokio::signal::unix::{SignalKind, signal};

use super::Failure;

/// Ready with its name at the first SIGTERM or Ctrl-C after this call. Must be
/// called within a tokio runtime.
pub(super) fn listen() -> Result<impl Future<Output = &'static str> + Send, Failure> {
    let listen = |kind| {
        signal(kind)
            .context("cannot listen for signals")
            .map_err(Failure::Other)
    };
    let mut terminate = listen(SignalKind::terminate())?;
    let mut interrupt = listen(SignalKind::interrupt())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => "SIGTERM",
            _ = interrupt.recv() => "SIGINT",
        }
    })
}
