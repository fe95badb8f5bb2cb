//! Messages that the broker keeps, for the gateway and from it.

use jackalope_tests::DOOR;

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let filter = if case.broker.keeps_for_wildcards {
        "doors/+/request"
    } else {
        "doors/front/request"
    };
    site.publish_with(&["-r", "-q", "1", "-t", "doors/front/request", "-m", "kept"]);
    let gateway = site
        .gateway(Transport::Tcp)
        .guest("door", DOOR, &[filter], "")
        .start();
    // The door tells those that were kept from others.
    gateway.log.wait_for("a request must not be retained");

    let live = site.subscribe("doors/front/status", 1);
    site.publish("doors/front/request", 1, r#"{"action":"unlock"}"#);
    let status = r#"{"action":"unlock","outcome":"delivered"}"#;
    live.wait_for_message(&format!("doors/front/status 0 {status}"));
    let late = site.subscribe("doors/front/status", 1);
    late.wait_for_message(&format!("doors/front/status 1 {status}"));

    for topic in ["doors/front/request", "doors/front/status"] {
        site.publish_with(&["-r", "-q", "1", "-t", topic, "-n"]);
    }
    Ok(())
}
