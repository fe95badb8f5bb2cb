//! Where the broker is told whether the gateway is online.

use super::entry::{Entry, Origin, Refusal};
use super::file::{Status, Written};
use super::placeholders::Placeholders;
use super::resolve::{set, topic_name, will_payload};
use crate::office::{Payload, Qos, StatusTopic};

/// The status topic, if one is written. It takes the place of a last will.
pub(super) fn resolve(
    written: &Written,
    placeholders: &Placeholders<'_>,
) -> Result<Option<StatusTopic>, Refusal> {
    let Some(table) = &written.status else {
        return Ok(None);
    };
    let keys = &table.keys;
    let refuse = |reason: &str| Refusal {
        origin: a_variable(keys).unwrap_or(Origin::File(table.span.clone())),
        key: "status",
        reason: reason.to_owned(),
    };
    if written.last_will.is_some() {
        return Err(refuse(
            "is there together with last-will, and a connection has one will; \
             the status topic brings its own, so take last-will away",
        ));
    }
    let Some(topic) = &keys.topic else {
        return Err(refuse("needs a topic, status.topic"));
    };
    let mut status = StatusTopic {
        topic: placeholders
            .fill(topic)
            .and_then(|topic| topic_name(&topic))
            .map_err(|reason| topic.refuse("status.topic", reason))?,
        online: Payload::new("online"),
        offline: Payload::new("offline"),
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    set(
        &mut status.online,
        &keys.online,
        "status.online",
        will_payload,
    )?;
    set(
        &mut status.offline,
        &keys.offline,
        "status.offline",
        will_payload,
    )?;
    set(&mut status.qos, &keys.qos, "status.qos", qos)?;
    set(
        &mut status.retain,
        &keys.retain,
        "status.retain",
        Entry::flag,
    )?;
    if status.online == status.offline {
        return Err(refuse("says the same of being online and offline"));
    }
    Ok(Some(status))
}

/// What counts is what was said last: to be told it twice does no harm.
fn qos(entry: &Entry) -> Result<Qos, String> {
    match entry.whole(0..=1).map_err(|_| entry.but("is not 0 or 1"))? {
        0 => Ok(Qos::AtMostOnce),
        _ => Ok(Qos::AtLeastOnce),
    }
}

/// A variable that the table has come from, if it is not in the file.
fn a_variable(keys: &Status) -> Option<Origin> {
    let entries = [
        &keys.topic,
        &keys.online,
        &keys.offline,
        &keys.qos,
        &keys.retain,
    ];
    let mut origins = entries.into_iter().flatten().map(|entry| &entry.origin);
    origins
        .find(|origin| matches!(origin, Origin::Variable(_)))
        .cloned()
}
