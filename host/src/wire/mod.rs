//! The wire: connections to a broker, as packets.
//!
//! A [`Transport`] is one connection, from its CONNECT to its end; the next
//! connection is another `Transport`. It decides nothing: what is written and
//! when is the post office's, and so is what a packet means. Its one duty besides
//! carrying is that what it was given cannot leave too late: see [`Output`].
//!
//! [`WebSocket`] and [`Tls`] are what there may be between a transport and its
//! socket.
//!
//! [`Tcp`] is the socket. Only it touches the network: the codecs (that of MQTT
//! 3.1.1 by itself is [`Decoder`], [`encode`] and [`encode_connect`]) and the
//! transport are driven by the simulation as they are by the gateway.

#[cfg(test)]
mod fixtures;
mod frame;
mod http;
mod layers;
mod login;
mod output;
mod pace;
mod privacy;
mod tcp;
mod tls;
mod transport;
mod v4;
mod v5;
mod version;
mod websocket;

use std::time::Duration;

use crate::office::Connect;

pub use frame::{DecodeError, EncodeError};
pub(crate) use http::{Answer as HttpAnswer, NotHttp};
pub use http::{HttpHeader, HttpStatus};
pub use layers::{Layers, TransportError};
pub use login::{Login, Secret};
pub use output::{GRACE, Output, Stuck};
pub use pace::Pace;
pub use privacy::open_to_others;
pub use tcp::{Address, Binding, Tcp};
#[cfg(test)]
pub(crate) use tls::certificates;
pub use tls::{
    Tls, TlsClient, TlsError, TlsFile, TlsFileError, TlsIdentity, TlsOptions, TlsVersion, Trust,
};
pub use transport::Transport;
pub use tungstenite::http::HeaderName;
pub use v4::{Decoder, encode, encode_connect};
pub use version::{Negotiation, Version, Versions};
pub use websocket::{WebSocket, WebSocketError, WebSocketPath};

/// What every CONNECT of this gateway says.
#[derive(Debug, Clone)]
pub struct Handshake {
    /// The versions of MQTT that may be spoken.
    pub versions: Versions,
    /// The client id; empty lets the broker choose one.
    pub client_id: String,
    /// Whole seconds; zero turns keep-alive off.
    pub keep_alive: Duration,
    /// For how long the broker keeps the session when the gateway is away; zero
    /// keeps none. Whole seconds, of MQTT 5 alone: before that, CONNECT asks for a
    /// clean session or for one that is kept as long as the broker likes.
    pub session_expiry: Duration,
    /// The user name and the password.
    pub login: Option<Login>,
    /// The largest packet that is read, in bytes; of a larger message only the
    /// topic is.
    pub max_packet_size: usize,
}

/// What the client calls itself, or what the broker has called it.
fn client_id<'a>(handshake: &'a Handshake, connect: &'a Connect) -> &'a str {
    let given = connect.client_id.as_deref();
    match &handshake.client_id[..] {
        "" => given.unwrap_or_default(),
        own => own,
    }
}
