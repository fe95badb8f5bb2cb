//! WebSocket, against a real mosquitto and against servers that are none.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::thread::{self, JoinHandle};

use jackalope_tests::{
    Certificates, Gateway, GatewayOptions, Mosquitto, Proxy, check_letters_arrive,
    check_no_command_comes_late,
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// A gateway to this server, so slow that each try gets its line in the log.
fn gateway(server: &str) -> GatewayOptions {
    GatewayOptions::new(BINARY, 1)
        .config("backoff = { min = \"1s\", max = \"1s\" }")
        .env("JACKALOPE_SERVER", server)
}

fn without_tls(port: u16) -> GatewayOptions {
    gateway(&format!("ws://127.0.0.1:{port}"))
}

fn with_tls(port: u16, certificates: &Certificates) -> GatewayOptions {
    GatewayOptions::secure(BINARY, port, certificates)
        .env("JACKALOPE_SERVER", &format!("wss://127.0.0.1:{port}/mqtt"))
}

#[track_caller]
fn check_offline(gateway: &Gateway, reason: &str) {
    let line = gateway.log.wait_for("offline");
    assert!(line.contains(reason), "{line}");
}

#[track_caller]
fn check_letters(broker: &Mosquitto, gateway: GatewayOptions, scheme: &str) {
    for version in ["3.1.1", "5"] {
        let gateway = (gateway.clone()).env("JACKALOPE_VERSION", version);
        check_letters_arrive(broker, gateway, &format!("{scheme}127.0.0.1:"), 70_000);
    }
}

#[test]
fn letters_of_every_size_and_quality_arrive() {
    let broker = Mosquitto::websocket();
    check_letters(&broker, without_tls(broker.websocket_port()), "ws://");
}

#[test]
fn letters_of_every_size_and_quality_arrive_through_tls() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "protocol websockets");
    let gateway = with_tls(broker.secure_port(), &certificates);
    check_letters(&broker, gateway, "wss://");
}

#[test]
fn the_end_in_good_order() {
    let certificates = Certificates::new();
    let secure = Mosquitto::secure(&certificates, "protocol websockets");
    let plain = Mosquitto::websocket();
    for (broker, gateway) in [
        (&plain, without_tls(plain.websocket_port())),
        (&secure, with_tls(secure.secure_port(), &certificates)),
    ] {
        let wills = broker.subscribe("will", 1);
        let marks = broker.subscribe("mark", 1);
        let mut gateway = gateway
            .config("[last-will]\ntopic = \"will\"\npayload = \"gone\"")
            .start();
        gateway.log.wait_for(" online ");
        gateway.signal("TERM");
        assert_eq!(gateway.wait().code(), Some(0));
        broker.publish("mark", "");
        marks.wait_for(1);
        assert_eq!(wills.messages(), [""; 0], "DISCONNECT takes the will back");
    }
}

#[test]
fn a_command_that_could_not_be_sent_in_time_is_never_sent() {
    let broker = Mosquitto::websocket();
    let network = Proxy::to(broker.websocket_port());
    check_no_command_comes_late(&broker, &network, without_tls(network.port()));
}

#[test]
fn a_port_without_websocket() {
    let certificates = Certificates::new();
    let broker = Mosquitto::secure(&certificates, "");
    check_offline(
        &without_tls(broker.port()).start(),
        "the server closed the connection without an answer to the WebSocket upgrade",
    );
    check_offline(
        &with_tls(broker.secure_port(), &certificates).start(),
        "the server closed the connection without an answer to the WebSocket upgrade",
    );
    check_offline(
        &without_tls(broker.secure_port()).start(),
        "perhaps there is no WebSocket on this port (mqtt://), or only through TLS (wss://)",
    );
}

/// Answers the first request on a port of its own, and hands it over.
fn server(answer: &'static str) -> (u16, JoinHandle<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    let request = thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("the gateway comes");
        let mut request = Vec::new();
        while !request.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).expect("the request goes on");
            request.extend(byte);
        }
        stream.write_all(answer.as_bytes()).expect("it is read");
        // Nothing may come after the answer but the end, by a reset.
        let _ = stream.read_to_end(&mut request);
        String::from_utf8(request).expect("it is text")
    });
    (port, request)
}

#[test]
fn servers_that_are_no_brokers() {
    for (answer, reason) in [
        (
            "HTTP/1.1 301 Moved Permanently\r\nLocation: https://broker.example/mqtt\r\n\r\n",
            "it is at wss://broker.example/mqtt now; write that as the server",
        ),
        (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno",
            "there is no WebSocket at /elsewhere;",
        ),
        (
            "220 mail.example ESMTP\r\n",
            "it does not answer in HTTP; without WebSocket, its address begins with mqtt://",
        ),
    ] {
        let (port, request) = server(answer);
        let gateway = gateway(&format!("ws://127.0.0.1:{port}/elsewhere?token=s3cret")).start();
        check_offline(&gateway, reason);
        let request = request.join().expect("it was answered");
        assert!(request.starts_with("GET /elsewhere?token=s3cret HTTP/1.1\r\n"));
        assert!(request.ends_with("\r\n\r\n"), "{request}");
        assert_eq!(gateway.log.count("s3cret"), 0);
    }
}

#[test]
fn headers_are_sent_along_and_those_in_files_are_read_each_time() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let token = directory.path().join("token");
    fs::write(&token, "Bearer first\n").expect("it can be written");
    let (port, request) = server("HTTP/1.1 401 Unauthorized\r\n\r\n");
    let gateway = without_tls(port)
        .config(&format!(
            "[websocket.headers]\nX-Gateway = \"g\"\nAuthorization = {{ file = {token:?} }}"
        ))
        .start();
    check_offline(
        &gateway,
        "(401 Unauthorized): it wants a login before MQTT; say one in websocket.headers",
    );
    let request = request.join().expect("it was answered");
    for line in ["authorization: Bearer first", "x-gateway: g"] {
        assert!(request.contains(&format!("\r\n{line}\r\n")), "{request}");
    }
    fs::remove_file(&token).expect("it is there");
    gateway
        .log
        .wait_for("websocket.headers: authorization: file ");
    assert_eq!(gateway.log.count("Bearer"), 0);
}
