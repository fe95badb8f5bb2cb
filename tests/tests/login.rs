//! Who the gateway is to a broker: a password that a command prints, and what is
//! said when the broker does not like it.

use std::fs;
use std::path::Path;

use jackalope::broker::{Broker, Event, Events, Options, Packet};
use jackalope_tests::{Certificates, GatewayOptions, Mosquitto, PATIENCE};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

async fn broker() -> (Broker, Events) {
    let broker = Broker::start(Options::default())
        .await
        .expect("127.0.0.1 has free ports");
    let events = broker.events();
    (broker, events)
}

/// A gateway whose password a shell prints with this script.
fn gateway(port: u16, script: &str) -> GatewayOptions {
    GatewayOptions::new(BINARY, port)
        .config("user-name = \"u\"\nversion = \"3.1.1\"")
        .config(&format!(
            "password-command = [\"/bin/sh\", \"-c\", {script:?}]"
        ))
        .config("backoff = { min = \"20ms\", max = \"40ms\" }")
}

/// The password of the next CONNECT.
async fn next_password(events: &mut Events) -> String {
    let wait = async {
        loop {
            let event = events.next_event().await.expect("the broker runs");
            if let Event::Received {
                packet: Packet::Connect(connect),
                ..
            } = event
            {
                let password = connect.login.expect("it has a user name").password;
                return String::from_utf8(password.expect("it has a password").to_vec());
            }
        }
    };
    let password = tokio::time::timeout(PATIENCE, wait).await;
    password.expect("it does not connect").expect("it is text")
}

fn wait_for_file(path: &Path) -> String {
    let give_up = std::time::Instant::now() + PATIENCE;
    loop {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        assert!(std::time::Instant::now() < give_up, "no {}", path.display());
        std::thread::yield_now();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_makes_the_password_of_each_connection() {
    let (broker, mut events) = broker().await;
    let directory = TempDir::new().expect("there is a place for temporary files");
    let count = directory.path().join("count");
    let script = format!(
        "echo x >> {0}; token=hunter$(wc -l < {0}); \
         echo fetching >&2; echo \"got $token\" >&2; echo $token",
        count.display()
    );
    let mut gateway = gateway(broker.address().port(), &script).start();
    assert_eq!(next_password(&mut events).await, "hunter1");
    gateway.log.wait_for(" online ");
    gateway.signal("USR1");
    assert_eq!(next_password(&mut events).await, "hunter2");

    gateway.log.wait_for("the password command says: fetching");
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    assert_eq!(gateway.log.count("hunter"), 0, "no log shows a password");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_password_it_says_why_and_goes_on_trying() {
    let (broker, mut events) = broker().await;
    let directory = TempDir::new().expect("there is a place for temporary files");
    let file = directory.path().join("token");
    let script = format!("cat {}", file.display());
    let gateway = gateway(broker.address().port(), &script).start();
    let tries = |lines: &[String]| {
        let why = "offline: password command /bin/sh failed: exit status: 1: cat: ";
        lines.iter().filter(|line| line.contains(why)).count() > 2
    };
    gateway.log.wait_until("third try", tries);
    let said = gateway.log.count("the password command says: cat: ");
    assert_eq!(said, 1, "what is the same each time is said once");
    fs::write(&file, "there it is\n").expect("it can be written");
    assert_eq!(next_password(&mut events).await, "there it is");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_hangs_does_not_hold_up_the_end() {
    let (broker, _events) = broker().await;
    let directory = TempDir::new().expect("there is a place for temporary files");
    let file = directory.path().join("id");
    let script = format!(
        "echo $$ > {0}.new; mv {0}.new {0}; sleep 1000",
        file.display()
    );
    let mut gateway = gateway(broker.address().port(), &script).start();
    let id = wait_for_file(&file);
    gateway.signal("TERM");
    assert_eq!(gateway.wait().code(), Some(0));
    let give_up = std::time::Instant::now() + PATIENCE;
    let is_running = || {
        let status = fs::read_to_string(format!("/proc/{}/status", id.trim()));
        status.is_ok_and(|status| !status.contains("State:\tZ"))
    };
    while is_running() {
        assert!(std::time::Instant::now() < give_up, "the command goes on");
        std::thread::yield_now();
    }
    gateway.log.wait_for("stopped");
}

#[test]
fn a_broker_that_refuses_them_has_the_sources_named() {
    let broker = Mosquitto::with("allow_anonymous false");
    let gateway = gateway(broker.port(), "echo hunter2").start();
    gateway.log.wait_for(
        "this client is not authorized (return code 5); \
         the user name is from user-name, the password from the command /bin/sh",
    );
    assert_eq!(gateway.log.count("hunter"), 0);

    let nobody = GatewayOptions::new(BINARY, broker.port()).start();
    nobody.log.wait_for("the gateway gave no user name");

    let certificates = Certificates::new();
    certificates.issue("gateway", &["gateway"]);
    let lines = "require_certificate true\nallow_anonymous false";
    let broker = Mosquitto::secure(&certificates, lines);
    let path = |name| certificates.path(name);
    let nobody = GatewayOptions::secure(BINARY, broker.secure_port(), &certificates)
        .config(&format!(
            "certificate-file = {:?}\nkey-file = {:?}",
            path("gateway.pem"),
            path("gateway.key")
        ))
        .start();
    nobody
        .log
        .wait_for("the gateway gave a certificate and no user name");
}
