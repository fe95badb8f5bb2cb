//! What guests ask of their host, and what they are told.

use std::sync::Arc;
use std::time::Duration;

use super::testing::{GuestText, assignment, connection, engine, message, outcome, verdict};
use super::{Guest, GuestOptions};
use crate::office::{
    Answer, Call, Displaced, DisplacedBy, Effects, Outcome, Permissions, Qos, Rate, Room, Status,
    Ticket,
};

const POST_THREE: &str =
    "(call $post (i32.const 1)) (call $post (i32.const 2)) (call $post (i32.const 3))";

#[track_caller]
fn done(answer: Answer) -> Effects {
    match answer {
        Answer::Done(effects) => effects,
        other => unreachable!("{other:?}"),
    }
}

fn payloads(effects: &Effects) -> Vec<&[u8]> {
    effects
        .letters
        .iter()
        .map(|letter| &*letter.payload)
        .collect()
}

/// The gateway keeps each call on the heap, which is slow for what is large.
#[test]
fn a_call_is_small() {
    let mut guest = GuestText::default().guest();
    let call = connection();
    let size = size_of_val(&guest.call(&call));
    assert!(size <= 768, "{size} bytes");
}

#[tokio::test]
async fn letters_come_with_the_defaults_and_growing_tickets() {
    let mut guest = GuestText {
        connection: POST_THREE,
        ..GuestText::default()
    }
    .guest();
    let effects = done(guest.call(&connection()).await);
    assert_eq!(payloads(&effects), [[1], [2], [3]]);
    let letter = &effects.letters[0];
    assert_eq!(&*letter.topic, "t");
    assert_eq!(letter.qos, Qos::AtLeastOnce);
    assert!(!letter.retain);
    assert_eq!(letter.ttl, Duration::from_secs(3600));
    assert!(effects.letters[0].ticket < effects.letters[1].ticket);

    let next = done(guest.call(&connection()).await);
    assert!(effects.letters[2].ticket < next.letters[0].ticket);
}

#[tokio::test]
async fn tickets_differ_between_guests() {
    let engine = engine();
    let component = GuestText {
        connection: POST_THREE,
        ..GuestText::default()
    }
    .load(&engine);
    let mut tickets = Vec::new();
    for name in ["one", "two"] {
        let mut guest = Guest::new(&component, GuestOptions::new(name));
        let effects = done(guest.call(&connection()).await);
        tickets.extend(effects.letters.iter().map(|letter| letter.ticket));
    }
    tickets.sort();
    tickets.dedup();
    assert_eq!(tickets.len(), 6);
}

#[tokio::test]
async fn options_are_kept() {
    let mut guest = GuestText {
        connection: "(call $publish
            (i32.const 16) (i32.const 1) (i32.const 32) (i32.const 7)
            (i32.const 1) (i32.const 2) (i32.const 1) (i64.const 1500) (i32.const 64))",
        ..GuestText::default()
    }
    .guest();
    let effects = done(guest.call(&connection()).await);
    let letter = &effects.letters[0];
    assert_eq!(&*letter.payload, b"because");
    assert_eq!(letter.qos, Qos::ExactlyOnce);
    assert!(letter.retain);
    assert_eq!(letter.ttl, Duration::from_millis(1500));
}

#[tokio::test]
async fn the_oldest_letters_are_displaced_within_a_call() {
    let mut guest = GuestText {
        connection: POST_THREE,
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    call.room.keep = 1;
    let effects = done(guest.call(&call).await);
    assert_eq!(payloads(&effects), [[3]]);
    let Ticket(kept) = effects.letters[0].ticket;
    let displaced = [kept - 2, kept - 1].map(|ticket| Displaced {
        ticket: Ticket(ticket),
        tag: None,
        by: DisplacedBy::Overflow,
    });
    assert_eq!(effects.displaced, displaced);
}

/// Posts three letters, of which the last one is not accepted: an error of this case.
macro_rules! post_three_of_which_the_last_fails {
    ($case:literal) => {
        concat!(
            "(call $post (i32.const 1)) (call $post (i32.const 2)) (call $post (i32.const 3))",
            "(if (i32.ne (i32.load8_u (i32.const 192)) (i32.const 1)) (then unreachable))",
            "(if (i32.ne (i32.load8_u (i32.const 200)) (i32.const ",
            $case,
            ")) (then unreachable))"
        )
    };
}

/// What a letter of [`POST_THREE`] takes: its fixed header, the topic `t` with its
/// length, a packet id, and a byte.
const SIZE: usize = 2 + 2 + 1 + 2 + 1;

#[tokio::test]
async fn the_oldest_letters_are_displaced_within_a_call_by_their_bytes_as_well() {
    let mut guest = GuestText {
        connection: POST_THREE,
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    call.room.keep_bytes = 2 * SIZE + 1;
    // Each call begins with an empty hand.
    for _ in 0..2 {
        let effects = done(guest.call(&call).await);
        assert_eq!(payloads(&effects), [[2], [3]]);
        assert_eq!(effects.displaced.len(), 1);
    }
}

#[tokio::test]
async fn no_more_bytes_are_accepted_than_there_is_room() {
    let mut guest = GuestText {
        connection: post_three_of_which_the_last_fails!("5"),
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    call.room.free_bytes = 3 * SIZE - 1;
    let effects = done(guest.call(&call).await);
    assert_eq!(payloads(&effects), [[1], [2]]);
}

/// Publishes the same thing twice with these arguments. The second letter says
/// what the first one was answered: the case of the result, the case of the
/// error, and the number that comes with it.
macro_rules! publish_and_tell {
    ($arguments:literal) => {
        concat!(
            "(call $publish ",
            $arguments,
            " (i32.const 64))",
            "(call $post (i32.load8_u (i32.const 64)))",
            "(call $post (i32.load8_u (i32.const 72)))",
            "(call $post (i32.load8_u (i32.const 80)))"
        )
    };
}

#[track_caller]
fn check_refusal(answer: Answer, case: u8, number: Option<u8>) {
    let effects = done(answer);
    let payloads = payloads(&effects);
    assert_eq!(payloads[0], [1], "an error");
    assert_eq!(payloads[1], [case]);
    if let Some(number) = number {
        assert_eq!(payloads[2], [number]);
    }
    assert_eq!(payloads.len(), 3, "nothing else is posted");
}

#[tokio::test]
async fn an_invalid_topic_is_refused_first() {
    let mut guest = GuestText {
        connection: publish_and_tell!(
            "(i32.const 16) (i32.const 0) (i32.const 0) (i32.const 1000)
             (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 0)"
        ),
        ..GuestText::default()
    }
    .guest_with(|options| options.max_packet_size = 100);
    check_refusal(guest.call(&connection()).await, 0, None);
}

#[tokio::test]
async fn a_ttl_of_zero_is_refused_next() {
    let mut guest = GuestText {
        connection: publish_and_tell!(
            "(i32.const 16) (i32.const 1) (i32.const 0) (i32.const 1000)
             (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 0)"
        ),
        ..GuestText::default()
    }
    .guest_with(|options| options.max_packet_size = 100);
    check_refusal(guest.call(&connection()).await, 2, None);
}

#[tokio::test]
async fn what_is_not_permitted_is_refused_before_the_payload_is_looked_at() {
    let mut guest = GuestText {
        connection: publish_and_tell!(
            "(i32.const 16) (i32.const 1) (i32.const 0) (i32.const 1000)
             (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 1)"
        ),
        ..GuestText::default()
    }
    .guest_with(|options| options.max_packet_size = 100);
    let mut call = connection();
    // What tells of it has a ttl of an hour.
    call.room.permissions = Some(Arc::new(Permissions {
        min_ttl: Duration::from_secs(1),
        ..Permissions::default()
    }));
    check_refusal(guest.call(&call).await, 4, None);
}

#[tokio::test]
async fn a_letter_that_is_larger_than_the_whole_work_list_is_not_permitted() {
    let mut guest = GuestText {
        connection: publish_and_tell!(
            "(i32.const 16) (i32.const 1) (i32.const 0) (i32.const 1000)
             (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 1)"
        ),
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    call.room.keep_bytes = 100;
    check_refusal(guest.call(&call).await, 4, None);
}

#[tokio::test]
async fn no_more_letters_are_accepted_than_the_rate_permits() {
    let mut guest = GuestText {
        connection: post_three_of_which_the_last_fails!("4"),
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    let rate = Some(Rate {
        letters: 1,
        per: Duration::from_secs(1),
        burst: 2,
    });
    call.room.permissions = Some(Arc::new(Permissions {
        rate,
        ..Permissions::default()
    }));
    // Displaced letters count: so no rate is got around by a small work list.
    (call.room.permitted, call.room.keep) = (2, 1);
    let effects = done(guest.call(&call).await);
    assert_eq!(payloads(&effects), [[2]]);
    assert_eq!(effects.displaced.len(), 1);
}

#[tokio::test]
async fn a_payload_that_is_too_large_is_refused_with_the_limit() {
    let mut guest = GuestText {
        connection: publish_and_tell!(
            "(i32.const 16) (i32.const 1) (i32.const 0) (i32.const 1000)
             (i32.const 1) (i32.const 0) (i32.const 0) (i64.const 1)"
        ),
        ..GuestText::default()
    }
    .guest_with(|options| options.max_packet_size = 100);
    // Two bytes of header, two of topic length, one of topic.
    check_refusal(guest.call(&connection()).await, 3, Some(95));
}

#[tokio::test]
async fn no_more_letters_are_accepted_than_there_is_room() {
    let mut guest = GuestText {
        connection: post_three_of_which_the_last_fails!("5"),
        ..GuestText::default()
    }
    .guest();
    let mut call = connection();
    // Displaced letters count: they are owed an outcome as well.
    call.room = Room {
        accept: 2,
        keep: 1,
        ..call.room
    };
    let effects = done(guest.call(&call).await);
    assert_eq!(payloads(&effects), [[2]]);
    assert_eq!(effects.displaced.len(), 1);
}

#[tokio::test]
async fn the_status_is_that_of_the_assignment() {
    let mut guest = GuestText {
        connection: "(call $post (call $status)) (call $post (local.get $status))",
        ..GuestText::default()
    }
    .guest();
    let mut call = assignment(Call::Connection(Status::Online));
    call.status = Status::Offline;
    assert_eq!(payloads(&done(guest.call(&call).await)), [[1], [0]]);
    call.status = Status::Online;
    assert_eq!(payloads(&done(guest.call(&call).await)), [[0], [0]]);
}

#[tokio::test]
async fn reconnect_is_an_effect_of_its_call() {
    let mut guest = GuestText {
        connection: "(if (i32.eqz (local.get $status)) (then (call $reconnect)))",
        ..GuestText::default()
    }
    .guest();
    let online = assignment(Call::Connection(Status::Online));
    assert!(done(guest.call(&online).await).reconnect);
    assert!(!done(guest.call(&connection()).await).reconnect);
}

#[tokio::test]
async fn a_message_arrives_as_it_is() {
    let mut guest = GuestText {
        message: "(call $post (i32.load8_u (local.get $topic)))
            (call $post (i32.load8_u offset=1 (local.get $payload)))
            (call $post (local.get $payload-len))
            (call $post (local.get $qos))
            (call $post (local.get $retained))
            (call $post (local.get $duplicate))
            i32.const 64",
        ..GuestText::default()
    }
    .guest();
    let effects = done(guest.call(&message("door", b"open")).await);
    let expect: [&[u8]; 6] = [b"d", b"p", &[4], &[2], &[1], &[0]];
    assert_eq!(payloads(&effects), expect);
}

#[tokio::test]
async fn subscriptions_and_outcomes_arrive_as_they_are() {
    let mut guest = GuestText {
        subscription: "(call $post (local.get $status))
            (call $post (i32.load8_u (local.get $filter)))",
        outcome: "(call $post (i32.wrap_i64 (local.get $ticket)))
            (call $post (local.get $outcome))",
        ..GuestText::default()
    }
    .guest();
    let subscription = assignment(Call::Subscription {
        filter: "x/#".into(),
        granted: false,
    });
    let effects = done(guest.call(&subscription).await);
    assert_eq!(payloads(&effects), [[1], [b'x']]);
    let outcome = outcome(9, Outcome::Displaced { sent: true });
    assert_eq!(payloads(&done(guest.call(&outcome).await)), [[9], [2]]);
}

#[tokio::test]
async fn reject_keeps_what_was_published() {
    let mut guest = GuestText {
        message: concat!("(call $post (i32.const 1))", verdict!("0")),
        ..GuestText::default()
    }
    .guest();
    match guest.call(&message("t", b"")).await {
        Answer::Rejected(reason, effects) => {
            assert_eq!(reason, "because");
            assert_eq!(payloads(&effects), [[1]]);
        }
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn retry_keeps_nothing_but_the_instance() {
    let mut guest = GuestText {
        message: concat!(
            "(call $post (i32.const 1)) (global.set $calls (i32.const 5))",
            verdict!("1")
        ),
        outcome: "(call $post (global.get $calls))",
        ..GuestText::default()
    }
    .guest();
    let answer = guest.call(&message("t", b"")).await;
    assert_eq!(answer, Answer::Retry("because".to_owned()));
    let outcome = outcome(1, Outcome::Delivered);
    assert_eq!(payloads(&done(guest.call(&outcome).await)), [[5]]);
}

/// Some last will: the topic `t`, the payload `because`, QoS 1, retained.
const SOME_WILL: &str = "(i32.store8 (i32.const 64) (i32.const 1))
    (i32.store (i32.const 68) (i32.const 16)) (i32.store (i32.const 72) (i32.const 1))
    (i32.store (i32.const 76) (i32.const 32)) (i32.store (i32.const 80) (i32.const 7))
    (i32.store8 (i32.const 84) (i32.const 1)) (i32.store8 (i32.const 85) (i32.const 1))
    i32.const 64";

#[tokio::test]
async fn a_guest_can_choose_the_last_will() {
    let mut guest = GuestText {
        last_will: Some(SOME_WILL),
        ..GuestText::default()
    }
    .guest();
    match guest.call(&assignment(Call::LastWill)).await {
        Answer::Will(Some(will)) => {
            assert_eq!(&*will.topic, "t");
            assert_eq!(&*will.payload, b"because");
            assert_eq!(will.qos, Qos::AtLeastOnce);
            assert!(will.retain);
        }
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test]
async fn a_guest_need_not_choose_the_last_will() {
    for last_will in [None, Some("i32.const 64")] {
        let mut guest = GuestText {
            last_will,
            ..GuestText::default()
        }
        .guest();
        let answer = guest.call(&assignment(Call::LastWill)).await;
        assert_eq!(answer, Answer::Will(None));
    }
}

#[tokio::test]
async fn an_invalid_last_will_is_a_failure() {
    let mut guest = GuestText {
        last_will: Some("(i32.store8 (i32.const 64) (i32.const 1)) i32.const 64"),
        ..GuestText::default()
    }
    .guest();
    let answer = guest.call(&assignment(Call::LastWill)).await;
    let expect = "the last will's topic is empty";
    assert_eq!(answer, Answer::Failed(expect.to_owned()));
}

#[tokio::test]
async fn nothing_is_accepted_while_the_last_will_is_chosen() {
    let mut guest = GuestText {
        last_will: Some(concat!(
            "(call $post (i32.const 1))",
            "(if (i32.ne (i32.load8_u (i32.const 200)) (i32.const 5)) (then unreachable))",
            "i32.const 64"
        )),
        ..GuestText::default()
    }
    .guest();
    let answer = guest.call(&assignment(Call::LastWill)).await;
    assert_eq!(answer, Answer::Will(None));
}
