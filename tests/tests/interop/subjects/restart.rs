//! A broker that restarts in the middle of many letters.

use std::collections::BTreeSet;

use jackalope_tests::{ECHO, Gateway, Proxy, Subscriber};

use crate::brokers::Transport;
use crate::case::{Case, Site, Skipped, wait_for_lines};

const LETTERS: usize = 1_000;

/// Letters that expire while the broker is away.
const LATE: usize = 100;

pub(crate) fn check(case: Case, qos: u8) -> Result<(), Skipped> {
    let mut site = case.site();
    let network = Proxy::to(site.server().port());
    let gateway = site
        .gateway_to(Transport::Tcp, network.port())
        .config(&format!(
            "client-id = \"restart-{qos}\"\nclean-session = false"
        ))
        .config("work-list = { max = 2000 }")
        .guest("echo", ECHO, &["echo/post", "echo/report"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/report");
    let watcher = watch(&site, qos);

    // Enough for some hundred letters: the rest is on its way when it happens.
    network.allow(4_000);
    let order = format!("count={LETTERS} qos={qos} topic=out");
    site.publish("echo/post", 0, &order);
    watcher.wait_for(50);
    let order = format!("count={LATE} qos={qos} ttl-ms=1000 topic=late");
    site.publish("echo/post", 0, &order);
    wait_for_lines(&gateway, "letter accepted", LETTERS + LATE);
    restart(&mut site, &network, &gateway, &watcher);
    if case.broker.keeps_sessions {
        wait_for_lines(&gateway, "online session_present=true", 1);
    }

    wait_for_lines(&gateway, "letter delivered", LETTERS);
    // Not all brokers pass on in order what comes from one client.
    let mut messages = watcher.messages();
    while !are_all_in(&messages) {
        messages = watcher.wait_for(messages.len() + 1);
    }
    site.publish("last", qos, "one");
    watcher.wait_for_message("last 0 one");
    check_arrived(case, qos, &watcher.messages());
    assert_eq!(gateway.log.count("letter expired"), LATE);
    Ok(())
}

/// Somebody for whom the broker keeps what comes meanwhile, if it does that.
///
/// A kept session outlives its case, and gets what cases after it publish on a
/// broker that they share: so no two cases use the same client id.
#[track_caller]
fn watch(site: &Site, qos: u8) -> Subscriber {
    let client_id = format!("watcher-{qos}");
    let topics = ["-t", "out", "-t", "late", "-t", "last"];
    let session: &[&str] = match site.case().broker.keeps_sessions {
        true => &["-q", "2", "-c", "-i", &client_id],
        false => &["-q", "0"],
    };
    site.subscribe_with(&[session, &topics].concat())
}

/// While the broker is away, what has little time expires.
#[track_caller]
fn restart(site: &mut Site, network: &Proxy, gateway: &Gateway, watcher: &Subscriber) {
    if !site.case().broker.keeps_sessions {
        settle(site, gateway, watcher);
    }
    site.server_mut().stop();
    network.cut();
    gateway.log.wait_for("offline:");
    wait_for_lines(gateway, "letter expired", LATE);
    site.server_mut().start_again();
    watcher.wait_for_another_subscription();
    network.restore();
}

/// A broker that forgets everything is to have passed on what it has acknowledged.
#[track_caller]
fn settle(site: &Site, gateway: &Gateway, watcher: &Subscriber) {
    let mut last = None;
    for number in 0.. {
        let mark = format!("mark {number}");
        site.publish("last", 1, &mark);
        watcher.wait_for_message(&format!("last 0 {mark}"));
        let delivered = gateway.log.count("letter delivered");
        let arrived = watcher.messages().len() - (number + 1);
        if last == Some((delivered, arrived)) && arrived >= delivered {
            return;
        }
        last = Some((delivered, arrived));
    }
}

fn numbers(messages: &[String]) -> Vec<usize> {
    let payloads = messages.iter().filter_map(|it| it.strip_prefix("out 0 "));
    payloads.filter_map(|number| number.parse().ok()).collect()
}

fn are_all_in(messages: &[String]) -> bool {
    numbers(messages).into_iter().collect::<BTreeSet<_>>().len() == LETTERS
}

#[track_caller]
fn check_arrived(case: Case, qos: u8, messages: &[String]) {
    let late = messages
        .iter()
        .filter(|message| message.starts_with("late "));
    assert_eq!(late.count(), 0, "nothing that has expired is sent");
    if qos == 2 && case.broker.is_exact {
        assert_eq!(numbers(messages).len(), LETTERS, "each arrives once");
    }
}
