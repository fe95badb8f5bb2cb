//! What comes in: frames, of which only the payload of messages is passed on.
//!
//! A message is neither collected nor counted: [MQTT-6.0.0-2] has packets cut into
//! frames in any way. So nothing is kept of a frame but how much of it is still to
//! come, and no frame is too large; packets have their bound in the codec of MQTT.

use std::io::Cursor;

use bytes::{Buf, Bytes, BytesMut};
use tungstenite::protocol::CloseFrame;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::{Control, Data, OpCode};

/// The longest payload of a control frame (section 5.5).
const LONGEST_CONTROL: u64 = 125;

/// Frames, one after another.
#[derive(Debug, Default)]
pub(super) struct Frames {
    at: At,
    /// Whether a message is to be continued in another frame.
    is_open: bool,
}

#[derive(Debug, Default)]
enum At {
    /// A header is next.
    #[default]
    Header,
    /// So much of a message's frame is to come.
    Message(u64),
    /// So much is to come of a control frame, all at once.
    Control(Control, usize),
}

/// What a control frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Event {
    /// The peer wants to hear this.
    Ping(Bytes),
    /// The peer sends nothing more.
    Close(Option<CloseFrame>),
}

impl Frames {
    /// Takes frames off the front of `bytes`, up to one that says something;
    /// none when all was taken that there is. What messages hold goes to the end of
    /// `packets`.
    ///
    /// # Errors
    /// The rule that the peer has broken.
    pub(super) fn poll(
        &mut self,
        bytes: &mut BytesMut,
        packets: &mut BytesMut,
    ) -> Result<Option<Event>, &'static str> {
        loop {
            match self.at {
                At::Message(0) => self.at = At::Header,
                At::Message(_) if bytes.is_empty() => return Ok(None),
                At::Message(rest) => {
                    let count =
                        usize::try_from(rest).map_or(bytes.len(), |rest| rest.min(bytes.len()));
                    packets.extend_from_slice(&bytes[..count]);
                    bytes.advance(count);
                    self.at = At::Message(rest - count as u64);
                }
                At::Control(_, length) if bytes.len() < length => return Ok(None),
                At::Control(kind, length) => {
                    let content = bytes.split_to(length).freeze();
                    self.at = At::Header;
                    if let Some(event) = event(kind, content)? {
                        return Ok(Some(event));
                    }
                }
                At::Header => {
                    let mut cursor = Cursor::new(&bytes[..]);
                    let header = FrameHeader::parse(&mut cursor);
                    let header = header.map_err(|_| "there is no such frame (section 5.2)")?;
                    let Some((header, length)) = header else {
                        return Ok(None);
                    };
                    let count = cursor.position() as usize;
                    bytes.advance(count);
                    self.at = self.handle_header(&header, length)?;
                }
            }
        }
    }

    fn handle_header(&mut self, header: &FrameHeader, length: u64) -> Result<At, &'static str> {
        if header.rsv1 || header.rsv2 || header.rsv3 {
            return Err("reserved bits are 0 without an extension (section 5.2)");
        }
        if header.mask.is_some() {
            return Err("a server masks no frames (section 5.1)");
        }
        if length > u64::MAX >> 1 {
            return Err("a length has 63 bits (section 5.2)");
        }
        match header.opcode {
            OpCode::Control(_) if !header.is_final || length > LONGEST_CONTROL => {
                Err("a control frame is short and in one piece (section 5.5)")
            }
            OpCode::Control(kind) => Ok(At::Control(kind, length as usize)),
            OpCode::Data(Data::Text) => Err("MQTT is in binary frames [MQTT-6.0.0-1]"),
            OpCode::Data(data) => {
                if (data == Data::Continue) != self.is_open {
                    return Err("a message goes on where it was interrupted (section 5.4)");
                }
                self.is_open = !header.is_final;
                Ok(At::Message(length))
            }
        }
    }
}

fn event(kind: Control, content: Bytes) -> Result<Option<Event>, &'static str> {
    match kind {
        Control::Ping => Ok(Some(Event::Ping(content))),
        Control::Close => close(&content).map(|close| Some(Event::Close(close))),
        // Nobody asked for it, which is allowed.
        _ => Ok(None),
    }
}

fn close(content: &[u8]) -> Result<Option<CloseFrame>, &'static str> {
    const WRONG: &str = "a close frame has a code and a text (section 5.5.1)";
    let Some((code, reason)) = content.split_first_chunk() else {
        return if content.is_empty() {
            Ok(None)
        } else {
            Err(WRONG)
        };
    };
    let reason = std::str::from_utf8(reason).map_err(|_| WRONG)?;
    Ok(Some(CloseFrame {
        code: u16::from_be_bytes(*code).into(),
        reason: reason.into(),
    }))
}
