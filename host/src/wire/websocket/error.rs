//! What is wrong with WebSocket, in words that say what to do.

use std::fmt;

use crate::shown::shown;
use crate::wire::http::HttpStatus;

/// Why there is no WebSocket to speak MQTT through, or none any more. Displays as
/// one line.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum WebSocketError {
    /// What the server sent is not HTTP.
    NotHttp,
    /// What the server sent is TLS.
    Secure,
    /// The answer to the upgrade has no end.
    TooLong,
    /// The server does not upgrade the connection.
    Status {
        /// What it answered instead.
        status: HttpStatus,
        /// Where it says to go.
        location: Option<String>,
        /// The path that was asked for.
        path: String,
    },
    /// The server agreed to an upgrade, but not to WebSocket.
    Upgrade,
    /// The server has not understood the key: something on the way answers.
    Accept,
    /// The server does not speak MQTT through WebSocket: it has selected no
    /// sub-protocol, or this one.
    Protocol(Option<String>),
    /// The server has selected an extension that nobody offered.
    Extension(String),
    /// The connection ended before the server had said a word.
    Silent,
    /// The connection ended within the answer to the upgrade.
    CutShort,
    /// The server has broken a rule of RFC 6455 or of MQTT.
    Violation(&'static str),
}

impl fmt::Display for WebSocketError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotHttp => f.write_str(
                "the server does not speak WebSocket on this port: it does not answer in HTTP; \
                 without WebSocket, its address begins with mqtt:// or mqtts://",
            ),
            Self::Secure => f.write_str(
                "the server speaks TLS on this port; its address begins with wss://",
            ),
            Self::TooLong => {
                f.write_str("the server's answer to the WebSocket upgrade is too long")
            }
            Self::Status {
                status,
                location,
                path,
            } => {
                write!(f, "the server does not upgrade to WebSocket ({status})")?;
                status_hint(f, status.0, location.as_deref(), path)
            }
            Self::Upgrade => f.write_str(
                "the server's answer is no upgrade to WebSocket (Upgrade and Connection are \
                 wrong); does a proxy on the way take them out?",
            ),
            Self::Accept => f.write_str(
                "the server's answer does not belong to this upgrade (Sec-WebSocket-Accept is \
                 wrong); perhaps a cache on the way has answered",
            ),
            Self::Protocol(None) => f.write_str(
                "the server did not select the sub-protocol mqtt; this is no MQTT broker, or \
                 MQTT is at another path of it",
            ),
            Self::Protocol(Some(other)) => write!(
                f,
                "the server selected the sub-protocol {} in place of mqtt",
                shown(other)
            ),
            Self::Extension(name) => write!(
                f,
                "the server selected the WebSocket extension {}, which was not offered",
                shown(name)
            ),
            Self::Silent => f.write_str(
                "the server closed the connection without an answer to the WebSocket upgrade; \
                 perhaps there is no WebSocket on this port (mqtt://), or only through TLS (wss://)",
            ),
            Self::CutShort => f.write_str(
                "the server closed the connection within its answer to the WebSocket upgrade",
            ),
            Self::Violation(rule) => {
                write!(f, "the broker broke a rule of WebSocket: {rule}")
            }
        }
    }
}

fn status_hint(
    f: &mut fmt::Formatter<'_>,
    status: u16,
    location: Option<&str>,
    path: &str,
) -> fmt::Result {
    match (status, location) {
        (300..=399, Some(location)) => write!(
            f,
            ": it is at {} now; write that as the server",
            shown(&as_websocket(location))
        ),
        (300..=399, None) => f.write_str(": it is elsewhere now, and does not say where"),
        (401, _) => f.write_str(
            ": it wants a login before MQTT; say one in websocket.headers, e.g. Authorization",
        ),
        (403, _) => {
            f.write_str(": it lets nobody in who comes like this; are the websocket.headers right?")
        }
        (404 | 405 | 410, _) => write!(
            f,
            ": there is no WebSocket at {path}; write the broker's path in the server's \
             address, e.g. wss://broker.example/mqtt"
        ),
        (200..=299, _) => write!(
            f,
            ": at {path} it is a web server; write the broker's path in the server's address"
        ),
        (400 | 426, _) => f.write_str(
            ": it does not understand the upgrade; is there TLS on this port (wss://), or a \
             proxy on the way that does not know WebSocket?",
        ),
        (429, _) => f.write_str(": there were too many connections"),
        (500..=599, _) => f.write_str(": it, or the broker behind it, is out of order"),
        _ => Ok(()),
    }
}

/// What a server calls `https://` is `wss://` here.
fn as_websocket(location: &str) -> String {
    for (http, websocket) in [("https://", "wss://"), ("http://", "ws://")] {
        if let Some(rest) = location.strip_prefix(http) {
            return format!("{websocket}{rest}");
        }
    }
    location.to_owned()
}

impl std::error::Error for WebSocketError {}
