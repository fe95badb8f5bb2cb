//! The post office, seen from its counter: what it does when, told as small
//! stories. Random schedules are elsewhere; here each test is one promise.

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

use std::time::Duration;

use jackalope::office::{
    Answer, Backlog, Call, Delivery, Disconnection, Effects, GuestId, Incoming, LastWill, Notice,
    Outcome, Outgoing, Overflow, Payload, QOS2_WINDOW, Qos, SHUTDOWN_TIME, Settings, Status,
    WorkListSettings,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id, id_of, kept_session, one_guest, settings,
};

#[test]
fn a_letter_goes_out_is_acknowledged_and_its_guest_told() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    assert!(!publish.duplicate);
    assert_eq!(test.outcomes(), []);
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.outcomes(), [(ticket, Outcome::Delivered)]);
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.outcomes(), [], "a second PUBACK says nothing new");
}

#[test]
fn letters_wait_for_a_connection_and_go_out_first_in_first_out() {
    let mut test = TestOffice::offline(settings());
    for _ in 0..3 {
        test.post(Qos::AtLeastOnce, TWO_HOURS);
    }
    assert_eq!(test.packets(), []);
    test.connect(false);
    assert_eq!(test.topics(), ["t/1", "t/2", "t/3"]);
}

#[test]
fn expiry_is_noticed_when_it_happens_wherever_the_letter_is() {
    let mut test = TestOffice::online(settings());
    let in_flight = test.post(Qos::AtLeastOnce, 5 * SECOND);
    test.publishes();
    test.lose_connection();
    let waiting = test.post(Qos::AtLeastOnce, 3 * SECOND);
    assert!(
        test.office.next_timeout() <= Some(test.now),
        "guests are to be told: offline"
    );
    test.take_calls();
    let mut seen = Vec::new();
    for _ in 0..5 {
        test.pass(SECOND);
        seen.push(test.outcomes());
    }
    let expect = [
        vec![],
        vec![],
        vec![(waiting, Outcome::Expired)],
        vec![],
        vec![(in_flight, Outcome::Expired)],
    ];
    assert_eq!(seen, expect);
}

#[test]
fn nothing_expired_is_sent_after_an_outage() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut test = TestOffice::online(settings());
        test.post(qos, 5 * SECOND);
        test.publishes();
        test.lose_connection();
        let late = test.post(qos, 5 * SECOND);
        test.now = test.now + TWO_HOURS;
        test.connect(false);
        assert_eq!(test.packets(), []);
        assert_eq!(test.outcomes().last(), None, "told while connecting");
        let told = test.notices();
        let expired = Notice::Outcome {
            guest: A,
            ticket: late,
            outcome: Outcome::Expired,
        };
        assert_eq!(told.iter().filter(|notice| **notice == expired).count(), 1);
    }
}

#[test]
fn the_second_half_of_a_qos_2_exchange_expires_too() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::ExactlyOnce, 5 * SECOND);
    let id = id_of(&test.publish());
    test.now = test.now + TWO_HOURS;
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [], "a broker delivers at PUBREL");
    assert_eq!(test.outcomes(), [(ticket, Outcome::Expired)]);
}

#[test]
fn a_released_qos_2_letter_is_delivered_at_pubcomp() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [Outgoing::PubRel(id)]);
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [], "a duplicate PUBREC");
    assert_eq!(test.outcomes(), []);
    test.receive(Incoming::PubComp(id));
    assert_eq!(test.outcomes(), [(ticket, Outcome::Delivered)]);
}

#[test]
fn after_a_lost_session_letters_go_out_again_in_order_with_fresh_ids() {
    let mut test = TestOffice::online(settings());
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtLeastOnce] {
        test.post(qos, TWO_HOURS);
    }
    let before = test.publishes();
    test.receive(Incoming::PubAck(id_of(&before[0])));
    test.lose_connection();
    test.connect(false);
    let after = test.publishes();
    let topics: Vec<_> = after.iter().map(|publish| &*publish.topic).collect();
    assert_eq!(topics, ["t/2", "t/3"]);
    assert!(
        after.iter().all(|publish| !publish.duplicate),
        "to this session they are new"
    );
}

#[test]
fn in_a_kept_session_exchanges_go_on_under_their_ids() {
    let mut test = TestOffice::online(kept_session());
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce] {
        test.post(qos, TWO_HOURS);
    }
    let sent = test.publishes();
    let released = id_of(&sent[2]);
    test.receive(Incoming::PubRec(released));
    assert_eq!(test.packets(), [Outgoing::PubRel(released)]);
    test.lose_connection();
    test.connect(true);
    let packets = test.packets();
    let [
        Outgoing::Publish(first),
        Outgoing::Publish(second),
        Outgoing::PubRel(third),
    ] = &packets[..]
    else {
        panic!("{packets:?}");
    };
    assert_eq!((first.delivery, first.duplicate), (sent[0].delivery, true));
    assert_eq!(
        (second.delivery, second.duplicate),
        (sent[1].delivery, true)
    );
    assert_eq!(*third, released);
}

#[test]
fn a_full_work_list_displaces_the_oldest_or_accepts_no_more() {
    let work_list = |overflow| WorkListSettings { max: 2, overflow };
    let mut test = TestOffice::offline(Settings {
        work_list: work_list(Overflow::DropOldest),
        ..settings()
    });
    test.take_calls();
    let oldest = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let short = test.post(Qos::AtLeastOnce, SECOND);
    test.now = test.now + SECOND;
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(
        test.outcomes(),
        [(short, Outcome::Expired)],
        "expired ones go first"
    );
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.outcomes(), [(oldest, Outcome::Displaced)]);

    let mut test = TestOffice::online(Settings {
        work_list: work_list(Overflow::Reject),
        ..settings()
    });
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let assignment = test.call().expect("a message");
    assert_eq!(
        assignment.room.accept, 1,
        "and for one more the answer is work-list-full"
    );
}

#[test]
fn the_qos_2_window_stays_below_what_a_broker_bears() {
    let mut test = TestOffice::online(one_guest());
    for _ in 0..QOS2_WINDOW + 5 {
        test.post(Qos::ExactlyOnce, TWO_HOURS);
    }
    let sent = test.publishes();
    assert_eq!(sent.len(), QOS2_WINDOW);
    let first = id_of(&sent[0]);
    test.receive(Incoming::PubRec(first));
    assert_eq!(
        test.packets(),
        [Outgoing::PubRel(first)],
        "a received one is still open"
    );
    test.receive(Incoming::PubComp(first));
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn a_window_full_of_expired_exchanges_is_cleared_by_a_new_session() {
    let mut test = TestOffice::online(one_guest());
    for _ in 0..QOS2_WINDOW {
        test.post(Qos::ExactlyOnce, SECOND);
    }
    test.publishes();
    test.pass(10 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Clogged));
    assert!(test.dial().clean_session);
    test.receive(Incoming::ConnAck {
        session_present: false,
    });
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn what_one_call_publishes_is_committed_when_it_has_succeeded() {
    let mut test = TestOffice::online(settings());
    let effects = |test: &mut TestOffice| {
        let letters = (0..2)
            .map(|_| test.letter(Qos::AtLeastOnce, TWO_HOURS))
            .collect();
        Effects {
            letters,
            ..Effects::default()
        }
    };
    test.deliver("a/x", Delivery::AtMostOnce, false);
    for failed in [
        Answer::Failed("a trap".into()),
        Answer::Retry("not now".into()),
    ] {
        effects(&mut test);
        assert!(matches!(
            test.call().map(|it| it.call),
            Some(Call::Message(_))
        ));
        test.answer(A, failed);
        assert_eq!(test.packets(), []);
    }
    test.pass(SECOND);
    let Some(Call::Message(message)) = test.call().map(|it| it.call) else {
        panic!("again")
    };
    assert!(message.duplicate);
    let kept = effects(&mut test);
    test.answer(A, Answer::Rejected("never".into(), kept));
    assert_eq!(test.publishes().len(), 2, "a rejected call may say why");
}

#[test]
fn a_ttl_counts_from_the_beginning_of_the_call() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    let letter = test.letter(Qos::AtLeastOnce, SECOND);
    let ticket = letter.ticket;
    test.now = test.now + SECOND;
    test.answer(
        A,
        Answer::Done(Effects {
            letters: [letter].into(),
            ..Effects::default()
        }),
    );
    assert_eq!(test.packets(), []);
    assert_eq!(test.outcomes(), [(ticket, Outcome::Expired)]);
}

#[test]
fn a_message_is_acknowledged_when_all_its_guests_have_taken_it() {
    let mut test = TestOffice::online(settings());
    test.deliver("both", Delivery::AtLeastOnce(id(7)), false);
    assert_eq!(test.packets(), []);
    let first = test.call().expect("a message");
    let second = test.call().expect("a message for the other");
    assert_ne!(first.guest, second.guest);
    assert_eq!(test.call(), None, "one call at a time");
    test.answer(first.guest, Answer::Done(Effects::default()));
    assert_eq!(test.packets(), []);
    test.answer(
        second.guest,
        Answer::Rejected("no".into(), Effects::default()),
    );
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
}

#[test]
fn a_qos_2_message_is_handed_over_once() {
    let mut test = TestOffice::online(kept_session());
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(test.take_calls().len(), 1);
    assert_eq!(test.packets(), [Outgoing::PubRec(id(7))]);
    test.lose_connection();
    test.connect(true);
    test.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(test.packets(), [Outgoing::PubRec(id(7))]);
    assert_eq!(test.take_calls(), []);
    test.receive(Incoming::PubRel(id(7)));
    assert_eq!(test.packets(), [Outgoing::PubComp(id(7))]);
}

#[test]
fn a_failing_message_is_given_up_after_three_retries() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtLeastOnce(id(7)), false);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = test.now;
        let mut assignment = test.call();
        while assignment.is_none() {
            test.now = test.office.next_timeout().expect("it is tried again");
            assignment = test.call();
        }
        pauses.push(test.now.since(before).as_millis());
        assert_eq!(test.packets(), []);
        test.answer(A, Answer::Failed("a trap".into()));
    }
    assert_eq!(pauses, [0, 0, 100, 200], "repeated failures back off");
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
    let given_up = |notice: &Notice| matches!(notice, Notice::GivenUp { guest: A, .. });
    assert_eq!(
        test.notices()
            .iter()
            .filter(|notice| given_up(notice))
            .count(),
        1
    );
}

#[test]
fn a_message_put_off_holds_back_messages_and_not_events() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/1", Delivery::AtMostOnce, false);
    test.deliver("a/2", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    let ticket = test.post(Qos::AtMostOnce, TWO_HOURS);
    test.publishes();
    test.answer(A, Answer::Retry("waiting for an outcome".into()));
    assert_eq!(test.outcomes(), [(ticket, Outcome::Delivered)]);
    assert_eq!(test.call(), None);
    test.pass(SECOND);
    let topics: Vec<_> = test
        .take_calls()
        .into_iter()
        .map(|(_, call)| match call {
            Call::Message(message) => message.topic.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(topics, ["a/1", "a/2"]);
}

#[test]
fn one_failing_guest_does_not_hold_back_another() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert_eq!(test.call().map(|it| it.guest), Some(A));
    test.deliver("b/x", Delivery::AtLeastOnce(id(9)), false);
    assert_eq!(test.call().map(|it| it.guest), Some(B));
    test.answer(B, Answer::Done(Effects::default()));
    assert_eq!(test.packets(), [Outgoing::PubAck(id(9))]);
}

#[test]
fn a_network_that_takes_no_acknowledgements_stops_the_reading() {
    let mut test = TestOffice::online(settings());
    let mut taken = 0;
    while test.office.wants_read() {
        taken += 1;
        test.deliver("a/x", Delivery::AtLeastOnce(id(taken)), false);
        test.take_calls();
        assert!(taken <= 1_000, "nothing buffers without bound");
    }
    assert_eq!(test.packets().len(), usize::from(taken));
    assert!(test.office.wants_read());
}

#[test]
fn keep_alive_goes_on_while_a_guest_is_at_a_call() {
    let mut test = TestOffice::online(settings());
    test.deliver("a/x", Delivery::AtMostOnce, false);
    assert!(test.call().is_some());
    for _ in 0..10 {
        test.pass(60 * SECOND);
        assert_eq!(test.packets(), [Outgoing::PingReq]);
        test.receive(Incoming::PingResp);
        assert_eq!(test.office.poll_close(), None);
    }
}

#[test]
fn a_silent_broker_is_given_up_within_one_and_a_half_keep_alives() {
    let mut test = TestOffice::online(settings());
    test.pass(60 * SECOND);
    assert_eq!(test.packets(), [Outgoing::PingReq]);
    test.pass(29 * SECOND);
    assert_eq!(test.office.poll_close(), None);
    test.pass(SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));
    assert_eq!(test.office.status(), Status::Offline);
}

#[test]
fn sending_alone_does_not_prove_that_the_broker_lives() {
    let mut test = TestOffice::online(settings());
    for _ in 0..6 {
        test.pass(10 * SECOND);
        test.post(Qos::AtMostOnce, TWO_HOURS);
        assert_eq!(test.office.poll_close(), None);
        let packets = test.packets();
        assert!(!packets.is_empty());
    }
    test.pass(30 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));
}

#[test]
fn a_refused_subscription_is_reported_once_and_tried_again() {
    let mut test = TestOffice::offline(settings());
    test.dial();
    test.receive(Incoming::ConnAck {
        session_present: false,
    });
    test.take_calls();
    let mut told = Vec::new();
    for granted in [false, false, true] {
        test.pass(30 * SECOND);
        let [Outgoing::Subscribe { id, filters }] = &test.packets()[..] else {
            panic!("SUBSCRIBE")
        };
        let verdict = |(filter, qos): &(std::sync::Arc<str>, Qos)| {
            (granted || &**filter != "a/+").then_some(*qos)
        };
        test.receive(Incoming::SubAck {
            id: *id,
            granted: filters.iter().map(verdict).collect(),
        });
        told.push(
            test.take_calls()
                .into_iter()
                .filter(|(guest, _)| *guest == A)
                .collect::<Vec<_>>(),
        );
        assert_eq!(test.office.poll_close(), None, "the connection stays");
    }
    let of = |filter: &str, granted| {
        (
            A,
            Call::Subscription {
                filter: filter.into(),
                granted,
            },
        )
    };
    let expect = [
        vec![of("a/+", false), of("both", true)],
        vec![],
        vec![of("a/+", true)],
    ];
    assert_eq!(told, expect);
}

#[test]
fn guests_are_asked_for_the_last_will_and_the_first_answer_counts() {
    let mut with_wills = settings();
    for guest in &mut with_wills.guests {
        guest.has_will = true;
    }
    let will = |topic: &str| LastWill {
        topic: topic.into(),
        payload: Payload::new("gone"),
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    with_wills.last_will = Some(will("configured"));
    let asked = |answers: [Option<LastWill>; 2]| {
        let mut test = TestOffice::offline(with_wills.clone());
        test.take_calls();
        test.pass(Duration::ZERO);
        for _ in 0..2 {
            let assignment = test.call().expect("both are asked");
            assert_eq!(assignment.call, Call::LastWill);
            test.answer(
                assignment.guest,
                Answer::Will(answers[assignment.guest.index()].clone()),
            );
        }
        test.dial().will.map(|will| will.topic.to_string())
    };
    assert_eq!(asked([Some(will("a")), Some(will("b"))]), Some("a".into()));
    assert_eq!(asked([None, Some(will("b"))]), Some("b".into()));
    assert_eq!(asked([None, None]), Some("configured".into()));
    assert_eq!(
        asked([Some(will("not/#")), None]),
        Some("configured".into())
    );
}

#[test]
fn a_guest_that_does_not_answer_does_not_keep_the_gateway_offline() {
    let mut with_will = settings();
    with_will.guests[0].has_will = true;
    let mut test = TestOffice::offline(with_will);
    assert!(test.call().is_some(), "busy with being told: offline");
    test.pass(Duration::ZERO);
    assert_eq!(test.office.poll_connect(test.now), None);
    test.pass(2 * SECOND);
    test.pass(Duration::ZERO);
    assert!(test.office.poll_connect(test.now).is_some());
}

#[test]
fn reconnecting_is_at_once_and_not_more_often_than_the_shortest_pause() {
    let mut test = TestOffice::online(settings());
    test.pass(10 * SECOND);
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    test.pass(Duration::ZERO);
    assert!(test.office.poll_connect(test.now).is_some());
    test.receive(Incoming::ConnAck {
        session_present: false,
    });
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    test.pass(SECOND - Duration::from_millis(1));
    assert_eq!(test.office.poll_connect(test.now), None);
    test.pass(Duration::from_millis(1));
    assert!(test.office.poll_connect(test.now).is_some());
}

#[test]
fn an_oversize_letter_is_refused_alone() {
    let mut test = TestOffice::online(Settings {
        max_packet_size: 10,
        ..settings()
    });
    let mut letter = test.letter(Qos::AtLeastOnce, TWO_HOURS);
    letter.payload = Payload::new([0; 10]);
    let ticket = letter.ticket;
    test.post_letter(A, letter);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.publishes().len(), 1);
    assert_eq!(test.outcomes(), [(ticket, Outcome::Refused)]);
    assert_eq!(test.office.poll_close(), None);
}

#[test]
fn a_broker_that_breaks_the_rules_is_left() {
    let mut test = TestOffice::offline(settings());
    test.dial();
    test.receive(Incoming::PingResp);
    assert!(matches!(
        test.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));

    let mut test = TestOffice::online(settings());
    test.receive(Incoming::ConnAck {
        session_present: false,
    });
    assert!(matches!(
        test.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));
}

#[test]
fn at_the_end_letters_go_out_and_messages_are_left_to_the_broker() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.office.handle_shutdown(test.now);
    test.deliver("a/x", Delivery::AtLeastOnce(id(1)), false);
    assert!(!test.office.is_finished(test.now));
    let publish = test.publish();
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert!(
        !test.office.is_finished(test.now),
        "its guest is to be told"
    );
    assert_eq!(test.outcomes(), [(ticket, Outcome::Delivered)]);
    assert!(test.office.is_finished(test.now));
    assert_eq!(test.packets(), [], "the message is not acknowledged");

    let mut test = TestOffice::online(settings());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.office.handle_shutdown(test.now);
    test.pass(SHUTDOWN_TIME);
    assert!(test.office.is_finished(test.now), "not for ever");
    assert_eq!(test.office.open_letters(), 1);
}

#[test]
fn a_local_message_needs_no_connection_and_no_acknowledgement() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let payload = Payload::new("x");
    test.office
        .handle_local_message(test.now, "both".into(), payload);
    let told: Vec<GuestId> = test
        .take_calls()
        .into_iter()
        .map(|(guest, _)| guest)
        .collect();
    assert_eq!(told, [A, B]);
    test.connect(false);
    assert_eq!(test.packets(), []);
}

#[test]
fn a_guest_that_was_replaced_does_not_wait_for_what_the_old_one_failed_at() {
    let mut test = TestOffice::online(settings());
    for (answer, calls) in [
        (Answer::Retry("later".into()), 1),
        (Answer::Failed("a trap".into()), 2),
    ] {
        test.deliver("a/x", Delivery::AtMostOnce, false);
        for _ in 0..calls {
            assert!(test.call().is_some());
            test.answer(A, answer.clone());
        }
        assert_eq!(test.call(), None, "it waits");
        test.office.handle_replaced(A);
        assert_eq!(test.take_calls().len(), 1);
    }
}

#[test]
fn the_backlog_is_what_is_not_over_yet() {
    let mut test = TestOffice::online(settings());
    assert_eq!(test.office.backlog(test.now), Backlog::default());
    test.deliver("both", Delivery::AtMostOnce, false);
    test.post(Qos::AtLeastOnce, SECOND);
    let mut expect = Backlog {
        letters: 1,
        messages: 2,
        events: 0,
        is_calling: true,
    };
    assert_eq!(test.office.backlog(test.now), expect);
    for guest in [A, B] {
        assert!(test.call().is_some());
        test.answer(guest, Answer::Retry("later".into()));
    }
    expect.is_calling = false;
    assert_eq!(test.office.backlog(test.now), expect, "nothing is due");
    test.pass(SECOND);
    let expired = Backlog {
        letters: 0,
        events: 1,
        is_calling: true,
        ..expect
    };
    assert_eq!(test.office.backlog(test.now), expired);
    test.take_calls();
    assert_eq!(test.office.backlog(test.now), Backlog::default());
}
