//! What is other in one configuration than in another, in words.

use crate::config::{Config, ControlConfig, GuestConfig, Keeping, ServerConfig, SessionConfig};
use crate::login::PasswordSource;
use crate::office::{Operate, Permissions, WorkListSettings};

/// Guests that were there before, with what has changed of them without another one in
/// their place.
pub(super) fn settings_changed(before: &Config, now: &Config) -> Vec<String> {
    let keys = |was: &GuestConfig, is: &GuestConfig| {
        changed_of([
            ("subscriptions", was.subscriptions != is.subscriptions),
            ("timer", was.timers != is.timers),
            ("permissions", was.permissions != is.permissions),
            ("work-list", was.work_list != is.work_list),
            ("retries", was.retries != is.retries),
            ("retry-for", was.retry_for != is.retry_for),
        ])
    };
    let mut changed = Vec::new();
    for guest in &now.guests {
        let known = before.guests.iter().find(|it| it.name == guest.name);
        let keys = known.map_or_else(Vec::new, |known| keys(known, guest));
        if !keys.is_empty() {
            changed.push(format!("{} ({})", guest.name, keys.join(", ")));
        }
    }
    changed
}

/// Which keys have changed beside those of guests, and those that wait for the next start.
pub(super) fn keys_changed(before: &Config, now: &Config) -> Vec<String> {
    // A key that is new has to be said, too.
    let Config {
        versions,
        client_id,
        servers,
        server_return,
        binding,
        proxy,
        headers,
        login: _,
        max_packet_size,
        cache_directory: _,
        control: _,
        control_permissions,
        keeping: _,
        session,
        subscriptions,
        show_payloads,
        guests: _,
        unknown_variables: _,
    } = before;
    let place = |server: &ServerConfig| (server.address.clone(), server.websocket.clone());
    let servers_are_others = !servers.iter().map(place).eq(now.servers.iter().map(place));
    let tls = |servers: &[ServerConfig]| servers.iter().find_map(|server| server.tls.clone());
    let tls = tls(servers).zip(tls(&now.servers));
    let user = |config: &Config| config.login.as_ref().map(|login| login.user_name.clone());
    let password = |config: &Config| {
        let login = config.login.as_ref();
        let password = login.map(|login| login.password.clone());
        password.filter(|source| *source != PasswordSource::None)
    };
    let mut keys = changed_of([
        ("version", *versions != now.versions),
        ("client-id", *client_id != now.client_id),
        ("server", servers_are_others),
        ("server-return", *server_return != now.server_return),
        ("tls", tls.is_some_and(|(before, now)| before != now)),
        ("websocket.headers", *headers != now.headers),
        ("interface", binding.interface != now.binding.interface),
        ("local-address", binding.address != now.binding.address),
        ("proxy", *proxy != now.proxy),
        ("user-name", user(before) != user(now)),
        ("password", password(before) != password(now)),
        ("max-packet-size", *max_packet_size != now.max_packet_size),
        ("subscriptions", *subscriptions != now.subscriptions),
        ("show-payloads", *show_payloads != now.show_payloads),
    ]);
    keys.extend(session_changed(session, &now.session));
    let may = |config: &Option<Permissions>| config.clone().unwrap_or_default();
    let (before, now) = (may(control_permissions), may(&now.control_permissions));
    let keys = keys.into_iter().map(String::from);
    let permissions = permissions_changed(&before, &now).into_iter();
    keys.chain(permissions.map(|key| format!("control-permissions.{key}")))
        .collect()
}

fn session_changed(before: &SessionConfig, now: &SessionConfig) -> Vec<&'static str> {
    let SessionConfig {
        clean_session,
        session_expiry,
        keep_alive,
        backoff,
        max_qos,
        first_connect_delay,
        last_will,
        status_topic,
        work_list,
        gone_guests,
    } = before;
    let WorkListSettings {
        max,
        max_bytes,
        overflow,
    } = *work_list;
    changed_of([
        ("clean-session", *clean_session != now.clean_session),
        ("session-expiry", *session_expiry != now.session_expiry),
        ("keep-alive", *keep_alive != now.keep_alive),
        ("backoff.min", backoff.min != now.backoff.min),
        ("backoff.max", backoff.max != now.backoff.max),
        ("max-qos", *max_qos != now.max_qos),
        (
            "first-connect-delay",
            *first_connect_delay != now.first_connect_delay,
        ),
        ("last-will", *last_will != now.last_will),
        ("status", *status_topic != now.status_topic),
        ("work-list.max", max != now.work_list.max),
        ("work-list.max-bytes", max_bytes != now.work_list.max_bytes),
        ("work-list.overflow", overflow != now.work_list.overflow),
        ("work-list.gone-guests", *gone_guests != now.gone_guests),
    ])
}

fn permissions_changed(before: &Permissions, now: &Permissions) -> Vec<&'static str> {
    let Permissions {
        publish,
        max_qos,
        retain,
        min_ttl,
        max_ttl,
        rate,
        reconnect,
        // Nobody names one over the control socket.
        will: _,
        operate,
    } = before;
    let Operate {
        send,
        send_to,
        cancel,
        reload,
        payloads,
    } = operate;
    changed_of([
        ("publish", *publish != now.publish),
        ("max-qos", *max_qos != now.max_qos),
        ("retain", *retain != now.retain),
        ("min-ttl", *min_ttl != now.min_ttl),
        ("max-ttl", *max_ttl != now.max_ttl),
        ("rate", *rate != now.rate),
        ("reconnect", *reconnect != now.reconnect),
        ("send", *send != now.operate.send),
        ("send-to", *send_to != now.operate.send_to),
        ("cancel", *cancel != now.operate.cancel),
        ("reload", *reload != now.operate.reload),
        ("payloads", *payloads != now.operate.payloads),
    ])
}

/// Which keys have changed of those that say from where the gateway is operated.
pub(super) fn control_changed(before: &ControlConfig, now: &ControlConfig) -> Vec<&'static str> {
    let written = |config: &ControlConfig| match config.clone() {
        ControlConfig::Address {
            address,
            token_file,
        } => (ControlConfig::Default, Some(address), Some(token_file)),
        socket => (socket, None, None),
    };
    let (before, now) = (written(before), written(now));
    let keys = [
        ("control-socket", before.0 != now.0),
        ("control-address", before.1 != now.1),
        ("control-token-file", before.2 != now.2),
    ];
    changed_of(keys)
}

fn changed_of<const N: usize>(keys: [(&'static str, bool); N]) -> Vec<&'static str> {
    let changed = keys.into_iter().filter(|(_, is_changed)| *is_changed);
    changed.map(|(key, _)| key).collect()
}

/// Which keys have changed of those that say how letters are kept: all of them are about
/// what a start finds.
pub(super) fn keeping_changed(
    before: Option<&Keeping>,
    now: Option<&Keeping>,
) -> Vec<&'static str> {
    let (before, now) = match (before, now) {
        (Some(before), Some(now)) => (before, now),
        (None, None) => return Vec::new(),
        (Some(_), None) | (None, Some(_)) => return vec!["work-list.store"],
    };
    // A key that is new has to be said, too.
    let Keeping {
        directory,
        on_damage,
        when_off,
        clock_trust,
        hold,
    } = before;
    let keys = [
        ("work-list.directory", *directory != now.directory),
        ("work-list.on-damage", *on_damage != now.on_damage),
        ("work-list.after-reboot", *when_off != now.when_off),
        ("work-list.clock-trust", *clock_trust != now.clock_trust),
        ("work-list.hold", *hold != now.hold),
    ];
    changed_of(keys)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use tempfile::NamedTempFile;

    use super::*;

    fn config(text: &str) -> Config {
        let file = NamedTempFile::new().expect("there is a place for temporary files");
        fs::write(&file, text).expect("it is ours");
        Config::load(Some(file.path()), std::iter::empty()).expect("it is right")
    }

    #[test]
    fn each_key_beside_guests_is_named() {
        for (text, expect) in [
            ("", &[][..]),
            ("version = '5'", &["version"]),
            ("client-id = 'a'", &["client-id"]),
            ("server = 'a.example'", &["server"]),
            ("server-return = '1m'", &["server-return"]),
            (
                "server = 'ws://localhost:1883'\n[websocket.headers]\nA = 'b'",
                &["server", "websocket.headers"],
            ),
            ("interface = 'eth0'", &["interface"]),
            ("local-address = '127.0.0.1'", &["local-address"]),
            ("[proxy]\nurl = 'http://p'", &["proxy"]),
            ("user-name = 'u'", &["user-name"]),
            ("max-packet-size = 1000", &["max-packet-size"]),
            ("subscriptions = ['a']", &["subscriptions"]),
            ("show-payloads = true", &["show-payloads"]),
            (
                "clean-session = false\nsession-expiry = '1h'",
                &["clean-session", "session-expiry"],
            ),
            ("keep-alive = '9s'", &["keep-alive"]),
            (
                "backoff = { min = '2s', max = '3s' }",
                &["backoff.min", "backoff.max"],
            ),
            ("max-qos = 1", &["max-qos"]),
            ("first-connect-delay = '1s'", &["first-connect-delay"]),
            ("[last-will]\ntopic = 'a'", &["last-will"]),
            ("[status]\ntopic = 'a'", &["status"]),
            (
                "work-list = { max = 7, max-bytes = 1000, overflow = 'reject' }",
                &["work-list.max", "work-list.max-bytes", "work-list.overflow"],
            ),
            (
                "work-list = { store = 'disk', directory = '/a', gone-guests = 'drop' }",
                &["work-list.gone-guests"],
            ),
            ("[control-permissions]\nwill = false", &[]),
            (
                "[control-permissions]\npublish = []\nmax-qos = 0\nretain = false\n\
                 min-ttl = '1s'\nmax-ttl = '2s'\nrate = 1\nreconnect = false\nsend = []\n\
                 send-to = []\ncancel = 'own'\nreload = false\npayloads = false",
                &[
                    "control-permissions.publish",
                    "control-permissions.max-qos",
                    "control-permissions.retain",
                    "control-permissions.min-ttl",
                    "control-permissions.max-ttl",
                    "control-permissions.rate",
                    "control-permissions.reconnect",
                    "control-permissions.send",
                    "control-permissions.send-to",
                    "control-permissions.cancel",
                    "control-permissions.reload",
                    "control-permissions.payloads",
                ],
            ),
            // Said elsewhere.
            ("[[guest]]\nname = 'a'\ncomponent = 'a.wasm'", &[]),
            ("cache-directory = '/a'\ncontrol-socket = '/b'", &[]),
        ] {
            let (before, now) = (config(""), config(text));
            assert_eq!(keys_changed(&before, &now), expect, "{text}");
            assert_eq!(keys_changed(&now, &before), expect, "{text}, taken away");
            assert_eq!(keys_changed(&now, &now), [""; 0]);
        }
        let secure = |name: &str| {
            config(&format!(
                "server = 'mqtts://a'\n[tls]\nserver-name = '{name}'"
            ))
        };
        assert_eq!(keys_changed(&secure("b"), &secure("c")), ["tls"]);
    }

    #[test]
    fn of_the_control_socket_what_differs_is_named() {
        let address = |port, file: &str| ControlConfig::Address {
            address: ([127, 0, 0, 1], port).into(),
            token_file: file.into(),
        };
        let socket = |path: &str| ControlConfig::Socket(path.into());
        let all = ["control-socket", "control-address", "control-token-file"];
        for (before, now, expect) in [
            (socket("/a"), socket("/a"), &[][..]),
            (socket("/a"), socket("/b"), &all[..1]),
            (ControlConfig::Default, ControlConfig::None, &all[..1]),
            (address(1, "t"), address(2, "t"), &all[1..2]),
            (address(1, "t"), address(1, "u"), &all[2..]),
            (address(1, "t"), ControlConfig::Default, &all[1..]),
            (socket("/a"), address(1, "t"), &all),
        ] {
            assert_eq!(control_changed(&before, &now), expect);
        }
    }
}
