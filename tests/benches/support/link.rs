//! One connection, with as few system calls as its other end allows.

use std::fs;
use std::future::Future;
use std::io::{Read, Write};
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};

use jackalope_tests::Certificates;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection};

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
    /// Whether the other side speaks MQTT 5.
    pub(super) is_v5: bool,
    tls: Option<Tls>,
}

/// TLS, in between.
#[derive(Debug)]
struct Tls {
    connection: ServerConnection,
    /// Its records, as they were read and as they are to be written.
    input: Vec<u8>,
    output: Vec<u8>,
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
            is_v5: false,
            tls: None,
        }
    }

    /// One that goes through TLS, with these certificates to show.
    pub(super) fn secure(stream: TcpStream, certificates: &Certificates) -> Self {
        let file = |name| fs::read(certificates.path(name)).expect("it is there");
        let chain = CertificateDer::pem_slice_iter(&file("broker.pem"))
            .collect::<Result<Vec<_>, _>>()
            .expect("they are certificates");
        let key = PrivateKeyDer::from_pem_slice(&file("broker.key")).expect("it is a key");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has them")
            .with_no_client_auth()
            .with_single_cert(chain, key)
            .expect("they belong together");
        let mut connection =
            ServerConnection::new(Arc::new(config)).expect("the configuration is valid");
        connection.set_buffer_limit(None);
        Self {
            tls: Some(Tls {
                connection,
                input: Vec::new(),
                output: Vec::new(),
            }),
            ..Self::new(stream)
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
        let input = match &mut self.tls {
            Some(tls) => {
                tls.input.clear();
                tls.input.reserve(READ);
                &mut tls.input
            }
            None => &mut self.input,
        };
        let read = pin!(self.stream.read_buf(input));
        let progress = read.poll(cx).map(|read| match read {
            Ok(1..) => {}
            Ok(_) => panic!("the other side hangs up"),
            Err(error) => panic!("the connection is lost: {error}"),
        });
        if progress.is_ready()
            && let Some(tls) = &mut self.tls
        {
            tls.open(&mut self.input);
            // The handshake has answers of its own.
            self.poll_write(cx);
        }
        progress
    }

    fn poll_write(&mut self, cx: &mut Context<'_>) {
        if let Some(tls) = &mut self.tls {
            tls.seal(&mut self.output);
        }
        let output = match &mut self.tls {
            Some(tls) => &mut tls.output,
            None => &mut self.output,
        };
        while self.written < output.len() {
            let rest = &output[self.written..];
            match Pin::new(&mut self.stream).poll_write(cx, rest) {
                Poll::Ready(Ok(written)) => self.written += written,
                Poll::Ready(Err(error)) => panic!("the connection is lost: {error}"),
                Poll::Pending => return,
            }
        }
        output.clear();
        self.written = 0;
    }

    /// The next packet of the input, whether it is one of MQTT 5, and where to put
    /// what it calls for.
    pub(super) fn next_packet(&mut self) -> Option<(Packet<'_>, bool, &mut Vec<u8>)> {
        let (packet, length) = Packet::first(&self.input[self.begin..], self.is_v5)?;
        self.begin += length;
        if let Packet::Connect(is_v5) = packet {
            self.is_v5 = is_v5;
        }
        Some((packet, self.is_v5, &mut self.output))
    }
}

impl Tls {
    fn open(&mut self, input: &mut Vec<u8>) {
        let mut records = &self.input[..];
        while !records.is_empty() {
            let read = self.connection.read_tls(&mut records);
            read.expect("there is room for a record");
            let state = self.connection.process_new_packets().expect("it is TLS");
            let begin = input.len();
            input.resize(begin + state.plaintext_bytes_to_read(), 0);
            let read = self.connection.reader().read_exact(&mut input[begin..]);
            read.expect("as much as it says");
        }
    }

    /// Makes records of it all.
    fn seal(&mut self, output: &mut Vec<u8>) {
        let written = self.connection.writer().write_all(output);
        written.expect("it takes all");
        output.clear();
        while self.connection.wants_write() {
            let written = self.connection.write_tls(&mut self.output);
            written.expect("a vector takes all");
        }
    }
}
