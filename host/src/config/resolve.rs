//! From what is written to what cannot be wrong.

use std::ops::RangeInclusive;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::cache::cache_directory;
use super::entry::{Entry, Origin, Refusal};
use super::file::{self, Written};
use super::placeholders::{Machine, Placeholders};
use super::table::Table;
use super::values::{Period, Size, period, size};
use super::{
    Config, ControlConfig, GuestConfig, control, guest, keeping, login, permissions, proxy, server,
    status, websocket, work_list,
};
use crate::gateway::ControlSender;
use crate::office::{
    BackoffSettings, LastWill, Payload, Qos, UnknownWord, WorkListSettings, topic,
};
use crate::wire::{Version, Versions};

/// Resolves the guests alone.
pub(super) fn guests(written: &Written, directory: &Path) -> Result<Vec<GuestConfig>, Refusal> {
    guest::resolve(&written.guest, bound_of_all(written)?, directory)
}

/// What bounds the work list of each guest that has no bound of its own.
fn bound_of_all(written: &Written) -> Result<WorkListSettings, Refusal> {
    let default = WorkListSettings::default();
    work_list::resolve(&written.work_list.keys, default, &work_list::OF_ALL)
}

/// Resolves what is written; relative paths of the file are relative to
/// `directory`, and placeholders are about `machine`.
pub(super) fn resolve(
    written: &Written,
    directory: &Path,
    machine: Machine<'_>,
) -> Result<Config, Refusal> {
    let mut config = Config::default();
    let session = &mut config.session;
    let mut placeholders = Placeholders {
        machine,
        client_id: None,
    };
    set(
        &mut config.client_id,
        &written.client_id,
        "client-id",
        |entry| mqtt_text(&placeholders.fill(entry)?),
    )?;
    placeholders.client_id = Some(&config.client_id);
    set(
        &mut session.clean_session,
        &written.clean_session,
        "clean-session",
        Entry::flag,
    )?;
    set(
        &mut session.session_expiry,
        &written.session_expiry,
        "session-expiry",
        session_expiry,
    )?;
    set(&mut config.versions, &written.version, "version", versions)?;
    set(
        &mut session.keep_alive,
        &written.keep_alive,
        "keep-alive",
        keep_alive,
    )?;
    set(
        &mut session.first_connect_delay,
        &written.first_connect_delay,
        "first-connect-delay",
        |entry| period(entry, Period::from_secs(0)..=Period::from_secs(86_400)),
    )?;
    set(&mut session.max_qos, &written.max_qos, "max-qos", qos)?;
    set(
        &mut config.max_packet_size,
        &written.max_packet_size,
        "max-packet-size",
        |entry| size(entry, Size(128)..=Size(256 << 20)),
    )?;
    set(
        &mut config.cache_directory,
        &written.cache_directory,
        "cache-directory",
        |entry| cache_directory(entry, directory),
    )?;
    config.control = control::resolve(written, directory)?;
    if let Some(written) = &written.control_permissions {
        config.control_permissions = Some(permissions::of_control(&written.keys)?);
    }
    session.work_list = bound_of_all(written)?;
    session.gone_guests = keeping::resolve_gone(&written.work_list.keys)?;
    config.keeping = keeping::resolve(&written.work_list.keys, directory)?;
    backoff(&mut session.backoff, &written.backoff.keys)?;
    if let Some(will) = &written.last_will {
        let last_will = last_will(will, &placeholders, session.max_qos)?;
        if let Some(entry) = &will.keys.delay
            && !last_will.delay.is_zero()
            && session.clean_session
        {
            let reason = entry.but(
                "is allowed only with clean-session = false: the will goes out when the \
                 session ends, and a clean one ends with its connection",
            );
            return Err(entry.refuse("last-will.delay", reason));
        }
        session.last_will = Some(last_will);
    }
    session.status_topic = status::resolve(written, &placeholders)?;
    if let Some(entry) = &written.client_id
        && config.client_id.is_empty()
        && !session.clean_session
    {
        let reason = entry.but("is allowed only with clean-session = true ([MQTT-3.1.3-7])");
        return Err(entry.refuse("client-id", reason));
    }
    config.login = login::resolve(written, directory, &placeholders)?;
    config.binding = proxy::binding(written)?;
    config.servers = server::resolve(written, directory)?;
    set(
        &mut config.server_return,
        &written.server_return,
        "server-return",
        server::server_return,
    )?;
    let has_websocket = config
        .servers
        .iter()
        .any(|server| server.websocket.is_some());
    config.headers = websocket::resolve(written, has_websocket, directory)?;
    config.proxy = proxy::resolve(written, directory)?;
    config.guests = guest::resolve(&written.guest, config.session.work_list, directory)?;
    let guests = config.guests.iter();
    let mut shares: Vec<_> = guests
        .map(|guest| (&*guest.name, guest.work_list))
        .collect();
    if config.control != ControlConfig::None {
        shares.push((ControlSender::NAME, config.session.work_list));
    }
    work_list::check_totals(&written.work_list.keys, &shares)?;
    let keys = ["subscriptions.filter", "subscriptions.qos"];
    config.subscriptions = guest::subscriptions(&written.subscriptions, keys)?;
    if let Some(first) = written.subscriptions.first()
        && !config.guests.is_empty()
    {
        return Err(Refusal {
            origin: Origin::File(first.span.clone()),
            key: "subscriptions",
            reason: "are those of the built-in handler, which there is only without guests; \
                 those of a guest stand in its [[guest]]"
                .to_owned(),
        });
    }
    set(
        &mut config.show_payloads,
        &written.show_payloads,
        "show-payloads",
        Entry::flag,
    )?;
    Ok(config)
}

/// Puts what is written in the place of the default.
pub(crate) fn set<T>(
    value: &mut T,
    entry: &Option<Entry>,
    key: &'static str,
    read: impl FnOnce(&Entry) -> Result<T, String>,
) -> Result<(), Refusal> {
    if let Some(entry) = entry {
        *value = read(entry).map_err(|reason| entry.refuse(key, reason))?;
    }
    Ok(())
}

/// A text that goes over the wire with its length in two bytes, as UTF-8
/// without null characters ([MQTT-1.5.3-2]).
pub(super) fn mqtt_text(entry: &Entry) -> Result<String, String> {
    let text = entry.text()?;
    check_length(entry, text)?;
    if text.contains('\0') {
        return Err(entry.but("holds a null character ([MQTT-1.5.3-2])"));
    }
    Ok(text.to_owned())
}

fn check_length(entry: &Entry, text: &str) -> Result<(), String> {
    if text.len() > usize::from(u16::MAX) {
        return Err(entry.but("is longer than 65535 bytes"));
    }
    Ok(())
}

/// A path: any text that the file system could know.
pub(super) fn path(entry: &Entry) -> Result<&Path, String> {
    let text = entry.text()?;
    if text.is_empty() || text.contains('\0') {
        return Err(entry.but("is not a path"));
    }
    Ok(Path::new(text))
}

pub(crate) fn qos(entry: &Entry) -> Result<Qos, String> {
    let number = entry.whole(0..=2).ok();
    number
        .and_then(|number| number.to_string().parse().ok())
        .ok_or_else(|| entry.but(UnknownWord::Qos))
}

/// On the wire it is a number of seconds in two bytes.
fn keep_alive(entry: &Entry) -> Result<Duration, String> {
    let max = Period::from_secs(u16::MAX.into());
    seconds(entry, Period::from_secs(0)..=max)
}

/// On the wire it is a number of seconds in four bytes.
fn session_expiry(entry: &Entry) -> Result<Duration, String> {
    let year = Period::from_secs(365 * 24 * 60 * 60);
    seconds(entry, Period::from_secs(1)..=year)
}

/// The same.
fn will_delay(entry: &Entry) -> Result<Duration, String> {
    let year = Period::from_secs(365 * 24 * 60 * 60);
    seconds(entry, Period::from_secs(0)..=year)
}

fn seconds(entry: &Entry, allowed: RangeInclusive<Period>) -> Result<Duration, String> {
    let period = period(entry, allowed)?;
    if period.subsec_nanos() != 0 {
        return Err(entry.but("is not a whole number of seconds"));
    }
    Ok(period)
}

fn versions(entry: &Entry) -> Result<Versions, String> {
    match entry.value.as_str() {
        Some("3.1.1") => Ok(Versions::Only(Version::V4)),
        Some("5") => Ok(Versions::Only(Version::V5)),
        Some("auto") => Ok(Versions::Any),
        _ => Err(entry.but(r#"is not a version of MQTT; write "3.1.1", "5" or "auto""#)),
    }
}

fn backoff(backoff: &mut BackoffSettings, written: &file::Backoff) -> Result<(), Refusal> {
    let pause = |entry: &Entry| period(entry, Period::from_millis(10)..=Period::from_secs(3600));
    set(&mut backoff.min, &written.min, "backoff.min", pause)?;
    set(&mut backoff.max, &written.max, "backoff.max", pause)?;
    if backoff.min <= backoff.max {
        return Ok(());
    }
    // One of them is written, since the defaults are in order.
    let (min, max) = (Period(backoff.min), Period(backoff.max));
    match (&written.min, &written.max) {
        (_, Some(entry)) => {
            let reason = entry.but(format_args!("is below backoff.min, which is {min}"));
            Err(entry.refuse("backoff.max", reason))
        }
        (Some(entry), None) => {
            let reason = entry.but(format_args!("is above backoff.max, which is {max}"));
            Err(entry.refuse("backoff.min", reason))
        }
        (None, None) => Ok(()),
    }
}

fn last_will(
    written: &Table<file::LastWill>,
    placeholders: &Placeholders<'_>,
    max_qos: Qos,
) -> Result<LastWill, Refusal> {
    let will = &written.keys;
    let Some(topic) = &will.topic else {
        // The table itself may be there by the environment alone.
        let origin = [&will.payload, &will.qos, &will.retain, &will.delay]
            .into_iter()
            .flatten()
            .map(|entry| entry.origin.clone())
            .find(|origin| matches!(origin, Origin::Variable(_)))
            .unwrap_or(Origin::File(written.span.clone()));
        return Err(Refusal {
            origin,
            key: "last-will",
            reason: "a last will needs a topic, last-will.topic".to_owned(),
        });
    };
    let mut last_will = LastWill {
        topic: placeholders
            .fill(topic)
            .and_then(|topic| topic_name(&topic))
            .map_err(|reason| topic.refuse("last-will.topic", reason))?,
        payload: Payload::new(""),
        qos: Qos::AtLeastOnce.min(max_qos),
        retain: false,
        delay: Duration::ZERO,
        properties: None,
    };
    set(
        &mut last_will.delay,
        &will.delay,
        "last-will.delay",
        will_delay,
    )?;
    set(
        &mut last_will.payload,
        &will.payload,
        "last-will.payload",
        will_payload,
    )?;
    set(
        &mut last_will.qos,
        &will.qos,
        "last-will.qos",
        |entry| match qos(entry)? {
            qos if qos > max_qos => {
                Err(entry.but(format_args!("is above max-qos, which is {max_qos}")))
            }
            qos => Ok(qos),
        },
    )?;
    set(
        &mut last_will.retain,
        &will.retain,
        "last-will.retain",
        Entry::flag,
    )?;
    Ok(last_will)
}

pub(crate) fn topic_name(entry: &Entry) -> Result<Arc<str>, String> {
    let name = entry.text()?;
    topic::check_name(name).map_err(|error| entry.but(error))?;
    Ok(name.into())
}

pub(super) fn will_payload(entry: &Entry) -> Result<Payload, String> {
    let payload = entry.text()?;
    check_length(entry, payload)?;
    Ok(Payload::new(payload))
}
