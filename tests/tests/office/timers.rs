//! Timers: when guests are called by them, and what a call does to them.

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, Call, Delivery, DueTimer, Effects, GuestSettings, NotSet, Notice, Schedule,
    Settings, Status, Time, TimerChanges, TimerSettings,
};
use jackalope_tests::office::{A, SECOND, TestOffice, connack, guest, one_guest};

const MS: Duration = Duration::from_millis(1);

/// One guest, subscribed to `ask`, with timers from the start.
fn given(timers: &[(&str, Schedule)]) -> Settings {
    let named = |(name, schedule): &(&str, Schedule)| (Arc::from(*name), *schedule);
    Settings {
        guests: vec![GuestSettings {
            timers: TimerSettings {
                max: 3,
                given: timers.iter().map(named).collect(),
            },
            ..guest(&["ask"])
        }],
        ..one_guest()
    }
}

/// The same, online, with nothing else to tell.
fn office(timers: &[(&str, Schedule)]) -> TestOffice {
    TestOffice::online(given(timers))
}

/// Has the guest called with a message.
#[track_caller]
fn ask(test: &mut TestOffice) -> Assignment {
    test.deliver("ask", Delivery::AtMostOnce, false);
    let assignment = test.call().expect("it is its turn");
    assert!(
        matches!(assignment.call, Call::Message(_)),
        "{assignment:?}"
    );
    assignment
}

fn with(timers: TimerChanges) -> Effects {
    Effects {
        timers,
        ..Effects::default()
    }
}

/// The guest sets a timer in a call that succeeds.
#[track_caller]
fn set(test: &mut TestOffice, name: &str, schedule: Schedule) {
    let call = ask(test);
    let mut timers = TimerChanges::default();
    let set = timers.set(call.timers.as_deref(), call.room.timers, name, schedule);
    assert_eq!(set, Ok(()));
    test.answer(A, Answer::Done(with(timers)));
}

/// The guest cancels a timer in a call that succeeds.
#[track_caller]
fn cancel(test: &mut TestOffice, name: &str) {
    let call = ask(test);
    let mut timers = TimerChanges::default();
    assert!(timers.cancel(call.timers.as_deref(), name));
    test.answer(A, Answer::Done(with(timers)));
}

/// The timers that the guest is called with now, each with how late it is and how many
/// were missed.
fn due(test: &mut TestOffice) -> Vec<(String, u64, u64)> {
    let now = test.now;
    let due = |(_, call)| match call {
        Call::Timer(due) => Some(told(&due, now)),
        _ => None,
    };
    test.take_calls().into_iter().filter_map(due).collect()
}

fn told(due: &DueTimer, now: Time) -> (String, u64, u64) {
    let late = now.as_millis() - due.due.as_millis();
    (due.name.to_string(), late, due.missed)
}

fn read(late: u64, missed: u64) -> [(String, u64, u64); 1] {
    [("read".to_owned(), late, missed)]
}

#[test]
fn a_timer_is_due_once_or_again_and_again() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    let later = Schedule {
        first: 2 * SECOND,
        ..Schedule::every(3 * SECOND)
    };
    set(&mut test, "later", later);
    set(&mut test, "once", Schedule::once(4 * SECOND));
    let mut seen = Vec::new();
    let begin = test.now;
    for _ in 0..100 {
        test.pass(100 * MS);
        for (name, late, missed) in due(&mut test) {
            assert_eq!((late, missed), (0, 0));
            let at = test.now.since(begin).as_secs();
            seen.push(format!("{name} {at}"));
        }
    }
    for name in ["read", "later", "once"] {
        let moments: Vec<_> = seen.iter().filter(|it| it.starts_with(name)).collect();
        let expect: &[u64] = match name {
            "read" => &[1, 2, 3, 4, 5, 6, 7, 8, 9, 10],
            "later" => &[2, 5, 8],
            _ => &[4],
        };
        let expect: Vec<_> = expect.iter().map(|at| format!("{name} {at}")).collect();
        assert_eq!(moments, expect.iter().collect::<Vec<_>>());
    }
}

#[test]
fn the_office_says_when_the_next_is_due() {
    let mut test = office(&[("read", Schedule::once(SECOND))]);
    // Opened before the connection was made.
    let opened = Time::from_millis(1_000_000);
    assert_eq!(test.office.next_timeout(), Some(opened + SECOND));
    test.now = opened + SECOND;
    assert!(test.office.backlog(test.now).is_calling, "it is due");
    assert_eq!(due(&mut test), read(0, 0));
    assert!(!test.office.backlog(test.now).is_calling);
    let next = test.office.next_timeout();
    assert!(next.is_some_and(|at| at > test.now), "keep-alive alone");
}

#[test]
fn a_late_one_comes_once_and_does_not_drift() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    test.pass(1_300 * MS);
    assert_eq!(due(&mut test), read(300, 0));
    // The machine sleeps, and nobody tells the office.
    test.now = test.now + 7_500 * MS;
    assert_eq!(due(&mut test), read(800, 6), "2 s to 8 s at 8.8 s");
    test.pass(200 * MS);
    assert_eq!(due(&mut test), read(0, 0), "9 s");
    test.pass(999 * MS);
    assert_eq!(due(&mut test), []);
    test.pass(MS);
    assert_eq!(due(&mut test), read(0, 0), "10 s");
}

/// The timers of the guest as an operator sees them, with how many milliseconds it is to
/// the next call, and how many were missed.
fn standing(test: &TestOffice) -> Vec<(String, u128, u64)> {
    let all = test.office.timers(test.now, A);
    all.map(|it| (it.name.to_string(), it.due_in.as_millis(), it.missed))
        .collect()
}

#[test]
fn an_operator_sees_when_each_is_due_and_how_many_were_missed() {
    let mut test = office(&[]);
    assert_eq!(standing(&test), []);
    set(&mut test, "read", Schedule::every(SECOND));
    set(&mut test, "once", Schedule::once(4 * SECOND));
    let periods = test.office.timers(test.now, A).map(|it| it.period);
    assert_eq!(periods.collect::<Vec<_>>(), [None, Some(SECOND)]);
    let both = |once, read, missed| {
        [
            ("once".to_owned(), once, 0),
            ("read".to_owned(), read, missed),
        ]
    };
    assert_eq!(standing(&test), both(4_000, 1_000, 0));
    test.pass(1_300 * MS);
    assert_eq!(standing(&test), both(2_700, 0, 0), "it is due");
    due(&mut test);
    assert_eq!(standing(&test), both(2_700, 700, 0));
    test.now = test.now + 2_000 * MS;
    assert_eq!(standing(&test), both(700, 0, 1), "2 s at 3.3 s");
    due(&mut test);
    assert_eq!(standing(&test), both(700, 700, 1));
    test.pass(3_800 * MS);
    due(&mut test);
    assert_eq!(standing(&test), [("read".to_owned(), 900, 4)]);
    set(&mut test, "read", Schedule::once(SECOND));
    assert_eq!(
        standing(&test),
        [("read".to_owned(), 1_000, 0)],
        "another one"
    );
}

#[test]
fn one_that_waits_for_its_guest_comes_once_as_well() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    ask(&mut test);
    for _ in 0..3 {
        test.pass(SECOND);
        assert_eq!(test.call(), None, "the guest is at a call");
    }
    test.pass(10 * MS);
    test.answer(A, Answer::Done(Effects::default()));
    assert_eq!(due(&mut test), read(10, 2));
    test.pass(990 * MS);
    assert_eq!(due(&mut test), read(0, 0));
}

#[test]
fn what_a_failed_call_did_is_undone() {
    for failed in [
        Answer::Failed("a trap".into()),
        Answer::Retry("not now".into()),
    ] {
        let mut test = office(&[("read", Schedule::every(5 * SECOND))]);
        let call = ask(&mut test);
        let mut timers = TimerChanges::default();
        let table = call.timers.as_deref();
        assert_eq!(timers.set(table, 3, "new", Schedule::once(SECOND)), Ok(()));
        assert!(timers.cancel(table, "read"));
        test.answer(A, failed);
        test.take_calls();
        test.pass(4 * SECOND);
        assert_eq!(due(&mut test), []);
        test.now = Time::from_millis(1_000_000) + 5 * SECOND;
        assert_eq!(due(&mut test), read(0, 0), "it was not cancelled");
    }
}

#[test]
fn a_rejected_call_keeps_them() {
    let mut test = office(&[]);
    ask(&mut test);
    let mut timers = TimerChanges::default();
    assert_eq!(timers.set(None, 3, "read", Schedule::once(SECOND)), Ok(()));
    test.answer(A, Answer::Rejected("never".into(), with(timers)));
    test.pass(SECOND);
    assert_eq!(due(&mut test), read(0, 0));
}

#[test]
fn they_count_from_the_beginning_of_the_call() {
    let mut test = office(&[]);
    ask(&mut test);
    let mut timers = TimerChanges::default();
    assert_eq!(timers.set(None, 3, "read", Schedule::once(SECOND)), Ok(()));
    test.pass(2 * SECOND);
    test.answer(A, Answer::Done(with(timers)));
    assert_eq!(due(&mut test), read(1_000, 0));
}

#[test]
fn one_of_the_same_name_is_replaced() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    set(&mut test, "read", Schedule::once(3 * SECOND));
    test.pass(2 * SECOND);
    assert_eq!(due(&mut test), []);
    test.pass(10 * SECOND);
    assert_eq!(due(&mut test), read(9_000, 0));
    test.pass(10 * SECOND);
    assert_eq!(due(&mut test), []);
}

#[test]
fn a_cancelled_one_is_not_called_even_if_it_is_due() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    cancel(&mut test, "read");
    test.pass(2 * SECOND);
    assert_eq!(due(&mut test), []);

    set(&mut test, "read", Schedule::every(SECOND));
    let call = ask(&mut test);
    test.pass(SECOND);
    assert_eq!(test.call(), None);
    let mut timers = TimerChanges::default();
    assert!(timers.cancel(call.timers.as_deref(), "read"));
    test.answer(A, Answer::Done(with(timers)));
    assert_eq!(due(&mut test), []);
    test.pass(5 * SECOND);
    assert_eq!(due(&mut test), []);
    assert_eq!(ask(&mut test).timers, None);
}

#[test]
fn one_can_be_cancelled_or_set_anew_in_its_own_call() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    set(&mut test, "once", Schedule::once(SECOND));
    test.pass(SECOND);
    let call = test.call().expect("a timer is due");
    let mut timers = TimerChanges::beginning(&call.call);
    assert!(timers.cancel(call.timers.as_deref(), "read"));
    test.answer(A, Answer::Done(with(timers)));

    let call = test.call().expect("the other is due");
    let mut timers = TimerChanges::beginning(&call.call);
    assert!(!timers.cancel(call.timers.as_deref(), "once"), "it is gone");
    let again = Schedule::once(2 * SECOND);
    assert_eq!(timers.set(call.timers.as_deref(), 1, "once", again), Ok(()));
    test.answer(A, Answer::Done(with(timers)));
    test.pass(SECOND);
    assert_eq!(due(&mut test), []);
    test.pass(SECOND);
    assert_eq!(due(&mut test), [("once".to_owned(), 0, 0)]);
    test.pass(5 * SECOND);
    assert_eq!(due(&mut test), []);
}

#[test]
fn a_call_sees_what_it_has_done() {
    let mut test = office(&[("given", Schedule::every(10 * SECOND))]);
    test.pass(SECOND);
    let call = ask(&mut test);
    let table = call.timers.as_deref();
    let list = |timers: &TimerChanges| {
        let of = |timer: jackalope::office::ListedTimer| {
            let period = timer.period.map(|it| it.as_millis());
            (timer.name.to_string(), timer.due_in.as_millis(), period)
        };
        let listed = timers.list(table, call.now);
        listed.into_iter().map(of).collect::<Vec<_>>()
    };
    let mut timers = TimerChanges::default();
    let left = 10_000 - u128::from(call.now.as_millis() - 1_000_000);
    let given = ("given".to_owned(), left, Some(10_000));
    assert_eq!(list(&timers), std::slice::from_ref(&given));
    assert_eq!(timers.set(table, 3, "a", Schedule::once(SECOND)), Ok(()));
    assert_eq!(list(&timers), [("a".to_owned(), 1_000, None), given]);
    assert!(timers.cancel(table, "given"));
    assert!(!timers.cancel(table, "given"));
    assert!(!timers.cancel(table, "other"));
    assert!(timers.cancel(table, "a"));
    assert_eq!(list(&timers), []);
}

#[test]
fn number_pace_and_names_are_bounded() {
    let mut test = office(&[("given", Schedule::every(SECOND))]);
    let call = ask(&mut test);
    let (table, max) = (call.timers.as_deref(), call.room.timers);
    let mut timers = TimerChanges::default();
    let mut set = |name: &str, schedule| timers.set(table, max, name, schedule);
    let once = Schedule::once(SECOND);
    assert_eq!(set("a", once), Ok(()));
    assert_eq!(set("b", once), Ok(()));
    assert_eq!(set("c", once), Err(NotSet::TooMany(3)));
    assert_eq!(set("a", once), Ok(()), "in its own place");
    assert_eq!(
        set("given", once),
        Ok(()),
        "in the place of one from before"
    );
    for name in ["", "a\nb", &"x".repeat(65)] {
        assert_eq!(set(name, once), Err(NotSet::Name));
    }
    assert_eq!(set("a", Schedule::once(9 * MS)), Err(NotSet::TooShort));
    assert_eq!(set("a", Schedule::every(9 * MS)), Err(NotSet::TooShort));
    let at_once = Schedule {
        first: Duration::ZERO,
        ..Schedule::every(SECOND)
    };
    assert_eq!(set("a", at_once), Err(NotSet::TooShort));
    assert_eq!(set("a", Schedule::every(10 * MS)), Ok(()));
    assert!(timers.cancel(table, "given"));
    assert_eq!(timers.set(table, max, &"x".repeat(64), once), Ok(()));
    for n in 0..1_000 {
        timers.cancel(table, "a");
        let name = format!("{n}");
        assert_eq!(timers.set(table, max, &name, once), Ok(()));
        assert!(timers.cancel(table, &name));
    }
    assert!(
        format!("{timers:?}").len() < 1_000,
        "what is gone is nowhere"
    );
}

#[test]
fn they_outlast_the_connection_and_the_instance() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    set(&mut test, "once", Schedule::once(SECOND));
    let call = ask(&mut test);
    test.pass(SECOND);
    assert_eq!(test.call(), None, "they wait for their guest");
    test.lose_connection();
    test.answer(call.guest, Answer::Failed("a trap".into()));
    test.office.handle_replaced(A);
    let calls: Vec<_> = test
        .take_calls()
        .into_iter()
        .map(|(_, call)| call)
        .collect();
    assert!(
        calls.contains(&Call::Connection(Status::Offline)),
        "{calls:?}"
    );
    let timers = calls.iter().filter(|call| matches!(call, Call::Timer(_)));
    assert_eq!(timers.count(), 2);
    test.pass(SECOND);
    assert_eq!(due(&mut test), read(0, 0), "offline as well");
    ask_nobody(&mut test);
}

/// A connection is made while a timer waits.
fn ask_nobody(test: &mut TestOffice) {
    let begin = test.now;
    test.dial();
    test.receive(connack(false));
    test.now = test.now.max(begin + SECOND);
    assert_eq!(due(test).len(), 1);
}

#[test]
fn a_call_that_fails_is_made_again_and_then_given_up() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    test.pass(SECOND);
    test.notices();
    let mut calls = 0;
    let given_up = loop {
        let Some(assignment) = test.call() else {
            test.pass(10 * MS);
            continue;
        };
        assert!(matches!(assignment.call, Call::Timer(_)));
        calls += 1;
        test.answer(A, Answer::Failed("a trap".into()));
        let notices = test.notices();
        if let Some(Notice::GivenUp { call, .. }) = notices.last() {
            break call.clone();
        }
        assert!(
            matches!(&notices[..], [Notice::Failed { .. }]),
            "{notices:?}"
        );
    };
    assert_eq!(calls, 4, "three retries");
    assert!(matches!(given_up, Call::Timer(due) if &*due.name == "read"));
    test.pass(SECOND);
    assert_eq!(due(&mut test).len(), 1, "it comes again");
}

#[test]
fn a_failed_one_that_was_due_once_is_gone_when_it_is_given_up() {
    let mut test = office(&[]);
    set(&mut test, "once", Schedule::once(SECOND));
    test.pass(SECOND);
    for _ in 0..4 {
        assert!(test.call().is_some());
        test.answer(A, Answer::Failed("a trap".into()));
        test.pass(SECOND);
    }
    assert_eq!(test.call(), None);
    assert_eq!(ask(&mut test).timers, None);
}

#[test]
fn they_come_in_the_order_of_what_else_happens() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    ask(&mut test);
    test.deliver("ask", Delivery::AtMostOnce, false);
    test.pass(SECOND);
    assert_eq!(test.call(), None);
    test.deliver("ask", Delivery::AtMostOnce, false);
    test.answer(A, Answer::Done(Effects::default()));
    let calls: Vec<_> = test
        .take_calls()
        .into_iter()
        .map(|(_, call)| call)
        .collect();
    assert!(
        matches!(
            &calls[..],
            [Call::Message(_), Call::Timer(_), Call::Message(_)]
        ),
        "{calls:?}"
    );
    // A message that is put off does not hold them back.
    ask(&mut test);
    test.answer(A, Answer::Retry("later".into()));
    test.pass(500 * MS);
    assert_eq!(due(&mut test), []);
    test.pass(500 * MS);
    assert_eq!(due(&mut test), read(0, 0));
}

#[test]
fn none_comes_while_the_gateway_stops() {
    let mut test = office(&[]);
    set(&mut test, "read", Schedule::every(SECOND));
    set(&mut test, "later", Schedule::every(2 * SECOND));
    ask(&mut test);
    test.pass(SECOND);
    assert_eq!(test.call(), None);
    test.office.handle_shutdown(test.now);
    test.answer(A, Answer::Done(Effects::default()));
    assert_eq!(due(&mut test), []);
    assert!(
        test.office.is_finished(test.now),
        "it does not wait for them"
    );
    test.pass(SECOND);
    assert_eq!(due(&mut test), []);
    let next = test.office.next_timeout();
    assert!(next.is_none_or(|at| at > test.now), "{next:?}");
}
