//! Timers of the configuration, in the whole binary and on a real broker.

use std::fs;

use jackalope_tests::{ECHO, GatewayOptions, Mosquitto, SENSOR, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const TIMERS: &str = "[[guest.timer]]\nname = 'read'\nevery = '50ms'\n\
                      [[guest.timer]]\nname = 'begin'\nafter = '10ms'";

fn guest(component: &str) -> String {
    format!("[[guest]]\nname = 'g'\ncomponent = {component:?}\n{TIMERS}")
}

#[test]
fn a_guest_is_called_by_the_timers_of_its_configuration() {
    let broker = Mosquitto::start();
    let watcher = broker.subscribe("readings/#", 1);
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .config(&guest(SENSOR))
        .start();
    let seen = watcher.wait_for(5);
    let begun = |it: &&String| it.starts_with("readings/begin ");
    assert_eq!(seen.iter().filter(begun).count(), 1, "{seen:?}");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_guest_that_no_timer_can_call_is_named() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    fs::write(directory.path().join("j.toml"), guest(ECHO)).expect("it can be written");
    let arguments = ["run", "--config", "j.toml"];
    let output = run_to_end(BINARY, directory.path(), &arguments, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    let expect = "guest \"g\" has [[guest.timer]], and its component does not export \
                  timer-handler, so it would never be called";
    assert!(error.contains(expect), "{error}");
}
