//! What a guest is not permitted is not accepted, not even by a detour.

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, Call, Effects, GuestId, LastWill, Letter, NotAccepted, Notice, Payload,
    Permissions, Priority, Qos, Rate, Rule, Settings, Status, Ticket,
};
use jackalope_tests::office::{TestOffice, guest, one_guest};

const GUEST: GuestId = GuestId(0);
const HOUR: Duration = Duration::from_hours(1);

fn settings(permissions: Permissions) -> Settings {
    let mut only = guest(&["go"]);
    only.has_will = true;
    only.permissions = Some(Arc::new(permissions));
    Settings {
        guests: vec![only],
        ..one_guest()
    }
}

fn letter(topic: &str) -> Letter {
    Letter {
        ticket: Ticket(1),
        topic: topic.into(),
        payload: Payload::new("x"),
        qos: Qos::AtLeastOnce,
        retain: false,
        ttl: HOUR,
        when_off: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: None,
    }
}

#[track_caller]
fn check(permissions: &Permissions, letter: &Letter, refused: Option<Rule>) {
    let mut test = TestOffice::offline(settings(permissions.clone()));
    let submitted = test.office.submit(test.now, GUEST, letter.clone());
    let expect = refused.map_or(Ok(()), |rule| Err(NotAccepted::NotPermitted(rule)));
    assert_eq!(submitted, expect, "{letter:?} under {permissions:?}");
}

#[test]
fn topics_are_those_that_a_filter_matches() {
    let only = |filters: &[&str]| Permissions {
        publish: Some(filters.iter().map(|it| it.parse().unwrap()).collect()),
        ..Permissions::default()
    };
    for (filters, topic, is_permitted) in [
        (&[][..], "a", false),
        (&["a/b"], "a/b", true),
        (&["a/b"], "a/b/", false),
        (&["a/b"], "A/b", false),
        (&["a/+"], "a/b", true),
        (&["a/+"], "a/b/c", false),
        (&["a/#"], "a", true),
        (&["a/#"], "ab", false),
        (&["a/{door}"], "a/b", true),
        (&["b", "c"], "c", true),
        (&["#"], "a/b", true),
        // Neither wildcard stands for them.
        (&["#", "+/x"], "$SYS/x", false),
        (&["$SYS/#"], "$SYS/x", true),
    ] {
        let refused = (!is_permitted).then(|| Rule::Publish(topic.into()));
        check(&only(filters), &letter(topic), refused);
    }
    let text = Rule::Publish("doors/x".into()).to_string();
    assert_eq!(
        text,
        "`permissions.publish` does not allow the topic \"doors/x\""
    );
}

#[test]
fn nothing_is_lowered_to_what_is_permitted() {
    let may = Permissions {
        max_qos: Qos::AtMostOnce,
        ..Permissions::default()
    };
    let refused = Some(Rule::MaxQos(Qos::AtMostOnce));
    check(&may, &letter("a"), refused);
    let may = Permissions {
        retain: false,
        ..Permissions::default()
    };
    let mut kept = letter("a");
    kept.retain = true;
    check(&may, &kept, Some(Rule::Retain));
    check(&may, &letter("a"), None);
    let second = Duration::from_secs(1);
    let may = Permissions {
        min_ttl: second,
        max_ttl: 2 * second,
        ..Permissions::default()
    };
    let lasting = |ttl| Letter { ttl, ..letter("a") };
    let millisecond = Duration::from_millis(1);
    let short = second.checked_sub(millisecond).unwrap();
    check(&may, &lasting(short), Some(Rule::MinTtl(second)));
    check(&may, &lasting(second), None);
    check(&may, &lasting(2 * second), None);
    let long = 2 * second + millisecond;
    check(&may, &lasting(long), Some(Rule::MaxTtl(2 * second)));
}

fn call(test: &mut TestOffice) -> Assignment {
    test.office.poll_call(test.now).expect("a call is due")
}

/// A message for the guest, and the call with it.
fn message(test: &mut TestOffice) -> Assignment {
    let payload = Payload::new("");
    test.office
        .handle_local_message(test.now, "go".into(), payload, None);
    call(test)
}

fn publishes(count: u64) -> Effects {
    let letters = (0..count).map(|number| Letter {
        ticket: Ticket(number),
        ..letter("a")
    });
    Effects {
        letters: letters.collect(),
        ..Effects::default()
    }
}

#[test]
fn the_rate_counts_what_is_committed() {
    let rate = Rate {
        letters: 3,
        per: Duration::from_secs(1),
        burst: 5,
    };
    let mut test = TestOffice::offline(settings(Permissions {
        rate: Some(rate),
        ..Permissions::default()
    }));
    // What traps or is put off has published nothing.
    for answer in [
        Answer::Failed("a trap".into()),
        Answer::Retry("later".into()),
    ] {
        assert_eq!(message(&mut test).room.permitted, 5);
        test.office.handle_answer(test.now, GUEST, answer);
        test.pass(HOUR);
        let again = call(&mut test);
        assert_eq!(again.room.permitted, 5);
        let done = Answer::Done(Effects::default());
        test.office.handle_answer(test.now, GUEST, done);
    }
    let room = message(&mut test).room;
    let check = |accepted| room.check(accepted, "a", Qos::AtLeastOnce, false, HOUR);
    assert_eq!(check(4), Ok(()));
    assert_eq!(check(5), Err(NotAccepted::NotPermitted(Rule::Rate(rate))));
    let done = Answer::Done(publishes(5));
    test.office.handle_answer(test.now, GUEST, done);
    let done = || Answer::Done(Effects::default());
    for (millis, permitted) in [(0, 0), (333, 0), (1, 1), (333, 2), (1000, 5), (60_000, 5)] {
        test.pass(Duration::from_millis(millis));
        assert_eq!(message(&mut test).room.permitted, permitted, "{millis}");
        test.office.handle_answer(test.now, GUEST, done());
    }
    // Rejected messages count, as what their calls have published goes out.
    message(&mut test);
    let rejected = Answer::Rejected("no".into(), publishes(2));
    test.office.handle_answer(test.now, GUEST, rejected);
    assert_eq!(message(&mut test).room.permitted, 3);
}

#[test]
fn a_rate_may_be_slower_than_one_a_second() {
    let mut test = TestOffice::offline(settings(Permissions {
        rate: Some(Rate {
            letters: 6,
            per: Duration::from_secs(60),
            burst: 2,
        }),
        ..Permissions::default()
    }));
    message(&mut test);
    let done = Answer::Done(publishes(2));
    test.office.handle_answer(test.now, GUEST, done);
    for (millis, permitted) in [(9_999, 0), (1, 1), (9_999, 1), (1, 2), (3_600_000, 2)] {
        test.pass(Duration::from_millis(millis));
        assert_eq!(message(&mut test).room.permitted, permitted, "{millis}");
        let done = Answer::Done(Effects::default());
        test.office.handle_answer(test.now, GUEST, done);
    }
}

#[test]
fn a_reconnect_without_permission_has_no_effect() {
    let mut test = TestOffice::online(settings(Permissions {
        reconnect: false,
        ..Permissions::default()
    }));
    message(&mut test);
    let asked = Effects {
        reconnect: true,
        ..Effects::default()
    };
    test.office
        .handle_answer(test.now, GUEST, Answer::Done(asked));
    assert_eq!(test.office.status(), Status::Online);
    let ignored = Notice::ReconnectIgnored {
        guest: GUEST,
        rule: Some(Rule::Reconnect),
    };
    let mut notices = std::iter::from_fn(|| test.office.poll_notice());
    assert!(notices.any(|notice| notice == ignored));
}

#[test]
fn nor_has_one_that_is_asked_for_from_outside() {
    for (reconnect, refused) in [(true, Ok(())), (false, Err(Rule::Reconnect))] {
        let mut test = TestOffice::online(settings(Permissions {
            reconnect,
            ..Permissions::default()
        }));
        assert_eq!(test.office.submit_reconnect(test.now, Some(GUEST)), refused);
        let is_left = test.office.poll_close().is_some();
        assert_eq!(is_left, reconnect);
    }
}

/// What the second of two guests, who may do everything, says of the last will, if
/// the first one has named this one.
fn other_will(permissions: Permissions, topic: &str) -> (Option<LastWill>, Vec<Notice>) {
    let mut settings = settings(permissions);
    let mut other = guest(&[]);
    other.has_will = true;
    settings.guests.push(other);
    let mut test = TestOffice::offline(settings);
    let will = |topic: &str| LastWill {
        topic: topic.into(),
        payload: Payload::new("gone"),
        qos: Qos::AtLeastOnce,
        retain: false,
        delay: Duration::ZERO,
        properties: None,
    };
    test.pass(Duration::ZERO);
    while let Some(Assignment { guest, call, .. }) = test.office.poll_call(test.now) {
        let topic = if guest == GUEST { topic } else { "other" };
        let answer = match call {
            Call::LastWill => Answer::Will(Some(will(topic))),
            _ => Answer::Done(Effects::default()),
        };
        test.office.handle_answer(test.now, guest, answer);
    }
    let notices = std::iter::from_fn(|| test.office.poll_notice()).collect();
    (test.dial().will, notices)
}

#[test]
fn a_will_is_no_way_around_a_permission() {
    let publish = Some(vec!["a/#".parse().unwrap()]);
    for (permissions, topic, rule) in [
        (Permissions::default(), "b", None),
        (
            Permissions {
                will: false,
                ..Permissions::default()
            },
            "a",
            Some("`permissions.will` is false"),
        ),
        (
            Permissions {
                publish: publish.clone(),
                ..Permissions::default()
            },
            "b",
            Some("`permissions.publish` does not allow the topic \"b\""),
        ),
        (
            Permissions {
                publish,
                ..Permissions::default()
            },
            "a",
            None,
        ),
    ] {
        let (will, notices) = other_will(permissions, topic);
        let expect = if rule.is_none() { topic } else { "other" };
        assert_eq!(will.as_ref().map(|will| &*will.topic), Some(expect));
        let notice = rule.map(|rule| Notice::InvalidWill {
            guest: GUEST,
            error: rule.to_owned(),
        });
        assert!(notice.is_none_or(|notice| notices.contains(&notice)));
    }
}
