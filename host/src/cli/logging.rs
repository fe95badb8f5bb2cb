//! Log lines on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use tracing_subscriber::EnvFilter;

use super::Failure;

/// The variable that chooses what is logged.
const VARIABLE: &str = "JACKALOPE_LOG";

/// Whether somebody has said what is to be logged.
pub(super) fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts the log. Fails when the filter in `JACKALOPE_LOG` makes no sense.
pub(super) fn start() -> Result<(), Failure> {
    let filter = match std::env::var(VARIABLE) {
        Ok(filter) => EnvFilter::try_new(&filter)
            .with_context(|| {
                format!(
                    "{VARIABLE}: \"{filter}\" is no log filter; write e.g. \"info\" or \"debug\""
                )
            })
            .map_err(Failure::Config)?,
        Err(_) => EnvFilter::new("info"),
    };
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
        .init();
    Ok(())
}
