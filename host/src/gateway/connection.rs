//! The connection in its states: none, being dialled, open.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;

use tokio::net::TcpStream;

use crate::clock;
use crate::office::{Connect, Disconnection, Incoming, Time};
use crate::wire::{Address, DecodeError, Handshake, Progress, Wire, dial};

type Dialing = Pin<Box<dyn Future<Output = io::Result<TcpStream>> + Send>>;

/// The connection to the broker.
pub(super) enum Connection {
    /// There is none.
    None,
    /// It is being made.
    Dialing(Dialing, Connect),
    /// It carries packets.
    Open(Box<Wire>),
}

/// What has come of waiting for it.
pub(super) enum Event {
    /// There is a connection now, or there will be none.
    Dialed(io::Result<TcpStream>, Connect),
    /// It has carried something, or broken.
    Progress(Result<Progress, Disconnection>),
}

impl Connection {
    pub(super) fn dial(address: Address, connect: Connect) -> Self {
        Self::Dialing(Box::pin(async move { dial(&address).await }), connect)
    }

    /// Waits for something to happen. Can be dropped and called again.
    pub(super) async fn wait(&mut self, reads: bool) -> Event {
        match self {
            Self::None => pending().await,
            Self::Dialing(dialing, connect) => {
                let dialed = dialing.await;
                let connect = connect.clone();
                *self = Self::None;
                Event::Dialed(dialed, connect)
            }
            Self::Open(wire) => Event::Progress(wire.progress(reads, clock::now).await),
        }
    }

    pub(super) fn open(
        &mut self,
        now: Time,
        stream: TcpStream,
        handshake: &Handshake,
        connect: &Connect,
    ) -> Result<(), DecodeError> {
        *self = Self::Open(Box::new(Wire::new(now, stream, handshake, connect)?));
        Ok(())
    }

    /// The next packet that was read; none without a connection.
    pub(super) fn next_packet(&mut self) -> Result<Option<Incoming>, Disconnection> {
        let Self::Open(wire) = self else {
            return Ok(None);
        };
        wire.next_packet().map_err(|error| match error {
            DecodeError::Refused(code) => Disconnection::Refused(code),
            DecodeError::Violation(rule) => Disconnection::Violation(rule),
            error => Disconnection::Failed(error.to_string()),
        })
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        match self {
            Self::Open(wire) => wire.next_timeout(),
            _ => None,
        }
    }

    pub(super) fn is_stuck(&self, now: Time) -> bool {
        matches!(self, Self::Open(wire) if wire.is_stuck(now))
    }

    /// Ends it in good order where that needs no waiting.
    pub(super) fn close(&mut self) {
        if let Self::Open(wire) = std::mem::replace(self, Self::None) {
            wire.close();
        }
    }

    /// Ends it with all that is still on its way.
    pub(super) fn abort(&mut self) {
        if let Self::Open(wire) = std::mem::replace(self, Self::None) {
            wire.abort();
        }
    }
}

impl std::fmt::Debug for Connection {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Dialing(..) => "Dialing",
            Self::Open(_) => "Open",
        })
    }
}
