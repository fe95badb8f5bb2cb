//! Exchanges of QoS 1 and 2: their ids, their halves and their sessions.

use jackalope::office::{Disconnection, Incoming, Notice, OutcomeWord, Outgoing, Qos};
use jackalope_tests::office::{
    SECOND, TWO_HOURS, TestOffice, connack, id_of, kept_session, one_guest, settings,
};

const UNEXPECTED: Notice = Notice::Unexpected { packet: "PUBACK" };

#[test]
fn the_second_half_of_a_qos_2_exchange_expires_too() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::ExactlyOnce, 5 * SECOND);
    let id = id_of(&test.publish());
    test.now = test.now + TWO_HOURS;
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [], "a broker delivers at PUBREL");
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
}

#[test]
fn a_pubrel_that_waits_for_room_expires_too() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::ExactlyOnce, 5 * SECOND);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    test.now = test.now + 5 * SECOND;
    assert_eq!(test.packets(), [], "a broker delivers at PUBREL");
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
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
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
}

#[test]
fn a_broker_that_makes_qos_1_of_qos_2_ends_the_exchange_with_puback() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubAck(id));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
    assert_eq!(test.packets(), [], "there is no second half");
    let expired = test.post(Qos::ExactlyOnce, SECOND);
    let id = id_of(&test.publish());
    test.now = test.now + SECOND;
    assert_eq!(test.outcomes(), [(expired, OutcomeWord::Expired)]);
    test.receive(Incoming::PubAck(id));
    assert!(!test.notices().contains(&UNEXPECTED), "its place is free");
}

#[test]
fn a_puback_after_pubrec_is_not_one_of_qos_2() {
    let mut test = TestOffice::online(settings());
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    test.packets();
    test.receive(Incoming::PubAck(id));
    assert_eq!(test.outcomes(), []);
    assert!(test.notices().contains(&UNEXPECTED));
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
fn an_id_is_taken_until_its_exchange_is_over() {
    let mut test = TestOffice::online(one_guest());
    test.post(Qos::ExactlyOnce, 50 * TWO_HOURS);
    let held = id_of(&test.publish());
    test.receive(Incoming::PubRec(held));
    assert_eq!(test.packet(), Some(Outgoing::PubRel(held)));
    for _ in 0..2 * usize::from(u16::MAX) {
        test.post(Qos::AtLeastOnce, TWO_HOURS);
        let id = id_of(&test.publish());
        assert_ne!(id, held, "PUBCOMP has not come");
        test.receive(Incoming::PubAck(id));
        test.take_calls();
        test.notices();
    }
    test.receive(Incoming::PubComp(held));
    assert_eq!(test.office.open_letters(), 0);
}

#[test]
fn in_a_kept_session_nothing_of_an_expired_exchange_goes_on() {
    // As far as the exchange has come when the connection is lost.
    for (received, released) in [(false, false), (true, false), (true, true)] {
        let mut test = TestOffice::online(kept_session());
        let ticket = test.post(Qos::ExactlyOnce, 5 * SECOND);
        let publish = test.publish();
        let id = id_of(&publish);
        if received {
            test.receive(Incoming::PubRec(id));
        }
        if released {
            assert_eq!(test.packets(), [Outgoing::PubRel(id)]);
        }
        test.lose_connection();
        test.pass(5 * SECOND);
        assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
        test.connect(true);
        assert_eq!(test.packets(), [], "{received} {released}");
        // A late PUBREC changes nothing.
        test.receive(Incoming::PubRec(id));
        assert_eq!(test.packets(), []);
    }
}

#[test]
fn exchanges_of_one_broker_are_not_taken_for_those_of_another() {
    let mut test = TestOffice::offline(kept_session());
    assert!(!test.dial().clean_session);
    test.receive(connack(false));
    test.grant_subscriptions();
    test.take_calls();
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(&test.publish());
    test.receive(Incoming::PubRec(id));
    assert_eq!(test.packets(), [Outgoing::PubRel(id)]);
    test.lose_connection();

    // A try that comes to nothing changes nothing.
    test.office.set_broker(1, false);
    assert!(
        test.dial().clean_session,
        "whatever it knows of this client"
    );
    test.lose_connection();
    test.office.set_broker(0, false);
    assert!(!test.dial().clean_session, "the session is still there");
    test.lose_connection();

    test.office.set_broker(1, false);
    assert!(test.dial().clean_session);
    test.receive(connack(false));
    test.grant_subscriptions();
    test.take_calls();
    let again = test.publish();
    assert!(!again.duplicate, "this broker has never seen it");
    test.lose_connection();
    assert!(
        !test.dial().clean_session,
        "the session is with this one now"
    );
    test.lose_connection();
    test.office.set_broker(0, false);
    assert!(test.dial().clean_session);
    test.receive(connack(true));
    assert!(matches!(
        test.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));
}
