//! A guest that names the last will of the session, and does nothing else.

use bindings::exports::jackalope::gateway::handler::{Guest as Handler, IncomingMessage, Verdict};
use bindings::exports::jackalope::gateway::will::{Guest as Will, WillMessage};
use bindings::jackalope::gateway::types::{ConnectionStatus, Qos};

mod bindings {
    #![allow(unsafe_code)]

    use super::Gone;

    wit_bindgen::generate!({
        path: ["../../../wit", "../wit"],
        world: "tests:guests/with-will",
        generate_all,
    });
    export!(Gone);
}

struct Gone;

impl Will for Gone {
    fn last_will() -> Option<WillMessage> {
        Some(WillMessage {
            topic: "wills/guest".to_string(),
            payload: b"gone".to_vec(),
            qos: Qos::AtLeastOnce,
            retain: true,
            delay_s: 0,
            properties: None,
        })
    }
}

impl Handler for Gone {
    fn connection(_status: ConnectionStatus) {}

    fn message(_message: IncomingMessage) -> Result<(), Verdict> {
        Ok(())
    }
}
