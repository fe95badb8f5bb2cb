//! A gateway that reads its configuration again while it runs.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use jackalope_tests::{
    ECHO, Gateway, GatewayOptions, KEEPER, Mosquitto, Proxy, Subscriber, command, run_to_end,
};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

/// A gateway with a control socket, over a network that can be cut.
struct Site {
    broker: Mosquitto,
    network: Proxy,
    directory: TempDir,
    gateway: Gateway,
}

/// How a gateway is configured that has these guests.
struct Written<'a> {
    directory: &'a Path,
    port: u16,
}

impl Written<'_> {
    fn with(&self, more: &str) -> GatewayOptions {
        self.in_cache("cache", more)
    }

    fn in_cache(&self, cache: &str, more: &str) -> GatewayOptions {
        let socket = self.directory.join("control.sock");
        let cache = self.directory.join(cache);
        GatewayOptions::new(BINARY, self.port)
            .config("backoff = { min = \"50ms\", max = \"100ms\" }")
            .config(&format!("control-socket = {socket:?}"))
            .config(&format!("cache-directory = {cache:?}"))
            .config(more)
            .env("JACKALOPE_LOG", "debug")
    }
}

impl Site {
    fn start(options: impl Fn(&Written<'_>) -> GatewayOptions) -> Self {
        let directory = TempDir::new().expect("there is a place for temporary files");
        // What waits for a gateway that is busy is not thrown away.
        let broker = Mosquitto::with("allow_anonymous true\nmax_queued_messages 0");
        let network = Proxy::to(broker.port());
        let written = Written {
            directory: directory.path(),
            port: network.port(),
        };
        let gateway = options(&written).start();
        gateway.log.wait_for("subscribed filter=");
        Self {
            broker,
            network,
            directory,
            gateway,
        }
    }

    fn rewrite(&self, options: impl Fn(&Written<'_>) -> GatewayOptions) {
        self.gateway.reconfigure(&options(&Written {
            directory: self.directory.path(),
            port: self.network.port(),
        }));
    }

    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Runs a command of the binary that speaks to this gateway, which must exit with
    /// this code. Returns what it prints.
    #[track_caller]
    fn expect(&self, arguments: &[&str], code: i32) -> String {
        let socket = self.file("control.sock").display().to_string();
        let environment = [("JACKALOPE_CONTROL_SOCKET", &*socket)];
        let output = run_to_end(BINARY, self.directory.path(), arguments, &environment);
        let printed = [output.stdout, output.stderr].concat();
        let printed = String::from_utf8_lossy(&printed).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {printed}");
        printed
    }

    #[track_caller]
    fn reload(&self, options: impl Fn(&Written<'_>) -> GatewayOptions) -> String {
        self.rewrite(options);
        self.expect(&["reload"], 0)
    }

    /// The session has begun once, and goes on.
    #[track_caller]
    fn check_one_session(&self) {
        assert_eq!(self.gateway.log.count(" online "), 1);
        assert_eq!(self.gateway.log.count("offline"), 0);
    }
}

/// The guest of this name that echoes `echo/in/<name>`, with settings of its own.
fn echo(options: GatewayOptions, name: &str, settings: &str) -> GatewayOptions {
    let filter = format!("echo/in/{name}");
    let settings = format!("[guest.settings]\nvalue = {settings:?}");
    options.guest(name, ECHO, &[&filter], &settings)
}

#[test]
fn guests_come_and_go_while_the_session_goes_on() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let answers = site.broker.subscribe("echo/out/+", 0);
    let both = |it: &Written<'_>| echo(echo(it.with(""), "a", ""), "b", "");
    assert_eq!(site.reload(both), "configuration read again\nadded: b\n");
    site.gateway.log.wait_for("subscribed filter=echo/in/b");
    site.broker.publish("echo/in/b", "hello");
    answers.wait_for_message("echo/out/b 0 hello");

    let text = site.reload(|it| echo(it.with(""), "b", "other"));
    let expect = "configuration read again\nreplaced: b\nremoved: a\n";
    assert_eq!(text, expect);
    site.gateway.log.wait_for("unsubscribed filter=echo/in/a");
    site.broker.publish("echo/in/a", "nobody");
    site.broker.publish("echo/in/b", "again");
    answers.wait_for_message("echo/out/b 0 again");
    assert_eq!(answers.messages().len(), 2);
    let status = site.expect(&["status"], 0);
    assert!(!status.contains("guest a"), "{status}");
    site.check_one_session();
}

#[test]
fn what_is_as_it_was_is_not_touched() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let same = |it: &Written<'_>| echo(it.with("work-list = { max = 7 }"), "a", "");
    assert_eq!(
        site.reload(same),
        "configuration read again\nchanged: a (work-list)\nchanged keys: work-list.max\n"
    );
    assert_eq!(
        site.reload(same),
        "configuration read again\nnothing has changed\n"
    );
    site.gateway.signal("HUP");
    let is_twice = |lines: &[String]| {
        let read = lines
            .iter()
            .filter(|line| line.contains("configuration read again"));
        read.count() == 3
    };
    site.gateway.log.wait_until("third reload", is_twice);
    assert_eq!(site.gateway.log.count("guest replaced"), 0);
    site.check_one_session();
}

#[test]
fn what_has_changed_of_a_guest_that_stays_is_named() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let other = |it: &Written<'_>| {
        let keys = "[guest.permissions]\nmax-qos = 1\n[guest.settings]\nvalue = \"\"";
        it.with("")
            .guest("a", ECHO, &["echo/in/a", "echo/in/b"], keys)
    };
    let text = site.reload(other);
    let expect = "configuration read again\nchanged: a (subscriptions, permissions)\n";
    assert_eq!(text, expect);
    site.check_one_session();
}

#[test]
fn what_has_changed_beside_guests_is_named() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let keys = "first-connect-delay = \"1s\"\n[control-permissions]\nmax-qos = 1\n\
                cancel = \"own\"";
    let text = site.reload(|it| echo(it.with(keys), "a", ""));
    let names = "changed keys: first-connect-delay, control-permissions.max-qos, \
                 control-permissions.cancel";
    assert_eq!(text, format!("configuration read again\n{names}\n"));
    site.gateway.log.wait_for(names);
    site.check_one_session();
}

#[test]
fn how_letters_are_kept_waits_for_the_next_start() {
    fn kept(it: &Written<'_>, keys: &str) -> GatewayOptions {
        let directory = it.directory.join("letters");
        let keys = format!("[work-list]\nstore = \"disk\"\ndirectory = {directory:?}\n{keys}");
        echo(it.with(&keys), "a", "")
    }
    let site = Site::start(|it| kept(it, ""));
    let text = site.reload(|it| kept(it, "hold = \"1h\"\n"));
    let waits = "changed, and waits for the next start: work-list.hold";
    assert_eq!(text, format!("configuration read again\n{waits}\n"));
    site.check_one_session();
}

#[test]
fn nothing_of_a_wrong_configuration_takes_effect() {
    let site = Site::start(|it| {
        let keeper = it.with("");
        keeper.guest("keeper", KEEPER, &["keep/#"], "[guest.settings]\nvalue = 1")
    });
    let nothing = site.file("nothing.wasm");
    std::fs::write(site.file("text.wasm"), "no component").expect("it can be written");
    let text = site.file("text.wasm");
    let [nothing, text] = [nothing, text].map(|path| path.display().to_string());
    let other = |it: &Written<'_>| echo(it.with(""), "new", "");
    type Wrong<'a> = (&'a dyn Fn(&Written<'_>) -> GatewayOptions, &'a str);
    let wrongs: [Wrong<'_>; 5] = [
        (&|it| it.with("keep-alive = \"soon\""), "keep-alive"),
        (
            &|it| other(it).guest("bad", &nothing, &["x"], ""),
            "nothing.wasm",
        ),
        (&|it| other(it).guest("bad", &text, &["x"], ""), "text.wasm"),
        (
            &|it| {
                let broken = "[guest.settings]\nvalue = \"broken\"";
                other(it).guest("keeper", KEEPER, &["keep/#"], broken)
            },
            "guest \"keeper\": did not start: its settings are refused: broken is not wanted",
        ),
        (
            &|it| {
                let timer = "[[guest.timer]]\nname = \"t\"\nevery = \"1s\"";
                other(it).guest("echo", ECHO, &["x"], timer)
            },
            "does not export timer-handler",
        ),
    ];
    for (round, (wrong, expect)) in wrongs.iter().enumerate() {
        site.rewrite(wrong);
        let error = site.expect(&["reload"], 78);
        assert!(error.contains(expect), "{error}");
        let goes_on = |lines: &[String]| {
            let lines = lines
                .iter()
                .filter(|line| line.contains("goes on as it is"));
            lines.count() == round + 1
        };
        site.gateway.log.wait_until("error in the log", goes_on);
        let status = site.expect(&["status", "--json"], 0);
        assert!(
            status.contains("\"keeper\"") && !status.contains("\"new\""),
            "{status}"
        );
    }
    site.check_one_session();
}

#[test]
fn a_guest_that_is_replaced_keeps_state_and_letters() {
    let configured = |value: u8| {
        move |it: &Written<'_>| {
            let settings = format!("[guest.settings]\nvalue = {value}");
            it.with("").guest("keeper", KEEPER, &["keep/#"], &settings)
        }
    };
    let site = Site::start(configured(1));
    let answers = site.broker.subscribe("kept", 1);
    site.broker.publish("keep/set/a", "kept");
    answers.wait_for(1);
    // What was not acknowledged before the cut would come again after it.
    site.gateway.log.wait_for("letter delivered");
    site.network.cut();
    site.gateway.log.wait_for("offline:");
    site.expect(&["send", "keeper", "keep/get/a"], 0);
    let letters = site.expect(&["letters"], 0);
    assert!(letters.contains("kept"), "{letters}");

    let text = site.reload(configured(2));
    assert_eq!(text, "configuration read again\nreplaced: keeper\n");
    assert_eq!(
        site.expect(&["letters"], 0).lines().count(),
        letters.lines().count()
    );
    site.expect(&["send", "keeper", "keep/get/a"], 0);
    site.expect(&["send", "keeper", "keep/settings"], 0);
    site.network.restore();
    let messages = answers.wait_for(4);
    let expect = ["written", "kept", "kept", "{\"value\":2}"];
    assert_eq!(messages, expect.map(|text| format!("kept 0 {text}")));
}

#[test]
fn another_client_id_begins_another_session() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let text = site.reload(|it| echo(it.with("client-id = \"other\""), "a", ""));
    let expect = "configuration read again\nchanged keys: client-id\na new session begins\n";
    assert_eq!(text, expect);
    let is_back = |lines: &[String]| {
        let lines = lines
            .iter()
            .filter(|line| line.contains("subscribed filter=echo/in/a"));
        lines.count() == 2
    };
    site.gateway.log.wait_until("a new session", is_back);
    let status = site.expect(&["status"], 0);
    assert!(status.contains("client id \"other\""), "{status}");
}

#[test]
fn what_waits_for_the_next_start_is_named() {
    let site = Site::start(|it| echo(it.with(""), "a", ""));
    let text = site.reload(|it| echo(it.in_cache("elsewhere", ""), "a", ""));
    let expect =
        "configuration read again\nchanged, and waits for the next start: cache-directory\n";
    assert_eq!(text, expect);
    let again = site.reload(|it| echo(it.in_cache("elsewhere", ""), "a", ""));
    assert_eq!(again, expect, "it still waits");
    let back = site.reload(|it| echo(it.with(""), "a", ""));
    assert_eq!(back, "configuration read again\n", "it is as it was");
}

/// How often the configuration is read again.
const ROUNDS: usize = 200;

/// How many messages come between two changes.
const MESSAGES: usize = 25;

/// Who publishes numbers for the guest `a`, with QoS 2, as they are written to it.
fn publisher(site: &Site) -> Child {
    let port = site.broker.port().to_string();
    command("mosquitto_pub")
        .args(["-h", "127.0.0.1", "-p", &port])
        .args(["-t", "echo/in/a", "-q", "2", "-l"])
        .stdin(Stdio::piped())
        .spawn()
        .expect("mosquitto is installed")
}

#[test]
fn again_and_again_under_load() {
    let large = "work-list = { max = 100000 }";
    let site = Site::start(|it| echo(it.with(large), "a", "0"));
    let answers = Subscriber::start(site.broker.port(), &["-t", "echo/out/a", "-q", "2"]);
    let mut publisher = publisher(&site);
    let mut input = publisher.stdin.take().expect("it is piped");
    let text = site.file("text.wasm").display().to_string();
    std::fs::write(&text, "no component").expect("it can be written");
    let (mut sent, mut removed) = (0, 0);
    for round in 0..ROUNDS {
        let mut numbers = String::new();
        for _ in 0..MESSAGES {
            let _ = writeln!(numbers, "{sent}");
            sent += 1;
        }
        input.write_all(numbers.as_bytes()).expect("it reads on");
        let value = round.to_string();
        match round % 4 {
            // Another guest beside it, and another one in its place.
            0 => {
                let text = site.reload(|it| {
                    let echoes = echo(it.with(large), "a", &value);
                    echoes.guest("keeper", KEEPER, &["keep/#"], "")
                });
                assert!(text.contains("added: keeper"), "{text}");
            }
            2 => {
                removed += 1;
                let text = site.reload(|it| echo(it.with(large), "a", &value));
                assert!(text.contains("replaced: a\nremoved: keeper"), "{text}");
            }
            1 => {
                site.rewrite(|it| {
                    let echoes = echo(it.with(large), "a", "wrong");
                    echoes.guest("bad", &text, &["x"], "")
                });
                site.expect(&["reload"], 78);
            }
            _ => {
                site.rewrite(|it| it.with("[[guest"));
                site.expect(&["reload"], 78);
            }
        }
    }
    drop(input);
    assert!(publisher.wait().expect("it ends").success());
    let mut arrived: Vec<usize> = answers
        .wait_for(sent)
        .iter()
        .filter_map(|message| message.rsplit(' ').next()?.parse().ok())
        .collect();
    arrived.sort_unstable();
    assert!(
        arrived.iter().copied().eq(0..sent),
        "each once: {arrived:?}"
    );
    let are_removed = |lines: &[String]| {
        let lines = lines.iter().filter(|line| line.contains("guest removed"));
        lines.count() == removed
    };
    site.gateway.log.wait_until("removed guests", are_removed);
    site.check_one_session();
}
