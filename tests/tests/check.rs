//! `jackalope check`: what components do, in plain words, and what they are permitted.

use std::path::Path;
use std::process::Output;

use jackalope_tests::{DOOR, ECHO, KEEPER, SENSOR, WILL, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

fn run(directory: &Path, arguments: &[&str]) -> (Option<i32>, String) {
    let arguments = [&["check"], arguments].concat();
    let Output { status, stdout, .. } = run_to_end(BINARY, directory, &arguments, &[]);
    (status.code(), String::from_utf8_lossy(&stdout).into_owned())
}

/// The sentences about a component: what it asks for, and what it offers.
#[track_caller]
fn check_sentences(component: &str, asks: &[&str], offers: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let (code, text) = run(here, &[component]);
    assert_eq!(code, Some(0), "{text}");
    let (_, text) = text.split_once("by what it imports, it\n").expect(&text);
    let (said, text) = text.split_once("by what it exports, it\n").expect(text);
    let said: Vec<_> = said.lines().map(str::trim).collect();
    for ask in asks {
        assert!(said.contains(ask), "{ask}: {said:?}");
    }
    let reconnect = "may ask for a reconnect";
    assert_eq!(
        said.contains(&reconnect),
        asks.contains(&reconnect),
        "{said:?}"
    );
    let (said, _) = text.split_once("imports:\n").expect(text);
    let said: Vec<_> = said.lines().map(str::trim).collect();
    assert_eq!(said, offers);
}

#[test]
fn what_a_component_does_is_told_in_a_sentence_each() {
    let handler = "takes messages, and hears of the connection";
    let outcomes = "hears outcomes";
    check_sentences(
        DOOR,
        &["publishes letters", "looks whether the gateway is online"],
        &[handler, outcomes],
    );
    check_sentences(
        ECHO,
        &[
            "publishes letters",
            "may ask for a reconnect",
            "reads the clock",
            "prints, which goes to the log",
        ],
        &[handler, outcomes],
    );
    check_sentences(
        KEEPER,
        &[
            "publishes letters",
            "keeps state (64 KiB)",
            "reads its settings",
        ],
        &[
            handler,
            "is called by timers",
            "looks at its settings before it begins",
        ],
    );
    check_sentences(
        SENSOR,
        &["publishes letters", "sets timers"],
        &[handler, "is called by timers"],
    );
    check_sentences(WILL, &[], &[handler, "sets a last will"]);
}

/// The last guest of a configuration, and whether all is well.
fn check_config(config: &str) -> (Option<i32>, String) {
    let directory = TempDir::new().expect("there is a place for it");
    std::fs::write(directory.path().join("j.toml"), config).expect("it can be written");
    run(directory.path(), &["--config", "j.toml"])
}

#[test]
fn the_guests_of_a_configuration_are_told_what_they_may_do() {
    let config = format!(
        "[[guest]]\nname = \"hall\"\ncomponent = {KEEPER:?}\nlimits.state = \"1MiB\"\n\
         [[guest]]\nname = \"front\"\ncomponent = \"example:door\"\n\
         [guest.permissions]\npublish = [\"doors/#\"]\nmax-ttl = \"1m\"\nwill = false\n\
         [[guest]]\nname = \"mute\"\ncomponent = {ECHO:?}\npermissions.publish = []\n"
    );
    let (code, text) = check_config(&config);
    assert_eq!(code, Some(0), "{text}");
    let reports: Vec<_> = text.split("\n\n").collect();
    let [hall, front, mute] = reports[..] else {
        panic!("not three reports: {text}");
    };
    assert!(hall.starts_with("guest \"hall\", /"), "{hall}");
    assert!(hall.contains("\n  keeps state (1 MiB)\n"), "{hall}");
    let everything = "without [guest.permissions] it may do everything";
    assert!(hall.ends_with(everything), "{hall}");
    assert!(
        front.starts_with("guest \"front\", example:door: "),
        "{front}"
    );
    let expect = "
[guest.permissions] lets it
  publish to doors/#
  publish with any QoS, retained or not, and a ttl of 1 min at most, which it has to name: by default it is 1 h
  ask for a reconnect";
    assert!(front.ends_with(expect), "{front}");
    let expect = "
it asks for more, and is not permitted to
  publish: `permissions.publish` names no topic
";
    assert!(mute.ends_with(expect), "{mute}");
}

#[test]
fn who_uses_the_control_socket_is_told_what_he_may_do() {
    let guests = "[[guest]]\nname = \"front\"\ncomponent = \"example:door\"\n";
    for (keys, expect) in [
        (
            "publish = [\"gateways/#\"]\nmax-qos = 1\nrate = 5\nsend = [\"doors/+/request\"]\n\
             send-to = [\"front\", \"hall\"]\ncancel = \"own\"\nreload = false",
            "
  publish to gateways/#
  publish with QoS 0 and 1, retained or not, and any ttl
  publish 5 letters a second, 5 at once
  send to front, hall, on doors/+/request
  call letters back that came over the control socket
  ask for a reconnect
  see payloads
`control-permissions.send-to` names guests that are not there: hall
",
        ),
        (
            "publish = []\nsend-to = [\"front\"]\nreconnect = false\npayloads = false",
            "
  send to front, on any topic
  call any letter back
  ask for a reload
",
        ),
        (
            "publish = []\nsend-to = []\nreconnect = false\npayloads = false\nreload = false",
            "
  call any letter back
",
        ),
    ] {
        let (code, text) = check_config(&format!("{guests}[control-permissions]\n{keys}\n"));
        assert_eq!(code, Some(0), "{text}");
        let last = text.split("\n\n").last().expect("there is one");
        let begin = "[control-permissions] lets whoever uses the control socket";
        assert_eq!(last, format!("{begin}{expect}"), "{text}");
    }
}

#[test]
fn what_does_not_go_together_is_told_as_at_the_start() {
    let config = format!(
        "status.topic = \"s\"\n[[guest]]\nname = \"g\"\ncomponent = {WILL:?}\n\
         [[guest]]\nname = \"h\"\ncomponent = {DOOR:?}\n[[guest.timer]]\nname = \"t\"\nevery = \"1s\"\n"
    );
    let (code, text) = check_config(&config);
    assert_eq!(code, Some(1), "{text}");
    let no = "no guest for this configuration: guest ";
    for why in [
        "\"g\" names a last will, and so does [status]",
        "\"h\" has [[guest.timer]], and its component does not export timer-handler",
    ] {
        assert!(text.contains(&format!("{no}{why}")), "{text}");
    }
    assert_eq!(check_config("client = 1").0, Some(78));
}
