//! Files that are no TOML, and TOML of another shape.

use super::refused::{NO_DURATION, NO_QOS};
use super::*;

#[test]
fn unknown_keys() {
    check_refused(
        "client-id = 'é'\nkepe-alive = '1s'",
        "2:1: unknown key `kepe-alive`, expected one of `client-id`, `clean-session`, \
         `session-expiry`, `user-name`, `user-name-file`, \
         `password-file`, `password-command`, `password-command-timeout`, `server`, `server-return`, `interface`, `local-address`, `version`, `keep-alive`, \
         `first-connect-delay`, `max-packet-size`, `max-qos`, `cache-directory`, `control-socket`, `control-address`, `control-token-file`, `control-permissions`, `tls`, `websocket`, `proxy`, `backoff`, `last-will`, \
         `status`, `work-list`, `subscriptions`, `show-payloads`, `guest`",
    );
    check_refused(
        "work-list = { max = 1, size = 2 }",
        "1:24: work-list: unknown key `size`, expected one of `max`, `max-bytes`, `overflow`, \
         `total-max`, `total-max-bytes`, \
         `store`, `directory`, `on-damage`, `gone-guests`, `after-reboot`, `clock-trust`, `hold`",
    );
    check_refused(
        "[last-will]\nmessage = 'x'",
        "2:1: last-will: unknown key `message`, expected one of `topic`, `payload`, `qos`, `retain`, `delay`",
    );
    check_refused(
        "[backoff]\nmid = 'x'",
        "2:1: backoff: unknown key `mid`, expected `min` or `max`",
    );
    check_refused(
        "[[guest]]\ncomponent = 'd'\nsubscription = []",
        "3:1: guest: unknown key `subscription`, expected one of `name`, `component`, \
         `subscriptions`, `retries`, `retry-for`, `work-list`, `timer`, `limits`, `permissions`, `settings`, `env`",
    );
    check_refused(
        "[[guest]]\n[guest.limits]\nram = 1",
        "3:1: guest.limits: unknown key `ram`, expected one of `memory`, `call-time`, `timers`, `state`",
    );
    check_refused(
        "\"a\\nb\" = 1",
        "1:1: unknown key `a\\nb`, expected one of `client-id`, `clean-session`, \
         `session-expiry`, `user-name`, `user-name-file`, \
         `password-file`, `password-command`, `password-command-timeout`, `server`, `server-return`, `interface`, `local-address`, `version`, `keep-alive`, \
         `first-connect-delay`, `max-packet-size`, `max-qos`, `cache-directory`, `control-socket`, `control-address`, `control-token-file`, `control-permissions`, \
         `tls`, `websocket`, `proxy`, `backoff`, `last-will`, `status`, `work-list`, `subscriptions`, `show-payloads`, `guest`",
    );
}

#[test]
fn a_password_in_the_file() {
    let error = load("user-name = 'u'\npassword = 's3cret'")
        .unwrap_err()
        .to_string();
    assert!(
        error.starts_with("/etc/jackalope.toml:2:1: unknown key `password`"),
        "{error}"
    );
    assert!(
        error.ends_with("; a password stands in a file of its own, see `password-file`, or is printed by a program, see `password-command`"),
        "{error}"
    );
    assert!(!error.contains("s3cret"), "{error}");
}

#[test]
fn wrong_shapes() {
    for key in ["tls", "backoff", "last-will", "status", "work-list"] {
        let column = key.len() + 4;
        check_refused(
            &format!("{key} = 1"),
            &format!("1:{column}: {key}: found integer `1`, expected a table"),
        );
    }
    for key in ["work-list", "limits", "permissions", "env"] {
        let column = key.len() + 4;
        check_refused(
            &format!("[[guest]]\n{key} = 'x'"),
            &format!("2:{column}: guest.{key}: found string \"x\", expected a table"),
        );
    }
    check_refused(
        "[guest]\ncomponent = 'd'",
        "1:1: guest: found a table, expected a table for each guest: [[guest]]",
    );
    check_refused(
        "backoff = []",
        "1:11: backoff: found a list, expected a table",
    );
    check_refused(
        "[[guest]]\nlimits = ['1MiB', '1s']",
        "2:10: guest.limits: found a list, expected a table",
    );
    check_refused(
        "guest = [['door', 'door.wasm']]",
        "1:10: guest: found a list, expected a table for each guest: [[guest]]",
    );
    check_refused(
        "backoff = 1979-05-27",
        "1:11: backoff: found a date or a time, expected a table",
    );
    check_refused(
        "[[guest]]\nenv = 1979-05-27",
        "2:7: guest.env: found a date or a time, expected a table",
    );
    check_refused(
        "[[guest]]\nsubscriptions = [['a', 1]]",
        "2:18: guest.subscriptions: found a list, expected a list of topic filters: \
         [\"a/b\", { filter = \"c/#\", qos = 1 }]",
    );
    check_refused(
        "guest = [1]",
        "1:10: guest: found integer `1`, expected a table for each guest: [[guest]]",
    );
}

#[test]
fn no_toml() {
    check_refused(
        "client-id = ",
        "1:13: string values must be quoted, expected literal string",
    );
    check_refused(
        "\n\nkeep-alive = \"60s\nx = 1",
        "3:18: invalid basic string, expected `\"`",
    );
    check_refused(
        "clean-session = true\nclean-session = true",
        "2:1: duplicate key",
    );
    check_refused(
        "keep-alive = 99999999999999999999",
        "1:14: keep-alive: found integer `99999999999999999999`, expected a value of 64 bits at most",
    );
}

#[test]
fn columns_count_characters() {
    check_refused(
        "last-will = { topic = 'häuser', qos = 5 }",
        &format!("1:39: last-will.qos: 5 {NO_QOS}"),
    );
    check_refused(
        "\u{feff}keep-alive = 1",
        &format!("1:14: keep-alive: 1 {NO_DURATION}"),
    );
    check_refused(
        "\r\n\r\nkeep-alive = 1",
        &format!("3:14: keep-alive: 1 {NO_DURATION}"),
    );
}
