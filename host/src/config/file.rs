//! The configuration file as written.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::Spanned;

use super::entry::Entry;
use super::error::{ConfigError, Place};
use super::table::{Subscription, Table};

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Written {
    pub(super) client_id: Option<Entry>,
    pub(super) clean_session: Option<Entry>,
    pub(super) session_expiry: Option<Entry>,
    pub(super) user_name: Option<Entry>,
    pub(super) user_name_file: Option<Entry>,
    pub(super) password_file: Option<Entry>,
    pub(super) password_command: Option<Entry>,
    pub(super) password_command_timeout: Option<Entry>,
    /// From the environment alone: a file that is copied around holds no
    /// password.
    #[serde(skip)]
    pub(super) password: Option<Entry>,
    pub(super) server: Option<Entry>,
    pub(super) server_return: Option<Entry>,
    pub(super) interface: Option<Entry>,
    pub(super) local_address: Option<Entry>,
    pub(super) version: Option<Entry>,
    pub(super) keep_alive: Option<Entry>,
    pub(super) first_connect_delay: Option<Entry>,
    pub(super) max_packet_size: Option<Entry>,
    pub(super) max_qos: Option<Entry>,
    pub(super) cache_directory: Option<Entry>,
    pub(super) control_socket: Option<Entry>,
    pub(super) control_address: Option<Entry>,
    pub(super) control_token_file: Option<Entry>,
    pub(super) control_permissions: Option<Table<ControlPermissions>>,
    pub(super) tls: Option<Table<Tls>>,
    pub(super) websocket: Option<Table<WebSocket>>,
    pub(super) proxy: Option<Table<Proxy>>,
    pub(super) backoff: Table<Backoff>,
    pub(super) last_will: Option<Table<LastWill>>,
    pub(super) status: Option<Table<Status>>,
    pub(super) work_list: Table<GatewayWorkList>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) show_payloads: Option<Entry>,
    pub(super) guest: Vec<Table<Guest>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Tls {
    pub(super) ca_file: Option<Entry>,
    pub(super) certificate_file: Option<Entry>,
    pub(super) key_file: Option<Entry>,
    pub(super) server_name: Option<Entry>,
    pub(super) alpn: Option<Entry>,
    pub(super) min_version: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct WebSocket {
    pub(super) headers: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Proxy {
    pub(super) url: Option<Entry>,
    pub(super) user_name: Option<Entry>,
    pub(super) password_file: Option<Entry>,
    /// From the environment alone, like that of the broker.
    #[serde(skip)]
    pub(super) password: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Backoff {
    pub(super) min: Option<Entry>,
    pub(super) max: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct LastWill {
    pub(super) topic: Option<Entry>,
    pub(super) payload: Option<Entry>,
    pub(super) qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
    pub(super) delay: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Status {
    pub(super) topic: Option<Entry>,
    pub(super) online: Option<Entry>,
    pub(super) offline: Option<Entry>,
    pub(super) qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct WorkList {
    pub(super) max: Option<Entry>,
    pub(super) max_bytes: Option<Entry>,
    pub(super) overflow: Option<Entry>,
}

/// The work lists of the gateway: the bounds of each, and how all are kept.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct GatewayWorkList {
    pub(super) max: Option<Entry>,
    pub(super) max_bytes: Option<Entry>,
    pub(super) overflow: Option<Entry>,
    pub(super) total_max: Option<Entry>,
    pub(super) total_max_bytes: Option<Entry>,
    pub(super) store: Option<Entry>,
    pub(super) directory: Option<Entry>,
    pub(super) on_damage: Option<Entry>,
    pub(super) gone_guests: Option<Entry>,
    pub(super) after_reboot: Option<Entry>,
    pub(super) clock_trust: Option<Entry>,
    pub(super) hold: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Guest {
    pub(super) name: Option<Entry>,
    pub(super) component: Option<Entry>,
    pub(super) subscriptions: Vec<Subscription>,
    pub(super) retries: Option<Entry>,
    pub(super) retry_for: Option<Entry>,
    pub(super) work_list: Table<WorkList>,
    pub(super) timer: Vec<Table<Timer>>,
    pub(super) limits: Table<Limits>,
    pub(super) permissions: Option<Table<Permissions>>,
    pub(super) settings: Option<Entry>,
    pub(super) env: BTreeMap<Spanned<String>, Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Limits {
    pub(super) memory: Option<Entry>,
    pub(super) call_time: Option<Entry>,
    pub(super) timers: Option<Entry>,
    pub(super) state: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(crate) struct Timer {
    pub(super) name: Option<Entry>,
    pub(super) every: Option<Entry>,
    pub(super) first: Option<Entry>,
    pub(super) after: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Permissions {
    pub(super) publish: Option<Entry>,
    pub(super) max_qos: Option<Entry>,
    pub(super) retain: Option<Entry>,
    pub(super) min_ttl: Option<Entry>,
    pub(super) max_ttl: Option<Entry>,
    pub(super) rate: Option<Entry>,
    pub(super) burst: Option<Entry>,
    pub(super) reconnect: Option<Entry>,
    pub(super) will: Option<Entry>,
}

/// Those of a guest, and what operators ask for beside it.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct ControlPermissions {
    publish: Option<Entry>,
    max_qos: Option<Entry>,
    retain: Option<Entry>,
    min_ttl: Option<Entry>,
    max_ttl: Option<Entry>,
    rate: Option<Entry>,
    burst: Option<Entry>,
    reconnect: Option<Entry>,
    will: Option<Entry>,
    pub(super) send: Option<Entry>,
    pub(super) send_to: Option<Entry>,
    pub(super) cancel: Option<Entry>,
    pub(super) reload: Option<Entry>,
    pub(super) payloads: Option<Entry>,
}

// By hand, because serde flattens no table that refuses unknown keys.
impl ControlPermissions {
    /// Those keys that guests have, too.
    pub(super) fn of_guest(&self) -> Permissions {
        Permissions {
            publish: self.publish.clone(),
            max_qos: self.max_qos.clone(),
            retain: self.retain.clone(),
            min_ttl: self.min_ttl.clone(),
            max_ttl: self.max_ttl.clone(),
            rate: self.rate.clone(),
            burst: self.burst.clone(),
            reconnect: self.reconnect.clone(),
            will: self.will.clone(),
        }
    }
}

/// What `subscriptions` has to be.
pub(crate) const SUBSCRIPTIONS: &str =
    r#"a list of topic filters: ["a/b", { filter = "c/#", qos = 1 }]"#;

/// Reads the text of the file at `path`.
pub(super) fn parse(path: &Path, text: &str) -> Result<Written, ConfigError> {
    parse_as(path, text, |key| match key {
        "guest" => Some("a table for each guest: [[guest]]"),
        "subscriptions" | "guest.subscriptions" => Some(SUBSCRIPTIONS),
        "guest.timer" => Some("a table for each timer: [[guest.timer]]"),
        "tls"
        | "websocket"
        | "websocket.headers"
        | "proxy"
        | "backoff"
        | "last-will"
        | "status"
        | "work-list"
        | "control-permissions"
        | "guest.work-list"
        | "guest.limits"
        | "guest.permissions"
        | "guest.env"
        | "guest.settings" => Some("a table"),
        _ => None,
    })
}

/// Reads the text of a file of any shape. `expected` describes what a key with
/// more than one value has to be.
pub(crate) fn parse_as<T: DeserializeOwned>(
    path: &Path,
    text: &str,
    expected: fn(key: &str) -> Option<&'static str>,
) -> Result<T, ConfigError> {
    toml::from_str(text).map_err(|mut error| {
        let offset = error.span().map_or(0, |span| span.start);
        let message = error.message().to_owned();
        // Without its input the error ends in the path of the key.
        error.set_input(None);
        let key = error
            .to_string()
            .trim_end()
            .rsplit_once("\nin `")
            .and_then(|(_, key)| key.strip_suffix('`'))
            .map(one_line);
        ConfigError::Malformed {
            place: Place::in_file(path, text, offset),
            reason: one_line(&explain(key.as_deref(), &message, expected)),
            key,
        }
    })
}

/// Says in the words of TOML what serde says in those of Rust.
fn explain(key: Option<&str>, message: &str, expected: fn(&str) -> Option<&'static str>) -> String {
    let found = if let Some(rest) = message.strip_prefix("unknown field ") {
        // To serde a date is a table with this key.
        if !rest.starts_with("`$__toml_private_datetime`") {
            let hint = match key {
                None if rest.starts_with("`password`") => {
                    "; a password stands in a file of its own, see `password-file`, or is printed by a \
                     program, see `password-command`"
                }
                _ => "",
            };
            return format!("unknown key {rest}{hint}");
        }
        "a date or a time"
    } else {
        let found = message
            .strip_prefix("invalid type: ")
            .and_then(|rest| rest.split_once(", expected "));
        match found {
            None => return message.to_owned(),
            Some(("map", _)) => "a table",
            Some(("sequence", _)) => "a list",
            Some((r#"string "$__toml_private_datetime""#, _)) => "a date or a time",
            // A large number comes with the name of a type of Rust.
            Some((scalar, _)) => scalar.trim_end_matches(" as i128"),
        }
    };
    let expected = key
        .and_then(expected)
        .unwrap_or("a value of 64 bits at most");
    format!("found {found}, expected {expected}")
}

/// Keys are quoted in errors, and a quoted key may hold a line break.
fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}
