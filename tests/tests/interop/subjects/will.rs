//! What the broker says when the gateway is gone.

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let wills = site.subscribe("wills/+", 1);
    let will = |topic| {
        let gateway = site
            .gateway(Transport::Tcp)
            .config(&format!("client-id = {topic:?}"))
            .config(&format!(
                "[last-will]\ntopic = {topic:?}\npayload = \"gone\""
            ))
            .start();
        gateway.log.wait_for("online");
        gateway
    };
    let mut polite = will("wills/polite");
    polite.signal("TERM");
    assert_eq!(polite.wait().code(), Some(0));
    let mut killed = will("wills/killed");
    killed.signal("KILL");
    killed.wait();
    wills.wait_for_message("wills/killed 0 gone");
    assert_eq!(wills.messages().len(), 1, "DISCONNECT takes the will back");
    Ok(())
}
