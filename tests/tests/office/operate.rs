//! What an operator asks of the office and orders it to do.

use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    CONTROL_PERMISSIONS, Call, Cancel, Incoming, NotAccepted, NotCancelled, NotHanded, Operate,
    Origin, Outcome, Outgoing, Overflow, Payload, Permissions, Qos, Rule, Settings, Standing,
    Ticket, WorkListSettings, topic::TopicError,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id_of, kept_session, settings, with_work_list,
};

#[test]
fn what_waits_and_what_flies_is_told_apart() {
    let mut test = TestOffice::online(settings());
    let sent = test.post(Qos::AtLeastOnce, 10 * SECOND);
    test.publish();
    test.pass(2 * SECOND);
    let waiting = test.post(Qos::AtMostOnce, 10 * SECOND);
    let other = test.post_by(B, Qos::ExactlyOnce, TWO_HOURS);

    let letters: Vec<_> = test.office.letters(test.now, A).collect();
    let [first, second] = &letters[..] else {
        panic!("not two letters: {letters:?}");
    };
    assert_eq!(
        (first.ticket, first.is_in_flight, first.tries),
        (sent, true, 1)
    );
    assert_eq!((first.age, first.left), (Some(2 * SECOND), 8 * SECOND));
    assert_eq!(
        (&*first.topic, first.size, first.qos),
        ("t/1", 1, Qos::AtLeastOnce)
    );
    assert_eq!(
        (second.ticket, second.is_in_flight, second.tries),
        (waiting, false, 0)
    );
    let of_b: Vec<_> = test.office.letters(test.now, B).collect();
    assert_eq!(of_b.len(), 1);
    assert_eq!((of_b[0].ticket, of_b[0].guest), (other, B));

    let standing = test.office.standing(A);
    assert_eq!((standing.letters, standing.in_flight), (2, 1));
    test.lose_connection();
    let standing = test.office.standing(A);
    assert_eq!(
        (standing.letters, standing.in_flight),
        (2, 0),
        "nothing flies"
    );
    assert!(
        test.office
            .letters(test.now, A)
            .all(|letter| !letter.is_in_flight)
    );
}

#[test]
fn tries_are_counted_over_connections() {
    let mut test = TestOffice::online(settings());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    for tries in 1..=3 {
        test.publish();
        let letter = test.office.letters(test.now, A).next();
        assert_eq!(letter.map(|letter| letter.tries), Some(tries));
        test.lose_connection();
        test.connect(false);
    }
}

#[test]
fn how_a_guest_is_doing() {
    let mut test = TestOffice::online(settings());
    assert_eq!(test.office.standing(A), Standing::default());
    test.deliver("a/1", jackalope::office::Delivery::AtMostOnce, false);
    test.post(Qos::AtMostOnce, SECOND);
    test.publish();
    let standing = test.office.standing(A);
    assert_eq!((standing.messages, standing.outcomes), (1, 1));
    let call = test.call().expect("there is a message");
    assert!(test.office.standing(A).is_at_call);
    test.answer(call.guest, jackalope::office::Answer::Failed("trap".into()));
    let standing = test.office.standing(A);
    assert_eq!((standing.is_at_call, standing.failures), (false, 1));
}

#[test]
fn a_cancelled_letter_is_never_sent_and_its_time_is_over() {
    let mut test = TestOffice::offline(settings());
    let cancelled = test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    let expired = Outcome::Expired { sent: false };
    let answer = test.office.handle_cancel(test.now, cancelled);
    assert_eq!(answer, Ok(expired));
    assert_eq!(test.outcomes(), [(cancelled, expired.word())]);
    let again = test.office.handle_cancel(test.now, cancelled);
    assert_eq!(again, Err(NotCancelled::Unknown));
    test.connect(false);
    assert_eq!(test.topics(), ["t/2"]);
}

#[test]
fn what_is_under_way_is_not_called_back() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut test = TestOffice::online(settings());
        let ticket = test.post(qos, TWO_HOURS);
        let dispatch = test.hand_out().expect("a letter is due");
        let cancelled = test.office.handle_cancel(test.now, ticket);
        assert_eq!(cancelled, Err(NotCancelled::InFlight), "{qos:?}");
        test.write(&dispatch);
        assert_eq!(
            test.office.open_letters(),
            usize::from(qos != Qos::AtMostOnce)
        );
    }
}

#[test]
fn what_was_sent_on_an_earlier_connection_is_not_sent_again() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        for is_kept in [false, true] {
            let mut test = TestOffice::online(kept_session());
            let ticket = test.post(qos, TWO_HOURS);
            test.publish();
            test.lose_connection();
            let expired = Outcome::Expired { sent: true };
            let answer = test.office.handle_cancel(test.now, ticket);
            assert_eq!(answer, Ok(expired));
            assert_eq!(test.outcomes(), [(ticket, expired.word())]);
            test.connect(is_kept);
            assert_eq!(test.packets(), [], "{qos:?}, {is_kept}");
        }
    }
}

#[test]
fn a_cancelled_exchange_of_qos_2_is_not_completed_in_a_kept_session() {
    let mut test = TestOffice::online(kept_session());
    let ticket = test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [Outgoing::PubRel(id)]);
    test.lose_connection();
    let expired = Outcome::Expired { sent: true };
    let answer = test.office.handle_cancel(test.now, ticket);
    assert_eq!(answer, Ok(expired));
    test.connect(true);
    assert_eq!(test.packets(), [], "a broker delivers at PUBREL");
}

#[test]
fn a_submitted_letter_is_held_against_the_rules_for_guests() {
    let work_list = WorkListSettings {
        max: 1,
        max_bytes: 2 << 20,
        overflow: Overflow::Reject,
    };
    let mut test = TestOffice::offline(with_work_list(work_list, settings()));
    let mut submit = |change: &dyn Fn(&mut jackalope::office::Letter)| {
        let mut letter = test.letter(Qos::AtLeastOnce, SECOND);
        change(&mut letter);
        test.office.submit(test.now, A, letter)
    };
    let wildcard = submit(&|letter| letter.topic = "a/+".into());
    assert_eq!(wildcard, Err(NotAccepted::Topic(TopicError::Wildcard)));
    let tag = submit(&|letter| letter.tag = Some("x".repeat(257).into()));
    assert_eq!(tag, Err(NotAccepted::Tag));
    let ttl = submit(&|letter| letter.ttl = Duration::ZERO);
    assert_eq!(ttl, Err(NotAccepted::Ttl));
    let large = submit(&|letter| letter.payload = Payload::new(vec![0; 1 << 20]));
    let Err(NotAccepted::TooLarge(max)) = large else {
        panic!("accepted or refused for another reason: {large:?}");
    };
    let larger = submit(&|letter| letter.payload = Payload::new(vec![0; max + 1]));
    assert_eq!(larger, Err(NotAccepted::TooLarge(max)));
    let largest = submit(&|letter| letter.payload = Payload::new(vec![0; max]));
    assert_eq!(largest, Ok(()));
    assert_eq!(submit(&|_| ()), Err(NotAccepted::Full));
}

#[test]
fn nothing_is_taken_while_the_gateway_stops() {
    let mut test = TestOffice::online(settings());
    test.office.handle_shutdown(test.now);
    let letter = test.letter(Qos::AtLeastOnce, SECOND);
    let submitted = test.office.submit(test.now, A, letter);
    assert_eq!(submitted, Err(NotAccepted::Stopping));
    let handed = test
        .office
        .handle_message_for(test.now, A, "a/1".into(), Payload::new("x"));
    assert_eq!(handed, Err(NotHanded::Stopping));
    let ticket = Ticket(77);
    let cancelled = test.office.handle_cancel(test.now, ticket);
    assert_eq!(cancelled, Err(NotCancelled::Unknown));
}

#[test]
fn a_message_for_one_guest_goes_to_it_alone() {
    let mut test = TestOffice::offline(settings());
    test.take_calls();
    let mut send = |guest, topic: &str| {
        let payload = Payload::new("x");
        let handed = test
            .office
            .handle_message_for(test.now, guest, topic.into(), payload);
        (handed, test.take_calls())
    };
    let (handed, calls) = send(B, "both");
    assert_eq!(handed, Ok(()));
    let [(B, Call::Message(message))] = &calls[..] else {
        panic!("not one message for one guest: {calls:?}");
    };
    assert_eq!(&*message.topic, "both");
    assert_eq!(message.origin, Origin::Gateway);
    assert_eq!(send(A, "b/1"), (Err(NotHanded::NotSubscribed), vec![]));
    let wildcard = NotHanded::Topic(TopicError::Wildcard);
    assert_eq!(send(A, "a/+"), (Err(wildcard), vec![]));
}

#[test]
fn a_guest_with_too_many_messages_gets_no_more() {
    let mut test = TestOffice::offline(settings());
    let handed = (0..2_000).map(|_| {
        let payload = Payload::new("x");
        test.office
            .handle_message_for(test.now, A, "a/1".into(), payload)
    });
    let handed: Vec<_> = handed.collect();
    assert_eq!(handed.iter().filter(|it| it.is_ok()).count(), 1_000);
    assert_eq!(handed.last(), Some(&Err(NotHanded::Full)));
    assert_eq!(test.office.standing(A).messages, 1_000);
}

/// The same guests, of whom the second one may operate the gateway like this.
fn operated(operate: Operate) -> Settings {
    let mut settings = settings();
    let may = Permissions {
        operate,
        ..Permissions::default()
    };
    settings.guests[1].permissions = Some(Arc::new(may));
    settings
}

#[test]
fn who_may_call_back_his_own_letters_calls_back_no_others() {
    let own = Operate {
        cancel: Cancel::Own,
        ..Operate::default()
    };
    for (operate, is_permitted) in [(Operate::default(), true), (own, false)] {
        let mut test = TestOffice::offline(operated(operate));
        let of_other = test.post(Qos::AtLeastOnce, TWO_HOURS);
        let own = test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
        let mut cancel = |ticket| test.office.submit_cancel(test.now, Some(B), ticket);
        let expired = Outcome::Expired { sent: false };
        assert_eq!(cancel(own), Ok(expired));
        assert_eq!(cancel(own), Err(NotCancelled::Unknown));
        let expect = match is_permitted {
            true => Ok(expired),
            false => Err(NotCancelled::NotPermitted(Rule::Cancel)),
        };
        assert_eq!(cancel(of_other), expect);
        assert_eq!(test.office.open_letters(), usize::from(!is_permitted));
        // Who is known as nobody may do everything.
        let all = test.office.submit_cancel(test.now, None, of_other);
        assert_eq!(all.is_ok(), !is_permitted);
    }
}

#[test]
fn messages_for_guests_have_topics_that_are_permitted() {
    let filters = |filters: &[&str]| Operate {
        send: Some(filters.iter().map(|it| it.parse().unwrap()).collect()),
        ..Operate::default()
    };
    let wildcard = || Err(NotHanded::Topic(TopicError::Wildcard));
    let refused = |topic: &str| Err(NotHanded::NotPermitted(Rule::Send(topic.into())));
    for (operate, topic, expect) in [
        (Operate::default(), "a/1", Ok(())),
        (filters(&["a/+"]), "a/1", Ok(())),
        (filters(&["a/+"]), "both", refused("both")),
        (filters(&["a/+"]), "a/1/2", refused("a/1/2")),
        (filters(&["a/+"]), "a/+", wildcard()),
        (filters(&["#"]), "#", wildcard()),
        (filters(&[]), "a/1", refused("a/1")),
    ] {
        let mut test = TestOffice::offline(operated(operate));
        test.take_calls();
        let payload = Payload::new("x");
        let handed = test
            .office
            .submit_message(test.now, Some(B), A, topic.into(), payload);
        assert_eq!(test.take_calls().len(), usize::from(handed.is_ok()));
        assert_eq!(handed, expect, "{topic}");
    }
}

#[test]
fn messages_go_to_guests_that_are_permitted() {
    let refused = |rule| Err(NotHanded::NotPermitted(rule));
    let to = |name: &str| refused(Rule::SendTo(name.into()));
    for (names, expect_a, expect_b) in [
        (None, Ok(()), Ok(())),
        (Some(&["first"][..]), Ok(()), to("second")),
        (Some(&["first", "second"]), Ok(()), Ok(())),
        (
            Some(&["First", "firs", "nobody"]),
            to("first"),
            to("second"),
        ),
        (Some(&[]), to("first"), to("second")),
    ] {
        let mut settings = operated(Operate {
            send: Some(vec!["both".parse().unwrap()]),
            send_to: names.map(|it| it.iter().map(|name| (*name).to_owned()).collect()),
            ..Operate::default()
        });
        settings.guests[0].name = "first".into();
        settings.guests[1].name = "second".into();
        let mut test = TestOffice::offline(settings);
        let mut send = |guest, topic: &str| {
            let payload = Payload::new("x");
            let office = &mut test.office;
            office.submit_message(test.now, Some(B), guest, topic.into(), payload)
        };
        // Both rules hold.
        let topic = expect_a
            .clone()
            .and_then(|()| refused(Rule::Send("a/1".into())));
        assert_eq!(send(A, "a/1"), topic, "{names:?}");
        assert_eq!(send(A, "both"), expect_a, "{names:?}");
        assert_eq!(send(B, "both"), expect_b, "{names:?}");
    }
}

#[test]
fn what_may_not_be_done_from_outside_names_its_rule() {
    for (rule, text) in [
        (Rule::Cancel, "cancel` does not allow letters of guests"),
        (
            Rule::Send("a".into()),
            "send` does not allow the topic \"a\"",
        ),
        (
            Rule::SendTo("a".into()),
            "send-to` does not allow the guest \"a\"",
        ),
        (Rule::Reload, "reload` is false"),
        (Rule::Payloads, "payloads` is false"),
    ] {
        let expect = format!("`control-permissions.{text}");
        assert_eq!(rule.in_table(CONTROL_PERMISSIONS).to_string(), expect);
    }
}
