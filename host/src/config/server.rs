//! The address of the broker.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::wire::Address;

/// Why a text is no address of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAddressError {
    /// It asks for a transport that there is not yet: WebSocket.
    Transport(&'static str),
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
}

const DEFAULT_PORT: u16 = 1883;
/// The port of a broker with TLS when none is named.
pub const DEFAULT_TLS_PORT: u16 = 8883;

/// What other transports are called in an address.
const TRANSPORTS: [(&str, &str); 2] = [
    ("ws", "ws:// (WebSocket)"),
    ("wss", "wss:// (WebSocket over TLS)"),
];

/// Where the broker is, and whether it is spoken to through TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Server {
    pub(super) address: Address,
    pub(super) is_secure: bool,
}

/// The broker when none is named.
pub(super) fn default() -> Address {
    Address {
        host: "localhost".to_owned(),
        port: DEFAULT_PORT,
    }
}

/// Written as `host:port`, `host`, `[IPv6]:port` or one of these after
/// `mqtt://`, or `mqtts://` for TLS. An IPv6 address may have a zone:
/// `[fe80::1%eth0]`.
impl FromStr for Server {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        if text.contains('@') {
            return Err(ServerAddressError::Login);
        }
        let (address, is_secure) = match text.split_once("://") {
            None => (text, false),
            Some(("mqtt", address)) => (address, false),
            Some(("mqtts", address)) => (address, true),
            Some(("ssl" | "tls", _)) => return Err(ServerAddressError::Scheme),
            Some((scheme, _)) => {
                let known = TRANSPORTS.iter().find(|(name, _)| *name == scheme);
                return Err(known.map_or(ServerAddressError::Form, |(_, transport)| {
                    ServerAddressError::Transport(transport)
                }));
            }
        };
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
        let default_port = match is_secure {
            true => DEFAULT_TLS_PORT,
            false => DEFAULT_PORT,
        };
        Ok(Self {
            address: Address {
                host: host.to_owned(),
                port: parse_port(port, default_port)?,
            },
            is_secure,
        })
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
            Self::Transport(transport) => {
                write!(f, "asks for {transport}, which is not supported yet")
            }
            Self::Scheme => f.write_str("asks for TLS, which is written mqtts://"),
            Self::Login => f.write_str("holds a user name, which has a key of its own, user-name"),
            Self::Form => f.write_str(
                r#"is not a server; write e.g. "localhost:1883", "mqtts://broker:8883""#,
            ),
            Self::Port => f.write_str("has a wrong port; write a number from 1 to 65535"),
            Self::Brackets => {
                f.write_str(r#"is an IPv6 address without brackets; write e.g. "[::1]:1883""#)
            }
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
            is_secure: text.starts_with("mqtts:"),
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
    fn other_transports_are_named() {
        for scheme in ["ssl", "tls"] {
            let text = format!("{scheme}://broker:443");
            check(&text, Err(ServerAddressError::Scheme));
        }
        for (scheme, transport) in TRANSPORTS {
            check(
                &format!("{scheme}://broker:443"),
                Err(ServerAddressError::Transport(transport)),
            );
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
            "http://broker",
            "://broker",
            "MQTT://broker",
            "a b",
            "bröker",
            "mqtt://broker/",
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
        ] {
            check(text, Err(Port));
        }
        for text in ["::1", "fe80::1%eth0", "mqtt://2001:db8::1"] {
            check(text, Err(Brackets));
        }
        for text in ["user@broker", "mqtts://user:secret@broker:1"] {
            check(text, Err(ServerAddressError::Login));
        }
        check(&"a".repeat(254), Err(Form));
    }
}
