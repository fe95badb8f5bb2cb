//! What the gateway may not publish, and not subscribe to.

use jackalope_tests::ECHO;

use crate::brokers::{FORBIDDEN, Forbidden, Transport, Version};
use crate::case::{Case, Skipped, wait_for_lines_in_order};

pub(crate) fn check_topic(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let echoes = site.subscribe("echo/out/+", 1);
    let gateway = site
        .gateway(Transport::Tcp)
        .guest("guilty", ECHO, &["echo/post"], "")
        .guest("innocent", ECHO, &["echo/in/+"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/in/+");
    site.publish("echo/post", 1, &format!("qos=1 topic={FORBIDDEN}/out"));
    let becomes = match case.version {
        Version::V5 => Forbidden::Refuses,
        Version::V311 => case.broker.forbidden_letter,
    };
    let line = match becomes {
        Forbidden::Refuses => "a letter is refused: the broker says: not authorized (0x87)",
        Forbidden::HangsUp => "refused: the broker hung up each time it was sent this letter",
        Forbidden::Swallows => "letter delivered",
    };
    gateway.log.wait_for(line);
    if becomes == Forbidden::HangsUp {
        let after = [line, "offline", "subscribed filter=echo/in/+"];
        wait_for_lines_in_order(&gateway, &after);
    } else {
        assert_eq!(gateway.log.count("offline"), 0, "the session has held");
    }
    // And the other guest goes on.
    site.publish("echo/in/x", 1, "allowed");
    echoes.wait_for_message("echo/out/x 0 allowed");
    Ok(())
}

pub(crate) fn check_subscription(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let echoes = site.subscribe("echo/out/+", 1);
    let filter = format!("{FORBIDDEN}/in");
    let gateway = site
        .gateway(Transport::Tcp)
        .guest("echo", ECHO, &[&filter, "echo/in/+"], "")
        .start();
    let hangs_up = case.broker.forbidden_subscription == Forbidden::HangsUp;
    let served = "subscribed filter=echo/in/+";
    if hangs_up {
        let line = "the broker hung up each time it was sent this subscription";
        let refused = format!("{line} filter={filter}");
        wait_for_lines_in_order(&gateway, &[&refused, "online", served]);
    } else {
        let refused = format!("the broker refused the subscription filter={filter}");
        gateway.log.wait_for(&refused);
        gateway.log.wait_for(served);
    }
    site.publish("echo/in/x", 1, "allowed");
    echoes.wait_for_message("echo/out/x 0 allowed");
    if !hangs_up {
        assert_eq!(gateway.log.count("offline"), 0, "the session has held");
    }
    Ok(())
}
