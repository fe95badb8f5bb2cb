//! One connection to a broker, from its CONNECT to its end, as packets on one
//! side and bytes on the other.
//!
//! No socket and no clock are in here: whoever has them brings what was read,
//! takes what is to be written, and says how much of it the kernel has taken and
//! the peer acknowledged. So production, scenarios and the simulation all send
//! the very same bytes, by the very same rules about what is too late; those
//! are in [`Output`].

use std::convert::Infallible;
use std::time::Duration;

use bytes::BytesMut;

use super::Handshake;
use super::frame::{DecodeError, EncodeError};
use super::layers::{Layers, TransportError, cut_short};
use super::output::Output;
use super::pace::Pace;
use super::tls::Tls;
use super::version::Version;
use super::websocket::WebSocket;
use super::{v4, v5};
use crate::office::{Carried, Connect, Disconnection, Dispatch, Incoming, Outgoing, Reason, Time};

/// How much is read at once.
const READ: usize = 64 << 10;

/// How long the network may do nothing without keep-alive to say so.
const LONGEST_SILENCE: Duration = Duration::from_secs(60);

/// What a connection speaks.
#[derive(Debug)]
enum Decoder {
    V4(v4::Decoder),
    V5(v5::Decoder),
}

/// One connection to a broker.
#[derive(Debug)]
pub struct Transport {
    decoder: Decoder,
    input: BytesMut,
    /// Whether a packet may be left in `input`: what is read beyond it would
    /// pile up when packets are small and many.
    has_input: bool,
    output: Output,
    aliases: v5::Aliases,
    tls: Option<Box<Tls>>,
    websocket: Option<Box<WebSocket>>,
    /// CONNECT, while it waits for WebSocket.
    connect: Option<BytesMut>,
}

impl Transport {
    /// Begins a session over a fresh connection, through these layers: CONNECT is
    /// the first packet that goes out. `pace` is what the connection before has
    /// learnt.
    pub fn new(
        now: Time,
        version: Version,
        handshake: &Handshake,
        connect: &Connect,
        pace: Pace,
        layers: Layers,
    ) -> Result<Self, EncodeError> {
        let Layers { tls, mut websocket } = layers;
        let longest_silence = match handshake.keep_alive {
            Duration::ZERO => LONGEST_SILENCE,
            keep_alive => keep_alive * 3 / 2,
        };
        let mut output = Output::new(now, longest_silence, pace.renewed());
        if tls.is_some() {
            output = output.sealed();
        }
        let mut packet = BytesMut::new();
        match version {
            Version::V4 => v4::encode_connect(handshake, connect, &mut packet),
            Version::V5 => v5::encode_connect(handshake, connect, &mut packet),
        }?;
        // Nothing of MQTT goes to a server that may not speak it.
        let (first, connect) = match &mut websocket {
            Some(websocket) => (websocket.take_request(), Some(packet)),
            None => (packet, None),
        };
        append(&mut output, now, |bytes| bytes.extend_from_slice(&first));
        let max_packet_size = handshake.max_packet_size;
        Ok(Self {
            decoder: match version {
                Version::V4 => Decoder::V4(v4::Decoder::new(max_packet_size)),
                Version::V5 => Decoder::V5(v5::Decoder::new(max_packet_size)),
            },
            input: BytesMut::new(),
            has_input: false,
            output,
            aliases: v5::Aliases::default(),
            tls,
            websocket,
            connect,
        })
    }

    /// Whether the kernel has taken CONNECT, and it is the broker's turn.
    pub fn has_asked(&self) -> bool {
        self.connect.is_none() && self.output.unwritten() == 0
    }

    /// The version of MQTT that it speaks.
    pub fn version(&self) -> Version {
        match self.decoder {
            Decoder::V4(_) => Version::V4,
            Decoder::V5(_) => Version::V5,
        }
    }

    /// The sending half.
    pub fn output(&self) -> &Output {
        &self.output
    }

    /// The sending half, to be told what has become of its bytes.
    pub fn output_mut(&mut self) -> &mut Output {
        &mut self.output
    }

    /// Adds a packet to what goes out.
    pub fn push(&mut self, now: Time, dispatch: Dispatch) -> Result<(), EncodeError> {
        // CONNECT is the first one, also where a server did not wait for it.
        self.answer(now);
        let Dispatch {
            packet,
            expires,
            carried,
        } = dispatch;
        let version = self.version();
        let (mut topic, mut binding) = (v5::Topic::Plain, None);
        if let Outgoing::Publish(publish) = &packet {
            while let Some(begun) = self.output.poll_begun() {
                self.aliases.handle_begun(begun);
            }
            (topic, binding) = self.aliases.next(publish);
        }
        let encode = |bytes: &mut BytesMut| match version {
            Version::V4 => v4::encode(packet, bytes),
            Version::V5 => {
                let lifetime = expires.map(|expires| expires.since(now));
                v5::encode(packet, lifetime, topic, bytes)
            }
        };
        let websocket = &mut self.websocket;
        self.output
            .push(now, expires, carried, |bytes| match websocket {
                Some(websocket) => websocket.frame(bytes, encode),
                None => encode(bytes),
            })?;
        if let Some(binding) = binding {
            self.output.set_binding(binding);
        }
        Ok(())
    }

    /// Lets the layers add what they have to say: WebSocket its answers, and TLS
    /// the next record, if it is time for one. To be asked before each look at what
    /// is to be written.
    pub fn seal(&mut self, now: Time) {
        self.answer(now);
        if let Some(tls) = &mut self.tls {
            self.output.seal(tls);
        }
    }

    /// Adds CONNECT once WebSocket is there, and what that says besides packets.
    fn answer(&mut self, now: Time) {
        let Some(websocket) = &mut self.websocket else {
            return;
        };
        if websocket.is_open()
            && let Some(connect) = self.connect.take()
        {
            append(&mut self.output, now, |bytes| {
                let copy = |bytes: &mut BytesMut| {
                    bytes.extend_from_slice(&connect);
                    Ok::<_, Infallible>(())
                };
                let Ok(()) = websocket.frame(bytes, copy);
            });
        }
        if websocket.has_control() && (websocket.is_closing() || !self.output.is_blocked()) {
            append(&mut self.output, now, |bytes| websocket.poll_control(bytes));
        }
    }

    /// Ends the connection: what is not begun is left out, and DISCONNECT is the last
    /// packet that goes out, with this reason if it is not in good order.
    pub fn finish(&mut self, now: Time, reason: Option<Reason>) {
        self.end(now, Outgoing::Disconnect(reason));
    }

    /// The same in good order, and with MQTT 5 the broker is to end the session as well.
    pub fn leave(&mut self, now: Time) {
        self.end(now, Outgoing::Leave);
    }

    fn end(&mut self, now: Time, packet: Outgoing) {
        if let Some(tls) = &mut self.tls {
            tls.finish();
            if !tls.is_ready() {
                // Not even CONNECT went out, and it will not.
                return self.output.discard();
            }
        }
        self.output.clear();
        if self.connect.take().is_some() {
            // Nor did it through WebSocket.
            return;
        }
        let disconnect = Dispatch {
            packet,
            expires: None,
            carried: Carried::Nothing,
        };
        // There is nothing in it that could not be encoded.
        let _ = self.push(now, disconnect);
        if let Some(websocket) = &mut self.websocket {
            websocket.finish();
            self.answer(now);
        }
    }

    /// Where to put what is read, at the end; none while packets may be left
    /// that were read before.
    pub fn room_for_input(&mut self) -> Option<&mut BytesMut> {
        if self.has_input {
            return None;
        }
        if self.input.is_empty() && self.input.capacity() > 2 * READ {
            // Grown for a large packet.
            self.input = BytesMut::new();
        }
        if let Some(tls) = &mut self.tls {
            return Some(tls.room_for_input(READ));
        }
        if let Some(websocket) = &mut self.websocket {
            return Some(websocket.room_for_input(READ));
        }
        self.input.reserve(READ);
        Some(&mut self.input)
    }

    /// Something was read into the [room](Self::room_for_input). Returns whether
    /// it may be from the broker itself, and not from a server before it.
    ///
    /// # Errors
    /// It is not what a layer can open. The connection is of no more use, but the
    /// layer may have a last word to [write](Self::seal).
    pub fn handle_read(&mut self) -> Result<bool, TransportError> {
        let before = self.input.len();
        if let Some(tls) = &mut self.tls {
            match &mut self.websocket {
                Some(websocket) => tls.open(websocket.room_for_input(0))?,
                None => tls.open(&mut self.input)?,
            }
        }
        if let Some(websocket) = &mut self.websocket {
            websocket.open(&mut self.input)?;
        }
        self.has_input = true;
        Ok(self.websocket.is_none() || self.input.len() > before)
    }

    /// The next packet of those that were read.
    pub fn poll_packet(&mut self) -> Result<Option<Incoming>, DecodeError> {
        let packet = match &mut self.decoder {
            Decoder::V4(decoder) => decoder.decode(&mut self.input),
            Decoder::V5(decoder) => decoder.decode(&mut self.input),
        }?;
        self.has_input = packet.is_some();
        if let (Decoder::V5(decoder), Some(Incoming::ConnAck { terms, .. })) =
            (&self.decoder, &packet)
        {
            let maximum = decoder.topic_alias_maximum();
            self.aliases = v5::Aliases::new(maximum, terms.max_packet_size);
        }
        Ok(packet)
    }

    /// Whether a layer may still have to say why the connection cannot be written
    /// to: a broker that TLS refuses it to does so in the place of its first packet.
    pub fn is_unanswered(&self) -> bool {
        let websocket = self.websocket.as_ref();
        self.tls.as_ref().is_some_and(|tls| !tls.has_opened())
            || websocket.is_some_and(|websocket| !websocket.is_open())
    }

    /// How the peer has closed the connection, if it has said through a layer that
    /// nothing more comes. There may be an answer to [write](Self::seal).
    pub fn closed_by_peer(&self) -> Option<Disconnection> {
        let websocket = self.websocket.as_ref();
        match websocket.and_then(|websocket| websocket.farewell()) {
            Some("") => return Some(Disconnection::Closed),
            Some(farewell) => return Some(Disconnection::ClosedWith(farewell.to_owned())),
            None => {}
        }
        let is_closed = self.tls.as_ref().is_some_and(|tls| tls.is_closed_by_peer());
        is_closed.then(|| self.ended(Disconnection::Closed))
    }

    /// Why the connection has ended, now that it has: a layer may know better.
    pub fn ended(&self, otherwise: Disconnection) -> Disconnection {
        let error = cut_short(self.tls.as_deref(), self.websocket.as_deref());
        error.map_or(otherwise, |error| Disconnection::Failed(error.to_string()))
    }
}

/// Adds bytes that are no letter.
fn append(output: &mut Output, now: Time, encode: impl FnOnce(&mut BytesMut)) {
    let Ok(()) = output.push(now, None, Carried::Nothing, |bytes| {
        encode(bytes);
        Ok::<_, Infallible>(())
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::{Delivery, Payload, Publish};
    use crate::wire::Versions;

    fn transport() -> Transport {
        let handshake = Handshake {
            versions: Versions::Only(Version::V4),
            session_expiry: Duration::ZERO,
            client_id: "gateway".into(),
            keep_alive: Duration::ZERO,
            login: None,
            max_packet_size: 16 << 20,
        };
        let connect = Connect {
            clean_session: true,
            client_id: None,
            will: None,
        };
        Transport::new(
            Time::default(),
            Version::V4,
            &handshake,
            &connect,
            Pace::default(),
            Layers::default(),
        )
        .expect("it is valid")
    }

    fn read(transport: &mut Transport, bytes: &[u8]) {
        let room = transport.room_for_input().expect("no packet is left");
        room.extend_from_slice(bytes);
        transport.handle_read().expect("there is no TLS");
    }

    #[test]
    fn nothing_more_is_read_while_packets_are_left() {
        let mut transport = transport();
        read(&mut transport, b"\xd0\x00\xd0\x00\xd0");
        for _ in 0..2 {
            assert_eq!(transport.room_for_input(), None);
            assert_eq!(transport.poll_packet(), Ok(Some(Incoming::PingResp)));
        }
        assert_eq!(transport.room_for_input(), None);
        assert_eq!(transport.poll_packet(), Ok(None));
        read(&mut transport, b"\x00");
        assert_eq!(transport.poll_packet(), Ok(Some(Incoming::PingResp)));
    }

    #[test]
    fn the_memory_for_a_large_packet_is_given_back() {
        let mut transport = transport();
        let mut bytes = BytesMut::new();
        let publish = Publish {
            topic: "t".into(),
            payload: Payload::new(vec![0; 8 << 20]),
            delivery: Delivery::AtMostOnce,
            retain: false,
            duplicate: false,
            properties: None,
            lifetime: None,
        };
        v4::encode(Outgoing::Publish(publish), &mut bytes).expect("it is valid");
        let mut packets = 0;
        for part in bytes.chunks(READ) {
            read(&mut transport, part);
            while let Ok(Some(_)) = transport.poll_packet() {
                packets += 1;
            }
        }
        assert_eq!(packets, 1);
        let room = transport.room_for_input().expect("no packet is left");
        assert!(room.capacity() <= 2 * READ, "{}", room.capacity());
    }
}
