//! What there is between packets and the socket.

use bytes::BytesMut;

use super::tls::{Tls, TlsError};
use super::websocket::{WebSocket, WebSocketError};

/// What there is between packets and the socket. By default nothing.
#[derive(Debug, Default)]
pub struct Layers {
    /// TLS, next to the socket.
    pub tls: Option<Box<Tls>>,
    /// WebSocket, next to the packets.
    pub websocket: Option<Box<WebSocket>>,
}

/// Why a layer goes no further.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// TLS does not.
    #[error(transparent)]
    Tls(#[from] TlsError),
    /// WebSocket does not.
    #[error(transparent)]
    WebSocket(#[from] WebSocketError),
}

/// Of layers by themselves, to see whether a connection comes about: no packet goes
/// through them.
impl Layers {
    /// Whether packets could go out.
    pub fn is_ready(&self) -> bool {
        self.tls.as_ref().is_none_or(|tls| tls.is_ready())
            && self.websocket.as_ref().is_none_or(|it| it.is_open())
    }

    /// Adds what they have to say.
    pub fn poll_output(&mut self, bytes: &mut BytesMut) {
        if let Some(tls) = &mut self.tls {
            tls.poll_output(bytes);
            if !tls.is_ready() {
                return;
            }
        }
        let request = match &mut self.websocket {
            Some(websocket) => websocket.take_request(),
            None => BytesMut::new(),
        };
        match &mut self.tls {
            Some(tls) if !request.is_empty() => tls.seal(&request, bytes),
            _ => bytes.extend_from_slice(&request),
        }
    }

    /// These bytes have come.
    ///
    /// # Errors
    /// They are not what a layer can open.
    pub fn handle_input(&mut self, bytes: &[u8]) -> Result<(), TransportError> {
        let mut packets = BytesMut::new();
        match (&mut self.tls, &mut self.websocket) {
            (Some(tls), websocket) => {
                tls.room_for_input(bytes.len()).extend_from_slice(bytes);
                tls.open(match websocket {
                    Some(websocket) => websocket.room_for_input(0),
                    None => &mut packets,
                })?;
            }
            (None, Some(websocket)) => {
                websocket
                    .room_for_input(bytes.len())
                    .extend_from_slice(bytes);
            }
            (None, None) => {}
        }
        match &mut self.websocket {
            Some(websocket) => Ok(websocket.open(&mut packets)?),
            None => Ok(()),
        }
    }

    /// What it means that the connection has ended now, if it is not just the end.
    pub fn cut_short(&self) -> Option<TransportError> {
        cut_short(self.tls.as_deref(), self.websocket.as_deref())
    }
}

/// What it means that the connection has ended now, if it is not just the end.
pub(super) fn cut_short(
    tls: Option<&Tls>,
    websocket: Option<&WebSocket>,
) -> Option<TransportError> {
    let tls = tls.and_then(Tls::cut_short).map(TransportError::Tls);
    tls.or_else(|| {
        let cut_short = websocket.and_then(WebSocket::cut_short);
        cut_short.map(TransportError::WebSocket)
    })
}
