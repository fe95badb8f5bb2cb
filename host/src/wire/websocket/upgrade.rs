//! The upgrade from HTTP to WebSocket (RFC 6455, section 4).

use bytes::{BufMut, BytesMut};
use tungstenite::handshake::client::{generate_key, generate_request};
use tungstenite::handshake::derive_accept_key;
use tungstenite::http::Request;
use tungstenite::http::header::{CONNECTION, HOST, SEC_WEBSOCKET_KEY, UPGRADE};
use tungstenite::http::header::{SEC_WEBSOCKET_PROTOCOL, SEC_WEBSOCKET_VERSION};
use tungstenite::http::uri::PathAndQuery;

use super::WebSocketError;
use crate::wire::HttpHeader;
use crate::wire::http::{Answer, HttpStatus, NotHttp};

/// What MQTT is called as a sub-protocol ([MQTT-6.0.0-3]).
const PROTOCOL: &str = "mqtt";

const SWITCHING_PROTOCOLS: u16 = 101;

/// An upgrade that was asked for.
#[derive(Debug)]
pub(super) struct Upgrade {
    path: String,
    accept: String,
    has_heard: bool,
}

impl Upgrade {
    /// Asks for an upgrade: the request goes to the end of `bytes`.
    ///
    /// # Errors
    /// There is no such request, and what is wrong with it.
    pub(super) fn ask(
        host: &str,
        path: &PathAndQuery,
        headers: &[HttpHeader],
        bytes: &mut BytesMut,
    ) -> Result<Self, String> {
        let key = generate_key();
        let mut request = Request::get(path.clone())
            .header(HOST, host)
            .header(CONNECTION, "Upgrade")
            .header(UPGRADE, "websocket")
            .header(SEC_WEBSOCKET_VERSION, "13")
            .header(SEC_WEBSOCKET_KEY, &key)
            .header(SEC_WEBSOCKET_PROTOCOL, PROTOCOL);
        for header in headers {
            request = request.header(&header.name, &header.value);
        }
        let request = request.body(()).map_err(|error| error.to_string())?;
        let (request, _) = generate_request(request).map_err(|error| error.to_string())?;
        bytes.put_slice(&request);
        Ok(Self {
            path: path.path().to_owned(),
            accept: derive_accept_key(key.as_bytes()),
            has_heard: false,
        })
    }

    /// Takes the answer off the front of `bytes`. Returns whether it was there:
    /// what follows are frames.
    pub(super) fn poll_answer(&mut self, bytes: &mut BytesMut) -> Result<bool, WebSocketError> {
        self.has_heard |= !bytes.is_empty();
        let answer = Answer::read(bytes).map_err(|error| match error {
            NotHttp::Tls => WebSocketError::Secure,
            NotHttp::Other => WebSocketError::NotHttp,
            NotHttp::TooLong => WebSocketError::TooLong,
        })?;
        answer.map_or(Ok(false), |answer| self.check(&answer).map(|()| true))
    }

    /// What it means that the connection has ended before the answer was there.
    pub(super) fn cut_short(&self) -> WebSocketError {
        match self.has_heard {
            true => WebSocketError::CutShort,
            false => WebSocketError::Silent,
        }
    }

    fn check(&self, answer: &Answer) -> Result<(), WebSocketError> {
        if answer.status != SWITCHING_PROTOCOLS {
            return Err(WebSocketError::Status {
                status: HttpStatus(answer.status),
                location: answer.header("Location").map(str::to_owned),
                path: self.path.clone(),
            });
        }
        if !answer.lists("Upgrade", "websocket") || !answer.lists("Connection", "Upgrade") {
            return Err(WebSocketError::Upgrade);
        }
        if answer.header("Sec-WebSocket-Accept") != Some(&*self.accept) {
            return Err(WebSocketError::Accept);
        }
        if let Some(extension) = answer.header("Sec-WebSocket-Extensions") {
            return Err(WebSocketError::Extension(extension.to_owned()));
        }
        match answer.header("Sec-WebSocket-Protocol") {
            Some(PROTOCOL) => Ok(()),
            other => Err(WebSocketError::Protocol(other.map(str::to_owned))),
        }
    }
}
