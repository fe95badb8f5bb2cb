//! Subscriptions: granted, refused and tried again.

use std::time::Duration;

use jackalope::office::{Call, Incoming, Outgoing, Qos, Reason, Settings};
use jackalope_tests::office::{A, SECOND, TestOffice, connack, guest, settings};

#[test]
fn a_refused_subscription_is_reported_once_and_tried_again() {
    let mut test = TestOffice::offline(settings());
    test.dial();
    test.receive(connack(false));
    test.take_calls();
    let mut told = Vec::new();
    for granted in [false, false, true] {
        test.pass(30 * SECOND);
        let [Outgoing::Subscribe { id, filters, .. }] = &test.packets()[..] else {
            panic!("SUBSCRIBE")
        };
        let verdict =
            |(filter, qos): &(std::sync::Arc<str>, Qos)| match granted || &**filter != "a/+" {
                true => Ok(*qos),
                false => Err(Reason::UNSPECIFIED),
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
fn one_that_waits_for_room_to_be_written_is_no_reason_to_wake_up() {
    let mut test = TestOffice::offline(Settings {
        keep_alive: Duration::ZERO,
        guests: vec![guest(&["t"])],
        ..settings()
    });
    test.dial();
    test.receive(connack(false));
    let Some(Outgoing::Subscribe { id, .. }) = test.packet() else {
        panic!("no SUBSCRIBE");
    };
    let granted = vec![Err(Reason::UNSPECIFIED)];
    test.receive(Incoming::SubAck { id, granted });
    test.take_calls();
    let again = test.office.next_timeout().expect("it is tried again");
    assert!(again > test.now);

    test.pass(again.since(test.now));
    // Nothing is polled: the network takes nothing.
    assert_eq!(test.office.next_timeout(), None);
    assert!(matches!(test.packet(), Some(Outgoing::Subscribe { .. })));
}
