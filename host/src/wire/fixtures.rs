//! What the tests of several layers begin a connection with.

use std::time::Duration;

use super::{Handshake, Version, Versions};
use crate::office::Connect;

pub(super) fn handshake() -> Handshake {
    Handshake {
        versions: Versions::Only(Version::V4),
        session_expiry: Duration::ZERO,
        client_id: "gateway".into(),
        keep_alive: Duration::from_secs(60),
        login: None,
        max_packet_size: 1 << 20,
    }
}

pub(super) fn connect() -> Connect {
    Connect {
        clean_session: true,
        client_id: None,
        will: None,
    }
}
