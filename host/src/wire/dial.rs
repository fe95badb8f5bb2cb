//! Making the network connection.

use std::io;

use tokio::net::TcpStream;

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A host name or an IP address, IPv6 without its brackets.
    pub host: String,
    /// A TCP port, not 0.
    pub port: u16,
}

impl std::fmt::Display for Address {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.host.contains(':') {
            write!(f, "[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{}:{}", self.host, self.port)
        }
    }
}

/// Connects over TCP, trying each address that the host name stands for.
pub async fn dial(address: &Address) -> io::Result<TcpStream> {
    let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
    // Packets are batched before they are written: waiting for more is no use.
    stream.set_nodelay(true)?;
    Ok(stream)
}
