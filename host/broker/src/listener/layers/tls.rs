//! TLS, by rustls.

use std::io::{BufRead, Write};
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use rustls::{ServerConfig, ServerConnection};

use super::Stop;

/// What TLS begins with: a record of the handshake.
pub(super) const FIRST: u8 = 0x16;

/// TLS on one connection.
#[derive(Debug)]
pub(super) struct Tls(ServerConnection);

impl Tls {
    pub(super) fn new(config: &Arc<ServerConfig>) -> Result<Self, Stop> {
        let connection = ServerConnection::new(config.clone());
        let mut connection = connection.map_err(|_| Stop::Refused)?;
        // What waits for the network has its bound in the core's outbox.
        connection.set_buffer_limit(None);
        Ok(Self(connection))
    }

    /// Opens records: what they hold goes to the end of `opened`.
    pub(super) fn open(&mut self, mut records: &[u8], opened: &mut BytesMut) -> Result<(), Stop> {
        while !records.is_empty() {
            // It takes some, as its buffer was emptied.
            let taken = self.0.read_tls(&mut records);
            let state = self.0.process_new_packets().map_err(|_| Stop::Refused)?;
            let mut left = state.plaintext_bytes_to_read();
            let mut reader = self.0.reader();
            while left > 0 {
                let part = reader.fill_buf().map_err(|_| Stop::Refused)?;
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
