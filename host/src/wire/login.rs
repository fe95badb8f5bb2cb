//! Who the gateway is to the broker.

use std::fmt;

/// A user name, with a password or not. Prints without the password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// At most 65,535 bytes, without null characters.
    pub user_name: String,
    /// None sends the user name alone.
    pub password: Option<Secret>,
}

/// A text that no log shows, at most 65,535 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// The longest there is, in bytes: its length goes over the wire in two.
    pub const MAX: usize = u16::MAX as usize;

    /// The secret that is this text, if it is not too long.
    pub fn new(text: String) -> Option<Self> {
        (text.len() <= Self::MAX).then_some(Self(text))
    }

    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}
