//! What guests keep, and what they are told by their configuration.

use std::time::Duration;

use jackalope::testing::{Event, Site, SiteOptions};
use jackalope_tests::{GatewayOptions, KEEPER, Mosquitto, mosquitto_pub, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn options() -> SiteOptions {
    Site::new(KEEPER).expect("it is built").subscribe("keep/#")
}

fn online() -> Site {
    options().online().expect("it fits")
}

/// What the guest answers to these messages.
fn answers(site: &mut Site, messages: &[(&str, &str)]) -> Vec<String> {
    for (topic, payload) in messages {
        site.message(topic, *payload);
    }
    let published = site.published().into_iter();
    let payloads = published.map(|it| String::from_utf8_lossy(&it.payload).into_owned());
    payloads.collect()
}

#[test]
fn what_is_written_is_read_listed_and_deleted() {
    let mut site = online();
    let steps = [
        ("keep/get/a", "", "none"),
        ("keep/set/a", "one", "written"),
        ("keep/set/b/c", "two", "written"),
        ("keep/set/b", "three", "written"),
        ("keep/set/a", "four", "written"),
        ("keep/get/a", "", "four"),
        ("keep/keys/", "", "a\nb\nb/c"),
        ("keep/keys/b", "", "b\nb/c"),
        ("keep/delete/b", "", "deleted"),
        ("keep/delete/b", "", "deleted"),
        ("keep/get/b", "", "none"),
        ("keep/keys/b", "", "b/c"),
    ];
    for (topic, payload, answer) in steps {
        assert_eq!(answers(&mut site, &[(topic, payload)]), [answer], "{topic}");
    }
}

#[test]
fn a_call_that_does_not_succeed_has_written_nothing() {
    let mut site = online();
    // The second try of each is told that it is one, and succeeds.
    for (how, count) in [("trap", "1"), ("retry", "2"), ("reject", "3"), ("", "4")] {
        site.message("keep/count", how);
        site.advance(Duration::from_secs(60));
        assert_eq!(answers(&mut site, &[]), [count], "{how}");
    }
    let failures = site.records();
    let failed = |event: &Event| matches!(event, Event::Failed { .. });
    assert_eq!(failures.iter().filter(|it| failed(&it.event)).count(), 1);
}

#[test]
fn what_a_timer_writes_down_is_kept_as_well() {
    let begin = || options().timer("tick", Duration::from_secs(1)).online();
    let mut site = begin().expect("it fits");
    for ticks in ["3", "6"] {
        site.advance(Duration::from_secs(3));
        assert_eq!(answers(&mut site, &[("keep/get/tick", "")]), [ticks]);
    }
}

#[test]
fn many_keys_are_listed_in_their_order() {
    let mut site = online();
    // Each takes five bytes, and 32.
    let count = (64 << 10) / 37;
    let filled = answers(&mut site, &[("keep/fill", "")]);
    assert_eq!(filled, [count.to_string()]);
    let keys: Vec<_> = (0..count).map(|number| format!("k{number:04}")).collect();
    assert_eq!(answers(&mut site, &[("keep/keys/", "")]), [keys.join("\n")]);
    let begin_so = keys.iter().filter(|key| key.starts_with("k17"));
    let begin_so: Vec<_> = begin_so.map(String::as_str).collect();
    assert_eq!(begin_so.len(), count - 1_700);
    let listed = answers(&mut site, &[("keep/keys/k1", "7")]);
    assert_eq!(listed, [begin_so.join("\n")]);
}

#[test]
fn a_huge_prefix_begins_no_key_and_costs_no_call() {
    let mut site = online();
    answers(&mut site, &[("keep/set/k", "value")]);
    // The largest that a message brings along.
    let huge = "k".repeat(1_000_000);
    assert_eq!(answers(&mut site, &[("keep/keys/", &huge)]), [""]);
    assert_eq!(answers(&mut site, &[("keep/keys/", "k")]), ["k"]);
    let failed = |event: &Event| matches!(event, Event::Failed { .. });
    assert!(site.records().iter().all(|it| !failed(&it.event)));
}

#[test]
fn the_state_has_a_bound() {
    let mut site = online();
    let (most, more) = ("x".repeat((64 << 10) - 33), "x".repeat((64 << 10) - 32));
    let steps = [
        ("keep/set/k", &*more, "StateError::Full(65503)"),
        ("keep/get/k", "", "none"),
        ("keep/set/k", &*most, "written"),
        ("keep/set/l", "", "StateError::Full(0)"),
        ("keep/set/k", "less", "written"),
        ("keep/set/l", "", "written"),
    ];
    for (topic, payload, answer) in steps {
        assert_eq!(answers(&mut site, &[(topic, payload)]), [answer], "{topic}");
    }
    let long = format!("keep/set/{}", "k".repeat(257));
    assert_eq!(
        answers(&mut site, &[(&long, "")]),
        ["StateError::KeyTooLong(256)"]
    );
}

#[test]
fn nothing_is_kept_of_what_a_guest_does_while_it_looks_at_its_settings() {
    let mut site = online();
    let keys = answers(&mut site, &[("keep/keys/", "")]);
    assert_eq!(keys, [""]);
}

#[test]
fn a_guest_is_configured_again_after_a_trap() {
    let mut site = online();
    let instance = ("keep/instance", "");
    let said = answers(&mut site, &[instance, instance]);
    assert_eq!(
        said,
        ["configured 1, messages 1", "configured 1, messages 2"],
        "once, and both on one instance"
    );
    site.message("keep/count", "trap");
    site.advance(Duration::from_secs(60));
    // The message at which it has trapped comes again, to a new instance.
    let said = answers(&mut site, &[instance]);
    assert_eq!(said, ["1", "configured 1, messages 2"]);
}

#[test]
fn a_guest_that_was_started_anew_has_its_state_and_nothing_else() {
    let mut site = online();
    answers(&mut site, &[("keep/set/a", "one"), ("keep/instance", "")]);
    site.restart_guest();
    let said = answers(&mut site, &[("keep/instance", ""), ("keep/get/a", "")]);
    assert_eq!(said, ["configured 1, messages 1", "one"]);
}

#[test]
fn a_guest_gets_its_settings() {
    let mut site = online();
    assert_eq!(answers(&mut site, &[("keep/settings", "")]), ["{}"]);
    let settings = r#"{"limit":22.5}"#;
    let mut site = options().settings(settings).online().expect("it fits");
    assert_eq!(answers(&mut site, &[("keep/settings", "")]), [settings]);
}

#[test]
fn one_component_serves_as_several_guests() {
    let broker = Mosquitto::start();
    let watcher = broker.subscribe("kept", 1);
    let settings = |room: &str| format!("settings = {{ room = {room:?}, from = 2026-11-28 }}");
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .guest("hall", KEEPER, &["keep/#"], &settings("hall"))
        .guest("attic", KEEPER, &["keep/#"], &settings("attic"))
        .start();
    gateway.log.wait_for("subscribed");
    mosquitto_pub(broker.port(), &["-t", "keep/settings", "-m", ""]);
    let mut said = watcher.wait_for(2);
    said.sort();
    let expect = ["attic", "hall"];
    let expect = expect.map(|room| format!(r#"kept 0 {{"from":"2026-11-28","room":"{room}"}}"#));
    assert_eq!(said, expect);
}

#[test]
fn wrong_settings_are_refused_by_the_guest_before_anything_begins() {
    let directory = TempDir::new().expect("there is a place for it");
    let config = format!(
        "[[guest]]\nname = \"hall\"\ncomponent = {KEEPER:?}\n\
         [guest.settings]\nlock = \"broken\"\n"
    );
    std::fs::write(directory.path().join("jackalope.toml"), config).expect("it can be written");
    let arguments = ["run", "--config", "jackalope.toml"];
    let output = run_to_end(BINARY, directory.path(), &arguments, &[]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{said}");
    let expect = "guest \"hall\": did not start: its settings are refused: broken is not wanted";
    assert!(said.contains(expect), "{said}");
}
