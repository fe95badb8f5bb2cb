//! Guests of the contract 0.2: what they ask of their host, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use super::error::LoadProblem;
use super::testing::{assignment, connection, engine};
use super::{Component, Guest, GuestOptions};
use crate::office::{
    Answer, Assignment, Call, Effects, Letter, LetterOutcome, MAX_OUTCOMES, Message, Origin,
    Outcome, Payload, Permissions, Priority, Properties, Qos, Refused, Ticket, Time, WhenOff,
};

/// A guest that publishes in `connection`: what lies at 512 are the lowered
/// parameters, at 256 is where the result goes. Then it publishes one letter more,
/// whose payload are the first 24 bytes of the result. All else that it hears, it
/// publishes as it lies in its memory.
const TEXT: &str = include_str!("v0_2_tests.wat");

/// A guest whose memory begins like this at 512.
fn guest(fields: &str) -> Guest {
    guest_with(fields, |_| {})
}

fn guest_with(fields: &str, change: impl FnOnce(&mut GuestOptions)) -> Guest {
    let text = TEXT.replace("{fields}", fields);
    let bytes = wat::parse_str(text).expect("the text of a component");
    let component = Component::from_bytes(&engine(), "test.wasm", &bytes).expect("a guest");
    assert_eq!(component.outcomes(), MAX_OUTCOMES);
    assert!(!component.hears_subscriptions() && !component.exports_will());
    let mut options = GuestOptions::new("test");
    change(&mut options);
    Guest::new(&component, options)
}

#[track_caller]
fn done(answer: Answer) -> Effects {
    match answer {
        Answer::Done(effects) => effects,
        other => unreachable!("{other:?}"),
    }
}

#[test]
fn timers_that_nobody_hears_are_refused() {
    let import = "(component (import \"jackalope:gateway/timers@0.2.0\" (instance))";
    let text = TEXT
        .replace("{fields}", "")
        .replacen("(component", import, 1);
    let bytes = wat::parse_str(text).expect("the text of a component");
    let error = Component::from_bytes(&engine(), "test.wasm", &bytes).expect_err("no guest");
    assert!(
        matches!(error.problem, LoadProblem::UnheardTimers),
        "{error}"
    );
}

/// Options with these, as they lie in memory.
fn options(qos: u8, tag: &str, properties: &str) -> String {
    options_with(qos, NONE, tag, properties)
}

/// The same with a replace key.
fn options_with(qos: u8, replace_key: &str, tag: &str, properties: &str) -> String {
    // Topic "t" and payload "p"; some options: the quality of service, not retained,
    // a ttl of 1,000 ms, paused while the gateway is off, of high priority.
    let head = "\\00\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\01\\00\\00\\00\\00\\00\\00\\00";
    format!(
        "{head}\\0{qos}\\00\\00\\00\\00\\00\\00\\00\\e8\\03\\00\\00\\00\\00\\00\\00\\01\\01\\02\\00\
         {replace_key}{tag}{properties}"
    )
}

/// An option of a text or a list: where it lies, and how long it is.
fn some(at: u32, len: u32) -> String {
    let bytes = |number: u32| -> String {
        let bytes = number.to_le_bytes();
        bytes.iter().map(|it| format!("\\{it:02x}")).collect()
    };
    format!("\\01\\00\\00\\00{}{}", bytes(at), bytes(len))
}

const NONE: &str = "\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00\\00";

fn no_properties() -> String {
    "\\00\\00\\00\\00".to_owned()
}

/// Properties: content type, response topic, correlation data, one user property.
fn properties(content_type: &str, response_topic: &str, data: &str) -> String {
    // The user property lies at 32: two texts.
    format!("\\01\\00\\00\\00{content_type}{response_topic}{data}\\20\\00\\00\\00\\01\\00\\00\\00")
}

async fn publish(guest: &mut Guest, assignment: &Assignment) -> Vec<Letter> {
    done(guest.call(assignment).await).letters.into()
}

/// The case of the error that the first publish was answered.
#[track_caller]
fn refused(letters: &[Letter]) -> u8 {
    assert_eq!(letters.len(), 1, "the first is not accepted");
    assert_eq!(letters[0].payload[0], 1, "an error");
    letters[0].payload[8]
}

#[tokio::test]
async fn all_options_are_kept() {
    let properties = properties(&some(2, 3), &some(0, 1), &some(5, 2));
    let mut guest = guest(&options_with(1, &some(1, 2), &some(2, 3), &properties));
    let letters = publish(&mut guest, &connection()).await;
    let letter = &letters[0];
    assert_eq!((&*letter.topic, &*letter.payload), ("t", &b"p"[..]));
    assert_eq!(
        (letter.qos, letter.ttl),
        (Qos::AtLeastOnce, Duration::from_secs(1))
    );
    assert_eq!(
        (letter.when_off, letter.priority),
        (Some(WhenOff::Pause), Priority::High)
    );
    assert_eq!(letter.replace_key.as_deref(), Some("pt"));
    assert_eq!(letter.tag.as_deref(), Some("tag"));
    let expect = Properties {
        content_type: Some("tag".into()),
        response_topic: Some("t".into()),
        correlation_data: Some(Payload::new([1, 2])),
        user: vec![("tag".into(), "t".into())],
    };
    assert_eq!(letter.properties.as_deref(), Some(&expect));
    let without = &letters[1];
    assert_eq!(
        (without.when_off, without.priority),
        (None, Priority::Normal)
    );
    assert_eq!((&without.replace_key, &without.tag), (&None, &None));
}

#[tokio::test]
async fn what_is_not_permitted_is_refused_before_the_tag_is_looked_at() {
    let long_tag = some(0, u32::from(u16::MAX));
    let mut guest = guest(&options(1, &long_tag, &no_properties()));
    let mut call = connection();
    // What tells of it has a ttl of an hour.
    call.room.permissions = Some(Arc::new(Permissions {
        min_ttl: Duration::from_secs(60),
        ..Permissions::default()
    }));
    assert_eq!(refused(&publish(&mut guest, &call).await), 8);
}

#[tokio::test]
async fn a_letter_that_is_larger_than_the_whole_work_list_is_not_permitted() {
    let properties = properties(NONE, NONE, &some(0, 30));
    let mut guest = guest(&options(1, NONE, &properties));
    let mut call = connection();
    // With its properties it has more. What tells of it has 31.
    call.room.keep_bytes = 40;
    assert_eq!(refused(&publish(&mut guest, &call).await), 8);
}

#[tokio::test]
async fn what_is_not_accepted_is_answered_with_why() {
    let plain = |qos| options(qos, NONE, &no_properties());
    let with = |content_type: &str, response_topic: &str| {
        options(0, NONE, &properties(content_type, response_topic, NONE))
    };
    let long_key = options_with(0, &some(16, 257), NONE, &no_properties());
    let offline = connection();
    let mut limited = connection();
    limited.room.max_qos = Qos::AtLeastOnce;
    let mut old = connection();
    old.room.carries_properties = false;
    for (fields, assignment, case) in [
        // The wildcard lies at 7, a null character at 8.
        (with(NONE, &some(7, 1)), &offline, 0),
        (plain(2), &limited, 1),
        (options(0, &some(16, 257), &no_properties()), &offline, 3),
        (long_key, &offline, 4),
        (with(&some(8, 1), NONE), &offline, 5),
        (with(&some(65_536, 65_536), NONE), &offline, 5),
        (with(&some(2, 3), NONE), &old, 6),
    ] {
        let letters = publish(&mut guest(&fields), assignment).await;
        assert_eq!(refused(&letters), case, "{fields}");
    }
    // Nothing is carried that there is nothing of.
    let letters = publish(&mut guest(&plain(0)), &old).await;
    assert_eq!(letters.len(), 2);
}

#[tokio::test]
async fn properties_count_for_the_largest_packet() {
    // Header 2, topic 3, the length of the properties 1, the user property 9, and 6
    // of the content type.
    let fields = options(0, NONE, &properties(&some(2, 3), NONE, NONE));
    for (max, accepted) in [(22, 2), (21, 1)] {
        let mut guest = guest_with(&fields, |options| options.max_packet_size = max);
        let effects = done(guest.call(&connection()).await);
        // The report is larger than that.
        assert_eq!(effects.letters.len(), accepted - 1, "{max}");
    }
}

#[tokio::test]
async fn outcomes_come_in_a_list_as_they_are() {
    let mut guest = guest("");
    let told = |ticket, tag: Option<&str>, outcome| LetterOutcome {
        ticket: Ticket(ticket),
        tag: tag.map(Arc::from),
        outcome,
    };
    let call = assignment(Call::Outcomes(vec![
        told(7, None, Outcome::Delivered),
        told(8, Some("x"), Outcome::Expired { sent: true }),
        told(9, None, Outcome::Refused(Refused::HangsUp)),
    ]));
    let letters = publish(&mut guest, &call).await;
    let bytes = &letters[0].payload;
    assert_eq!(bytes.len(), 3 * 24);
    let record = |at: usize| {
        let record = &bytes[24 * at..24 * (at + 1)];
        (record[0], record[8], record[20], record[21])
    };
    assert_eq!(record(0), (7, 0, 0, 0));
    assert_eq!(record(1), (8, 1, 1, 1));
    assert_eq!(record(2), (9, 0, 3, 7));
}

#[tokio::test]
async fn a_message_says_what_it_matches_and_carries() {
    let mut guest = guest("");
    let mut call = assignment(Call::Message(Message {
        topic: "a/b".into(),
        payload: Payload::new("x"),
        qos: Qos::AtMostOnce,
        retained: false,
        duplicate: false,
        subscription: "a/{name}".parse().expect("it is valid"),
        properties: Some(Arc::new(Properties {
            content_type: Some("text".into()),
            ..Properties::default()
        })),
        expires: Some(Time::from_millis(10_000)),
        origin: Origin::Gateway,
    }));
    call.now = Time::from_millis(4_000);
    let letters = publish(&mut guest, &call).await;
    let texts: Vec<_> = letters.iter().map(|it| it.payload.to_vec()).collect();
    let millis = 6_000_u64.to_le_bytes().to_vec();
    assert_eq!(
        texts,
        [
            b"a/{name}".to_vec(),
            b"name".to_vec(),
            b"b".to_vec(),
            b"text".to_vec(),
            millis,
            vec![1]
        ]
    );
}

#[tokio::test]
async fn what_it_does_not_export_does_nothing() {
    let mut guest = guest("");
    let subscription = assignment(Call::Subscription {
        filter: "a".into(),
        granted: true,
    });
    assert!(publish(&mut guest, &subscription).await.is_empty());
    let answer = guest.call(&assignment(Call::LastWill)).await;
    assert_eq!(answer, Answer::Will(None));
}
