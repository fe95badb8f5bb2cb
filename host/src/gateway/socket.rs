//! The socket in its states: none, being connected, open.

use std::future::{Future, pending, ready};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::wire::{Address, Tcp, Tls, TlsClient};

type Dialed = (Tcp, Option<Box<Tls>>);

/// The socket of the connection to the broker.
pub(super) enum Socket {
    /// There is none.
    None,
    /// It is being connected.
    Dialing(Pin<Box<dyn Future<Output = Result<Dialed, String>> + Send>>),
    /// It is connected.
    Open(Tcp),
}

/// What has come of waiting for it.
pub(super) enum Event {
    /// It is connected now, with TLS to begin if it is to be, or will not be.
    Dialed(Result<Option<Box<Tls>>, String>),
    /// It may have something to read, or room to write.
    Ready,
}

impl Socket {
    pub(super) fn dial(address: Address, tls: Option<Arc<TlsClient>>) -> Self {
        Self::Dialing(Box::pin(async move {
            let tls = match tls {
                Some(tls) => {
                    #[expect(
                        clippy::disallowed_methods,
                        reason = "files may take longer than the loop can wait"
                    )]
                    let begun = spawn_blocking(move || tls.begin()).await;
                    Some(Box::new(begun.map_err(|error| error.to_string())??))
                }
                None => None,
            };
            let dialed = Tcp::dial(&address).await;
            let tcp = dialed.map_err(|error| format!("cannot connect to {address}: {error}"))?;
            Ok((tcp, tls))
        }))
    }

    /// There was a reason not to try.
    pub(super) fn not_dialed(error: String) -> Self {
        Self::Dialing(Box::pin(ready(Err(error))))
    }

    /// The connected socket.
    pub(super) fn tcp(&mut self) -> io::Result<&mut Tcp> {
        match self {
            Self::Open(tcp) => Ok(tcp),
            Self::None | Self::Dialing(_) => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Waits until it is connected, has something to read if `reads`, or room to
    /// write if `writes`. Can be dropped and called again.
    pub(super) async fn wait(&mut self, reads: bool, writes: bool) -> Event {
        match self {
            Self::Dialing(dialing) => {
                let dialed = dialing.await;
                Event::Dialed(match dialed {
                    Ok((tcp, tls)) => {
                        *self = Self::Open(tcp);
                        Ok(tls)
                    }
                    Err(error) => {
                        *self = Self::None;
                        Err(error)
                    }
                })
            }
            Self::Open(tcp) if reads || writes => {
                // An error is for whoever reads or writes next.
                let _ = tcp.ready(reads, writes).await;
                Event::Ready
            }
            Self::None | Self::Open(_) => pending().await,
        }
    }
}

impl std::fmt::Debug for Socket {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Dialing(_) => "Dialing",
            Self::Open(_) => "Open",
        })
    }
}
