//! WebSocket under a transport, with the server in the test's hands.

use std::io::Cursor;

use proptest::prelude::*;
use tungstenite::handshake::derive_accept_key;
use tungstenite::protocol::frame::FrameHeader;
use tungstenite::protocol::frame::coding::Control;

use super::*;
use crate::office::{
    Carried, Delivery, Disconnection, Dispatch, Incoming, Outgoing, Payload, Publish, Ticket, Time,
};
use crate::wire::fixtures::{connect, handshake};
use crate::wire::{
    HttpHeader, Layers, Pace, Secret, Transport, TransportError, Version, encode, encode_connect,
};

const BINARY: OpCode = OpCode::Data(Data::Binary);
const TEXT: OpCode = OpCode::Data(Data::Text);
const CONTINUE: OpCode = OpCode::Data(Data::Continue);
const PING: OpCode = OpCode::Control(Control::Ping);
const PONG: OpCode = OpCode::Control(Control::Pong);
const CLOSE: OpCode = OpCode::Control(Control::Close);

fn at(millis: u64) -> Time {
    Time::from_millis(millis)
}

/// A transport whose server is the test.
struct Link {
    now: Time,
    transport: Transport,
    /// What the packets were that came in.
    seen: Vec<Incoming>,
}

impl Link {
    fn new(path: &str) -> Self {
        let path: WebSocketPath = path.parse().expect("it is a path");
        let token = Secret::new("t0ken".into()).expect("it is short");
        let header = HttpHeader::new(crate::wire::HeaderName::from_static("x-token"), &token);
        let websocket = path.begin("broker:8080", &[header.expect("it is one")]);
        let layers = Layers {
            tls: None,
            websocket: Some(Box::new(websocket.expect("there is such a request"))),
        };
        let now = at(0);
        let transport = Transport::new(
            now,
            Version::V4,
            &handshake(),
            &connect(),
            Pace::default(),
            layers,
        );
        Self {
            now,
            transport: transport.expect("it can be encoded"),
            seen: Vec::new(),
        }
    }

    /// One on which CONNECT has gone out.
    fn connected() -> Self {
        let mut link = Self::new("/mqtt");
        let request = link.take();
        link.bring(&answer(&request, "")).expect("it is right");
        assert_eq!(link.frames(), [(BINARY, connect_bytes())]);
        link
    }

    /// What goes out.
    fn take(&mut self) -> Vec<u8> {
        self.take_part(usize::MAX)
    }

    fn take_part(&mut self, count: usize) -> Vec<u8> {
        self.transport.seal(self.now);
        let output = self.transport.output_mut();
        let bytes = output.bytes();
        let taken = bytes[..count.min(bytes.len())].to_vec();
        output.handle_taken(self.now, taken.len());
        output.handle_unacknowledged(self.now, 0);
        taken
    }

    /// The frames that go out, unmasked.
    #[track_caller]
    fn frames(&mut self) -> Vec<(OpCode, Vec<u8>)> {
        frames(&self.take())
    }

    fn bring(&mut self, bytes: &[u8]) -> Result<bool, TransportError> {
        let room = self.transport.room_for_input().expect("all was read");
        room.extend_from_slice(bytes);
        let is_from_broker = self.transport.handle_read()?;
        while let Some(packet) = self.transport.poll_packet().expect("it is MQTT") {
            self.seen.push(packet);
        }
        Ok(is_from_broker)
    }

    #[track_caller]
    fn check_violation(&mut self, bytes: &[u8], rule: &str) {
        let error = self.bring(bytes).expect_err("it is against a rule");
        let expect = format!("the broker broke a rule of WebSocket: {rule}");
        assert_eq!(error.to_string(), expect);
        let close = self.frames();
        assert_eq!(close, [(CLOSE, vec![0x03, 0xea])], "1002, a protocol error");
    }
}

/// The answer to this request, with these headers more.
fn answer(request: &[u8], more: &str) -> Vec<u8> {
    let request = String::from_utf8(request.to_vec()).expect("it is text");
    let key = request
        .lines()
        .find_map(|line| line.strip_prefix("Sec-WebSocket-Key: "))
        .expect("there is a key");
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nupgrade: WebSocket\r\n\
         Connection: keep-alive, Upgrade\r\nSec-WebSocket-Accept: {accept}\r\n\
         Sec-WebSocket-Protocol: mqtt\r\n{more}\r\n"
    )
    .into_bytes()
}

/// A frame as a server sends it.
fn frame(opcode: OpCode, is_final: bool, content: &[u8]) -> Vec<u8> {
    let header = FrameHeader {
        is_final,
        opcode,
        ..FrameHeader::default()
    };
    let mut bytes = Vec::new();
    let frame = Frame::from_payload(header, Bytes::copy_from_slice(content));
    frame.format(&mut bytes).expect("a vector takes all");
    bytes
}

#[track_caller]
fn frames(mut bytes: &[u8]) -> Vec<(OpCode, Vec<u8>)> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let mut cursor = Cursor::new(bytes);
        let (header, length) = FrameHeader::parse(&mut cursor)
            .expect("it is a frame")
            .expect("it is whole");
        let (_, rest) = bytes.split_at(cursor.position() as usize);
        let (content, rest) = rest.split_at(length as usize);
        let mask = header.mask.expect("a client masks");
        assert!(header.is_final);
        let unmasked = content.iter().zip(mask.iter().cycle());
        frames.push((header.opcode, unmasked.map(|(a, b)| a ^ b).collect()));
        bytes = rest;
    }
    frames
}

fn connect_bytes() -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode_connect(&handshake(), &connect(), &mut bytes).expect("it is valid");
    bytes.to_vec()
}

fn publish(size: usize) -> Publish {
    Publish {
        topic: "t".into(),
        payload: Payload::new(vec![7; size]),
        delivery: Delivery::AtMostOnce,
        retain: false,
        duplicate: false,
        properties: None,
        lifetime: None,
    }
}

fn bytes_of(size: usize) -> Vec<u8> {
    let mut bytes = BytesMut::new();
    encode(Outgoing::Publish(publish(size)), &mut bytes).expect("it is valid");
    bytes.to_vec()
}

#[test]
fn the_request_says_what_is_wanted_and_connect_waits_for_the_answer() {
    let mut link = Link::new("/a/b?c=d");
    let request = link.take();
    let text = String::from_utf8(request.clone()).expect("it is text");
    assert!(text.starts_with("GET /a/b?c=d HTTP/1.1\r\nHost: broker:8080\r\n"));
    for line in [
        "Sec-WebSocket-Protocol: mqtt",
        "Sec-WebSocket-Version: 13",
        "x-token: t0ken",
    ] {
        assert!(text.contains(&format!("\r\n{line}\r\n")), "{text}");
    }
    assert!(text.ends_with("\r\n\r\n"));
    let answer = answer(&request, "");
    for byte in &answer[..answer.len() - 1] {
        assert_eq!(link.bring(&[*byte]), Ok(false), "no word of the broker's");
        assert_eq!(link.take(), [0_u8; 0]);
        assert!(link.transport.is_unanswered());
    }
    assert_eq!(link.bring(b"\n"), Ok(false));
    assert!(!link.transport.is_unanswered());
    assert_eq!(link.frames(), [(BINARY, connect_bytes())]);
    // No two frames have the same mask, or the key were of no use.
    let mut another = Link::new("/mqtt");
    assert_ne!(another.take()[..], request[..]);
}

/// A server may have said that it accepts what it was not asked yet.
#[test]
fn connect_is_the_first_packet_whatever_came_with_the_answer() {
    let mut link = Link::new("/mqtt");
    let accept = frame(BINARY, true, b"\x20\x02\0\0");
    let answer = [answer(&link.take(), ""), accept].concat();
    link.bring(&answer).expect("it is right");
    assert!(matches!(link.seen[..], [Incoming::ConnAck { .. }]));
    let ping = Dispatch {
        packet: Outgoing::PingReq,
        expires: None,
        carried: Carried::Nothing,
    };
    let pushed = link.transport.push(link.now, ping);
    pushed.expect("it can be encoded");
    let expect = [(BINARY, connect_bytes()), (BINARY, vec![0xc0, 0])];
    assert_eq!(link.frames(), expect);
}

#[test]
fn an_end_before_the_answer_is_told() {
    let mut link = Link::new("/mqtt");
    let ended = link.transport.ended(Disconnection::Reset);
    let Disconnection::Failed(text) = ended else {
        panic!("{ended:?}");
    };
    assert!(
        text.contains("without an answer to the WebSocket upgrade"),
        "{text}"
    );
    link.bring(b"HTTP/1.1 1").expect("it may be an answer");
    let ended = link.transport.ended(Disconnection::Closed).to_string();
    assert!(
        ended.contains("within its answer to the WebSocket upgrade"),
        "{ended}"
    );
    link.transport.finish(at(0), None);
    let request = link.take();
    assert!(request.ends_with(b"\r\n\r\n"), "and not a word of MQTT");
}

#[track_caller]
fn check_answer(answer: &str, expect: &str) {
    let mut link = Link::new("/mqtt?token=s3cret");
    link.take();
    let error = link.bring(answer.as_bytes()).expect_err("it is none");
    let error = error.to_string();
    assert!(error.contains(expect), "{error}");
    assert!(
        !error.contains("s3cret") && !error.contains('\n'),
        "{error}"
    );
    assert_eq!(link.take(), [0_u8; 0], "not a word of MQTT");
}

#[test]
fn answers_that_are_no_upgrade_say_what_to_do() {
    for (status, expect) in [
        (
            "301 Moved Permanently\r\nLocation: https://other/mqtt\n",
            "(301 Moved Permanently): it is at wss://other/mqtt now; write that as the server",
        ),
        ("302 Found", "it is elsewhere now, and does not say where"),
        (
            "401 No",
            "(401 Unauthorized): it wants a login before MQTT; say one in websocket.headers",
        ),
        (
            "403 No",
            "(403 Forbidden): it lets nobody in who comes like this",
        ),
        ("404 No", "(404 Not Found): there is no WebSocket at /mqtt;"),
        ("200 OK", "(200 OK): at /mqtt it is a web server;"),
        (
            "400 No",
            "(400 Bad Request): it does not understand the upgrade",
        ),
        (
            "503 No",
            "(503 Service Unavailable): it, or the broker behind it",
        ),
        ("999 No", "the server does not upgrade to WebSocket (999)"),
    ] {
        check_answer(&format!("HTTP/1.1 {status}\r\n\r\n<html>"), expect);
    }
    check_answer("SSH-2.0-OpenSSH_9\r\n", "it does not answer in HTTP");
    check_answer(
        "\u{15}\u{3}\u{1}\0\u{2}\u{2}\u{46}",
        "speaks TLS on this port; its address begins with wss://",
    );
    check_answer(
        &format!("HTTP/1.1 101 Fine\r\nA: {}", "b".repeat(20_000)),
        "is too long",
    );
}

#[test]
fn upgrades_that_are_not_ours_are_refused() {
    for (from, to, expect) in [
        (
            "upgrade: WebSocket",
            "upgrade: h2c",
            "is no upgrade to WebSocket",
        ),
        ("keep-alive, Upgrade", "close", "is no upgrade to WebSocket"),
        (
            "Sec-WebSocket-Accept: ",
            "Sec-WebSocket-Accept: x",
            "does not belong to",
        ),
        (
            "Sec-WebSocket-Protocol: mqtt\r\n",
            "",
            "did not select the sub-protocol mqtt",
        ),
        (
            "Protocol: mqtt",
            "Protocol: ma\u{7f}qtt",
            "does not answer in HTTP",
        ),
        (
            "Protocol: mqtt",
            "Protocol: mqttv3.1",
            "selected the sub-protocol mqttv3.1 in place of mqtt",
        ),
        (
            "Protocol: mqtt",
            "Protocol: mqtt\r\nSec-WebSocket-Extensions: permessage-deflate",
            "selected the WebSocket extension permessage-deflate",
        ),
    ] {
        let mut link = Link::new("/mqtt");
        let request = link.take();
        let answer = String::from_utf8(answer(&request, "")).expect("it is text");
        assert!(answer.contains(from), "{from}");
        let error = link.bring(answer.replace(from, to).as_bytes());
        let error = error.expect_err("it is wrong").to_string();
        assert!(error.contains(expect), "{error}");
        assert_eq!(link.take(), [0_u8; 0], "not a word of MQTT");
    }
}

/// A stream of frames with these packets in it, cut in ways that the numbers say,
/// and control frames in between.
fn stream(packets: &[u8], cuts: &[usize]) -> Vec<u8> {
    let mut stream = Vec::new();
    let (mut rest, mut is_first) = (packets, true);
    for cut in cuts {
        let (part, after) = rest.split_at((*cut).min(rest.len()));
        let opcode = if is_first { BINARY } else { CONTINUE };
        let is_final = cut % 3 == 0;
        stream.extend(frame(opcode, is_final, part));
        is_first = is_final;
        rest = after;
        match cut % 5 {
            0 => stream.extend(frame(PING, true, b"are you there?")),
            1 => stream.extend(frame(PONG, true, b"")),
            _ => {}
        }
    }
    let opcode = if is_first { BINARY } else { CONTINUE };
    stream.extend(frame(opcode, true, rest));
    stream
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn packets_come_through_however_frames_and_reads_cut_them(
        sizes in prop::collection::vec(prop_oneof![0..200_usize, Just(70_000)], 0..8),
        cuts in prop::collection::vec(prop_oneof![0..20_usize, Just(300), Just(66_000)], 0..12),
        piece in prop_oneof![1..10_usize, Just(1_000), Just(64 << 10)],
    ) {
        let packets: Vec<u8> = sizes.iter().flat_map(|size| bytes_of(*size)).collect();
        let mut link = Link::connected();
        for piece in stream(&packets, &cuts).chunks(piece) {
            link.bring(piece).expect("it is as it should be");
        }
        let sent: Vec<_> = sizes.iter().map(|size| Incoming::Publish(publish(*size), Vec::new())).collect();
        prop_assert_eq!(&link.seen, &sent);
        let pings = cuts.iter().filter(|cut| **cut % 5 == 0).count();
        let pongs = link.frames();
        prop_assert_eq!(pongs.len(), pings.min(1), "the latest is answered");
        for pong in pongs {
            prop_assert_eq!(pong, (PONG, b"are you there?".to_vec()));
        }
    }
}

#[test]
fn a_stream_may_be_cut_at_every_byte() {
    let packets = [bytes_of(0), bytes_of(130), bytes_of(3)].concat();
    let stream = stream(&packets, &[1, 0, 5, 3, 200, 2]);
    for cut in 0..=stream.len() {
        let mut link = Link::connected();
        for part in [&stream[..cut], &stream[cut..]] {
            link.bring(part).expect("it is as it should be");
        }
        let sent = [0, 130, 3].map(|size| Incoming::Publish(publish(size), Vec::new()));
        assert_eq!(link.seen, sent, "{cut}");
    }
}

#[test]
fn frames_follow_the_answer_at_once() {
    let mut link = Link::new("/mqtt");
    let answer = answer(&link.take(), "");
    let both = [answer, frame(BINARY, true, &[0x20, 2, 0, 0])].concat();
    assert_eq!(link.bring(&both), Ok(true));
    assert!(matches!(link.seen[..], [Incoming::ConnAck { .. }]));
}

#[test]
fn a_frame_of_any_size_is_announced_and_costs_nothing() {
    let mut link = Link::connected();
    // 2^62 bytes.
    let header = [0x82, 127, 0x40, 0, 0, 0, 0, 0, 0, 0];
    assert_eq!(link.bring(&header), Ok(false));
    for _ in 0..100 {
        link.bring(&bytes_of(60_000)).expect("it is MQTT");
        link.seen.clear();
    }
    let room = link.transport.room_for_input().expect("all was read");
    assert!(room.capacity() < 1 << 20, "{}", room.capacity());
}

#[test]
fn a_packet_that_is_too_large_is_passed_over_as_without_websocket() {
    let mut link = Link::connected();
    let large = frame(BINARY, true, &bytes_of(2 << 20));
    for piece in large.chunks(50_000) {
        link.bring(piece).expect("it is MQTT");
    }
    link.bring(&frame(BINARY, true, &bytes_of(1)))
        .expect("it is MQTT");
    assert!(matches!(
        link.seen[..],
        [Incoming::TooLarge { .. }, Incoming::Publish(..)]
    ));
}

#[test]
fn only_what_the_broker_says_shows_that_it_is_there() {
    let mut link = Link::connected();
    for (is_from_broker, bytes) in [
        (false, frame(PING, true, b"")),
        (false, frame(PONG, true, b"")),
        (false, frame(BINARY, false, b"")),
        (true, frame(CONTINUE, true, &bytes_of(1)[..3])),
        (true, frame(BINARY, true, &bytes_of(1)[3..])),
    ] {
        assert_eq!(link.bring(&bytes), Ok(is_from_broker), "{bytes:?}");
    }
}

#[test]
fn rules_that_are_broken_end_the_connection_and_are_told() {
    let with = |first: u8, second: u8| vec![first, second, 0, 0, 0, 0, 0, 0, 0, 0];
    for (bytes, rule) in [
        (
            frame(TEXT, true, b"hello"),
            "MQTT is in binary frames [MQTT-6.0.0-1]",
        ),
        (with(0x82, 0x81), "a server masks no frames (section 5.1)"),
        (
            with(0xc2, 1),
            "reserved bits are 0 without an extension (section 5.2)",
        ),
        (with(0x83, 1), "there is no such frame (section 5.2)"),
        (with(0x8b, 1), "there is no such frame (section 5.2)"),
        (
            vec![0x82, 127, 0x80, 0, 0, 0, 0, 0, 0, 0],
            "a length has 63 bits (section 5.2)",
        ),
        (
            frame(PING, false, b""),
            "a control frame is short and in one piece (section 5.5)",
        ),
        (
            frame(PING, true, &[0; 126]),
            "a control frame is short and in one piece (section 5.5)",
        ),
        (
            frame(CONTINUE, true, b""),
            "a message goes on where it was interrupted (section 5.4)",
        ),
        (
            [frame(BINARY, false, b""), frame(BINARY, true, b"")].concat(),
            "a message goes on where it was interrupted (section 5.4)",
        ),
        (
            frame(CLOSE, true, &[3]),
            "a close frame has a code and a text (section 5.5.1)",
        ),
        (
            frame(CLOSE, true, &[3, 0xe8, 0xff]),
            "a close frame has a code and a text (section 5.5.1)",
        ),
    ] {
        Link::connected().check_violation(&bytes, rule);
    }
}

#[test]
fn a_close_is_answered_and_told() {
    for (content, answer, told) in [
        (
            &b""[..],
            &b"\x03\xe8"[..],
            "the broker closed the connection",
        ),
        (
            b"\x03\xe9",
            b"\x03\xe9",
            "the broker closed the connection: going away (1001)",
        ),
        (
            b"\x0f\xa0out\nof order",
            b"\x0f\xa0",
            "the broker closed the connection: out\\nof order (4000)",
        ),
    ] {
        let mut link = Link::connected();
        let last = [
            frame(BINARY, true, &bytes_of(1)),
            frame(CLOSE, true, content),
            frame(BINARY, true, &bytes_of(2)),
        ];
        link.bring(&last.concat()).expect("it is as it should be");
        assert_eq!(link.seen, [Incoming::Publish(publish(1), Vec::new())]);
        let closed = link.transport.closed_by_peer().expect("it has said so");
        assert_eq!(closed.to_string(), told);
        assert!(closed.is_hang_up());
        assert_eq!(link.frames(), [(CLOSE, answer.to_vec())]);
        assert_eq!(link.frames(), [], "once");
    }
}

#[test]
fn the_end_in_good_order_is_disconnect_and_then_close() {
    let mut link = Link::connected();
    link.transport.finish(at(0), None);
    let normal = vec![0x03, 0xe8];
    assert_eq!(
        link.frames(),
        [(BINARY, vec![0xe0, 0]), (CLOSE, normal)],
        "1000, a normal closure"
    );
    assert_eq!(link.frames(), []);
}

fn letter(ticket: u64, size: usize, expires: u64) -> Dispatch {
    Dispatch {
        packet: Outgoing::Publish(publish(size)),
        expires: Some(at(expires)),
        carried: Carried::Letter(Ticket(ticket)),
    }
}

#[test]
fn a_frame_is_recalled_as_a_whole_and_written_with_its_last_byte() {
    let mut link = Link::connected();
    for (ticket, size, expires) in [(1, 10, 1_000), (2, 70_000, 2_000), (3, 200, 9_000)] {
        let dispatch = letter(ticket, size, expires);
        link.transport
            .push(link.now, dispatch)
            .expect("it is valid");
    }
    let mut sent = link.take_part(5);
    link.now = at(5_000);
    let now = link.now;
    let output = link.transport.output_mut();
    let recalled: Vec<_> = std::iter::from_fn(|| output.poll_recalled(now)).collect();
    assert_eq!(recalled, [Carried::Letter(Ticket(2))], "the first is begun");
    let rest = link.transport.output().bytes().len();
    sent.extend(link.take_part(rest - 1));
    let written = |link: &mut Link| link.transport.output_mut().poll_written();
    assert_eq!(written(&mut link), Some(Carried::Letter(Ticket(1))));
    assert_eq!(written(&mut link), None);
    sent.extend(link.take());
    assert_eq!(written(&mut link), Some(Carried::Letter(Ticket(3))));
    let letters = [10, 200].map(|size| (BINARY, bytes_of(size)));
    assert_eq!(frames(&sent), letters);
}

#[test]
fn a_packet_that_cannot_be_encoded_leaves_nothing_behind() {
    let mut link = Link::connected();
    let mut wrong = letter(1, 1, 1_000);
    let Outgoing::Publish(publish) = &mut wrong.packet else {
        panic!("it is one");
    };
    publish.topic = "a".repeat(70_000).into();
    let pushed = link.transport.push(at(0), wrong);
    pushed.expect_err("a topic has at most 65,535 bytes");
    assert_eq!(link.frames(), []);
}

#[test]
fn pings_pile_up_nowhere_while_the_network_takes_nothing() {
    let mut link = Link::connected();
    link.transport.output_mut().handle_blocked();
    for number in 0..100_u8 {
        link.bring(&frame(PING, true, &[number]))
            .expect("it is fine");
        link.transport.seal(at(0));
    }
    assert_eq!(link.transport.output().unwritten(), 0);
    link.transport.output_mut().handle_taken(at(0), 0);
    assert_eq!(link.frames(), [(PONG, vec![99])]);
}
