//! How many exchanges are open at once, and what ends those of expired letters.

use jackalope::office::{Disconnection, Incoming, Outgoing, QOS1_WINDOW, QOS2_WINDOW, Qos, Status};
use jackalope_tests::office::{SECOND, TWO_HOURS, TestOffice, id_of, one_guest, settings};

/// How many exchanges may be open.
const WINDOWS: [(Qos, usize); 2] = [
    (Qos::AtLeastOnce, QOS1_WINDOW),
    (Qos::ExactlyOnce, QOS2_WINDOW),
];

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
fn letters_that_gave_their_place_up_do_not_clog_the_window_for_ever() {
    for (qos, window) in WINDOWS {
        let mut small = one_guest();
        small.work_list.max = 1;
        let mut test = TestOffice::online(small);
        for _ in 0..window {
            test.post(qos, 60 * SECOND);
            test.publish();
        }
        test.post(qos, TWO_HOURS);
        assert_eq!(test.packet(), None, "the window is full");
        test.pass(TWO_HOURS / 2);
        assert_eq!(test.office.status(), Status::Offline, "it is given up");
        // QoS 2 needs a new session, too.
        test.connect(qos == Qos::AtLeastOnce);
        test.publish();
    }
}
