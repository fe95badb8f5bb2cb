//! The way to the broker: through a proxy, from an interface, to several addresses.

use std::fs;
use std::io::{Read, Write};

use jackalope_tests::{
    BURST, Certificates, Gateway, GatewayOptions, HttpProxy, Mosquitto, free_port,
};
use tempfile::NamedTempFile;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// `user:s3cret`.
const LOGIN: &str = "Basic dXNlcjpzM2NyZXQ=";

/// A gateway to the broker that the proxy alone knows.
fn through(proxy: &HttpProxy) -> GatewayOptions {
    GatewayOptions::new(BINARY, 1)
        .config("backoff = { min = \"1s\", max = \"1s\" }")
        .env("JACKALOPE_SERVER", HttpProxy::BROKER)
        .env(
            "JACKALOPE_PROXY_URL",
            &format!("http://127.0.0.1:{}", proxy.port()),
        )
}

#[track_caller]
fn check_offline(gateway: &Gateway, reason: &str) {
    let line = gateway.log.wait_for("offline");
    assert!(line.contains(reason), "{line}");
}

#[test]
fn a_proxy_finds_the_broker_and_carries_everything() {
    let broker = Mosquitto::start();
    let proxy = HttpProxy::to(broker.port(), None);
    let gateway = through(&proxy)
        .guest("burst", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=burst/start");
    let done = broker.subscribe("burst/done", 0);
    broker.publish("burst/start", "count=50 window=10 qos=1 size=50000");
    assert!(done.wait_for(1)[0].ends_with(" 50"));
    assert!(!proxy.heads()[0].contains("Authorization"));
}

#[test]
fn tls_and_websocket_go_through_a_proxy() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "protocol websockets");
    let proxy = HttpProxy::to(broker.secure_port(), None);
    let ca = certificates.path("ca.pem");
    let gateway = through(&proxy)
        .env(
            "JACKALOPE_SERVER",
            &format!("wss://{}/mqtt", HttpProxy::BROKER),
        )
        .config(&format!(
            "[tls]\nca-file = {ca:?}\nserver-name = \"localhost\""
        ))
        .start();
    gateway.log.wait_for(" online ");
}

#[test]
fn a_proxy_that_wants_a_login() {
    let broker = Mosquitto::start();
    let proxy = HttpProxy::to(broker.port(), Some(LOGIN));
    check_offline(
        &through(&proxy).start(),
        "it wants a login (407 Proxy Authentication Required); say one in proxy.user-name",
    );
    let with = |password: &str| {
        through(&proxy)
            .env("JACKALOPE_PROXY_USER_NAME", "user")
            .env("JACKALOPE_PROXY_PASSWORD", password)
            .start()
    };
    let gateway = with("wr0ng");
    check_offline(
        &gateway,
        "it does not accept proxy.user-name or its password (407",
    );
    assert_eq!(gateway.log.count("wr0ng"), 0);
    with("s3cret").log.wait_for(" online ");

    let file = NamedTempFile::new().expect("there is a place for temporary files");
    fs::write(file.path(), "wrong\n").expect("it can be written");
    let gateway = through(&proxy)
        .config(&format!(
            "[proxy]\nuser-name = \"user\"\npassword-file = {:?}",
            file.path()
        ))
        .start();
    check_offline(&gateway, "it does not accept proxy.user-name");
    fs::write(file.path(), "s3cret\n").expect("it can be written");
    gateway.log.wait_for(" online ");
}

#[test]
fn proxies_that_are_none() {
    let other = HttpProxy::answering(|_, client| client.write_all(b"220 mail ESMTP\r\n"));
    check_offline(
        &through(&other).start(),
        "it does not answer in HTTP; is this an HTTP proxy?",
    );
    let gone = HttpProxy::answering(|_, _| Ok(()));
    check_offline(
        &through(&gone).start(),
        "it closed the connection without an answer",
    );
    let port = free_port();
    let gateway = through(&gone)
        .env("JACKALOPE_PROXY_URL", &format!("http://localhost:{port}"))
        .start();
    check_offline(
        &gateway,
        &format!("cannot connect to the proxy localhost:{port}: "),
    );
    let broker = HttpProxy::to(1, None);
    let gateway = through(&broker)
        .env("JACKALOPE_SERVER", "elsewhere.invalid:1")
        .start();
    check_offline(
        &gateway,
        "it cannot connect to elsewhere.invalid:1 (502 Bad Gateway)",
    );
}

#[test]
fn a_proxy_that_never_answers_is_given_up() {
    let silent = HttpProxy::answering(|_, client| client.read_to_end(&mut Vec::new()).map(drop));
    check_offline(
        &through(&silent).start(),
        "does not answer: no connection within 15 s",
    );
}

#[test]
fn what_comes_right_after_the_answer_is_the_brokers() {
    // CONNACK of MQTT 3.1.1, before anybody has asked.
    let eager = HttpProxy::answering(|_, client| {
        client.write_all(b"HTTP/1.1 200 OK\r\nA: b\r\n\r\n\x20\x02\0\0")?;
        client.read_to_end(&mut Vec::new()).map(drop)
    });
    let gateway = through(&eager).env("JACKALOPE_VERSION", "3.1.1").start();
    gateway.log.wait_for(" online ");
}

#[test]
fn each_address_of_a_name_is_tried() {
    let broker = Mosquitto::start();
    // It stands for 127.0.0.1, and on most machines for ::1, where nobody is.
    GatewayOptions::new(BINARY, 1)
        .env("JACKALOPE_SERVER", &format!("localhost:{}", broker.port()))
        .start()
        .log
        .wait_for(" online ");
}

#[test]
fn connections_begin_where_they_are_told() {
    let broker = Mosquitto::start();
    let gateway = |lines: &str| {
        let options = GatewayOptions::new(BINARY, broker.port());
        options.config(lines).start()
    };
    gateway("local-address = \"127.0.0.1\"")
        .log
        .wait_for(" online ");
    check_offline(
        &gateway("local-address = \"192.0.2.1\""),
        "local-address 192.0.2.1: this machine does not have this address",
    );
    check_offline(
        &gateway("local-address = \"::1\""),
        "local-address ::1: is of another kind of IP addresses",
    );
    check_offline(
        &gateway("interface = \"no-such-if\""),
        "interface no-such-if: ",
    );
}
