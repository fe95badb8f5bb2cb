//! Beginning and end of a gateway, and brokers that do not want it.

use std::fs;
use std::io::Write;
use std::path::Path;

use jackalope::broker::{Broker, Event, Events, Options, Packet};
use jackalope_tests::{ECHO, Gateway, GatewayOptions, Mosquitto, PATIENCE, Proxy, free_port};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

#[test]
fn a_signal_ends_it_in_good_order() {
    for signal in ["TERM", "INT"] {
        let broker = Mosquitto::start();
        let wills = broker.subscribe("will", 1);
        let marks = broker.subscribe("mark", 1);
        let mut gateway = GatewayOptions::new(BINARY, broker.port())
            .config("last-will = { topic = \"will\", payload = \"gone\" }")
            .start();
        gateway.log.wait_for(" online ");
        gateway.signal(signal);
        assert_eq!(gateway.wait().code(), Some(0));
        gateway
            .log
            .wait_for(&format!("SIG{signal}: finishing what is in flight"));
        gateway.log.wait_for("stopped");
        broker.publish("mark", "");
        marks.wait_for(1);
        assert_eq!(wills.messages(), [""; 0], "DISCONNECT takes the will back");
    }
}

#[test]
fn what_is_on_the_work_list_goes_out_before_the_end() {
    let broker = Mosquitto::start();
    let network = Proxy::to(broker.port());
    let mut gateway = GatewayOptions::new(BINARY, network.port())
        .config("work-list = { max = 1000 }")
        .guest("echo", ECHO, &["echo/post"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/post");
    let out = broker.subscribe("out", 1);
    network.allow(1_000);
    let order = "count=500 qos=1 ttl-ms=600000 topic=out";
    broker.publish_with(&["-q", "0", "-t", "echo/post", "-m", order]);
    out.wait_for(1);
    gateway.signal("TERM");
    gateway.log.wait_for("SIGTERM");
    network.restore();
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(out.wait_for(500).len(), 500);
}

#[test]
fn offline_letters_that_are_lost_at_the_end_are_counted() {
    let broker = Mosquitto::start();
    let network = Proxy::to(broker.port());
    let mut gateway = GatewayOptions::new(BINARY, network.port())
        .guest("echo", ECHO, &["echo/post"], "")
        .start();
    gateway.log.wait_for("subscribed filter=echo/post");
    network.allow(0);
    let order = "count=7 qos=1 ttl-ms=600000 topic=out";
    broker.publish_with(&["-q", "0", "-t", "echo/post", "-m", order]);
    // The order is taken before the network is seen to be gone.
    broker.publish_with(&["-q", "0", "-t", "echo/post", "-m", "nonsense"]);
    gateway.log.wait_for("message rejected");
    network.cut();
    gateway.log.wait_for("offline");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    gateway.log.wait_for("letters=7");
}

#[test]
fn without_a_broker_it_says_so_and_goes_on_trying() {
    let port = free_port();
    let mut gateway = GatewayOptions::new(BINARY, port)
        .config("backoff = { min = \"20ms\", max = \"40ms\" }")
        .start();
    let line = gateway.log.wait_for("offline");
    assert!(
        line.contains(&format!(
            "cannot connect to 127.0.0.1:{port}: Connection refused"
        )),
        "{line}"
    );
    let tries = |lines: &[String]| lines.iter().filter(|line| line.contains("offline")).count() > 3;
    gateway.log.wait_until("more tries", tries);
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
}

#[test]
fn a_host_that_does_not_exist_is_named() {
    let gateway = GatewayOptions::new(BINARY, 1)
        .env("JACKALOPE_SERVER", "no-such-host.invalid:1883")
        .start();
    gateway
        .log
        .wait_for("cannot connect to no-such-host.invalid:1883");
}

#[test]
fn a_broker_that_refuses_is_quoted() {
    let broker = Mosquitto::with("allow_anonymous false");
    for (version, reason) in [("3.1.1", "(return code 5)"), ("5", "0x87")] {
        let gateway = GatewayOptions::new(BINARY, broker.port())
            .config(&format!("version = {version:?}"))
            .start();
        gateway.log.wait_for("the broker refused the connection");
        gateway.log.wait_for(reason);
    }
}

#[test]
fn a_password_from_a_file_lets_it_in() {
    let mut passwords = tempfile::NamedTempFile::new().expect("there is a place for it");
    writeln!(passwords, "gateway:secret").expect("it can be written");
    let status = std::process::Command::new("mosquitto_passwd")
        .arg("-U")
        .arg(passwords.path())
        .status()
        .expect("mosquitto_passwd is installed");
    assert!(status.success());
    // Where this runs as root, mosquitto gives its rights up and must still read it.
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    std::fs::set_permissions(passwords.path(), open).expect("it is ours");
    let file = passwords.path().display();
    let broker = Mosquitto::with(&format!("allow_anonymous false\npassword_file {file}"));
    let mut password = tempfile::NamedTempFile::new().expect("there is a place for it");
    writeln!(password, "secret").expect("it can be written");
    let login = format!(
        "user-name = \"gateway\"\npassword-file = {:?}",
        password.path()
    );
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config(&login)
        .start();
    gateway.log.wait_for(" online ");
    assert_eq!(gateway.log.count("secret"), 0);

    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config("user-name = \"gateway\"\nversion = \"3.1.1\"")
        .env("JACKALOPE_PASSWORD", "wrong")
        .start();
    gateway.log.wait_for("(return code 5)");
    assert_eq!(gateway.log.count("wrong"), 0);
}

/// A fake broker, and a gateway whose password is in a file.
struct WithPassword {
    events: Events,
    gateway: Gateway,
    directory: TempDir,
    _broker: Broker,
}

impl WithPassword {
    async fn start() -> Self {
        let broker = Broker::start(Options::default())
            .await
            .expect("127.0.0.1 has free ports");
        let directory = TempDir::new().expect("there is a place for temporary files");
        let file = directory.path().join("password");
        write(&file, "hunter1");
        let gateway = GatewayOptions::new(BINARY, broker.address().port())
            .config(&format!("user-name = \"u\"\npassword-file = {file:?}"))
            .config("version = \"3.1.1\"")
            .config("backoff = { min = \"20ms\", max = \"40ms\" }")
            .start();
        let mut site = Self {
            events: broker.events(),
            gateway,
            directory,
            _broker: broker,
        };
        site.expect_connect("hunter1").await;
        site.gateway.log.wait_for(" online ");
        site
    }

    fn write(&self, password: &str) {
        write(&self.directory.path().join("password"), password);
    }

    fn remove(&self) {
        fs::remove_file(self.directory.path().join("password")).expect("it is ours");
    }

    /// The next packet that ends or begins a session.
    async fn next_packet(&mut self) -> Packet {
        let wait = async {
            loop {
                match self.events.next_event().await.expect("the broker runs") {
                    Event::Received { packet, .. }
                        if matches!(packet, Packet::Connect(_) | Packet::Disconnect) =>
                    {
                        return packet;
                    }
                    _ => {}
                }
            }
        };
        tokio::time::timeout(PATIENCE, wait)
            .await
            .expect("it does not happen")
    }

    async fn expect_connect(&mut self, password: &str) {
        let login = match self.next_packet().await {
            Packet::Connect(connect) => connect.login,
            _ => None,
        };
        let login = login.expect("it is CONNECT with a user name");
        assert_eq!(
            (&*login.user_name, login.password.as_deref()),
            ("u", Some(password.as_bytes()))
        );
    }

    async fn expect_disconnect(&mut self) {
        assert_eq!(self.next_packet().await, Packet::Disconnect);
    }
}

/// As a whole: a gateway may read it at any moment.
fn write(file: &Path, text: &str) {
    let new = file.with_extension("new");
    fs::write(&new, text).expect("it can be written");
    fs::rename(new, file).expect("it is ours");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigusr1_makes_a_new_connection_with_the_password_of_now() {
    let mut site = WithPassword::start().await;
    for (sessions, password) in [(2, "hunter2"), (3, "hunter3")] {
        site.write(password);
        site.gateway.signal("USR1");
        site.expect_disconnect().await;
        site.expect_connect(password).await;
        let is_online = |lines: &[String]| {
            lines
                .iter()
                .filter(|line| line.contains(" online "))
                .count()
                == sessions
        };
        site.gateway.log.wait_until("session", is_online);
    }
    site.gateway.signal("TERM");
    site.expect_disconnect().await;
    assert_eq!(site.gateway.wait().code(), Some(0));
    assert_eq!(site.gateway.log.count("hunter"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_its_password_file_it_says_so_and_goes_on_trying() {
    let mut site = WithPassword::start().await;
    site.remove();
    site.gateway.signal("USR1");
    site.expect_disconnect().await;
    let line = site.gateway.log.wait_for("offline: password file ");
    assert!(
        line.contains("/password cannot be read: No such file"),
        "{line}"
    );
    let tries = |lines: &[String]| {
        lines
            .iter()
            .filter(|line| line.contains("offline: password file "))
            .count()
            > 1
    };
    site.gateway.log.wait_until("second try", tries);
    site.write("new");
    site.expect_connect("new").await;
}
