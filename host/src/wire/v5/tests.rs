//! The adapter beside the codec.

use proptest::prelude::*;

use super::*;
use crate::office::{
    MAX_SUBSCRIPTION_ID, PacketId, Payload, Properties, Publish, SubscriptionId, filter_size,
    properties_size, publish_size_with, subscribe_size,
};
use crate::wire::frame::decode_in_pieces;
use crate::wire::{Version, Versions};

fn id(id: u16) -> PacketId {
    PacketId::new(id).expect("not zero")
}

/// Everything that the decoder makes of these bytes.
pub(super) fn decode(bytes: &[u8], max: usize) -> Result<Vec<Incoming>, DecodeError> {
    let mut decoder = Decoder::new(max);
    let mut buffer = BytesMut::from(bytes);
    std::iter::from_fn(|| decoder.decode(&mut buffer).transpose()).collect()
}

/// What the decoder makes of a packet of the codec.
fn decode_packet(packet: &Packet) -> Result<Vec<Incoming>, DecodeError> {
    let mut bytes = BytesMut::new();
    packet.write(&mut bytes, None).expect("it is valid");
    decode(&bytes, 10_000)
}

/// What the codec makes of a packet of the post office.
fn through_codec(packet: Outgoing, lifetime: Option<Duration>) -> Packet {
    let mut bytes = BytesMut::new();
    encode(packet, lifetime, Topic::Plain, &mut bytes).expect("it is valid");
    let packet = Packet::read(&mut bytes, None).expect("it is valid");
    assert!(bytes.is_empty());
    packet
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
    let lifetime = Some(Duration::from_secs(5));
    let packet = Outgoing::Publish(publish(payload));
    encode(packet, lifetime, Topic::Plain, &mut bytes).expect("it is valid");
    bytes
}

#[test]
fn a_letter_comes_back_as_it_was_and_has_the_size_that_was_promised() {
    for payload in [0, 1, 112, 113, 118, 16_368, 16_369, 2_097_134, 2_097_150] {
        let bytes = publish_bytes(payload);
        let size = publish_size_with("a/b", payload, Qos::AtLeastOnce, terms().properties);
        assert_eq!(bytes.len(), size, "{payload}");
        let received = Publish {
            lifetime: Some(Duration::from_secs(5)),
            ..publish(payload)
        };
        assert_eq!(
            decode(&bytes, size),
            Ok(vec![Incoming::Publish(received, Vec::new())])
        );
    }
}

#[test]
fn a_letter_lives_for_whole_seconds_and_never_for_ever() {
    for (millis, interval) in [
        (0, 1),
        (1, 1),
        (999, 1),
        (1_000, 1),
        (1_999, 1),
        (2_000, 2),
        (7_200_000, 7_200),
        (u64::MAX, u32::MAX),
    ] {
        let lifetime = Some(Duration::from_millis(millis));
        let Packet::Publish(read) = through_codec(Outgoing::Publish(publish(1)), lifetime) else {
            panic!("the codec reads something else");
        };
        let read = read.properties.and_then(|it| it.message_expiry_interval);
        assert_eq!(read, Some(interval), "{millis}");
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

/// What a guest may send with a letter, or a broker with a message.
fn any_own() -> impl Strategy<Value = Option<Arc<Properties>>> {
    let own = (
        prop::option::of("[a-zß]{0,200}"),
        prop::option::of("[a-z/]{1,20}"),
        prop::option::of(prop::collection::vec(any::<u8>(), 0..99)),
        prop::collection::vec(("[a-z]{0,9}", "[a-z]{0,99}"), 0..3),
    );
    let own = own.prop_map(|(content_type, response_topic, data, user)| Properties {
        content_type: content_type.map(Arc::from),
        response_topic: response_topic.map(Arc::from),
        correlation_data: data.map(Payload::new),
        user: user
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()))
            .collect(),
    });
    own.prop_map(|own| Some(own).filter(|own| !own.is_empty()).map(Arc::new))
}

/// What the codec makes of the properties of a letter.
fn own_to_codec(own: Option<&Properties>) -> v5::PublishProperties {
    let Some(own) = own else {
        return v5::PublishProperties::default();
    };
    let text = |text: &Arc<str>| text.to_string();
    let data = own.correlation_data.as_ref();
    v5::PublishProperties {
        content_type: own.content_type.as_ref().map(text),
        response_topic: own.response_topic.as_ref().map(text),
        correlation_data: data.map(|data| Bytes::copy_from_slice(data)),
        user_properties: own
            .user
            .iter()
            .map(|(name, value)| (text(name), text(value)))
            .collect(),
        ..v5::PublishProperties::default()
    }
}

fn to_codec(publish: &Publish, properties: Option<v5::PublishProperties>) -> Packet {
    Packet::Publish(v5::Publish {
        dup: publish.duplicate,
        qos: to_qos(publish.delivery.qos()),
        retain: publish.retain,
        topic: Bytes::copy_from_slice(publish.topic.as_bytes()),
        pkid: publish.delivery.packet_id().map_or(0, PacketId::get),
        payload: Bytes::copy_from_slice(&publish.payload),
        properties,
    })
}

proptest! {
    /// The packet that is read and written by hand, beside the codec that does it
    /// for others.
    #[test]
    fn a_letter_is_to_the_codec_what_it_is_here(
        publish in any_publish(),
        secs in prop::option::of(1..=u32::MAX),
        own in any_own(),
    ) {
        let lifetime = secs.map(|secs| Duration::from_secs(secs.into()));
        let publish = Publish { properties: own, ..publish };
        let mut bytes = BytesMut::new();
        let packet = Outgoing::Publish(publish.clone());
        encode(packet.clone(), lifetime, Topic::Plain, &mut bytes).expect("it is valid");
        let own = publish.properties.as_deref();
        let always = if secs.is_some() { LETTER_PROPERTIES } else { 1 };
        let all = properties_size(always, own.map_or(0, Properties::size));
        let (payload, qos) = (publish.payload.len(), publish.delivery.qos());
        prop_assert_eq!(bytes.len(), publish_size_with(&publish.topic, payload, qos, all));

        let read = through_codec(packet, lifetime);
        let properties = v5::PublishProperties {
            message_expiry_interval: secs,
            ..own_to_codec(own)
        };
        let has_some = secs.is_some() || own.is_some();
        prop_assert_eq!(read, to_codec(&publish, has_some.then_some(properties)));
    }

    #[test]
    fn a_message_is_here_what_it_is_to_the_codec(
        publish in any_publish(),
        own in any_own(),
        secs in prop::option::of(any::<u32>()),
        ids in prop::collection::vec(1..=268_435_455_usize, 0..4),
    ) {
        let publish = Publish {
            properties: own,
            lifetime: secs.map(|secs| Duration::from_secs(secs.into())),
            ..publish
        };
        let properties = v5::PublishProperties {
            message_expiry_interval: secs,
            subscription_identifiers: ids.clone(),
            ..own_to_codec(publish.properties.as_deref())
        };
        let id = |id: usize| SubscriptionId::new(id as u32).expect("not zero");
        let came_for = ids.into_iter().map(id).collect();
        let packet = to_codec(&publish, Some(properties));
        prop_assert_eq!(decode_packet(&packet), Ok(vec![Incoming::Publish(publish, came_for)]));
    }

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

    /// The properties of CONNACK are the codec's to read.
    #[test]
    fn no_connack_makes_it_panic(properties in prop::collection::vec(any::<u8>(), 0..100)) {
        let mut bytes = vec![0x20, properties.len() as u8 + 3, 0, 0, properties.len() as u8];
        bytes.extend(properties);
        let _ = decode(&bytes, 1_000);
    }
}

#[test]
fn what_goes_out_is_what_the_codec_reads() {
    let check = |packet, expect: Packet| assert_eq!(through_codec(packet, None), expect);
    check(
        Outgoing::PubAck(id(3)),
        Packet::PubAck(v5::PubAck::new(3, None)),
    );
    check(
        Outgoing::PubRec(id(3)),
        Packet::PubRec(v5::PubRec::new(3, None)),
    );
    check(
        Outgoing::PubRel(id(3)),
        Packet::PubRel(v5::PubRel::new(3, None)),
    );
    check(
        Outgoing::PubComp(id(3)),
        Packet::PubComp(v5::PubComp::new(3, None)),
    );
    check(Outgoing::PingReq, Packet::PingReq(v5::PingReq));
    let filters = vec![
        ("a/+".into(), Qos::AtMostOnce),
        ("b".into(), Qos::ExactlyOnce),
    ];
    check(
        Outgoing::Subscribe {
            id: id(4),
            filters,
            subscription_id: None,
        },
        Packet::Subscribe(v5::Subscribe {
            pkid: 4,
            filters: vec![
                v5::Filter::new("a/+", QoS::AtMostOnce),
                v5::Filter::new("b", QoS::ExactlyOnce),
            ],
            properties: None,
        }),
    );
    // Without "no local", which a shared subscription must not have [MQTT-3.8.3-4].
    let filter = v5::Filter::new("$share/g/a", QoS::AtLeastOnce);
    assert!(!filter.nolocal);
    check(
        Outgoing::Subscribe {
            id: id(5),
            filters: vec![("$share/g/a".into(), Qos::AtLeastOnce)],
            subscription_id: SubscriptionId::new(MAX_SUBSCRIPTION_ID),
        },
        Packet::Subscribe(v5::Subscribe {
            pkid: 5,
            filters: vec![filter],
            properties: Some(v5::SubscribeProperties {
                id: Some(268_435_455),
                user_properties: Vec::new(),
            }),
        }),
    );
    let mut bytes = BytesMut::new();
    for (reason, expect) in [
        (None, &b"\xe0\x00"[..]),
        (Some(Reason::TOPIC_ALIAS_INVALID), b"\xe0\x01\x94"),
    ] {
        bytes.clear();
        let packet = Outgoing::Disconnect(reason);
        encode(packet, None, Topic::Plain, &mut bytes).expect("it is valid");
        assert_eq!(&bytes[..], expect);
    }
}

#[test]
fn connect_says_who_comes_for_how_long_and_how_much_it_takes() {
    let handshake = Handshake {
        versions: Versions::Only(Version::V5),
        client_id: String::new(),
        session_expiry: Duration::from_secs(86_400),
        keep_alive: Duration::from_secs(60),
        login: None,
        max_packet_size: 1_000,
    };
    let connect = Connect {
        clean_session: false,
        client_id: Some("given".into()),
        will: Some(LastWill {
            topic: "w".into(),
            payload: Payload::new("x"),
            qos: Qos::AtLeastOnce,
            retain: true,
            delay: Duration::from_secs(30),
            properties: None,
        }),
    };
    let mut bytes = BytesMut::new();
    encode_connect(&handshake, &connect, &mut bytes).expect("it is valid");
    let Ok(Packet::Connect(read, will, login)) = Packet::read(&mut bytes, None) else {
        panic!("the codec reads something else");
    };
    assert_eq!((read.keep_alive, &read.client_id[..]), (60, "given"));
    assert!(!read.clean_start && login.is_none());
    let properties = read.properties.expect("there are some");
    assert_eq!(properties.session_expiry_interval, Some(86_400));
    assert_eq!(properties.receive_maximum, None);
    assert_eq!(properties.topic_alias_max, Some(16));
    let will = will.expect("there is one");
    assert_eq!((&will.topic[..], &will.message[..]), (&b"w"[..], &b"x"[..]));
    assert_eq!((will.qos, will.retain), (QoS::AtLeastOnce, true));
    let properties = will.properties.expect("there are some");
    assert_eq!(properties.delay_interval, Some(30));
}

#[test]
fn the_terms_of_the_broker_are_read() {
    let connack = |properties| {
        Packet::ConnAck(v5::ConnAck {
            session_present: true,
            code: v5::ConnectReturnCode::Success,
            properties,
        })
    };
    let none = Incoming::ConnAck {
        session_present: true,
        terms: terms(),
    };
    assert_eq!(decode_packet(&connack(None)), Ok(vec![none]));
    let properties = v5::ConnAckProperties {
        receive_max: Some(20),
        max_qos: Some(1),
        retain_available: Some(0),
        max_packet_size: Some(1_000),
        assigned_client_identifier: Some("given".into()),
        server_keep_alive: Some(0),
        reason_string: Some("because".into()),
        topic_alias_max: Some(10),
        wildcard_subscription_available: Some(0),
        subscription_identifiers_available: Some(0),
        shared_subscription_available: Some(0),
        ..no_properties()
    };
    let terms = Terms {
        receive_maximum: 20,
        max_packet_size: 1_000,
        max_qos: Qos::AtLeastOnce,
        retain_available: false,
        wildcards_available: false,
        shared_available: false,
        subscription_ids_available: false,
        keep_alive: Some(Duration::ZERO),
        client_id: Some("given".into()),
        properties: LETTER_PROPERTIES,
        carries_properties: true,
    };
    let all = Incoming::ConnAck {
        session_present: true,
        terms,
    };
    assert_eq!(decode_packet(&connack(Some(properties))), Ok(vec![all]));
    for wrong in [
        v5::ConnAckProperties {
            receive_max: Some(0),
            ..no_properties()
        },
        v5::ConnAckProperties {
            max_packet_size: Some(0),
            ..no_properties()
        },
        v5::ConnAckProperties {
            max_qos: Some(2),
            ..no_properties()
        },
    ] {
        let read = decode_packet(&connack(Some(wrong)));
        assert!(matches!(read, Err(DecodeError::Violation(_))), "{read:?}");
    }
}

pub(super) fn no_properties() -> v5::ConnAckProperties {
    v5::ConnAckProperties {
        session_expiry_interval: None,
        receive_max: None,
        max_qos: None,
        retain_available: None,
        max_packet_size: None,
        assigned_client_identifier: None,
        topic_alias_max: None,
        reason_string: None,
        user_properties: Vec::new(),
        wildcard_subscription_available: None,
        subscription_identifiers_available: None,
        shared_subscription_available: None,
        server_keep_alive: None,
        response_information: None,
        server_reference: None,
        authentication_method: None,
        authentication_data: None,
    }
}

#[test]
fn a_broker_of_an_older_version_is_told_from_one_that_refuses() {
    let check = |bytes: &[u8], expect| assert_eq!(decode(bytes, 100), Err(expect));
    check(b"\x20\x02\x00\x00", DecodeError::Version);
    check(b"\x20\x02\x00\x01", DecodeError::Version);
    check(b"\x20\x02\x00\x84", DecodeError::Version);
    check(b"\x20\x03\x00\x84\x00", DecodeError::Version);
    check(b"\x20\x02\x00\x05", DecodeError::Refused(5));
    check(b"\x20\x03\x00\x87\x00", DecodeError::Refused(0x87));
    // Not even the codec knows this one.
    check(b"\x20\x03\x00\xfe\x00", DecodeError::Refused(0xfe));
}

#[test]
fn what_the_broker_refuses_is_over_and_has_a_reason() {
    let refused = |delivery, code| {
        let reason = Reason(code);
        Ok(vec![Incoming::Refused { delivery, reason }])
    };
    let (one, two) = (Delivery::AtLeastOnce(id(7)), Delivery::ExactlyOnce(id(7)));
    assert_eq!(
        decode(b"\x40\x02\0\x07", 100),
        Ok(vec![Incoming::PubAck(id(7))])
    );
    // No matching subscribers.
    assert_eq!(
        decode(b"\x40\x03\0\x07\x10", 100),
        Ok(vec![Incoming::PubAck(id(7))])
    );
    assert_eq!(decode(b"\x40\x03\0\x07\x87", 100), refused(one, 0x87));
    assert_eq!(decode(b"\x50\x03\0\x07\x97", 100), refused(two, 0x97));
    let properties = v5::PubAckProperties {
        reason_string: Some("no".into()),
        user_properties: Vec::new(),
    };
    let ack = v5::PubAck {
        reason: v5::PubAckReason::NotAuthorized,
        ..v5::PubAck::new(7, Some(properties))
    };
    assert_eq!(decode_packet(&Packet::PubAck(ack)), refused(one, 0x87));
    assert_eq!(
        decode(b"\x70\x03\0\x07\x92", 100),
        Ok(vec![Incoming::PubComp(id(7))])
    );
    assert_eq!(
        decode(b"\x62\x02\0\x07", 100),
        Ok(vec![Incoming::PubRel(id(7))])
    );
    let suback = v5::SubAck {
        pkid: 7,
        return_codes: vec![
            v5::SubscribeReasonCode::Success(QoS::AtLeastOnce),
            v5::SubscribeReasonCode::NotAuthorized,
        ],
        properties: None,
    };
    let read = Incoming::SubAck {
        id: id(7),
        granted: vec![Ok(Qos::AtLeastOnce), Err(Reason(0x87))],
    };
    assert_eq!(decode_packet(&Packet::SubAck(suback)), Ok(vec![read]));
}

#[test]
fn a_subscribe_has_the_size_that_the_office_takes_it_for() {
    let ids = [1, 127, 128, 16_384, MAX_SUBSCRIPTION_ID].map(SubscriptionId::new);
    for subscription_id in ids.into_iter().chain([None]) {
        for lengths in [&[1][..], &[114, 1], &[130], &[20_000, 7]] {
            let filters: Vec<_> = lengths
                .iter()
                .map(|length| (Arc::from("a".repeat(*length)), Qos::AtLeastOnce))
                .collect();
            let sizes = filters.iter().map(|(filter, _)| filter_size(filter));
            let expect = subscribe_size(sizes.sum(), subscription_id);
            let packet = Outgoing::Subscribe {
                id: id(1),
                filters,
                subscription_id,
            };
            let mut bytes = BytesMut::new();
            encode(packet, None, Topic::Plain, &mut bytes).expect("it is valid");
            assert_eq!(bytes.len(), expect, "{lengths:?} {subscription_id:?}");
        }
    }
}

#[test]
fn who_leaves_ends_the_session() {
    let mut bytes = BytesMut::new();
    encode(Outgoing::Leave, None, Topic::Plain, &mut bytes).expect("it is valid");
    let packet = Packet::read(&mut bytes, None).expect("it is valid");
    let Packet::Disconnect(disconnect) = packet else {
        panic!("{packet:?}");
    };
    assert_eq!(
        disconnect.reason_code,
        v5::DisconnectReasonCode::NormalDisconnection
    );
    let properties = disconnect.properties.expect("it has some");
    assert_eq!(properties.session_expiry_interval, Some(0));
}

#[test]
fn a_disconnect_of_any_length_is_read() {
    for (bytes, reason) in [
        (&b"\xe0\x00"[..], 0),
        (b"\xe0\x01\x8e", 0x8e),
        (b"\xe0\x02\x8b\x00", 0x8b),
        (b"\xe0\x06\x97\x04\x1f\x00\x01x", 0x97),
    ] {
        let expect = Incoming::Disconnect(Reason(reason), None);
        assert_eq!(decode(bytes, 100), Ok(vec![expect]), "{bytes:02x?}");
    }
}

#[test]
fn the_quality_of_service_that_a_refusal_names_is_read() {
    for (bytes, expect) in [
        (&b"\x20\x05\x00\x9b\x02\x24\x00"[..], Some(Qos::AtMostOnce)),
        // Behind a reason string.
        (
            b"\x20\x09\x00\x9b\x06\x1f\x00\x01x\x24\x01",
            Some(Qos::AtLeastOnce),
        ),
        (b"\x20\x05\x00\x9b\x02\x24\x02", None),
        (b"\x20\x03\x00\x9b\x00", None),
    ] {
        let expect = match expect {
            Some(most) => DecodeError::RefusedQos(most),
            None => DecodeError::Refused(0x9b),
        };
        assert_eq!(decode(bytes, 100), Err(expect), "{bytes:02x?}");
    }
    // For other reasons it is of no use.
    let refused = decode(b"\x20\x05\x00\x87\x02\x24\x01", 100);
    assert_eq!(refused, Err(DecodeError::Refused(0x87)));
}

#[test]
fn another_broker_that_is_named_is_read() {
    // Behind a reason string.
    let properties = b"\x0b\x1f\x00\x01x\x1c\x00\x04b:18";
    let disconnect = [b"\xe0\x0d\x9d", &properties[..]].concat();
    let expect = Incoming::Disconnect(Reason(0x9d), Some("b:18".into()));
    assert_eq!(decode(&disconnect, 100), Ok(vec![expect]));
    let connack = [b"\x20\x0e\x00\x9c", &properties[..]].concat();
    let expect = DecodeError::Elsewhere(Reason(0x9c), "b:18".into());
    assert_eq!(decode(&connack, 100), Err(expect));
    // One that cannot be read is none.
    let cut_off = b"\xe0\x05\x9d\x03\x1c\x00\x04";
    assert_eq!(
        decode(cut_off, 100),
        Ok(vec![Incoming::Disconnect(Reason(0x9d), None)])
    );
}

#[test]
fn of_an_oversize_message_only_the_beginning_is_kept() {
    let mut bytes = publish_bytes(1_000);
    let puback = Outgoing::PubAck(id(3));
    encode(puback, None, Topic::Plain, &mut bytes).expect("it is valid");
    let expect = vec![
        Incoming::TooLarge {
            topic: "a/b".into(),
            delivery: Delivery::AtLeastOnce(id(10)),
            size: bytes.len() - 4,
        },
        Incoming::PubAck(id(3)),
    ];
    for piece in [1, 7, 50, 2_000] {
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
        b"\x30\x03\x00\x00\x00",
        "the broker broke a rule of MQTT: a topic name is valid [MQTT-4.7.3-1]",
    );
    check(
        b"\x30\x06\x00\x01a\x02\x0b\x00",
        "the broker broke a rule of MQTT: a subscription identifier is not 0",
    );
    check(
        b"\x30\x06\x00\x01a\x02\x23\x00",
        "the broker sent a malformed packet: a property that is cut off",
    );
    check(
        b"\x30\x06\x00\x01a\x02\x11\x00",
        "the broker sent a malformed packet: a property that a PUBLISH does not have",
    );
    check(
        b"\x30\x04\x00\x01a\x05",
        "the broker sent a malformed packet: properties that are longer than their packet",
    );
    check(
        b"\x20\x01\x00",
        "the broker sent a malformed packet: Packet is malformed",
    );
    check(
        b"\xff\xff\xff\xff\xff",
        "the broker sent a malformed packet: Malformed remaining length",
    );
}
