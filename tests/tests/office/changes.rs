//! The configuration changes while the office is open: guests come, stay and go.

mod random;

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    Answer, Call, Delivery, Disconnection, Effects, GoneGuests, GuestId, GuestSettings, Incoming,
    Notice, OutcomeWord, Outgoing, Payload, Permissions, Qos, Rate, Reason, Schedule,
    SessionChange, Settings, Status, StatusTopic, TimerChanges, TimerSettings, WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, connack, guest, id, id_of, kept_session, settings,
};

/// The place of a third guest.
const C: GuestId = GuestId(2);

/// The guests are others. Each has the place it had, or is new.
fn change(test: &mut TestOffice, guests: &[(Option<GuestId>, GuestSettings)]) -> Vec<GuestId> {
    let to = Settings {
        guests: guests.iter().map(|(_, guest)| guest.clone()).collect(),
        ..settings()
    };
    change_to(test, to, guests, SessionChange::None)
}

fn change_to(
    test: &mut TestOffice,
    settings: Settings,
    guests: &[(Option<GuestId>, GuestSettings)],
    session: SessionChange,
) -> Vec<GuestId> {
    let places: Vec<_> = guests.iter().map(|(place, _)| *place).collect();
    test.office
        .handle_changed(test.now, settings, &places, session)
}

/// As it was, but for B.
fn without_b(test: &mut TestOffice) {
    assert_eq!(change(test, &[(Some(A), guest(&["a/+", "both"]))]), [A]);
}

/// One of another name than all others.
fn another() -> GuestSettings {
    GuestSettings {
        name: "another".into(),
        ..guest(&[])
    }
}

#[track_caller]
fn unsubscribe(test: &mut TestOffice) -> (jackalope::office::PacketId, String) {
    match test.packet() {
        Some(Outgoing::Unsubscribe { id, filter }) => (id, filter.to_string()),
        other => panic!("no UNSUBSCRIBE: {other:?}"),
    }
}

#[track_caller]
fn subscribe(test: &mut TestOffice, expect: &[(&str, Qos)]) {
    let Some(Outgoing::Subscribe { id, filters, .. }) = test.packet() else {
        panic!("no SUBSCRIBE");
    };
    let asked: Vec<_> = filters
        .iter()
        .map(|(filter, qos)| (&**filter, *qos))
        .collect();
    assert_eq!(asked, expect);
    let granted = filters.iter().map(|(_, qos)| Ok(*qos)).collect();
    test.receive(Incoming::SubAck { id, granted });
}

#[test]
fn what_nobody_wants_any_more_is_unsubscribed_from() {
    let mut test = TestOffice::online(settings());
    test.notices();
    without_b(&mut test);
    let (unsubscribe, filter) = unsubscribe(&mut test);
    assert_eq!(filter, "b/#", "and not `both`, which A wants as well");
    assert_eq!(test.packets(), [], "all else stays as it is");
    test.receive(Incoming::UnsubAck {
        id: unsubscribe,
        refused: None,
    });
    let unsubscribed = Notice::Unsubscribed {
        filter: "b/#".into(),
        refused: None,
    };
    assert_eq!(test.notices(), [unsubscribed]);

    for topic in ["both", "b/1"] {
        test.deliver(topic, Delivery::AtLeastOnce(id(7)), false);
        let called: Vec<_> = test.take_calls().into_iter().map(|(who, _)| who).collect();
        assert_eq!(called, if topic == "both" { vec![A] } else { vec![] });
        assert_eq!(test.packet(), Some(Outgoing::PubAck(id(7))), "{topic}");
    }
}

#[test]
fn a_new_guest_hears_how_things_are() {
    let mut test = TestOffice::online(settings());
    let new = guest(&["both", "c"]);
    let both = [
        (Some(A), guest(&["a/+", "both"])),
        (Some(B), guest(&["b/#", "both"])),
        (None, new),
    ];
    assert_eq!(change(&mut test, &both), [A, B, C]);
    subscribe(&mut test, &[("c", Qos::ExactlyOnce)]);
    let granted = |filter: &str| Call::Subscription {
        filter: filter.into(),
        granted: true,
    };
    let told = [
        (C, Call::Connection(Status::Online)),
        (C, granted("both")),
        (C, granted("c")),
    ];
    assert_eq!(test.take_calls(), told, "and the others nothing");
    test.deliver("both", Delivery::AtMostOnce, false);
    let called: Vec<_> = test.take_calls().into_iter().map(|(who, _)| who).collect();
    assert_eq!(called.len(), 3);
    assert!(called.contains(&C));
}

#[test]
fn the_letters_of_one_that_is_gone_go_out_and_its_place_is_taken_when_nothing_is_left() {
    let mut test = TestOffice::online(settings());
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    without_b(&mut test);
    let (unsubscribe, _) = unsubscribe(&mut test);
    test.receive(Incoming::UnsubAck {
        id: unsubscribe,
        refused: None,
    });
    let publish = test.publish();
    assert_eq!(&*publish.topic, "t/1");

    let mut guests = vec![(Some(A), guest(&["a/+", "both"])), (None, another())];
    assert_eq!(change(&mut test, &guests), [A, C], "B's place is not free");
    assert_eq!(test.take_calls(), [(C, Call::Connection(Status::Online))]);
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.take_calls(), [], "nobody is there to hear of it");
    assert_eq!(test.office.open_letters(), 0);

    guests[1].0 = Some(C);
    guests.push((None, guest(&[])));
    assert_eq!(change(&mut test, &guests), [A, C, B], "it is back");
    assert_eq!(test.outcomes().len(), 1);
    guests.pop();
    change(&mut test, &guests);
    guests.push((None, another()));
    assert_eq!(change(&mut test, &guests), [A, C, B], "it had nothing more");
    assert_eq!(test.take_calls(), [(B, Call::Connection(Status::Online))]);
    let theirs = test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.outcomes().len(), 1, "{theirs:?}");
}

#[test]
fn messages_for_one_that_is_gone_are_acknowledged() {
    let mut test = TestOffice::online(settings());
    test.deliver("b/1", Delivery::AtLeastOnce(id(7)), false);
    test.deliver("both", Delivery::AtLeastOnce(id(8)), false);
    without_b(&mut test);
    let acknowledged = test.packet();
    assert_eq!(acknowledged, Some(Outgoing::PubAck(id(7))));
    unsubscribe(&mut test);
    assert_eq!(test.packets(), [], "A has not taken the other");
    test.take_calls();
    assert_eq!(test.packets(), [Outgoing::PubAck(id(8))]);
}

#[test]
fn the_last_call_of_one_that_is_gone_counts() {
    let mut test = TestOffice::online(settings());
    test.deliver("b/1", Delivery::AtLeastOnce(id(7)), false);
    let call = test.call().expect("it is due");
    assert_eq!(call.guest, B);
    without_b(&mut test);
    unsubscribe(&mut test);
    assert_eq!(test.packets(), [], "it has not taken the message");

    let mut effects = Effects::default();
    effects
        .letters
        .push_back(test.letter(Qos::AtMostOnce, SECOND));
    effects
        .state
        .insert("key".into(), Some(Payload::new("value")));
    let name = effects.timers.set(None, 1, "name", Schedule::once(SECOND));
    assert_eq!(name, Ok(()));
    test.answer(B, Answer::Done(effects));
    let packets = test.packets();
    assert!(matches!(packets[0], Outgoing::PubAck(_)), "{packets:?}");
    assert!(matches!(packets[1], Outgoing::Publish(_)), "{packets:?}");
    test.pass(2 * SECOND);
    assert_eq!(test.take_calls(), [], "it is called no more");

    // Whoever comes next has nothing of it.
    let guests = [(Some(A), guest(&["a/+", "both"])), (None, another())];
    assert_eq!(change(&mut test, &guests), [A, C]);
    let call = test.call().expect("it hears that there is a connection");
    assert_eq!((call.guest, call.kept.values().count()), (C, 0));
    assert_eq!(call.timers, None);
}

#[test]
fn what_fails_for_one_that_is_gone_is_not_tried_again() {
    for answer in [Answer::Failed("trap".into()), Answer::Retry("later".into())] {
        let mut test = TestOffice::online(settings());
        test.deliver("b/1", Delivery::AtLeastOnce(id(7)), false);
        assert_eq!(test.call().map(|call| call.guest), Some(B));
        without_b(&mut test);
        unsubscribe(&mut test);
        test.answer(B, answer);
        assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
        test.pass(60 * SECOND);
        assert_eq!(test.take_calls(), []);
    }
}

#[test]
fn one_that_stays_keeps_all_that_it_has() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    test.deliver("a/1", Delivery::AtMostOnce, false);
    let call = test.call().expect("it is due");
    let mut effects = Effects::default();
    effects
        .state
        .insert("key".into(), Some(Payload::new("value")));
    let set = effects
        .timers
        .set(None, 1, "own", Schedule::once(10 * SECOND));
    assert_eq!(set, Ok(()));
    test.answer(call.guest, Answer::Done(effects));
    test.deliver("a/2", Delivery::AtMostOnce, false);

    without_b(&mut test);
    unsubscribe(&mut test);
    test.receive(Incoming::PubAck(id_of(&publish)));
    let call = test.call().expect("the message waits");
    assert_eq!(call.kept.values().count(), 1);
    assert!(call.timers.is_some());
    test.answer(A, Answer::Done(Effects::default()));
    let told = test.told();
    assert_eq!(told.first().map(|told| told.ticket), Some(ticket));
    test.pass(10 * SECOND);
    let [(A, Call::Timer(due))] = &test.take_calls()[..] else {
        panic!("its timer is due");
    };
    assert_eq!(&*due.name, "own");
}

/// A guest with these timers.
fn with_timers(timers: &[(&str, Schedule)]) -> GuestSettings {
    let named = |(name, schedule): &(&str, Schedule)| (Arc::from(*name), *schedule);
    GuestSettings {
        timers: TimerSettings {
            max: 10,
            given: timers.iter().map(named).collect(),
        },
        ..guest(&[])
    }
}

/// What one guest is called with from now on, second by second.
fn timers_in(test: &mut TestOffice, seconds: u32) -> Vec<String> {
    let mut called = Vec::new();
    for second in 1..=seconds {
        test.pass(SECOND);
        for (_, call) in test.take_calls() {
            if let Call::Timer(due) = call {
                called.push(format!("{second} {}", due.name));
            }
        }
    }
    called
}

#[test]
fn a_timer_that_is_given_as_before_goes_on() {
    let (five, four) = (Schedule::every(5 * SECOND), Schedule::every(4 * SECOND));
    let before = with_timers(&[("same", five), ("faster", five), ("gone", four)]);
    let mut test = TestOffice::online(Settings {
        guests: vec![before],
        ..settings()
    });
    assert_eq!(timers_in(&mut test, 2), [""; 0]);
    let after = with_timers(&[
        ("same", five),
        ("faster", Schedule::every(SECOND)),
        ("new", four),
    ]);
    change(&mut test, &[(Some(A), after)]);
    let expect = [
        "1 faster", "2 faster", "3 same", "3 faster", "4 faster", "4 new",
    ];
    let mut called = timers_in(&mut test, 4);
    called.sort();
    let mut expect = expect.map(str::to_owned);
    expect.sort();
    assert_eq!(called, expect);
}

#[test]
fn a_timer_that_goes_while_it_is_told_is_not_told_again() {
    for answer in [
        Answer::Failed("trap".into()),
        Answer::Done(Effects::default()),
    ] {
        let timers = [("read", Schedule::every(SECOND))];
        let mut test = TestOffice::online(Settings {
            guests: vec![with_timers(&timers)],
            ..settings()
        });
        test.pass(SECOND);
        assert!(matches!(
            test.call().map(|call| call.call),
            Some(Call::Timer(_))
        ));
        // One of another name takes its place in the table.
        let after = with_timers(&[("other", Schedule::every(7 * SECOND))]);
        change(&mut test, &[(Some(A), after)]);
        test.answer(A, answer);
        assert_eq!(timers_in(&mut test, 8), ["7 other"]);
    }
}

#[test]
fn a_timer_that_goes_while_it_is_told_has_no_use_for_more_retries() {
    let mut test = TestOffice::online(Settings {
        guests: vec![with_timers(&[("read", Schedule::every(SECOND))])],
        ..settings()
    });
    test.pass(SECOND);
    assert!(test.call().is_some());
    let after = GuestSettings {
        retries: 9,
        ..with_timers(&[])
    };
    change(&mut test, &[(Some(A), after)]);
    test.answer(A, Answer::Failed("trap".into()));
    assert_eq!(timers_in(&mut test, 3), [""; 0]);
}

#[test]
fn a_timer_that_is_given_anew_while_it_is_told_for_the_last_time_is_there() {
    let once = |seconds| with_timers(&[("once", Schedule::once(seconds * SECOND))]);
    let mut test = TestOffice::online(Settings {
        guests: vec![once(1)],
        ..settings()
    });
    test.pass(SECOND);
    let call = test.call().expect("it is due").call;
    change(&mut test, &[(Some(A), once(2))]);
    let effects = Effects {
        timers: TimerChanges::beginning(&call),
        ..Effects::default()
    };
    test.answer(A, Answer::Done(effects));
    assert_eq!(timers_in(&mut test, 5), ["2 once"]);
}

/// One that was told of outcomes and subscriptions, and whose component is another now.
#[test]
fn what_a_guest_does_not_hear_any_more_is_not_told() {
    for answer in [None, Some(Answer::Failed("trap".into()))] {
        let mut test = TestOffice::online(settings());
        for _ in 0..2 {
            test.post(Qos::AtMostOnce, TWO_HOURS);
        }
        test.packets();
        let is_at_call = answer.is_some();
        if is_at_call {
            assert!(matches!(
                test.call().map(|it| it.call),
                Some(Call::Outcomes(_))
            ));
        }
        let deaf = GuestSettings {
            outcomes: 0,
            hears_subscriptions: false,
            ..guest(&["a/+", "both"])
        };
        let guests = [(Some(A), deaf), (Some(B), guest(&["b/#", "both"]))];
        change(&mut test, &guests);
        if let Some(answer) = answer {
            test.answer(A, answer);
        }
        assert_eq!(test.office.untold_outcomes(), 0);
        assert_eq!(test.call(), None);
    }
}

#[test]
fn a_message_that_comes_again_when_nobody_wants_it_any_more_is_taken_first() {
    let mut test = TestOffice::offline(kept_session());
    test.connect(false);
    test.deliver("b/1", Delivery::AtLeastOnce(id(7)), false);
    let guests = [
        (Some(A), guest(&["a/+", "both"])),
        (Some(B), guest(&["both"])),
    ];
    change(&mut test, &guests);
    unsubscribe(&mut test);
    test.lose_connection();
    test.dial();
    test.receive(connack(true));
    test.deliver("b/1", Delivery::AtLeastOnce(id(7)), true);
    let is_answer = |packet: &Outgoing| matches!(packet, Outgoing::PubAck(_));
    assert!(!test.packets().iter().any(is_answer), "B has not taken it");
    test.take_calls();
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
}

#[test]
fn a_filter_that_is_wanted_with_another_quality_of_service_is_asked_for_again() {
    let mut test = TestOffice::online(settings());
    let mut lower = guest(&["a/+", "both"]);
    lower.subscriptions[0].1 = Qos::AtMostOnce;
    let guests = [(Some(A), lower), (Some(B), guest(&["b/#", "both"]))];
    change(&mut test, &guests);
    subscribe(&mut test, &[("a/+", Qos::AtMostOnce)]);
    assert_eq!(test.take_calls(), [], "it is no news");
}

#[test]
fn one_that_is_wanted_again_is_subscribed_to_again() {
    let all = [
        (Some(A), guest(&["a/+", "both"])),
        (None, guest(&["b/#", "both"])),
    ];
    for is_sent in [false, true] {
        let mut test = TestOffice::online(settings());
        without_b(&mut test);
        let sent = is_sent.then(|| unsubscribe(&mut test).0);
        change(&mut test, &all);
        subscribe(&mut test, &[("b/#", Qos::ExactlyOnce)]);
        if let Some(id) = sent {
            test.receive(Incoming::UnsubAck { id, refused: None });
        }
        test.take_calls();
        test.deliver("b/1", Delivery::AtMostOnce, false);
        assert_eq!(test.take_calls().len(), 1);
        assert_eq!(test.packets(), []);
    }
}

#[test]
fn what_is_being_subscribed_to_and_not_wanted_any_more() {
    let mut test = TestOffice::offline(settings());
    test.dial();
    test.receive(connack(false));
    let Some(Outgoing::Subscribe {
        id: sent, filters, ..
    }) = test.packet()
    else {
        panic!("no SUBSCRIBE");
    };
    assert_eq!(filters.len(), 3);
    without_b(&mut test);
    assert_eq!(test.packets(), [], "the answer comes first");
    let granted = vec![Ok(Qos::ExactlyOnce); 3];
    test.receive(Incoming::SubAck { id: sent, granted });
    assert_eq!(unsubscribe(&mut test).1, "b/#");
    let told = test.take_calls();
    assert!(told.iter().all(|(guest, _)| *guest == A), "{told:?}");
}

#[test]
fn a_session_that_the_broker_keeps_is_unsubscribed_in_later() {
    for session_present in [true, false] {
        let mut test = TestOffice::online(kept_session());
        without_b(&mut test);
        unsubscribe(&mut test);
        test.lose_connection();
        test.dial();
        test.receive(connack(session_present));
        let both = [("a/+", Qos::ExactlyOnce), ("both", Qos::ExactlyOnce)];
        if session_present {
            let (id, filter) = unsubscribe(&mut test);
            assert_eq!(filter, "b/#");
            subscribe(&mut test, &both);
            let refused = Some(Reason::UNSPECIFIED);
            test.notices();
            test.receive(Incoming::UnsubAck { id, refused });
            let filter = filter.into();
            let expect = Notice::Unsubscribed { filter, refused };
            assert_eq!(test.notices(), [expect]);
        } else {
            subscribe(&mut test, &both);
        }
        assert_eq!(test.packets(), []);
    }
}

#[test]
fn an_answer_to_an_unsubscribe_that_never_was() {
    let mut test = TestOffice::online(settings());
    test.notices();
    test.receive(Incoming::UnsubAck {
        id: id(9),
        refused: None,
    });
    assert_eq!(test.notices(), [Notice::Unexpected { packet: "UNSUBACK" }]);
}

#[test]
fn a_smaller_work_list_and_other_permissions_hold_from_the_next_letter_on() {
    let mut test = TestOffice::online(settings());
    let rate = |letters, burst| GuestSettings {
        permissions: Some(Arc::new(Permissions {
            rate: Some(Rate {
                letters,
                per: Duration::from_secs(1),
                burst,
            }),
            ..Permissions::default()
        })),
        work_list: WorkListSettings {
            max: 1,
            ..WorkListSettings::default()
        },
        ..guest(&["a/+"])
    };
    change(&mut test, &[(Some(A), rate(1, 5))]);
    test.packets();
    test.deliver("a/1", Delivery::AtMostOnce, false);
    let room = test.call().expect("it is due").room;
    assert_eq!((room.keep, room.permitted), (1, 5));
    let mut effects = Effects::default();
    for _ in 0..2 {
        effects
            .letters
            .push_back(test.letter(Qos::AtLeastOnce, TWO_HOURS));
    }
    test.answer(A, Answer::Done(effects));
    assert_eq!(test.office.open_letters(), 1);
    // What was used is used: a change gives nothing back.
    change(&mut test, &[(Some(A), rate(1, 4))]);
    test.deliver("a/1", Delivery::AtMostOnce, false);
    let mut room = None;
    while let Some(call) = test.call() {
        room = Some(call.room);
        test.answer(A, Answer::Done(Effects::default()));
    }
    assert_eq!(room.map(|room| room.permitted), Some(3));
}

#[test]
fn letters_beyond_a_lowered_bound_give_way_one_at_a_time() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let old: Vec<_> = (0..5)
        .map(|_| test.post(Qos::AtLeastOnce, TWO_HOURS))
        .collect();
    let lowered = GuestSettings {
        work_list: WorkListSettings {
            max: 2,
            ..WorkListSettings::default()
        },
        ..guest(&["a/+"])
    };
    change(&mut test, &[(Some(A), lowered)]);
    assert_eq!(test.office.open_letters(), 5);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.outcomes(), [(old[0], OutcomeWord::Displaced)]);
    assert_eq!(test.office.open_letters(), 5);
}

#[test]
fn another_session_begins_with_what_was_configured() {
    let status = |topic: &str| {
        Some(StatusTopic {
            topic: topic.into(),
            online: Payload::new("online"),
            offline: Payload::new("offline"),
            qos: Qos::AtMostOnce,
            retain: false,
        })
    };
    let mut test = TestOffice::offline(Settings {
        status_topic: status("before"),
        ..kept_session()
    });
    test.connect(false);
    assert_eq!(test.topics(), ["before"]);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    let guests = [
        (Some(A), guest(&["a/+", "both"])),
        (Some(B), guest(&["b/#", "both"])),
    ];
    let to = Settings {
        status_topic: status("after"),
        ..kept_session()
    };
    change_to(&mut test, to, &guests, SessionChange::New);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    let farewell = test.office.poll_farewell().expect("there is one").packet;
    let Outgoing::Publish(farewell) = farewell else {
        panic!("{farewell:?}");
    };
    assert_eq!(
        &*farewell.topic, "before",
        "the session at hand ends as it was"
    );
    let connect = test.dial();
    assert!(connect.clean_session, "the one to come is another one");
    assert_eq!(connect.will.map(|will| will.topic), Some("after".into()));
    test.receive(connack(false));
    test.grant_subscriptions();
    assert_eq!(
        test.topics(),
        ["after".to_owned(), publish.topic.to_string()]
    );
    test.lose_connection();
    assert!(!test.dial().clean_session, "and is kept from then on");
}

#[test]
fn a_last_will_of_one_that_is_gone_is_not_waited_for() {
    let with_will = GuestSettings {
        has_will: true,
        ..guest(&[])
    };
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&[]), with_will],
        ..settings()
    });
    test.pass(Duration::ZERO);
    assert_eq!(
        test.office.poll_connect(test.now),
        None,
        "it is asked first"
    );
    change(&mut test, &[(Some(A), guest(&[]))]);
    test.office.handle_timeout(test.now);
    let connect = test.office.poll_connect(test.now);
    assert_eq!(connect.map(|connect| connect.will), Some(None));
}
