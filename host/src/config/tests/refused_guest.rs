//! Every wrong value of every key of a guest, and in which words it is refused.

use super::refused::{NO_DURATION, NO_SIZE, NO_TEXTS};
use super::*;

/// Checks wrong values of a key of a guest: each is refused at its place, as the
/// key and what is shown of the value and `reason`.
#[track_caller]
fn check_guest(table: &str, key: &str, values: &[(&str, &str)], reason: &str) {
    let column = key.len() + 4;
    for (value, shown) in values {
        check_refused(
            &format!("[[guest]]\ncomponent = 'd.wasm'\n[guest{table}]\n{key} = {value}")
                .replace("[guest]\n", ""),
            &format!(
                "{}:{column}: guest{table}.{key}: {shown} {reason}",
                if table.is_empty() { 3 } else { 4 }
            ),
        );
    }
}

#[test]
fn guest_name() {
    let long = "x".repeat(65);
    let name = "is not a name; write 1 to 64 of A-Z, a-z, 0-9, _ and -";
    let values = [
        ("''", r#""""#),
        ("'a b'", r#""a b""#),
        ("'é'", r#""é""#),
        ("'a.b'", r#""a.b""#),
        (&format!("'{long}'"), &format!("\"{}\"…", &long[..60])),
    ];
    check_guest("", "name", NO_TEXTS, name);
    check_guest("", "name", &values, name);
    check_refused(
        "[[guest]]\ncomponent = 'my door.wasm'",
        &format!("2:13: guest.name: \"my door\" is taken from the component and {name}"),
    );
    check_refused(
        "[[guest]]\ncomponent = 'a'\n[[guest]]\ncomponent = 'b'\nname = 'a'",
        "5:8: guest.name: there are two guests of the name \"a\"",
    );
    check_refused(
        "[[guest]]\ncomponent = 'x'\nname = 'a'\n\n[[guest]]\ncomponent = 'a.wasm'",
        "5:1: guest.name: there are two guests of the name \"a\"",
    );
}

#[test]
fn guest_component() {
    check_refused(
        "\n[[guest]]\nname = 'x'",
        "2:1: guest.component: is missing; write e.g. component = \"door.wasm\"",
    );
    for (value, expect) in [
        ("1", "1 is not a text; put it in quotes"),
        ("''", r#""" is not a path"#),
        ("'..'", r#"".." names no file"#),
        ("'/'", r#""/" names no file"#),
        (
            "'example:'",
            r#""example:" names no example; write e.g. "example:door""#,
        ),
        (
            "'example:a/b'",
            r#""example:a/b" names no example; write e.g. "example:door""#,
        ),
    ] {
        check_refused(
            &format!("[[guest]]\ncomponent = {value}"),
            &format!("2:13: guest.component: {expect}"),
        );
    }
}

#[test]
fn guest_subscriptions() {
    for (value, expect) in [
        (
            "['a', '']",
            r#"23: guest.subscriptions.filter: "" is empty"#,
        ),
        (
            "[{ filter = 'a/#/b' }]",
            "29: guest.subscriptions.filter: \"a/#/b\" has a misplaced wildcard: `+` and `#` stand \
             alone between slashes, `#` at the end",
        ),
        (
            "['doors/{Door}']",
            "18: guest.subscriptions.filter: \"doors/{Door}\" has the level `{Door}`, which is no \
             name; write a-z, 0-9, _ and - between braces",
        ),
        (
            "['a/{b}', { filter = 'a/+' }]",
            "38: guest.subscriptions.filter: \"a/+\" is there twice; the guest gets each message once",
        ),
        (
            "[{ filter = 1 }]",
            "29: guest.subscriptions.filter: 1 is not a text; put it in quotes",
        ),
        (
            "['a', { filter = 'a', qos = 2 }]",
            "34: guest.subscriptions.filter: \"a\" is there twice; the guest gets each message once",
        ),
        (
            "[{ qos = 1 }]",
            "18: guest.subscriptions.filter: is missing; write e.g. { filter = \"a/b\", qos = 1 }",
        ),
        (
            "[{ filter = 'a', qos = 3 }]",
            "40: guest.subscriptions.qos: 3 is not a quality of service; write 0, 1 or 2",
        ),
        (
            "'a'",
            "17: guest.subscriptions: found string \"a\", expected a list of topic filters: \
             [\"a/b\", { filter = \"c/#\", qos = 1 }]",
        ),
        (
            "['a', 1]",
            "23: guest.subscriptions: found integer `1`, expected a list of topic filters: \
             [\"a/b\", { filter = \"c/#\", qos = 1 }]",
        ),
        (
            "[{ filtre = 'a' }]",
            "20: guest.subscriptions: unknown key `filtre`, expected `filter` or `qos`",
        ),
    ] {
        check_refused(
            &format!("[[guest]]\ncomponent = 'd'\nsubscriptions = {value}"),
            &format!("3:{expect}"),
        );
    }
}

#[test]
fn guest_retries_and_limits() {
    let values = [("-1", "-1"), ("1001", "1001"), ("'3'", "\"3\"")];
    check_guest(
        "",
        "retries",
        &values,
        "is not a whole number from 0 to 1000",
    );
    check_guest("", "retry-for", NO_TEXTS, NO_DURATION);
    check_guest(
        "",
        "retry-for",
        &[("'0s'", "\"0s\""), ("'25h'", "\"25h\"")],
        r#"is out of range; write "1s" to "24h""#,
    );
    check_guest(
        ".limits",
        "memory",
        &[("true", "true"), ("'1M'", "\"1M\"")],
        NO_SIZE,
    );
    check_guest(
        ".limits",
        "memory",
        &[
            ("1048575", "1048575"),
            ("'5GiB'", "\"5GiB\""),
            ("4294967297", "4294967297"),
        ],
        r#"is out of range; write "1MiB" to "4GiB""#,
    );
    check_guest(".limits", "call-time", NO_TEXTS, NO_DURATION);
    check_guest(
        ".limits",
        "call-time",
        &[("'0ms'", "\"0ms\""), ("'61m'", "\"61m\"")],
        r#"is out of range; write "1ms" to "1h""#,
    );
}

#[test]
fn guest_work_list() {
    let whole = "is not a whole number from 1 to 1000000";
    check_guest(".work-list", "max", &[("0", "0"), ("'5'", "\"5\"")], whole);
    check_guest(
        ".work-list",
        "max-bytes",
        &[("'1 MiB'", "\"1 MiB\"")],
        NO_SIZE,
    );
    check_guest(
        ".work-list",
        "max-bytes",
        &[("0", "0"), ("'127'", "\"127\"")],
        r#"is out of range; write 128 to "64GiB""#,
    );
    check_guest(
        ".work-list",
        "overflow",
        &[("'drop'", "\"drop\"")],
        r#"is not a way to overflow; write "drop-oldest", "drop-newest" or "reject""#,
    );
    // How letters are kept is of the gateway as a whole.
    for key in [
        "store",
        "directory",
        "on-damage",
        "gone-guests",
        "after-reboot",
        "clock-trust",
        "hold",
    ] {
        check_refused(
            &format!("[[guest]]\ncomponent = 'd.wasm'\n[guest.work-list]\n{key} = 'x'"),
            &format!(
                "4:1: guest.work-list: unknown key `{key}`, expected one of `max`, `max-bytes`, `overflow`"
            ),
        );
    }
}

#[test]
fn guest_timers() {
    for (table, expect) in [
        (
            "",
            "3:1: guest.timer.name: is missing; write e.g. name = \"read\"",
        ),
        (
            "name = 1\nevery = '1s'",
            "4:8: guest.timer.name: 1 is not a text; put it in quotes",
        ),
        (
            "name = ''\nevery = '1s'",
            "4:8: guest.timer.name: \"\" is not 1 to 64 bytes without control characters",
        ),
        (
            "name = \"a\\n\"\nevery = '1s'",
            "4:8: guest.timer.name: \"a\\n\" is not 1 to 64 bytes without control characters",
        ),
        (
            "name = 'a'\nevery = '9ms'",
            "5:9: guest.timer.every: \"9ms\" is out of range; write \"10ms\" to \"8760h\"",
        ),
        (
            "name = 'a'\nevery = '1s'\nfirst = 0",
            "6:9: guest.timer.first: 0 is not a duration; write e.g. \"500ms\", \"60s\", \"5m\", \"2h\"",
        ),
        (
            "name = 'a'\nafter = '1s'\nfirst = '1s'",
            "6:9: guest.timer.first: \"1s\" is for a timer with `every`",
        ),
        (
            "name = 'a'",
            "3:1: guest.timer: needs `every` or `after`, and not both; write e.g. every = \"10s\"",
        ),
        (
            "name = 'a'\nevery = '1s'\nafter = '1s'",
            "3:1: guest.timer: needs `every` or `after`, and not both; write e.g. every = \"10s\"",
        ),
        (
            "name = 'a'\nevery = '1s'\n[[guest.timer]]\nname = 'a'",
            "7:8: guest.timer.name: \"a\" is there twice",
        ),
        (
            "name = 'a'\nevery = '1s'\n[[guest.timer]]\n[guest.limits]\ntimers = 1",
            "6:1: guest.timer: there are 1 timers, and may not be more",
        ),
    ] {
        let text = format!("[[guest]]\ncomponent = 'd'\n[[guest.timer]]\n{table}");
        check_refused(&text, expect);
    }
    let long = "x".repeat(65);
    check_refused(
        &format!("[[guest]]\ncomponent = 'd'\n[[guest.timer]]\nname = '{long}'\nevery = '1s'"),
        &format!(
            "4:8: guest.timer.name: \"{}\"… is not 1 to 64 bytes without control characters",
            &long[..60]
        ),
    );
}

#[test]
fn guest_env() {
    for (line, expect) in [
        (
            "A = 1",
            "4:5: guest.env: the value of A is not a text; put it in quotes",
        ),
        (
            "A = \"s3cret\\u0000\"",
            "4:5: guest.env: the value of A holds a null character",
        ),
        (
            "'' = 'a'",
            "4:1: guest.env: \"\" is not the name of a variable",
        ),
        (
            "'A=B' = 'a'",
            "4:1: guest.env: \"A=B\" is not the name of a variable",
        ),
    ] {
        check_refused(
            &format!("[[guest]]\ncomponent = 'd'\n[guest.env]\n{line}"),
            expect,
        );
    }
}

#[test]
fn more_guests_than_have_a_number() {
    use std::fmt::Write;
    let mut text = String::new();
    for i in 0..=65_536 {
        writeln!(text, "[[guest]]\nname = '{i}'\ncomponent = 'd'").unwrap();
    }
    check_refused(&text, "196609:1: guest: there are more than 65536 guests");
    let (_, fewer) = text.split_once("[[guest]]\nname = '1'").unwrap();
    let fewer = format!("[[guest]]\nname = '1'{fewer}");
    assert_eq!(load(&fewer).unwrap().guests.len(), 65_536);
}

#[test]
fn guest_permissions() {
    let table = ".permissions";
    check_guest(
        table,
        "publish",
        &[("'a/#'", r#""a/#""#), ("[1]", "a list"), ("true", "true")],
        r#"is not a list of topic filters; write e.g. ["doors/#"]"#,
    );
    check_guest(
        table,
        "publish",
        &[("['a', 'b/#/c']", r#""b/#/c""#)],
        "has a misplaced wildcard: `+` and `#` stand alone between slashes, `#` at the end",
    );
    check_guest(
        table,
        "publish",
        &[("['$share/g/a']", r#""$share/g/a""#)],
        "is a shared subscription, to which nobody publishes",
    );
    check_guest(table, "max-ttl", NO_TEXTS, NO_DURATION);
    check_guest(
        table,
        "min-ttl",
        &[("'0s'", r#""0s""#)],
        r#"is out of range; write "1ms" to "8760h""#,
    );
    check_guest(
        table,
        "burst",
        &[("5", "5")],
        "is allowed only together with rate",
    );
    check_refused(
        "[[guest]]\ncomponent = 'd'\n[guest.permissions]\nmax-ttl = '1m'\nmin-ttl = '2m'",
        "5:11: guest.permissions.min-ttl: \"2m\" is above max-ttl, which is \"1m\"",
    );
    check_guest(
        table,
        "rate",
        &[
            ("0", "0"),
            ("0.1", "0.1"),
            ("100001", "100001"),
            ("'5'", r#""5""#),
            ("'6/d'", r#""6/d""#),
            ("'6/'", r#""6/""#),
            ("'6/10'", r#""6/10""#),
            ("'+6/m'", r#""+6/m""#),
            ("'6 / m'", r#""6 / m""#),
            ("'0/m'", r#""0/m""#),
            ("'100001/m'", r#""100001/m""#),
            ("'/m'", r#""/m""#),
        ],
        r#"is not a rate; write letters a second, 1 to 100000, or e.g. "6/m", "1/10s""#,
    );
    check_guest(
        table,
        "rate",
        &[
            ("'1/ms'", r#""1/ms""#),
            ("'1/999ms'", r#""1/999ms""#),
            ("'1/0s'", r#""1/0s""#),
            ("'1/8761h'", r#""1/8761h""#),
        ],
        r#"is out of range; write a time of "1s" to "8760h""#,
    );
}
