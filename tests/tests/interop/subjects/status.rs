//! What the gateway says of itself: to be told right before DISCONNECT is to be told.

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let watcher = site.subscribe("statuses/+", 1);
    let gateway = |topic: &str| {
        // What a broker makes of retained messages is another subject.
        let gateway = site
            .gateway(Transport::Tcp)
            .config(&format!("client-id = {topic:?}"))
            .config("[status]\ntopic = \"statuses/{client-id}\"\nretain = false")
            .start();
        watcher.wait_for_message(&format!("statuses/{topic} 0 online"));
        gateway
    };
    let mut polite = gateway("polite");
    polite.signal("TERM");
    assert_eq!(polite.wait().code(), Some(0));
    watcher.wait_for_message("statuses/polite 0 offline");
    let mut killed = gateway("killed");
    killed.signal("KILL");
    killed.wait();
    watcher.wait_for_message("statuses/killed 0 offline");
    assert_eq!(watcher.messages().len(), 4, "each is said once");
    Ok(())
}
