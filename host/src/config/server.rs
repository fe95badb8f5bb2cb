//! The address of the broker.

use std::fmt;
use std::net::Ipv6Addr;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use toml::Value;

use super::entry::{Entry, Origin, Refusal};
use super::file::Written;
use super::tls;
use super::values::{Period, period};
use crate::wire::{Address, TlsOptions, WebSocketPath};

/// A broker, and how to speak to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerConfig {
    /// Where it is. Default: `localhost:1883`.
    pub address: Address,
    /// How the connection is secured; none where it is not. Default: none.
    pub tls: Option<TlsOptions>,
    /// Where MQTT is spoken through WebSocket; none without. Default: none.
    pub websocket: Option<WebSocketPath>,
}

/// Why a text is no address of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAddressError {
    /// TLS under another name than `mqtts`.
    Scheme,
    /// It holds a user name, perhaps a password: no error may show it.
    Login,
    /// It is none at all.
    Form,
    /// The port is not a number from 1 to 65,535.
    Port,
    /// An IPv6 address without brackets, of which the port would be a part.
    Brackets,
    /// What comes after the port is no path, or there is no WebSocket that it could
    /// be for.
    Path,
}

/// The port of a broker with TLS when none is named.
pub const DEFAULT_TLS_PORT: u16 = 8883;

/// How a server is spoken to, by what its address begins with.
struct Scheme {
    name: &'static str,
    port: u16,
    is_secure: bool,
    has_path: bool,
}

const MQTT: Scheme = Scheme {
    name: "mqtt",
    port: 1883,
    is_secure: false,
    has_path: false,
};

const SCHEMES: [Scheme; 4] = [
    MQTT,
    Scheme {
        name: "mqtts",
        port: DEFAULT_TLS_PORT,
        is_secure: true,
        ..MQTT
    },
    Scheme {
        name: "ws",
        port: 80,
        has_path: true,
        ..MQTT
    },
    Scheme {
        name: "wss",
        port: 443,
        is_secure: true,
        has_path: true,
    },
];

/// An address as it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) is_secure: bool,
    pub(super) websocket: Option<WebSocketPath>,
}

impl Default for ServerConfig {
    fn default() -> Self {
        Self {
            address: Address {
                host: "localhost".to_owned(),
                port: MQTT.port,
            },
            tls: None,
            websocket: None,
        }
    }
}

/// How many brokers there may be.
const MOST: usize = 16;

/// The brokers that are written, with what is written of TLS.
pub(super) fn resolve(written: &Written, directory: &Path) -> Result<Vec<ServerConfig>, Refusal> {
    let servers = match &written.server {
        Some(entry) => read(entry).map_err(|reason| entry.refuse("server", reason))?,
        None => vec![Server {
            address: ServerConfig::default().address,
            is_secure: false,
            websocket: None,
        }],
    };
    if !servers.iter().any(|server| server.is_secure) {
        tls::refuse(written)?;
    }
    let resolved = servers.into_iter().map(|server| {
        Ok(ServerConfig {
            tls: match server.is_secure {
                true => Some(tls::resolve(written, &server.address.host, directory)?),
                false => None,
            },
            address: server.address,
            websocket: server.websocket,
        })
    });
    resolved.collect()
}

/// After how long to look for the first of them.
pub(super) fn server_return(entry: &Entry) -> Result<Option<Duration>, String> {
    let pause = period(entry, Period::from_secs(0)..=Period::from_secs(86_400))?;
    match pause {
        Duration::ZERO => Ok(None),
        pause if pause < Duration::from_secs(1) => {
            Err(entry.but(r#"is too short; write "1s" or more, or "0s" for never"#))
        }
        pause => Ok(Some(pause)),
    }
}

/// One address or a list of them; in a variable with commas between them.
fn read(entry: &Entry) -> Result<Vec<Server>, String> {
    let texts: Option<Vec<&str>> = match (&entry.value, &entry.origin) {
        (Value::String(text), Origin::File(_)) => Some(vec![text]),
        (Value::String(text), Origin::Variable(_)) => {
            Some(text.split(',').map(str::trim).collect())
        }
        (Value::Array(values), _) => values.iter().map(Value::as_str).collect(),
        _ => None,
    };
    let texts = texts.ok_or_else(|| entry.but(ServerAddressError::Form))?;
    if !(1..=MOST).contains(&texts.len()) {
        return Err(format!("has {} servers; write 1 to {MOST}", texts.len()));
    }
    let servers = texts.iter().map(|text| {
        text.parse().map_err(|error| match error {
            ServerAddressError::Login => error.to_string(),
            error => entry.of(text).but(error),
        })
    });
    servers.collect()
}

/// Written as `host:port`, `host`, `[IPv6]:port` or one of these after
/// `mqtt://`, or `mqtts://` for TLS; after `ws://` or `wss://`, a path may follow.
/// An IPv6 address may have a zone: `[fe80::1%eth0]`.
impl FromStr for Server {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        let (scheme, rest) = text.split_once("://").unwrap_or((MQTT.name, text));
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (address, path) = rest.split_at(end);
        if address.contains('@') {
            return Err(ServerAddressError::Login);
        }
        let scheme = match SCHEMES.iter().find(|known| known.name == scheme) {
            Some(scheme) => scheme,
            None if matches!(scheme, "ssl" | "tls") => return Err(ServerAddressError::Scheme),
            None => return Err(ServerAddressError::Form),
        };
        Ok(Self {
            address: parse_address(address, scheme.port)?,
            is_secure: scheme.is_secure,
            websocket: parse_path(path, scheme)?,
        })
    }
}

/// `host`, `host:port` or `[IPv6]:port`.
pub(super) fn parse_address(
    address: &str,
    default_port: u16,
) -> Result<Address, ServerAddressError> {
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']').ok_or(ServerAddressError::Form)?;
            if !is_ipv6(host) {
                return Err(ServerAddressError::Form);
            }
            (host, port)
        }
        None if is_ipv6(address) => return Err(ServerAddressError::Brackets),
        None => {
            let end = address.find(':').unwrap_or(address.len());
            let (host, port) = address.split_at(end);
            if !is_name(host) {
                return Err(ServerAddressError::Form);
            }
            (host, port)
        }
    };
    Ok(Address {
        host: host.to_owned(),
        port: parse_port(port, default_port)?,
    })
}

/// What comes after the port: where MQTT is spoken through WebSocket.
fn parse_path(text: &str, scheme: &Scheme) -> Result<Option<WebSocketPath>, ServerAddressError> {
    match (text, scheme.has_path) {
        ("", has_path) => Ok(has_path.then(WebSocketPath::default)),
        (_, false) => Err(ServerAddressError::Path),
        (path, true) => match path.parse() {
            Ok(path) => Ok(Some(path)),
            Err(()) => Err(ServerAddressError::Path),
        },
    }
}

/// What comes after the host: nothing, or a colon and the port.
fn parse_port(text: &str, default: u16) -> Result<u16, ServerAddressError> {
    if text.is_empty() {
        return Ok(default);
    }
    let digits = text.strip_prefix(':').ok_or(ServerAddressError::Form)?;
    match digits.parse() {
        Ok(port) if port != 0 && !digits.starts_with('+') => Ok(port),
        _ => Err(ServerAddressError::Port),
    }
}

fn is_ipv6(text: &str) -> bool {
    let (address, zone) = text.split_once('%').unwrap_or((text, "0"));
    address.parse::<Ipv6Addr>().is_ok() && is_name(zone)
}

/// A name or an IPv4 address, which follows the same rules.
fn is_name(text: &str) -> bool {
    (1..=253).contains(&text.len())
        && text
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_'))
}

impl fmt::Display for ServerAddressError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Scheme => f.write_str("asks for TLS, which is written mqtts:// or wss://"),
            Self::Login => f.write_str("holds a user name, which has a key of its own, user-name"),
            Self::Form => f.write_str(
                r#"is not a server; write e.g. "localhost:1883", "mqtts://broker:8883", "wss://broker/mqtt""#,
            ),
            Self::Port => f.write_str("has a wrong port; write a number from 1 to 65535"),
            Self::Brackets => {
                f.write_str(r#"is an IPv6 address without brackets; write e.g. "[::1]:1883""#)
            }
            Self::Path => f.write_str(
                r#"has a wrong path; only ws:// and wss:// have one, such as "wss://broker/mqtt""#,
            ),
        }
    }
}

impl std::error::Error for ServerAddressError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expect: Result<(&str, u16), ServerAddressError>) {
        let server = |(host, port): (&str, u16)| Server {
            address: Address {
                host: host.to_owned(),
                port,
            },
            is_secure: text.starts_with("mqtts:") || text.starts_with("wss:"),
            websocket: text.starts_with("ws").then(|| {
                let path = text.splitn(4, '/').nth(3);
                path.map_or_else(WebSocketPath::default, |path| {
                    format!("/{path}").parse().expect("it is a path")
                })
            }),
        };
        let expect = expect.map(server);
        assert_eq!(text.parse(), expect, "{text}");
        if let Ok(Server { address, .. }) = expect {
            let shown = address.to_string().parse::<Server>();
            assert_eq!(shown.map(|server| server.address), Ok(address));
        }
    }

    #[test]
    fn addresses_are_read() {
        check("localhost:1883", Ok(("localhost", 1883)));
        check("localhost", Ok(("localhost", 1883)));
        check(
            "mqtt://broker.example.org:2000",
            Ok(("broker.example.org", 2000)),
        );
        check("mqtt://my_broker", Ok(("my_broker", 1883)));
        check("192.168.0.1:1", Ok(("192.168.0.1", 1)));
        check("[::1]:65535", Ok(("::1", 65_535)));
        check("[::1]", Ok(("::1", 1883)));
        check("mqtt://[fe80::1%eth0]:1884", Ok(("fe80::1%eth0", 1884)));
        check("mqtts://broker", Ok(("broker", 8883)));
        check("mqtts://[::1]:443", Ok(("::1", 443)));
    }

    #[test]
    fn addresses_of_websocket_are_read() {
        check("ws://broker", Ok(("broker", 80)));
        check("wss://broker", Ok(("broker", 443)));
        check("ws://broker/", Ok(("broker", 80)));
        check("wss://[::1]:1/a/b%20c?d=e@f/g", Ok(("::1", 1)));
        let shown = |text: &str| {
            let server = text.parse::<Server>().expect("it is an address");
            server.websocket.expect("it has a path").to_string()
        };
        assert_eq!(shown("ws://broker"), "/mqtt");
        assert_eq!(shown("ws://broker/a?token=s3cret"), "/a");
    }

    #[test]
    fn paths_that_are_none_are_refused() {
        for text in [
            "broker/mqtt",
            "mqtt://broker/",
            "mqtts://broker:1/a",
            "ws://broker?a",
            "ws://broker/a#b",
            "ws://broker/a b",
            "ws://broker/\r\n",
            "ws://broker/\u{e9}",
        ] {
            check(text, Err(ServerAddressError::Path));
        }
    }

    #[test]
    fn other_names_of_tls_are_told() {
        for scheme in ["ssl", "tls"] {
            let text = format!("{scheme}://broker:443");
            check(&text, Err(ServerAddressError::Scheme));
        }
    }

    #[test]
    fn the_rest_is_refused() {
        use ServerAddressError::{Brackets, Form, Port};
        for text in [
            "",
            ":1883",
            "mqtt://",
            "mqtts://",
            "ws://",
            "http://broker",
            "://broker",
            "MQTT://broker",
            "a b",
            "br\u{f6}ker",
            "[localhost]",
            "[::1",
            "[::1]1883",
            "[]",
            "[::1%]",
        ] {
            check(text, Err(Form));
        }
        for text in [
            "broker:",
            "broker:0",
            "broker:65536",
            "broker:+1",
            "broker:x",
            "[::1]:",
            "a:1:2",
            "ws://broker:x/mqtt",
        ] {
            check(text, Err(Port));
        }
        for text in ["::1", "fe80::1%eth0", "mqtt://2001:db8::1"] {
            check(text, Err(Brackets));
        }
        for text in [
            "user@broker",
            "mqtts://user:secret@broker:1",
            "wss://user:secret@broker/mqtt",
        ] {
            check(text, Err(ServerAddressError::Login));
        }
        check(&"a".repeat(254), Err(Form));
    }
}
