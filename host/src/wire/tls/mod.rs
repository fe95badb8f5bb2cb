//! TLS below a [`Transport`](super::Transport): packets into records and back.
//!
//! No socket is in here, and the time is only what certificates are checked
//! against: bytes are brought and fetched, as everywhere in the wire. A
//! [`TlsClient`] reads the files and makes a [`Tls`] for each connection.

#[cfg(test)]
pub(crate) mod certificates;
mod client;
mod error;
mod files;
#[cfg(test)]
mod tests;

use std::io::BufRead;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{BufMut, BytesMut};
use rustls::ClientConnection;
use rustls::pki_types::ServerName;

pub use client::{TlsClient, TlsOptions, TlsVersion};
pub use error::{TlsError, Trust};
pub use files::{TlsFile, TlsFileError, TlsIdentity};

/// How much of the packets goes into one record at most.
pub(super) const RECORD: usize = 16 << 10;

/// TLS of one connection.
#[derive(Debug)]
pub struct Tls {
    connection: ClientConnection,
    about: About,
    /// What was read and not yet opened.
    received: BytesMut,
    has_heard: bool,
    has_opened: bool,
    has_failed: bool,
    is_closed_by_peer: bool,
    closing: Closing,
}

/// What has to be known to explain a failure.
#[derive(Debug)]
struct About {
    server_name: ServerName<'static>,
    trust: Trust,
    has_identity: bool,
    /// Whether the broker has asked for a certificate.
    is_asked: Arc<AtomicBool>,
}

impl About {
    fn is_certificate_wanted(&self) -> bool {
        !self.has_identity && self.is_asked.load(Ordering::Relaxed)
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Closing {
    /// There may be more packets.
    No,
    /// After what there is, it ends.
    Due,
    /// The peer is told so.
    Said,
}

impl Tls {
    fn new(connection: ClientConnection, about: About) -> Self {
        Self {
            connection,
            about,
            received: BytesMut::new(),
            has_heard: false,
            has_opened: false,
            has_failed: false,
            is_closed_by_peer: false,
            closing: Closing::No,
        }
    }

    /// Whether packets can be [sealed](Self::seal).
    pub(super) fn is_ready(&self) -> bool {
        !self.connection.is_handshaking() && !self.has_failed
    }

    /// Whether a byte of a packet has come.
    pub(super) fn has_opened(&self) -> bool {
        self.has_opened
    }

    /// Whether the peer has said that nothing more comes.
    pub(super) fn is_closed_by_peer(&self) -> bool {
        self.is_closed_by_peer
    }

    /// Adds what TLS itself has to say.
    pub(super) fn poll_output(&mut self, bytes: &mut BytesMut) {
        let mut bytes = bytes.writer();
        // A buffer in memory takes everything.
        while self.connection.wants_write()
            && self
                .connection
                .write_tls(&mut bytes)
                .is_ok_and(|count| count > 0)
        {}
    }

    /// Adds packets, at most a [`RECORD`] of them, as they go over the network.
    pub(super) fn seal(&mut self, packets: &[u8], bytes: &mut BytesMut) {
        // The buffer of the connection is larger, and is empty between two.
        let sealed = std::io::Write::write(&mut self.connection.writer(), packets);
        debug_assert_eq!(sealed.ok(), Some(packets.len()), "all is sealed at once");
        self.poll_output(bytes);
    }

    /// Nothing comes after the packets that there are.
    pub(super) fn finish(&mut self) {
        if self.closing == Closing::No {
            self.closing = Closing::Due;
        }
    }

    /// All packets are sealed: if it was the last, the peer is told.
    pub(super) fn handle_all_sealed(&mut self, bytes: &mut BytesMut) {
        if self.closing == Closing::Due {
            self.closing = Closing::Said;
            self.connection.send_close_notify();
            self.poll_output(bytes);
        }
    }

    /// Where to put what is read, at the end.
    pub(super) fn room_for_input(&mut self, count: usize) -> &mut BytesMut {
        self.received.reserve(count);
        &mut self.received
    }

    /// Opens what was read: packets go to the end of `packets`.
    ///
    /// # Errors
    /// The connection is of no more use; what TLS has to say about it is still to
    /// be [fetched](Self::poll_output).
    pub(super) fn open(&mut self, packets: &mut BytesMut) -> Result<(), TlsError> {
        self.has_heard |= !self.received.is_empty();
        let opened = self.open_records(packets);
        self.received.clear();
        opened.map_err(|error| {
            self.has_failed = true;
            TlsError::of(error, &self.about)
        })
    }

    fn open_records(&mut self, packets: &mut BytesMut) -> Result<(), rustls::Error> {
        let mut rest = &self.received[..];
        while !rest.is_empty() && !self.is_closed_by_peer {
            let full = |error: std::io::Error| rustls::Error::General(error.to_string());
            self.connection.read_tls(&mut rest).map_err(full)?;
            let state = self.connection.process_new_packets()?;
            let mut left = state.plaintext_bytes_to_read();
            self.has_opened |= left > 0;
            let mut reader = self.connection.reader();
            while left > 0 {
                let part = reader.fill_buf().map_err(full)?;
                packets.extend_from_slice(part);
                let count = part.len();
                reader.consume(count);
                left = left.saturating_sub(count);
            }
            self.is_closed_by_peer = state.peer_has_closed();
        }
        Ok(())
    }

    /// Why the handshake was not finished, if it was not, now that the connection
    /// has ended.
    pub(super) fn cut_short(&self) -> Option<TlsError> {
        if !self.connection.is_handshaking() {
            None
        } else if self.about.is_certificate_wanted() {
            Some(TlsError::CertificateWanted)
        } else if self.has_heard {
            Some(TlsError::CutShort)
        } else {
            Some(TlsError::Silent)
        }
    }
}
