//! The connection in its states.

use crate::office::{Connect, Time};
use crate::wire::Transport;

/// The connection to the broker.
#[derive(Debug)]
pub(super) enum Connection {
    /// There is none.
    None,
    /// It is being made.
    Dialing(Connect),
    /// It carries packets.
    Open(Box<Transport>),
    /// The post office is done with it: what was begun goes out, then DISCONNECT.
    Closing(Box<Transport>, Closing),
}

/// The end of a connection in good order.
#[derive(Debug)]
pub(super) struct Closing {
    /// When it ends by a reset.
    pub(super) until: Time,
    /// Whether the peer was told that nothing more is written.
    pub(super) is_shut: bool,
}

impl Closing {
    pub(super) fn until(until: Time) -> Self {
        Self {
            until,
            is_shut: false,
        }
    }
}

impl Connection {
    pub(super) fn transport(&self) -> Option<&Transport> {
        match self {
            Self::Open(transport) | Self::Closing(transport, _) => Some(transport),
            Self::None | Self::Dialing(_) => None,
        }
    }

    pub(super) fn transport_mut(&mut self) -> Option<&mut Transport> {
        match self {
            Self::Open(transport) | Self::Closing(transport, _) => Some(transport),
            Self::None | Self::Dialing(_) => None,
        }
    }

    pub(super) fn next_timeout(&self) -> Option<Time> {
        let transport = self.transport();
        let output = transport.and_then(|transport| transport.output().next_timeout());
        let closing = match self {
            Self::Closing(_, closing) => Some(closing.until),
            _ => None,
        };
        [output, closing].into_iter().flatten().min()
    }
}
