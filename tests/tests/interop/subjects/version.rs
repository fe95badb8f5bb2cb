//! Which version of MQTT is spoken.

use crate::brokers::Transport;
use crate::case::{Case, Skipped};

const FALLS_BACK: &str = "did not accept MQTT 5, so 3.1.1 is tried";

pub(crate) fn check(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let speaks_5 = case.broker.speaks_5;
    let either = site
        .gateway(Transport::Tcp)
        .env("JACKALOPE_VERSION", "auto")
        .start();
    either.log.wait_for("online");
    assert_eq!(either.log.count(FALLS_BACK), usize::from(!speaks_5));

    let only_5 = site.gateway(Transport::Tcp).start();
    if speaks_5 {
        only_5.log.wait_for("online");
    } else {
        only_5.log.wait_for("offline");
    }
    Ok(())
}
