//! The main promise, by the door of the documentation.

use crate::{DOOR, GatewayOptions, Mosquitto, Proxy};

/// A command that the network did not carry in time is never sent.
#[track_caller]
pub fn check_no_command_comes_late(broker: &Mosquitto, network: &Proxy, gateway: GatewayOptions) {
    let gateway = gateway
        .guest("door", DOOR, &["doors/+/request"], "")
        .start();
    gateway.log.wait_for("subscribed filter=doors/+/request");
    let commands = broker.subscribe("doors/+/command", 1);
    let statuses = broker.subscribe("doors/+/status", 1);

    network.allow(0);
    broker.publish_with(&["-t", "doors/front/request", "-m", r#"{"action":"unlock"}"#]);
    gateway.log.wait_for("letters expired");
    network.cut();
    network.restore();
    statuses.wait_for_message(r#"doors/front/status 0 {"action":"unlock","outcome":"expired"}"#);
    assert_eq!(commands.messages(), [""; 0]);
}
