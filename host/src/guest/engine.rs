//! The engine that compiles and runs all guests of a host.

use std::error::Error;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use wasmtime::Config;
use wasmtime::component::{Component, Linker};

use super::cache::Cache;
use super::gateway_imports;
use super::state::State;
use super::ticker::{Ticker, Ticking};
use crate::own_directory::{NotOwn, OwnDirectory};

/// Compiles and runs guests. One is enough for a host; clones are handles to
/// the same engine, and the last one dropped stops its threads.
#[derive(Clone)]
pub struct Engine {
    inner: Arc<Inner>,
    /// The next ticket of all guests together.
    tickets: Arc<AtomicU64>,
}

struct Inner {
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    cache: Option<Cache>,
    ticker: Ticker,
}

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum EngineError {
    /// The machine lacks something that compiled WebAssembly needs.
    #[error("WebAssembly can not be compiled and run on this machine")]
    Unsupported(#[source] Box<dyn Error + Send + Sync>),
    /// The operating system gives no thread.
    #[error("the thread that limits the guests' time can not be started")]
    NoThread(#[source] io::Error),
    /// There is no place for compiled components.
    #[error("compiled components can not be kept")]
    NoCache(#[source] NotOwn),
}

impl Engine {
    /// Makes an engine and starts its one thread, which sleeps while no guest
    /// is called.
    pub fn start() -> Result<Self, EngineError> {
        Self::start_with(None)
    }

    /// Makes an engine that keeps what it compiles in this directory, for
    /// whoever compiles the same component again. It has one more thread, which
    /// sleeps unless a component is loaded.
    pub fn start_cached(directory: &OwnDirectory) -> Result<Self, EngineError> {
        let cache = Cache::start(directory).map_err(EngineError::NoCache)?;
        Self::start_with(Some(cache))
    }

    fn start_with(cache: Option<Cache>) -> Result<Self, EngineError> {
        let unsupported = |error: wasmtime::Error| EngineError::Unsupported(error.into());
        let mut config = config();
        config.cache(cache.as_ref().map(Cache::wasmtime));
        let wasmtime = wasmtime::Engine::new(&config).map_err(unsupported)?;
        let linker = linker(&wasmtime).map_err(unsupported)?;
        let ticked = wasmtime.clone();
        let ticker =
            Ticker::start(move || ticked.increment_epoch()).map_err(EngineError::NoThread)?;
        let inner = Inner {
            wasmtime,
            linker,
            cache,
            ticker,
        };
        Ok(Self {
            inner: Arc::new(inner),
            tickets: Arc::new(AtomicU64::new(1)),
        })
    }

    /// The same, whose guests share this counter of tickets with others.
    #[must_use]
    pub(crate) fn with_tickets(self, tickets: Arc<AtomicU64>) -> Self {
        Self { tickets, ..self }
    }

    pub(super) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner.wasmtime
    }

    /// Compiles a component, unless it is in the cache.
    pub(super) fn compile(&self, bytes: &[u8]) -> wasmtime::Result<Component> {
        let compile = || Component::from_binary(&self.inner.wasmtime, bytes);
        match &self.inner.cache {
            Some(cache) => cache.compile(compile),
            None => compile(),
        }
    }

    pub(super) fn linker(&self) -> &Linker<State> {
        &self.inner.linker
    }

    pub(crate) fn tickets(&self) -> Arc<AtomicU64> {
        Arc::clone(&self.tickets)
    }

    /// Has epochs pass until the guard is dropped.
    pub(super) fn ticking(&self) -> Ticking<'_> {
        self.inner.ticker.ticking()
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    // Calls into a guest come one after the other; concurrency inside one
    // would cost 2 microseconds a call.
    config.concurrency_support(false);
    // A thread of a guest could not be stopped.
    config.shared_memory(false);
    config
}

fn linker(engine: &wasmtime::Engine) -> wasmtime::Result<Linker<State>> {
    let mut linker = Linker::new(engine);
    wasmtime_wasi::p2::add_to_linker_async(&mut linker)?;
    gateway_imports::add_to_linker(&mut linker)?;
    Ok(linker)
}
