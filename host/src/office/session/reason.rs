//! Why the broker refuses something, or ends the connection.

use std::fmt;

use crate::office::Refused;

/// A reason code of MQTT 5 (section 2.4). Displays in words, with its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reason(pub u8);

/// What may help after a connection was refused or ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Remedy {
    /// The next try, as always.
    TryAgain,
    /// Some patience: the broker has too much to do, or ends.
    Patience,
    /// Nothing that the gateway could do: what has ended the connection would end
    /// the next one as well, or the gateway the other's.
    Stranger,
}

impl Reason {
    /// The broker does not say why, as with MQTT 3.1.1.
    pub const UNSPECIFIED: Self = Self(0x80);
    /// What was sent is no packet.
    pub const MALFORMED: Self = Self(0x81);
    /// What was sent breaks a rule.
    pub const PROTOCOL_ERROR: Self = Self(0x82);
    /// A topic alias is none, or stands for nothing.
    pub const TOPIC_ALIAS_INVALID: Self = Self(0x94);
    /// A packet is larger than the broker takes.
    pub const TOO_LARGE: Self = Self(0x95);
    /// The broker does not speak this version of MQTT.
    pub const UNSUPPORTED_VERSION: Self = Self(0x84);
    /// The broker retains nothing.
    pub const RETAIN_NOT_SUPPORTED: Self = Self(0x9a);
    /// The broker takes no such quality of service.
    pub const QOS_NOT_SUPPORTED: Self = Self(0x9b);
    /// The broker allows no shared subscriptions.
    pub const SHARED_UNAVAILABLE: Self = Self(0x9e);
    /// The broker allows no wildcards in subscriptions.
    pub const WILDCARDS_UNAVAILABLE: Self = Self(0xa2);
    /// A limit of the broker is reached, for the moment.
    pub const QUOTA_EXCEEDED: Self = Self(0x97);

    /// From here on a reason code is one of refusal.
    pub const FIRST_REFUSAL: u8 = 0x80;

    /// Returns whether a letter may be accepted later that is refused now.
    pub(super) fn is_for_now(self) -> bool {
        self == Self::QUOTA_EXCEEDED
    }

    /// What a guest is told whose letter is refused for this reason.
    pub(super) const fn to_guest(self) -> Refused {
        match self.0 {
            0x87 => Refused::NotAuthorized,
            0x90 => Refused::Topic,
            0x95 => Refused::TooLarge,
            0x99 => Refused::Payload,
            0x9a => Refused::Retain,
            0x9b => Refused::Qos,
            _ => Refused::Unspecified,
        }
    }

    /// Returns whether something that the gateway has sent may be why the
    /// connection has ended.
    pub(super) const fn may_be_a_letter(self) -> bool {
        matches!(
            self.0,
            0x80..=0x83 | 0x87 | 0x8f | 0x90 | 0x94 | 0x95 | 0x99..=0x9b | 0x9e | 0xa1 | 0xa2
        )
    }

    /// Returns whether a CONNECT can be refused for this reason for its last will
    /// alone, if it has one.
    pub(super) const fn is_about_the_will(self) -> bool {
        matches!(self.0, 0x90 | 0x95 | 0x99..=0x9b)
    }

    pub(super) const fn remedy(self) -> Remedy {
        match self.0 {
            0x8e | 0x9d => Remedy::Stranger,
            0x88 | 0x89 | 0x8b | 0x93 | 0x96 | 0x97 | 0x98 | 0x9c | 0x9f => Remedy::Patience,
            _ => Remedy::TryAgain,
        }
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match self.0 {
            0x81 => "malformed packet",
            0x82 => "protocol error",
            0x83 => "a reason of this broker alone",
            0x84 => "unsupported protocol version",
            0x85 => "client id not valid",
            0x86 => "bad user name or password",
            0x87 => "not authorized",
            0x88 => "server unavailable",
            0x89 => "server busy",
            0x8a => "banned",
            0x8b => "server shutting down",
            0x8c => "bad authentication method",
            0x8d => "keep-alive timeout",
            0x8e => "session taken over",
            0x8f => "topic filter not accepted",
            0x90 => "topic name not accepted",
            0x91 => "packet id in use",
            0x92 => "packet id not found",
            0x93 => "receive maximum exceeded",
            0x94 => "topic alias not valid",
            0x95 => "packet too large",
            0x96 => "message rate too high",
            0x97 => "quota exceeded",
            0x98 => "administrative action",
            0x99 => "payload format not valid",
            0x9a => "retain not supported",
            0x9b => "quality of service not supported",
            0x9c => "use another server",
            0x9d => "server moved",
            0x9e => "shared subscriptions not supported",
            0x9f => "connection rate exceeded",
            0xa0 => "maximum connect time",
            0xa1 => "subscription identifiers not supported",
            0xa2 => "wildcard subscriptions not supported",
            0x80.. => "unspecified error",
            _ => "no reason given",
        };
        write!(f, "{words} (0x{:02x})", self.0)
    }
}
