//! The server's side of WebSocket, as little of it as there has to be.

use bytes::{Buf, BytesMut};
use tungstenite::handshake::derive_accept_key;

/// One connection.
#[derive(Debug, Default)]
pub struct Server {
    received: BytesMut,
    is_open: bool,
}

impl Server {
    /// Takes in what a client has written: what its binary frames hold goes to the
    /// end of `packets`. Returns the answer to the upgrade when it is due.
    ///
    /// # Panics
    /// No client writes this.
    pub fn read(&mut self, bytes: &[u8], packets: &mut Vec<u8>) -> Option<String> {
        self.received.extend_from_slice(bytes);
        let mut answer = None;
        if !self.is_open {
            let end = self
                .received
                .windows(4)
                .position(|part| part == b"\r\n\r\n")?;
            let request = self.received.split_to(end + 4);
            answer = Some(accept(&request));
            self.is_open = true;
        }
        while self.read_frame(packets) {}
        answer
    }

    fn read_frame(&mut self, packets: &mut Vec<u8>) -> bool {
        let [first, second, rest @ ..] = &self.received[..] else {
            return false;
        };
        assert_ne!(second & 0x80, 0, "a client masks");
        let extended = match second & 0x7f {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        let Some((length, rest)) = rest.split_at_checked(extended) else {
            return false;
        };
        let length = match extended {
            0 => usize::from(second & 0x7f),
            _ => length
                .iter()
                .fold(0, |sum, byte| sum << 8 | usize::from(*byte)),
        };
        let Some((mask, content)) = rest.split_first_chunk::<4>() else {
            return false;
        };
        let Some(content) = content.get(..length) else {
            return false;
        };
        let content = content
            .iter()
            .zip(mask.iter().cycle())
            .map(|(byte, mask)| byte ^ mask);
        match first {
            0x82 => packets.extend(content),
            // Close, and pong.
            0x88 | 0x8a => assert!(length <= 125),
            _ => panic!("a frame that begins with {first:#x}"),
        }
        self.received.advance(2 + extended + 4 + length);
        true
    }
}

fn accept(request: &[u8]) -> String {
    let request = std::str::from_utf8(request).expect("a request is a text");
    let mut lines = request.lines();
    let key = lines.find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("Sec-WebSocket-Key")
            .then_some(value.trim())
    });
    let accept = derive_accept_key(key.expect("there is a key").as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Protocol: mqtt\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

/// A frame of a server: binary, of at most 125 bytes.
pub fn frame(content: &[u8]) -> Vec<u8> {
    [&[0x82, content.len() as u8], content].concat()
}
