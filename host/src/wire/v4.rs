//! The adapter for MQTT 3.1.1: packets of the post office to bytes and back.

use bytes::{Bytes, BytesMut};
use rumqttc::mqttbytes::v4::{self, Packet};
use rumqttc::mqttbytes::{Error, Protocol, QoS};

use super::frame::{
    DecodeError, EncodeError, Frame, Frames, Middle, check_there, encode_publish, is_tls_alert,
    packet_id,
};
use super::{Handshake, client_id};
use crate::office::{Connect, Incoming, LastWill, Outgoing, Qos, Reason, Terms};

/// Bytes into packets. It reads no socket: whoever has the bytes brings them.
#[derive(Debug)]
pub struct Decoder(Frames);

impl Decoder {
    /// Before the first byte of a connection. `max_packet_size` is in bytes; of
    /// a larger message only the topic is read, and any other larger packet is
    /// an error.
    pub fn new(max_packet_size: usize) -> Self {
        Self(Frames::new(max_packet_size))
    }

    /// Takes the next packet off the front of `bytes`; none when there is no
    /// whole packet yet. After an error the connection is of no more use.
    pub fn decode(&mut self, bytes: &mut BytesMut) -> Result<Option<Incoming>, DecodeError> {
        if !self.0.skip(bytes) {
            return Ok(None);
        }
        if let Some(frame) = Frame::read(bytes)
            && frame.is_publish()
        {
            let nothing = |topic: &str, _: &[u8]| {
                check_there(topic)?;
                Ok(Some(Middle::default()))
            };
            return self.0.decode_publish(&frame, bytes, nothing);
        }
        if is_tls_alert(bytes) {
            return Err(DecodeError::Secure);
        }
        match Packet::read(bytes, self.0.max_packet_size()) {
            Ok(packet) => to_incoming(packet).map(Some),
            Err(Error::InsufficientBytes(_)) => Ok(None),
            Err(Error::InvalidConnectReturnCode(code)) => Err(DecodeError::Refused(code)),
            Err(error) => Err(DecodeError::Malformed(error.to_string())),
        }
    }
}

fn to_incoming(packet: Packet) -> Result<Incoming, DecodeError> {
    Ok(match packet {
        Packet::ConnAck(ack) => match ack.code as u8 {
            0 => Incoming::ConnAck {
                session_present: ack.session_present,
                terms: Terms::default(),
            },
            code => return Err(DecodeError::Refused(code)),
        },
        Packet::PubAck(ack) => Incoming::PubAck(packet_id(ack.pkid)?),
        Packet::PubRec(ack) => Incoming::PubRec(packet_id(ack.pkid)?),
        Packet::PubRel(ack) => Incoming::PubRel(packet_id(ack.pkid)?),
        Packet::PubComp(ack) => Incoming::PubComp(packet_id(ack.pkid)?),
        Packet::SubAck(ack) => {
            let granted = ack.return_codes.into_iter().map(|code| match code {
                v4::SubscribeReasonCode::Success(qos) => Ok(from_qos(qos)),
                v4::SubscribeReasonCode::Failure => Err(Reason::UNSPECIFIED),
            });
            Incoming::SubAck {
                id: packet_id(ack.pkid)?,
                granted: granted.collect(),
            }
        }
        Packet::UnsubAck(ack) => Incoming::UnsubAck {
            id: packet_id(ack.pkid)?,
            refused: None,
        },
        Packet::PingResp => Incoming::PingResp,
        Packet::Connect(_)
        // Read above.
        | Packet::Publish(_)
        | Packet::Subscribe(_)
        | Packet::Unsubscribe(_)
        | Packet::PingReq
        | Packet::Disconnect => {
            return Err(DecodeError::Violation(
                "a broker sends what answers its client",
            ));
        }
    })
}

const fn from_qos(qos: QoS) -> Qos {
    match qos {
        QoS::AtMostOnce => Qos::AtMostOnce,
        QoS::AtLeastOnce => Qos::AtLeastOnce,
        QoS::ExactlyOnce => Qos::ExactlyOnce,
    }
}

const fn to_qos(qos: Qos) -> QoS {
    match qos {
        Qos::AtMostOnce => QoS::AtMostOnce,
        Qos::AtLeastOnce => QoS::AtLeastOnce,
        Qos::ExactlyOnce => QoS::ExactlyOnce,
    }
}

/// Appends CONNECT. An error leaves `bytes` as they were.
pub fn encode_connect(
    handshake: &Handshake,
    connect: &Connect,
    bytes: &mut BytesMut,
) -> Result<(), EncodeError> {
    let keep_alive = u16::try_from(handshake.keep_alive.as_secs()).unwrap_or(u16::MAX);
    let login = handshake.login.as_ref().map(|login| v4::Login {
        username: login.user_name.clone(),
        password: login
            .password
            .as_ref()
            .map_or_else(String::new, |it| it.expose().to_owned()),
    });
    let packet = Packet::Connect(v4::Connect {
        protocol: Protocol::V4,
        keep_alive,
        client_id: client_id(handshake, connect).to_owned(),
        clean_session: connect.clean_session,
        last_will: connect.will.as_ref().map(to_will),
        login,
    });
    write(&packet, bytes)
}

fn to_will(will: &LastWill) -> v4::LastWill {
    v4::LastWill {
        topic: will.topic.to_string(),
        message: Bytes::from_owner(will.payload.clone()),
        qos: to_qos(will.qos),
        retain: will.retain,
    }
}

/// Appends a packet. An error leaves `bytes` as they were.
pub fn encode(packet: Outgoing, bytes: &mut BytesMut) -> Result<(), EncodeError> {
    let packet = match packet {
        Outgoing::Publish(publish) => return encode_publish(&publish, &publish.topic, &[], bytes),
        Outgoing::PubAck(id) => Packet::PubAck(v4::PubAck::new(id.get())),
        Outgoing::PubRec(id) => Packet::PubRec(v4::PubRec::new(id.get())),
        Outgoing::PubRel(id) => Packet::PubRel(v4::PubRel::new(id.get())),
        Outgoing::PubComp(id) => Packet::PubComp(v4::PubComp::new(id.get())),
        Outgoing::Subscribe { id, filters, .. } => {
            let filters = filters.into_iter().map(|(path, qos)| v4::SubscribeFilter {
                path: path.to_string(),
                qos: to_qos(qos),
            });
            Packet::Subscribe(v4::Subscribe {
                pkid: id.get(),
                filters: filters.collect(),
            })
        }
        Outgoing::Unsubscribe { id, filter } => Packet::Unsubscribe(v4::Unsubscribe {
            pkid: id.get(),
            topics: vec![filter.to_string()],
        }),
        Outgoing::PingReq => Packet::PingReq,
        Outgoing::Disconnect(_) | Outgoing::Leave => Packet::Disconnect,
    };
    write(&packet, bytes)
}

fn write(packet: &Packet, bytes: &mut BytesMut) -> Result<(), EncodeError> {
    let before = bytes.len();
    // The size was checked where the packet was made.
    match packet.write(bytes, usize::MAX) {
        Ok(_) => Ok(()),
        Err(error) => {
            bytes.truncate(before);
            Err(EncodeError::new(error.to_string()))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::office::{Delivery, PacketId, Payload, Publish};
    use crate::wire::frame::decode_in_pieces;

    fn id(id: u16) -> PacketId {
        PacketId::new(id).expect("not zero")
    }

    /// Everything that the decoder makes of these bytes.
    fn decode(bytes: &[u8], max: usize) -> Result<Vec<Incoming>, DecodeError> {
        let mut decoder = Decoder::new(max);
        let mut buffer = BytesMut::from(bytes);
        std::iter::from_fn(|| decoder.decode(&mut buffer).transpose()).collect()
    }

    fn publish(payload: usize) -> Publish {
        Publish {
            topic: "a/b".into(),
            payload: Payload::new(vec![7; payload]),
            delivery: Delivery::AtLeastOnce(id(10)),
            retain: true,
            duplicate: true,
            properties: None,
            lifetime: None,
        }
    }

    fn publish_bytes(payload: usize) -> BytesMut {
        let mut bytes = BytesMut::new();
        encode(Outgoing::Publish(publish(payload)), &mut bytes).expect("it is valid");
        bytes
    }

    #[test]
    fn a_publish_comes_back_as_it_was_and_has_the_size_that_was_promised() {
        for payload in [0, 1, 118, 119, 16_374, 16_375, 2_097_140, 2_097_150] {
            let bytes = publish_bytes(payload);
            let size = crate::office::publish_size("a/b", payload, Qos::AtLeastOnce);
            assert_eq!(bytes.len(), size, "{payload}");
            assert_eq!(
                decode(&bytes, size),
                Ok(vec![Incoming::Publish(publish(payload), Vec::new())])
            );
        }
    }

    fn any_publish() -> impl Strategy<Value = Publish> {
        let delivery = prop_oneof![
            Just(Delivery::AtMostOnce),
            (1..=u16::MAX).prop_map(|number| Delivery::AtLeastOnce(id(number))),
            (1..=u16::MAX).prop_map(|number| Delivery::ExactlyOnce(id(number))),
        ];
        let payload = prop::collection::vec(any::<u8>(), 0..200);
        (
            "[a-zß/]{1,20}",
            payload,
            delivery,
            any::<bool>(),
            any::<bool>(),
        )
            .prop_map(|(topic, payload, delivery, retain, duplicate)| Publish {
                topic: topic.into(),
                payload: Payload::new(payload),
                delivery,
                retain,
                duplicate,
                properties: None,
                lifetime: None,
            })
    }

    proptest! {
        /// The one packet that is read and written here, beside the codec that
        /// does it for all others.
        #[test]
        fn a_publish_is_to_the_codec_what_it_is_here(publish in any_publish()) {
            let mut bytes = BytesMut::new();
            encode(Outgoing::Publish(publish.clone()), &mut bytes).expect("it is valid");
            prop_assert_eq!(decode(&bytes, 1_000), Ok(vec![Incoming::Publish(publish.clone(), Vec::new())]));

            let Ok(Packet::Publish(read)) = Packet::read(&mut bytes, 1_000) else {
                panic!("the codec reads something else");
            };
            prop_assert_eq!(&read.topic[..], &publish.topic[..]);
            prop_assert_eq!(&read.payload[..], &publish.payload[..]);
            prop_assert_eq!((read.retain, read.dup), (publish.retain, publish.duplicate));
            let id = publish.delivery.packet_id().map_or(0, PacketId::get);
            prop_assert_eq!((read.qos, read.pkid), (to_qos(publish.delivery.qos()), id));
        }
    }

    #[test]
    fn of_an_oversize_message_only_the_beginning_is_kept() {
        let mut bytes = publish_bytes(1_000);
        encode(Outgoing::PubAck(id(3)), &mut bytes).expect("it is valid");
        let size = crate::office::publish_size("a/b", 1_000, Qos::AtLeastOnce);
        let delivery = Delivery::AtLeastOnce(id(10));
        let expect = vec![
            Incoming::TooLarge {
                topic: "a/b".into(),
                delivery,
                size,
            },
            Incoming::PubAck(id(3)),
        ];
        assert_eq!(decode(&bytes, 100), Ok(expect.clone()));

        // The same in pieces of every size.
        for piece in 1..50 {
            let mut decoder = Decoder::new(100);
            let packets = decode_in_pieces(&bytes, piece, 100, |it| decoder.decode(it));
            assert_eq!(packets, expect, "{piece}");
        }
    }

    #[test]
    fn what_a_broker_must_not_send_is_refused() {
        #[track_caller]
        fn check(bytes: &[u8], expect: &str) {
            let error = decode(bytes, 1_000).expect_err("it is wrong");
            assert_eq!(error.to_string(), expect, "{bytes:02x?}");
        }
        check(
            b"\xc0\x00",
            "the broker broke a rule of MQTT: a broker sends what answers its client",
        );
        check(
            b"\x40\x02\x00\x00",
            "the broker broke a rule of MQTT: a packet id is not 0 [MQTT-2.3.1-1]",
        );
        check(
            b"\x30\x03\x00\x01+",
            "the broker broke a rule of MQTT: a topic name is valid [MQTT-3.3.2-2]",
        );
        check(
            b"\x36\x05\x00\x01a\x00\x01",
            "the broker sent a malformed packet: Invalid QoS level: 3",
        );
        check(
            b"\x20\x02\x00\x05",
            "the broker refused the connection (return code 5)",
        );
        check(
            b"\x20\x02\x00\x09",
            "the broker refused the connection (return code 9)",
        );
        check(
            b"\xff\xff\xff\xff\xff",
            "the broker sent a malformed packet: Malformed remaining length",
        );
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200), max in 2..300_usize) {
            let _ = decode(&bytes, max);
        }

        #[test]
        fn no_packet_type_makes_it_panic(
            head in any::<u8>(),
            body in prop::collection::vec(any::<u8>(), 0..100),
            max in 2..120_usize,
        ) {
            let mut bytes = vec![head, body.len() as u8];
            bytes.extend(body);
            let _ = decode(&bytes, max);
        }
    }
}
