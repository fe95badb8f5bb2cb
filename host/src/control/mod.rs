//! The control socket: HTTP for whoever operates the gateway on this machine.
//!
//! It is served by tasks on a thread of its own, which send
//! [commands](crate::gateway::Control) to the gateway and wait for its answers; the
//! gateway's loop waits for none of them. Everything that somebody could have too
//! much of has a bound: connections, heads, bodies, time.
//!
//! A connection carries one request. The answer to one of them goes on until the gateway
//! ends: what it does, for those who follow it. What there is to ask for is in
//! [`openapi.json`](OPENAPI), and in `routes`.

pub(crate) mod answers;
mod body;
mod connections;
mod events;
mod listener;
mod query;
mod refusal;
mod reload;
mod requests;
mod routes;
mod token;
mod unasked;

use std::io;
use std::thread::JoinHandle;

use tokio::runtime::Builder;
use tokio::sync::oneshot;

use crate::gateway::Control;
use connections::Shared;

pub use listener::{Endpoint, ListenError, Listener};
pub use reload::{NotReloaded, ReloadAnswer, Reloaded, Reloads};
pub use token::{Token, TokenError};

/// The description of the interface.
pub const OPENAPI: &str = include_str!("openapi.json");

/// Serves the control socket until it is dropped.
#[derive(Debug)]
#[must_use]
pub struct Server {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Begins to serve, in a thread of its own. A payload may have so many bytes.
    /// Where there is a token, each request has to name it.
    ///
    /// # Errors
    /// The machine has no thread or no timers for it.
    pub fn start(
        listener: Listener,
        control: Control,
        reloads: Reloads,
        token: Option<Token>,
        max_payload: usize,
    ) -> io::Result<Self> {
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let shared = Shared::new(control, reloads, token, max_payload);
        let serve = move || {
            runtime.block_on(connections::serve(listener, shared, stopped));
        };
        let thread = std::thread::Builder::new().name("control".into());
        Ok(Self {
            stop: Some(stop),
            thread: Some(thread.spawn(serve)?),
        })
    }
}

/// Those who wait for an answer that the gateway has given get it before.
impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            // It has no more to say if it has panicked.
            let _ = thread.join();
        }
    }
}
