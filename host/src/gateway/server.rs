//! A broker, and how to speak to it.

use std::fmt;
use std::sync::Arc;

use tokio::task::spawn_blocking;

use crate::login::{HeaderSource, read_headers};
use crate::wire::{Address, Layers, TlsClient, WebSocketPath};

/// A broker, and how to speak to it. Displays as its address is written.
#[derive(Debug, Clone)]
pub struct Server {
    /// Where it is.
    pub address: Address,
    /// What begins TLS on each connection; without, there is no TLS.
    pub tls: Option<Arc<TlsClient>>,
    /// Where MQTT is spoken through WebSocket; without, there is no WebSocket.
    pub websocket: Option<WebSocketPath>,
}

impl Server {
    /// What a connection to it begins with. Reads files.
    pub(super) async fn layers(&self, headers: &[HeaderSource]) -> Result<Layers, String> {
        let mut layers = Layers::default();
        if let Some(tls) = self.tls.clone() {
            #[expect(
                clippy::disallowed_methods,
                reason = "files may take longer than the loop can wait"
            )]
            let begun = spawn_blocking(move || tls.begin()).await;
            layers.tls = Some(Box::new(begun.map_err(|error| error.to_string())??));
        }
        if let Some(path) = &self.websocket {
            let headers = read_headers(headers).await?;
            layers.websocket = Some(Box::new(path.begin(&self.host(), &headers)?));
        }
        Ok(layers)
    }

    /// What a web server has to know of where it is asked for.
    fn host(&self) -> String {
        let usual = match self.tls {
            Some(_) => 443,
            None => 80,
        };
        // The zone of an address is this machine's affair.
        let host = self.address.host.split('%').next().unwrap_or_default();
        let address = Address {
            host: host.to_owned(),
            port: self.address.port,
        };
        let text = address.to_string();
        match text.strip_suffix(&format!(":{usual}")) {
            Some(host) => host.to_owned(),
            None => text,
        }
    }
}

impl fmt::Display for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match (&self.tls, &self.websocket) {
            (None, None) => "",
            (Some(_), None) => "mqtts://",
            (None, Some(_)) => "ws://",
            (Some(_), Some(_)) => "wss://",
        };
        write!(f, "{scheme}{}", self.address)?;
        self.websocket.as_ref().map_or(Ok(()), |path| path.fmt(f))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_web_server_is_told_its_name_and_a_port_that_is_not_the_usual_one() {
        for (host, port, told) in [
            ("broker", 80, "broker"),
            ("broker", 8080, "broker:8080"),
            ("::1", 80, "[::1]"),
            ("fe80::1%eth0", 81, "[fe80::1]:81"),
        ] {
            let server = Server {
                address: Address {
                    host: host.into(),
                    port,
                },
                tls: None,
                websocket: Some(WebSocketPath::default()),
            };
            assert_eq!(server.host(), told);
        }
    }
}
