//! Clients of other hands against the fake broker, through TCP, TLS, WebSocket and
//! both: each sends itself messages of each quality of service.
//!
//! `tests/peers/install` installs paho-mqtt and mqtt.js; a test without its client
//! says so, and is skipped.

#![allow(clippy::print_stderr)]

use std::path::Path;
use std::process::Command;

use jackalope_tests::{ECHO, FakeBroker, GatewayOptions, PATIENCE};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// A fake broker with TLS, and where its authority is.
fn start() -> (FakeBroker, String) {
    let broker = FakeBroker::start(BINARY, "mqttv5", &["--tls"]);
    let line = broker.process.out.wait_for("TLS as well");
    let ca = line.split("who trusts ").nth(1);
    let ca = ca.and_then(|rest| rest.split(';').next());
    let ca = ca.expect("the line says where it is").to_owned();
    (broker, ca)
}

/// Runs a client to its end, if it is installed there.
#[track_caller]
fn check(installed: &str, mut command: Command) {
    if !Path::new(PEERS).join(installed).exists() {
        return eprintln!("skipped: {installed} is not in target/peers; run tests/peers/install");
    }
    let output = command.output().expect("it can be run");
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?}: {said}");
}

#[test]
fn paho() {
    let (broker, ca) = start();
    let port = broker.port().to_string();
    for version in ["4", "5"] {
        for transport in ["tcp", "websockets"] {
            for ca in [None, Some(&ca)] {
                let mut command = Command::new(format!("{PEERS}/venv/bin/python"));
                command.arg(format!("{CLIENTS}/echo_paho.py"));
                command.args([&*port, version, transport]).args(ca);
                check("venv/bin/python", command);
            }
        }
    }
    broker.expect_no_violation();
}

#[test]
fn mqtt_js() {
    let (broker, ca) = start();
    for version in ["4", "5"] {
        for (scheme, ca) in [
            ("mqtt", None),
            ("mqtts", Some(&ca)),
            ("ws", None),
            ("wss", Some(&ca)),
        ] {
            let mut command = Command::new("node");
            command.env("NODE_PATH", format!("{PEERS}/node/node_modules"));
            command.arg(format!("{CLIENTS}/echo_mqttjs.js"));
            command.arg(format!("{scheme}://localhost:{}/mqtt", broker.port()));
            command.arg(version).args(ca);
            check("node/node_modules/mqtt", command);
        }
    }
    broker.expect_no_violation();
}

#[test]
fn mosquitto_s_tools_through_tls() {
    let (broker, ca) = start();
    for qos in ["0", "1", "2"] {
        let tls = ["--cafile", &ca, "-q", qos, "-t", "tools"];
        let reader = broker.subscribe(&tls);
        broker.publish(&[&tls[..], &["-m", qos]].concat());
        reader.wait_for(1);
    }
    broker.expect_no_violation();
}

/// The gateway reads and writes WebSocket by code of its own.
#[test]
fn the_gateway() {
    let (broker, ca) = start();
    for version in ["3.1.1", "5"] {
        for scheme in ["mqtts", "ws", "wss"] {
            let server = format!("{scheme}://localhost:{}", broker.port());
            let tls = format!("[tls]\nca-file = {ca:?}");
            let gateway = GatewayOptions::configured(BINARY, &format!("server = {server:?}\n"))
                .config(&format!("version = {version:?}"))
                .config(if scheme == "ws" { "" } else { &tls })
                .guest("echo", ECHO, &["echo/in/+"], "")
                .start();
            gateway.log.wait_for("subscribed");
            let reader = broker.subscribe(&["-t", "echo/out/a", "-q", "2"]);
            for qos in ["0", "1", "2"] {
                broker.publish(&["-t", "echo/in/a", "-q", qos, "-m", qos]);
            }
            reader.wait_for(3);
        }
    }
    broker.expect_no_violation();
}

#[test]
fn who_has_no_certificate_is_let_go_where_one_is_demanded() {
    let broker = FakeBroker::start(BINARY, "mqttv5", &["--tls", "--tls-client"]);
    let line = broker.process.out.wait_for("TLS as well");
    let ca = line.split("who trusts ").nth(1);
    let ca = ca.and_then(|rest| rest.split(';').next());
    let ca = ca.expect("the line says where it is");
    let file = |name: &str| Path::new(ca).with_file_name(name).display().to_string();
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let with = ["--cafile", ca, "--cert", &certificate, "--key", &key];
    broker.publish(&[&with[..], &["-t", "t", "-n", "-i", "known"]].concat());
    broker.expect("known < CONNACK");
    let port = broker.port().to_string();
    let without = Command::new("mosquitto_pub")
        .args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "--cafile",
            ca,
            "-t",
            "t",
            "-n",
        ])
        .output()
        .expect("mosquitto-clients is installed");
    assert!(!without.status.success());
}

#[test]
fn what_is_no_websocket_is_told() {
    use std::io::{Read, Write};
    let (broker, _) = start();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", broker.port())).expect("it is up");
    stream
        .write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        .expect("it reads");
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .expect("it answers and closes");
    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("MQTT is spoken here"), "{answer}");
}

/// How many messages of each quality of service rumqttc sends itself.
const COUNT: usize = 20;

/// Sends itself `COUNT` messages of each quality of service.
#[tokio::test]
async fn rumqttc_of_mqtt_3() {
    use rumqttc::{AsyncClient, Event, MqttOptions, Packet, QoS};
    let (broker, _) = start();
    let options = MqttOptions::new("rumqttc", "127.0.0.1", broker.port());
    let (client, mut events) = AsyncClient::new(options, 4 * COUNT);
    let subscribed = client.subscribe("rumqttc", QoS::ExactlyOnce);
    subscribed.await.expect("there is room");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..COUNT {
            let published = client.publish("rumqttc", qos, false, "x");
            published.await.expect("there is room");
        }
    }
    let mut arrived = [0; 3];
    while arrived.iter().sum::<usize>() < 3 * COUNT {
        let event = tokio::time::timeout(PATIENCE, events.poll()).await;
        let event = event.expect("it goes on").expect("the connection holds");
        if let Event::Incoming(Packet::Publish(message)) = event {
            arrived[message.qos as usize] += 1;
        }
    }
    assert_eq!(arrived, [COUNT; 3]);
    broker.expect_no_violation();
}

#[tokio::test]
async fn rumqttc_of_mqtt_5() {
    use rumqttc::v5::mqttbytes::QoS;
    use rumqttc::v5::mqttbytes::v5::Packet;
    use rumqttc::v5::{AsyncClient, Event, MqttOptions};
    let (broker, _) = start();
    let options = MqttOptions::new("rumqttc", "127.0.0.1", broker.port());
    let (client, mut events) = AsyncClient::new(options, 4 * COUNT);
    let subscribed = client.subscribe("rumqttc", QoS::ExactlyOnce);
    subscribed.await.expect("there is room");
    for qos in [QoS::AtMostOnce, QoS::AtLeastOnce, QoS::ExactlyOnce] {
        for _ in 0..COUNT {
            let published = client.publish("rumqttc", qos, false, "x");
            published.await.expect("there is room");
        }
    }
    let mut arrived = [0; 3];
    while arrived.iter().sum::<usize>() < 3 * COUNT {
        let event = tokio::time::timeout(PATIENCE, events.poll()).await;
        let event = event.expect("it goes on").expect("the connection holds");
        if let Event::Incoming(Packet::Publish(message)) = event {
            arrived[message.qos as usize] += 1;
        }
    }
    assert_eq!(arrived, [COUNT; 3]);
    broker.expect_no_violation();
}
