//! WebSocket below a [`Transport`](super::Transport): packets into frames and back
//! (RFC 6455; MQTT 3.1.1 and 5, section 6).
//!
//! No socket is in here: bytes are brought and fetched, as everywhere in the wire.
//! A packet becomes one frame when it is pushed, so that it is recalled as a whole;
//! of what comes in only the payloads matter, which are passed on as they come,
//! however they are cut into frames, so that no frame is too large. A
//! [`WebSocketPath`] makes a [`WebSocket`] for each connection.

mod error;
mod frames;
mod target;
#[cfg(test)]
mod tests;
mod upgrade;

use bytes::{BufMut, Bytes, BytesMut};
use ring::rand::{SecureRandom, SystemRandom};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::Frame;
use tungstenite::protocol::frame::coding::{CloseCode, Data, OpCode};

pub use error::WebSocketError;
pub use target::WebSocketPath;

use crate::shown::shown;
use frames::{Event, Frames};
use upgrade::Upgrade;

/// WebSocket on one connection.
#[derive(Debug)]
pub struct WebSocket {
    /// What was asked for, until it is answered.
    upgrade: Option<Upgrade>,
    /// The request, until it is fetched.
    request: BytesMut,
    /// What was read and not yet taken apart.
    received: BytesMut,
    frames: Frames,
    /// A packet on its way into a frame.
    packet: BytesMut,
    random: SystemRandom,
    /// What the peer's latest ping said, until it is answered.
    ping: Option<Bytes>,
    closing: Closing,
    /// What the peer said when it closed the connection.
    farewell: Option<String>,
}

#[derive(Debug, PartialEq, Eq)]
enum Closing {
    /// There may be more packets.
    No,
    /// The peer is to be told that it ends, and why.
    Due(CloseCode),
    /// It is told.
    Said,
}

impl WebSocket {
    fn new(upgrade: Upgrade, request: BytesMut) -> Self {
        Self {
            upgrade: Some(upgrade),
            request,
            received: BytesMut::new(),
            frames: Frames::default(),
            packet: BytesMut::new(),
            random: SystemRandom::new(),
            ping: None,
            closing: Closing::No,
            farewell: None,
        }
    }

    /// Takes the request for the upgrade.
    pub(super) fn take_request(&mut self) -> BytesMut {
        std::mem::take(&mut self.request)
    }

    /// Whether the server has upgraded the connection, so that packets can go out.
    pub(super) fn is_open(&self) -> bool {
        self.upgrade.is_none()
    }

    /// Adds a packet that `encode` appends, as a frame.
    pub(super) fn frame<E>(
        &mut self,
        bytes: &mut BytesMut,
        encode: impl FnOnce(&mut BytesMut) -> Result<(), E>,
    ) -> Result<(), E> {
        self.packet.clear();
        encode(&mut self.packet)?;
        let packet = self.packet.split().freeze();
        self.mask(
            Frame::message(packet, OpCode::Data(Data::Binary), true),
            bytes,
        );
        Ok(())
    }

    /// Nothing comes after the packets that there are.
    pub(super) fn finish(&mut self) {
        self.close(CloseCode::Normal);
    }

    /// Whether there is something to say besides packets.
    pub(super) fn has_control(&self) -> bool {
        self.is_open() && (self.ping.is_some() || matches!(self.closing, Closing::Due(_)))
    }

    /// Whether no packet comes after what there is to say.
    pub(super) fn is_closing(&self) -> bool {
        self.closing != Closing::No
    }

    /// Adds what there is to say besides packets.
    pub(super) fn poll_control(&mut self, bytes: &mut BytesMut) {
        if let Some(ping) = self.ping.take() {
            self.mask(Frame::pong(ping), bytes);
        }
        if let Closing::Due(code) = self.closing {
            self.closing = Closing::Said;
            let reason = "".into();
            self.mask(Frame::close(Some(CloseFrame { code, reason })), bytes);
        }
    }

    /// Where to put what is read, at the end.
    pub(super) fn room_for_input(&mut self, count: usize) -> &mut BytesMut {
        self.received.reserve(count);
        &mut self.received
    }

    /// Takes apart what was read: packets go to the end of `packets`.
    ///
    /// # Errors
    /// The connection is of no more use. The peer may still be to be
    /// [told](Self::poll_control).
    pub(super) fn open(&mut self, packets: &mut BytesMut) -> Result<(), WebSocketError> {
        if let Some(upgrade) = &mut self.upgrade {
            if !upgrade.poll_answer(&mut self.received)? {
                return Ok(());
            }
            self.upgrade = None;
        }
        while self.farewell.is_none() {
            match self.frames.poll(&mut self.received, packets) {
                Ok(None) => return Ok(()),
                Ok(Some(Event::Ping(content))) => self.ping = Some(content),
                Ok(Some(Event::Close(close))) => {
                    // The answer is what was said.
                    let code = close.as_ref().map_or(CloseCode::Normal, |close| close.code);
                    self.close(code);
                    self.farewell = Some(close.map_or_else(String::new, |close| words(&close)));
                }
                Err(rule) => {
                    self.close(CloseCode::Protocol);
                    return Err(WebSocketError::Violation(rule));
                }
            }
        }
        self.received.clear();
        Ok(())
    }

    /// What the peer has said when it closed the connection, if it has; perhaps
    /// nothing.
    pub(super) fn farewell(&self) -> Option<&str> {
        self.farewell.as_deref()
    }

    /// Why there was no upgrade, if there was none, now that the connection has
    /// ended.
    pub(super) fn cut_short(&self) -> Option<WebSocketError> {
        self.upgrade.as_ref().map(Upgrade::cut_short)
    }

    fn close(&mut self, code: CloseCode) {
        if self.closing == Closing::No {
            self.closing = Closing::Due(code);
        }
    }

    /// Adds a frame, masked as all that a client sends is (section 5.3).
    fn mask(&self, mut frame: Frame, bytes: &mut BytesMut) {
        let mut mask = [0; 4];
        // Without randomness it is no worse than a peer that knows the mask, which
        // protects those on the way who know nothing of WebSocket.
        let _ = self.random.fill(&mut mask);
        frame.header_mut().mask = Some(mask);
        let formatted = frame.format(&mut bytes.writer());
        debug_assert!(formatted.is_ok(), "a buffer in memory takes everything");
    }
}

/// `1001 "going away"`, as far as it was said.
fn words(close: &CloseFrame) -> String {
    let code = u16::from(close.code);
    let meaning = match code {
        1000 => "normal closure",
        1001 => "going away",
        1002 => "protocol error",
        1003 => "unsupported data",
        1005 => "no status",
        1007 => "invalid data",
        1008 => "policy violation",
        1009 => "message too big",
        1011 => "internal error",
        1012 => "service restart",
        1013 => "try again later",
        _ => "",
    };
    let reason = shown(&close.reason);
    match (meaning, &*reason) {
        ("", "") => format!("{code}"),
        (meaning, "") => format!("{meaning} ({code})"),
        (_, reason) => format!("{reason} ({code})"),
    }
}
