//! Subscriptions, with options, numbers and groups.

use super::*;

#[test]
fn what_is_granted_and_ended_is_said() {
    let mut test = Test::with(CoreOptions {
        maximum_qos: QoS::AtLeastOnce,
        ..CoreOptions::default()
    });
    test.connect5(1, "a");
    test.inject(Fault::RefuseSubscription("secret".to_owned()));
    test.subscribe5(1, &[filter("a", 0), filter("b", 2), filter("secret", 1)]);
    let mut unsubscribe = Unsubscribe::new("a", None);
    unsubscribe.pkid = 7;
    unsubscribe.filters.push("never".to_owned());
    test.send5(1, &Packet::Unsubscribe(unsubscribe));
    test.expect5(
        1,
        &[
            "SUBACK id=60000 q0, q1, not authorized",
            "UNSUBACK id=7 success, no subscription existed",
        ],
    );
}

#[test]
fn no_local_leaves_out_what_the_client_itself_publishes() {
    let mut test = Test::new();
    test.connect5(1, "a");
    let mut wanted = filter("t", 0);
    wanted.nolocal = true;
    test.subscribe5(1, &[wanted]);
    test.sent(1);
    test.send5(1, &Packet::Publish(publish(0, 0, "t", "own")));
    test.expect5(1, &[]);
    test.inject_message("t", "other", 0, false);
    test.expect5(1, &["PUBLISH q0 t 5 bytes \"other\""]);
}

#[test]
fn the_retain_flag_stays_if_wanted() {
    let mut test = Test::new();
    test.connect5(1, "a");
    let mut wanted = filter("t", 0);
    wanted.preserve_retain = true;
    test.subscribe5(1, &[wanted]);
    test.connect5(2, "b");
    test.subscribe5(2, &[filter("t", 0)]);
    test.sent(1);
    test.sent(2);
    test.inject_message("t", "hi", 0, true);
    test.expect5(1, &["PUBLISH q0 retained t 2 bytes \"hi\""]);
    test.expect5(2, &["PUBLISH q0 t 2 bytes \"hi\""]);
}

#[test]
fn retained_messages_come_as_wanted() {
    let mut test = Test::new();
    test.inject_message("t", "hi", 0, true);
    test.connect5(1, "a");
    let mut wanted = filter("t", 0);
    let mut count = |rule: RetainForwardRule| {
        wanted.retain_forward_rule = rule;
        test.subscribe5(1, std::slice::from_ref(&wanted));
        test.sent(1).len() - 1
    };
    assert_eq!(count(RetainForwardRule::Never), 0);
    assert_eq!(count(RetainForwardRule::OnNewSubscribe), 0);
    assert_eq!(count(RetainForwardRule::OnEverySubscribe), 1);
    assert_eq!(count(RetainForwardRule::OnEverySubscribe), 1);
}

#[test]
fn a_message_carries_the_numbers_of_its_subscriptions() {
    let mut test = Test::new();
    test.connect5(1, "a");
    for (id, path) in [(1, "t"), (268_435_455, "#")] {
        let properties = SubscribeProperties {
            id: Some(id),
            user_properties: vec![],
        };
        let mut subscribe = Subscribe::new(filter(path, 0), Some(properties));
        subscribe.pkid = 1;
        test.send5(1, &Packet::Subscribe(subscribe));
    }
    test.subscribe5(1, &[filter("+", 0)]);
    test.sent(1);
    test.inject_message("t", "hi", 0, false);
    let line = "PUBLISH q0 t 2 bytes \"hi\" { subscription=268435455, subscription=1 }";
    test.expect5(1, &[line]);
}

#[test]
fn those_who_share_a_subscription_take_turns() {
    let mut test = Test::new();
    test.inject_message("t/kept", "old", 0, true);
    test.connect5(1, "a");
    test.subscribe5(1, &[filter("$share/g/t/#", 1)]);
    test.expect5(1, &["SUBACK id=60000 q1"]);
    test.connect(2, "old");
    test.subscribed(2, "$share/g/t/#", 1);
    // Another group, and one who shares nothing.
    test.connect5(3, "c");
    test.subscribe5(3, &[filter("$share/h/t/#", 0), filter("t/1", 0)]);
    test.sent(3);
    for (topic, payload) in [("t/1", "1"), ("t/2", "2"), ("t/3", "3")] {
        test.inject_message(topic, payload, 1, false);
    }
    test.expect5(
        1,
        &[
            "PUBLISH q1 id=1 t/1 1 bytes \"1\"",
            "PUBLISH q1 id=2 t/3 1 bytes \"3\"",
        ],
    );
    test.expect(2, &["PUBLISH q1 id=1 t/2 1 bytes \"2\""]);
    assert_eq!(test.sent(3).len(), 4);
}

#[test]
fn who_is_away_gets_nothing_that_is_shared_with_others() {
    let mut test = Test::new();
    for (number, client) in [(1, "a"), (2, "b")] {
        test.open5(number, Client::kept(client, 60));
        test.subscribe5(number, &[filter("$share/g/t", 1)]);
        test.sent(number);
    }
    test.lose(1);
    test.inject_message("t", "1", 1, false);
    test.inject_message("t", "2", 1, false);
    assert_eq!(test.sent(2).len(), 2);
    test.lose(2);
    // Unless all are.
    test.inject_message("t", "3", 1, false);
    let waiting = test.core.unacknowledged("a") + test.core.unacknowledged("b");
    assert_eq!(waiting, 3);
}
