//! The fields of a packet, one after the other.

use super::violation::Violation;

/// What is left to read of a packet.
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn u8(&mut self) -> Result<u8, Violation> {
        let (first, rest) = self.0.split_first().ok_or(Violation::Malformed)?;
        self.0 = rest;
        Ok(*first)
    }

    pub(super) fn u16(&mut self) -> Result<u16, Violation> {
        Ok(u16::from_be_bytes([self.u8()?, self.u8()?]))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Violation> {
        Ok(u32::from(self.u16()?) << 16 | u32::from(self.u16()?))
    }

    /// A number of one to four bytes, as MQTT 5 has them.
    pub(super) fn varint(&mut self) -> Result<u32, Violation> {
        let mut number = 0;
        for place in 0..4 {
            let byte = self.u8()?;
            number |= u32::from(byte & 0x7f) << (7 * place);
            if byte & 0x80 == 0 {
                // [MQTT-1.5.5-1]
                if byte == 0 && place > 0 {
                    return Err(Violation::Malformed);
                }
                return Ok(number);
            }
        }
        Err(Violation::Malformed)
    }

    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Result<&'a [u8], Violation> {
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Violation::Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    /// A packet id, which is never 0 ([MQTT-2.3.1-1]).
    pub(super) fn packet_id(&mut self) -> Result<u16, Violation> {
        match self.u16()? {
            0 => Err(Violation::PacketIdZero),
            id => Ok(id),
        }
    }

    /// Bytes that are preceded by their length.
    pub(super) fn bytes(&mut self) -> Result<&'a [u8], Violation> {
        let length = usize::from(self.u16()?);
        self.take(length)
    }

    /// A text (section 1.5.3).
    pub(super) fn text(&mut self) -> Result<&'a str, Violation> {
        let text = str::from_utf8(self.bytes()?).map_err(|_| Violation::NotUtf8)?;
        if text.contains('\0') {
            return Err(Violation::NullCharacter);
        }
        Ok(text)
    }

    /// The end of the packet.
    pub(super) fn end(&self) -> Result<(), Violation> {
        if self.is_empty() {
            Ok(())
        } else {
            Err(Violation::Malformed)
        }
    }
}
