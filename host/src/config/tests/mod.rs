// A test that panics has failed; that is what it is for.
#![allow(clippy::unwrap_used, clippy::panic)]

mod control;
mod environment;
mod example;
mod files;
mod proxy;
mod refused;
mod refused_guest;
mod shape;
mod tls;
mod websocket;

use proptest::prelude::*;

use super::*;
use crate::login::{PasswordCommand, PasswordSource, UserName};
use crate::office::{Cancel, Operate, Overflow, Payload, Rate, Schedule};
use crate::wire::{Login, Version};

/// The configuration of `text`, as if in `/etc/jackalope.toml`.
fn load(text: &str) -> Result<Config, ConfigError> {
    load_with(text, &[])
}

fn load_with(text: &str, variables: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let variables = variables
        .iter()
        .map(|(name, value)| (name.into(), value.into()));
    Config::build(Path::new("/etc/jackalope.toml"), text, variables)
}

/// Checks that `text` is accepted and differs from the default in what `change`
/// does.
#[track_caller]
fn check(text: &str, change: impl FnOnce(&mut Config)) {
    let mut expect = Config::default();
    change(&mut expect);
    match load(text) {
        Ok(config) => assert_eq!(config, expect, "{text}"),
        Err(error) => panic!("{text}: {error}"),
    }
}

/// Checks that `text` is refused with `expect`, which begins with line and
/// column.
#[track_caller]
fn check_refused(text: &str, expect: &str) {
    match load(text) {
        Ok(config) => panic!("{text} was accepted: {config:?}"),
        Err(error) => assert_eq!(error.to_string(), format!("/etc/jackalope.toml:{expect}")),
    }
}

#[test]
fn nothing_written_is_the_default() {
    check("", |_| {});
    check("[backoff]\n[work-list]\n", |_| {});
    check("\u{feff}# with a byte order mark\n", |_| {});
    assert_eq!(
        Config::load(None, std::iter::empty()),
        Ok(Config::default())
    );
}

#[test]
fn each_key_is_read() {
    check("client-id = 'x'", |c| c.client_id = "x".to_owned());
    check("client-id = ''", |c| c.client_id.clear());
    check("clean-session = false", |c| c.session.clean_session = false);
    check("session-expiry = '1s'", |c| {
        c.session.session_expiry = Duration::from_secs(1);
    });
    check("session-expiry = '8760h'", |c| {
        c.session.session_expiry = Duration::from_secs(365 * 86_400);
    });
    check("version = '3.1.1'", |c| {
        c.versions = Versions::Only(Version::V4);
    });
    check("version = '5'", |c| {
        c.versions = Versions::Only(Version::V5);
    });
    check("version = 'auto'", |c| c.versions = Versions::Any);
    check("user-name = 'x'", |c| {
        c.login = Some(Credentials {
            user_name: UserName::Given("x".to_owned()),
            password: PasswordSource::None,
        });
    });
    check(
        "user-name = 'x'\npassword-command = ['sh', '-c', 'echo $$']",
        |c| c.login = Some(with_command("sh", &["-c", "echo $$"], 10_000)),
    );
    check(
        "user-name = 'x'\npassword-command = ['/bin/sh']\npassword-command-timeout = '100ms'",
        |c| c.login = Some(with_command("/bin/sh", &[], 100)),
    );
    check("user-name = 'x'\npassword-command = ['../bin/sh']", |c| {
        c.login = Some(with_command("/etc/../bin/sh", &[], 10_000))
    });
    check("server = 'mqtt://broker:2000'", |c| {
        c.servers[0].address = crate::wire::Address {
            host: "broker".to_owned(),
            port: 2000,
        };
    });
    check("keep-alive = '0s'", |c| {
        c.session.keep_alive = Duration::ZERO
    });
    check("keep-alive = '5m'", |c| {
        c.session.keep_alive = Duration::from_secs(300);
    });
    check("keep-alive = '65535s'", |c| {
        c.session.keep_alive = Duration::from_secs(65_535);
    });
    check("keep-alive = '2000ms'", |c| {
        c.session.keep_alive = Duration::from_secs(2);
    });
    check("first-connect-delay = '24h'", |c| {
        c.session.first_connect_delay = Duration::from_secs(86_400);
    });
    check("max-packet-size = 128", |c| c.max_packet_size = 128);
    check("max-packet-size = '256MiB'", |c| {
        c.max_packet_size = 268_435_456;
    });
    check("cache-directory = 'cache'", |c| {
        c.cache_directory = CacheDirectory::Named("/etc/cache".into());
    });
    check("cache-directory = '/var/cache/jackalope'", |c| {
        c.cache_directory = CacheDirectory::Named("/var/cache/jackalope".into());
    });
    check("cache-directory = ''", |c| {
        c.cache_directory = CacheDirectory::None;
    });
    check("[backoff]\nmin = '10ms'\nmax = '1h'", |c| {
        c.session.backoff = BackoffSettings {
            min: Duration::from_millis(10),
            max: Duration::from_secs(3600),
        };
    });
    let text = "[work-list]\nmax = 1_000_000\nmax-bytes = '64GiB'\noverflow = 'reject'";
    check(text, |c| {
        c.session.work_list = WorkListSettings {
            max: 1_000_000,
            max_bytes: 64 << 30,
            overflow: Overflow::Reject,
        };
    });
    check("work-list.max-bytes = 128", |c| {
        c.session.work_list.max_bytes = 128
    });
    check("work-list.overflow = 'drop-oldest'", |_| {});
    check("work-list.overflow = 'drop-newest'", |c| {
        c.session.work_list.overflow = Overflow::DropNewest;
    });
    check("work-list.store = 'memory'", |_| {});
    check(
        "work-list = { store = 'disk', directory = 'letters', on-damage = 'set-aside', \
         gone-guests = 'drop', after-reboot = 'pause', clock-trust = 'synchronised', hold = '0s' }",
        |c| {
            c.keeping = Some(Keeping {
                directory: "/etc/letters".into(),
                on_damage: OnDamage::SetAside,
                when_off: crate::office::WhenOff::Pause,
                clock_trust: Some(crate::store::ClockTrust::Synchronised),
                hold: Duration::ZERO,
            });
            c.session.gone_guests = GoneGuests::Drop;
        },
    );
    check("work-list.gone-guests = 'keep'", |_| {});
    check("work-list.gone-guests = 'drop'", |c| {
        c.session.gone_guests = GoneGuests::Drop;
    });
}

#[test]
fn several_servers_are_read() {
    let of = |config: Config| -> Vec<_> {
        let servers = config.servers.iter();
        let shown = |server: &ServerConfig| (server.address.to_string(), server.tls.is_some());
        servers.map(shown).collect()
    };
    let expect = [("a:1".to_owned(), false), ("b:8883".to_owned(), true)];
    let config = load("server = ['a:1', 'mqtts://b']\ntls.min-version = '1.3'").unwrap();
    assert_eq!(of(config), expect);
    let variable = [("JACKALOPE_SERVER", "a:1, mqtts://b")];
    assert_eq!(of(load_with("", &variable).unwrap()), expect);
}

#[test]
fn the_client_id_can_be_a_part_of_other_names() {
    let text = "client-id = 'gw-{{7}}'
        user-name = 'hub.example/{client-id}/?api-version=2021-04-12'
        last-will.topic = 'gateways/{client-id}'";
    check(text, |c| {
        c.client_id = "gw-{7}".to_owned();
        c.login = Some(Credentials {
            user_name: UserName::Given("hub.example/gw-{7}/?api-version=2021-04-12".to_owned()),
            password: PasswordSource::None,
        });
        c.session.last_will = Some(LastWill {
            topic: "gateways/gw-{7}".into(),
            payload: Payload::new(""),
            qos: Qos::AtLeastOnce,
            retain: false,
            delay: Duration::ZERO,
            properties: None,
        });
    });
}

#[test]
fn a_last_will_needs_no_more_than_a_topic() {
    let will = |payload: &str, qos, retain| LastWill {
        topic: "online".into(),
        payload: Payload::new(payload),
        qos,
        retain,
        delay: Duration::ZERO,
        properties: None,
    };
    check("[last-will]\ntopic = 'online'", |c| {
        c.session.last_will = Some(will("", Qos::AtLeastOnce, false));
    });
    check(
        "[last-will]\ntopic = 'online'\npayload = 'no'\nqos = 2\nretain = true",
        |c| c.session.last_will = Some(will("no", Qos::ExactlyOnce, true)),
    );
    let delayed = "clean-session = false\n[last-will]\ntopic = 'online'\ndelay = '30s'";
    check(delayed, |c| {
        c.session.clean_session = false;
        c.session.last_will = Some(LastWill {
            delay: Duration::from_secs(30),
            ..will("", Qos::AtLeastOnce, false)
        });
    });
    check("last-will = { topic = 'online', qos = 0 }", |c| {
        c.session.last_will = Some(will("", Qos::AtMostOnce, false));
    });
}

#[test]
fn a_status_topic_needs_no_more_than_a_topic() {
    let status = |topic: &str, online: &str, offline: &str, qos, retain| StatusTopic {
        topic: topic.into(),
        online: Payload::new(online),
        offline: Payload::new(offline),
        qos,
        retain,
    };
    check("[status]\ntopic = 'gateways/{client-id}'", |c| {
        let topic = "gateways/jackalope";
        c.session.status_topic = Some(status(topic, "online", "offline", Qos::AtLeastOnce, true));
    });
    check(
        "[status]\ntopic = 't'\nonline = '{1}'\noffline = ''\nqos = 0\nretain = false",
        |c| c.session.status_topic = Some(status("t", "{1}", "", Qos::AtMostOnce, false)),
    );
}

fn guest(name: &str, component: ComponentSource) -> GuestConfig {
    GuestConfig {
        name: name.to_owned(),
        component,
        subscriptions: Vec::new(),
        retries: 3,
        retry_for: Duration::from_secs(3600),
        work_list: WorkListSettings::default(),
        timers: Vec::new(),
        limits: GuestLimits::default(),
        permissions: None,
        env: Vec::new(),
        settings: "{}".into(),
    }
}

#[test]
fn a_guest_needs_no_more_than_a_component() {
    let file = |path: &str| ComponentSource::File(path.into());
    check("[[guest]]\ncomponent = 'door.wasm'", |c| {
        c.guests = vec![guest("door", file("/etc/door.wasm"))];
    });
    check("[[guest]]\ncomponent = '/opt/door-2.wasm'", |c| {
        c.guests = vec![guest("door-2", file("/opt/door-2.wasm"))];
    });
    check("[[guest]]\ncomponent = 'example:door'", |c| {
        c.guests = vec![guest("door", ComponentSource::Example("door".to_owned()))];
    });
    check(
        "[[guest]]\ncomponent = 'd.wasm'\n[[guest]]\ncomponent = 'd.wasm'\nname = 'e'",
        |c| {
            c.guests = vec![
                guest("d", file("/etc/d.wasm")),
                guest("e", file("/etc/d.wasm")),
            ];
        },
    );
}

#[test]
fn a_guest_can_have_everything() {
    let text = r##"
        [[guest]]
        name = "front_door"
        component = "my door.wasm"
        subscriptions = ["a", { filter = "b/#", qos = 0 }, { filter = "+", qos = 2 }, { filter = "c" }]
        retries = 0
        retry-for = "24h"
        [guest.work-list]
        max = 5
        max-bytes = "64KiB"
        overflow = "reject"
        [[guest.timer]]
        name = "read"
        every = "10s"
        [[guest.timer]]
        name = "report"
        every = "24h"
        first = "10ms"
        [[guest.timer]]
        name = "begin"
        after = "5m"
        [guest.limits]
        memory = "4GiB"
        call-time = "1ms"
        timers = 3
        state = "16MiB"
        [guest.env]
        LOG = "info"
        EMPTY = ""
        [guest.settings]
        limit = 22.5
    "##;
    check(text, |c| {
        let component = ComponentSource::File("/etc/my door.wasm".into());
        c.guests = vec![GuestConfig {
            subscriptions: vec![
                ("a".parse().unwrap(), Qos::AtLeastOnce),
                ("b/#".parse().unwrap(), Qos::AtMostOnce),
                ("+".parse().unwrap(), Qos::ExactlyOnce),
                ("c".parse().unwrap(), Qos::AtLeastOnce),
            ],
            retries: 0,
            retry_for: Duration::from_secs(86_400),
            work_list: WorkListSettings {
                max: 5,
                max_bytes: 64 << 10,
                overflow: Overflow::Reject,
            },
            limits: GuestLimits {
                memory: 4 << 30,
                call_time: Duration::from_millis(1),
                timers: 3,
                state: 16 << 20,
            },
            timers: vec![
                ("read".into(), Schedule::every(Duration::from_secs(10))),
                (
                    "report".into(),
                    Schedule {
                        first: Duration::from_millis(10),
                        period: Some(Duration::from_hours(24)),
                    },
                ),
                ("begin".into(), Schedule::once(Duration::from_mins(5))),
            ],
            env: vec![
                ("EMPTY".to_owned(), String::new()),
                ("LOG".to_owned(), "info".to_owned()),
            ],
            settings: r#"{"limit":22.5}"#.into(),
            ..guest("front_door", component)
        }];
    });
}

#[test]
fn a_guest_has_the_bounds_of_all_but_for_its_own() {
    let text = r#"
        [[guest]]
        component = "a.wasm"
        work-list = { max-bytes = "1MiB" }
        [[guest]]
        component = "b.wasm"
        work-list.max = 7
        [work-list]
        max = 50
        overflow = "reject"
    "#;
    let config = load(text).unwrap();
    let all = WorkListSettings {
        max: 50,
        max_bytes: usize::MAX,
        overflow: Overflow::Reject,
    };
    assert_eq!(config.session.work_list, all);
    let bounds: Vec<_> = config.guests.iter().map(|it| it.work_list).collect();
    let large = WorkListSettings {
        max_bytes: 1 << 20,
        ..all
    };
    assert_eq!(bounds, [large, WorkListSettings { max: 7, ..all }]);
}

#[test]
fn rates_are_letters_a_second_or_in_a_time() {
    for (value, letters, seconds) in [
        ("10", 10, 1),
        ("'10/s'", 10, 1),
        ("'6/m'", 6, 60),
        ("'100/h'", 100, 3_600),
        ("'1/10s'", 1, 10),
        ("'100000/8760h'", 100_000, 365 * 24 * 3_600),
    ] {
        let rate = |burst: &str| {
            let table = format!("[control-permissions]\nrate = {value}\n{burst}");
            let config = load(&table).unwrap();
            config.control_permissions.and_then(|it| it.rate).unwrap()
        };
        let expect = Rate {
            letters,
            per: Duration::from_secs(seconds),
            burst: letters,
        };
        assert_eq!(rate(""), expect, "{value}");
        assert_eq!(rate("burst = 3"), Rate { burst: 3, ..expect }, "{value}");
    }
}

fn with_command(program: &str, arguments: &[&str], millis: u64) -> Credentials {
    Credentials {
        user_name: UserName::Given("x".to_owned()),
        password: PasswordSource::Command(PasswordCommand::new(
            program.into(),
            arguments.iter().map(|word| (*word).to_owned()).collect(),
            Duration::from_millis(millis),
        )),
    }
}

/// What the broker would be told at this moment.
fn login(config: &Config) -> Result<Login, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(config.login.as_ref().unwrap().login())
}

fn password(config: &Config) -> String {
    let password = login(config).unwrap().password;
    password.unwrap().expose().to_owned()
}

#[test]
fn debug_shows_no_secret() {
    let text = "user-name = 'u'\n[[guest]]\ncomponent = 'example:door'\nenv = { TOKEN = 's3cret' }";
    let config = load_with(text, &[("JACKALOPE_PASSWORD", "s3cret")]).unwrap();
    assert_eq!(password(&config), "s3cret");
    let shown = format!("{config:?}");
    assert!(shown.contains("password: Given(***)"), "{shown}");
    assert!(shown.contains("TOKEN"), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
    let text = "user-name = 'u'\npassword-command = ['echo', 's3cret']";
    let shown = format!("{:?}", load(text).unwrap());
    assert!(shown.contains("program: \"echo\""), "{shown}");
    assert!(!shown.contains("s3cret"), "{shown}");
}

/// Any text, or pieces of configuration in any order.
fn any_text() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "client-id",
        "keep-alive",
        "server",
        "last-will",
        "backoff",
        "guest",
        "subscriptions",
        "timer",
        "limits",
        "env",
        "component",
        "filter",
        "qos",
        "topic",
        "min",
        "retries",
        "retry-for",
        "user-name",
        "=",
        "= ",
        "[",
        "]",
        "[[",
        "]]",
        "{",
        "}",
        ",",
        ".",
        "\n",
        "\"",
        "'",
        "#",
        "1",
        "-1",
        "true",
        "\"60s\"",
        "\"a/b\"",
        "'door.wasm'",
        "99999999999999999999",
        "1979-05-27",
        "é",
        "\0",
        "\r\n",
        "\\u0000",
        "[[guest]]\n",
        "[last-will]\n",
        "component='d'\n",
    ];
    prop_oneof![
        any::<String>(),
        prop::collection::vec(prop::sample::select(PIECES), 0..24)
            .prop_map(|pieces| pieces.concat()),
    ]
}

proptest! {
    #[test]
    fn no_text_panics(text in any_text(), name in "JACKALOPE_[A-Z_]{0,12}", value in any_text()) {
        let mut all: Vec<_> = env::names().map(|known| (known.to_owned(), value.clone())).collect();
        let is_file = |name: &str| name.ends_with("_FILE") && !name.contains("_TLS_");
        all.retain(|(known, _)| !is_file(known));
        all.push((name, value));
        for (name, value) in all {
            let variable = (name.into(), value.into());
            if let Err(error) = Config::build(Path::new("j.toml"), &text, std::iter::once(variable)) {
                let line = error.to_string();
                prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            }
        }
    }
}
