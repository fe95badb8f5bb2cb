//! A site with the door, which is built in.
#![cfg(feature = "example")]

use std::time::Duration;

use super::{Acks, Asked, Published, Site, SiteError, SiteOptions};
use crate::office::{Outcome, Qos};

const UNLOCK: &str = r#"{"action":"unlock"}"#;
const REQUEST: &str = "doors/front/request";
const COMMAND: &str = "doors/front/command";
const STATUS: &str = "doors/front/status";

fn door() -> SiteOptions {
    let site = Site::new("example:door").expect("it is built in");
    site.subscribe("doors/+/request")
}

fn online() -> Site {
    door().online().expect("the filter is valid")
}

#[test]
fn a_message_leads_to_messages_and_outcomes() {
    let mut site = online();
    site.message(REQUEST, UNLOCK);
    let status = r#"{"action":"unlock","outcome":"delivered"}"#;
    assert_eq!(site.published(), [(COMMAND, UNLOCK), (STATUS, status)]);
    let delivered = |topic: &str| (topic.to_owned(), Outcome::Delivered);
    assert_eq!(site.outcomes(), [delivered(COMMAND), delivered(STATUS)]);
    assert_eq!(site.published(), [("", ""); 0], "they were taken");
    site.message(REQUEST, "open");
    assert!(site.rejections()[0].contains("not JSON"));
}

#[test]
fn all_that_happens_has_its_moment() {
    let mut site = online();
    site.advance(Duration::from_millis(3_723_004));
    site.message("elsewhere", "");
    site.message_then_network_down(REQUEST, UNLOCK);
    site.advance(Duration::from_secs(7_200));
    site.network_up();
    let lines: Vec<_> = site.records().iter().map(ToString::to_string).collect();
    assert_eq!(
        lines,
        [
            "1:02:03.004  message   elsewhere (empty)",
            r#"1:02:03.004  message   doors/front/request {"action":"unlock"}"#,
            "1:02:03.004  network   down",
            "1:02:03.004  printed   front: unlock accepted while offline: goes out within 5 s or not at all",
            "1:02:08.004  expired   doors/front/command (tag unlock front)",
            "3:02:03.004  network   up",
            r#"3:02:03.004  published doors/front/status {"action":"unlock","outcome":"expired"} (retain, replace key status front)"#,
            "3:02:03.004  delivered doors/front/status",
        ]
    );
}

#[test]
fn the_same_test_always_ends_the_same_way() {
    let run = || {
        let mut site = online();
        for _ in 0..3 {
            site.message(REQUEST, UNLOCK);
            site.network_down();
            site.advance(Duration::from_secs(90));
            site.network_up();
        }
        site.records()
    };
    assert_eq!(run(), run());
}

#[test]
fn an_online_gateway_stays_online_for_days() {
    let mut site = online();
    site.advance(Duration::from_secs(3 * 86_400));
    site.message(REQUEST, UNLOCK);
    assert_eq!(site.published().len(), 2);
    assert_eq!(site.world.violations(), [""; 0]);
}

#[test]
fn without_acknowledgements_nothing_is_delivered() {
    let mut site = online();
    site.acks(Acks::Withheld);
    site.message(REQUEST, UNLOCK);
    assert_eq!(site.published(), [(COMMAND, UNLOCK)]);
    assert_eq!(site.outcomes(), []);
    site.acks(Acks::Sent);
    site.advance(Duration::from_secs(5));
    let expired = Outcome::Expired { sent: true };
    assert_eq!(site.outcomes()[0], (COMMAND.to_owned(), expired));
}

#[test]
fn what_is_retained_comes_with_the_subscription() {
    let mut site = door().offline().expect("the filter is valid");
    site.publish(Published {
        topic: REQUEST.into(),
        payload: UNLOCK.into(),
        qos: Qos::ExactlyOnce,
        retain: true,
        properties: None,
        asked: Asked::default(),
    });
    site.network_up();
    assert_eq!(site.rejections(), ["a request must not be retained"]);
}

#[test]
fn what_cannot_be_tested_says_why() {
    let error = |result: Result<SiteOptions, SiteError>| match result {
        Ok(_) => String::new(),
        Err(error) => error.to_string(),
    };
    assert_eq!(
        error(Site::new("example:window")),
        r#"there is no example "window" in this binary; there is: door"#
    );
    assert!(error(Site::new("no/such/file")).starts_with("no/such/file"));
    let filter = door().subscribe("a/#/b").online();
    assert!(matches!(filter, Err(SiteError::Filter { filter, .. }) if filter == "a/#/b"));
}
