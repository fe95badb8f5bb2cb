//! The recipes in docs/: each connects to a mosquitto that is configured as the service
//! is, with nothing changed but the server and the paths of files.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use jackalope_tests::{
    Certificates, ECHO, Gateway, GatewayOptions, Mosquitto, Process, Subscriber, mosquitto_pub,
};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// All that are tried below.
const RECIPES: [&str; 7] = [
    "aws-iot-core",
    "aws-iot-core-custom-authorizer",
    "azure-event-grid",
    "azure-iot-hub",
    "cluster",
    "emqx",
    "mosquitto",
];

fn docs() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs")
}

fn read(name: &str) -> String {
    fs::read_to_string(docs().join(name)).expect(name)
}

/// What a service asks for, and who comes to it. The directory of the certificates has
/// all files of both sides.
struct Service {
    certificates: Certificates,
    broker: Mosquitto,
}

impl Service {
    /// A service with these lines of configuration for its one port, which speaks TLS.
    /// In them and in the access control list `DIR/` is the directory.
    fn start(certificates: Certificates, acl: &str, lines: &str) -> Self {
        let directory = certificates.path("");
        fs::write(certificates.path("acl"), acl).expect("it can be written");
        let broker = Mosquitto::configured(|port| {
            format!(
                "persistence false\nlistener {port} 127.0.0.1\ncafile DIR/ca.pem\n\
                 certfile DIR/broker.pem\nkeyfile DIR/broker.key\nacl_file DIR/acl\n{lines}"
            )
            .replace("DIR/", &directory)
        });
        Self {
            certificates,
            broker,
        }
    }

    /// Starts a gateway with this recipe.
    fn gateway(&self, recipe: &str) -> GatewayOptions {
        let directory = self.certificates.path("");
        let port = self.broker.port();
        let server = format!("server = \"mqtts://localhost:{port}\"");
        let text: String = read(&format!("{recipe}.toml"))
            .lines()
            .map(|line| match line.starts_with("server = ") {
                true => server.clone(),
                false => line
                    .replace("/etc/jackalope/", &directory)
                    .replace("/usr/lib/jackalope/", &directory),
            })
            .flat_map(|line| [line, "\n".into()])
            .collect();
        // Where the recipe relies on the CAs of the machine.
        let ca = self.certificates.path("ca.pem");
        GatewayOptions::configured(BINARY, &text).env("SSL_CERT_FILE", &ca)
    }

    /// The arguments with which `backend` comes in.
    fn backend(&self) -> Vec<String> {
        let path = |name| self.certificates.path(name);
        let (ca, certificate) = (path("ca.pem"), path("backend.pem"));
        [
            ["-u", "backend", "-P", "its password", "--cafile", &ca].as_slice(),
            &["--cert", &certificate, "--key", &path("backend.key")],
        ]
        .concat()
        .into_iter()
        .map(str::to_owned)
        .collect()
    }

    fn watch(&self, filters: &[&str]) -> Subscriber {
        let backend = self.backend();
        let mut arguments: Vec<&str> = backend.iter().map(String::as_str).collect();
        for filter in filters {
            arguments.extend(["-q", "1", "-t", filter]);
        }
        Subscriber::start(self.broker.port(), &arguments)
    }

    fn publish(&self, topic: &str, payload: &str) {
        let backend = self.backend();
        let mut arguments: Vec<&str> = backend.iter().map(String::as_str).collect();
        arguments.extend(["-q", "1", "-t", topic, "-m", payload]);
        mosquitto_pub(self.broker.port(), &arguments);
    }

    /// The door's story, as the backend sees it.
    fn check_door(&self, gateway: &mut Gateway, watcher: &Subscriber, status: &str) {
        watcher.wait_for_message(&format!("gateways/{status}/status 0 online"));
        gateway.log.wait_for(" subscribed ");
        self.publish("doors/front/request", r#"{"action":"unlock"}"#);
        watcher.wait_for_message(r#"doors/front/command 0 {"action":"unlock"}"#);
        gateway.signal("TERM");
        assert_eq!(gateway.wait().code(), Some(0));
        watcher.wait_for_message(&format!("gateways/{status}/status 0 offline"));
    }
}

/// With certificates for the gateway and for the backend.
fn certificates() -> Certificates {
    let certificates = Certificates::new();
    for name in ["gateway", "backend"] {
        certificates.issue(name, &[name]);
    }
    certificates
}

/// Makes a user of mosquitto's.
fn add_user(certificates: &Certificates, name: &str, password: &str) {
    let file = certificates.path("passwd");
    let exists = Path::new(&file).exists();
    let arguments = ["-c", "-b", &file, name, password];
    let mut process = Process::start("mosquitto_passwd", &arguments[usize::from(exists)..]);
    assert!(process.wait().success(), "{name}");
}

fn write_secret(path: &str, content: &str) {
    fs::write(path, content).expect("it can be written");
    fs::set_permissions(path, fs::Permissions::from_mode(0o600)).expect("it is ours");
}

/// What a gateway with the door may do, and the backend.
fn door_acl(user: &str) -> String {
    format!(
        "user {user}\ntopic read doors/+/request\ntopic write doors/+/command\n\
         topic write doors/+/status\ntopic write gateways/door-gateway/status\n\
         user backend\ntopic readwrite #\n"
    )
}

#[test]
fn every_recipe_is_tried_and_every_link_leads_somewhere() {
    let mut found = Vec::new();
    for entry in fs::read_dir(docs()).expect("there are docs") {
        let path = entry.expect("it can be listed").path();
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.expect("it is text").to_owned();
        if let Some(recipe) = name.strip_suffix(".toml") {
            found.push(recipe.to_owned());
        }
        if name.ends_with(".md") {
            let text = read(&name);
            for link in text.split("](").skip(1) {
                let (link, _) = link.split_once(')').expect("it ends");
                let is_here = link.contains("://") || docs().join(link).exists();
                assert!(is_here, "{name}: {link}");
            }
        }
        if name.ends_with(".json") {
            let read = serde_json::from_str::<serde_json::Value>(&read(&name));
            read.expect("it is JSON");
        }
    }
    found.sort();
    assert_eq!(found, RECIPES);
}

#[test]
fn aws_iot_core() {
    let certificates = certificates();
    // The certificate says which thing it is.
    certificates.issue("thing", &["door-gateway"]);
    for (from, to) in [
        ("thing.pem", "certificate.pem.crt"),
        ("thing.key", "private.pem.key"),
    ] {
        fs::copy(certificates.path(from), certificates.path(to)).expect("it can be written");
    }
    let service = Service::start(
        certificates,
        &door_acl("thing"),
        "allow_anonymous false\nrequire_certificate true\nuse_identity_as_username true\nmax_qos 1",
    );
    let watcher = service.watch(&["doors/#", "gateways/#"]);
    let mut gateway = service.gateway("aws-iot-core").start();
    service.check_door(&mut gateway, &watcher, "door-gateway");
}

#[test]
fn aws_iot_core_with_a_custom_authorizer() {
    let certificates = certificates();
    let user = "door-gateway?x-amz-customauthorizer-name=door-authorizer";
    add_user(&certificates, user, "hunter2");
    add_user(&certificates, "backend", "its password");
    write_secret(&certificates.path("password"), "hunter2\n");
    let service = Service::start(
        certificates,
        &door_acl(user),
        "allow_anonymous false\npassword_file DIR/passwd\nmax_qos 1",
    );
    let watcher = service.watch(&["doors/#", "gateways/#"]);
    let mut gateway = service.gateway("aws-iot-core-custom-authorizer").start();
    service.check_door(&mut gateway, &watcher, "door-gateway");
    assert_eq!(gateway.log.count("hunter"), 0);
}

#[test]
fn azure_event_grid() {
    let service = Service::start(
        certificates(),
        &door_acl("door-gateway"),
        "allow_anonymous true\nrequire_certificate true\nmax_qos 1\nretain_available false",
    );
    let watcher = service.watch(&["doors/#", "gateways/#"]);
    let mut gateway = service.gateway("azure-event-grid").start();
    service.check_door(&mut gateway, &watcher, "door-gateway");
    // The door's own status is to be retained.
    gateway.log.wait_for("the broker retains nothing");
}

/// A token of the key below, as Microsoft's example in Python makes it.
const TOKEN: &str = "SharedAccessSignature sr=HUB.azure-devices.net%2Fdevices%2Fdoor-gateway&sig=7ce%2Fmb1iqwyGJPiCR4My%2B1%2F6CiZwVz61YqhjH1Y%2F7Wo%3D&se=1795579600";

#[test]
fn azure_iot_hub() {
    let certificates = certificates();
    let user = "HUB.azure-devices.net/door-gateway/?api-version=2021-04-12";
    add_user(&certificates, user, TOKEN);
    add_user(&certificates, "backend", "its password");
    let key = "c2VjcmV0IGtleSBvZiB0aGUgZGV2aWNl\n";
    write_secret(&certificates.path("device-key"), key);
    fs::copy(ECHO, certificates.path("telemetry.wasm")).expect("it can be written");
    let token = docs().join("azure-iot-hub-token");
    fs::copy(token, certificates.path("azure-iot-hub-token")).expect("it can be written");
    // A clock that stands still.
    fs::create_dir(certificates.path("bin")).expect("it is ours");
    let date = certificates.path("bin/date");
    fs::write(&date, "#!/bin/sh\necho 1795576000\n").expect("it can be written");
    fs::set_permissions(&date, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let path = std::env::var("PATH").expect("there is one");
    let path = format!("{}:{path}", certificates.path("bin"));

    let acl = format!(
        "user {user}\ntopic write devices/door-gateway/messages/events/#\n\
         topic read devices/door-gateway/messages/devicebound/#\n\
         user backend\ntopic readwrite #\n"
    );
    let service = Service::start(
        certificates,
        &acl,
        "allow_anonymous false\npassword_file DIR/passwd\nmax_qos 1\nretain_available false",
    );
    let watcher = service.watch(&["devices/#"]);
    let gateway = service.gateway("azure-iot-hub").env("PATH", &path).start();
    watcher.wait_for_message("devices/door-gateway/messages/events/kind=status 0 online");
    let filter = "devices/door-gateway/messages/devicebound/#";
    gateway.log.wait_for(&format!("subscribed filter={filter}"));
    let topic = "devices/door-gateway/messages/devicebound/%24.mid=1";
    service.publish(topic, "a message of the cloud");
    // To the guest that stands in, it says nothing.
    gateway.log.wait_for("message rejected");
    assert_eq!(gateway.log.count("SharedAccessSignature"), 0);
}

#[test]
fn mosquitto() {
    let certificates = certificates();
    let directory = certificates.path("");
    add_user(&certificates, "door-gateway", "hunter2");
    add_user(&certificates, "backend", "its password");
    write_secret(&certificates.path("password"), "hunter2");
    fs::write(certificates.path("acl"), read("mosquitto.acl")).expect("it can be written");
    let config = read("mosquitto.conf").replace("/etc/mosquitto/", &directory);
    let broker =
        Mosquitto::configured(|port| config.replace("listener 8883", &format!("listener {port}")));
    let service = Service {
        certificates,
        broker,
    };
    let watcher = service.watch(&["doors/#", "gateways/#"]);
    let mut gateway = service.gateway("mosquitto").start();
    service.check_door(&mut gateway, &watcher, "door-gateway");
}

#[test]
fn emqx() {
    let certificates = certificates();
    add_user(&certificates, "door-gateway", "a.token.signed");
    add_user(&certificates, "backend", "its password");
    write_secret(&certificates.path("token"), "a.token.signed\n");
    let service = Service::start(
        certificates,
        &door_acl("door-gateway"),
        "allow_anonymous false\npassword_file DIR/passwd",
    );
    let watcher = service.watch(&["doors/#", "gateways/#"]);
    let mut gateway = service.gateway("emqx").start();
    service.check_door(&mut gateway, &watcher, "door-gateway");
}

#[test]
fn cluster() {
    let certificates = certificates();
    add_user(&certificates, "door", "hunter2");
    add_user(&certificates, "backend", "its password");
    write_secret(&certificates.path("password"), "hunter2");
    let service = Service::start(
        certificates,
        "user door\ntopic read doors/+/request\ntopic write doors/+/command\n\
         topic write doors/+/status\npattern write gateways/%c/status\n\
         user backend\ntopic readwrite #\n",
        "allow_anonymous false\npassword_file DIR/passwd",
    );
    let watcher = service.watch(&["gateways/#", "doors/+/command"]);
    let start = |name: &str| {
        let gateway = service
            .gateway("cluster")
            .env("JACKALOPE_CLIENT_ID", name)
            .env("JACKALOPE_LOG", "debug")
            .start();
        watcher.wait_for_message(&format!("gateways/{name}/status 0 online"));
        let filter = "subscribed filter=$share/doors/doors/+/request";
        gateway.log.wait_for(filter);
        gateway
    };
    // Two machines.
    let gateways = ["door-1", "door-2"].map(start);
    for door in 0..10 {
        let topic = format!("doors/{door}/request");
        service.publish(&topic, r#"{"action":"unlock"}"#);
        let command = format!(r#"doors/{door}/command 0 {{"action":"unlock"}}"#);
        watcher.wait_for_message(&command);
    }
    let commands = watcher.messages();
    let commands = commands.iter().filter(|it| it.contains("/command "));
    assert_eq!(commands.count(), 10, "each request goes to one of them");
    for gateway in &gateways {
        // mosquitto takes turns.
        let message = |line: &&String| line.contains(" message topic=doors/");
        let half = |lines: &[String]| lines.iter().filter(message).count() == 5;
        gateway.log.wait_until("half of the requests", half);
    }
}
