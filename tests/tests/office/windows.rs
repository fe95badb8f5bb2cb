//! How many exchanges are open at once, and what ends those of expired letters.

use std::time::Duration;

use jackalope::office::{
    Disconnection, GuestId, Incoming, Outgoing, QOS1_WINDOW, QOS2_WINDOW, Qos, Status,
};
use jackalope_tests::office::{
    A, B, SECOND, TWO_HOURS, TestOffice, connack, id_of, one_guest, settings, with_room_for,
};

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
    test.receive(connack(false));
    test.post(Qos::ExactlyOnce, TWO_HOURS);
    assert_eq!(test.publishes().len(), 1);
}

#[test]
fn letters_that_gave_their_place_up_do_not_clog_the_window_for_ever() {
    for (qos, window) in WINDOWS {
        let mut test = TestOffice::online(with_room_for(1, one_guest()));
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

#[test]
fn one_guest_has_the_whole_window_and_leaves_another_its_share() {
    for (qos, window) in WINDOWS {
        let mut alone = TestOffice::online(one_guest());
        assert_eq!(open(&mut alone, A, qos, window), window);

        let mut test = TestOffice::online(settings());
        let share = window / 4;
        assert_eq!(open(&mut test, A, qos, window), window - share);
        assert_eq!(open(&mut test, B, qos, window), share);
    }
}

#[test]
fn exchanges_that_end_leave_their_places_to_whoever_comes_first() {
    for (qos, window) in WINDOWS {
        let mut test = TestOffice::online(settings());
        for _ in 0..window - window / 4 {
            test.post_by(A, qos, TWO_HOURS);
        }
        let of_first = test.publishes();
        for _ in 0..window / 4 + 5 {
            test.post_by(B, qos, TWO_HOURS);
        }
        let of_second = test.publishes();
        for publish in &of_first[..3] {
            test.acknowledge(qos, Some(id_of(publish)));
        }
        assert_eq!(test.publishes().len(), 3, "of the other");
        for publish in &of_second[..3] {
            test.acknowledge(qos, Some(id_of(publish)));
        }
        test.publishes();
        assert_eq!(open(&mut test, A, qos, 3), 1, "two were the other's again");
    }
}

#[test]
fn letters_that_wait_for_room_end_the_connection_of_a_broker_that_does_not_answer() {
    for (qos, window) in WINDOWS {
        let mut test = TestOffice::online(settings());
        let open = open_with_ttl(&mut test, A, qos, window, SECOND);
        assert!(open < window, "others have a share");
        test.pass(30 * SECOND);
        test.post(qos, TWO_HOURS);
        assert_eq!(test.publishes(), []);
        test.pass(30 * SECOND - Duration::from_millis(1));
        // All those of QoS 2 are dead, and have to wait for another reason.
        if qos == Qos::AtLeastOnce {
            assert_eq!(test.office.poll_close(), None);
            test.pass(Duration::from_millis(1));
        }
        assert_eq!(test.office.poll_close(), Some(Disconnection::Clogged));
    }
}

#[test]
fn a_burst_after_a_pause_leaves_the_broker_time_to_answer() {
    for (qos, window) in WINDOWS {
        let mut test = TestOffice::online(one_guest());
        test.pass(30 * SECOND);
        open_with_ttl(&mut test, A, qos, window, Duration::from_millis(3));
        test.pass(Duration::from_millis(3));
        test.post(qos, TWO_HOURS);
        test.publishes();
        test.pass(9 * SECOND);
        assert_eq!(test.office.poll_close(), None);
    }
}

#[test]
fn a_share_of_dead_exchanges_renews_the_session_and_not_at_once_again() {
    let mut test = TestOffice::online(one_guest());
    let use_up = |test: &mut TestOffice| {
        assert!(open_with_ttl(test, A, Qos::ExactlyOnce, QOS2_WINDOW, SECOND) > 0);
        test.pass(SECOND);
        test.lose_connection();
    };
    use_up(&mut test);
    assert!(test.dial().clean_session);
    let session_present = false;
    test.receive(connack(session_present));
    use_up(&mut test);
    assert!(!test.dial().clean_session, "all guests lose by it");
    let session_present = true;
    test.receive(connack(session_present));
    test.pass(300 * SECOND);
    assert_eq!(test.office.poll_close(), Some(Disconnection::Clogged));
    assert!(test.dial().clean_session);
}

#[test]
fn a_full_window_that_is_not_of_expired_letters_alone_waits() {
    for (qos, window) in WINDOWS {
        let mut test = TestOffice::online(one_guest());
        open_with_ttl(&mut test, A, qos, window - 1, SECOND);
        open_with_ttl(&mut test, A, qos, 1, TWO_HOURS);
        test.pass(30 * SECOND);
        assert_eq!(test.office.poll_close(), None);
    }
}

#[test]
fn letters_that_expire_at_once_do_not_end_the_connection_of_a_broker_that_answers() {
    let mut test = TestOffice::online(one_guest());
    for _ in 0..3 {
        for _ in 0..QOS1_WINDOW {
            test.post(Qos::AtLeastOnce, Duration::from_millis(1));
        }
        let sent = test.publishes();
        assert_eq!(sent.len(), QOS1_WINDOW);
        test.pass(5 * SECOND);
        for publish in sent {
            test.receive(Incoming::PubAck(id_of(&publish)));
        }
        assert_eq!(test.office.poll_close(), None);
    }
}

/// Has a guest post so many letters, and returns how many of them go out.
fn open(test: &mut TestOffice, guest: GuestId, qos: Qos, letters: usize) -> usize {
    open_with_ttl(test, guest, qos, letters, TWO_HOURS)
}

fn open_with_ttl(
    test: &mut TestOffice,
    guest: GuestId,
    qos: Qos,
    letters: usize,
    ttl: Duration,
) -> usize {
    for _ in 0..letters {
        test.post_by(guest, qos, ttl);
    }
    test.publishes().len()
}
