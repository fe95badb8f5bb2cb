//! Timers that were set in an earlier boot of the machine, and a clock that is trusted only
//! when the gateway runs already.

use std::time::Duration;

use jackalope::office::{
    Answer, Call, Change, Effects, GuestSettings, KeptTimer, Schedule, SessionChange, Settings,
    Time, TimerChanges, WhenOff,
};
use jackalope::store::{BootId, Contents, EARLIEST, Group, Held, Moment, OldLetters, Trust};
use jackalope_tests::office::{A, SECOND, TestOffice, guest, settings};

const MINUTE: Duration = Duration::from_mins(1);

/// When the first boot ended, by the wall clock.
const ENDED: u64 = EARLIEST + 1_000_000;

/// For how long the machine was off.
const OFF: Duration = Duration::from_mins(30);

fn named() -> GuestSettings {
    GuestSettings {
        name: "a".into(),
        ..guest(&[])
    }
}

fn with_guest() -> Settings {
    Settings {
        guests: vec![named()],
        is_durable: true,
        ..settings()
    }
}

/// What was kept when the power was cut: that `often` was due in an hour, and each hour
/// from then on, and `once` in 20 minutes.
fn kept() -> Contents {
    let running = Time::from_millis(100_000);
    let timer = |name: &str, after, period| Change::Timer {
        guest: "a".into(),
        name: name.into(),
        timer: Some(KeptTimer {
            first: running + after,
            period,
        }),
    };
    let mut contents = Contents::default();
    contents.apply(&Group {
        number: 1,
        moment: Moment {
            boot: BootId([1; 16]),
            running,
            wall: ENDED,
            trust: Trust::Synchronised,
        },
        changes: vec![
            timer("often", 60 * MINUTE, Some(60 * MINUTE)),
            timer("once", 20 * MINUTE, None),
        ],
    });
    contents
}

/// Now, in the second boot.
fn moment(test: &TestOffice, trust: Trust) -> Moment {
    let off = u64::try_from(OFF.as_millis()).expect("it is short");
    Moment {
        boot: BootId([2; 16]),
        running: test.now,
        wall: ENDED + off + test.now.as_millis(),
        trust,
    }
}

/// The second boot, in which the clock is not trusted yet; the guest may be gone.
fn restored(is_gone: bool) -> (TestOffice, Held) {
    let mut test = TestOffice::offline(with_guest());
    if is_gone {
        test.office.restore_gone(A);
    }
    let mut contents = kept();
    contents.boots.observe(moment(&test, Trust::Never));
    let old = OldLetters {
        when_off: WhenOff::Count,
        hold_until: test.now + 10 * MINUTE,
    };
    let held = contents.restore(&mut test.office, test.now, old, |_| Some(A));
    test.take_calls();
    (test, held)
}

fn due_in(test: &TestOffice, name: &str) -> Option<Duration> {
    let mut timers = test.office.timers(test.now, A);
    timers.find(|it| &*it.name == name).map(|it| it.due_in)
}

/// How long the machine has run, by which alone they would be due.
fn ran(test: &TestOffice) -> Duration {
    Duration::from_millis(test.now.as_millis())
}

/// The names of the timers that the guest is called with now.
fn called(test: &mut TestOffice) -> Vec<String> {
    let calls = test.take_calls().into_iter();
    let timers = calls.filter_map(|(_, call)| match call {
        Call::Timer(due) => Some(due.name.to_string()),
        _ => None,
    });
    timers.collect()
}

#[test]
fn they_come_in_time_from_when_the_clock_is_trusted() {
    for passed in [SECOND, 12 * MINUTE] {
        let (mut test, mut held) = restored(false);
        let too_late = 60 * MINUTE - ran(&test);
        assert_eq!(due_in(&test, "often"), Some(too_late));
        test.pass(passed);
        let untrusted = moment(&test, Trust::Never);
        assert!(!held.handle_moment(&mut test.office, untrusted));
        assert_eq!(due_in(&test, "often"), Some(too_late - passed));
        let was_called = called(&mut test);

        let trusted = moment(&test, Trust::Synchronised);
        assert!(held.handle_moment(&mut test.office, trusted));
        assert!(held.is_empty());
        assert_eq!(due_in(&test, "often"), Some(too_late - passed - OFF));
        let is_called = [was_called, called(&mut test)].concat();
        assert_eq!(is_called, ["once"], "what was due meanwhile comes at once");
        test.pass(too_late - passed - OFF);
        assert_eq!(called(&mut test), ["often"]);
        test.pass(60 * MINUTE);
        assert_eq!(called(&mut test), ["often"]);
    }
}

#[test]
fn those_of_a_guest_that_is_back_come_in_time_as_well() {
    let (mut test, mut held) = restored(true);
    test.pass(SECOND);
    let trusted = moment(&test, Trust::Synchronised);
    assert!(held.handle_moment(&mut test.office, trusted));
    assert_eq!(called(&mut test), [""; 0], "it is gone");
    test.pass(SECOND);
    let (now, session) = (test.now, SessionChange::None);
    let places = test
        .office
        .handle_changed(now, with_guest(), &[None], session);
    assert_eq!(places, [A]);
    let in_time = 60 * MINUTE - ran(&test) - OFF;
    assert_eq!(due_in(&test, "often"), Some(in_time));
    assert_eq!(called(&mut test), ["once"]);
}

#[test]
fn one_that_its_guest_is_at_is_not_told_twice_and_goes_on_in_time() {
    for (name, has_failed) in [("once", false), ("once", true), ("often", false)] {
        let (mut test, mut held) = restored(false);
        let late = due_in(&test, name).expect("it is there");
        if name == "often" {
            let once = due_in(&test, "once").expect("it is there");
            test.pass(once);
            assert_eq!(called(&mut test), ["once"]);
            test.pass(late - once);
        } else {
            test.pass(late);
        }
        let call = test.call().expect("it is due").call;
        assert!(matches!(&call, Call::Timer(due) if &*due.name == name));
        let trusted = moment(&test, Trust::Synchronised);
        held.handle_moment(&mut test.office, trusted);
        let answer = match has_failed {
            true => Answer::Failed("trap".into()),
            false => Answer::Done(Effects {
                timers: TimerChanges::beginning(&call),
                ..Effects::default()
            }),
        };
        test.answer(A, answer);
        let again = called(&mut test);
        assert_eq!(again.len(), usize::from(has_failed), "{again:?}");
        held.handle_moment(&mut test.office, trusted);
        assert!(held.is_empty());
        assert_eq!(called(&mut test), [""; 0], "{name}");
        let in_time = match name {
            "often" => 30 * MINUTE,
            _ => 60 * MINUTE - ran(&test) - OFF,
        };
        assert_eq!(due_in(&test, "often"), Some(in_time), "{name}");
    }
}

#[test]
fn one_that_was_set_since_is_as_it_was_set() {
    let (mut test, mut held) = restored(false);
    let mut effects = Effects::default();
    let hour = Schedule::every(60 * MINUTE);
    assert_eq!(effects.timers.set(None, 10, "often", hour), Ok(()));
    test.connect(false);
    test.lose_connection();
    assert!(
        test.call().is_some(),
        "it hears that the connection is gone"
    );
    test.answer(A, Answer::Done(effects));
    let trusted = moment(&test, Trust::Synchronised);
    held.handle_moment(&mut test.office, trusted);
    assert_eq!(due_in(&test, "often"), Some(60 * MINUTE));
}
