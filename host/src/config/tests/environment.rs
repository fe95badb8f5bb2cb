//! Variables over the file.

use std::os::unix::ffi::OsStringExt;

use super::*;

/// Checks that a variable does what the same line of the file does, and goes
/// before another line of the file.
#[track_caller]
fn check(name: &str, value: &str, line: &str, other: &str) {
    let expect = load(&complete(line)).unwrap();
    assert_ne!(expect, load(&complete("")).unwrap(), "{line} does nothing");
    let alone = load_with(&complete(""), &[(name, value)]);
    assert_eq!(alone.as_ref(), Ok(&expect), "{name} alone");
    let over = load_with(&complete(other), &[(name, value)]);
    assert_eq!(over.as_ref(), Ok(&expect), "{name} over {other}");
}

/// A last will has a topic, whatever else is said of it.
fn complete(line: &str) -> String {
    match line {
        _ if line.starts_with("last-will.topic") => line.to_owned(),
        _ => format!("last-will.topic = 't'\n{line}"),
    }
}

#[track_caller]
fn check_refused(variables: &[(&str, &str)], expect: &str) {
    match load_with("user-name = 'u'", variables) {
        Ok(config) => panic!("{variables:?} were accepted: {config:?}"),
        Err(error) => assert_eq!(error.to_string(), expect),
    }
}

#[test]
fn each_variable_goes_before_the_file() {
    let cases = [
        ("CLIENT_ID", "x", "client-id = 'x'", "client-id = 'y'"),
        (
            "CLEAN_SESSION",
            "false",
            "clean-session = false",
            "clean-session = true",
        ),
        (
            "SESSION_EXPIRY",
            "2h",
            "session-expiry = '2h'",
            "session-expiry = '3h'",
        ),
        ("VERSION", "5", "version = '5'", "version = '3.1.1'"),
        ("USER_NAME", "x", "user-name = 'x'", "user-name = 'y'"),
        (
            "SERVER",
            "[::1]:1",
            "server = '[::1]:1'",
            "server = 'other'",
        ),
        ("KEEP_ALIVE", "5m", "keep-alive = '5m'", "keep-alive = '6m'"),
        (
            "FIRST_CONNECT_DELAY",
            "2s",
            "first-connect-delay = '2s'",
            "first-connect-delay = '3s'",
        ),
        (
            "MAX_PACKET_SIZE",
            "65536",
            "max-packet-size = 65536",
            "max-packet-size = 200",
        ),
        (
            "SERVER_RETURN",
            "2s",
            "server-return = '2s'",
            "server-return = '3s'",
        ),
        ("INTERFACE", "x", "interface = 'x'", "interface = 'y'"),
        (
            "LOCAL_ADDRESS",
            "::1",
            "local-address = '::1'",
            "local-address = '::2'",
        ),
        (
            "CACHE_DIRECTORY",
            "/x",
            "cache-directory = '/x'",
            "cache-directory = ''",
        ),
        (
            "BACKOFF_MIN",
            "2s",
            "backoff.min = '2s'",
            "backoff.min = '3s'",
        ),
        (
            "BACKOFF_MAX",
            "2s",
            "backoff.max = '2s'",
            "backoff.max = '3s'",
        ),
        (
            "WORK_LIST_MAX",
            "5",
            "work-list.max = 5",
            "work-list.max = 6",
        ),
        (
            "WORK_LIST_MAX_BYTES",
            "4096",
            "work-list.max-bytes = '4KiB'",
            "work-list.max-bytes = '5KiB'",
        ),
        (
            "WORK_LIST_OVERFLOW",
            "reject",
            "work-list.overflow = 'reject'",
            "work-list.overflow = 'drop-oldest'",
        ),
        (
            "LAST_WILL_TOPIC",
            "x",
            "last-will.topic = 'x'",
            "last-will.topic = 'y'",
        ),
        (
            "LAST_WILL_PAYLOAD",
            "1",
            "last-will.payload = '1'",
            "last-will.payload = '2'",
        ),
        (
            "LAST_WILL_QOS",
            "0",
            "last-will.qos = 0",
            "last-will.qos = 2",
        ),
        (
            "LAST_WILL_RETAIN",
            "true",
            "last-will.retain = true",
            "last-will.retain = false",
        ),
    ];
    // Those of files, of TLS and of a proxy have tests of their own.
    let mut tested: Vec<_> = [
        "JACKALOPE_PASSWORD",
        "JACKALOPE_PASSWORD_COMMAND",
        "JACKALOPE_PASSWORD_COMMAND_TIMEOUT",
        "JACKALOPE_PASSWORD_FILE",
        "JACKALOPE_USER_NAME_FILE",
        "JACKALOPE_LAST_WILL_DELAY",
        "JACKALOPE_MAX_QOS",
        "JACKALOPE_STATUS_TOPIC",
        "JACKALOPE_STATUS_ONLINE",
        "JACKALOPE_STATUS_OFFLINE",
        "JACKALOPE_STATUS_QOS",
        "JACKALOPE_STATUS_RETAIN",
        "JACKALOPE_SHOW_PAYLOADS",
        "JACKALOPE_WORK_LIST_TOTAL_MAX",
        "JACKALOPE_WORK_LIST_TOTAL_MAX_BYTES",
        "JACKALOPE_CONTROL_SOCKET",
        "JACKALOPE_CONTROL_ADDRESS",
        "JACKALOPE_CONTROL_TOKEN_FILE",
        "JACKALOPE_WORK_LIST_STORE",
        "JACKALOPE_WORK_LIST_DIRECTORY",
        "JACKALOPE_WORK_LIST_ON_DAMAGE",
        "JACKALOPE_WORK_LIST_GONE_GUESTS",
        "JACKALOPE_WORK_LIST_AFTER_REBOOT",
        "JACKALOPE_WORK_LIST_CLOCK_TRUST",
        "JACKALOPE_WORK_LIST_HOLD",
    ]
    .map(str::to_owned)
    .to_vec();
    tested.extend(
        env::names()
            .filter(|name| {
                name.starts_with("JACKALOPE_TLS_") || name.starts_with("JACKALOPE_PROXY_")
            })
            .map(str::to_owned),
    );
    for (name, value, line, other) in cases {
        let name = format!("JACKALOPE_{name}");
        check(&name, value, line, other);
        tested.push(name);
    }
    let mut all: Vec<_> = env::names().collect();
    all.sort_unstable();
    tested.sort_unstable();
    assert_eq!(tested, all);
}

#[test]
fn a_last_will_is_delayed_in_a_session_that_is_kept() {
    let file = "clean-session = false\nlast-will = { topic = 't', delay = '1s' }";
    let config = load_with(file, &[("JACKALOPE_LAST_WILL_DELAY", "30s")]).unwrap();
    let will = config.session.last_will.unwrap();
    assert_eq!(will.delay, Duration::from_secs(30));
}

#[test]
fn a_last_will_can_come_from_the_environment_alone() {
    let config = load_with("", &[("JACKALOPE_LAST_WILL_TOPIC", "t")]).unwrap();
    assert_eq!(config, load("last-will.topic = 't'").unwrap());
    check_refused(
        &[("JACKALOPE_LAST_WILL_PAYLOAD", "offline")],
        "JACKALOPE_LAST_WILL_PAYLOAD: a last will needs a topic, last-will.topic",
    );
}

#[test]
fn a_status_topic_can_come_from_the_environment_alone() {
    let variables = [
        ("JACKALOPE_STATUS_TOPIC", "t"),
        ("JACKALOPE_STATUS_ONLINE", "1"),
        ("JACKALOPE_STATUS_OFFLINE", "0"),
        ("JACKALOPE_STATUS_QOS", "0"),
        ("JACKALOPE_STATUS_RETAIN", "false"),
    ];
    let file = "status = { topic = 't', online = '1', offline = '0', qos = 0, retain = false }";
    assert_eq!(load_with("", &variables).unwrap(), load(file).unwrap());
    check_refused(
        &variables[1..2],
        "JACKALOPE_STATUS_ONLINE: needs a topic, status.topic",
    );
}

#[test]
fn the_last_of_two_holds() {
    let twice = [("JACKALOPE_CLIENT_ID", "x"), ("JACKALOPE_CLIENT_ID", "y")];
    assert_eq!(load_with("", &twice).unwrap().client_id, "y");
}

#[test]
fn variables_of_others_are_left_alone() {
    let others = [
        ("PATH", "/bin"),
        ("JACKALOPE", "x"),
        ("jackalope_server", "x"),
        ("JACKALOPE_LOG", "debug"),
        ("JACKALOPE_SIM_SEED", "1"),
    ];
    assert_eq!(load_with("", &others), Ok(Config::default()));
}

#[test]
fn wrong_values_name_their_variable() {
    let long = "x".repeat(65_536);
    for (name, value, reason) in [
        (
            "KEEP_ALIVE",
            "sixty",
            r#""sixty" is not a duration; write e.g. "500ms", "60s", "5m", "2h""#,
        ),
        ("CLEAN_SESSION", "1", r#""1" is neither true nor false"#),
        (
            "CLEAN_SESSION",
            "True",
            r#""True" is neither true nor false"#,
        ),
        (
            "WORK_LIST_MAX",
            "0",
            r#""0" is not a whole number from 1 to 1000000"#,
        ),
        (
            "WORK_LIST_MAX",
            "ten",
            r#""ten" is not a whole number from 1 to 1000000"#,
        ),
        ("LAST_WILL_TOPIC", "", r#""" is empty"#),
        (
            "MAX_PACKET_SIZE",
            "1",
            r#""1" is out of range; write 128 to "256MiB""#,
        ),
        (
            "BACKOFF_MIN",
            "1m",
            r#""1m" is above backoff.max, which is "30s""#,
        ),
        ("PASSWORD", &long, "is longer than 65535 bytes"),
        ("PASSWORD_FILE", "", r#""" is not a path"#),
    ] {
        let name = format!("JACKALOPE_{name}");
        check_refused(&[(&name, value)], &format!("{name}: {reason}"));
    }
    check_refused(
        &[
            ("JACKALOPE_CLEAN_SESSION", "false"),
            ("JACKALOPE_CLIENT_ID", ""),
        ],
        "JACKALOPE_CLIENT_ID: \"\" is allowed only with clean-session = true ([MQTT-3.1.3-7])",
    );
    check_refused(
        &[
            ("JACKALOPE_PASSWORD", "s3cret"),
            ("JACKALOPE_PASSWORD_FILE", "p"),
        ],
        "JACKALOPE_PASSWORD: is set together with JACKALOPE_PASSWORD_FILE; set one of them",
    );
}

#[test]
fn a_password_needs_a_user_name() {
    let error = load_with("", &[("JACKALOPE_PASSWORD", "s3cret")]).unwrap_err();
    assert_eq!(
        error.to_string(),
        "JACKALOPE_PASSWORD: needs a user name, too ([MQTT-3.1.2-22])"
    );
}

/// What is known of the variables that mean nothing; all else is the default.
#[track_caller]
fn check_unknown(variables: &[&str], expect: &[&str]) {
    let variables: Vec<_> = variables.iter().map(|name| (*name, "x")).collect();
    let config = load_with("", &variables).unwrap();
    let shown: Vec<_> = config
        .unknown_variables
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(shown, expect);
    let unknown_variables = Vec::new();
    let config = Config {
        unknown_variables,
        ..config
    };
    assert_eq!(config, Config::default());
}

#[test]
fn variables_of_a_kubernetes_service_change_nothing() {
    let service = [
        "JACKALOPE_PORT",
        "JACKALOPE_PORT_1883_TCP",
        "JACKALOPE_PORT_1883_TCP_ADDR",
        "JACKALOPE_PORT_1883_TCP_PORT",
        "JACKALOPE_PORT_1883_TCP_PROTO",
        "JACKALOPE_SERVICE_HOST",
        "JACKALOPE_SERVICE_PORT",
        "JACKALOPE_SERVICE_PORT_MQTT",
    ];
    check_unknown(&service, &service);
}

#[test]
fn a_misspelt_variable_is_recognized() {
    for (name, expect) in [
        (
            "JACKALOPE_KEEPALIVE",
            "JACKALOPE_KEEPALIVE (did you mean JACKALOPE_KEEP_ALIVE?)",
        ),
        (
            "JACKALOPE_PASSWROD",
            "JACKALOPE_PASSWROD (did you mean JACKALOPE_PASSWORD?)",
        ),
        ("JACKALOPE_GUEST_NAME", "JACKALOPE_GUEST_NAME"),
        ("JACKALOPE_", "JACKALOPE_"),
        ("JACKALOPE_\nX\nY\nZ", "JACKALOPE_\\nX\\nY\\nZ"),
    ] {
        check_unknown(&[name], &[expect]);
    }
    let long = format!("JACKALOPE_{}", "X".repeat(99));
    check_unknown(&[&long], &[&long]);
}

#[test]
fn unknown_variables_are_told_in_order() {
    let names = ["JACKALOPE_B", "PATH", "JACKALOPE_LOG", "JACKALOPE_A"];
    check_unknown(&names, &["JACKALOPE_A", "JACKALOPE_B"]);
}

#[test]
fn variables_that_are_not_text() {
    let wrong = || OsString::from_vec(b"\xff".to_vec());
    let load = |name: OsString, value| {
        Config::load(None, std::iter::once((name, value))).map(|config| config.unknown_variables)
    };
    assert_eq!(load("PATH".into(), wrong()), Ok(Vec::new()));
    assert_eq!(load(wrong(), wrong()), Ok(Vec::new()));
    let unknown = load("JACKALOPE_PORT".into(), wrong()).unwrap();
    assert_eq!(unknown[0].name, "JACKALOPE_PORT");
    assert_eq!(
        load("JACKALOPE_SERVER".into(), wrong())
            .unwrap_err()
            .to_string(),
        "JACKALOPE_SERVER: is not UTF-8 text"
    );
}

#[test]
fn where_letters_are_kept() {
    let variables = [
        ("JACKALOPE_WORK_LIST_STORE", "disk"),
        ("JACKALOPE_WORK_LIST_DIRECTORY", "letters"),
        ("JACKALOPE_WORK_LIST_ON_DAMAGE", "set-aside"),
        ("JACKALOPE_WORK_LIST_GONE_GUESTS", "drop"),
        ("JACKALOPE_WORK_LIST_AFTER_REBOOT", "drop"),
        ("JACKALOPE_WORK_LIST_CLOCK_TRUST", "past-record"),
        ("JACKALOPE_WORK_LIST_HOLD", "5m"),
    ];
    let expect = Keeping {
        // As it is said there, in the working directory.
        directory: "letters".into(),
        on_damage: OnDamage::SetAside,
        when_off: crate::office::WhenOff::Drop,
        clock_trust: Some(crate::store::ClockTrust::PastRecord),
        hold: Duration::from_mins(5),
    };
    let other = "work-list = { store = 'memory', on-damage = 'refuse', gone-guests = 'keep', \
                 after-reboot = 'pause', clock-trust = 'synchronised', hold = '1h' }";
    for text in ["", other] {
        let config = load_with(text, &variables).unwrap();
        assert_eq!(config.keeping.as_ref(), Some(&expect), "{text}");
        assert_eq!(config.session.gone_guests, GoneGuests::Drop, "{text}");
    }
}
