//! MQTT 5 with a real broker, and the way back to 3.1.1.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::thread;

use jackalope_tests::{BURST, ECHO, Gateway, GatewayOptions, Mosquitto};
use tempfile::NamedTempFile;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const FALLS_BACK: &str = "did not accept MQTT 5, so 3.1.1 is tried";

fn options(port: u16) -> GatewayOptions {
    GatewayOptions::new(BINARY, port).config("backoff = { min = \"20ms\", max = \"40ms\" }")
}

/// With the echo guest, subscribed.
fn start(options: GatewayOptions) -> Gateway {
    let gateway = options
        .guest("echo", ECHO, &["echo/in/+", "echo/post"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/post");
    gateway
}

/// With the guest that sends many, subscribed.
fn start_burst(broker: &Mosquitto) -> Gateway {
    let gateway = options(broker.port())
        .config("version = \"5\"")
        .guest("burst", BURST, &["burst/start"], "")
        .start();
    gateway.log.wait_for("subscribed filter=burst/start");
    gateway
}

#[test]
fn a_broker_that_speaks_it_is_spoken_to_in_mqtt_5() {
    let broker = Mosquitto::start();
    let echoes = broker.subscribe("echo/out/+", 2);
    let gateway = start(options(broker.port()));
    for qos in ["0", "1", "2"] {
        broker.publish_with(&["-q", qos, "-t", "echo/in/x", "-m", qos]);
        echoes.wait_for_message(&format!("echo/out/x 0 {qos}"));
    }
    assert_eq!(gateway.log.count(FALLS_BACK), 0);
}

#[test]
fn what_the_broker_does_not_allow_is_refused_with_its_reason() {
    let acl = NamedTempFile::new().expect("there is a place for temporary files");
    let allowed = "topic readwrite echo/in/#\ntopic readwrite echo/post\n";
    fs::write(&acl, allowed).expect("a temporary file can be written");
    // Started by root, mosquitto is somebody else.
    fs::set_permissions(&acl, Permissions::from_mode(0o644)).expect("it is ours");
    let acl_file = acl.path().display();
    let broker = Mosquitto::with(&format!("allow_anonymous true\nacl_file {acl_file}"));
    let gateway = start(options(broker.port()));
    for qos in [1, 2] {
        broker.publish("echo/post", &format!("qos={qos} topic=forbidden/{qos}"));
        let line = gateway.log.wait_for(&format!("topic=forbidden/{qos}"));
        let refusal = "a letter is refused: the broker says: not authorized (0x87)";
        assert!(line.contains(refusal), "{line}");
    }
    assert_eq!(gateway.log.count("offline"), 0);
}

#[test]
fn a_quality_of_service_that_the_broker_does_not_take_is_refused() {
    let broker = Mosquitto::with("max_qos 1\nallow_anonymous true");
    let gateway = start(options(broker.port()));
    broker.publish("echo/post", "qos=2 topic=two");
    gateway.log.wait_for("InvalidQos(Qos::AtLeastOnce)");
    assert_eq!(gateway.log.count("offline"), 0);
}

#[test]
fn a_letter_larger_than_the_broker_takes_is_refused() {
    let broker = Mosquitto::with("max_packet_size 500\nallow_anonymous true");
    let done = broker.subscribe("burst/done", 0);
    let gateway = start_burst(&broker);
    broker.publish("burst/start", "count=3 window=3 qos=1 size=600");
    gateway.log.wait_for("and 500 are allowed");
    done.wait_for(1);
    assert_eq!(gateway.log.count("offline"), 0);
}

#[test]
fn no_more_is_in_flight_than_the_broker_allows() {
    let broker = Mosquitto::with("max_inflight_messages 3\nallow_anonymous true");
    let done = broker.subscribe("burst/done", 0);
    let gateway = start_burst(&broker);
    for (round, qos) in (1..).zip(["1", "2"]) {
        broker.publish(
            "burst/start",
            &format!("count=300 window=100 qos={qos} size=64"),
        );
        done.wait_for(round);
    }
    // Mosquitto would have ended the connection.
    assert_eq!(gateway.log.count("offline"), 0);
    assert_eq!(done.messages(), ["burst/done 0 300"; 2]);
}

/// A broker that answers a CONNECT of this level of the protocol with these bytes,
/// and others with those and by hanging up. Returns its port. It ends with the
/// test's process.
fn answer(level: u8, bytes: &'static [u8], others: &'static [u8]) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("127.0.0.1 has free ports");
    let port = listener.local_addr().expect("it is bound").port();
    thread::spawn(move || {
        let mut kept = Vec::new();
        for stream in listener.incoming() {
            let mut stream = stream?;
            // The level comes after type, length and name of the protocol.
            let mut connect = [0; 9];
            stream.read_exact(&mut connect)?;
            if connect[8] == level {
                stream.write_all(bytes)?;
                kept.push(stream);
            } else {
                stream.write_all(others)?;
                // What is left unread would reset the connection.
                stream.shutdown(Shutdown::Write)?;
                let _ = stream.read_to_end(&mut Vec::new());
            }
        }
        std::io::Result::Ok(())
    });
    port
}

#[test]
fn a_broker_that_refuses_mqtt_5_is_spoken_to_in_3_1_1_from_then_on() {
    // In the words of 3.1.1, of 5, and by hanging up.
    for refusal in [&b"\x20\x02\x00\x01"[..], b"\x20\x03\x00\x84\x00", b""] {
        let gateway = options(answer(4, b"\x20\x02\x00\x00", refusal)).start();
        gateway.log.wait_for(FALLS_BACK);
        gateway.log.wait_for(" online ");
        gateway.signal("USR1");
        let is_online_again = |lines: &[String]| count(lines, " online ") == 2;
        gateway.log.wait_until("two sessions", is_online_again);
        assert_eq!(gateway.log.count(FALLS_BACK), 1, "{refusal:02x?}");
    }
}

fn count(lines: &[String], text: &str) -> usize {
    lines.iter().filter(|line| line.contains(text)).count()
}

#[test]
fn version_5_alone_is_refused_by_a_broker_of_3_1_1() {
    let gateway = options(answer(5, b"\x20\x02\x00\x01", b""))
        .config("version = \"5\"")
        .start();
    gateway
        .log
        .wait_for("the broker refused the connection: unsupported protocol version (0x84)");
}

#[test]
fn the_broker_says_why_it_ends_the_connection() {
    let answer = answer(5, b"\x20\x03\x00\x00\x00\xe0\x01\x8e", b"");
    let gateway = options(answer).start();
    gateway
        .log
        .wait_for("the broker ended the connection: session taken over (0x8e)");
}
