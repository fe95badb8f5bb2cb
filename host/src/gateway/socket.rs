//! The socket in its states: none, being connected, open.

use std::future::{Future, pending};
use std::io;
use std::pin::Pin;
use std::sync::Arc;

use super::dial::Dialer;
use super::server::Server;
use crate::login::{Credentials, HeaderSource};
use crate::wire::{Layers, Login, Tcp};

type Dialed = (Tcp, Opened);

/// What a connection begins with.
pub(super) struct Opened {
    /// Who the gateway is, asked for this connection.
    pub(super) login: Option<Login>,
    /// What is to begin between packets and the socket.
    pub(super) layers: Layers,
}

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
    /// It is connected now, or will not be.
    Dialed(Result<Opened, String>),
    /// It may have something to read, or room to write.
    Ready,
}

impl Socket {
    /// Asks who the gateway is, and connects. To drop it calls both off.
    pub(super) fn dial(
        dialer: Arc<Dialer>,
        server: Server,
        headers: Arc<[HeaderSource]>,
        login: Option<Arc<Credentials>>,
    ) -> Self {
        Self::Dialing(Box::pin(async move {
            let login = match login {
                Some(credentials) => Some(credentials.login().await?),
                None => None,
            };
            let layers = server.layers(&headers).await?;
            let tcp = dialer.dial(&server.address).await?;
            Ok((tcp, Opened { login, layers }))
        }))
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
                    Ok((tcp, opened)) => {
                        *self = Self::Open(tcp);
                        Ok(opened)
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
