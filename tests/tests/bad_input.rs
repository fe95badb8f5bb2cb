//! What a newcomer gets wrong, and what they read then: what is wrong, where,
//! and what to do.

use std::fs;
use std::path::Path;

use jackalope_tests::{DOOR, GatewayOptions, free_port, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const CORE_MODULE: &[u8] = b"\0asm\x01\0\0\0";
const DAMAGED: &[u8] = b"\0asm\x0d\0\x01\0garbage";

/// A directory with one component of each broken kind.
fn workbench() -> TempDir {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let component = |text: &str| wat::parse_str(text).expect("it is valid");
    for (name, bytes) in [
        ("core.wasm", CORE_MODULE.to_vec()),
        ("damaged.wasm", DAMAGED.to_vec()),
        ("text.wasm", b"hello".to_vec()),
        ("idle.wasm", component("(component)")),
        (
            "needy.wasm",
            component(r#"(component (import "acme:door/lock@1.0.0" (instance)))"#),
        ),
        (
            "future.wasm",
            component(r#"(component (import "jackalope:gateway/jackalope@0.3.0" (instance)))"#),
        ),
    ] {
        fs::write(directory.path().join(name), bytes).expect("it can be written");
    }
    directory
}

#[track_caller]
fn check(directory: &Path, arguments: &[&str], code: i32, texts: &[&str]) {
    let output = run_to_end(BINARY, directory, arguments, &[]);
    let all = [output.stdout, output.stderr].concat();
    let all = String::from_utf8_lossy(&all);
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {all}");
    for text in texts {
        assert!(all.contains(text), "no `{text}` in: {all}");
    }
    assert!(!all.contains("panicked"), "{all}");
}

/// Runs with this configuration, which can not be used.
#[track_caller]
fn check_config(config: &str, texts: &[&str]) {
    let directory = workbench();
    fs::write(directory.path().join("jackalope.toml"), config).expect("it can be written");
    check(
        directory.path(),
        &["run", "--config", "jackalope.toml"],
        78,
        texts,
    );
}

#[test]
fn a_component_of_each_broken_kind() {
    for (component, texts) in [
        (
            "core.wasm",
            &[
                "core.wasm is a WebAssembly module",
                "--target wasm32-wasip2",
            ][..],
        ),
        (
            "damaged.wasm",
            &["damaged.wasm is a component that this host can not compile"],
        ),
        ("text.wasm", &["text.wasm is not WebAssembly"]),
        (
            "missing.wasm",
            &["missing.wasm can not be read", "No such file"],
        ),
        ("idle.wasm", &["jackalope:gateway/handler@0.2.0"]),
        ("needy.wasm", &["acme:door/lock@1.0.0"]),
        (
            "future.wasm",
            &["jackalope:gateway/jackalope@0.3.0", "version 0.2 and 0.1"],
        ),
        (
            "example:window",
            &["there is no example \"window\" in this binary", "door"],
        ),
    ] {
        let line = format!("guest = [{{ name = \"it\", component = {component:?} }}]");
        check_config(&line, &[&["error: guest \"it\""], texts].concat());
    }
}

#[test]
fn a_wrong_configuration_is_pointed_at() {
    check_config(
        "keep-alive = \"sixty\"",
        &["jackalope.toml:1:14: keep-alive", "60s"],
    );
    check_config(
        "\nkeepalive = \"60s\"",
        &["jackalope.toml:2:1: unknown key `keepalive`"],
    );
    check_config(
        "[work-list]\nmax = 0",
        &["jackalope.toml:2:7: work-list.max: 0 is not"],
    );
    check_config("client-id = \"a", &["jackalope.toml:1:15:"]);
    check_config(
        "server = \"http://x\"",
        &["jackalope.toml:1:10: server", "is not a server"],
    );
    check_config(
        "[tls]",
        &["jackalope.toml:1:1: tls: is for a server that begins with mqtts://"],
    );
    check_config(
        "server = \"mqtts://x\"\ntls.ca-file = \"text.wasm\"",
        &["jackalope.toml:2:15: tls.ca-file: \"text.wasm\" holds no certificate"],
    );
}

#[test]
fn a_missing_configuration_is_named() {
    let directory = workbench();
    let arguments = ["run", "--config", "nowhere.toml"];
    check(
        directory.path(),
        &arguments,
        78,
        &["nowhere.toml: there is no such file"],
    );
}

#[test]
fn a_wrong_variable_is_named() {
    let directory = workbench();
    for (name, value, text) in [
        (
            "JACKALOPE_KEEP_ALIVE",
            "x",
            "JACKALOPE_KEEP_ALIVE: \"x\" is not a duration",
        ),
        (
            "JACKALOPE_LOG",
            "a=b=c",
            "JACKALOPE_LOG: \"a=b=c\" is no log filter",
        ),
    ] {
        let output = run_to_end(BINARY, directory.path(), &["run"], &[(name, value)]);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(78), "{error}");
        assert!(error.contains(text), "{error}");
    }
}

#[test]
fn unknown_variables_are_named_once_and_passed_over() {
    let gateway = GatewayOptions::new(BINARY, free_port())
        .env("JACKALOPE_SERVICE_HOST", "10.0.0.1")
        .env("JACKALOPE_PORT_1883_TCP", "tcp://10.0.0.1:1883")
        .env("JACKALOPE_SERVR", "x")
        .start();
    gateway.log.wait_for(" starts ");
    let line = gateway.log.wait_for("WARN no such setting");
    assert!(
        line.ends_with(
            "JACKALOPE_PORT_1883_TCP, JACKALOPE_SERVICE_HOST, \
             JACKALOPE_SERVR (did you mean JACKALOPE_SERVER?)"
        ),
        "{line}"
    );
    assert_eq!(gateway.log.count("no such setting"), 1);
}

#[test]
fn wrong_usage() {
    let directory = workbench();
    check(directory.path(), &[], 64, &["Usage"]);
    check(
        directory.path(),
        &["frob"],
        64,
        &["unrecognized subcommand 'frob'"],
    );
    check(
        directory.path(),
        &["run", "--port", "1"],
        64,
        &["unexpected argument '--port'"],
    );
    check(directory.path(), &["check"], 64, &["GUEST"]);
    check(
        directory.path(),
        &["--help"],
        0,
        &["run", "check", "Exit codes"],
    );
}

#[test]
fn a_check_tells_guests_from_others() {
    let directory = workbench();
    let fits = [
        "a guest that fits this host, of contract 0.2",
        "jackalope:gateway/handler@0.2.0",
        "bytes",
    ];
    check(directory.path(), &["check", DOOR], 0, &fits);
    let refused = [
        "no guest for this host: it is a WebAssembly module",
        fits[0],
    ];
    check(directory.path(), &["check", "core.wasm", DOOR], 1, &refused);
    check(
        directory.path(),
        &["check", "missing.wasm"],
        1,
        &["can not be read"],
    );
}
