//! Subscriptions: granted, refused and tried again.

use std::time::Duration;

use jackalope::office::{
    Call, Incoming, Notice, Outgoing, Qos, Reason, Settings, Terms, filter_size, subscribe_size,
};
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

#[test]
fn no_subscribe_is_larger_than_the_broker_takes() {
    let long = "x".repeat(30);
    for uses_ids in [false, true] {
        let mut test = TestOffice::offline(Settings {
            guests: vec![guest(&["aaaa", "bbbb", &long, "cccc", "dddd", "eeee"])],
            ..settings()
        });
        test.dial();
        let max_packet_size = subscribe_size(2 * filter_size("aaaa"), None) + 3;
        test.receive(Incoming::ConnAck {
            session_present: false,
            terms: Terms {
                max_packet_size,
                subscription_ids_available: uses_ids,
                ..Terms::default()
            },
        });
        let asked: Vec<Vec<_>> = test
            .packets()
            .into_iter()
            .map(|packet| match packet {
                Outgoing::Subscribe {
                    filters,
                    subscription_id,
                    ..
                } => {
                    let sizes = filters.iter().map(|(filter, _)| filter_size(filter));
                    assert!(subscribe_size(sizes.sum(), subscription_id) <= max_packet_size);
                    filters.iter().map(|(it, _)| it.to_string()).collect()
                }
                other => panic!("{other:?}"),
            })
            .collect();
        let expect = match uses_ids {
            false => vec![vec!["aaaa", "bbbb"], vec!["cccc", "dddd"], vec!["eeee"]],
            true => ["aaaa", "bbbb", "cccc", "dddd", "eeee"]
                .map(|it| vec![it])
                .to_vec(),
        };
        assert_eq!(asked, expect);
        // What does not fit alone is refused.
        let refused = Call::Subscription {
            filter: long.as_str().into(),
            granted: false,
        };
        assert!(test.take_calls().contains(&(A, refused)));
        assert!(test.notices().contains(&Notice::SubscriptionRefused {
            filter: long.as_str().into(),
            reason: Reason(0x95),
            next_try: None,
        }));
    }
}
