//! WebSocket: the server's side of RFC 6455, as far as MQTT needs it (section 6 of
//! both versions).

use std::io::Cursor;

use bytes::{Buf, BufMut, BytesMut};
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};

use super::Stop;
use crate::violation::Violation;

/// What a request begins with: that of `GET`.
pub(super) const FIRST: u8 = b'G';

/// The longest request that is read.
const LONGEST_REQUEST: usize = 16 << 10;

/// The longest payload of a control frame (section 5.5).
const LONGEST_CONTROL: u64 = 125;

/// WebSocket on one connection.
#[derive(Debug, Default)]
pub(super) struct WebSocket {
    received: BytesMut,
    at: At,
    /// Whether a message is to be continued in another frame.
    is_continued: bool,
    /// Whether nothing more is said.
    is_finished: bool,
    /// Whether the client has broken a rule.
    is_violated: bool,
}

#[derive(Debug, Default)]
enum At {
    /// The request for the upgrade is to come.
    #[default]
    Request,
    Header,
    /// So much of a message's frame, and how it is masked from here on.
    Payload(u64, [u8; 4]),
    /// A control frame of so many bytes.
    Control(Control, usize, [u8; 4]),
}

impl WebSocket {
    /// Takes in what was read: what messages hold goes to the end of `packets`, and
    /// answers go to the end of `said`.
    pub(super) fn open(
        &mut self,
        bytes: &[u8],
        packets: &mut BytesMut,
        said: &mut BytesMut,
    ) -> Result<(), Stop> {
        self.received.extend_from_slice(bytes);
        if matches!(self.at, At::Request) && !self.upgrade(said)? {
            return Ok(());
        }
        loop {
            match self.poll(packets, said) {
                Ok(true) => {}
                Ok(false) => return Ok(()),
                Err(stop) => {
                    self.is_violated = true;
                    return Err(stop);
                }
            }
        }
    }

    /// Adds packets, as a frame ([MQTT-6.0.0-1], [MQTT-6.0.0-2]).
    pub(super) fn frame(&mut self, packets: BytesMut, said: &mut BytesMut) {
        let data = OpCode::Data(Data::Binary);
        put(Frame::message(packets.freeze(), data, true), said);
    }

    /// Says that nothing more is sent.
    pub(super) fn finish(&mut self, said: &mut BytesMut) {
        let code = match self.is_violated {
            true => CloseCode::Protocol,
            false => CloseCode::Normal,
        };
        let is_open = !matches!(self.at, At::Request);
        if is_open && !std::mem::replace(&mut self.is_finished, true) {
            let reason = "".into();
            put(Frame::close(Some(CloseFrame { code, reason })), said);
        }
    }

    /// Answers the request, if all of it is there.
    fn upgrade(&mut self, said: &mut BytesMut) -> Result<bool, Stop> {
        let mut headers = [httparse::EMPTY_HEADER; 64];
        let mut request = httparse::Request::new(&mut headers);
        let (length, answer) = match request.parse(&self.received) {
            Ok(httparse::Status::Complete(length)) => (length, answer(&request)),
            Ok(httparse::Status::Partial) if self.received.len() < LONGEST_REQUEST => {
                return Ok(false);
            }
            Ok(httparse::Status::Partial) | Err(_) => (0, Err("this is no request of HTTP")),
        };
        match answer {
            Ok(accept) => {
                self.received.advance(length);
                self.at = At::Header;
                said.put_slice(
                    format!(
                        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
                         Connection: Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
                         Sec-WebSocket-Protocol: mqtt\r\n\r\n"
                    )
                    .as_bytes(),
                );
                Ok(true)
            }
            Err(why) => {
                said.put_slice(
                    format!(
                        "HTTP/1.1 400 Bad Request\r\nContent-Type: text/plain\r\n\
                         Sec-WebSocket-Version: 13\r\nConnection: close\r\n\
                         Content-Length: {}\r\n\r\n{why}\n",
                        why.len() + 1
                    )
                    .as_bytes(),
                );
                Err(Stop::Refused)
            }
        }
    }

    /// Takes a piece off the front of what was received; false when there is none.
    fn poll(&mut self, packets: &mut BytesMut, said: &mut BytesMut) -> Result<bool, Stop> {
        match self.at {
            At::Request => Ok(false),
            At::Payload(0, _) => {
                self.at = At::Header;
                Ok(true)
            }
            At::Payload(rest, mask) => {
                let count = usize::try_from(rest).unwrap_or(usize::MAX);
                let mut piece = self.received.split_to(count.min(self.received.len()));
                unmask(&mut piece, mask);
                packets.extend_from_slice(&piece);
                let mut mask = mask;
                mask.rotate_left(piece.len() % 4);
                self.at = At::Payload(rest - piece.len() as u64, mask);
                Ok(!piece.is_empty())
            }
            At::Control(_, length, _) if self.received.len() < length => Ok(false),
            At::Control(kind, length, mask) => {
                let mut content = self.received.split_to(length);
                unmask(&mut content, mask);
                self.at = At::Header;
                match kind {
                    Control::Ping if !self.is_finished => put(Frame::pong(content.freeze()), said),
                    Control::Close => self.finish(said),
                    _ => {}
                }
                Ok(true)
            }
            At::Header => {
                let mut cursor = Cursor::new(&self.received[..]);
                let parsed = FrameHeader::parse(&mut cursor).ok();
                let parsed = parsed.ok_or(Stop::Violation(Violation::Frame))?;
                let Some((header, length)) = parsed else {
                    return Ok(false);
                };
                let count = cursor.position();
                self.received.advance(usize::try_from(count).unwrap_or(0));
                self.at = self.handle_header(&header, length)?;
                Ok(true)
            }
        }
    }

    fn handle_header(&mut self, header: &FrameHeader, length: u64) -> Result<At, Stop> {
        const WRONG: Stop = Stop::Violation(Violation::Frame);
        let mask = header.mask.ok_or(WRONG)?;
        if header.rsv1 || header.rsv2 || header.rsv3 || length > u64::MAX >> 1 {
            return Err(WRONG);
        }
        match header.opcode {
            OpCode::Control(kind) if header.is_final && length <= LONGEST_CONTROL => {
                Ok(At::Control(kind, length as usize, mask))
            }
            OpCode::Control(_) => Err(WRONG),
            OpCode::Data(Data::Text) => Err(Stop::Violation(Violation::TextFrame)),
            OpCode::Data(data) if (data == Data::Continue) == self.is_continued => {
                self.is_continued = !header.is_final;
                Ok(At::Payload(length, mask))
            }
            OpCode::Data(_) => Err(WRONG),
        }
    }
}

/// What the request is accepted with, or why it is not.
fn answer(request: &httparse::Request<'_, '_>) -> Result<String, &'static str> {
    let lists = |name: &str, wanted: &str| {
        let headers = request.headers.iter();
        let values = headers.filter(|header| header.name.eq_ignore_ascii_case(name));
        let words = values.flat_map(|header| header.value.split(|byte| *byte == b','));
        words
            .map(<[u8]>::trim_ascii)
            .any(|word| word.eq_ignore_ascii_case(wanted.as_bytes()))
    };
    if !lists("Upgrade", "websocket") || !lists("Connection", "Upgrade") {
        return Err("MQTT is spoken here, by itself or through WebSocket");
    }
    if !lists("Sec-WebSocket-Version", "13") {
        return Err("only version 13 of WebSocket is spoken here");
    }
    if !lists("Sec-WebSocket-Protocol", "mqtt") {
        return Err("a client has to offer the sub-protocol mqtt [MQTT-6.0.0-3]");
    }
    let mut headers = request.headers.iter();
    let key = headers.find(|header| header.name.eq_ignore_ascii_case("Sec-WebSocket-Key"));
    let key = key.ok_or("there is no Sec-WebSocket-Key")?;
    Ok(derive_accept_key(key.value))
}

fn unmask(bytes: &mut [u8], mask: [u8; 4]) {
    for (byte, mask) in bytes.iter_mut().zip(mask.into_iter().cycle()) {
        *byte ^= mask;
    }
}

fn put(frame: Frame, said: &mut BytesMut) {
    // A buffer in memory takes everything.
    let _ = frame.format(&mut said.writer());
}
