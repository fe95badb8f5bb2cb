//! From what is written to what is expected.

use super::file;
use super::resolve::{needed, one_payload, properties, read, text};
use super::step::{Expectation, ExpectedMessage};
use crate::config::entry::{Entry, Refusal};
use crate::config::resolve::{qos, set, topic_name};
use crate::config::table::Table;
use crate::office::{DisplacedBy, MAX_REPLACE_KEY, OutcomeWord, UnknownWord, check_replace_key};

/// All that a step expects, each with its key.
pub(super) fn expectations(keys: &file::Step) -> Result<Vec<(&'static str, Expectation)>, Refusal> {
    let mut found = Vec::new();
    if let Some(table) = &keys.expect_published {
        let expected = Expectation::Published(expected_message(table)?);
        found.push(("expect-published", expected));
    }
    if let Some(entry) = &keys.expect_nothing_published {
        read(entry, "scenario.step.expect-nothing-published", only_true)?;
        found.push(("expect-nothing-published", Expectation::NothingPublished));
    }
    if let Some(table) = &keys.expect_outcome {
        found.push(("expect-outcome", expected_outcome(table)?));
    }
    type Make = fn(String) -> Expectation;
    let texts: [(&Option<Entry>, &'static str, &'static str, Make); 4] = [
        (
            &keys.expect_rejected,
            "expect-rejected",
            "scenario.step.expect-rejected",
            Expectation::Rejected,
        ),
        (
            &keys.expect_retried,
            "expect-retried",
            "scenario.step.expect-retried",
            Expectation::Retried,
        ),
        (
            &keys.expect_failed,
            "expect-failed",
            "scenario.step.expect-failed",
            Expectation::Failed,
        ),
        (
            &keys.expect_printed,
            "expect-printed",
            "scenario.step.expect-printed",
            Expectation::Printed,
        ),
    ];
    for (entry, name, key, make) in texts {
        if let Some(entry) = entry {
            found.push((name, make(read(entry, key, text)?)));
        }
    }
    Ok(found)
}

fn expected_message(written: &Table<file::ExpectPublished>) -> Result<ExpectedMessage, Refusal> {
    let keys = &written.keys;
    let key = "scenario.step.expect-published.topic";
    let topic = needed(&keys.topic, &written.span, key)?;
    let mut message = ExpectedMessage {
        topic: read(topic, key, topic_name)?.to_string(),
        payload: one_payload(
            &keys.payload,
            &keys.json,
            [
                "scenario.step.expect-published.payload",
                "scenario.step.expect-published.json",
            ],
        )?,
        qos: None,
        retain: None,
        properties: match &keys.properties {
            Some(table) => Some(properties(
                table,
                "scenario.step.expect-published.properties",
            )?),
            None => None,
        },
        priority: None,
        replace_key: None,
        after_reboot: None,
    };
    set(
        &mut message.qos,
        &keys.qos,
        "scenario.step.expect-published.qos",
        |entry| qos(entry).map(Some),
    )?;
    set(
        &mut message.retain,
        &keys.retain,
        "scenario.step.expect-published.retain",
        |entry| entry.flag().map(Some),
    )?;
    set(
        &mut message.priority,
        &keys.priority,
        "scenario.step.expect-published.priority",
        |entry| entry.parse(UnknownWord::Priority).map(Some),
    )?;
    set(
        &mut message.replace_key,
        &keys.replace_key,
        "scenario.step.expect-published.replace-key",
        |entry| replace_key(entry).map(Some),
    )?;
    set(
        &mut message.after_reboot,
        &keys.after_reboot,
        "scenario.step.expect-published.after-reboot",
        |entry| entry.parse(UnknownWord::WhenOff).map(Some),
    )?;
    Ok(message)
}

fn expected_outcome(written: &Table<file::ExpectOutcome>) -> Result<Expectation, Refusal> {
    let keys = &written.keys;
    let key = "scenario.step.expect-outcome.outcome";
    let wanted = needed(&keys.outcome, &written.span, key)?;
    let wanted = read(wanted, key, outcome)?;
    let mut topic = None;
    set(
        &mut topic,
        &keys.topic,
        "scenario.step.expect-outcome.topic",
        |entry| topic_name(entry).map(|topic| Some(topic.to_string())),
    )?;
    let mut tag = None;
    set(
        &mut tag,
        &keys.tag,
        "scenario.step.expect-outcome.tag",
        |entry| text(entry).map(Some),
    )?;
    let mut by = None;
    set(
        &mut by,
        &keys.by,
        "scenario.step.expect-outcome.by",
        |entry| displaced_by(entry, wanted).map(Some),
    )?;
    Ok(Expectation::Outcome {
        topic,
        tag,
        outcome: wanted,
        by,
    })
}

fn displaced_by(entry: &Entry, outcome: OutcomeWord) -> Result<DisplacedBy, String> {
    let by = entry.parse(UnknownWord::DisplacedBy)?;
    match outcome {
        OutcomeWord::Displaced => Ok(by),
        _ => Err(entry.but(r#"is allowed only with outcome = "displaced""#)),
    }
}

fn replace_key(entry: &Entry) -> Result<String, String> {
    let key = text(entry)?;
    match check_replace_key(&key) {
        Ok(()) => Ok(key),
        Err(_) => Err(entry.but(format_args!(
            "is longer than the {MAX_REPLACE_KEY} bytes that a replace key may have"
        ))),
    }
}

fn outcome(entry: &Entry) -> Result<OutcomeWord, String> {
    entry.parse(UnknownWord::Outcome)
}

fn only_true(entry: &Entry) -> Result<(), String> {
    if entry.flag()? {
        return Ok(());
    }
    Err(entry.but("expects nothing at all; write true, or leave the step out"))
}
