//! Who follows what a gateway does.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::net::UnixStream;

use jackalope_tests::{HOSTILE, Lines, Process, SENSOR};
use serde_json::Value;

use super::{BINARY, Site, check_refused, exchange, text};

/// As many as can follow.
const MAX_FOLLOWERS: usize = 8;

impl Site {
    /// The command, once it follows.
    pub(super) fn follow(&self, arguments: &[&str]) -> Process {
        let socket = self.socket().display().to_string();
        let arguments = [&["follow", "--socket", &socket][..], arguments].concat();
        let process = Process::start(BINARY, &arguments);
        process.out.wait_for("up for ");
        process
    }

    /// A client of HTTP/1.0, once it follows: the lines come as they are.
    pub(super) fn follow_raw(&self, parameters: &str) -> BufReader<UnixStream> {
        let mut stream = self.connect();
        let ask = format!("GET /events{parameters} HTTP/1.0\r\n\r\n");
        stream.write_all(ask.as_bytes()).expect("it listens");
        let mut stream = BufReader::new(stream);
        let mut line = String::new();
        while !line.contains("\"event\":\"following\"") {
            line.clear();
            let read = stream.read_line(&mut line).expect("it answers");
            assert_ne!(read, 0, "it ends");
        }
        stream
    }
}

/// Waits until there are lines with these texts, in this order.
#[track_caller]
fn wait_for_order(lines: &Lines, expect: &[&str]) {
    lines.wait_until(&format!("{expect:?}"), |lines| {
        let mut lines = lines.iter();
        let is_there = |text: &&str| lines.any(|line| line.contains(text));
        expect.iter().all(is_there)
    });
}

/// The lines of JSON, those with this event.
fn events(lines: &str, event: &str) -> Vec<Value> {
    let lines = lines.lines().map(serde_json::from_str);
    let lines = lines.map(|line: Result<Value, _>| line.expect("a line is JSON"));
    lines.filter(|line| line["event"] == event).collect()
}

#[test]
fn a_letter_is_seen_from_its_message_to_its_outcome() {
    let mut site = Site::start();
    let mut people = site.follow(&["--payloads"]);
    let mut programs = site.follow(&["--json"]);
    site.broker.publish("echo/in/a", "hello");
    wait_for_order(
        &people.out,
        &[
            "  message  echo/in/a  hello  to echo",
            "  guest    echo: message handled in ",
            "  letter 1 echo: accepted  echo/out/a  QoS 1, ttl 1 h  hello",
            "  letter 1 echo: sent  echo/out/a",
            "  letter 1 echo: delivered (acknowledged)  echo/out/a",
        ],
    );
    site.cut();
    site.expect(&["publish", "late", "x", "--ttl", "50ms", "--tag", "t"], 0);
    wait_for_order(
        &people.out,
        &[
            "  link     down: ",
            "  letter 2 (control): accepted  late  QoS 1, ttl 50 ms  x",
            "  letter 2 (control): expired, never sent  late  tag t",
        ],
    );
    let keyed = [
        "--replace-key",
        "k",
        "--priority",
        "high",
        "--after-reboot",
        "drop",
    ];
    site.expect(&[&["publish", "state", "1"], &keyed[..]].concat(), 0);
    site.expect(&["publish", "state", "2", "--replace-key", "k"], 0);
    wait_for_order(
        &people.out,
        &[
            "  letter 3 (control): accepted  state  QoS 1, ttl 1 h, priority high, replace key k, \
             after reboot drop  1",
            "  letter 4 (control): accepted  state  QoS 1, ttl 1 h, replace key k  2",
            "  letter 3 (control): displaced by a younger one with its replace key  state",
        ],
    );
    site.network.restore();
    wait_for_order(&people.out, &["down: ", "  link     up"]);

    site.gateway.signal("TERM");
    assert!(site.gateway.wait().success());
    for process in [&mut people, &mut programs] {
        assert_eq!(process.wait().code(), Some(0));
    }
    people.out.wait_for("  news     the gateway has ended");
    let lines = programs.out.wait_for_end();
    assert!(!lines.contains("hello"), "{lines}");
    let message = &events(&lines, "message")[0];
    assert_eq!(message["topic"], "echo/in/a");
    assert_eq!(message["guests"], serde_json::json!(["echo"]));
    assert_eq!(message["bytes"], 5);
    for event in ["accepted", "sent", "delivered"] {
        let letter = &events(&lines, event)[0];
        assert_eq!(letter["guest"], "echo", "{event}");
        assert_eq!(letter["ticket"], 1, "{event}");
        assert_eq!(letter["topic"], "echo/out/a", "{event}");
    }
    let expired = &events(&lines, "expired")[0];
    assert_eq!(expired["guest"], "(control)");
    assert_eq!(expired["by"], Value::Null);
    let [echo, late, first, second] = &events(&lines, "accepted")[..] else {
        panic!("{lines}");
    };
    let asked = |letter: &Value| {
        ["priority", "replace-key", "after-reboot"].map(|it| letter[it].as_str().map(str::to_owned))
    };
    for letter in [echo, late] {
        assert_eq!(asked(letter), [None, None, None]);
    }
    let some = |words: [&str; 3]| words.map(|word| Some(word.to_owned()));
    assert_eq!(asked(first), some(["high", "k", "drop"]));
    assert_eq!(asked(second), [None, Some("k".to_owned()), None]);
    let displaced = &events(&lines, "displaced")[0];
    assert_eq!(
        (&displaced["ticket"], &displaced["by"]),
        (&serde_json::json!(3), &serde_json::json!("replace-key"))
    );
    assert_eq!(events(&lines, "end").len(), 1);
}

#[test]
fn guests_are_seen_to_print_to_fail_and_to_run_again() {
    let timers = "[[guest.timer]]\nname = 'read'\nevery = '20ms'";
    let site = Site::start_among("", |options| {
        let options = options.guest("hostile", HOSTILE, &["hostile/do"], "retries = 0");
        options.guest("sensor", SENSOR, &[], timers)
    });
    let people = site.follow(&[]);
    wait_for_order(&people.out, &["  guest    sensor: timer read handled in "]);
    site.expect(&["send", "hostile", "hostile/do", "panic"], 0);
    people.out.wait_for("hostile: message failed after ");
    site.expect(&["send", "hostile", "hostile/do", "publish-then-reject"], 0);
    wait_for_order(
        &people.out,
        &[
            "  message  hostile/do  (5 bytes)  to hostile",
            "  guest    hostile: ! as asked for",
            "  guest    hostile: message failed after ",
            "  guest    hostile: | Ok(",
            "  guest    hostile: runs again, as another instance",
            "  guest    hostile: message rejected in ",
            " hostile: delivered (acknowledged)  hostile/out",
        ],
    );
}

#[test]
fn who_does_not_read_misses_something_and_nobody_else() {
    let site = Site::start();
    let slow = site.follow_raw("?payloads");
    let mut other = site.follow(&["--json"]);
    // More than the queue and all that the kernel takes.
    for round in 1..=40 {
        site.broker.publish("echo/post", "count=100");
        let all = |lines: &[String]| {
            let delivered = lines.iter().filter(|line| line.contains("\"delivered\""));
            delivered.count() == round * 100
        };
        other.out.wait_until("outcomes of all letters", all);
    }
    other.signal("INT");
    assert_eq!(other.wait().code(), Some(0));
    other.errors.wait_for("SIGINT: the gateway goes on");
    let lines = other.out.wait_for_end();
    assert_eq!(events(&lines, "dropped").len(), 0);

    let mut read = slow.lines().map(|line| line.expect("it goes on"));
    let dropped = read.find(|line| line.contains("\"event\":\"dropped\""));
    let dropped = &events(&dropped.expect("it goes on"), "dropped")[0];
    assert!(dropped["dropped"].as_u64() > Some(0), "{dropped}");
    // From here on it misses nothing.
    site.broker.publish("echo/in/end", "x");
    let last = read.find(|line| line.contains("\"topic\":\"echo/in/end\""));
    assert!(last.expect("it goes on").contains("\"payload\":\"x\""));
}

#[test]
fn so_many_follow_and_no_more() {
    let site = Site::start();
    let mut all: Vec<_> = (0..MAX_FOLLOWERS).map(|_| site.follow_raw("")).collect();
    let refused = site.ask("GET /events", "");
    check_refused(&refused, "503", "unavailable");
    assert!(refused.contains("too many follow already: 8 at most"));
    let refused = site.expect(&["follow"], 75);
    assert!(refused.contains("too many follow already"), "{refused}");
    check_refused(
        &site.ask("GET /events?payloads=x", ""),
        "400",
        "invalid-request",
    );

    // Who goes makes room for another, as soon as that is noticed.
    all.pop();
    let mut stream = loop {
        let mut stream = site.connect();
        stream
            .write_all(b"GET /events HTTP/1.1\r\nhost: x\r\n\r\n")
            .expect("it listens");
        let mut status = [0; 12];
        stream.read_exact(&mut status).expect("it answers");
        if &status == b"HTTP/1.1 200" {
            break stream;
        }
    };
    site.gateway.signal("TERM");
    let rest = exchange(&mut stream, b"");
    assert!(
        rest.contains("content-type: application/x-ndjson"),
        "{rest}"
    );
    assert!(rest.contains("transfer-encoding: chunked"), "{rest}");
    assert!(rest.contains("\"event\":\"end\""), "{rest}");
    assert!(rest.ends_with("\r\n0\r\n\r\n"), "{rest}");
}

#[test]
fn what_breaks_off_is_no_end() {
    let site = Site::start();
    let mut people = site.follow(&[]);
    site.gateway.signal("KILL");
    assert_eq!(people.wait().code(), Some(69));
    people.errors.wait_for("it broke off");
}

#[test]
fn a_line_of_curl_follows() {
    let mut site = Site::start();
    let socket = site.socket().display().to_string();
    let address = "http://localhost/events";
    let mut curl = Process::start("curl", &["-sSN", "--unix-socket", &socket, address]);
    curl.out.wait_for("\"event\":\"following\"");
    site.gateway.signal("TERM");
    assert!(site.gateway.wait().success());
    assert_eq!(curl.wait().code(), Some(0));
    let printed = text(curl.out.wait_for_end().as_bytes());
    assert_eq!(events(&printed, "end").len(), 1);
}
