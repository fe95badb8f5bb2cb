//! The fake broker on its own, by the hands of `mosquitto_pub` and `mosquitto_sub`.

use jackalope_tests::{FakeBroker, Process};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn start() -> FakeBroker {
    FakeBroker::start(BINARY, "mqttv311", &[])
}

#[test]
fn messages_arrive_with_each_qos_and_every_packet_is_a_line() {
    let broker = start();
    for qos in ["0", "1", "2"] {
        let topic = format!("a/{qos}");
        let subscriber = broker.subscribe(&["-t", &topic, "-q", qos]);
        broker.publish(&["-t", &topic, "-q", qos, "-m", "hello", "-i", "sender"]);
        subscriber.wait_for_message(&format!("{topic} 0 hello"));
        let id = if qos == "0" { "" } else { " id=1" };
        let line = format!("sender > PUBLISH q{qos}{id} {topic} 5 bytes \"hello\"");
        broker.expect(&line);
    }
    for line in [
        "sender > CONNECT clean keep-alive=60",
        "sender < CONNACK accepted",
        "sender < PUBACK id=1",
        "sender < PUBREC id=1",
        "sender > PUBREL id=1",
        "sender < PUBCOMP id=1",
        "sender > DISCONNECT",
        "sender closed: disconnect",
    ] {
        broker.expect(line);
    }
    broker.expect_no_violation();
}

#[test]
fn retained_messages_wait_for_those_who_come_late() {
    let broker = start();
    broker.publish(&["-t", "kept", "-q", "1", "-m", "old", "-r"]);
    broker.publish(&["-t", "kept", "-q", "1", "-m", "new", "-r"]);
    let late = broker.subscribe(&["-t", "kept", "-q", "1"]);
    assert_eq!(late.wait_for(1), ["kept 1 new"]);
    broker.publish(&["-t", "kept", "-q", "1", "-n", "-r"]);
    let later = broker.subscribe(&["-t", "#", "-q", "1"]);
    broker.publish(&["-t", "mark", "-q", "1", "-n"]);
    assert_eq!(later.wait_for(1), ["mark 0 "]);
}

#[test]
fn the_will_of_a_client_that_is_killed_is_published() {
    let broker = start();
    let watcher = broker.subscribe(&["-t", "wills/+", "-q", "1"]);
    let with_will = |name: &str| {
        let topic = format!("wills/{name}");
        let will = [
            "--will-topic",
            &topic,
            "--will-payload",
            "gone",
            "--will-qos",
            "1",
        ];
        broker.subscribe(&[&["-t", "x", "-i", name][..], &will].concat())
    };
    with_will("polite").disconnect();
    broker.expect("polite closed: disconnect");
    // Dropped is killed.
    drop(with_will("killed"));
    assert_eq!(watcher.wait_for(1), ["wills/killed 0 gone"]);
    broker.expect("killed will to wills/killed");
}

#[test]
fn a_persistent_session_keeps_messages_for_its_client() {
    let broker = start();
    let arguments = ["-c", "-i", "sleeper", "-t", "queue/#", "-q", "2"];
    broker.subscribe(&arguments).disconnect();
    broker.expect("sleeper closed: disconnect");
    for qos in ["0", "1", "2"] {
        broker.publish(&["-t", &format!("queue/{qos}"), "-q", qos, "-m", "waits"]);
    }
    let again = broker.subscribe(&arguments);
    let queued = ["queue/1 0 waits", "queue/2 0 waits"];
    assert_eq!(again.wait_for(2), queued, "QoS 0 is not queued");
    broker.publish(&["-t", "queue/mark", "-q", "1", "-n"]);
    assert_eq!(
        again.wait_for(3).last().map(String::as_str),
        Some("queue/mark 0 ")
    );
    broker.expect("sleeper session resumed, 0 in flight, 2 waiting");
    broker.expect("sleeper < CONNACK accepted, session present");
}

#[test]
fn a_signal_ends_it() {
    for signal in ["TERM", "INT"] {
        let mut broker = start();
        broker.process.signal(signal);
        assert_eq!(broker.process.wait().code(), Some(0), "SIG{signal}");
        assert_eq!(broker.process.errors.wait_for_end(), "");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let first = start();
    let address = format!("127.0.0.1:{}", first.port());
    let mut second = Process::start(BINARY, &["broker", "--listen", &address]);
    assert_eq!(second.wait().code(), Some(1));
    let error = second.errors.wait_for_end();
    let expect = format!("error: cannot listen on {address}: Address already in use");
    assert!(error.starts_with(&expect), "{error}");
}

#[test]
fn what_is_no_address_is_wrong_usage() {
    let mut broker = Process::start(BINARY, &["broker", "--listen", "localhost"]);
    assert_eq!(broker.wait().code(), Some(64));
    let error = broker.errors.wait_for_end();
    assert!(error.contains("e.g. 127.0.0.1:1883"), "{error}");
}

#[test]
fn it_ends_quietly_when_nobody_reads_it() {
    let arguments = ["broker", "--listen", "127.0.0.1:0"];
    let mut broker = Process::start_and_read_a_line(BINARY, &arguments);
    let line = broker.out.wait_for_end();
    assert!(line.starts_with("listening on "), "{line}");
    // Nobody connects, so it has nothing to print that could fail.
    assert_eq!(broker.wait().code(), Some(0));
    assert_eq!(broker.errors.wait_for_end(), "");
}
