//! Clients of other hands against the fake broker, through TCP, TLS, WebSocket and
//! both.

use std::path::Path;
use std::process::Command;

use jackalope_tests::{ECHO, FakeBroker, GatewayOptions, PATIENCE, peers};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients");

/// A fake broker with TLS, and where its authority is.
fn start() -> (FakeBroker, String) {
    FakeBroker::start_with_tls(BINARY, "mqttv5", &[])
}

#[test]
fn paho() {
    let Some(python) = peers::python("paho.mqtt.client") else {
        return;
    };
    let (broker, ca) = start();
    let (script, port) = (format!("{CLIENTS}/with_paho.py"), broker.port().to_string());
    for version in ["4", "5"] {
        for transport in ["tcp", "websockets"] {
            for ca in [&[][..], &[&*ca]] {
                let arguments = [&script, &*port, version, transport];
                broker.check_client(&python, &[&arguments, ca].concat());
            }
        }
    }
}

#[test]
fn mqtt_js() {
    let Some(library) = peers::node("mqtt") else {
        return;
    };
    let (broker, ca) = start();
    let script = format!("{CLIENTS}/with_mqtt_js.mjs");
    for version in ["4", "5"] {
        for (scheme, ca) in [
            ("mqtt", &[][..]),
            ("mqtts", &[&*ca]),
            ("ws", &[]),
            ("wss", &[&*ca]),
        ] {
            let url = format!("{scheme}://localhost:{}/mqtt", broker.port());
            let arguments = [&*script, &library, &url, version];
            broker.check_client("node", &[&arguments, ca].concat());
        }
    }
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
    let (broker, ca) = FakeBroker::start_with_tls(BINARY, "mqttv5", &["--tls-client"]);
    let file = |name: &str| Path::new(&ca).with_file_name(name).display().to_string();
    let (certificate, key) = (file("client.pem"), file("client.key"));
    let with = ["--cafile", &ca, "--cert", &certificate, "--key", &key];
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
            &ca,
            "-t",
            "t",
            "-n",
        ])
        .output()
        .expect("mosquitto-clients is installed");
    assert!(!without.status.success());
    broker.expect("TLS FAILED: in the handshake: peer sent no certificates");
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

/// A test with the client of one version, whose types are that version's own.
macro_rules! rumqttc_sends_itself {
    ($name:ident, $($import:path),*) => {
        #[tokio::test]
        async fn $name() {
            $(use $import;)*
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
    };
}

rumqttc_sends_itself!(
    rumqttc_of_mqtt_3,
    rumqttc::AsyncClient,
    rumqttc::Event,
    rumqttc::MqttOptions,
    rumqttc::Packet,
    rumqttc::QoS
);

rumqttc_sends_itself!(
    rumqttc_of_mqtt_5,
    rumqttc::v5::AsyncClient,
    rumqttc::v5::Event,
    rumqttc::v5::MqttOptions,
    rumqttc::v5::mqttbytes::QoS,
    rumqttc::v5::mqttbytes::v5::Packet
);
