//! `jackalope dev`, by its standard input and output.

use std::fs;
use std::path::Path;

use jackalope_tests::{DOOR, ECHO, HOSTILE, KEEPER, Process, SENSOR};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const UNLOCK: &str = r#"[doors/front/request] {"action":"unlock"}"#;

/// Runs a script to its end and returns what it prints.
#[track_caller]
fn run(arguments: &[&str], script: &[&str]) -> String {
    let mut dev = Process::start(BINARY, &[&["dev"], arguments].concat());
    for line in script {
        dev.type_line(line);
    }
    dev.end_input();
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.errors.wait_for_end());
    assert_eq!(dev.errors.wait_for_end(), "");
    dev.out.wait_for_end()
}

/// Checks that there are lines with these texts, in this order.
#[track_caller]
fn check_order(output: &str, expect: &[&str]) {
    let mut lines = output.lines();
    for text in expect {
        assert!(
            lines.any(|line| line.contains(text)),
            "no \"{text}\" where it should be in:\n{output}"
        );
    }
}

#[test]
fn a_request_is_told_from_its_message_to_its_last_letter() {
    let output = run(&[], &[UNLOCK]);
    check_order(
        &output,
        &[
            "broker   listening on 127.0.0.1:",
            "guest    the example door, loaded in ",
            "link     up",
            "broker   subscribed doors/+/request (QoS 1)",
            r#"message  doors/front/request  {"action":"unlock"}"#,
            "guest    message handled in ",
            r#"letter 1 accepted  doors/front/command  QoS 1, ttl 5 s, priority high  {"action":"unlock"}"#,
            "letter 1 sent",
            "letter 1 delivered (acknowledged)",
            "guest    outcome of letter 1 handled in ",
            "letter 2 accepted  doors/front/status  QoS 1, retained, ttl 24 h, replace key status front  {",
            "letter 2 delivered (acknowledged)",
            "end      1 message, 2 letters: 2 delivered",
        ],
    );
    let is_aligned = |line: &str| line.as_bytes().get(6..8) == Some(b"  ");
    assert!(output.lines().all(is_aligned), "{output}");
}

#[test]
fn what_expires_offline_is_never_sent() {
    let script = ["offline", UNLOCK, "wait 6s", "online"];
    let output = run(&[], &script);
    check_order(
        &output,
        &[
            "broker   goes offline",
            "link     down: the broker closed the connection",
            "message  doors/front/request (while offline)  {",
            "guest    | front: unlock accepted while offline",
            "letter 1 accepted",
            "wait     6 s",
            "letter 1 expired, never sent",
            r#"{"action":"unlock","outcome":"expired"}"#,
            "broker   is online again",
            "link     up",
            "letter 2 sent",
            "end      1 message, 2 letters: 1 delivered, 1 expired",
        ],
    );
    assert!(!output.contains("letter 1 sent"), "{output}");
}

#[test]
fn without_acknowledgement_a_letter_goes_out_again_on_the_next_connection() {
    let output = run(&[], &["drop-acks", UNLOCK, "online"]);
    check_order(
        &output,
        &[
            "broker   acknowledges nothing any more",
            "letter 1 sent",
            "broker   is online again",
            "link     down: a new connection was asked for",
            "link     up",
            "letter 1 sent again",
            "letter 1 delivered",
            "end      1 message, 2 letters: 2 delivered",
        ],
    );
}

#[test]
fn each_line_waits_for_what_the_last_one_has_led_to() {
    let lines: Vec<String> = (0..20)
        .flat_map(|number| {
            [
                format!("[echo/in/{number}] x"),
                "offline".into(),
                "online".into(),
            ]
        })
        .collect();
    let script: Vec<&str> = lines.iter().map(String::as_str).collect();
    let output = run(&[ECHO, "--subscribe", "echo/in/+"], &script);
    check_order(&output, &["end      20 messages, 20 letters: 20 delivered"]);
    assert!(!output.contains("sent again"), "{output}");
}

#[test]
fn verdicts_and_traps_are_told() {
    let script = [
        "[hostile/do] publish-then-reject",
        "[hostile/do] publish-then-retry",
        "[hostile/do] panic",
        "[elsewhere] x",
    ];
    let output = run(&[HOSTILE, "--subscribe", "hostile/do"], &script);
    check_order(
        &output,
        &[
            "guest    message rejected in ",
            "letter 1 accepted  hostile/out  QoS 1, ttl 1 h  then reject",
            "guest    message put off in ",
            "guest    message handled in ",
            "message  hostile/do  panic",
            "guest    ! as asked for",
            "instruction executed; again at once",
            "instruction executed; given up",
            "message  elsewhere: the guest does not subscribe to this topic",
            "end      3 messages, 2 letters: 2 delivered",
        ],
    );
}

#[test]
fn a_guest_is_loaded_again_when_its_file_changes() {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let file = directory.path().join("guest.wasm");
    let write = |bytes: &[u8]| fs::write(&file, bytes).expect("a temporary file can be written");
    let component = |path: &str| fs::read(Path::new(path)).expect("it was built");
    write(&component(DOOR));
    let path = file.to_str().expect("it is text");
    let filters = ["--subscribe", "doors/+/request", "--subscribe", "echo/in/+"];
    let mut dev = Process::start(BINARY, &[&["dev", path][..], &filters].concat());
    dev.out.wait_for("subscribed echo/in/+");

    write(b"no component");
    dev.out
        .wait_for("its file has changed and is broken, the old one stays: ");
    dev.type_line(UNLOCK);
    dev.out.wait_for("letter 2 delivered");

    write(&component(ECHO));
    dev.out.wait_for("replaced by the new one");
    dev.type_line("[echo/in/hall] hello");
    dev.out
        .wait_for("accepted  echo/out/hall  QoS 1, ttl 1 h  hello");
    dev.end_input();
    assert_eq!(dev.wait().code(), Some(0));
    check_order(
        &dev.out.wait_for_end(),
        &["end      2 messages, 3 letters: 3 delivered"],
    );
}

#[test]
fn a_guest_that_fails_again_and_again_is_replaced_at_once() {
    let directory = tempfile::tempdir().expect("there is a place for temporary files");
    let file = directory.path().join("guest.wasm");
    fs::copy(HOSTILE, &file).expect("it was built");
    let path = file.to_str().expect("it is text");
    // The message is not given up while the new one is compiled.
    let again = "subscriptions = [\"#\"]\nretries = 1000";
    let (_directory, config) = configuration(&guest("hostile", path, again));
    let mut dev = Process::start(BINARY, &["dev", "--config", &config]);
    dev.out.wait_for("subscribed #");
    dev.type_line("[hostile/do] loop");
    dev.out.wait_for("took longer than 1s; again");
    fs::copy(ECHO, &file).expect("it was built");
    dev.out.wait_for("replaced by the new one");
    // The message of the old one is the first of the new one.
    dev.out.wait_for("message rejected");
    dev.end_input();
    assert_eq!(dev.wait().code(), Some(0));
}

#[test]
fn a_message_carries_what_one_in_a_scenario_does() {
    let message = r#"message = { topic = "echo/in/a", payload = "x", qos = 1, properties = { content-type = "text/plain", response-topic = "answers", correlation-data = "7", user = { trace = "t" } } }"#;
    let output = run(
        &[ECHO, "--subscribe", "echo/in/+"],
        &[message, "offline", message, "online"],
    );
    let carried = "(content-type text/plain, response-topic answers, correlation-data 7, trace=t)";
    check_order(
        &output,
        &[
            &format!("message  echo/in/a  x  {carried}"),
            &format!("letter 1 accepted  echo/out/a  QoS 1, ttl 1 h  x  {carried}"),
            "letter 1 delivered",
            "broker   goes offline",
            &format!("message  echo/in/a (while offline)  x  {carried}"),
            &format!("letter 2 accepted  echo/out/a  QoS 0, ttl 1 h  x  {carried}"),
            "end      2 messages, 2 letters: 2 delivered",
        ],
    );
}

#[test]
fn what_is_asked_of_the_host_is_told_and_what_a_letter_is_displaced_by() {
    let keyed = "replace-key=k priority=low after-reboot=drop";
    let message = |order: &str| format!("[echo/post] {order}");
    let output = run(
        &[ECHO, "--subscribe", "echo/post"],
        &[
            "offline",
            &message(keyed),
            &message(&format!("{keyed} count=2")),
            &message("count=101"),
            "online",
        ],
    );
    let accepted = "  echo/out  QoS 1, ttl 1 h, priority low, replace key k, after reboot drop  ";
    check_order(
        &output,
        &[
            "guest    message handled in ",
            &format!("letter 1 accepted{accepted}0"),
            "1 of them displaced by younger ones with their replace keys",
            &format!("letter 3 accepted{accepted}1"),
            "letter 1 displaced by a younger one with its replace key  echo/out",
            "101 letters, 1 of them displaced by the others: the work list is full",
            "letter 5 accepted  echo/out  QoS 1, ttl 1 h  1",
            "letter 3 displaced: the work list is full  echo/out",
            "end      3 messages, 104 letters: 100 delivered, 4 displaced",
        ],
    );
}

#[test]
fn a_fault_happens_and_online_ends_what_stays() {
    let script = [
        "fault drop-after=1:publish",
        UNLOCK,
        "fault drop-now",
        UNLOCK,
        "fault refuse-publish=doors/+/command",
        UNLOCK,
        "online",
        UNLOCK,
    ];
    let output = run(&[], &script);
    check_order(
        &output,
        &[
            "broker   fault drop-after=1:publish",
            "letter 1 sent",
            "link     down: the broker closed the connection",
            "link     up",
            "letter 1 sent again",
            "letter 1 delivered",
            "broker   fault drop-now",
            "link     down: the broker closed the connection",
            "link     up",
            "letter 3 delivered",
            "broker   fault refuse-publish=not-authorized:doors/+/command",
            "letter 5 refused",
            "broker   is online again",
            "letter 7 delivered",
            "end      4 messages, 8 letters: 7 delivered, 1 refused",
        ],
    );
}

/// A directory with this configuration, and its path there.
fn configuration(text: &str) -> (TempDir, String) {
    let directory = TempDir::new().expect("there is a place for temporary files");
    let path = directory.path().join("jackalope.toml");
    fs::write(&path, text).expect("it can be written");
    let path = path.to_str().expect("it is text").to_owned();
    (directory, path)
}

fn guest(name: &str, component: &str, more: &str) -> String {
    format!("[[guest]]\nname = {name:?}\ncomponent = {component:?}\n{more}\n")
}

#[test]
fn settings_and_permissions_are_those_of_the_configuration() {
    let may = "[guest.permissions]\npublish = [\"echo/out/allowed\"]";
    let (_directory, path) = configuration(&format!(
        // Of what the way to its broker needs nothing is here.
        "server = \"mqtts://broker.example\"\n[tls]\nca-file = \"no-such.pem\"\n{}{}",
        guest(
            "keeper",
            KEEPER,
            "subscriptions = [\"keep/#\"]\nsettings = { limit = 22.5 }"
        ),
        guest(
            "echo",
            ECHO,
            &format!("subscriptions = [\"echo/in/+\"]\n{may}")
        ),
    ));
    let output = run(
        &["--config", &path, "--guest", "keeper"],
        &["[keep/settings]"],
    );
    check_order(
        &output,
        &["accepted  kept  QoS 1, ttl 1 h  {\"limit\":22.5}"],
    );

    let script = ["[echo/in/allowed] x", "[echo/in/other] x"];
    let output = run(&["--config", &path, "--guest", "echo"], &script);
    check_order(
        &output,
        &[
            "accepted  echo/out/allowed ",
            "message rejected in ",
            "end      2 messages, 1 letter: 1 delivered",
        ],
    );

    // What the arguments say goes before it.
    let arguments = ["--config", &path, "--guest", "echo", "--subscribe", "other"];
    let output = run(
        &[&[DOOR][..], &arguments].concat(),
        &["[echo/in/allowed] x"],
    );
    check_order(
        &output,
        &[
            "door.wasm loaded in ",
            "echo/in/allowed: the guest does not subscribe",
        ],
    );
}

#[test]
fn timers_are_those_of_the_configuration() {
    let timer = "[[guest.timer]]\nname = \"read\"\nevery = \"50ms\"";
    let (_directory, path) = configuration(&guest("sensor", SENSOR, timer));
    let mut dev = Process::start(BINARY, &["dev", "--config", &path]);
    dev.out.wait_for("guest    timer read handled in ");
    dev.out
        .wait_for("accepted  readings/read  QoS 1, ttl 1 h  late ");
    dev.out.wait_for("letter 2 delivered");
    dev.type_line("quit");
    assert_eq!(dev.wait().code(), Some(0));
}

#[test]
fn help_tells_the_lines_and_others_are_answered_with_them() {
    let output = run(&[], &["help", "what", "[doors/+/request] x"]);
    check_order(
        &output,
        &[
            "help     [topic] payload ",
            "help     message = {…} ",
            "help     offline ",
            "help     drop-acks ",
            "help     fault drop-now ",
            "help     online ",
            "help     wait 6s ",
            "help     quit ",
            r#"help     "what" is none of: [topic] payload, message = {…}, offline"#,
            r#"help     the topic "doors/+/request" holds a wildcard"#,
            "end      0 messages, 0 letters",
        ],
    );
}

#[test]
fn it_ends_at_quit_and_at_a_signal() {
    let mut dev = Process::start(BINARY, &["dev"]);
    dev.type_line("quit");
    dev.out.wait_for("end      0 messages, 0 letters");
    assert_eq!(dev.wait().code(), Some(0));

    let mut dev = Process::start(BINARY, &["dev"]);
    dev.out.wait_for("subscribed");
    dev.signal("TERM");
    dev.out.wait_for("end      SIGTERM: 0 messages, 0 letters");
    assert_eq!(dev.wait().code(), Some(0));
}

#[test]
fn what_can_not_be_run_is_said_before_it_runs() {
    let two = guest("a", ECHO, "") + &guest("b", ECHO, "");
    let (_two, two) = configuration(&two);
    let (_none, none) = configuration("");
    let timer = "[[guest.timer]]\nname = \"t\"\nevery = \"1s\"";
    let (_timer, timer) = configuration(&guest("echo", ECHO, timer));
    let broken = "settings = { lock = \"broken\" }";
    let (_broken, broken) = configuration(&guest("hall", KEEPER, broken));
    for (arguments, code, text) in [
        (
            &["dev", "--config", &two][..],
            64,
            "has several guests: choose with --guest one of a, b",
        ),
        (
            &["dev", "--config", &two, "--guest", "c"],
            64,
            "has no guest \"c\", but: a, b",
        ),
        (&["dev", "--guest", "a"], 64, "--config <FILE>"),
        (&["dev", "--config", &none], 78, "has no [[guest]]"),
        (
            &["dev", "--config", "no-such.toml"],
            78,
            "no-such.toml: there is no such file",
        ),
        (
            &["dev", "--config", &timer],
            78,
            "does not export timer-handler",
        ),
        (
            &["dev", "--config", &broken],
            78,
            "its settings are refused: broken is not wanted",
        ),
        (
            &["dev", "no-such.wasm"],
            1,
            "error: no-such.wasm can not be read",
        ),
        (&["dev", "Cargo.toml"], 1, "is not WebAssembly"),
        (&["dev", "--subscribe", "a/#/b"], 64, "misplaced wildcard"),
    ] {
        let mut dev = Process::start(BINARY, arguments);
        assert_eq!(dev.wait().code(), Some(code));
        dev.errors.wait_for(text);
    }
}
