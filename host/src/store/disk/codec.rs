//! Numbers, bytes and texts, as they stand in the files of a store.

use std::time::Duration;

/// Appends a number: seven bits a byte, the lowest first, with the eighth set in all
/// but the last.
pub(super) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push(number as u8 | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Appends bytes, or a text, behind their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: impl AsRef<[u8]>) {
    let bytes = bytes.as_ref();
    put_number(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

/// Appends a yes or no, and with yes what it is about.
pub(super) fn put_option<T>(
    out: &mut Vec<u8>,
    option: Option<T>,
    put: impl FnOnce(&mut Vec<u8>, T),
) {
    out.push(option.is_some().into());
    if let Some(value) = option {
        put(out, value);
    }
}

pub(super) fn put_duration(out: &mut Vec<u8>, duration: Duration) {
    put_number(out, duration.as_secs());
    put_number(out, duration.subsec_nanos().into());
}

/// Reads what was put. None: that is not what stands there.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reader<'a>(pub(super) &'a [u8]);

impl<'a> Reader<'a> {
    pub(super) fn is_at_end(self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*byte)
    }

    pub(super) fn bool(&mut self) -> Option<bool> {
        match self.byte()? {
            0 => Some(false),
            1 => Some(true),
            _ => None,
        }
    }

    pub(super) fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    /// Any number that its type holds.
    pub(super) fn number<T: TryFrom<u64>>(&mut self) -> Option<T> {
        let mut number = 0_u64;
        for shift in (0..u64::BITS).step_by(7) {
            let byte = self.byte()?;
            let bits = u64::from(byte & 0x7F);
            number |= bits << shift;
            if bits << shift >> shift != bits {
                return None;
            }
            if byte < 0x80 {
                return number.try_into().ok();
            }
        }
        None
    }

    /// A number that grows by one at a time. None gets near the end of its type, and so
    /// whoever goes on with it can add to it.
    pub(super) fn counter(&mut self) -> Option<u64> {
        self.number().filter(|number| *number <= u64::MAX / 2)
    }

    /// So many bytes.
    pub(super) fn take(&mut self, length: usize) -> Option<&'a [u8]> {
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    pub(super) fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = self.number()?;
        self.take(length)
    }

    pub(super) fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub(super) fn duration(&mut self) -> Option<Duration> {
        let (seconds, nanos) = (self.number()?, self.number()?);
        (nanos < 1_000_000_000).then(|| Duration::new(seconds, nanos))
    }

    pub(super) fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Option<Option<T>> {
        Some(match self.bool()? {
            true => Some(read(self)?),
            false => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back() {
        let edges = (0..64).flat_map(|bits| [(1_u64 << bits) - 1, 1 << bits]);
        for number in edges.chain([u64::MAX]) {
            let mut out = Vec::new();
            put_number(&mut out, number);
            let mut reader = Reader(&out);
            assert_eq!(reader.number(), Some(number));
            assert!(reader.is_at_end());
            for end in 0..out.len() {
                assert_eq!(Reader(&out[..end]).number::<u64>(), None);
            }
        }
    }

    #[test]
    fn what_no_type_holds_is_not_read() {
        let mut out = vec![0xFF; 9];
        out.push(2);
        assert_eq!(Reader(&out).number::<u64>(), None);
        assert_eq!(Reader(&[0x80; 12]).number::<u64>(), None);
        assert_eq!(Reader(&[0x80, 2]).number::<u8>(), None);
        assert_eq!(Reader(&[2]).bool(), None);
        assert_eq!(Reader(&[1, 0xFF]).text(), None);
        assert_eq!(Reader(&[2, b'a']).bytes(), None);
    }
}
