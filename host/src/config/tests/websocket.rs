//! What is said to a web server before MQTT.

use std::fs;

use tempfile::TempDir;

use super::*;
use crate::login::{HeaderSource, HeaderValueSource};
use crate::wire::Secret;

const SERVER: &str = "server = 'ws://broker'\n[websocket.headers]\n";

fn given(name: &str, value: &str) -> HeaderSource {
    HeaderSource {
        name: name.parse().unwrap(),
        value: HeaderValueSource::Given(Secret::new(value.to_owned()).unwrap()),
    }
}

#[test]
fn a_server_has_a_path() {
    for (server, port, path) in [
        ("ws://broker", 80, "/mqtt"),
        ("wss://broker", 443, "/mqtt"),
        ("wss://broker:9001/a?b", 9001, "/a?b"),
    ] {
        let config = load(&format!("server = '{server}'")).unwrap();
        assert_eq!(config.servers[0].address.port, port);
        assert_eq!(config.servers[0].websocket, Some(path.parse().unwrap()));
        assert_eq!(config.servers[0].tls.is_some(), server.starts_with("wss"));
    }
}

#[test]
fn headers_are_read() {
    let config = load(&format!("{SERVER}X-A = 'b c'\nauthorization = ''")).unwrap();
    assert_eq!(
        config.headers,
        [given("x-a", "b c"), given("authorization", "")]
    );
    assert!(!format!("{config:?}").contains("b c"));
}

#[test]
fn a_value_is_in_a_file_beside_that_of_the_configuration() {
    let directory = TempDir::new().unwrap();
    let token = directory.path().join("token");
    let config = directory.path().join("jackalope.toml");
    fs::write(&config, format!("{SERVER}a = {{ file = 'token' }}")).unwrap();
    let load = || Config::load(Some(&config), std::iter::empty());
    let error = load().unwrap_err().to_string();
    assert!(
        error.contains(":3:5: websocket.headers: a file "),
        "{error}"
    );
    fs::write(&token, "s3cret\r\n").unwrap();
    let header = &load().unwrap().headers[0];
    assert_eq!(header.value, HeaderValueSource::File(token.clone()));
    fs::write(&token, "s3c\nret").unwrap();
    let error = load().unwrap_err().to_string();
    assert!(
        error.contains("holds characters that no header can have"),
        "{error}"
    );
    assert!(!error.contains("s3c"), "{error}");
}

#[test]
fn what_is_no_header_is_refused() {
    const WRONG: &str =
        r#"has a value that is neither a text nor a file; write e.g. { file = "token" }"#;
    for (line, expect) in [
        (
            "'a b' = 'c'",
            r#"3:1: websocket.headers: "a b" is not the name of a header"#,
        ),
        (
            "Sec-WebSocket-Protocol = 'c'",
            "3:1: websocket.headers: sec-websocket-protocol is a header that the gateway says itself",
        ),
        (
            "HOST = 'c'",
            "3:1: websocket.headers: host is a header that the gateway says itself",
        ),
        ("a = 1", &format!("3:5: websocket.headers: {WRONG}")),
        (
            "a = { path = 'c' }",
            &format!("3:5: websocket.headers: {WRONG}"),
        ),
        (
            "a = \"s3cret\\n\"",
            "3:5: websocket.headers: a holds characters that no header can have",
        ),
    ] {
        check_refused(&format!("{SERVER}{line}"), expect);
    }
    check_refused(
        "[websocket.headers]\na = 'b'",
        "1:2: websocket: is for a server that begins with ws:// or wss://, which this one does not",
    );
}
