//! WebSocket below MQTT, byte by byte (section 6 of both versions).

use bytes::BytesMut;

use crate::Violation;
use crate::listener::layers::{Layers, Stop};

const REQUEST: &[u8] = b"GET /mqtt HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n\
    Connection: keep-alive, Upgrade\r\nSec-WebSocket-Version: 13\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Protocol: mqttv3.1, mqtt\r\n\r\n";

/// A client's frame: its first byte, and what it holds.
fn frame(first: u8, content: &[u8]) -> Vec<u8> {
    let mask = [1, 2, 3, 4];
    let masked = content.iter().zip(mask.into_iter().cycle());
    let masked: Vec<_> = masked.map(|(byte, mask)| byte ^ mask).collect();
    [&[first, 0x80 | content.len() as u8], &mask[..], &masked].concat()
}

/// What has come of bytes: packets, what was said, and how it ended.
fn read(pieces: &[&[u8]]) -> (Vec<u8>, Vec<u8>, Result<(), Stop>) {
    let mut layers = Layers::new(None);
    let (mut packets, mut said) = (BytesMut::new(), BytesMut::new());
    for piece in pieces {
        if let Err(stop) = layers.handle_read(piece, &mut packets, &mut said) {
            return (packets.to_vec(), said.to_vec(), Err(stop));
        }
    }
    (packets.to_vec(), said.to_vec(), Ok(()))
}

#[test]
fn the_sub_protocol_is_selected() {
    let (_, said, end) = read(&[REQUEST]);
    assert_eq!(end, Ok(()));
    let said = String::from_utf8(said).unwrap();
    assert!(said.starts_with("HTTP/1.1 101 "), "{said}");
    assert!(
        said.contains("\r\nSec-WebSocket-Protocol: mqtt\r\n"),
        "{said}"
    );
    // The example of RFC 6455, section 1.3.
    let accept = "\r\nSec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    assert!(said.contains(accept), "{said}");
}

#[test]
fn without_the_sub_protocol_there_is_no_upgrade() {
    let request = String::from_utf8_lossy(REQUEST).replace("v3.1, mqtt\r", "v3.1\r");
    let (_, said, end) = read(&[request.as_bytes()]);
    assert_eq!(end, Err(Stop::Refused));
    let said = String::from_utf8(said).unwrap();
    assert!(
        said.starts_with("HTTP/1.1 400 ") && said.contains("MQTT-6.0.0-3"),
        "{said}"
    );
}

#[test]
fn packets_are_cut_into_frames_in_any_way() {
    let frames = [
        // Half a packet, a ping in between, and the rest with half of the next.
        frame(0x02, b"\xc0"),
        frame(0x89, b"hi"),
        frame(0x80, b"\x00\xc0"),
        frame(0x82, b"\x00"),
    ]
    .concat();
    let all = [REQUEST, &frames].concat();
    let bytes: Vec<_> = all.chunks(1).collect();
    for pieces in [&bytes[..], &[&all[..]]] {
        let (packets, said, end) = read(pieces);
        assert_eq!(end, Ok(()));
        assert_eq!(packets, b"\xc0\x00\xc0\x00");
        assert!(said.ends_with(b"\x8a\x02hi"), "a pong");
    }
}

#[test]
fn what_is_sent_is_in_binary_frames() {
    let mut layers = Layers::new(None);
    let (mut packets, mut said) = (BytesMut::new(), BytesMut::new());
    layers
        .handle_read(REQUEST, &mut packets, &mut said)
        .unwrap();
    said.clear();
    layers.handle_sent(BytesMut::from(&b"\xd0\x00"[..]), &mut said);
    layers.finish(&mut said);
    assert_eq!(&said[..], b"\x82\x02\xd0\x00\x88\x02\x03\xe8");
}

#[test]
fn what_websocket_and_mqtt_forbid_closes_the_connection() {
    for (bytes, violation) in [
        (frame(0x81, b"text"), Violation::TextFrame),
        // Not masked.
        (vec![0x82, 0], Violation::Frame),
        // Continues nothing.
        (frame(0x80, b""), Violation::Frame),
        // Reserved.
        (frame(0xc2, b""), Violation::Frame),
        (frame(0x83, b""), Violation::Frame),
        // A ping in pieces.
        (frame(0x09, b""), Violation::Frame),
    ] {
        let (_, _, end) = read(&[REQUEST, &bytes]);
        assert_eq!(end, Err(Stop::Violation(violation)), "{bytes:x?}");
    }
}
