//! Several brokers: from one to the next, and back.

use jackalope_tests::{BURST, Certificates, Gateway, GatewayOptions, Mosquitto, free_ports};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// A gateway to these servers, that looks for the first every second.
fn gateway(servers: &[String]) -> GatewayOptions {
    GatewayOptions::new(BINARY, 1)
        .config("server-return = \"1s\"\nbackoff = { min = \"1s\", max = \"1s\" }")
        .env("JACKALOPE_SERVER", &servers.join(","))
}

fn at(port: u16) -> String {
    format!("127.0.0.1:{port}")
}

/// Waits until the gateway has come online here for the nth time.
#[track_caller]
fn wait_for_online(gateway: &Gateway, server: &str, times: usize) {
    let wanted = format!("server=\"{server}\"");
    let is_online = |line: &&String| line.contains(" online ") && line.contains(&wanted);
    gateway
        .log
        .wait_until(&format!("online {wanted}"), |lines| {
            lines.iter().filter(is_online).count() >= times
        });
}

/// Once the gateway has subscribed for the nth time.
#[track_caller]
fn check_letters(gateway: &Gateway, broker: &Mosquitto, times: usize) {
    let subscribed = |line: &&String| line.contains("subscribed filter=burst/start");
    gateway.log.wait_until("the subscription", |lines| {
        lines.iter().filter(subscribed).count() >= times
    });
    let done = broker.subscribe("burst/done", 0);
    broker.publish("burst/start", "count=50 window=10 qos=2 size=40");
    assert!(done.wait_for(1)[0].ends_with(" 50"));
}

#[test]
fn the_next_one_is_there_at_once_and_the_first_is_returned_to() {
    for (version, clean_session) in [("3.1.1", "true"), ("3.1.1", "false"), ("5", "false")] {
        let (mut first, second) = (Mosquitto::start(), Mosquitto::start());
        let servers = [at(first.port()), at(second.port())];
        let gateway = gateway(&servers)
            .env("JACKALOPE_VERSION", version)
            .env("JACKALOPE_CLEAN_SESSION", clean_session)
            .guest("burst", BURST, &["burst/start"], "")
            .start();
        wait_for_online(&gateway, &servers[0], 1);
        check_letters(&gateway, &first, 1);

        first.kill();
        wait_for_online(&gateway, &servers[1], 1);
        check_letters(&gateway, &second, 2);
        gateway
            .log
            .wait_for("the preferred server cannot be reached: cannot connect to");

        first.restart();
        gateway
            .log
            .wait_for("the preferred server can be reached again");
        wait_for_online(&gateway, &servers[0], 2);
        check_letters(&gateway, &first, 3);
        let at_once = format!("server=\"{}\" next_try=\"0ns\"", servers[0]);
        let line = gateway.log.wait_for(&at_once);
        assert!(line.contains("offline: cannot connect to"), "{line}");
    }
}

#[test]
fn a_broker_that_refuses_is_passed_over() {
    let strict = Mosquitto::with("allow_anonymous false");
    let broker = Mosquitto::start();
    let servers = [at(strict.port()), at(broker.port())];
    let gateway = gateway(&servers).start();
    wait_for_online(&gateway, &servers[1], 1);
    let line = gateway.log.wait_for("offline: the broker refused");
    assert!(
        line.contains(&format!("server=\"{}\"", servers[0])),
        "{line}"
    );
    // It can be reached, and refuses again.
    wait_for_online(&gateway, &servers[1], 2);
}

#[test]
fn all_that_is_between_is_looked_at_on_the_way_back() {
    let certificates = Certificates::new();
    let mut first = Mosquitto::secure(&certificates, "protocol websockets");
    let second = Mosquitto::start();
    let servers = [
        format!("wss://127.0.0.1:{}/mqtt", first.secure_port()),
        at(second.port()),
    ];
    let ca = certificates.path("ca.pem");
    let gateway = gateway(&servers)
        .config(&format!("[tls]\nca-file = {ca:?}"))
        .start();
    wait_for_online(&gateway, &servers[0], 1);
    first.kill();
    wait_for_online(&gateway, &servers[1], 1);
    first.restart();
    wait_for_online(&gateway, &servers[0], 2);

    // Something else at the place of the first is not moved to.
    let other = Mosquitto::start();
    let servers = [
        format!("wss://127.0.0.1:{}/mqtt", other.port()),
        at(second.port()),
    ];
    let gateway = self::gateway(&servers)
        .config(&format!("client-id = \"other\"\n[tls]\nca-file = {ca:?}"))
        .start();
    wait_for_online(&gateway, &servers[1], 1);
    gateway
        .log
        .wait_for("the preferred server cannot be reached: the server closed the connection");
    assert_eq!(gateway.log.count(" online "), 1);
}

#[test]
fn after_a_round_comes_a_pause() {
    let servers = free_ports::<3>().map(at);
    let gateway = gateway(&servers).start();
    let offline =
        |lines: &[String]| lines.iter().filter(|line| line.contains("offline")).count() >= 4;
    let lines = gateway.log.wait_until("four tries", offline);
    let tries: Vec<_> = lines
        .iter()
        .filter(|line| line.contains("offline"))
        .collect();
    for (number, line) in tries.iter().take(4).enumerate() {
        assert!(line.contains(&servers[number % 3]), "{line}");
        // What is left of the pause of 1 s when the line is written.
        let is_pause = !line.contains("next_try=\"0ns\"");
        assert_eq!(is_pause, number == 2, "{line}");
    }
}
