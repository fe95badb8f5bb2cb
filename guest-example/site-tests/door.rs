//! The door at its site: a gateway, a broker and a network that can go away,
//! in virtual time. An outage of two hours takes no time at all.
//!
//!     cd guest-example/site-tests
//!     cargo test
#![cfg(test)]

use std::time::Duration;

use jackalope::office::Outcome;
use jackalope::testing::{Site, SiteError};

/// The door is built into the host. A guest of your own is a path:
/// `concat!(env!("CARGO_MANIFEST_DIR"), "/../target/wasm32-wasip2/release/door.wasm")`
const GUEST: &str = "example:door";

const UNLOCK: &str = r#"{"action":"unlock"}"#;

/// A site with the network up and the door subscribed to its requests.
fn site() -> Result<Site, SiteError> {
    Site::new(GUEST)?.subscribe("doors/+/request").online()
}

#[test]
fn a_request_becomes_a_command_and_its_outcome_a_status() -> Result<(), SiteError> {
    let mut site = site()?;
    site.message("doors/front/request", UNLOCK);

    let status = r#"{"action":"unlock","outcome":"delivered"}"#;
    assert_eq!(
        site.published(),
        [
            ("doors/front/command", UNLOCK),
            ("doors/front/status", status)
        ]
    );
    Ok(())
}

#[test]
fn after_a_two_hour_outage_the_door_stays_shut() -> Result<(), SiteError> {
    let mut site = site()?;
    // The request gets through, and is the last thing that does.
    site.message_then_network_down("doors/front/request", UNLOCK);
    site.advance(Duration::from_secs(2 * 3_600));
    let expired = (
        "doors/front/command".to_owned(),
        Outcome::Expired { sent: false },
    );
    assert_eq!(site.outcomes(), [expired]);

    site.network_up();
    let status = r#"{"action":"unlock","outcome":"expired"}"#;
    let published = site.published();
    assert_eq!(published, [("doors/front/status", status)]);
    assert!(published[0].retain, "whoever looks later sees it, too");
    Ok(())
}

#[test]
fn the_last_moment_for_a_command_is_before_five_seconds_are_over() -> Result<(), SiteError> {
    for (away, commands) in [(4_999, 1), (5_000, 0)] {
        let mut site = site()?;
        site.message_then_network_down("doors/front/request", UNLOCK);
        site.advance(Duration::from_millis(away));
        site.network_up();
        let published = site.published();
        let sent = published
            .iter()
            .filter(|message| message.topic == "doors/front/command");
        assert_eq!(sent.count(), commands, "away for {away} ms");
    }
    Ok(())
}

#[test]
fn nonsense_is_rejected_and_nothing_moves() -> Result<(), SiteError> {
    let mut site = site()?;
    for request in ["", "open", "[]", r#"{"action":"open"}"#] {
        site.message("doors/front/request", request);
        assert_eq!(site.rejections().len(), 1, "{request}");
    }
    assert!(site.published().is_empty());
    Ok(())
}
