//! The environment, laid over the file.

use std::ffi::OsString;
use std::fmt;

use super::entry::{Entry, Origin, Refusal};
use super::file::{LastWill, Proxy, Status, Tls, Written};

/// What all our variables begin with.
const PREFIX: &str = "JACKALOPE_";

/// Variables with our prefix that are read elsewhere.
fn is_of_others(name: &str) -> bool {
    name == "JACKALOPE_LOG" || name.starts_with("JACKALOPE_SIM_")
}

/// The place that a variable takes in what is written.
type Slot = fn(&mut Written) -> &mut Option<Entry>;

/// All variables. Guests are configured in the file alone.
const VARIABLES: [(&str, Slot); 57] = [
    ("JACKALOPE_CLIENT_ID", |w| &mut w.client_id),
    ("JACKALOPE_CLEAN_SESSION", |w| &mut w.clean_session),
    ("JACKALOPE_SESSION_EXPIRY", |w| &mut w.session_expiry),
    ("JACKALOPE_USER_NAME", |w| &mut w.user_name),
    ("JACKALOPE_USER_NAME_FILE", |w| &mut w.user_name_file),
    ("JACKALOPE_PASSWORD_COMMAND", |w| &mut w.password_command),
    ("JACKALOPE_PASSWORD_COMMAND_TIMEOUT", |w| {
        &mut w.password_command_timeout
    }),
    ("JACKALOPE_PASSWORD_FILE", |w| &mut w.password_file),
    ("JACKALOPE_PASSWORD", |w| &mut w.password),
    ("JACKALOPE_SERVER", |w| &mut w.server),
    ("JACKALOPE_SERVER_RETURN", |w| &mut w.server_return),
    ("JACKALOPE_INTERFACE", |w| &mut w.interface),
    ("JACKALOPE_LOCAL_ADDRESS", |w| &mut w.local_address),
    ("JACKALOPE_VERSION", |w| &mut w.version),
    ("JACKALOPE_KEEP_ALIVE", |w| &mut w.keep_alive),
    ("JACKALOPE_FIRST_CONNECT_DELAY", |w| {
        &mut w.first_connect_delay
    }),
    ("JACKALOPE_MAX_PACKET_SIZE", |w| &mut w.max_packet_size),
    ("JACKALOPE_MAX_QOS", |w| &mut w.max_qos),
    ("JACKALOPE_CACHE_DIRECTORY", |w| &mut w.cache_directory),
    ("JACKALOPE_SHOW_PAYLOADS", |w| &mut w.show_payloads),
    ("JACKALOPE_CONTROL_SOCKET", |w| &mut w.control_socket),
    ("JACKALOPE_CONTROL_ADDRESS", |w| &mut w.control_address),
    ("JACKALOPE_CONTROL_TOKEN_FILE", |w| {
        &mut w.control_token_file
    }),
    ("JACKALOPE_TLS_CA_FILE", |w| &mut tls(w).ca_file),
    ("JACKALOPE_TLS_CERTIFICATE_FILE", |w| {
        &mut tls(w).certificate_file
    }),
    ("JACKALOPE_TLS_KEY_FILE", |w| &mut tls(w).key_file),
    ("JACKALOPE_TLS_SERVER_NAME", |w| &mut tls(w).server_name),
    ("JACKALOPE_TLS_ALPN", |w| &mut tls(w).alpn),
    ("JACKALOPE_TLS_MIN_VERSION", |w| &mut tls(w).min_version),
    ("JACKALOPE_PROXY_URL", |w| &mut proxy(w).url),
    ("JACKALOPE_PROXY_USER_NAME", |w| &mut proxy(w).user_name),
    ("JACKALOPE_PROXY_PASSWORD_FILE", |w| {
        &mut proxy(w).password_file
    }),
    ("JACKALOPE_PROXY_PASSWORD", |w| &mut proxy(w).password),
    ("JACKALOPE_BACKOFF_MIN", |w| &mut w.backoff.keys.min),
    ("JACKALOPE_BACKOFF_MAX", |w| &mut w.backoff.keys.max),
    ("JACKALOPE_LAST_WILL_TOPIC", |w| &mut last_will(w).topic),
    ("JACKALOPE_LAST_WILL_PAYLOAD", |w| &mut last_will(w).payload),
    ("JACKALOPE_LAST_WILL_QOS", |w| &mut last_will(w).qos),
    ("JACKALOPE_LAST_WILL_RETAIN", |w| &mut last_will(w).retain),
    ("JACKALOPE_LAST_WILL_DELAY", |w| &mut last_will(w).delay),
    ("JACKALOPE_STATUS_TOPIC", |w| &mut status(w).topic),
    ("JACKALOPE_STATUS_ONLINE", |w| &mut status(w).online),
    ("JACKALOPE_STATUS_OFFLINE", |w| &mut status(w).offline),
    ("JACKALOPE_STATUS_QOS", |w| &mut status(w).qos),
    ("JACKALOPE_STATUS_RETAIN", |w| &mut status(w).retain),
    ("JACKALOPE_WORK_LIST_MAX", |w| &mut w.work_list.keys.max),
    ("JACKALOPE_WORK_LIST_MAX_BYTES", |w| {
        &mut w.work_list.keys.max_bytes
    }),
    ("JACKALOPE_WORK_LIST_OVERFLOW", |w| {
        &mut w.work_list.keys.overflow
    }),
    ("JACKALOPE_WORK_LIST_TOTAL_MAX", |w| {
        &mut w.work_list.keys.total_max
    }),
    ("JACKALOPE_WORK_LIST_TOTAL_MAX_BYTES", |w| {
        &mut w.work_list.keys.total_max_bytes
    }),
    ("JACKALOPE_WORK_LIST_STORE", |w| &mut w.work_list.keys.store),
    ("JACKALOPE_WORK_LIST_DIRECTORY", |w| {
        &mut w.work_list.keys.directory
    }),
    ("JACKALOPE_WORK_LIST_ON_DAMAGE", |w| {
        &mut w.work_list.keys.on_damage
    }),
    ("JACKALOPE_WORK_LIST_GONE_GUESTS", |w| {
        &mut w.work_list.keys.gone_guests
    }),
    ("JACKALOPE_WORK_LIST_AFTER_REBOOT", |w| {
        &mut w.work_list.keys.after_reboot
    }),
    ("JACKALOPE_WORK_LIST_CLOCK_TRUST", |w| {
        &mut w.work_list.keys.clock_trust
    }),
    ("JACKALOPE_WORK_LIST_HOLD", |w| &mut w.work_list.keys.hold),
];

/// The table of TLS, begun where the file has none.
fn tls(written: &mut Written) -> &mut Tls {
    &mut written.tls.get_or_insert_default().keys
}

/// The proxy, begun where the file has none.
fn proxy(written: &mut Written) -> &mut Proxy {
    &mut written.proxy.get_or_insert_default().keys
}

/// The last will, begun where the file has none.
fn last_will(written: &mut Written) -> &mut LastWill {
    &mut written.last_will.get_or_insert_default().keys
}

/// The status topic, begun where the file has none.
fn status(written: &mut Written) -> &mut Status {
    &mut written.status.get_or_insert_default().keys
}

/// An unknown variable with our prefix: a misspelt one, or somebody else's.
/// Displays as its name, on one line, with the variable that was probably meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownVariable {
    /// Its name.
    pub name: String,
    /// The variable that was probably meant.
    pub nearest: Option<&'static str>,
}

impl fmt::Display for UnknownVariable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.name.escape_debug())?;
        match self.nearest {
            Some(nearest) => write!(f, " (did you mean {nearest}?)"),
            None => Ok(()),
        }
    }
}

/// Puts each variable in the place of what the file says. Returns the unknown ones
/// with our prefix, in the order of their names. There can be some that nobody
/// has misspelt: Kubernetes sets `JACKALOPE_PORT` and more for a service called
/// jackalope.
pub(super) fn overlay(
    written: &mut Written,
    environment: impl Iterator<Item = (OsString, OsString)>,
) -> Result<Vec<UnknownVariable>, Refusal> {
    let mut unknown = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy();
        if !name.starts_with(PREFIX) || is_of_others(&name) {
            continue;
        }
        let Some((name, slot)) = VARIABLES.iter().find(|(known, _)| *known == name) else {
            unknown.push(UnknownVariable {
                nearest: nearest(&name),
                name: name.into_owned(),
            });
            continue;
        };
        let value = value.into_string().map_err(|_| Refusal {
            origin: Origin::Variable(name),
            key: name,
            reason: "is not UTF-8 text".to_owned(),
        })?;
        *slot(written) = Some(Entry::from_variable(name, value));
    }
    unknown.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(unknown)
}

/// The variable that `name` probably means.
fn nearest(name: &str) -> Option<&'static str> {
    const SLIPS: usize = 3;
    // What is much longer than every name is none of them.
    if name.len() > 64 {
        return None;
    }
    VARIABLES
        .iter()
        .map(|(known, _)| *known)
        .map(|known| (distance(name, known), known))
        .min()
        .filter(|(distance, _)| *distance <= SLIPS)
        .map(|(_, known)| known)
}

/// How many letters have to be put in, left out or changed (Levenshtein).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, to) in b.iter().enumerate() {
            let changed = diagonal + usize::from(from != *to);
            diagonal = row[j + 1];
            row[j + 1] = changed.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

/// The names of all variables.
#[cfg(test)]
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    VARIABLES.iter().map(|(name, _)| *name)
}
