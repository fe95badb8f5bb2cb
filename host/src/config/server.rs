//! The address of the broker.

use std::fmt;
use std::net::Ipv6Addr;
use std::str::FromStr;

use crate::wire::Address;

/// Why a text is no address of a broker.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ServerAddressError {
    /// It asks for a transport that there is not yet: TLS or WebSocket.
    Transport(&'static str),
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

/// What other transports are called in an address.
const TRANSPORTS: [(&str, &str); 5] = [
    ("mqtts", "mqtts:// (TLS)"),
    ("ssl", "ssl:// (TLS)"),
    ("tls", "tls:// (TLS)"),
    ("ws", "ws:// (WebSocket)"),
    ("wss", "wss:// (WebSocket over TLS)"),
];

/// The broker when none is named.
pub(super) fn default() -> Address {
    Address {
        host: "localhost".to_owned(),
        port: DEFAULT_PORT,
    }
}

/// Written as `host:port`, `host`, `[IPv6]:port` or one of these after
/// `mqtt://`. An IPv6 address may have a zone: `[fe80::1%eth0]`.
impl FromStr for Address {
    type Err = ServerAddressError;

    fn from_str(text: &str) -> Result<Self, ServerAddressError> {
        if text.contains('@') {
            return Err(ServerAddressError::Login);
        }
        let address = match text.split_once("://") {
            None | Some(("mqtt", _)) => text.strip_prefix("mqtt://").unwrap_or(text),
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
        Ok(Self {
            host: host.to_owned(),
            port: parse_port(port)?,
        })
    }
}

/// What comes after the host: nothing, or a colon and the port.
fn parse_port(text: &str) -> Result<u16, ServerAddressError> {
    if text.is_empty() {
        return Ok(DEFAULT_PORT);
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
            Self::Login => f.write_str("holds a user name, which has a key of its own, user-name"),
            Self::Form => {
                f.write_str(r#"is not a server; write e.g. "localhost:1883", "mqtt://[::1]:1883""#)
            }
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
        let expect = expect.map(|(host, port)| Address {
            host: host.to_owned(),
            port,
        });
        assert_eq!(text.parse(), expect, "{text}");
        if let Ok(address) = expect {
            assert_eq!(address.to_string().parse(), Ok(address), "as it is shown");
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
    }

    #[test]
    fn other_transports_are_named() {
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
