//! The control socket, from outside: with curl, with the binary's own commands, and
//! with clients that should not be.

mod follow;
mod permissions;

use std::fs;
use std::io::{BufRead, Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Output;

use jackalope_tests::{
    ECHO, Gateway, GatewayOptions, Mosquitto, PATIENCE, Process, Proxy, SENSOR, command, run_to_end,
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const TOKEN: &str = "0123456789abcdef0123456789abcdef";

/// A gateway with the echo guest and a control socket, over a network that can be
/// cut.
struct Site {
    broker: Mosquitto,
    network: Proxy,
    gateway: Gateway,
    directory: TempDir,
}

impl Site {
    fn start() -> Self {
        Self::start_with("")
    }

    fn start_with(config: &str) -> Self {
        Self::start_among(config, |options| options)
    }

    /// The same, with more guests.
    fn start_among(config: &str, more: impl FnOnce(GatewayOptions) -> GatewayOptions) -> Self {
        let directory = TempDir::new().expect("there is a place for temporary files");
        let broker = Mosquitto::start();
        let network = Proxy::to(broker.port());
        let socket = directory.path().join("run/control.sock");
        let gateway = more(options(network.port(), &socket, config)).start();
        gateway.log.wait_for("subscribed filter=echo/in/+");
        Self {
            broker,
            network,
            gateway,
            directory,
        }
    }

    /// The file says this from now on, and nobody has read it yet.
    fn rewrite(&self, config: &str) {
        self.rewrite_among(config, |options| options);
    }

    /// The same, with more guests.
    fn rewrite_among(&self, config: &str, more: impl FnOnce(GatewayOptions) -> GatewayOptions) {
        let options = options(self.network.port(), &self.socket(), config);
        self.gateway.reconfigure(&more(options));
    }

    fn socket(&self) -> PathBuf {
        self.directory.path().join("run/control.sock")
    }

    /// Runs a command of the binary that speaks to this gateway.
    fn run(&self, arguments: &[&str]) -> Output {
        let socket = self.socket().display().to_string();
        let environment = [("JACKALOPE_CONTROL_SOCKET", &*socket)];
        run_to_end(BINARY, self.directory.path(), arguments, &environment)
    }

    /// The same, which must exit with this code; returns what it prints.
    #[track_caller]
    fn expect(&self, arguments: &[&str], code: i32) -> String {
        let output = self.run(arguments);
        let printed = text(&output.stdout) + &text(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        printed
    }

    /// Sends bytes and returns all that comes back.
    fn raw(&self, bytes: &[u8]) -> String {
        exchange(self.connect(), bytes)
    }

    fn connect(&self) -> UnixStream {
        let stream = UnixStream::connect(self.socket()).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        stream
    }

    /// What is answered to one request.
    fn ask(&self, line: &str, body: &str) -> String {
        self.raw(request(line, body).as_bytes())
    }

    /// Waits until the gateway knows of it, however often it was offline before.
    fn cut(&self) {
        self.network.cut();
        while self
            .ask("GET /status", "")
            .contains("\"session\":\"online\"")
        {}
    }
}

/// Of a gateway with the echo guest.
fn options(port: u16, socket: &Path, config: &str) -> GatewayOptions {
    GatewayOptions::new(BINARY, port)
        .config("backoff = { min = \"50ms\", max = \"100ms\" }")
        .config(&format!("control-socket = {socket:?}\n{config}"))
        .guest("echo", ECHO, &["echo/in/+", "echo/post"], "")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn request(line: &str, body: &str) -> String {
    let length = body.len();
    format!("{line} HTTP/1.1\r\nhost: x\r\ncontent-length: {length}\r\n\r\n{body}")
}

/// A peer that has said enough may reset the connection; what it has said counts.
fn exchange(mut stream: impl Read + Write, bytes: &[u8]) -> String {
    let _ = stream.write_all(bytes);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    text(&answer)
}

#[track_caller]
fn check_refused(answer: &str, status: &str, code: &str) {
    assert!(
        answer.starts_with(&format!("HTTP/1.1 {status}")),
        "{answer}"
    );
    assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
}

#[test]
fn a_line_of_curl_publishes_any_bytes() {
    let site = Site::start();
    let curl = "printf 'caf\\351' | curl -sS --fail-with-body --unix-socket \"$0\" \
        --data-binary @- 'http://localhost/letters?topic=bytes&retain&wait=true'";
    let output = command("sh")
        .args(["-c", curl])
        .arg(site.socket())
        .output()
        .expect("there is a shell");
    let printed = text(&output.stdout) + &text(&output.stderr);
    assert!(output.status.success(), "{printed}");
    assert!(printed.contains("\"outcome\":\"delivered\""), "{printed}");
    let port = site.broker.port().to_string();
    let arrived = command("mosquitto_sub")
        .args([
            "-p", &port, "-t", "bytes", "-C", "1", "-W", "60", "-F", "%x",
        ])
        .output()
        .expect("it is installed");
    assert_eq!(text(&arrived.stdout), "636166e9\n");
    let description = site.ask("GET /openapi.json", "");
    assert!(
        description.contains("\"openapi\": \"3.1.0\""),
        "{description}"
    );
}

#[test]
fn a_temperature_waits_while_the_network_is_away_and_expires() {
    let site = Site::start();
    let subscriber = site.broker.subscribe("sensors/#", 1);
    site.cut();
    // One has the time to be looked at, and the end of the other is waited for.
    let socket = site.socket().display().to_string();
    let words = ["publish", "sensors/temperature", "-", "--socket", &socket];
    let mut publishing = Process::start(BINARY, &words);
    publishing.type_line("21.5");
    publishing.end_input();
    assert!(publishing.wait().success());
    let listed = site.expect(&["letters"], 0);
    let row = listed.lines().nth(1).expect("there is a row");
    assert!(
        row.contains("waiting") && row.contains("(control)"),
        "{listed}"
    );
    assert!(row.contains("sensors/temperature"), "{listed}");
    assert!(!listed.contains("21.5"), "{listed}");
    let status = site.expect(&["status"], 3);
    assert!(status.starts_with("offline for "), "{status}");
    assert!(
        status.contains("\nguest (control): idle, 1 letter (30 bytes)"),
        "{status}"
    );

    let late = ["publish", "sensors/late", "22", "--ttl", "50ms", "--wait"];
    let said = site.expect(&late, 3);
    assert!(said.ends_with(" expired\n"), "{said}");
    let listed = site.expect(&["letters"], 0);
    assert!(!listed.contains("sensors/late"), "{listed}");
    site.network.restore();
    site.expect(&["publish", "sensors/end", "x", "--wait"], 0);
    let arrived = subscriber.wait_for(2);
    assert_eq!(arrived, ["sensors/temperature 0 21.5", "sensors/end 0 x"]);
}

#[test]
fn what_is_accepted_without_an_outcome_is_told_from_what_is_not_accepted() {
    let mut site = Site::start();
    site.cut();
    let said = site.expect(&["publish", "a", "-5", "--wait=10ms"], 7);
    assert!(
        said.starts_with("letter 1 accepted; its outcome is not known"),
        "{said}"
    );
    let socket = site.socket().display().to_string();
    let words = ["publish", "b", "x", "--wait", "--socket", &socket];
    let mut waiting = Process::start(BINARY, &words);
    while !site.expect(&["letters"], 0).contains(" b") {}
    site.gateway.signal("TERM");
    assert_eq!(waiting.wait().code(), Some(7));
    waiting
        .out
        .wait_for("letter 2 accepted; its outcome is not known");
    site.gateway.wait();
}

#[test]
fn wrong_arguments_are_wrong_usage() {
    let site = Site::start();
    for wrong in [
        ["--qos", "3"],
        ["--ttl", "5"],
        ["--priority", "highest"],
        ["--after-reboot", "no"],
        ["--wait=soon", "--retain"],
    ] {
        site.expect(&[&["publish", "a", "x"], &wrong[..]].concat(), 64);
    }
    site.expect(&["publish", "a/#", "x"], 64);
}

#[test]
fn letters_have_a_priority_and_take_the_place_of_others() {
    let site = Site::start();
    let subscriber = site.broker.subscribe("doors/#", 1);
    site.cut();
    let publish = |arguments: &[&str]| {
        let all = [&["publish", "doors/front"], arguments].concat();
        site.expect(&all, 0)
    };
    let low = ["--priority", "low", "--replace-key", "front"];
    publish(&[&["first"], &low[..]].concat());
    publish(&[&["second", "--after-reboot", "pause"], &low[..]].concat());
    publish(&["alarm", "--priority", "high"]);

    let listed = site.expect(&["letters"], 0);
    let rows: Vec<_> = listed.lines().collect();
    assert_eq!(rows.len(), 3, "the first is displaced: {listed}");
    assert!(rows[1].contains(" high "), "{listed}");
    assert!(
        rows[2].contains(" low ")
            && rows[2].ends_with("doors/front (replace key front, after reboot pause)"),
        "{listed}"
    );
    let listed = site.expect(&["letters", "--json"], 0);
    for said in [
        r#""priority":"low""#,
        r#""replace-key":"front""#,
        r#""after-reboot":"pause""#,
    ] {
        assert!(listed.contains(said), "{said}: {listed}");
    }
    let wrong = site.ask("POST /letters?topic=a&priority=urgent", "");
    check_refused(&wrong, "400", "invalid-request");
    let long = format!("POST /letters?topic=a&replace-key={}", "k".repeat(257));
    check_refused(&site.ask(&long, ""), "400", "replace-key-too-long");

    site.network.restore();
    let arrived = subscriber.wait_for(2);
    assert_eq!(arrived, ["doors/front 0 alarm", "doors/front 0 second"]);
}

#[test]
fn a_letter_is_called_back() {
    let site = Site::start();
    let subscriber = site.broker.subscribe("doors/#", 1);
    site.cut();
    let accepted = site.expect(&["publish", "doors/front", "unlock"], 0);
    let ticket = accepted.split(' ').nth(1).expect("it has a ticket");
    let cancelled = site.expect(&["letters", "--cancel", ticket], 0);
    assert_eq!(cancelled, format!("letter {ticket} is not sent any more\n"));
    let again = site.expect(&["letters", "--cancel", ticket], 1);
    assert!(
        again.contains("no letter with this ticket waits"),
        "{again}"
    );
    check_refused(&site.ask("DELETE /letters/x", ""), "400", "invalid-request");
    site.network.restore();
    site.expect(&["publish", "doors/end", "x", "--wait", "--qos", "2"], 0);
    assert_eq!(subscriber.wait_for(1), ["doors/end 0 x"]);
}

#[test]
fn a_message_reaches_a_guest_and_a_status_people() {
    let site = Site::start();
    let subscriber = site.broker.subscribe("echo/out/#", 1);
    assert_eq!(site.expect(&["send", "echo", "echo/in/a", "hello"], 0), "");
    assert!(subscriber.wait_for(1)[0].ends_with("hello"));
    let unknown = site.expect(&["send", "door", "echo/in/a"], 1);
    assert!(
        unknown.contains("there is no guest of this name; `jackalope status` names them"),
        "{unknown}"
    );
    let elsewhere = site.expect(&["send", "echo", "other"], 1);
    assert!(
        elsewhere.contains("does not subscribe to this topic"),
        "{elsewhere}"
    );

    let status = site.expect(&["status"], 0);
    assert!(status.starts_with("online for "), "{status}");
    assert!(
        status.contains("MQTT 5\nclient id \"jackalope\""),
        "{status}"
    );
    let json = site.expect(&["status", "--json"], 0);
    assert!(json.contains("\"session\":\"online\""), "{json}");
    assert!(site.ask("GET /health", "").starts_with("HTTP/1.1 200 OK"));
    site.expect(&["reconnect"], 0);
    site.gateway
        .log
        .wait_for("offline: a new connection was asked for");
    site.network.cut();
    // A connection that was asked for is no error: it is the cut that is waited for.
    while !site.ask("GET /status", "").contains(r#""last-error":{"#) {}
    let health = site.ask("GET /health", "");
    assert!(health.starts_with("HTTP/1.1 503"), "{health}");
    let status = site.expect(&["status"], 3);
    assert!(status.contains("\nlast error "), "{status}");
}

#[test]
fn the_timers_of_guests_are_in_the_status() {
    let timers = "[[guest.timer]]\nname = 'read'\nevery = '2h'\nfirst = '1h'\n\
                  [[guest.timer]]\nname = 'begin'\nafter = '90m'";
    let site = Site::start_among("", |options| options.guest("sensor", SENSOR, &[], timers));
    let status = site.expect(&["status"], 0);
    let of_sensor = status.split("\nguest ").find(|it| it.starts_with("sensor"));
    let lines: Vec<_> = of_sensor.expect("it is there").lines().skip(1).collect();
    let [begin, read] = lines[..] else {
        panic!("not two timers: {status}");
    };
    assert!(begin.starts_with("  timer begin: due in "), "{status}");
    assert!(!begin.contains("every"), "{status}");
    assert!(read.starts_with("  timer read: due in "), "{status}");
    assert!(read.ends_with(", every 2 h"), "{status}");
    let json = site.expect(&["status", "--json"], 0);
    let json: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    let guests = json["guests"].as_array().expect("there are guests");
    let sensor = guests.iter().find(|guest| guest["name"] == "sensor");
    let timers = &sensor.expect("it is there")["timers"];
    assert_eq!(
        (&timers[0]["name"], &timers[1]["name"]),
        (&"begin".into(), &"read".into())
    );
    assert_eq!(timers[0]["every-ms"], serde_json::Value::Null);
    assert_eq!(timers[1]["every-ms"], 7_200_000);
    assert_eq!(timers[1]["missed"], 0);
    let due = timers[1]["due-in-ms"].as_u64();
    assert!(
        due.is_some_and(|due| (3_000_000..=3_600_000).contains(&due)),
        "{due:?}"
    );
    assert_eq!(guests[0]["timers"], serde_json::json!([]));
}

#[test]
fn what_is_asked_wrongly_is_answered_clearly() {
    let site = Site::start_with(
        "max-packet-size = \"1KiB\"\nwork-list = { max = 1, max-bytes = 900, overflow = \"reject\" }",
    );
    for (line, status, code) in [
        ("GET /", "404", "unknown-route"),
        ("GET /letters/", "404", "unknown-route"),
        ("PUT /letters", "405", "wrong-method"),
        ("POST /letters", "400", "invalid-request"),
        ("POST /letters?topic=a&color=red", "400", "invalid-request"),
        ("POST /letters?topic=a&qos=3", "400", "invalid-request"),
        ("POST /letters?topic=a&ttl=soon", "400", "invalid-request"),
        ("POST /letters?topic=%ff", "400", "invalid-request"),
        ("POST /letters?topic=a%2f%23", "400", "invalid-topic"),
        ("POST /letters?topic=a+b", "400", "invalid-topic"),
        ("POST /letters?topic=a&ttl=0s", "400", "invalid-ttl"),
        ("GET /letters?guest=nobody", "404", "unknown-guest"),
        ("GET /letters?limit=1001", "400", "invalid-request"),
        ("DELETE /letters/77", "404", "unknown-ticket"),
    ] {
        check_refused(&site.ask(line, ""), status, code);
    }
    let wrong_method = site.ask("PUT /letters", "");
    assert!(wrong_method.contains("allow: POST, GET"), "{wrong_method}");
    let large = "x".repeat(1020);
    let answer = site.ask("POST /letters?topic=topic", &large);
    check_refused(&answer, "413", "payload-too-large");
    let larger = "x".repeat(1 << 20);
    let answer = site.ask("POST /letters?topic=topic", &larger);
    check_refused(&answer, "413", "payload-too-large");
    let output = site.run(&["publish", "topic", &large]);
    assert_eq!(output.status.code(), Some(1), "it never will be accepted");
    assert!(text(&output.stderr).contains("it may have "), "{output:?}");

    let larger_than_all = site.ask("POST /letters?topic=topic", &large[..950]);
    check_refused(&larger_than_all, "413", "payload-too-large");
    let rule = "`work-list.max-bytes` allows no more than 900 bytes";
    assert!(larger_than_all.contains(rule), "{larger_than_all}");

    site.cut();
    site.expect(&["publish", "a", "1"], 0);
    let full = site.ask("POST /letters?topic=a", "2");
    check_refused(&full, "503", "work-list-full");
    site.expect(&["publish", "a", "2"], 75);
}

#[test]
fn a_guest_goes_on_while_clients_misbehave() {
    let site = Site::start();
    let subscriber = site.broker.subscribe("echo/out/#", 1);
    let mut echoed = 0;
    let mut echo = || {
        site.broker.publish("echo/in/a", "still here");
        echoed += 1;
        subscriber.wait_for(echoed);
    };
    let slow = || {
        let (head, body) = (site.connect(), stalled(&site, 1, "1", 9).remove(0));
        (&head).write_all(b"GET /sta").expect("it listens");
        (head, body)
    };
    let _beside = slow();
    echo();
    // More than there is room for: those that were first make some, long before they are
    // too slow.
    let (slow_head, slow_body) = slow();
    let all: Vec<_> = (0..1_000).map(|_| site.connect()).collect();
    echo();
    for silent in [&slow_head, &slow_body, &all[0]] {
        assert_eq!(exchange(silent, b""), "", "it is closed");
    }
    drop(all);
    let (slow_head, slow_body) = slow();
    echo();
    for nonsense in [
        &b"\0\xff\x16\x03\x01\r\n\r\n"[..],
        b"GET\r\n\r\n",
        b"GET /status HTTP/9.9\r\n\r\n",
        b"POST /letters?topic=a HTTP/1.1\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n1",
        b"POST /letters?topic=a HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ] {
        let answer = site.raw(nonsense);
        check_refused(&answer, "400", "invalid-request");
        let (head, body) = answer.split_once("\r\n\r\n").expect("there is a body");
        assert!(head.contains("content-type: application/json"), "{answer}");
        assert!(
            head.contains(&format!("content-length: {}", body.len())),
            "{answer}"
        );
    }
    let (long, many) = ("x".repeat(70 << 10), "x: y\r\n".repeat(200));
    for (head, status) in [
        (format!("GET /{long} HTTP/1.1\r\n\r\n"), "414"),
        (format!("GET /status HTTP/1.1\r\n{many}\r\n"), "431"),
        (
            format!("GET /status HTTP/1.1\r\nx: {}", "x".repeat(1 << 20)),
            "431",
        ),
    ] {
        check_refused(&site.raw(head.as_bytes()), status, "invalid-request");
    }
    echo();
    check_refused(&exchange(&slow_body, b""), "408", "too-slow");
    assert_eq!(exchange(slow_head, b""), "", "it is closed");
    site.expect(&["status"], 0);
}

/// One who has published and waits for the outcome, while the network is cut.
fn waiting(site: &Site) -> UnixStream {
    let waiting = site.connect();
    let publish = request("POST /letters?topic=waiting&wait", "x");
    (&waiting)
        .write_all(publish.as_bytes())
        .expect("it listens");
    while !site.ask("GET /letters", "").contains("\"waiting\"") {}
    waiting
}

#[test]
fn who_says_nothing_locks_nobody_out() {
    let site = Site::start();
    site.cut();
    // Those who have asked are let alone, however long they have been there.
    let follower = site.follow_raw("");
    let waiting = waiting(&site);
    let silent = |number: usize| {
        let stream = site.connect();
        if number.is_multiple_of(2) {
            (&stream).write_all(b"GET /sta").expect("it listens");
        }
        stream
    };
    let mut all = Vec::new();
    for round in 0..10 {
        all.extend((0..100).map(silent));
        let answer = site.ask("GET /status", "");
        assert!(
            answer.starts_with("HTTP/1.1 200"),
            "round {round}: {answer}"
        );
    }
    assert_eq!(exchange(&all[0], b""), "", "it is closed");
    site.network.restore();
    let answer = exchange(&waiting, b"");
    assert!(answer.contains("\"outcome\":\"delivered\""), "{answer}");
    let mut lines = follower.lines().map(|line| line.expect("it goes on"));
    assert!(lines.any(|line| line.contains("\"event\":\"delivered\"")));
}

/// Many clients, each with the head of a request and a part of its body, which announces
/// so many bytes.
fn stalled(site: &Site, count: usize, part: &str, announced: usize) -> Vec<UnixStream> {
    let paths = [
        "/letters?topic=stalled",
        "/letters?topic=stalled&wait",
        "/messages?guest=echo&topic=echo/in/stalled",
    ];
    let stalled = |number: usize| {
        let stream = site.connect();
        let path = paths[number % paths.len()];
        let head = format!("POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length:");
        let sent = write!(&stream, "{head} {announced}\r\n\r\n{part}");
        sent.expect("it listens");
        stream
    };
    (0..count).map(stalled).collect()
}

#[test]
fn who_sends_no_whole_body_locks_nobody_out() {
    let site = Site::start();
    site.cut();
    // Those who have asked are let alone, however long they have been there.
    let waiting = waiting(&site);
    let mut all = Vec::new();
    for round in 0..3 {
        all.extend(stalled(&site, 100, "a part", 100));
        let curl = command("curl")
            .args(["-sS", "--fail-with-body", "--unix-socket"])
            .arg(site.socket())
            .args(["--data-binary", "whole"])
            .arg(format!("http://localhost/letters?topic=round/{round}"))
            .output()
            .expect("it is installed");
        let printed = text(&curl.stdout) + &text(&curl.stderr);
        assert!(curl.status.success(), "round {round}: {printed}");
    }
    assert_eq!(exchange(&all[0], b""), "", "it is closed");
    let letters = site.ask("GET /letters", "");
    assert!(!letters.contains("\"stalled\""), "{letters}");
    site.network.restore();
    // Nor do they take the places of those who wait for outcomes.
    let answer = site.ask("POST /letters?topic=last&wait", "x");
    assert!(answer.contains("\"outcome\":\"delivered\""), "{answer}");
    let answer = exchange(&waiting, b"");
    assert!(answer.contains("\"outcome\":\"delivered\""), "{answer}");
}

#[test]
fn a_body_that_is_only_announced_holds_up_no_other() {
    let site = Site::start();
    // Together they are more than there is room for.
    let all = stalled(&site, 20, "a part", 1_000_000);
    let small = "x".repeat(60 << 10);
    let answer = site.ask("POST /letters?topic=small", &small);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let large = "x".repeat(900_000);
    let answer = site.ask("POST /letters?topic=large", &large);
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    let chunked = "POST /letters?topic=chunked HTTP/1.1\r\nhost: x\r\n\
                   transfer-encoding: chunked\r\n\r\n5\r\nwhole\r\n0\r\n\r\n";
    let answer = site.raw(chunked.as_bytes());
    assert!(answer.starts_with("HTTP/1.1 202"), "{answer}");
    check_refused(&exchange(&all[19], b""), "408", "too-slow");
}

#[test]
fn only_its_user_and_his_group_may_open_it() {
    let site = Site::start();
    let mode = |path: PathBuf| {
        let about = fs::metadata(path).expect("it is there");
        about.permissions().mode() & 0o777
    };
    assert_eq!(mode(site.socket()), 0o660);
    assert_eq!(mode(site.directory.path().join("run")), 0o750);

    let other = GatewayOptions::new(BINARY, site.network.port())
        .config(&format!("control-socket = {:?}", site.socket()));
    let mut other = other.start();
    assert_eq!(other.wait().code(), Some(78));
    other.log.wait_for("belongs to a gateway that is running");
    site.expect(&["status"], 0);
}

#[test]
fn without_a_gateway_it_is_said_what_to_do() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    for arguments in [
        &["status"][..],
        &["publish", "a"],
        &["letters"],
        &["reconnect"],
        &["follow"],
    ] {
        let arguments = [arguments, &["--socket", "none.sock"]].concat();
        let output = run_to_end(BINARY, directory.path(), &arguments, &[]);
        assert_eq!(output.status.code(), Some(69), "{output:?}");
        let error = text(&output.stderr);
        assert!(error.contains("no gateway answers at none.sock"), "{error}");
        assert!(error.contains("`control-socket`"), "{error}");
    }
}

#[test]
fn systemd_says_where_the_socket_is_and_it_goes_with_the_gateway() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let run = directory.path().display().to_string();
    let broker = Mosquitto::start();
    let mut gateway = GatewayOptions::new(BINARY, broker.port())
        .env("RUNTIME_DIRECTORY", &run)
        .start();
    gateway.log.wait_for("online");
    let environment = [("RUNTIME_DIRECTORY", &*run)];
    let output = run_to_end(BINARY, directory.path(), &["status"], &environment);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    gateway.signal("TERM");
    assert!(gateway.wait().success());
    assert!(!directory.path().join("control.sock").exists());
}

#[test]
fn on_a_port_the_token_is_asked_for() {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let token = directory.path().join("token");
    fs::write(&token, TOKEN).expect("it can be written");
    fs::set_permissions(&token, fs::Permissions::from_mode(0o600)).expect("it is ours");
    let broker = Mosquitto::start();
    let gateway = GatewayOptions::new(BINARY, broker.port())
        .config("control-address = \"127.0.0.1:0\"")
        .config(&format!("control-token-file = {token:?}"))
        .start();
    let line = gateway.log.wait_for("control socket address=");
    let address = line.rsplit("address=").next().expect("it is named");
    let address = address.trim_matches('"').to_owned();
    gateway.log.wait_for("online");

    let with = |header: &str| {
        let stream = TcpStream::connect(&address).expect("it listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("not zero");
        let ask = format!("GET /status HTTP/1.1\r\nhost: x\r\n{header}\r\n");
        exchange(stream, ask.as_bytes())
    };
    for header in [
        String::new(),
        "authorization: Bearer wrong\r\n".into(),
        format!("authorization: Bearer {TOKEN}x\r\n"),
    ] {
        let answer = with(&header);
        check_refused(&answer, "401", "unauthorized");
        assert!(answer.contains("www-authenticate: Bearer"), "{answer}");
    }
    let answer = with(&format!("authorization: Bearer {TOKEN}\r\n"));
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");

    let token = token.display().to_string();
    let environment = [
        ("JACKALOPE_CONTROL_ADDRESS", &*address),
        ("JACKALOPE_CONTROL_TOKEN_FILE", &token),
    ];
    let output = run_to_end(BINARY, directory.path(), &["status"], &environment);
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    assert!(!gateway.log.all().join("\n").contains(TOKEN));
}
