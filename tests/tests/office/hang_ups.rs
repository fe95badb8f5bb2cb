//! What follows when the broker ends connections and says nothing.

use std::time::Duration;

use jackalope::office::{
    Disconnection, Incoming, Notice, OutcomeWord, Outlook, Qos, Status, Ticket,
};
use jackalope_tests::office::{A, B, SECOND, TWO_HOURS, TestOffice, connack, id_of, settings};

/// Connects, has all letters sent that may go, and the broker hang up.
fn hang_up(test: &mut TestOffice) -> Vec<String> {
    test.connect(false);
    let sent = test.topics();
    test.lose_connection();
    sent
}

/// The broker has hung up three times right after a letter of `A`.
fn with_a_suspect() -> (TestOffice, Ticket) {
    let mut test = TestOffice::offline(settings());
    let suspect = test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..3 {
        assert_eq!(hang_up(&mut test), ["t/1"]);
    }
    (test, suspect)
}

#[test]
fn a_letter_after_which_the_broker_hangs_up_goes_alone_and_is_refused() {
    let (mut test, suspect) = with_a_suspect();
    let other = test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    test.connect(false);
    // One of them at a time.
    let first = test.publishes();
    assert_eq!(first.len(), 1);
    if &*first[0].topic == "t/2" {
        test.receive(Incoming::PubAck(id_of(&first[0])));
        assert_eq!(test.topics(), ["t/1"]);
    }
    test.outcomes();
    test.notices();
    test.lose_connection();
    let refused =
        |notice: &Notice| matches!(notice, Notice::HangUp { ticket, .. } if *ticket == suspect);
    assert!(test.notices().iter().any(refused));
    assert_eq!(test.outcomes(), [(suspect, OutcomeWord::Refused)]);
    test.connect(false);
    for publish in test.publishes() {
        test.receive(Incoming::PubAck(id_of(&publish)));
    }
    assert!(!test.outcomes().contains(&(other, OutcomeWord::Refused)));
}

#[test]
fn a_suspect_that_is_answered_goes_like_any_other() {
    let (mut test, suspect) = with_a_suspect();
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    test.connect(false);
    let mut sent = Vec::new();
    while let [publish] = &test.publishes()[..] {
        sent.push(publish.topic.to_string());
        test.receive(Incoming::PubAck(id_of(publish)));
    }
    assert_eq!(sent.len(), 2);
    assert!(test.outcomes().contains(&(suspect, OutcomeWord::Delivered)));
}

#[test]
fn others_wait_for_the_answer_to_a_suspect_no_longer_than_5_s() {
    let (mut test, _) = with_a_suspect();
    test.connect(false);
    assert_eq!(test.topics(), ["t/1"]);
    test.post_by(B, Qos::AtMostOnce, TWO_HOURS);
    assert_eq!(test.topics(), [""; 0]);
    let due = test.office.next_timeout();
    assert!(due.is_some_and(|at| at <= test.now + 5 * SECOND));
    test.pass(5 * SECOND);
    assert_eq!(test.topics(), ["t/2"]);
}

#[test]
fn a_suspect_waits_for_answers_to_others_no_longer_than_5_s() {
    let (mut test, _) = with_a_suspect();
    test.post_by(B, Qos::AtLeastOnce, 50 * TWO_HOURS);
    test.connect(false);
    // The network is so slow at first that the suspect would come too late.
    let slow = Outlook {
        ahead: 8_000_000,
        pace: Some(1_000),
    };
    let other = test.hand_out_to(slow).expect("a letter");
    test.write(&other);
    assert_eq!(test.hand_out(), None, "it is not answered");
    test.post_by(B, Qos::AtMostOnce, TWO_HOURS);
    assert_eq!(test.topics(), [""; 0], "others wait as well");
    let due = test.office.next_timeout();
    assert!(due.is_some_and(|at| at <= test.now + 5 * SECOND));
    test.pass(5 * SECOND);
    assert_eq!(test.topics(), ["t/1"]);
}

#[test]
fn nobody_waits_for_a_suspect_of_an_earlier_connection() {
    let (mut test, _) = with_a_suspect();
    test.connect(false);
    assert_eq!(test.topics(), ["t/1"]);
    test.office.handle_reconnect(test.now);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
    test.connect(false);
    assert_eq!(test.topics(), ["t/1"]);
}

#[test]
fn a_hang_up_long_after_a_letter_says_nothing_about_it() {
    let mut test = TestOffice::offline(settings());
    let letter = test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    for _ in 0..10 {
        test.connect(false);
        assert_eq!(test.topics(), ["t/1"]);
        test.pass(5 * SECOND);
        test.lose_connection();
    }
    assert!(!test.outcomes().contains(&(letter, OutcomeWord::Refused)));
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    test.connect(false);
    assert_eq!(test.publishes().len(), 2, "it need not go alone");
}

#[test]
fn the_letters_of_a_guest_wait_after_one_was_refused_and_those_of_others_go() {
    let (mut test, _) = with_a_suspect();
    hang_up(&mut test);
    test.post_by(A, Qos::AtLeastOnce, TWO_HOURS);
    test.post_by(B, Qos::AtLeastOnce, TWO_HOURS);
    let refused = test.now;
    test.connect(false);
    assert_eq!(test.topics(), ["t/3"]);
    let due = test.office.next_timeout();
    assert!(due.is_some_and(|at| at <= refused + 60 * SECOND));
    test.pass((refused + 60 * SECOND).since(test.now));
    assert_eq!(test.topics(), ["t/2"]);
}

/// How long it takes until the next connection is due.
fn pause(test: &mut TestOffice) -> Duration {
    let lost = test.now;
    test.dial();
    test.now.since(lost)
}

#[test]
fn pauses_grow_until_a_connection_has_lasted() {
    let mut test = TestOffice::online(settings());
    // As when two gateways of one client id throw each other out.
    let mut longest = Duration::ZERO;
    for _ in 0..10 {
        test.pass(20 * SECOND);
        test.lose_connection();
        longest = pause(&mut test);
        let session_present = false;
        test.receive(connack(session_present));
    }
    assert!(longest >= 15 * SECOND, "{longest:?}");
    let hang_ups = test
        .notices()
        .into_iter()
        .filter_map(|notice| match notice {
            Notice::Offline { hang_ups, .. } => Some(hang_ups),
            _ => None,
        });
    assert!(hang_ups.eq(1..=10));
    for _ in 0..6 {
        test.pass(10 * SECOND);
        test.receive(Incoming::PingResp);
    }
    test.lose_connection();
    assert!(pause(&mut test) <= SECOND);
}

#[test]
fn a_reconnect_that_somebody_wanted_makes_no_pause_longer() {
    let mut test = TestOffice::online(settings());
    for _ in 0..10 {
        test.office.handle_reconnect(test.now);
        assert_eq!(test.office.poll_close(), Some(Disconnection::Reconnect));
        assert!(pause(&mut test) <= SECOND);
        let session_present = false;
        test.receive(connack(session_present));
        assert_eq!(test.office.status(), Status::Online);
    }
    test.lose_connection();
    assert!(pause(&mut test) <= SECOND);
}
