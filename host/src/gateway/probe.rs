//! A look at whether a server can be reached, beside the connection to another.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use bytes::BytesMut;

use super::dial::Dialer;
use super::server::Server;
use crate::clock::{self, Alarm};
use crate::login::HeaderSource;
use crate::wire::{Layers, Tcp};

/// How much is read at once.
const PIECE: usize = 4 << 10;

type Looking = Pin<Box<dyn Future<Output = Result<(), String>> + Send>>;

/// What may be going on.
#[derive(Default)]
pub(super) struct Probe(Option<Looking>);

impl Probe {
    /// Begins a look, in the place of one that was not done.
    pub(super) fn begin(
        &mut self,
        dialer: Arc<Dialer>,
        server: Server,
        headers: Arc<[HeaderSource]>,
    ) {
        self.0 = Some(Box::pin(async move {
            let layers = server.layers(&headers).await?;
            let until = clock::now() + Dialer::LIMIT;
            let tcp = dialer.dial(&server.address).await?;
            let mut alarm = Alarm::new().map_err(|error| error.to_string())?;
            tokio::select! {
                ready = pass(tcp, layers) => ready,
                _ = alarm.wait_until(Some(until)) => Err("it does not answer".to_owned()),
            }
        }));
    }

    /// Waits for what comes of it. Can be dropped and called again.
    pub(super) async fn done(&mut self) -> Result<(), String> {
        let Some(looking) = &mut self.0 else {
            return pending().await;
        };
        let done = looking.await;
        self.0 = None;
        done
    }
}

/// Brings a connection so far that packets could go out, and closes it.
async fn pass(mut tcp: Tcp, mut layers: Layers) -> Result<(), String> {
    let lost = |layers: &Layers, error: io::Error| match layers.cut_short() {
        Some(why) => why.to_string(),
        None => format!("the connection was lost: {error}"),
    };
    let (mut output, mut input) = (BytesMut::new(), BytesMut::new());
    loop {
        layers.poll_output(&mut output);
        let sent = tcp.send(&output).await;
        sent.map_err(|error| lost(&layers, error))?;
        output.clear();
        if layers.is_ready() {
            return Ok(());
        }
        let ready = tcp.ready(true, false).await;
        ready.map_err(|error| lost(&layers, error))?;
        input.clear();
        input.reserve(PIECE);
        match tcp.read(&mut input) {
            Ok(0) => return Err(lost(&layers, io::ErrorKind::UnexpectedEof.into())),
            Ok(_) => layers
                .handle_input(&input)
                .map_err(|error| error.to_string())?,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(error) => return Err(lost(&layers, error)),
        }
    }
}

impl std::fmt::Debug for Probe {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let is_looking = self.0.is_some();
        f.debug_struct("Probe")
            .field("is_looking", &is_looking)
            .finish()
    }
}
