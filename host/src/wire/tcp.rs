//! The socket: TCP, its options, and what the kernel has not yet got
//! acknowledged.

use std::future::{Future, pending};
use std::io;
use std::net::IpAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::BytesMut;
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWrite, Interest};
use tokio::net::TcpStream;

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

/// A TCP connection. Reads and writes take or give what they can at once and
/// else answer [`WouldBlock`](io::ErrorKind::WouldBlock).
#[derive(Debug)]
pub struct Tcp {
    stream: TcpStream,
}

impl Tcp {
    /// Connects, trying each address that the host name stands for.
    pub async fn dial(address: &Address) -> io::Result<Self> {
        #[expect(clippy::disallowed_methods, reason = "this is the gateway's socket")]
        let stream = TcpStream::connect((address.host.as_str(), address.port)).await?;
        // Packets are batched before they are written: waiting for more is no use.
        stream.set_nodelay(true)?;
        SockRef::from(&stream).set_tcp_notsent_lowat(NOT_SENT)?;
        Ok(Self { stream })
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

fn at_once(done: Poll<io::Result<usize>>) -> io::Result<usize> {
    match done {
        Poll::Ready(result) => result,
        Poll::Pending => Err(io::ErrorKind::WouldBlock.into()),
    }
}
