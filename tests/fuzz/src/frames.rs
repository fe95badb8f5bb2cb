//! Packets as far as both versions have them in common: a type, a length, and for
//! some of them an id.

/// One packet.
#[derive(Debug, Clone, Copy)]
pub struct Frame<'a> {
    /// The first byte: type and flags.
    pub first: u8,
    /// What comes after the length.
    pub body: &'a [u8],
}

impl Frame<'_> {
    /// The number of its type (section 2.1.2).
    pub fn kind(self) -> u8 {
        self.first >> 4
    }

    /// The id of a PUBLISH of QoS 1 or 2, of its acknowledgements, or of a
    /// subscription.
    pub fn id(self) -> Option<[u8; 2]> {
        let offset = match self.kind() {
            3 if self.first & 0b110 == 0 => return None,
            3 => 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]])),
            4..=10 => 0,
            _ => return None,
        };
        Some([self.body[offset], self.body[offset + 1]])
    }

    /// What a PUBLISH carries whose properties take no more than 127 bytes.
    pub fn payload(&self, is_v5: bool) -> &[u8] {
        let topic = 2 + usize::from(u16::from_be_bytes([self.body[0], self.body[1]]));
        let id = if self.first & 0b110 == 0 { 0 } else { 2 };
        let rest = &self.body[topic + id..];
        match is_v5 {
            true => &rest[1 + usize::from(rest[0])..],
            false => rest,
        }
    }

    /// How many filters a SUBSCRIBE has.
    pub fn filters(self, is_v5: bool) -> usize {
        let mut rest = &self.body[2..];
        if is_v5 {
            // Properties of no more than 127 bytes: an identifier of the subscription.
            rest = &rest[1 + usize::from(rest[0])..];
        }
        let mut count = 0;
        while let [high, low, after @ ..] = rest {
            rest = &after[usize::from(u16::from_be_bytes([*high, *low])) + 1..];
            count += 1;
        }
        count
    }
}

/// Takes the first packet from bytes, if all of it is there.
///
/// # Panics
/// No packet begins like this.
pub fn take<'a>(bytes: &mut &'a [u8]) -> Option<Frame<'a>> {
    let (&first, mut rest) = bytes.split_first()?;
    let mut length = 0;
    for place in 0.. {
        assert!(place < 4, "a length of more than four bytes");
        let (&byte, after) = rest.split_first()?;
        rest = after;
        length |= usize::from(byte & 0x7f) << (7 * place);
        if byte & 0x80 == 0 {
            break;
        }
    }
    let (body, rest) = rest.split_at_checked(length)?;
    *bytes = rest;
    Some(Frame { first, body })
}
