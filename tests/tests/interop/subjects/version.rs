//! Which version of MQTT is spoken.

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let only_5 = site
        .gateway(Transport::Tcp)
        .config("client-id = \"only-5\"")
        .start();
    let either = site
        .gateway(Transport::Tcp)
        .env("JACKALOPE_VERSION", "auto")
        .start();
    let broker = case.broker;
    let (word, way_to_3_1_1) = match (broker.speaks_5, broker.is_silent_at_5) {
        (true, _) => (" online ", None),
        (_, true) => ("offline", Some("no answer from the broker within 20 s")),
        _ => ("offline", Some("did not accept MQTT 5, so 3.1.1 is tried")),
    };
    only_5.log.wait_for(word);
    either.log.wait_for(" online ");
    let tries = either.log.count("offline") + either.log.count("so 3.1.1 is tried");
    assert_eq!(tries, usize::from(!broker.speaks_5));
    if let Some(way) = way_to_3_1_1 {
        either.log.wait_for(way);
    }
    Ok(())
}
