//! `jackalope run`: the gateway, from its configuration to its end.

use std::path::Path;

use tokio::runtime::Builder;
use tracing::{info, warn};

use super::assemble::{load_guests, options};
use super::{Failure, logging, signals};
use crate::config::Config;
use crate::gateway::{Gateway, Options};

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
    let signal = signals::listen()?;
    let stop = async {
        let name = signal.await;
        info!("{name}: finishing what is in flight");
    };
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
    }
    if summary.outcomes_lost > 0 {
        warn!(
            outcomes = summary.outcomes_lost,
            "stopped with outcomes that guests were not told: they are lost"
        );
    }
    if (summary.letters_lost, summary.outcomes_lost) == (0, 0) {
        info!("stopped");
    }
    Ok(())
}
