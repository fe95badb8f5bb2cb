//! The status topic, on a real broker.

use std::fs;

use jackalope_tests::{GatewayOptions, Mosquitto, WILL, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn check_story(version: &str) {
    let broker = Mosquitto::start();
    let watcher = broker.subscribe("gateways/#", 1);
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .config(&format!("client-id = \"gw\"\nversion = {version:?}"))
        .config("[status]\ntopic = \"gateways/{client-id}/status\"")
        .start();
    watcher.wait_for(1);
    gateway.signal("USR1");
    watcher.wait_for(3);
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    // Retained only where it was kept, and this one has seen it come.
    let said = ["online", "offline", "online", "offline"];
    let expect = said.map(|status| format!("gateways/gw/status 0 {status}"));
    assert_eq!(watcher.wait_for(4), expect);
    let later = broker.subscribe("gateways/#", 1);
    later.wait_for_message("gateways/gw/status 1 offline");
}

#[test]
fn it_says_online_and_offline() {
    check_story("3.1.1");
    check_story("5");
}

#[test]
fn the_broker_says_offline_when_the_gateway_cannot() {
    let broker = Mosquitto::start();
    let watcher = broker.subscribe("status", 1);
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .config("[status]\ntopic = \"status\"\nonline = \"1\"\noffline = \"0\"")
        .start();
    watcher.wait_for_message("status 0 1");
    gateway.signal("KILL");
    gateway.wait();
    watcher.wait_for_message("status 0 0");
    let later = broker.subscribe("status", 1);
    later.wait_for_message("status 1 0");
}

#[test]
fn a_broker_that_does_not_allow_it_is_named() {
    let acl = tempfile::NamedTempFile::new().expect("there is a place for it");
    fs::write(acl.path(), "topic readwrite other\n").expect("it can be written");
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    fs::set_permissions(acl.path(), open).expect("it is ours");
    let file = acl.path().display();
    let broker = Mosquitto::with(&format!("allow_anonymous true\nacl_file {file}"));
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config("version = \"5\"\n[status]\ntopic = \"status\"")
        .start();
    gateway
        .log
        .wait_for("the status is not published: the broker says: not authorized");
}

#[test]
fn a_connection_has_one_will() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let config = format!("[status]\ntopic = \"s\"\n[[guest]]\nname = \"g\"\ncomponent = {WILL:?}");
    fs::write(directory.path().join("j.toml"), config).expect("it can be written");
    let arguments = ["run", "--config", "j.toml"];
    let output = run_to_end(BINARY, directory.path(), &arguments, &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    let expect = "guest \"g\" names a last will, and so does [status]";
    assert!(error.contains(expect), "{error}");
}
