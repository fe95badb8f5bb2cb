//! One connection, with as few system calls as its other end allows.

use std::future::Future;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;

use super::packet::Packet;

/// How much is read at once.
const READ: usize = 256 << 10;

/// One connection. It reads and writes at the same time: a contender that does
/// not read while it writes must not be waited for.
#[derive(Debug)]
pub(super) struct Link {
    stream: TcpStream,
    input: Vec<u8>,
    /// What of the input was handled.
    begin: usize,
    /// What is to be written.
    pub(super) output: Vec<u8>,
    /// How much of it was.
    written: usize,
}

impl Link {
    pub(super) fn new(stream: TcpStream) -> Self {
        stream.set_nodelay(true).expect("it is a TCP stream");
        Self {
            stream,
            input: Vec::with_capacity(2 * READ),
            begin: 0,
            output: Vec::new(),
            written: 0,
        }
    }

    /// Writes what is to be written; ready when there is something new in the
    /// input.
    pub(super) fn poll_progress(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        self.poll_write(cx);
        if self.begin == self.input.len() {
            self.input.clear();
            self.begin = 0;
        } else if self.input.capacity() - self.input.len() < READ {
            self.input.drain(..self.begin);
            self.begin = 0;
            self.input.reserve(READ);
        }
        let read = pin!(self.stream.read_buf(&mut self.input));
        read.poll(cx).map(|read| match read {
            Ok(1..) => {}
            Ok(_) => panic!("the other side hangs up"),
            Err(error) => panic!("the connection is lost: {error}"),
        })
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        while self.written < self.output.len() {
            let rest = &self.output[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => panic!("the connection is lost: {error}"),
                Poll::Pending => return,
            }
        }
        self.output.clear();
        self.written = 0;
    }

    /// The next packet of the input, and where to put what it calls for.
    pub(super) fn next_packet(&mut self) -> Option<(Packet<'_>, &mut Vec<u8>)> {
        let (packet, length) = Packet::first(&self.input[self.begin..])?;
        self.begin += length;
        Some((packet, &mut self.output))
    }
}
