//! Guests that loop, trap, recurse and allocate.

use std::cell::Cell;
use std::future::poll_fn;
use std::hint;
use std::pin::{Pin, pin};
use std::task::Poll;
use std::time::{Duration, Instant};

use super::testing::{GuestText, assignment, connection, message, outcome};
use super::{Guest, GuestOptions, Printed, Prints};
use crate::office::{Answer, Call, Outcome};

const LOOP: &str = "(loop $again (br $again))";
const POST_CALLS: &str = "
    (global.set $calls (i32.add (global.get $calls) (i32.const 1)))
    (call $post (global.get $calls))";

fn quick(options: &mut GuestOptions) {
    options.limits.call_time = Duration::from_millis(50);
}

/// The payloads of what a call posted.
#[track_caller]
fn posted(answer: Answer) -> Vec<u8> {
    match answer {
        Answer::Done(effects) => effects
            .letters
            .iter()
            .map(|letter| letter.payload[0])
            .collect(),
        other => unreachable!("{other:?}"),
    }
}

#[track_caller]
fn failed(answer: Answer) -> String {
    match answer {
        Answer::Failed(text) => text,
        other => unreachable!("{other:?}"),
    }
}

/// The next calls reach a fresh instance and then the same again.
async fn check_recovers(guest: &mut Guest) {
    let outcome = outcome(1, Outcome::Delivered);
    assert_eq!(posted(guest.call(&outcome).await), [1]);
    assert_eq!(posted(guest.call(&outcome).await), [2]);
}

#[tokio::test]
async fn an_instance_lives_from_call_to_call() {
    let mut guest = GuestText {
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn an_endless_loop_ends_and_others_go_on_meanwhile() {
    let mut guest = GuestText {
        connection: LOOP,
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest_with(quick);

    let progress = Cell::new(0);
    let others = async {
        loop {
            progress.set(progress.get() + 1);
            tokio::task::yield_now().await;
        }
    };
    let answer = tokio::select! {
        biased;
        answer = async { guest.call(&connection()).await } => answer,
        () = others => unreachable!(),
    };
    assert_eq!(failed(answer), "took longer than 50ms");
    // The guest came first. Had it not let go, there would be no progress.
    assert!(progress.get() > 0);
    check_recovers(&mut guest).await;
}

/// Polls a call once; whether it is over.
async fn poll_once(call: Pin<&mut impl Future<Output = Answer>>) -> bool {
    let mut call = Some(call);
    poll_fn(|cx| Poll::Ready(call.take().map(|call| call.poll(cx).is_ready()))).await == Some(true)
}

#[tokio::test]
async fn a_call_is_not_charged_for_what_others_compute() {
    const LIMIT: Duration = Duration::from_secs(1);
    // Some ten milliseconds: more than a tick, far less than the limit.
    let mut guest = GuestText {
        connection: "(local $turns i32) (loop $again
            (local.set $turns (i32.add (local.get $turns) (i32.const 1)))
            (br_if $again (i32.lt_u (local.get $turns) (i32.const 50000000))))
            (call $post (i32.const 1))",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.call_time = LIMIT);
    check_recovers(&mut guest).await;

    let offline = connection();
    let mut call = pin!(guest.call(&offline));
    assert!(!poll_once(call.as_mut()).await, "longer than a tick");
    assert!(!poll_once(call.as_mut()).await, "longer than two");
    #[expect(clippy::disallowed_methods, reason = "others compute for so long")]
    let others = Instant::now();
    while others.elapsed() <= LIMIT {
        hint::spin_loop();
    }
    assert_eq!(posted(call.await), [1]);
}

/// A guest that says `because` in its calls and its start function, and what it
/// has said.
fn talker(text: GuestText) -> (Guest, Printed) {
    let printed = Printed::default();
    let prints = Prints::Kept(printed.clone());
    (text.guest_with(|options| options.prints = prints), printed)
}

const SAY: &str = "(call $print (i32.const 32) (i32.const 7))";

#[tokio::test]
async fn an_instance_is_not_made_in_the_first_poll() {
    let (mut guest, printed) = talker(GuestText {
        start: SAY,
        ..GuestText::default()
    });
    let offline = connection();
    {
        let mut call = pin!(guest.call(&offline));
        assert!(!poll_once(call.as_mut()).await);
    }
    assert!(printed.take().is_empty());
    assert!(posted(guest.call(&offline).await).is_empty());
    assert_eq!(printed.take(), ["because"]);
}

#[tokio::test]
async fn nothing_is_done_with_much_memory_in_the_first_poll() {
    let (mut guest, printed) = talker(GuestText {
        connection: "(drop (memory.grow (i32.const 100)))
            (call $print (i32.const 32) (i32.const 7))
            (memory.fill (i32.const 65536) (i32.const 1) (i32.const 6553600))",
        outcome: SAY,
        ..GuestText::default()
    });
    let small = assignment(Call::Subscription {
        filter: "t".into(),
        granted: true,
    });
    assert!(posted(guest.call(&small).await).is_empty());
    for call in [connection(), outcome(1, Outcome::Delivered)] {
        let mut call = pin!(guest.call(&call));
        assert!(!poll_once(call.as_mut()).await);
        assert!(printed.take().is_empty());
        assert!(posted(call.await).is_empty());
        assert_eq!(printed.take(), ["because"]);
    }
}

/// A call with this body fails, and says what it has overdone.
async fn check_at_once(connection_body: &'static str, expect: &str) {
    let mut guest = GuestText {
        connection: connection_body,
        outcome: POST_CALLS,
        pages: 4,
        ..GuestText::default()
    }
    .guest();
    let text = failed(guest.call(&connection()).await);
    assert!(text.contains(expect), "{text}");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn random_bytes_at_once_are_limited() {
    check_at_once(
        "(call $get-random (i64.const 65536) (i32.const 64))
        (call $get-random (i64.const 65537) (i32.const 64))",
        "65537 exceeds limit 65536",
    )
    .await;
    check_at_once(
        "(call $get-insecure-random (i64.const 65536) (i32.const 64))
        (call $get-insecure-random (i64.const 65537) (i32.const 64))",
        "65537 exceeds limit 65536",
    )
    .await;
}

#[tokio::test]
async fn what_is_printed_at_once_is_limited() {
    check_at_once(
        "(call $print-at-once (i32.const 1024) (i32.const 65536))
        (call $print-at-once (i32.const 1024) (i32.const 65537))",
        "wrote more at once than `check-write` allows, which is 64 KiB",
    )
    .await;
}

#[tokio::test]
async fn handles_polled_at_once_are_limited() {
    check_at_once(
        "(call $poll (i32.const 900)) (call $poll (i32.const 1001))",
        "handle limit exceeded",
    )
    .await;
}

#[tokio::test]
async fn a_guest_that_sleeps_is_woken() {
    let mut guest = GuestText {
        connection: "(call $sleep (i64.const 3600000000000))",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest_with(quick);
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "took longer than 50ms");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn a_trap_costs_the_instance_and_nothing_else() {
    let mut guest = GuestText {
        connection: "(call $post (i32.const 1)) (call $post (i32.const 2))
            (call $post (i32.const 3)) unreachable",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    let outcome = outcome(1, Outcome::Delivered);
    assert_eq!(posted(guest.call(&outcome).await), [1]);
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "trapped: wasm `unreachable` instruction executed");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn a_call_that_is_given_up_costs_the_instance() {
    let mut guest = GuestText {
        connection: LOOP,
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    {
        let offline = connection();
        let mut call = pin!(guest.call(&offline));
        // It has no instance yet, and then it loops.
        assert!(!poll_once(call.as_mut()).await);
        assert!(!poll_once(call.as_mut()).await);
    }
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn memory_is_limited() {
    // Grows until it is refused, as an allocator does, and then traps.
    let mut guest = GuestText {
        connection: "(loop $again
            (br_if $again (i32.ne (i32.const -1) (memory.grow (i32.const 1))))) unreachable",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.memory = 1024 * 1024);
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "wanted more than 1 MiB of memory");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn a_guest_may_live_with_less_memory() {
    let mut guest = GuestText {
        connection: "(drop (memory.grow (i32.const 1000))) (call $post (i32.const 7))",
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.memory = 1024 * 1024);
    assert_eq!(posted(guest.call(&connection()).await), [7]);
}

#[tokio::test]
async fn memory_at_the_start_is_limited() {
    let mut guest = GuestText {
        pages: 17,
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.memory = 1024 * 1024);
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "did not start: wanted more than 1 MiB of memory");
}

#[tokio::test]
async fn all_memories_together_are_limited() {
    let mut guest = GuestText {
        pages: 12,
        more: "(memory $other 12)",
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.memory = 1024 * 1024);
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "did not start: wanted more than 1 MiB of memory");
}

#[tokio::test]
async fn tables_are_limited() {
    let mut guest = GuestText {
        more: "(table 1000000 funcref)",
        ..GuestText::default()
    }
    .guest();
    let text = failed(guest.call(&connection()).await);
    assert!(
        text.starts_with("did not start: table minimum size"),
        "{text}"
    );
}

#[tokio::test]
async fn handles_are_limited() {
    let mut guest = GuestText {
        connection: "(loop $again (drop (call $get-stderr)) (br $again))",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "held more handles (streams, timers) than a guest may");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn what_the_host_copies_at_once_is_limited() {
    // Topic and payload are the same million bytes, of a memory of one MiB.
    let mut guest = GuestText {
        pages: 16,
        connection: "(call $publish
            (i32.const 0) (i32.const 1000000) (i32.const 0) (i32.const 1000000)
            (i32.const 0) (i32.const 0) (i32.const 0) (i64.const 0) (i32.const 64))",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest_with(|options| options.limits.memory = 1024 * 1024);
    let text = failed(guest.call(&connection()).await);
    assert!(text.starts_with("too much data"), "{text}");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn recursion_is_limited() {
    let mut guest = GuestText {
        more: "(func $deep (param i32) (result i32)
            (i32.add (local.get 0) (call $deep (i32.add (local.get 0) (i32.const 1)))))",
        connection: "(drop (call $deep (i32.const 0)))",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    let text = failed(guest.call(&connection()).await);
    assert_eq!(text, "stack overflow");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn the_start_is_limited_in_time() {
    let mut guest = GuestText {
        start: LOOP,
        ..GuestText::default()
    }
    .guest_with(quick);
    for _ in 0..2 {
        let text = failed(guest.call(&connection()).await);
        assert_eq!(text, "did not start: took longer than 50ms");
    }
}

#[tokio::test]
async fn a_result_that_lies_outside_of_the_memory_is_a_failure() {
    let mut guest = GuestText {
        message: "i32.const -4",
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    let text = failed(guest.call(&message("t", b"")).await);
    assert!(text.contains("pointer"), "{text}");
    check_recovers(&mut guest).await;
}

#[tokio::test]
async fn a_call_can_move_to_a_task() {
    let mut guest = GuestText {
        outcome: POST_CALLS,
        ..GuestText::default()
    }
    .guest();
    #[expect(clippy::disallowed_methods, reason = "that it can move is the test")]
    let answer = tokio::spawn(async move {
        let outcome = outcome(1, Outcome::Delivered);
        guest.call(&outcome).await
    });
    assert_eq!(posted(answer.await.expect("no panic")), [1]);
}
