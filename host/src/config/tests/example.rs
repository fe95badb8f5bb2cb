//! The example file says what is true.

use toml::Value;

use super::*;
use crate::office::Rate;
use crate::wire::TlsVersion;

const EXAMPLE: &str = include_str!(concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../jackalope.example.toml"
));

/// The example with every line used: `#` and no space begins a line of
/// configuration that is commented out.
fn in_full() -> String {
    let mut text = String::new();
    for line in EXAMPLE.lines() {
        let used = match line.strip_prefix('#') {
            Some(rest) if rest.starts_with(|c: char| !c.is_whitespace()) => rest,
            _ => line,
        };
        text.push_str(used);
        text.push('\n');
    }
    text
}

/// Every key there is, from the errors that list them.
fn keys_of(table: &str) -> Vec<String> {
    let error = load(&format!("{table}\nno-such-key = 1"))
        .unwrap_err()
        .to_string();
    let (_, list) = error.split_once(", expected ").unwrap();
    list.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

#[test]
fn the_example_states_the_defaults() {
    assert_eq!(load(EXAMPLE).unwrap(), Config::default());
}

#[test]
fn the_example_in_full_is_accepted() {
    // Of what excludes each other, one is enough.
    let text: String = in_full()
        .replace("store = \"memory\"", "store = \"disk\"")
        .lines()
        .filter(|line| !line.starts_with("user-name-file") && !line.starts_with("password-command"))
        .filter(|line| {
            !line.starts_with("control-socket") && !line.starts_with("subscriptions = [\"#")
        })
        .flat_map(|line| [line, "\n"])
        .collect();
    let error = load(&text).unwrap_err().to_string();
    assert!(error.contains(": status: is there together"), "{error}");
    let (before, status) = text.split_once("[status]\n").unwrap();
    let (status, after) = status.split_once("\n[[").unwrap();
    let alone = load(&format!("[status]\n{status}")).unwrap();
    let status = alone.session.status_topic.unwrap();
    assert_eq!(&*status.topic, "gateways/jackalope/status");
    let text = format!("{before}[[{after}");
    // The password file that it names is not there, and is the only fault.
    let error = load(&text).unwrap_err().to_string();
    assert!(error.contains(": password-file: "), "{error}");
    let without = text.replace("password-file = \"/etc/jackalope/password\"\n", "");
    assert_ne!(text, without);
    // Nor are those of TLS, for which there is no server in the example.
    let error = load(&without).unwrap_err().to_string();
    assert!(error.contains(": tls: is for a server"), "{error}");
    let (before, tls) = without.split_once("[tls]\n").unwrap();
    let (tls, after) = tls.split_once("\n[").unwrap();
    // Nor is there one for WebSocket.
    let text = format!("{before}[{after}");
    let error = load(&text).unwrap_err().to_string();
    assert!(error.contains(": websocket: is for a server"), "{error}");
    let (before, headers) = text.split_once("[websocket.headers]\n").unwrap();
    let (headers, after) = headers.split_once("\n[").unwrap();
    let text = format!("{before}[{after}");
    let error = load(&text).unwrap_err().to_string();
    assert!(error.contains(": proxy.password-file: "), "{error}");
    let proxy = "password-file = \"/etc/jackalope/proxy-password\"\n";
    let config = load(&text.replace(proxy, "")).unwrap();
    assert_eq!(config.proxy.unwrap().address.port, 3128);
    let expect = Permissions {
        publish: Some(vec!["gateways/door/#".parse().unwrap()]),
        max_qos: Qos::AtLeastOnce,
        min_ttl: Duration::from_millis(1),
        max_ttl: Duration::from_mins(10),
        rate: Some(Rate {
            letters: 5,
            per: Duration::from_secs(1),
            burst: 20,
        }),
        will: false,
        operate: Operate {
            send: Some(vec!["doors/+/request".parse().unwrap()]),
            send_to: Some(vec!["door".into()]),
            ..Operate::default()
        },
        ..Permissions::default()
    };
    assert_eq!(config.control_permissions, Some(expect));
    let keeping = config.keeping.unwrap();
    assert_eq!(keeping.directory.to_str(), Some("/var/lib/jackalope"));
    let least = "work-list = { store = 'disk', directory = '/var/lib/jackalope' }";
    let states_the_defaults = Keeping {
        clock_trust: keeping.clock_trust,
        ..load(least).unwrap().keeping.unwrap()
    };
    assert_eq!(keeping, states_the_defaults);
    assert_eq!(config.binding.interface.as_deref(), Some("eth0"));
    let websocket = format!("server = 'ws://broker'\n[websocket.headers]\n{headers}");
    let error = load(&websocket).unwrap_err().to_string();
    assert!(
        error.contains(": websocket.headers: authorization file"),
        "{error}"
    );
    let secure = format!("server = 'mqtts://broker'\n[tls]\n{tls}");
    let error = load(&secure).unwrap_err().to_string();
    assert!(error.contains(": tls.ca-file: "), "{error}");
    let without: String = secure
        .lines()
        .filter(|line| !line.contains("-file = "))
        .flat_map(|line| [line, "\n"])
        .collect();
    let options = load(&without).unwrap().servers[0].tls.clone().unwrap();
    assert_eq!(options.alpn, ["x-amzn-mqtt-ca"]);
    assert_eq!(options.min_version, TlsVersion::Tls12, "states the default");

    let least = load("[[guest]]\ncomponent = 'door.wasm'").unwrap();
    let guest = GuestConfig {
        subscriptions: vec![
            ("doors/state".parse().unwrap(), Qos::AtLeastOnce),
            ("doors/{door}/request".parse().unwrap(), Qos::AtLeastOnce),
        ],
        timers: vec![
            (
                "read".into(),
                Schedule {
                    first: Duration::from_secs(1),
                    ..Schedule::every(Duration::from_secs(10))
                },
            ),
            ("begin".into(), Schedule::once(Duration::from_mins(1))),
        ],
        work_list: WorkListSettings {
            max_bytes: 1 << 20,
            ..WorkListSettings::default()
        },
        permissions: Some(Permissions {
            publish: Some(vec![
                "doors/#".parse().unwrap(),
                "gateways/+/online".parse().unwrap(),
            ]),
            min_ttl: Duration::from_millis(1),
            max_ttl: Duration::from_hours(24),
            rate: Some(Rate {
                letters: 10,
                per: Duration::from_secs(1),
                burst: 50,
            }),
            ..Permissions::default()
        }),
        env: vec![("LOG".to_owned(), "info".to_owned())],
        settings: r#"{"limit":22.5}"#.into(),
        ..least.guests[0].clone()
    };
    assert_eq!(config.guests, [guest], "states the defaults of a guest");
    let will = config.session.last_will.unwrap();
    assert_eq!(&*will.topic, "gateways/door/online");
    assert_eq!(&*will.payload, b"offline");
    assert_eq!((will.qos, will.retain), (Qos::AtLeastOnce, true));
}

#[test]
fn the_example_holds_every_key() {
    let example: Value = toml::from_str(&in_full()).unwrap();
    let guest = &example["guest"][0];
    // What excludes each other is in two of them.
    let mut timer = guest["timer"][0].clone();
    let once = guest["timer"][1].as_table().unwrap().clone();
    timer.as_table_mut().unwrap().extend(once);
    let subscription = &guest["subscriptions"][1];
    assert!(example["websocket"].get("headers").is_some());
    for (header, table) in [
        ("", &example),
        ("[tls]", &example["tls"]),
        ("[proxy]", &example["proxy"]),
        ("[control-permissions]", &example["control-permissions"]),
        ("[backoff]", &example["backoff"]),
        ("[last-will]", &example["last-will"]),
        ("[status]", &example["status"]),
        ("[work-list]", &example["work-list"]),
        ("[[guest]]", guest),
        ("[[guest]]\n[guest.work-list]", &guest["work-list"]),
        ("[[guest]]\n[guest.limits]", &guest["limits"]),
        ("[[guest]]\n[[guest.timer]]", &timer),
        ("[[guest]]\n[guest.permissions]", &guest["permissions"]),
        ("[[guest]]\n[[guest.subscriptions]]", subscription),
    ] {
        let keys = keys_of(header);
        assert!(keys.len() > 1, "{header}: {keys:?}");
        for key in keys {
            assert!(
                table.get(&key).is_some(),
                "{header} {key} is not documented"
            );
        }
    }
}
