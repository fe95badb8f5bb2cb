//! The built-in handler, where there is no guest: a look at a broker.

use jackalope_tests::{Mosquitto, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn look(broker: &Mosquitto, more: &[&str]) -> Process {
    let server = format!("127.0.0.1:{}", broker.port());
    let arguments = ["run", "--server", &server, "--subscribe", "doors/#"];
    let process = Process::start(BINARY, &[&arguments, more].concat());
    process.errors.wait_for("subscribed filter=doors/#");
    process
}

#[test]
fn what_a_broker_carries_is_logged_with_its_payload_if_asked_for() {
    let broker = Mosquitto::start();
    // At the same time: neither has the name of the other.
    let (plain, showing) = (look(&broker, &[]), look(&broker, &["--show-payloads"]));
    broker.publish("doors/front", "un\u{1b}lock");
    let line = plain.errors.wait_for("message topic=doors/front");
    assert!(line.contains("bytes=7") && !line.contains("lock"), "{line}");
    let line = showing.errors.wait_for("message topic=doors/front");
    assert!(line.contains("lock") && !line.contains('\u{1b}'), "{line}");
}

#[test]
fn a_filter_that_is_none_is_wrong_usage() {
    let mut process = Process::start(BINARY, &["run", "--subscribe", "a/#/b"]);
    assert_eq!(process.wait().code(), Some(64));
    process.errors.wait_for("misplaced wildcard");
}
