//! Session expiry and wills that wait.

use super::*;

#[test]
fn a_session_ends_when_its_time_is_over() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    test.subscribe5(1, &[filter("t", 1)]);
    test.lose(1);
    test.pass(seconds(59));
    test.inject_message("t", "1", 1, false);
    test.open5(2, Client::kept("a", 60));
    let lines = test.sent(2);
    assert!(lines[0].starts_with("CONNACK success, session present"));
    assert_eq!(lines[1..], ["PUBLISH q1 id=1 t 1 bytes \"1\""]);
    test.lose(2);
    test.pass(seconds(60));
    assert_eq!(test.core.next_timeout(), None);
    test.open5(3, Client::kept("a", 60));
    assert!(!test.sent(3)[0].contains("session present"));
}

#[test]
fn a_session_without_expiry_ends_with_its_connection() {
    let mut test = Test::new();
    let mut client = Client::new("a");
    client.connect.clean_start = false;
    test.open5(1, client.clone());
    test.lose(1);
    test.open5(2, client);
    assert!(!test.sent(2)[0].contains("session present"));
}

#[test]
fn a_clean_start_can_begin_a_session_that_stays() {
    let mut test = Test::new();
    let mut client = Client::kept("a", u32::MAX);
    client.connect.clean_start = true;
    test.open5(1, client);
    test.lose(1);
    assert_eq!(test.core.next_timeout(), None);
    test.resume(2, "a");
    test.expect(2, &["CONNACK accepted, session present"]);
}

#[test]
fn disconnect_can_change_the_expiry() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    // DISCONNECT with a session expiry of 0.
    test.bytes(1, &[0xe0, 7, 0, 5, 17, 0, 0, 0, 0]);
    test.expect_closed(1, CloseReason::Disconnect);
    test.open5(2, Client::kept("a", 60));
    assert!(!test.sent(2)[0].contains("session present"));
}

#[test]
fn an_expiry_of_0_stays_0() {
    let mut test = Test::new();
    test.connect5(1, "a");
    test.bytes(1, &[0xe0, 7, 0, 5, 17, 0, 0, 0, 1]);
    assert_eq!(test.core.violations(), [Violation::SessionExpiryRaised]);
}

#[test]
fn a_will_waits_for_its_client() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60).with_will(Some(10)));
    test.lose(1);
    test.pass(seconds(9));
    test.open5(2, Client::kept("a", 60).with_will(Some(10)));
    test.pass(seconds(100));
    test.expect_messages(&[]);
    test.lose(2);
    test.pass(seconds(9));
    test.expect_messages(&[]);
    test.pass(seconds(1));
    test.expect_messages(&["w gone"]);
}

#[test]
fn a_will_does_not_outlive_its_session() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 5).with_will(Some(10)));
    test.lose(1);
    test.pass(seconds(5));
    test.expect_messages(&["w gone"]);
    // With a clean start it ends as well.
    test.open5(2, Client::kept("b", 60).with_will(Some(10)));
    test.lose(2);
    test.connect5(3, "b");
    test.expect_messages(&["w gone", "w gone"]);
    // Without a session there is nothing to wait for.
    test.open5(4, Client::new("c").with_will(Some(10)));
    test.lose(4);
    test.expect_messages(&["w gone", "w gone", "w gone"]);
}

#[test]
fn a_session_that_is_forgotten_is_not_brought_back() {
    let mut test = Test::new();
    test.open5(1, Client::kept("a", 60));
    test.inject(Fault::ForgetSession("a".to_owned()));
    test.bytes(1, &[0xe0, 7, 0, 5, 17, 0, 0, 0, 60]);
    test.expect_no_violation();
    test.open5(2, Client::kept("a", 60));
    assert!(!test.sent(2)[0].contains("session present"));
}
