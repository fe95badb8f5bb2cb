//! TLS, by rustls.

use std::error::Error;
use std::io::{BufRead, Write};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rustls::{ServerConfig, ServerConnection};

use super::Stop;
use crate::event::TlsError;
use crate::options::TlsOptions;

/// What TLS begins with: a record of the handshake.
pub(super) const FIRST: u8 = 0x16;

/// What TLS is begun with on each connection.
#[derive(Debug, Clone)]
pub(crate) struct TlsServer {
    config: Arc<ServerConfig>,
    /// Whether who begins without is let go.
    pub(super) demands_client: bool,
}

impl TlsServer {
    pub(crate) fn new(options: &TlsOptions) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let demands_client = options.demands_client;
        Ok(Self {
            config: Arc::new(options.certificates.server(demands_client)?),
            demands_client,
        })
    }
}

/// TLS on one connection.
#[derive(Debug)]
pub(super) struct Tls(ServerConnection);

impl Tls {
    pub(super) fn new(server: &TlsServer) -> Result<Self, Stop> {
        let connection = ServerConnection::new(server.config.clone());
        let failed = |error: rustls::Error| Stop::Tls(TlsError::Handshake(error.to_string()));
        let mut connection = connection.map_err(failed)?;
        // What waits for the network has its bound in the core's outbox.
        connection.set_buffer_limit(None);
        Ok(Self(connection))
    }

    /// Opens records: what they hold goes to the end of `opened`.
    pub(super) fn open(&mut self, mut records: &[u8], opened: &mut BytesMut) -> Result<(), Stop> {
        while !records.is_empty() {
            // It takes some, as its buffer was emptied.
            let taken = self.0.read_tls(&mut records);
            let state = self.0.process_new_packets();
            let state = state.map_err(|error| self.failed(&error))?;
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = self.0.reader();
            while left > 0 {
                // So much is there.
                let Ok(part) = reader.fill_buf() else { break };
                opened.extend_from_slice(part);
                let count = part.len();
                reader.consume(count);
                left = left.saturating_sub(count);
            }
            if state.peer_has_closed() || !taken.is_ok_and(|count| count > 0) {
                break;
            }
        }
        Ok(())
    }

    pub(super) fn is_handshaking(&self) -> bool {
        self.0.is_handshaking()
    }

    fn failed(&self, error: &rustls::Error) -> Stop {
        let error = error.to_string();
        Stop::Tls(match self.is_handshaking() {
            true => TlsError::Handshake(error),
            false => TlsError::Record(error),
        })
    }

    pub(super) fn seal(&mut self, bytes: &[u8], unsent: &mut BytesMut) {
        // It has no limit.
        let _ = self.0.writer().write_all(bytes);
        self.poll_output(unsent);
    }

    pub(super) fn finish(&mut self, unsent: &mut BytesMut) {
        self.0.send_close_notify();
        self.poll_output(unsent);
    }

    pub(super) fn poll_output(&mut self, unsent: &mut BytesMut) {
        let mut unsent = unsent.writer();
        while self.0.wants_write() && self.0.write_tls(&mut unsent).is_ok_and(|count| count > 0) {}
    }
}
