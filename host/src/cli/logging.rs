//! Log lines on standard error.

use std::io::IsTerminal;

use anyhow::Context;
use tracing::Subscriber;
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{EnvFilter, Registry};

use super::Failure;

/// The variable that chooses what is logged.
const VARIABLE: &str = "JACKALOPE_LOG";

/// Returns whether somebody has said what is to be logged.
pub(super) fn is_asked_for() -> bool {
    std::env::var_os(VARIABLE).is_some()
}

/// Starts the log.
///
/// # Errors
/// `JACKALOPE_LOG` is not a filter.
pub(super) fn start() -> Result<(), Failure> {
    let filter = chosen()?.unwrap_or_else(|| EnvFilter::new("info"));
    tracing_subscriber::registry()
        .with(filter)
        .with(lines())
        .init();
    Ok(())
}

/// Starts a log that writes to `layer`, and the usual one too if `JACKALOPE_LOG`
/// is set.
pub(super) fn start_with(
    layer: impl Layer<Registry> + Send + Sync + 'static,
) -> Result<(), Failure> {
    let usual = chosen()?.map(|filter| lines().with_filter(filter));
    tracing_subscriber::registry()
        .with(layer)
        .with(usual)
        .init();
    Ok(())
}

/// The filter in the variable, if there is one.
fn chosen() -> Result<Option<EnvFilter>, Failure> {
    let Ok(filter) = std::env::var(VARIABLE) else {
        return Ok(None);
    };
    EnvFilter::try_new(&filter)
        .with_context(|| {
            format!("{VARIABLE}: \"{filter}\" is no log filter; write e.g. \"info\" or \"debug\"")
        })
        .map(Some)
        .map_err(Failure::Config)
}

fn lines<S>() -> impl Layer<S>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false)
}
