//! Every wrong value of every key outside the guests, and in which words it is
//! refused.

use super::*;

/// Checks wrong values of a key: each is refused at its place, as the key and
/// what is shown of the value and `reason`.
#[track_caller]
fn check_values(table: &str, key: &str, values: &[(&str, &str)], reason: &str) {
    let column = key.len() + 4;
    let (table, path, line) = match table {
        "" => (String::new(), key.to_owned(), 1),
        _ => (format!("[{table}]\n"), format!("{table}.{key}"), 2),
    };
    for (value, shown) in values {
        check_refused(
            &format!("{table}{key} = {value}"),
            &format!("{line}:{column}: {path}: {shown} {reason}"),
        );
    }
}

/// Values that are not texts.
pub(super) const NO_TEXTS: &[(&str, &str)] = &[
    ("60", "60"),
    ("true", "true"),
    ("1.5", "1.5"),
    ("1979-05-27", "1979-05-27"),
    ("['a']", "a list"),
    ("{ a = 1 }", "a table"),
];

pub(super) const NO_TEXT: &str = "is not a text; put it in quotes";
pub(super) const NO_DURATION: &str = r#"is not a duration; write e.g. "500ms", "60s", "5m", "2h""#;
pub(super) const NO_SIZE: &str = r#"is not a size; write e.g. 4096, "64KiB", "1MiB""#;
pub(super) const NO_QOS: &str = "is not a quality of service; write 0, 1 or 2";
const NO_FLAG: &str = "is neither true nor false";
const NULL: &str = "holds a null character ([MQTT-1.5.3-2])";
const TOO_LONG: &str = "is longer than 65535 bytes";

/// One byte too long, as TOML and as an error shows it.
fn too_long() -> (String, String) {
    (
        format!("'{}'", "x".repeat(65_536)),
        format!("\"{}\"…", "x".repeat(60)),
    )
}

#[test]
fn client_id() {
    let (long, shown) = too_long();
    check_values("", "client-id", NO_TEXTS, NO_TEXT);
    check_values("", "client-id", &[(&long, &shown)], TOO_LONG);
    check_values("", "client-id", &[(r#""a\u0000""#, r#""a\0""#)], NULL);
    check_refused(
        "clean-session = false\nclient-id = ''",
        "2:13: client-id: \"\" is allowed only with clean-session = true ([MQTT-3.1.3-7])",
    );
}

#[test]
fn placeholders() {
    check_refused(
        "keep-alive = '1m'\nclient-id = 'gw-{serial}'",
        "2:13: client-id: \"gw-{serial}\" has {serial}, which is no placeholder; \
         there are {hostname}, {machine-id}; write {{ and }} for braces",
    );
    check_refused(
        "user-name = '{serial}'",
        "1:13: user-name: \"{serial}\" has {serial}, which is no placeholder; \
         there are {hostname}, {machine-id}, {client-id}; write {{ and }} for braces",
    );
    check_refused(
        "client-id = ''\nlast-will.topic = 'gateways/{client-id}'",
        "2:19: last-will.topic: \"gateways/{client-id}\" has {client-id}, \
         but client-id is empty: the broker chooses it",
    );
    // What was filled in is checked like anything else.
    check_refused(
        "client-id = 'a+b'\nlast-will.topic = '{client-id}'",
        "2:19: last-will.topic: \"a+b\" holds a wildcard (`+` or `#`), which only a topic filter may",
    );
    let half = "x".repeat(40_000);
    check_refused(
        &format!("client-id = '{half}'\nuser-name = '{{client-id}}{{client-id}}'"),
        &format!("2:13: user-name: \"{}\"… {TOO_LONG}", &half[..60]),
    );
}

#[test]
fn last_will_delay() {
    check_refused(
        "[last-will]\ntopic = 't'\ndelay = '30s'",
        "3:9: last-will.delay: \"30s\" is allowed only with clean-session = false: the will \
         goes out when the session ends, and a clean one ends with its connection",
    );
    check_refused(
        "clean-session = false\nlast-will = { topic = 't', delay = '1500ms' }",
        "2:36: last-will.delay: \"1500ms\" is not a whole number of seconds",
    );
}

#[test]
fn status() {
    check_refused(
        "[status]\nqos = 0",
        "1:1: status: needs a topic, status.topic",
    );
    check_refused(
        "status.topic = 't'\n[last-will]\ntopic = 't'",
        "1:1: status: is there together with last-will, and a connection has one will; \
         the status topic brings its own, so take last-will away",
    );
    check_refused(
        "[status]\ntopic = 't'\nonline = 'offline'",
        "1:1: status: says the same of being online and offline",
    );
    check_refused(
        "[status]\ntopic = 't'\nqos = 2",
        "3:7: status.qos: 2 is not 0 or 1",
    );
    check_refused(
        "[status]\ntopic = 'a/#'",
        "2:9: status.topic: \"a/#\" holds a wildcard (`+` or `#`), which only a topic filter may",
    );
}

#[test]
fn clean_session() {
    let values = [("1", "1"), ("'true'", "\"true\""), ("[]", "a list")];
    check_values("", "clean-session", &values, NO_FLAG);
}

#[test]
fn version() {
    let wrong = r#"is not a version of MQTT; write "3.1.1", "5" or "auto""#;
    let values = [("5", "5"), ("'4'", "\"4\""), ("''", "\"\"")];
    check_values("", "version", &values, wrong);
}

#[test]
fn session_expiry() {
    check_values("", "session-expiry", NO_TEXTS, NO_DURATION);
    check_values(
        "",
        "session-expiry",
        &[("'0s'", "\"0s\""), ("'8761h'", "\"8761h\"")],
        "is out of range; write \"1s\" to \"8760h\"",
    );
    check_values(
        "",
        "session-expiry",
        &[("'1500ms'", "\"1500ms\"")],
        "is not a whole number of seconds",
    );
}

#[test]
fn login() {
    let (long, shown) = too_long();
    check_values("", "user-name", NO_TEXTS, NO_TEXT);
    check_values("", "user-name", &[(&long, &shown)], TOO_LONG);
    check_values("", "user-name", &[(r#""\u0000""#, r#""\0""#)], NULL);
    check_refused(
        "user-name = 'u'\nuser-name-file = 'f'",
        "2:18: user-name-file: is there together with user-name; write one of them",
    );
    check_refused(
        "user-name = 'u'\npassword-file = 'p'\npassword-command = ['c']",
        "3:20: password-command: is there together with password-file; write one of them",
    );
    for command in ["[]", "['']", "'c'", "['c', 1]", "['c', \"\\u0000\"]"] {
        check_refused(
            &format!("user-name = 'u'\npassword-command = {command}"),
            "2:20: password-command: is not a list of a program and its arguments; \
             write e.g. [\"/usr/lib/gateway/token\", \"--sas\"]",
        );
    }
    check_refused(
        "user-name = 'u'\npassword-command = ['c']\npassword-command-timeout = '16s'",
        "3:28: password-command-timeout: \"16s\" is out of range; write \"100ms\" to \"15s\"",
    );
    check_refused(
        "user-name = 'u'\npassword-command-timeout = '1s'",
        "2:28: password-command-timeout: is for password-command, which there is not",
    );
    check_refused(
        "password-command = ['c']",
        "1:20: password-command: needs a user name, too ([MQTT-3.1.2-22])",
    );
    check_refused(
        "password-file = 'p'",
        "1:17: password-file: needs a user name, too ([MQTT-3.1.2-22])",
    );
    check_refused(
        "user-name = 'u'\npassword-file = 1",
        "2:17: password-file: 1 is not a text; put it in quotes",
    );
    check_refused(
        "user-name = 'u'\npassword-file = ''",
        "2:17: password-file: \"\" is not a path",
    );
    check_refused(
        "user-name = 'u'\npassword-file = \"a\\u0000\"",
        r#"2:17: password-file: "a\0" is not a path"#,
    );
}

#[test]
fn server() {
    let form = r#"is not a server; write e.g. "localhost:1883", "mqtts://broker:8883", "wss://broker/mqtt""#;
    check_values("", "server", &[("1", "1"), ("[1]", "a list")], form);
    check_values(
        "",
        "server",
        &[("['a', 'b:0']", r#""b:0""#)],
        "has a wrong port; write a number from 1 to 65535",
    );
    check_refused("server = []", "1:10: server: has 0 servers; write 1 to 16");
    let values = [
        ("''", r#""""#),
        ("'http://broker'", r#""http://broker""#),
        ("'a b'", r#""a b""#),
    ];
    check_values("", "server", &values, form);
    check_values(
        "",
        "server",
        &[("'mqtt://broker/a'", r#""mqtt://broker/a""#)],
        r#"has a wrong path; only ws:// and wss:// have one, such as "wss://broker/mqtt""#,
    );
    check_values(
        "",
        "server",
        &[
            ("'ssl://broker'", r#""ssl://broker""#),
            ("'tls://broker'", r#""tls://broker""#),
        ],
        "asks for TLS, which is written mqtts:// or wss://",
    );
    check_values(
        "",
        "server",
        &[("'broker:0'", r#""broker:0""#)],
        "has a wrong port; write a number from 1 to 65535",
    );
    check_values(
        "",
        "server",
        &[("'::1'", r#""::1""#)],
        r#"is an IPv6 address without brackets; write e.g. "[::1]:1883""#,
    );
    check_refused(
        "server = 'mqtt://user:s3cret@broker'",
        "1:10: server: holds a user name, which has a key of its own, user-name",
    );
}

#[test]
fn server_return() {
    check_values(
        "",
        "server-return",
        &[("'999ms'", r#""999ms""#)],
        r#"is too short; write "1s" or more, or "0s" for never"#,
    );
    let config = load("server-return = '0s'").unwrap();
    assert_eq!(config.server_return, None);
}

#[test]
fn keep_alive() {
    let values = [
        ("'sixty'", "\"sixty\""),
        ("'60'", "\"60\""),
        ("''", "\"\""),
        ("'-1s'", "\"-1s\""),
    ];
    check_values("", "keep-alive", NO_TEXTS, NO_DURATION);
    check_values("", "keep-alive", &values, NO_DURATION);
    check_values(
        "",
        "keep-alive",
        &[("'1500ms'", "\"1500ms\"")],
        "is not a whole number of seconds",
    );
    check_values(
        "",
        "keep-alive",
        &[("'65536s'", "\"65536s\""), ("'19h'", "\"19h\"")],
        r#"is out of range; write "0s" to "65535s""#,
    );
}

#[test]
fn first_connect_delay() {
    check_values("", "first-connect-delay", NO_TEXTS, NO_DURATION);
    check_values(
        "",
        "first-connect-delay",
        &[
            ("'25h'", "\"25h\""),
            ("'99999999999999999999h'", "\"99999999999999999999h\""),
        ],
        r#"is out of range; write "0s" to "24h""#,
    );
}

#[test]
fn max_packet_size() {
    let values = [
        ("true", "true"),
        ("1.5", "1.5"),
        ("'1MB'", "\"1MB\""),
        ("'many'", "\"many\""),
        ("[]", "a list"),
    ];
    check_values("", "max-packet-size", &values, NO_SIZE);
    check_values(
        "",
        "max-packet-size",
        &[
            ("127", "127"),
            ("0", "0"),
            ("-5", "-5"),
            ("'127'", "\"127\""),
            ("268435457", "268435457"),
            ("'1GiB'", "\"1GiB\""),
        ],
        r#"is out of range; write 128 to "256MiB""#,
    );
}

#[test]
fn cache_directory() {
    check_values(
        "",
        "cache-directory",
        &[("1", "1"), ("[]", "a list")],
        "is not a text; put it in quotes",
    );
    check_refused(
        "cache-directory = \"a\\u0000\"",
        "1:19: cache-directory: \"a\\0\" is not a path",
    );
}

#[test]
fn backoff() {
    let range = r#"is out of range; write "10ms" to "1h""#;
    let values = [("'9ms'", "\"9ms\""), ("'61m'", "\"61m\"")];
    for key in ["min", "max"] {
        check_values("backoff", key, NO_TEXTS, NO_DURATION);
        check_values("backoff", key, &values, range);
    }
    check_refused(
        "[backoff]\nmin = '5s'\nmax = '4s'",
        "3:7: backoff.max: \"4s\" is below backoff.min, which is \"5s\"",
    );
    check_refused(
        "backoff.min = '1m'",
        "1:15: backoff.min: \"1m\" is above backoff.max, which is \"30s\"",
    );
    check_refused(
        "backoff.max = '500ms'",
        "1:15: backoff.max: \"500ms\" is below backoff.min, which is \"1s\"",
    );
}

#[test]
fn work_list() {
    let values = [
        ("0", "0"),
        ("-1", "-1"),
        ("1000001", "1000001"),
        ("9223372036854775807", "9223372036854775807"),
        ("'5'", "\"5\""),
        ("1.0", "1.0"),
    ];
    let whole = "is not a whole number from 1 to 1000000";
    check_values("work-list", "max", &values, whole);
    let way = r#"is no store; write "memory" or "disk""#;
    check_values("work-list", "store", NO_TEXTS, way);
    check_values("work-list", "store", &[("'file'", "\"file\"")], way);
    let what = r#"is not what to do; write "refuse" or "set-aside""#;
    check_values("work-list", "on-damage", NO_TEXTS, what);
    let what = r#"is not what to do; write "keep" or "drop""#;
    check_values("work-list", "gone-guests", NO_TEXTS, what);
    let what = r#"is nothing that a ttl does; write "count", "pause" or "drop""#;
    check_values("work-list", "after-reboot", NO_TEXTS, what);
    check_values("work-list", "directory", NO_TEXTS, NO_TEXT);
    check_values("work-list", "directory", &[("''", "\"\"")], "is not a path");
    let range = r#"is out of range; write "0s" to "8760h""#;
    check_values("work-list", "hold", &[("'8761h'", "\"8761h\"")], range);
    check_values("work-list", "hold", NO_TEXTS, NO_DURATION);
    let trust = r#"is no way to trust a clock; write "past-record" or "synchronised""#;
    check_values("work-list", "clock-trust", &[("'ntp'", "\"ntp\"")], trust);
    check_refused(
        "work-list.store = 'disk'",
        "1:19: work-list.store: \"disk\" needs a directory: write directory = \"…\" beside it, \
         one that only this gateway uses",
    );
    check_refused(
        "work-list.directory = '/d'",
        "1:23: work-list.directory: \"/d\" means nothing without store = \"disk\" beside it",
    );
    let way = r#"is not a way to overflow; write "drop-oldest", "drop-newest" or "reject""#;
    check_values("work-list", "overflow", NO_TEXTS, way);
    check_values("work-list", "overflow", &[("'Reject'", "\"Reject\"")], way);
    let values = [("'1MB'", "\"1MB\""), ("true", "true"), ("1.5", "1.5")];
    check_values("work-list", "max-bytes", &values, NO_SIZE);
    let values = [("127", "127"), ("'65GiB'", "\"65GiB\""), ("-1", "-1")];
    let range = r#"is out of range; write 128 to "64GiB""#;
    check_values("work-list", "max-bytes", &values, range);
}

#[test]
fn totals_are_no_less_than_what_all_may_have() {
    let whole = "is not a whole number from 1 to 100000000";
    check_values("work-list", "total-max", &[("0", "0")], whole);
    let range = r#"is out of range; write 128 to "1024GiB""#;
    check_values("work-list", "total-max-bytes", &[("127", "127")], range);

    let guests = "[[guest]]\ncomponent = 'a.wasm'\nwork-list.max = 200\n\
                  [[guest]]\ncomponent = 'b.wasm'\nwork-list.max-bytes = '1MiB'\n";
    let letters = |total: u32| format!("work-list.total-max = {total}\n{guests}");
    check_refused(
        &letters(399),
        "1:23: work-list.total-max: 399 is less than the 400 letters that all may have \
         together, each by its `max`: a 200, b 100, (control) 100; lower some of them in \
         [guest.work-list], or raise this",
    );
    assert!(load(&letters(400)).is_ok());
    // Nothing is published over a control socket that there is not.
    let without = |total| format!("control-socket = ''\n{}", letters(total));
    assert!(load(&without(300)).is_ok());
    assert!(load(&without(299)).is_err());

    check_refused(
        &format!("work-list.total-max-bytes = '6MiB'\n{guests}"),
        "1:29: work-list.total-max-bytes: \"6MiB\" needs `max-bytes` for each work list, and \
         that of a has none; write e.g. max-bytes = \"2MiB\" in [work-list], which is the \
         same for all",
    );
    let bytes = |total: &str| {
        format!("[work-list]\nmax-bytes = '2MiB'\ntotal-max-bytes = '{total}'\n{guests}")
    };
    check_refused(
        &bytes("4MiB"),
        "3:19: work-list.total-max-bytes: \"4MiB\" is less than the \"5MiB\" that all may have \
         together, each by its `max-bytes`: a \"2MiB\", b \"1MiB\", (control) \"2MiB\"; lower \
         some of them in [guest.work-list], or raise this",
    );
    assert!(load(&bytes("5MiB")).is_ok());
}

#[test]
fn last_will() {
    let (long, shown) = too_long();
    let topic = [
        ("''", r#""" is empty"#),
        (
            "'a/+'",
            r#""a/+" holds a wildcard (`+` or `#`), which only a topic filter may"#,
        ),
        (r#""\u0000""#, r#""\0" holds a null character"#),
        ("1", "1 is not a text; put it in quotes"),
        (&long, &format!("{shown} is longer than 65,535 bytes")),
    ];
    for (value, reason) in topic {
        check_refused(
            &format!("[last-will]\ntopic = {value}"),
            &format!("2:9: last-will.topic: {reason}"),
        );
    }
    for (line, expect) in [
        ("payload = 1", "payload: 1 is not a text; put it in quotes"),
        (
            &format!("payload = {long}") as &str,
            &format!("payload: {shown} {TOO_LONG}") as &str,
        ),
        ("qos = 3", &format!("qos: 3 {NO_QOS}")),
        ("qos = -1", &format!("qos: -1 {NO_QOS}")),
        ("qos = '1'", &format!("qos: \"1\" {NO_QOS}")),
        ("retain = 1", &format!("retain: 1 {NO_FLAG}")),
    ] {
        let column = line.find('=').unwrap() + 3;
        check_refused(
            &format!("[last-will]\ntopic = 't'\n{line}"),
            &format!("3:{column}: last-will.{expect}"),
        );
    }
    check_refused(
        "max-qos = 1\n[last-will]\ntopic = 't'\nqos = 2",
        "4:7: last-will.qos: 2 is above max-qos, which is 1",
    );
    for text in [
        "\n[last-will]",
        "\n[last-will]\npayload = 'offline'\nqos = 0",
    ] {
        check_refused(
            text,
            "2:1: last-will: a last will needs a topic, last-will.topic",
        );
    }
}
