//! What there may be between a socket and the core: TLS, WebSocket, both or neither.
//! The first byte tells: a record of TLS begins with 0x16, a request of HTTP with `G`,
//! and CONNECT with 0x10.
//!
//! No socket is in here: bytes are brought and fetched.

mod tls;
mod websocket;

use bytes::BytesMut;

use self::tls::Tls;
pub(super) use self::tls::TlsServer;
use self::websocket::WebSocket;
use crate::event::TlsError;
use crate::violation::Violation;

/// Why a connection goes no further.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The client did what it must not do.
    Violation(Violation),
    /// It is no WebSocket, which it was told.
    Refused,
    /// TLS has failed, which says so itself.
    Tls(TlsError),
}

/// The layers of one connection.
#[derive(Debug)]
pub(crate) struct Layers {
    tls: Layer<Tls>,
    /// What TLS is begun with, where there is any.
    server: Option<TlsServer>,
    websocket: Layer<WebSocket>,
}

#[derive(Debug)]
enum Layer<T> {
    /// The first byte has not come.
    Unknown,
    None,
    Some(Box<T>),
}

impl Layers {
    pub(crate) fn new(server: Option<TlsServer>) -> Self {
        Self {
            tls: match server {
                Some(_) => Layer::Unknown,
                None => Layer::None,
            },
            server,
            websocket: Layer::Unknown,
        }
    }

    /// The client has sent these bytes: what is for the core goes to the end of
    /// `packets`, and what the layers have to say to the end of `unsent`.
    pub(crate) fn handle_read(
        &mut self,
        bytes: &[u8],
        packets: &mut BytesMut,
        unsent: &mut BytesMut,
    ) -> Result<(), Stop> {
        if let (Layer::Unknown, Some(first)) = (&self.tls, bytes.first()) {
            self.tls = match &self.server {
                Some(server) if *first == tls::FIRST => Layer::Some(Box::new(Tls::new(server)?)),
                Some(server) if server.demands_client => return Err(Stop::Tls(TlsError::Plain)),
                _ => Layer::None,
            };
        }
        let Layer::Some(tls) = &mut self.tls else {
            return self.handle_opened(bytes, packets, unsent);
        };
        let mut opened = BytesMut::new();
        let result = tls.open(bytes, &mut opened);
        tls.poll_output(unsent);
        result.and(self.handle_opened(&opened, packets, unsent))
    }

    fn handle_opened(
        &mut self,
        bytes: &[u8],
        packets: &mut BytesMut,
        unsent: &mut BytesMut,
    ) -> Result<(), Stop> {
        if let (Layer::Unknown, Some(first)) = (&self.websocket, bytes.first()) {
            self.websocket = match *first {
                websocket::FIRST => Layer::Some(Box::default()),
                _ => Layer::None,
            };
        }
        let Layer::Some(websocket) = &mut self.websocket else {
            packets.extend_from_slice(bytes);
            return Ok(());
        };
        let mut said = BytesMut::new();
        let result = websocket.open(bytes, packets, &mut said);
        self.seal(&said, unsent);
        result
    }

    /// The core has sent these bytes, whole packets: what goes over the network for
    /// them goes to the end of `unsent`.
    pub(crate) fn handle_sent(&mut self, packets: BytesMut, unsent: &mut BytesMut) {
        if packets.is_empty() {
            return;
        }
        match &mut self.websocket {
            Layer::Some(websocket) => {
                let mut frame = BytesMut::new();
                websocket.frame(packets, &mut frame);
                self.seal(&frame, unsent);
            }
            _ => self.seal(&packets, unsent),
        }
    }

    /// Nothing more is sent, which the client is told.
    pub(crate) fn finish(&mut self, unsent: &mut BytesMut) {
        if let Layer::Some(websocket) = &mut self.websocket {
            let mut said = BytesMut::new();
            websocket.finish(&mut said);
            self.seal(&said, unsent);
        }
        if let Layer::Some(tls) = &mut self.tls {
            tls.finish(unsent);
        }
    }

    /// Whether the handshake of TLS has begun and is not over.
    pub(crate) fn is_handshaking(&self) -> bool {
        matches!(&self.tls, Layer::Some(tls) if tls.is_handshaking())
    }

    fn seal(&mut self, bytes: &[u8], unsent: &mut BytesMut) {
        match &mut self.tls {
            Layer::Some(tls) => tls.seal(bytes, unsent),
            _ => unsent.extend_from_slice(bytes),
        }
    }
}
