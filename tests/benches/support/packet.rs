//! As much of MQTT 3.1.1 and MQTT 5 as a peer needs, and as cheap as it can be: nothing is
//! copied and nothing is allocated.

/// A packet that has arrived.
#[derive(Debug)]
pub(crate) enum Packet<'a> {
    /// CONNECT: whether it is one of MQTT 5.
    Connect(bool),
    /// SUBSCRIBE: the packet id, and the filters with their quality of service.
    Subscribe(u16, &'a [u8]),
    /// SUBACK.
    SubAck,
    /// PUBLISH.
    Publish(Publish<'a>),
    /// PUBREC.
    PubRec(u16),
    /// PUBREL.
    PubRel(u16),
    /// PINGREQ.
    PingReq,
    /// What calls for no answer.
    Other,
}

/// A PUBLISH that has arrived.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Publish<'a> {
    /// 0 to 2.
    pub(crate) qos: u8,
    /// Its topic.
    pub(crate) topic: &'a [u8],
    /// The packet id; 0 with QoS 0.
    pub(crate) id: u16,
    /// Its payload.
    pub(crate) payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// The packet that these bytes begin with and how many they are, if all of
    /// it is there.
    pub(crate) fn first(bytes: &'a [u8], is_v5: bool) -> Option<(Self, usize)> {
        let (length, begin) = remaining_length(bytes)?;
        let body = bytes.get(begin..begin + length)?;
        let packet = match bytes[0] >> 4 {
            1 => Self::Connect(body[6] == 5),
            3 => Self::Publish(Publish::parse(bytes[0] >> 1 & 3, body, is_v5)),
            5 => Self::PubRec(number(body)),
            6 => Self::PubRel(number(body)),
            8 => Self::Subscribe(number(body), &body[2 + properties(&body[2..], is_v5)..]),
            9 => Self::SubAck,
            12 => Self::PingReq,
            _ => Self::Other,
        };
        Some((packet, begin + length))
    }
}

impl<'a> Publish<'a> {
    fn parse(qos: u8, body: &'a [u8], is_v5: bool) -> Self {
        let (topic, rest) = body[2..].split_at(usize::from(number(body)));
        let (id, payload) = match qos {
            0 => (0, rest),
            _ => (number(rest), &rest[2..]),
        };
        let payload = &payload[properties(payload, is_v5)..];
        Self {
            qos,
            topic,
            id,
            payload,
        }
    }

    /// The number that its payload begins with.
    pub(crate) fn number(&self) -> Option<u32> {
        let digits = std::str::from_utf8(self.payload.get(..DIGITS)?).ok()?;
        u32::from_str_radix(digits, 16).ok()
    }
}

/// The value of the "remaining length" field and where it ends.
fn remaining_length(bytes: &[u8]) -> Option<(usize, usize)> {
    let mut length = 0;
    for at in 1..=4 {
        let byte = *bytes.get(at)?;
        length |= usize::from(byte & 0x7f) << (7 * (at - 1));
        if byte < 0x80 {
            return Some((length, at + 1));
        }
    }
    panic!("a malformed remaining length")
}

/// How many bytes of MQTT 5's properties these begin with.
fn properties(bytes: &[u8], is_v5: bool) -> usize {
    assert!(!is_v5 || bytes[0] < 0x80, "few properties");
    if is_v5 { 1 + usize::from(bytes[0]) } else { 0 }
}

fn number(bytes: &[u8]) -> u16 {
    u16::from_be_bytes([bytes[0], bytes[1]])
}

/// A payload begins with its number, as so many hexadecimal digits.
pub(crate) const DIGITS: usize = 8;

/// PUBLISH packets that differ in nothing but their number and packet id:
/// encoded once, and stamped each.
#[derive(Debug)]
pub(crate) struct Template {
    bytes: Vec<u8>,
    id_at: Option<usize>,
    number_at: usize,
}

impl Template {
    /// Payloads are text without line breaks, of this many bytes.
    pub(crate) fn new(topic: &str, qos: u8, payload: usize, is_v5: bool) -> Self {
        assert!(payload >= DIGITS, "the number fits in");
        let id = if qos == 0 { 0 } else { 2 };
        // MQTT 5 says that there are no properties.
        let between = id + usize::from(is_v5);
        let mut bytes = head(3 << 4 | qos << 1, 2 + topic.len() + between + payload);
        append_text(topic, &mut bytes);
        let id_at = (qos > 0).then_some(bytes.len());
        let number_at = bytes.len() + between;
        bytes.resize(number_at, 0);
        bytes.resize(number_at + payload, b'x');
        Self {
            bytes,
            id_at,
            number_at,
        }
    }

    /// Appends number so-and-so.
    pub(crate) fn append(&self, number: u32, output: &mut Vec<u8>) {
        let begin = output.len();
        output.extend_from_slice(&self.bytes);
        let bytes = &mut output[begin..];
        if let Some(at) = self.id_at {
            // Free long before it comes around: the window is far smaller.
            let id = (number % 60_000) as u16 + 1;
            bytes[at..at + 2].copy_from_slice(&id.to_be_bytes());
        }
        let digits = &mut bytes[self.number_at..self.number_at + DIGITS];
        for (at, digit) in digits.iter_mut().enumerate() {
            *digit = b"0123456789abcdef"[(number >> (28 - 4 * at)) as usize & 15];
        }
    }
}

/// A PUBLISH of QoS 0.
pub(crate) fn publish(topic: &str, retain: bool, payload: &[u8]) -> Vec<u8> {
    let mut bytes = head(3 << 4 | u8::from(retain), 2 + topic.len() + payload.len());
    append_text(topic, &mut bytes);
    bytes.extend_from_slice(payload);
    bytes
}

/// A CONNECT with a clean session, no client id and no keep-alive.
pub(crate) fn connect() -> Vec<u8> {
    b"\x10\x0c\x00\x04MQTT\x04\x02\x00\x00\x00\x00".to_vec()
}

/// A CONNACK that accepts.
pub(crate) fn connack(is_v5: bool) -> &'static [u8] {
    if is_v5 {
        &[2 << 4, 3, 0, 0, 0]
    } else {
        &[2 << 4, 2, 0, 0]
    }
}

/// A PINGRESP.
pub(crate) const PINGRESP: [u8; 2] = [13 << 4, 0];

/// A SUBSCRIBE with QoS 2.
pub(crate) fn subscribe(filter: &str) -> Vec<u8> {
    let mut bytes = head(8 << 4 | 2, 2 + 2 + filter.len() + 1);
    bytes.extend_from_slice(&[0, 1]);
    append_text(filter, &mut bytes);
    bytes.push(2);
    bytes
}

/// A SUBACK that grants what was asked for.
pub(crate) fn append_suback(id: u16, mut filters: &[u8], is_v5: bool, output: &mut Vec<u8>) {
    let mut codes = Vec::new();
    while !filters.is_empty() {
        let (_, rest) = filters[2..].split_at(usize::from(number(filters)));
        // Less the options of MQTT 5.
        codes.push(rest[0] & 3);
        filters = &rest[1..];
    }
    let properties: &[u8] = if is_v5 { &[0] } else { &[] };
    output.extend_from_slice(&head(9 << 4, 2 + properties.len() + codes.len()));
    output.extend_from_slice(&id.to_be_bytes());
    output.extend_from_slice(properties);
    output.extend_from_slice(&codes);
}

/// The first bytes of packets that are nothing but an id.
pub(crate) const PUBACK: u8 = 4 << 4;
pub(crate) const PUBREC: u8 = 5 << 4;
pub(crate) const PUBREL: u8 = 6 << 4 | 2;
pub(crate) const PUBCOMP: u8 = 7 << 4;

/// One of these packets.
pub(crate) fn append_answer(head: u8, id: u16, output: &mut Vec<u8>) {
    let [high, low] = id.to_be_bytes();
    output.extend_from_slice(&[head, 2, high, low]);
}

fn head(first: u8, mut length: usize) -> Vec<u8> {
    let mut bytes = vec![first];
    while length >= 0x80 {
        bytes.push(length as u8 & 0x7f | 0x80);
        length >>= 7;
    }
    bytes.push(length as u8);
    bytes
}

fn append_text(text: &str, bytes: &mut Vec<u8>) {
    let length = u16::try_from(text.len()).expect("topics are short");
    bytes.extend_from_slice(&length.to_be_bytes());
    bytes.extend_from_slice(text.as_bytes());
}
