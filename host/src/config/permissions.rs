//! What a guest may do.

use std::ops::RangeInclusive;
use std::time::Duration;

use toml::Value;

use super::entry::{Entry, Refusal};
use super::file;
use super::guest::topic_filter;
use super::resolve::{qos, set};
use super::values::{Period, period};
use crate::office::{Filter, Permissions, Rate, topic};

const TTLS: RangeInclusive<Period> = Period::from_millis(1)..=Period::from_secs(365 * 24 * 60 * 60);
const MAX_RATE: u32 = 100_000;
const MAX_BURST: u32 = 1_000_000;

pub(super) fn resolve(written: &file::Permissions) -> Result<Permissions, Refusal> {
    let mut may = Permissions::default();
    let publish = &written.publish;
    set(
        &mut may.publish,
        publish,
        "guest.permissions.publish",
        filters,
    )?;
    let max_qos = &written.max_qos;
    set(&mut may.max_qos, max_qos, "guest.permissions.max-qos", qos)?;
    for (value, entry, key) in [
        (&mut may.retain, &written.retain, "guest.permissions.retain"),
        (
            &mut may.reconnect,
            &written.reconnect,
            "guest.permissions.reconnect",
        ),
        (&mut may.will, &written.will, "guest.permissions.will"),
    ] {
        set(value, entry, key, Entry::flag)?;
    }
    for (value, entry, key) in [
        (
            &mut may.min_ttl,
            &written.min_ttl,
            "guest.permissions.min-ttl",
        ),
        (
            &mut may.max_ttl,
            &written.max_ttl,
            "guest.permissions.max-ttl",
        ),
    ] {
        set(value, entry, key, |entry| period(entry, TTLS))?;
    }
    if let Some(entry) = &written.min_ttl
        && may.min_ttl > may.max_ttl
    {
        let max: Duration = may.max_ttl;
        let reason = entry.but(format_args!("is above max-ttl, which is {}", Period(max)));
        return Err(entry.refuse("guest.permissions.min-ttl", reason));
    }
    may.rate = rate(written)?;
    Ok(may)
}

fn filters(entry: &Entry) -> Result<Option<Vec<Filter>>, String> {
    const FORM: &str = r#"is not a list of topic filters; write e.g. ["doors/#"]"#;
    let Value::Array(list) = &entry.value else {
        return Err(entry.but(FORM));
    };
    let filter = |value: &Value| {
        let text = value.as_str().ok_or_else(|| entry.but(FORM))?;
        let entry = entry.of(text);
        match topic::is_shared(text) {
            true => Err(entry.but("is a shared subscription, to which nobody publishes")),
            false => topic_filter(&entry),
        }
    };
    list.iter().map(filter).collect::<Result<_, _>>().map(Some)
}

/// Without a burst, a second's letters may come at once.
fn rate(written: &file::Permissions) -> Result<Option<Rate>, Refusal> {
    let Some(entry) = &written.rate else {
        return match &written.burst {
            None => Ok(None),
            Some(burst) => {
                let reason = burst.but("is allowed only together with rate");
                Err(burst.refuse("guest.permissions.burst", reason))
            }
        };
    };
    let letters = entry
        .whole(1..=MAX_RATE)
        .map_err(|reason| entry.refuse("guest.permissions.rate", reason))?;
    let mut burst = letters;
    let key = "guest.permissions.burst";
    set(&mut burst, &written.burst, key, |entry| {
        entry.whole(1..=MAX_BURST)
    })?;
    Ok(Some(Rate { letters, burst }))
}
