//! Calls of guests, what they commit, and what is not over yet.

use jackalope::office::{Answer, Backlog, Call, Delivery, Effects, OutcomeWord, Qos, Status};
use jackalope_tests::office::{A, B, SECOND, TWO_HOURS, TestOffice, connack, one_guest, settings};

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
    assert_eq!(test.outcomes(), [(ticket, OutcomeWord::Expired)]);
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

#[test]
fn a_guest_that_failed_to_hear_of_a_connection_hears_of_the_next() {
    let mut test = TestOffice::offline(one_guest());
    test.take_calls();
    test.dial();
    test.receive(connack(false));
    let online = Call::Connection(Status::Online);
    for _ in 0..2 {
        assert_eq!(test.call().map(|it| it.call), Some(online.clone()));
        test.answer(A, Answer::Failed("a trap".into()));
    }
    test.lose_connection();
    test.dial();
    test.receive(connack(true));
    test.pass(30 * SECOND);
    let last = test.take_calls().pop();
    assert_eq!(last, Some((A, online)));
}
