//! Shared subscriptions, and which subscription a message came for.

use jackalope::office::{
    Call, Delivery, GuestId, Incoming, Notice, Outgoing, Qos, Reason, Settings, SubscriptionId,
    Terms,
};
use jackalope_tests::office::{A, B, TestOffice, guest, id, settings};

const SHARED_UNAVAILABLE: Reason = Reason(0x9e);
const WILDCARDS_UNAVAILABLE: Reason = Reason(0xa2);
const SHARED: &str = "$share/g/doors/+/request";

/// Those of a broker that says which subscription a message came for.
fn with_ids() -> Terms {
    Terms {
        subscription_ids_available: true,
        ..Terms::default()
    }
}

/// A has a shared filter, and B one that overlaps with it.
fn overlapping() -> Settings {
    Settings {
        guests: vec![guest(&[SHARED]), guest(&["doors/#"])],
        ..settings()
    }
}

/// Has all filters granted. Returns them with what the broker is to call them.
#[track_caller]
fn subscribe(test: &mut TestOffice, terms: Terms) -> Vec<(String, Option<SubscriptionId>)> {
    test.dial();
    test.receive(Incoming::ConnAck {
        session_present: false,
        terms,
    });
    let mut subscribed = Vec::new();
    for packet in test.packets() {
        let Outgoing::Subscribe {
            id,
            filters,
            subscription_id,
        } = packet
        else {
            panic!("{packet:?}");
        };
        let granted = filters.iter().map(|(_, qos)| Ok(*qos)).collect();
        test.receive(Incoming::SubAck { id, granted });
        let filters = filters.iter().map(|(filter, _)| filter.to_string());
        subscribed.extend(filters.map(|filter| (filter, subscription_id)));
    }
    test.take_calls();
    subscribed
}

fn id_of(subscribed: &[(String, Option<SubscriptionId>)], filter: &str) -> SubscriptionId {
    let mut subscribed = subscribed.iter();
    let found = subscribed.find(|(name, _)| name == filter);
    found.and_then(|(_, id)| *id).expect("it has one")
}

/// Who gets a message that came for these subscriptions.
fn receivers(test: &mut TestOffice, came_for: &[SubscriptionId], topic: &str) -> Vec<GuestId> {
    test.deliver_for(came_for, topic, Delivery::AtMostOnce, false);
    let calls = test.take_calls().into_iter();
    let mut guests: Vec<_> = calls.map(|(guest, _)| guest).collect();
    guests.sort();
    guests
}

#[test]
fn a_message_of_a_shared_subscription_goes_by_the_filter_behind_the_group() {
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&[SHARED]), guest(&["other"])],
        ..settings()
    });
    let subscribed = subscribe(&mut test, Terms::default());
    assert_eq!(subscribed[0], (SHARED.to_owned(), None));
    assert_eq!(receivers(&mut test, &[], "doors/front/request"), [A]);
    assert_eq!(receivers(&mut test, &[], "g/doors/front/request"), []);
    assert_eq!(
        receivers(&mut test, &[], SHARED.trim_end_matches("+/request")),
        []
    );
}

#[test]
fn where_the_broker_says_which_subscription_a_message_came_for_it_goes_to_that_alone() {
    let mut test = TestOffice::offline(overlapping());
    let subscribed = subscribe(&mut test, with_ids());
    let (shared, plain) = (id_of(&subscribed, SHARED), id_of(&subscribed, "doors/#"));
    let topic = "doors/front/request";
    assert_eq!(receivers(&mut test, &[shared], topic), [A]);
    assert_eq!(receivers(&mut test, &[plain], topic), [B]);
    assert_eq!(receivers(&mut test, &[plain, shared], topic), [A, B]);
    // Where it does not say so for once, nobody is left out.
    assert_eq!(receivers(&mut test, &[], topic).len(), 2);
}

#[test]
fn where_the_broker_does_not_say_it_everyone_with_a_filter_that_matches_gets_it() {
    let mut test = TestOffice::offline(overlapping());
    assert!(
        subscribe(&mut test, Terms::default())
            .iter()
            .all(|it| it.1.is_none())
    );
    assert_eq!(receivers(&mut test, &[], "doors/front/request"), [A, B]);
}

#[test]
fn guests_with_the_same_shared_filter_have_one_subscription() {
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&[SHARED]), guest(&[SHARED])],
        ..settings()
    });
    let subscribed = subscribe(&mut test, with_ids());
    assert_eq!(subscribed.len(), 1);
    let shared = id_of(&subscribed, SHARED);
    assert_eq!(
        receivers(&mut test, &[shared], "doors/front/request"),
        [A, B]
    );
}

#[test]
fn a_guest_gets_a_message_once_that_came_for_two_of_its_filters_together() {
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&["a/#", "a/+"])],
        ..settings()
    });
    let subscribed = subscribe(&mut test, with_ids());
    let both = [id_of(&subscribed, "a/#"), id_of(&subscribed, "a/+")];
    assert_eq!(receivers(&mut test, &both, "a/b"), [A]);
}

#[test]
fn an_identifier_means_the_same_filter_in_another_configuration_or_none() {
    let mut test = TestOffice::offline(overlapping());
    let before = subscribe(&mut test, with_ids());
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&["x", "y", "doors/#"]), guest(&["doors/front/+"])],
        ..settings()
    });
    let after = subscribe(&mut test, with_ids());
    let plain = id_of(&before, "doors/#");
    assert_eq!(plain, id_of(&after, "doors/#"));
    let topic = "doors/front/request";
    assert_eq!(receivers(&mut test, &[plain], topic), [A]);
    // The broker has kept what came for a filter that nobody has now.
    let gone = id_of(&before, SHARED);
    test.notices();
    test.deliver_for(&[gone], topic, Delivery::AtLeastOnce(id(7)), false);
    assert_eq!(test.take_calls(), []);
    assert_eq!(test.packets(), [Outgoing::PubAck(id(7))]);
    let unrouted = |notice: &Notice| matches!(notice, Notice::Unrouted { .. });
    assert!(test.notices().iter().any(unrouted));
}

#[test]
fn an_identifier_of_a_filter_that_does_not_match_brings_nobody_a_message() {
    let mut test = TestOffice::offline(overlapping());
    let subscribed = subscribe(&mut test, with_ids());
    let shared = id_of(&subscribed, SHARED);
    assert_eq!(receivers(&mut test, &[shared], "doors/front/state"), []);
}

#[test]
fn all_identifiers_differ() {
    let filters: Vec<_> = (0..2_000).map(|number| format!("t/{number}")).collect();
    let filters: Vec<_> = filters.iter().map(String::as_str).collect();
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&filters)],
        ..settings()
    });
    let subscribed = subscribe(&mut test, with_ids());
    let ids: std::collections::BTreeSet<_> = subscribed.iter().map(|(_, id)| *id).collect();
    assert_eq!(ids.len(), 2_000);
    for filter in filters {
        let of = id_of(&subscribed, filter);
        assert_eq!(receivers(&mut test, &[of], filter), [A]);
    }
}

/// What is asked of a broker with these terms, and what is refused without asking.
#[track_caller]
fn check_refused(terms: Terms, asked: &str, refused: &str, reason: Reason) {
    let mut test = TestOffice::offline(Settings {
        guests: vec![guest(&[refused, asked])],
        ..settings()
    });
    let all = |terms: Terms| Incoming::ConnAck {
        session_present: false,
        terms,
    };
    test.dial();
    test.receive(all(terms));
    let packets = test.packets();
    let [Outgoing::Subscribe { filters, .. }] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(filters, &[(asked.into(), Qos::ExactlyOnce)]);
    let told = test.take_calls();
    let expect = Call::Subscription {
        filter: refused.into(),
        granted: false,
    };
    assert!(told.contains(&(A, expect)), "{told:?}");
    let expect = Notice::SubscriptionRefused {
        filter: refused.into(),
        reason,
        next_try: None,
    };
    assert!(test.notices().contains(&expect));
    // The next connection may have other terms.
    test.lose_connection();
    test.dial();
    test.receive(all(Terms::default()));
    let packets = test.packets();
    let [Outgoing::Subscribe { filters, .. }] = &packets[..] else {
        panic!("{packets:?}");
    };
    assert_eq!(filters.len(), 2);
}

#[test]
fn what_the_broker_has_said_to_be_unavailable_it_is_not_asked_for() {
    let no_shared = Terms {
        shared_available: false,
        ..Terms::default()
    };
    check_refused(no_shared, "a/+", "$share/g/a", SHARED_UNAVAILABLE);
    let no_wildcards = || Terms {
        wildcards_available: false,
        ..Terms::default()
    };
    check_refused(no_wildcards(), "a/b", "a/+", WILDCARDS_UNAVAILABLE);
    check_refused(
        no_wildcards(),
        "$share/g/a",
        "$share/g/#",
        WILDCARDS_UNAVAILABLE,
    );
}
