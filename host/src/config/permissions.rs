//! What a guest may do, and who sends over the control socket.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::entry::{Entry, Refusal};
use super::file;
use super::guest::{name as guest_name, topic_filter};
use super::resolve::{qos, set};
use super::values::{Period, period};
use crate::office::{Cancel, Filter, Permissions, Rate, topic};

const TTLS: RangeInclusive<Period> = Period::from_millis(1)..=Period::from_secs(365 * 24 * 60 * 60);
const MAX_RATE: u32 = 100_000;
/// In which so many letters may come.
const RATE_TIMES: RangeInclusive<Period> =
    Period::from_secs(1)..=Period::from_secs(365 * 24 * 60 * 60);
const MAX_BURST: u32 = 1_000_000;

/// What errors call the keys.
pub(super) struct Keys {
    publish: &'static str,
    max_qos: &'static str,
    retain: &'static str,
    min_ttl: &'static str,
    max_ttl: &'static str,
    rate: &'static str,
    burst: &'static str,
    reconnect: &'static str,
    will: &'static str,
}

macro_rules! keys {
    ($table:literal) => {
        Keys {
            publish: concat!($table, ".publish"),
            max_qos: concat!($table, ".max-qos"),
            retain: concat!($table, ".retain"),
            min_ttl: concat!($table, ".min-ttl"),
            max_ttl: concat!($table, ".max-ttl"),
            rate: concat!($table, ".rate"),
            burst: concat!($table, ".burst"),
            reconnect: concat!($table, ".reconnect"),
            will: concat!($table, ".will"),
        }
    };
}

/// Those in `[guest.permissions]`.
pub(super) const OF_GUEST: Keys = keys!("guest.permissions");

/// Those in `[control-permissions]`.
const OF_CONTROL: Keys = keys!("control-permissions");

/// Of whoever uses the control socket, by which nobody names a last will.
pub(super) fn of_control(written: &file::ControlPermissions) -> Result<Permissions, Refusal> {
    let of_guest = written.of_guest();
    let mut may = resolve(&of_guest, &OF_CONTROL)?;
    if let Some(entry) = of_guest.will.as_ref().filter(|_| may.will) {
        let reason = entry.but("is for guests: nobody else chooses the last will");
        return Err(entry.refuse(OF_CONTROL.will, reason));
    }
    let operate = &mut may.operate;
    let (send, cancel) = ("control-permissions.send", "control-permissions.cancel");
    set(&mut operate.send, &written.send, send, filters)?;
    let send_to = "control-permissions.send-to";
    set(&mut operate.send_to, &written.send_to, send_to, names)?;
    set(&mut operate.cancel, &written.cancel, cancel, whose)?;
    for (value, entry, key) in [
        (
            &mut operate.reload,
            &written.reload,
            "control-permissions.reload",
        ),
        (
            &mut operate.payloads,
            &written.payloads,
            "control-permissions.payloads",
        ),
    ] {
        set(value, entry, key, Entry::flag)?;
    }
    Ok(may)
}

/// A guest of such a name may come and go, so it need not be there.
fn names(entry: &Entry) -> Result<Option<Vec<String>>, String> {
    const FORM: &str = r#"is not a list of names of guests; write e.g. ["door"]"#;
    list(entry, FORM, |_, entry| guest_name(&entry)).map(Some)
}

/// A list of texts, of each of which this makes a value.
fn list<T>(
    entry: &Entry,
    form: &str,
    make: impl Fn(&str, Entry) -> Result<T, String>,
) -> Result<Vec<T>, String> {
    let Value::Array(list) = &entry.value else {
        return Err(entry.but(form));
    };
    let value = |value: &Value| {
        let text = value.as_str().ok_or_else(|| entry.but(form))?;
        make(text, entry.of(text))
    };
    list.iter().map(value).collect()
}

fn whose(entry: &Entry) -> Result<Cancel, String> {
    match entry.value.as_str() {
        Some("all") => Ok(Cancel::All),
        Some("own") => Ok(Cancel::Own),
        _ => Err(entry.but(
            r#"does not say which letters; write "all", or "own" for those that came over the control socket"#,
        )),
    }
}

pub(super) fn resolve(written: &file::Permissions, keys: &Keys) -> Result<Permissions, Refusal> {
    let mut may = Permissions::default();
    set(&mut may.publish, &written.publish, keys.publish, filters)?;
    set(&mut may.max_qos, &written.max_qos, keys.max_qos, qos)?;
    for (value, entry, key) in [
        (&mut may.retain, &written.retain, keys.retain),
        (&mut may.reconnect, &written.reconnect, keys.reconnect),
        (&mut may.will, &written.will, keys.will),
    ] {
        set(value, entry, key, Entry::flag)?;
    }
    for (value, entry, key) in [
        (&mut may.min_ttl, &written.min_ttl, keys.min_ttl),
        (&mut may.max_ttl, &written.max_ttl, keys.max_ttl),
    ] {
        set(value, entry, key, |entry| period(entry, TTLS))?;
    }
    if let Some(entry) = &written.min_ttl
        && may.min_ttl > may.max_ttl
    {
        let max: Duration = may.max_ttl;
        let reason = entry.but(format_args!("is above max-ttl, which is {}", Period(max)));
        return Err(entry.refuse(keys.min_ttl, reason));
    }
    may.rate = rate(written, keys)?;
    Ok(may)
}

fn filters(entry: &Entry) -> Result<Option<Vec<Filter>>, String> {
    const FORM: &str = r#"is not a list of topic filters; write e.g. ["doors/#"]"#;
    let filter = |text: &str, entry: Entry| match topic::is_shared(text) {
        true => Err(entry.but("is a shared subscription, to which nobody publishes")),
        false => topic_filter(&entry),
    };
    list(entry, FORM, filter).map(Some)
}

/// Without a burst, as many letters may come at once as the rate has in its time.
fn rate(written: &file::Permissions, keys: &Keys) -> Result<Option<Rate>, Refusal> {
    let Some(entry) = &written.rate else {
        return match &written.burst {
            None => Ok(None),
            Some(burst) => {
                let reason = burst.but("is allowed only together with rate");
                Err(burst.refuse(keys.burst, reason))
            }
        };
    };
    let (letters, per) = letters_per(entry).map_err(|reason| entry.refuse(keys.rate, reason))?;
    let mut burst = letters;
    set(&mut burst, &written.burst, keys.burst, |entry| {
        entry.whole(1..=MAX_BURST)
    })?;
    Ok(Some(Rate {
        letters,
        per,
        burst,
    }))
}

/// So many letters a second, as a number, or in a time, as a text.
fn letters_per(entry: &Entry) -> Result<(u32, Duration), String> {
    const FORM: &str =
        r#"is not a rate; write letters a second, 1 to 100000, or e.g. "6/m", "1/10s""#;
    let Some((letters, per)) = entry.value.as_str().and_then(|text| text.split_once('/')) else {
        let letters = entry.whole(1..=MAX_RATE).map_err(|_| entry.but(FORM))?;
        return Ok((letters, Duration::from_secs(1)));
    };
    let is_number = letters.bytes().all(|byte| byte.is_ascii_digit());
    let letters = letters
        .parse()
        .ok()
        .filter(|letters| is_number && (1..=MAX_RATE).contains(letters));
    // A unit alone is one of it.
    let one = if per.starts_with(|c: char| c.is_ascii_digit()) {
        ""
    } else {
        "1"
    };
    let per = format!("{one}{per}").parse::<Period>().ok();
    let (Some(letters), Some(per)) = (letters, per) else {
        return Err(entry.but(FORM));
    };
    match RATE_TIMES.contains(&per) {
        true => Ok((letters, per.0)),
        false => {
            let (min, max) = RATE_TIMES.into_inner();
            Err(entry.but(format_args!(
                "is out of range; write a time of {min} to {max}"
            )))
        }
    }
}
