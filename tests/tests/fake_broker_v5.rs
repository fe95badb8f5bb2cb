//! The fake broker on its own in MQTT 5, by the hands of `mosquitto_pub` and
//! `mosquitto_sub`.

use jackalope_tests::{FakeBroker, Process, Subscriber, mosquitto_pub};

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");
const V5: [&str; 2] = ["-V", "mqttv5"];

fn start(arguments: &[&str]) -> FakeBroker {
    FakeBroker::start(BINARY, V5[1], arguments)
}

/// Publishes what is not taken: the reason that is given for it.
#[track_caller]
fn publish_in_vain(broker: &FakeBroker, version: &str, arguments: &[&str]) -> String {
    let port = broker.port().to_string();
    let all = [
        &["-V", version, "-h", "127.0.0.1", "-p", &port][..],
        arguments,
    ]
    .concat();
    let mut process = Process::start("mosquitto_pub", &all);
    process.wait();
    process.errors.wait_for_end()
}

#[test]
fn messages_arrive_with_each_qos() {
    let broker = start(&[]);
    for qos in ["0", "1", "2"] {
        let topic = format!("a/{qos}");
        let subscriber = broker.subscribe(&["-t", &topic, "-q", qos]);
        broker.publish(&["-t", &topic, "-q", qos, "-m", "hello", "-i", "sender"]);
        subscriber.wait_for_message(&format!("{topic} 0 hello"));
        let id = if qos == "0" { "" } else { " id=1" };
        broker.expect(&format!(
            "sender > PUBLISH q{qos}{id} {topic} 5 bytes \"hello\""
        ));
    }
    broker.expect("sender > CONNECT v5 clean keep-alive=60");
    broker.expect("sender < CONNACK success { receive-maximum=20");
    broker.expect_no_violation();
}

#[test]
fn both_versions_share_what_is_retained() {
    let broker = start(&[]);
    broker.publish(&["-t", "kept", "-q", "1", "-m", "new", "-r"]);
    mosquitto_pub(broker.port(), &["-t", "old", "-q", "1", "-m", "old", "-r"]);
    let late = broker.subscribe(&["-t", "#", "-q", "1"]);
    assert_eq!(late.wait_for(2), ["kept 1 new", "old 1 old"]);
    let late = Subscriber::start(broker.port(), &["-t", "#", "-q", "1"]);
    assert_eq!(late.wait_for(2), ["kept 1 new", "old 1 old"]);
    broker.expect_no_violation();
}

#[test]
fn a_will_waits_until_its_client_is_back() {
    let broker = start(&[]);
    let arguments = |delay| {
        let mut arguments = vec!["-t", "x", "-i", "sleeper", "-c", "-x", "600"];
        arguments.extend(["--will-topic", "wills", "--will-payload", "gone"]);
        arguments.extend(["-D", "will", "will-delay-interval", delay]);
        arguments
    };
    let watcher = broker.subscribe(&["-t", "#", "-q", "1"]);
    // Dropped is killed.
    drop(broker.subscribe(&arguments("600")));
    broker.expect("sleeper closed: connection lost");
    let back = broker.subscribe(&arguments("0"));
    broker.publish(&["-t", "mark", "-q", "1", "-n"]);
    assert_eq!(watcher.wait_for(1), ["mark 0 "]);
    drop(back);
    assert_eq!(watcher.wait_for(2)[1], "wills 0 gone");
    broker.expect_no_violation();
}

#[test]
fn a_session_is_kept_as_long_as_it_is_wanted() {
    let broker = start(&[]);
    let arguments = [
        "-c", "-x", "600", "-i", "sleeper", "-t", "queue/#", "-q", "2",
    ];
    broker.subscribe(&arguments).disconnect();
    broker.expect("sleeper closed: disconnect");
    for qos in ["0", "1", "2"] {
        broker.publish(&["-t", &format!("queue/{qos}"), "-q", qos, "-m", "waits"]);
    }
    let again = broker.subscribe(&arguments);
    let queued = ["queue/1 0 waits", "queue/2 0 waits"];
    assert_eq!(again.wait_for(2), queued, "QoS 0 is not queued");
    broker.expect("sleeper session resumed, 0 in flight, 2 waiting");
    broker.expect_no_violation();
}

#[test]
fn those_who_share_a_subscription_take_turns_in_both_versions() {
    let broker = start(&[]);
    let arguments = ["-t", "$share/group/jobs/#", "-q", "1"];
    let new = broker.subscribe(&[&["-i", "a"], &arguments[..]].concat());
    let old = Subscriber::start(broker.port(), &[&["-i", "b"], &arguments[..]].concat());
    for job in ["1", "2", "3", "4"] {
        broker.publish(&["-t", "jobs", "-q", "1", "-m", job]);
    }
    assert_eq!(new.wait_for(2), ["jobs 0 1", "jobs 0 3"]);
    assert_eq!(old.wait_for(2), ["jobs 0 2", "jobs 0 4"]);
    broker.expect_no_violation();
}

#[test]
fn properties_arrive_and_are_shown() {
    let broker = start(&[]);
    let port = broker.port().to_string();
    let mut arguments = vec!["-oL", "mosquitto_sub", "-h", "127.0.0.1", "-p", &port];
    arguments.extend(["-d", "-t", "t", "-q", "1", "-i", "reader"]);
    arguments.extend(V5);
    arguments.extend(["-D", "subscribe", "subscription-identifier", "7"]);
    arguments.extend(["-F", "got %p, a %C for %R, %E s, %P, %S"]);
    let reader = Process::start("stdbuf", &arguments);
    reader.out.wait_for("Subscribed (mid");
    let mut arguments = vec!["-t", "t", "-q", "1", "-m", "hi"];
    for property in [
        &["content-type", "text/plain"][..],
        &["response-topic", "answers"],
        &["correlation-data", "xy"],
        &["message-expiry-interval", "100"],
        &["payload-format-indicator", "1"],
        &["user-property", "name", "value"],
    ] {
        arguments.extend(["-D", "publish"]);
        arguments.extend(property);
    }
    broker.publish(&arguments);
    reader
        .out
        .wait_for("got hi, a text/plain for answers, 100 s, name:value, 7");
    for property in [
        "content-type=\"text/plain\"",
        "response-topic=\"answers\"",
        "expiry=100",
        "\"name\": \"value\"",
    ] {
        broker.expect(property);
    }
    broker.expect_no_violation();
}

#[test]
fn what_is_refused_on_the_command_line_is_refused() {
    let broker = start(&[
        "--refuse-publish",
        "no/#",
        "--refuse-subscription",
        "secret/#",
        "--user",
        "meter:with:colon",
        "--user",
        "other:x",
    ]);
    let login = ["-u", "meter", "-P", "with:colon", "-q", "1", "-n"];
    broker.publish(&[&["-t", "yes"], &login[..]].concat());
    let refused = [&["-t", "no/1", "-i", "a"], &login[..]].concat();
    let error = publish_in_vain(&broker, "mqttv5", &refused);
    assert!(error.contains("Not authorized"), "{error}");
    broker.expect("a < PUBACK id=1 not authorized");
    let wrong = ["-u", "meter", "-P", "x", "-t", "t", "-n", "-i", "b"];
    publish_in_vain(&broker, "mqttv5", &wrong);
    broker.expect("b < CONNACK bad user name or password");
    publish_in_vain(&broker, "mqttv311", &wrong);
    broker.expect("b < CONNACK refused: not authorized");
    let port = broker.port().to_string();
    let mut arguments = vec!["-p", &port, "-h", "127.0.0.1", "-i", "c", "-t", "secret/#"];
    arguments.extend(["-u", "other", "-P", "x"]);
    arguments.extend(V5);
    let _reader = Process::start("mosquitto_sub", &arguments);
    broker.expect("c < SUBACK id=1 not authorized");
    broker.expect_no_violation();
}

#[test]
fn what_a_user_may_do_and_what_goes_wrong_are_chosen_on_the_command_line() {
    let broker = start(&[
        "--user",
        "meter:x",
        "--allow-publish",
        "meter:meters/+",
        "--allow-subscribe",
        "meter:meters/#",
        "--fault",
        "refuse-connect-v5=server-busy:1",
        "--without",
        "retain,shared",
    ]);
    let login = ["-u", "meter", "-P", "x", "-q", "1", "-n"];
    let may = [&["-t", "meters/7", "-i", "a"], &login[..]].concat();
    publish_in_vain(&broker, "mqttv5", &may);
    broker.expect("a < CONNACK server busy");
    broker.publish(&may);
    let may_not = [&["-t", "doors/7", "-i", "b"], &login[..]].concat();
    let error = publish_in_vain(&broker, "mqttv5", &may_not);
    assert!(error.contains("Not authorized"), "{error}");
    let port = broker.port().to_string();
    let mut arguments = vec!["-p", &port, "-h", "127.0.0.1", "-i", "c", "-t", "#"];
    arguments.extend(["-u", "meter", "-P", "x"]);
    arguments.extend(V5);
    let _reader = Process::start("mosquitto_sub", &arguments);
    broker.expect("c < SUBACK id=1 not authorized");
    broker.expect_no_violation();
}

#[test]
fn what_is_no_fault_is_answered_with_what_there_is() {
    for (fault, says) in [
        ("drop", "never-answer-connect"),
        ("drop-after=publish", "write drop-after=COUNT:"),
    ] {
        let mut broker = Process::start(BINARY, &["broker", "--fault", fault]);
        assert_eq!(broker.wait().code(), Some(64));
        let error = broker.errors.wait_for_end();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn what_is_no_login_is_wrong_usage() {
    let mut broker = Process::start(BINARY, &["broker", "--user", "nobody"]);
    assert_eq!(broker.wait().code(), Some(64));
    let error = broker.errors.wait_for_end();
    assert!(error.contains("e.g. meter:secret"), "{error}");
}
