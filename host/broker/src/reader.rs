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
        let (bytes, rest) = self
            .0
            .split_at_checked(length)
            .ok_or(Violation::Malformed)?;
        self.0 = rest;
        Ok(bytes)
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
