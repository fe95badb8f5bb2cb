//! What a broker of MQTT 5 allows, refuses and says at the end.

use std::time::Duration;

use jackalope::office::{
    Delivery, Disconnection, Incoming, Letter, Notice, OutcomeWord, Outgoing, Payload, Publish,
    Qos, Reason, Refusal, Terms, Time,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, id_of, kept_session, one_guest, settings,
};

const NOT_AUTHORIZED: Reason = Reason(0x87);
const SERVER_BUSY: Reason = Reason(0x89);
const SESSION_TAKEN_OVER: Reason = Reason(0x8e);
const PACKET_TOO_LARGE: Reason = Reason(0x95);
const USE_ANOTHER_SERVER: Reason = Reason(0x9c);
const SERVER_MOVED: Reason = Reason(0x9d);

/// Those of a broker that lets so many exchanges be open together.
fn receive_maximum(receive_maximum: usize) -> Terms {
    Terms {
        receive_maximum,
        ..Terms::default()
    }
}

fn online(terms: Terms) -> TestOffice {
    let mut test = TestOffice::offline(one_guest());
    test.connect_on(false, terms);
    test
}

fn refuse(test: &mut TestOffice, publish: &Publish, reason: Reason) {
    let delivery = publish.delivery;
    test.receive(Incoming::Refused { delivery, reason });
}

/// Has the broker acknowledge all there is of a letter.
fn acknowledge(test: &mut TestOffice, publish: &Publish) {
    match publish.delivery {
        Delivery::AtMostOnce => {}
        Delivery::AtLeastOnce(id) => test.receive(Incoming::PubAck(id)),
        Delivery::ExactlyOnce(id) => {
            test.receive(Incoming::PubRec(id));
            assert_eq!(test.packet(), Some(Outgoing::PubRel(id)));
            test.receive(Incoming::PubComp(id));
        }
    }
}

// ---- how much may be open ----

#[test]
fn the_receive_maximum_counts_exchanges_of_both_qualities_of_service() {
    let mut test = online(receive_maximum(5));
    for _ in 0..4 {
        test.post(Qos::AtLeastOnce, TWO_HOURS);
        test.post(Qos::ExactlyOnce, TWO_HOURS);
    }
    let open = test.publishes();
    assert_eq!(open.len(), 5);
    acknowledge(&mut test, &open[0]);
    acknowledge(&mut test, &open[1]);
    assert_eq!(test.publishes().len(), 2);
}

#[test]
fn a_message_that_is_not_acknowledged_needs_no_place() {
    let mut test = online(receive_maximum(1));
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..3 {
        test.post(Qos::AtMostOnce, TWO_HOURS);
    }
    assert_eq!(test.publishes().len(), 4);
}

#[test]
fn each_guest_has_its_share_of_the_receive_maximum() {
    let mut test = TestOffice::offline(settings());
    test.connect_on(false, receive_maximum(8));
    for _ in 0..20 {
        test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    }
    assert_eq!(test.publishes().len(), 6);
    for _ in 0..20 {
        test.post_by(B, Qos::ExactlyOnce, TWO_HOURS);
    }
    assert_eq!(test.publishes().len(), 2);
}

#[test]
fn a_receive_maximum_that_shrinks_lets_nothing_new_begin_until_there_is_room() {
    let mut test = TestOffice::online(kept_session());
    for _ in 0..10 {
        test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    }
    let before = test.publishes();
    assert_eq!(before.len(), 10);
    test.lose_connection();
    test.connect_on(true, receive_maximum(4));
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    let mut rounds = Vec::new();
    while test.office.open_letters() > 0 {
        let sent = test.publishes();
        rounds.push(sent.iter().filter(|it| it.duplicate).count());
        // Six are open when the second round begins: too many for a new one.
        let new = usize::from(rounds.len() == 3);
        assert_eq!(sent.len() - rounds[rounds.len() - 1], new, "{rounds:?}");
        for publish in &sent {
            acknowledge(&mut test, publish);
        }
    }
    assert_eq!(rounds, [4, 4, 2]);
}

#[test]
fn what_is_sent_again_counts_as_well() {
    let mut test = TestOffice::online(one_guest());
    for _ in 0..10 {
        test.post(Qos::ExactlyOnce, TWO_HOURS);
    }
    let before = test.publishes();
    test.lose_connection();
    test.connect_on(true, receive_maximum(3));
    let again = test.publishes();
    assert_eq!(again, {
        let again = before[..3].iter().cloned();
        let duplicate = |publish| Publish {
            duplicate: true,
            ..publish
        };
        again.map(duplicate).collect::<Vec<_>>()
    });
    acknowledge(&mut test, &again[0]);
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn exchanges_that_nothing_ends_cost_a_session_and_no_more() {
    let mut test = online(receive_maximum(3));
    for _ in 0..3 {
        test.post(Qos::ExactlyOnce, SECOND);
    }
    assert_eq!(test.publishes().len(), 3);
    test.pass(2 * SECOND);
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.publishes(), []);
    test.pass(20 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Clogged));
    assert!(test.dial().clean_session);
}

// ---- what may be sent ----

#[track_caller]
fn expect_refused(terms: Terms, qos: Qos, retain: bool, payload: usize, refusal: Refusal) {
    let mut test = online(terms);
    let letter = Letter {
        payload: Payload::new(vec![0; payload]),
        retain,
        ..test.letter(qos, TWO_HOURS)
    };
    let ticket = letter.ticket;
    test.post_letter(A, letter);
    assert_eq!(test.packets(), []);
    let notice = |notice: &Notice| match notice {
        Notice::LetterRefused {
            ticket: refused,
            refusal: why,
            ..
        } => *refused == ticket && *why == refusal,
        _ => false,
    };
    assert!(test.notices().iter().any(notice));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Refused)]);
}

#[test]
fn what_the_broker_does_not_take_is_refused_and_said_so() {
    let terms = Terms::default;
    let max_packet_size = Terms {
        max_packet_size: 100,
        properties: 6,
        ..terms()
    };
    // Two bytes of header, of the length of the topic and of the packet id each,
    // three of the topic, and the properties.
    let (size, max) = (101, 100);
    let too_large = Refusal::TooLarge { size, max };
    let payload = size - 2 - 2 - 2 - 3 - 6;
    expect_refused(max_packet_size, Qos::AtLeastOnce, false, payload, too_large);

    let max_qos = Terms {
        max_qos: Qos::AtLeastOnce,
        ..terms()
    };
    let refusal = Refusal::MaxQos(Qos::AtLeastOnce);
    expect_refused(max_qos, Qos::ExactlyOnce, false, 1, refusal);

    let retain_available = Terms {
        retain_available: false,
        ..terms()
    };
    expect_refused(retain_available, Qos::AtMostOnce, true, 1, Refusal::Retain);
}

#[test]
fn what_the_broker_takes_is_sent() {
    let mut test = online(Terms {
        max_packet_size: 100,
        properties: 6,
        max_qos: Qos::AtLeastOnce,
        retain_available: false,
        ..Terms::default()
    });
    let letter = Letter {
        payload: Payload::new([0; 100 - 2 - 2 - 2 - 3 - 6]),
        ..test.letter(Qos::AtLeastOnce, TWO_HOURS)
    };
    test.post_letter(A, letter);
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn the_terms_are_those_of_the_connection_at_hand() {
    let mut test = online(Terms {
        max_qos: Qos::AtMostOnce,
        ..Terms::default()
    });
    test.lose_connection();
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    test.connect(false);
    assert_eq!(test.publishes().len(), 1);
}

/// A letter that was accepted, and perhaps sent, on a connection without limits, when
/// the next one has these terms.
#[track_caller]
fn refused_after(terms: Terms, qos: Qos, is_sent: bool, session_present: bool, refusal: Refusal) {
    let mut test = TestOffice::online(one_guest());
    let letter = Letter {
        payload: Payload::new([0; 200]),
        retain: true,
        ..test.letter(qos, TWO_HOURS)
    };
    let ticket = letter.ticket;
    if is_sent {
        test.post_letter(A, letter);
        let dispatch = test.hand_out();
        assert!(dispatch.is_some_and(|it| matches!(it.packet, Outgoing::Publish(_))));
        test.lose_connection();
    } else {
        test.lose_connection();
        test.post_letter(A, letter);
    }
    test.connect_on(session_present, terms);
    assert_eq!(test.packets(), [], "{refusal}");
    let notice = |notice: &Notice| matches!(notice, Notice::LetterRefused { refusal: why, .. } if *why == refusal);
    assert!(test.notices().iter().any(notice), "{refusal}");
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Refused)]);
    // It takes no place, and its guest is not held up.
    let next = Letter {
        payload: Payload::new("x"),
        ..test.letter(Qos::AtMostOnce, TWO_HOURS)
    };
    test.post_letter(A, next);
    assert_eq!(test.publishes().len(), 1);
    assert_eq!(test.office.poll_close(), None);
}

#[test]
fn what_was_accepted_under_other_terms_is_refused_under_new_ones() {
    let (size, max) = (2 + 1 + 2 + 3 + 2 + 200 + 6, 100);
    let too_large = Refusal::TooLarge { size, max };
    for (is_sent, session_present) in [(false, false), (false, true), (true, false), (true, true)] {
        let max_packet_size = Terms {
            max_packet_size: max,
            properties: 6,
            ..Terms::default()
        };
        let max_qos = |max_qos| Terms {
            max_qos,
            ..Terms::default()
        };
        let no_retain = Terms {
            retain_available: false,
            ..Terms::default()
        };
        let at_least_once = Refusal::MaxQos(Qos::AtLeastOnce);
        let at_most_once = Refusal::MaxQos(Qos::AtMostOnce);
        for (terms, qos, refusal) in [
            (max_packet_size, Qos::AtLeastOnce, too_large),
            (max_qos(Qos::AtLeastOnce), Qos::ExactlyOnce, at_least_once),
            (max_qos(Qos::AtMostOnce), Qos::AtLeastOnce, at_most_once),
            (no_retain, Qos::ExactlyOnce, Refusal::Retain),
        ] {
            refused_after(terms, qos, is_sent, session_present, refusal);
        }
    }
}

#[test]
fn an_exchange_that_the_broker_has_received_goes_on_under_any_terms() {
    let mut test = TestOffice::online(one_guest());
    let ticket = test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packet(), Some(Outgoing::PubRel(id)));
    test.lose_connection();
    test.connect_on(
        true,
        Terms {
            max_qos: Qos::AtMostOnce,
            ..Terms::default()
        },
    );
    assert_eq!(test.packets(), [Outgoing::PubRel(id)]);
    test.receive(Incoming::PubComp(id));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
}

// ---- what is refused ----

#[test]
fn a_letter_that_the_broker_refuses_is_over() {
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut test = online(receive_maximum(1));
        let ticket = test.post(qos, TWO_HOURS);
        let next = test.post(qos, TWO_HOURS);
        let publish = test.publish();
        refuse(&mut test, &publish, NOT_AUTHORIZED);
        assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Refused)]);
        let refusal = Refusal::Broker(NOT_AUTHORIZED);
        let notice = |notice: &Notice| matches!(notice, Notice::LetterRefused { refusal: why, .. } if *why == refusal);
        assert!(test.notices().iter().any(notice));
        // Its exchange is over, too: there is no PUBREL, and its place is free.
        let publish = test.publish();
        acknowledge(&mut test, &publish);
        assert_eq!(test.outcomes(), [(next, OutcomeWord::Delivered)]);
        assert_eq!(test.packets(), []);
    }
}

#[test]
fn a_refusal_ends_the_exchange_of_a_letter_that_has_expired() {
    let mut test = online(receive_maximum(1));
    test.post(Qos::ExactlyOnce, SECOND);
    let publish = test.publish();
    test.pass(2 * SECOND);
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    assert_eq!(test.publishes(), []);
    refuse(&mut test, &publish, NOT_AUTHORIZED);
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn a_refusal_of_nothing_is_unexpected() {
    let mut test = online(Terms::default());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.notices();
    let delivery = Delivery::ExactlyOnce(id);
    let reason = NOT_AUTHORIZED;
    test.receive(Incoming::Refused { delivery, reason });
    assert_eq!(test.notices(), [Notice::Unexpected { packet: "refusal" }]);
    test.receive(Incoming::PubAck(id));
    assert_eq!(test.outcomes().len(), 1);
}

#[test]
fn letters_for_which_the_broker_has_no_room_are_sent_again_later_in_their_order() {
    let mut test = online(Terms::default());
    let tickets = [(); 3].map(|()| test.post(Qos::AtLeastOnce, TWO_HOURS));
    let first = test.publishes();
    let behind = test.post(Qos::AtLeastOnce, TWO_HOURS);
    acknowledge(&mut test, &first[1]);
    refuse(&mut test, &first[0], Reason::QUOTA_EXCEEDED);
    refuse(&mut test, &first[2], Reason::QUOTA_EXCEEDED);
    assert_eq!(test.outcomes(), [(tickets[1], OutcomeWord::Delivered)]);
    assert_eq!(test.publishes(), [], "it waits");
    let until = test.office.next_timeout().expect("it is sent again");
    assert!(until <= test.now + SECOND);
    test.pass(SECOND);
    let again = test.publishes();
    let topics = again.iter().map(|it| &*it.topic).collect::<Vec<_>>();
    assert_eq!(topics, ["t/1", "t/3", "t/4"]);
    assert!(again.iter().all(|it| !it.duplicate));
    for publish in &again {
        acknowledge(&mut test, publish);
    }
    let delivered = [tickets[0], tickets[2], behind].map(|it| (it, OutcomeWord::Delivered));
    assert_eq!(test.outcomes(), delivered);
}

#[test]
fn a_letter_for_which_there_is_never_room_expires() {
    let mut test = online(Terms::default());
    let ticket = test.post(Qos::ExactlyOnce, 60 * SECOND);
    let mut tries = 0;
    while test.office.open_letters() > 0 {
        for publish in test.publishes() {
            tries += 1;
            refuse(&mut test, &publish, Reason::QUOTA_EXCEEDED);
        }
        test.pass(Duration::from_millis(500));
    }
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
    // At 0, 1, 3, 7, 15 and 31 s.
    assert_eq!(tries, 6);
}

#[test]
fn one_guest_without_room_does_not_hold_back_another() {
    let mut test = TestOffice::online(settings());
    test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    refuse(&mut test, &publish, Reason::QUOTA_EXCEEDED);
    test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.topics(), ["t/3"]);
}

// ---- the connection ----

/// Has the broker end the connection, and returns how long the gateway waits.
#[track_caller]
fn end(test: &mut TestOffice, reason: Reason) -> Duration {
    test.notices();
    test.receive(Incoming::Disconnect(reason, None));
    let ended = Disconnection::Ended(reason);
    assert_eq!(test.office.poll_close(), Some(ended.clone()));
    let mut notices = test.notices().into_iter();
    let next_try: Option<Time> = notices.find_map(|notice| match notice {
        Notice::Offline {
            reason, next_try, ..
        } if reason == ended => next_try,
        _ => None,
    });
    next_try.expect("it is tried again").since(test.now)
}

/// Has the broker refuse the connection, and returns how long the gateway waits.
#[track_caller]
fn refuse_connection(reason: Disconnection) -> Duration {
    let mut test = TestOffice::offline(one_guest());
    test.dial();
    test.office.handle_disconnected(test.now, reason);
    let mut notices = test.notices().into_iter();
    let next_try = notices.find_map(|notice| match notice {
        Notice::Offline { next_try, .. } => next_try,
        _ => None,
    });
    next_try.expect("it is tried again").since(test.now)
}

#[test]
fn the_pause_is_as_long_as_the_reason_asks_for() {
    let (at_once, patient, stranger) = (
        [SECOND, SECOND],
        [4 * SECOND, 8 * SECOND],
        [15 * SECOND, 30 * SECOND],
    );
    for (reason, [least, most]) in [
        (Reason::UNSPECIFIED, at_once),
        (SERVER_BUSY, patient),
        (Reason::QUOTA_EXCEEDED, patient),
        (USE_ANOTHER_SERVER, patient),
        (SESSION_TAKEN_OVER, stranger),
        (SERVER_MOVED, stranger),
    ] {
        let mut test = online(Terms::default());
        let ended = end(&mut test, reason);
        let refused = refuse_connection(Disconnection::Refused(reason.0));
        for pause in [ended, refused] {
            assert!(least <= pause && pause <= most, "{reason}: {pause:?}");
        }
    }
}

#[test]
fn another_broker_that_is_named_is_named_in_the_log() {
    let server = || "other.example:1883".into();
    let mut test = online(Terms::default());
    test.receive(Incoming::Disconnect(SERVER_MOVED, Some(server())));
    let elsewhere = Disconnection::Elsewhere(SERVER_MOVED, server());
    assert_eq!(test.office.poll_close(), Some(elsewhere.clone()));
    assert_eq!(
        elsewhere.to_string(),
        "the broker does not want this gateway: server moved (0x9d); it names the server \
         \"other.example:1883\""
    );
    assert!(refuse_connection(elsewhere) >= 15 * SECOND);
}

#[test]
fn a_letter_after_which_the_broker_ends_the_connection_is_refused_in_the_end() {
    let mut test = TestOffice::online(kept_session());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let mut outcomes = Vec::new();
    for _ in 0..4 {
        assert_eq!(test.publishes().len(), 1);
        end(&mut test, PACKET_TOO_LARGE);
        outcomes.extend(test.outcomes());
        test.connect(true);
    }
    assert_eq!(outcomes, [(ticket, OutcomeWord::Refused)]);
}

#[test]
fn a_letter_is_not_to_blame_when_the_broker_stops() {
    let mut test = TestOffice::online(kept_session());
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..10 {
        assert_eq!(test.publishes().len(), 1);
        end(&mut test, SERVER_BUSY);
        test.connect(true);
    }
}

#[test]
fn the_version_of_a_broker_is_no_failure() {
    let mut test = TestOffice::offline(one_guest());
    test.dial();
    let reason = Disconnection::Version;
    test.office.handle_disconnected(test.now, reason);
    let begun = test.now;
    test.dial();
    assert_eq!(test.now, begun, "it is tried again at once");
}

#[test]
fn the_keep_alive_is_the_one_that_the_broker_wants() {
    let keep_alive = |secs| Terms {
        keep_alive: Some(secs * SECOND),
        ..Terms::default()
    };
    let mut test = online(keep_alive(5));
    test.pass(5 * SECOND);
    assert_eq!(test.packets(), [Outgoing::PingReq]);
    test.pass(5 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Unresponsive));

    test.connect_on(true, keep_alive(0));
    test.pass(TWO_HOURS);
    assert_eq!(test.packets(), []);
    assert_eq!(test.office.poll_close(), None);

    // On the next connection it is the gateway's own again.
    test.lose_connection();
    test.connect(true);
    test.pass(60 * SECOND);
    assert_eq!(test.packets(), [Outgoing::PingReq]);
}

#[test]
fn what_the_broker_has_called_the_gateway_it_is_called_for_good() {
    let mut test = TestOffice::offline(settings());
    assert_eq!(test.dial().client_id, None);
    test.receive(Incoming::ConnAck {
        session_present: false,
        terms: Terms {
            client_id: Some("given".into()),
            ..Terms::default()
        },
    });
    for _ in 0..2 {
        test.lose_connection();
        assert_eq!(test.dial().client_id.as_deref(), Some("given"));
    }
}
