//! Letters, their ttl and the work list.

use jackalope::office::{
    Delivery, Incoming, Notice, Outcome, OutcomeWord, Overflow, Payload, Qos, Settings,
    WorkListSettings,
};
use jackalope_tests::office::{
    A, SECOND, TWO_HOURS, TestOffice, id_of, settings, with_room_for, with_work_list,
};

#[test]
fn a_letter_goes_out_is_acknowledged_and_its_guest_told() {
    let mut test = TestOffice::online(settings());
    let ticket = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let publish = test.publish();
    assert!(!publish.duplicate);
    assert_eq!(test.outcomes(), []);
    test.receive(Incoming::PubAck(id_of(&publish)));
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Delivered)]);
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
        vec![(waiting, OutcomeWord::Expired)],
        vec![],
        vec![(in_flight, OutcomeWord::Expired)],
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
        let expired = Outcome::Expired { sent: false };
        let is_it = |notice: &&Notice| match notice {
            Notice::Outcome {
                guest,
                ticket,
                outcome,
                about: Some(about),
                ..
            } => (*guest, *ticket, *outcome, about.qos) == (A, late, expired, qos),
            _ => false,
        };
        assert_eq!(told.iter().filter(is_it).count(), 1);
    }
}

#[test]
fn a_full_work_list_displaces_the_oldest_or_accepts_no_more() {
    let mut test = TestOffice::offline(with_room_for(2, settings()));
    test.take_calls();
    let oldest = test.post(Qos::AtLeastOnce, TWO_HOURS);
    let short = test.post(Qos::AtLeastOnce, SECOND);
    test.now = test.now + SECOND;
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(
        test.outcomes(),
        [(short, OutcomeWord::Expired)],
        "expired ones go first"
    );
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(test.outcomes(), [(oldest, OutcomeWord::Displaced)]);

    let work_list = WorkListSettings {
        max: 2,
        overflow: Overflow::Reject,
        ..WorkListSettings::default()
    };
    let mut test = TestOffice::online(with_work_list(work_list, settings()));
    test.post(Qos::AtLeastOnce, TWO_HOURS);
    test.deliver("a/x", Delivery::AtMostOnce, false);
    let assignment = test.call().expect("a message");
    assert_eq!(
        assignment.room.free, 1,
        "and for one more the answer is work-list-full"
    );
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
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Refused)]);
    assert_eq!(test.office.poll_close(), None);
}
