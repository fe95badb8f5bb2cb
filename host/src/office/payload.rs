//! The content of a message.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

/// Up to so many bytes are copied: less work than keeping what held them, and
/// a small message does not hold on to the buffer that it was read into.
const COPIED: usize = 1_024;

/// The content of a message: shared bytes. Small ones are copied once, when the
/// payload is made; larger ones never on their way between socket, post office
/// and guest. Prints as its length, so that no payload finds its way into a log.
#[derive(Clone)]
pub struct Payload(Bytes);

#[derive(Clone)]
enum Bytes {
    Copied(Arc<[u8]>),
    /// Boxed, so that a payload is not larger for the sake of the rare large one.
    Held(Arc<Box<dyn AsRef<[u8]> + Send + Sync>>),
}

impl Payload {
    /// Takes over whatever holds the bytes.
    pub fn new(bytes: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let slice = bytes.as_ref();
        Self(if slice.len() <= COPIED {
            Bytes::Copied(slice.into())
        } else {
            Bytes::Held(Arc::new(Box::new(bytes)))
        })
    }
}

impl From<&[u8]> for Payload {
    /// Copies the bytes, once and whatever their number.
    fn from(bytes: &[u8]) -> Self {
        Self(Bytes::Copied(bytes.into()))
    }
}

impl AsRef<[u8]> for Payload {
    fn as_ref(&self) -> &[u8] {
        match &self.0 {
            Bytes::Copied(bytes) => bytes,
            Bytes::Held(bytes) => bytes.as_ref().as_ref().as_ref(),
        }
    }
}

impl Deref for Payload {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_ref()
    }
}

impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Payload {}

impl fmt::Debug for Payload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_payload_is_the_same_however_it_is_held() {
        for length in [0, 1, COPIED, COPIED + 1] {
            let bytes: Vec<u8> = (0..length).map(|n| n as u8).collect();
            let payload = Payload::new(bytes.clone());
            assert_eq!(*payload, *bytes);
            assert_eq!(payload.clone(), payload);
            assert_eq!(Payload::from(&*bytes), payload);
            assert_eq!(format!("{payload:?}"), format!("{length} bytes"));
        }
        assert_eq!(size_of::<Payload>(), 2 * size_of::<usize>());
    }

    #[test]
    fn large_bytes_stay_where_they_are() {
        let bytes = vec![7; COPIED + 1];
        let address = bytes.as_ptr();
        assert_eq!(Payload::new(bytes).as_ptr(), address);
    }
}
