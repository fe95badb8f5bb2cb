//! The socket: TCP, its options, and what the kernel has not yet got
//! acknowledged.

use std::future::{Future, pending};
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use rustix::io::Errno;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt, Interest};
use tokio::net::{TcpSocket, TcpStream};

/// How many bytes the kernel keeps that it cannot send at once, roughly
/// (TCP_NOTSENT_LOWAT): what waits there can only be taken back by a reset, so
/// it waits with us. Enough to keep a fast network busy between two turns.
const NOT_SENT: u32 = 128 << 10;

/// Where the broker is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Address {
    /// A host name or an IP address, IPv6 without its brackets.
    pub host: String,
    /// A TCP port, not 0.
    pub port: u16,
}

impl Address {
    /// Whether nothing that goes there leaves this machine, as far as the name
    /// tells.
    pub fn is_this_machine(&self) -> bool {
        let is_loopback = |address: IpAddr| address.is_loopback();
        self.host == "localhost" || self.host.parse().is_ok_and(is_loopback)
    }
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

/// From where connections are made. By default, from wherever the machine likes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Binding {
    /// The network interface that all packets take, such as `eth0`.
    pub interface: Option<String>,
    /// An address of this machine.
    pub address: Option<IpAddr>,
}

/// A TCP connection. Reads and writes take or give what they can at once and
/// else answer [`WouldBlock`](io::ErrorKind::WouldBlock).
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
}

impl Tcp {
    /// Connects to one address.
    pub async fn connect(address: SocketAddr, binding: &Binding) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        binding.bind(&socket, address)?;
        let stream = socket.connect(address).await?;
        // Packets are batched before they are written: waiting for more is no use.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT)?;
        Ok(Self { stream })
    }

    /// Sends all of it, waiting for the network.
    pub async fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }

    /// Shows what comes next, and leaves it there. 0 bytes are the end.
    pub async fn peek(&self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.peek(buffer).await
    }

    /// Takes in as many bytes as there is room for, waiting for the network.
    pub async fn receive(&mut self, buffer: &mut [u8]) -> io::Result<()> {
        self.stream.read_exact(buffer).await.map(|_| ())
    }

    /// Appends what there is to `buffer`, as far as it has capacity; 0 bytes are
    /// the end.
    pub fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        at_once(pin!(self.stream.read_buf(buffer)).poll(&mut cx))
    }

    /// Gives bytes to the kernel, which takes so many of them.
    pub fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut cx = Context::from_waker(Waker::noop());
        at_once(Pin::new(&mut self.stream).poll_write(&mut cx, bytes))
    }

    /// How many bytes the kernel has taken and the peer's has not acknowledged.
    pub fn unacknowledged(&self) -> io::Result<usize> {
        send_queue::unacknowledged(&self.stream)
    }

    /// Waits until there may be something to read, if `reads`, or room to write,
    /// if `writes`. Can be dropped and called again.
    pub async fn ready(&self, reads: bool, writes: bool) -> io::Result<()> {
        let interest = match (reads, writes) {
            (true, true) => Interest::READABLE | Interest::WRITABLE,
            (true, false) => Interest::READABLE,
            (false, true) => Interest::WRITABLE,
            (false, false) => return pending().await,
        };
        self.stream.ready(interest).await.map(|_| ())
    }

    /// Says that nothing more is written.
    pub fn shutdown(&self) -> io::Result<()> {
        SockRef::from(&self.stream).shutdown(std::net::Shutdown::Write)
    }

    /// Lets go of the connection and of all that the peer has not acknowledged:
    /// nothing of it may arrive later.
    pub fn reset(self) {
        // Without lingering, the kernel throws its buffer away. Where this
        // fails there is no connection left to do harm.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

impl Binding {
    /// Has a socket keep to this on its way to an address.
    fn bind(&self, socket: &TcpSocket, address: SocketAddr) -> io::Result<()> {
        if let Some(interface) = &self.interface {
            let bound = socket.bind_device(Some(interface.as_bytes()));
            bound.map_err(|error| because(&error, of_interface(&error, interface)))?;
        }
        let Some(own) = self.address else {
            return Ok(());
        };
        if own.is_ipv6() != address.is_ipv6() {
            return Err(io::Error::other(format!(
                "local-address {own}: is of another kind of IP addresses"
            )));
        }
        let bound = socket.bind(SocketAddr::new(own, 0));
        bound.map_err(|error| {
            let why = match error.kind() {
                io::ErrorKind::AddrNotAvailable => "this machine does not have this address",
                _ => return because(&error, format!("local-address {own}: {error}")),
            };
            because(&error, format!("local-address {own}: {why}"))
        })
    }
}

fn of_interface(error: &io::Error, interface: &str) -> String {
    let why = match Errno::from_io_error(error) {
        Some(Errno::NODEV) => "there is no such interface".to_owned(),
        Some(Errno::PERM) => "the kernel allows that only with the capability CAP_NET_RAW \
            (systemd: AmbientCapabilities=CAP_NET_RAW)"
            .to_owned(),
        _ => error.to_string(),
    };
    format!("interface {interface}: {why}")
}

fn because(error: &io::Error, text: String) -> io::Error {
    io::Error::new(error.kind(), text)
}

fn at_once(done: Poll<io::Result<usize>>) -> io::Result<usize> {
    match done {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
