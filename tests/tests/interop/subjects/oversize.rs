//! Packets that are large, and too large for one side.

use jackalope_tests::{BURST, ECHO};

use crate::brokers::{Transport, Version};
use crate::case::{Case, Skipped};

/// Every broker takes that much.
const LARGE: usize = 200_000;

pub(crate) fn check_large(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let done = site.subscribe("burst/done", 0);
    let gateway = site
        .gateway(Transport::Tcp)
        .guest("burst", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=burst/start");
    for (bursts, qos) in (1..).zip([0, 1, 2]) {
        let order = format!("count=5 window=2 qos={qos} size={LARGE}");
        site.publish("burst/start", 1, &order);
        assert_eq!(done.wait_for(bursts)[bursts - 1], "burst/done 0 5");
    }
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
    Ok(())
}

/// Larger than the broker takes.
pub(crate) fn check_letter(case: Case) -> Result<(), Skipped> {
    let Some(largest) = case.broker.largest_packet else {
        let reason = format!("{} has no limit that can be set", case.broker.name);
        return Err(Skipped(reason));
    };
    let site = case.site();
    let gateway = site
        .gateway(Transport::Tcp)
        .guest("burst", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=burst/start");
    let order = format!("count=1 window=1 qos=1 size={largest}");
    site.publish("burst/start", 0, &order);
    match case.version {
        // It says how much that is.
        Version::V5 => gateway.log.wait_for(&format!("and {largest} are allowed")),
        // It can only hang up.
        Version::V311 => gateway
            .log
            .wait_for("refused: the broker hung up each time it was sent this letter"),
    };
    gateway.log.wait_for("letter refused");
    Ok(())
}

/// Larger than the gateway takes: given up, and nothing else is.
pub(crate) fn check_message(case: Case) -> Result<(), Skipped> {
    let site = case.site();
    let echoes = site.subscribe("echo/out/+", 1);
    let gateway = site
        .gateway(Transport::Tcp)
        .config("max-packet-size = 1000")
        .guest("echo", ECHO, &["echo/in/+"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/in/+");
    for qos in [0, 1, 2] {
        site.publish("echo/in/large", qos, &"x".repeat(2_000));
        site.publish("echo/in/small", qos, &format!("after {qos}"));
        echoes.wait_for_message(&format!("echo/out/small 0 after {qos}"));
    }
    let given_up = "a message larger than max-packet-size was given up";
    // Lines are read from the log in a thread of its own.
    let count = |lines: &[String]| lines.iter().filter(|line| line.contains(given_up)).count();
    let what = "a line for each message that was too large";
    let lines = gateway.log.wait_until(what, |lines| count(lines) >= 3);
    assert_eq!(count(&lines), 3);
    assert_eq!(gateway.log.count("offline"), 0, "the session has held");
    Ok(())
}
