//! What the network makes of a packet that was handed out: it is written, lost
//! with the connection, or recalled because it has expired before.

use std::time::Duration;

use jackalope::office::{
    Incoming, Notice, OutcomeWord, Outgoing, Outlook, QOS1_WINDOW, QOS2_WINDOW, Qos,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, connack, id_of, kept_session, one_guest, settings,
    with_room_for,
};

/// A thousand bytes a second, and five seconds until what is written now arrives.
const SLOW: Outlook = Outlook {
    ahead: 5_000,
    pace: Some(1_000),
};

#[test]
fn a_qos_0_letter_is_delivered_when_it_is_written() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtMostOnce, TWO_HOURS);
    let letter = test.hand_out().expect("a letter");
    assert_eq!(test.outcomes(), []);
    test.write(&letter);
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
}

#[test]
fn a_qos_0_letter_that_was_not_written_goes_out_on_the_next_connection() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtMostOnce, TWO_HOURS);
    test.hand_out().expect("a letter");
    test.lose_connection();
    assert_eq!(test.outcomes(), []);
    test.connect(false);
    assert_eq!(test.topics(), ["t/1"]);
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
}

#[test]
fn a_qos_0_letter_that_was_begun_is_delivered_by_an_end_in_good_order() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtMostOnce, TWO_HOURS);
    let begun = test.hand_out().expect("a letter");
    test.office.handle_reconnect(test.now);
    test.write(&begun);
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
    test.connect(false);
    assert_eq!(test.packets(), []);
}

#[test]
fn a_qos_0_letter_that_is_displaced_before_it_is_written_has_one_outcome() {
    let mut test = TestOffice::online(with_room_for(1, settings()));
    let older = test.post(Qos::AtMostOnce, TWO_HOURS);
    let letter = test.hand_out().expect("a letter");
    let younger = test.post(Qos::AtMostOnce, TWO_HOURS);
    assert_eq!(test.outcomes(), [(older, OutcomeWord::Displaced)]);
    test.write(&letter);
    assert_eq!(test.outcomes(), []);
    assert_eq!(test.topics(), ["t/2"]);
    assert_eq!(test.outcomes(), [(younger, OutcomeWord::Delivered)]);
}

#[test]
fn a_recalled_letter_frees_its_place_and_its_id() {
    for (qos, window) in [
        (Qos::AtLeastOnce, QOS1_WINDOW),
        (Qos::ExactlyOnce, QOS2_WINDOW),
    ] {
        let mut test = TestOffice::online(with_room_for(200, one_guest()));
        for _ in 1..window {
            test.post(qos, 50 * TWO_HOURS);
        }
        assert_eq!(test.publishes().len(), window - 1);
        let ticket = test.post(qos, SECOND);
        let recalled = test.hand_out().expect("the last that may go");
        let Outgoing::Publish(publish) = &recalled.packet else {
            panic!("{recalled:?}")
        };
        let freed = id_of(publish);
        test.post(qos, 50 * TWO_HOURS);
        assert_eq!(test.hand_out(), None, "the window is full");
        test.now = test.now + SECOND;
        test.recall(&recalled);
        assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
        let mut next = id_of(&test.publish());

        let mut ids = 0;
        while next != freed {
            ids += 1;
            assert!(ids < u16::MAX, "the id is not free");
            test.acknowledge(qos, Some(next));
            test.post(qos, TWO_HOURS);
            next = id_of(&test.publish());
            test.take_calls();
            test.take_notices();
        }
    }
}

#[test]
fn a_recalled_pubrel_is_never_sent() {
    let mut test = TestOffice::online(kept_session());
    let ticket = test.post(Qos::ExactlyOnce, 5 * SECOND);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    let recalled = test.hand_out().expect("PUBREL");
    assert_eq!(recalled.packet, Outgoing::PubRel(id));
    assert_eq!(recalled.expires, Some(test.now + 5 * SECOND));
    test.now = test.now + 5 * SECOND;
    test.recall(&recalled);
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), []);
    assert!(!has_unexpected(&mut test));
    test.receive(Incoming::PubComp(id));
    assert!(has_unexpected(&mut test), "PUBREL was not sent");
    test.lose_connection();
    test.connect(true);
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), []);
}

#[test]
fn a_recalled_duplicate_keeps_its_id() {
    for (qos, acknowledgement) in [
        (Qos::AtLeastOnce, Incoming::PubAck as fn(_) -> _),
        (Qos::ExactlyOnce, Incoming::PubRec),
    ] {
        let mut test = TestOffice::online(kept_session());
        test.post(qos, 60 * SECOND);
        let id = id_of(&test.publish());
        test.lose_connection();
        test.connect(true);
        let again = test.hand_out().expect("the letter, again");
        test.now = test.now + 60 * SECOND;
        test.recall(&again);
        test.receive(acknowledgement(id));
        assert!(!has_unexpected(&mut test), "the broker may have the first");
        assert_eq!(test.packets(), []);
    }
}

#[test]
fn what_would_come_too_late_waits_and_holds_back_its_own_guest_alone() {
    let mut test = TestOffice::online(settings());
    test.post_by(A, Qos::AtLeastOnce, 3 * SECOND);
    test.post_by(A, Qos::AtLeastOnce, 60 * SECOND);
    test.post_by(B, Qos::AtLeastOnce, 60 * SECOND);
    assert!(!test.office.holds_back());
    assert_eq!(topics(&mut test, SLOW), ["t/3"]);
    assert!(test.office.holds_back());
    // What was ahead has arrived.
    let free = Outlook { ahead: 0, ..SLOW };
    assert_eq!(topics(&mut test, free), ["t/1", "t/2"]);
    assert!(!test.office.holds_back());
}

#[test]
fn what_waits_for_a_slow_network_expires() {
    let mut test = TestOffice::online(settings());
    let late = test.post(Qos::AtMostOnce, 3 * SECOND);
    test.post(Qos::AtMostOnce, 60 * SECOND);
    assert_eq!(test.hand_out_to(SLOW), None);
    test.pass(3 * SECOND);
    assert_eq!(test.outcomes(), [(late, OutcomeWord::Expired)]);
    assert_eq!(topics(&mut test, SLOW), ["t/2"]);
    assert!(!test.office.holds_back());
}

#[test]
fn a_qos_2_letter_without_time_for_a_round_trip_is_not_begun() {
    let mut test = after_a_connack_of(SECOND);
    let late = test.post(Qos::ExactlyOnce, 3 * SECOND);
    assert_eq!(test.packets(), []);
    test.pass(3 * SECOND);
    assert_eq!(test.outcomes(), [(late, OutcomeWord::Expired)]);
    test.post(Qos::ExactlyOnce, 4 * SECOND);
    assert_eq!(test.topics(), ["t/2"], "three round trips are enough");
}

#[test]
fn the_round_trip_follows_what_pubrec_takes() {
    let mut test = after_a_connack_of(SECOND);
    for _ in 0..30 {
        test.post(Qos::ExactlyOnce, TWO_HOURS);
        let id = id_of(&test.publish());
        test.acknowledge(Qos::ExactlyOnce, Some(id));
    }
    test.post(Qos::ExactlyOnce, SECOND);
    assert_eq!(test.publishes().len(), 1, "faster than CONNACK was");

    let mut test = after_a_connack_of(Duration::ZERO);
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.pass(SECOND);
    test.acknowledge(Qos::ExactlyOnce, Some(id));
    test.post(Qos::ExactlyOnce, SECOND);
    assert_eq!(test.packets(), [], "slower than CONNACK was");
}

#[test]
fn an_exchange_that_an_earlier_connection_began_shows_no_round_trip() {
    let mut test = TestOffice::online(kept_session());
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.pass(20 * SECOND);
    test.lose_connection();
    test.connect(true);
    assert_eq!(id_of(&test.publish()), id);
    test.acknowledge(Qos::ExactlyOnce, Some(id));
    test.post(Qos::ExactlyOnce, SECOND);
    assert_eq!(test.publishes().len(), 1, "CONNACK was fast");
}

fn after_a_connack_of(time: Duration) -> TestOffice {
    let mut test = TestOffice::offline(one_guest());
    test.dial();
    test.pass(time);
    test.receive(connack(false));
    test
}

/// The letters that go out to this network, by their topics.
fn topics(test: &mut TestOffice, network: Outlook) -> Vec<String> {
    let mut topics = Vec::new();
    while let Some(dispatch) = test.hand_out_to(network) {
        test.write(&dispatch);
        match dispatch.packet {
            Outgoing::Publish(publish) => topics.push(publish.topic.to_string()),
            other => panic!("not a letter: {other:?}"),
        }
    }
    topics
}

fn has_unexpected(test: &mut TestOffice) -> bool {
    let is_unexpected = |notice: &Notice| matches!(notice, Notice::Unexpected { .. });
    test.notices().iter().any(is_unexpected)
}
