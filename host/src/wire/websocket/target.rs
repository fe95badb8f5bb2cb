//! Where WebSocket is asked for.

use std::fmt;
use std::str::FromStr;

use bytes::BytesMut;
use tungstenite::http::uri::PathAndQuery;

use super::WebSocket;
use super::upgrade::Upgrade;
use crate::wire::HttpHeader;

/// Where on a server MQTT is spoken through WebSocket. Displays as the path, less
/// its query, which may be secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebSocketPath(PathAndQuery);

impl WebSocketPath {
    /// Begins WebSocket on a fresh connection to this host, with these headers.
    /// The host has its port if that is not the usual one.
    ///
    /// # Errors
    /// There is no such request, and what is wrong with it.
    pub fn begin(&self, host: &str, headers: &[HttpHeader]) -> Result<WebSocket, String> {
        let mut request = BytesMut::new();
        let upgrade = Upgrade::ask(host, &self.0, headers, &mut request)?;
        Ok(WebSocket::new(upgrade, request))
    }
}

impl Default for WebSocketPath {
    fn default() -> Self {
        Self(PathAndQuery::from_static("/mqtt"))
    }
}

/// Begins with a `/`; has a query or not, and no fragment.
impl FromStr for WebSocketPath {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        // What is no character of an address would be cut off, or end the request.
        let is_plain = |c: char| c.is_ascii_graphic() && c != '#';
        match text.starts_with('/') && text.chars().all(is_plain) {
            true => text.parse().map(Self).map_err(|_| ()),
            false => Err(()),
        }
    }
}

impl fmt::Display for WebSocketPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.path())
    }
}
