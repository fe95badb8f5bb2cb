//! Each fault.

use super::*;

/// A connected client `a` with a will, on connection 1.
fn connected() -> Test {
    let mut test = Test::new();
    test.connect_with(1, with_will("a", "w", false));
    test.expect(1, &["CONNACK accepted"]);
    test
}

#[test]
fn connect_is_refused_a_number_of_times() {
    let mut test = Test::new();
    let code = ConnectReturnCode::NotAuthorized;
    test.inject(Fault::RefuseConnect(code, Times::Next(2)));
    for number in [1, 2] {
        test.connect_with(number, with_will("a", "w", false));
        test.expect(number, &["CONNACK refused: not authorized"]);
        test.expect_closed(number, CloseReason::Refused(code));
    }
    test.connect(3, "a");
    test.expect_messages(&[]);
    test.expect_no_violation();
}

#[test]
fn a_return_code_is_sent_as_its_number() {
    for code in [
        ConnectReturnCode::Accepted,
        ConnectReturnCode::RefusedProtocolVersion,
        ConnectReturnCode::BadClientId,
        ConnectReturnCode::ServiceUnavailable,
        ConnectReturnCode::BadUserNamePassword,
        ConnectReturnCode::NotAuthorized,
    ] {
        let mut test = Test::new();
        test.inject(Fault::RefuseConnect(code, Times::Next(1)));
        test.connect_with(1, connect("a"));
        assert_eq!(test.inboxes[&1], [0x20, 2, 0, code as u8][..]);
    }
}

#[test]
fn connect_is_refused_until_cleared() {
    let mut test = connected();
    let code = ConnectReturnCode::ServiceUnavailable;
    test.inject(Fault::RefuseConnect(code, Times::Always));
    for number in 2..5 {
        test.connect_with(number, connect("a"));
        test.expect(number, &["CONNACK refused: unavailable"]);
    }
    // Who is refused takes over nothing.
    test.expect_open(1);
    assert!(test.core.is_connected("a"));
    test.clear_faults();
    test.connect(5, "b");
}

#[test]
fn connect_is_answered_late() {
    let mut test = Test::new();
    test.inject(Fault::DelayConnect(seconds(3)));
    test.connect_with(1, connect("a"));
    test.publish(1, 1, "t", "hi");
    test.pass(Duration::from_millis(2_999));
    test.expect(1, &[]);
    test.expect_messages(&[]);
    test.pass(Duration::from_millis(1));
    test.expect(1, &["CONNACK accepted", "PUBACK id=1"]);
    test.expect_messages(&["t hi"]);
}

#[test]
fn a_client_that_does_not_wait_is_forgotten() {
    let mut test = Test::new();
    test.inject(Fault::DelayConnect(seconds(3)));
    test.connect_with(1, with_will("a", "w", false));
    test.lose(1);
    assert_eq!(test.core.next_timeout(), None);
    test.expect_messages(&[]);
}

#[test]
fn connect_is_never_answered() {
    let mut test = Test::new();
    test.inject(Fault::NeverAnswerConnect);
    test.connect_with(1, connect("a"));
    test.clear_faults();
    test.publish(1, 1, "t", "hi");
    test.pass(seconds(3_600));
    test.expect(1, &[]);
    test.expect_open(1);
    assert!(!test.core.is_connected("a"));
    test.connect(2, "a");
}

#[test]
fn all_connections_drop_now() {
    let mut test = connected();
    test.open(2);
    test.inject(Fault::DropNow);
    test.expect_closed(1, CloseReason::Fault);
    test.expect_closed(2, CloseReason::Fault);
    test.expect_messages(&["w gone"]);
}

#[test]
fn a_connection_drops_after_the_nth_packet() {
    let mut test = connected();
    test.connect(2, "b");
    test.inject(Fault::DropAfter(2, PacketType::Publish));
    test.publish(1, 1, "t", "1");
    test.send(1, Packet::PingReq);
    test.expect(1, &["PUBACK id=1", "PINGRESP"]);
    test.publish(1, 2, "t", "2");
    // Handled, but not answered.
    test.expect(1, &[]);
    test.expect_closed(1, CloseReason::Fault);
    test.expect_messages(&["t 1", "t 2", "w gone"]);
    // Once, and only its sender.
    test.publish(2, 1, "t", "3");
    test.publish(2, 2, "t", "4");
    test.expect(2, &["PUBACK id=1", "PUBACK id=2"]);
}

#[test]
fn a_connection_drops_after_connect() {
    let mut test = Test::new();
    test.inject(Fault::DropAfter(1, PacketType::Connect));
    test.resume(1, "a");
    test.expect(1, &[]);
    test.expect_closed(1, CloseReason::Fault);
    // The session has come about all the same.
    test.resume(2, "a");
    test.expect(2, &["CONNACK accepted, session present"]);
}

#[test]
fn a_connection_drops_in_the_middle_of_a_packet() {
    let mut test = connected();
    test.subscribed(1, "t", 0);
    test.connect(2, "b");
    test.inject(Fault::DropInMiddle);
    test.inject_message("t", "hello", 0, false);
    let whole = encode(&publish(0, 0, "t", "hello"));
    assert_eq!(test.inboxes[&1], whole[..whole.len() / 2]);
    test.expect_closed(1, CloseReason::Fault);
    test.send(2, Packet::PingReq);
    test.expect(2, &["PINGRESP"]);
}

#[test]
fn an_acknowledgement_that_is_cut_off_leaves_its_id_in_use() {
    for fault in [
        Fault::DropInMiddle,
        Fault::DropAfter(1, PacketType::Publish),
    ] {
        let mut test = Test::new();
        test.resume(1, "a");
        test.inject(fault);
        test.publish(1, 7, "t", "hi");
        test.resume(2, "a");
        test.expect_no_violation();
        test.publish(2, 7, "t", "hi");
        assert_eq!(test.core.violations(), [Violation::PacketIdInUse]);
    }
}

#[test]
fn acknowledgements_are_withheld() {
    let mut test = connected();
    let all = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp, Ack::SubAck];
    test.inject(Fault::WithholdAcks(all));
    test.publish(1, 1, "t", "1");
    test.send(1, publish(2, 2, "t", "2"));
    test.send(1, pubrel(2));
    test.subscribe(1, 3, &[("t", 0)]);
    test.send(1, Packet::PingReq);
    test.expect(1, &["PINGRESP"]);
    test.expect_messages(&["t 1", "t 2"]);
    test.clear_faults();
    test.publish(1, 4, "t", "4");
    test.expect(1, &["PUBLISH q0 t 1 bytes \"4\"", "PUBACK id=4"]);
    test.expect_no_violation();
}

#[test]
fn a_subscription_that_is_not_acknowledged_ends_with_its_connection() {
    let mut test = Test::new();
    test.resume(1, "a");
    test.inject(Fault::WithholdAcks(vec![Ack::SubAck]));
    test.subscribe(1, 3, &[("t", 0)]);
    test.lose(1);
    test.clear_faults();
    test.resume(2, "a");
    test.subscribe(2, 3, &[("t", 0)]);
    test.expect(2, &["CONNACK accepted, session present", "SUBACK id=3 q0"]);
    test.expect_no_violation();
}

#[test]
fn only_the_named_acknowledgements_are_withheld() {
    let mut test = connected();
    test.inject(Fault::WithholdAcks(vec![Ack::PubComp]));
    test.publish(1, 1, "t", "1");
    test.send(1, publish(2, 2, "t", "2"));
    test.send(1, pubrel(2));
    test.expect(1, &["PUBACK id=1", "PUBREC id=2"]);
}

#[test]
fn acknowledgements_are_delayed() {
    let mut test = connected();
    test.inject(Fault::DelayAcks(seconds(2)));
    test.publish(1, 1, "t", "1");
    test.pass(seconds(1));
    test.send(1, publish(2, 2, "t", "2"));
    test.clear_faults();
    test.publish(1, 3, "t", "3");
    test.expect(1, &["PUBACK id=3"]);
    test.pass(seconds(1));
    test.expect(1, &["PUBACK id=1"]);
    test.pass(seconds(1));
    test.expect(1, &["PUBREC id=2"]);
    test.expect_no_violation();
}

#[test]
fn delayed_acknowledgements_are_lost_with_the_connection() {
    let mut test = connected();
    test.inject(Fault::DelayAcks(seconds(2)));
    test.publish(1, 1, "t", "1");
    test.lose(1);
    test.connect(2, "a");
    test.pass(seconds(10));
    test.expect(2, &[]);
    assert_eq!(test.core.next_timeout(), None);
}

#[test]
fn acknowledgements_are_doubled() {
    let mut test = connected();
    test.inject(Fault::DuplicateAcks);
    test.publish(1, 1, "t", "1");
    test.subscribe(1, 2, &[("x", 0)]);
    test.send(1, Packet::PingReq);
    test.expect(
        1,
        &[
            "PUBACK id=1",
            "PUBACK id=1",
            "SUBACK id=2 q0",
            "SUBACK id=2 q0",
            "PINGRESP",
        ],
    );
}

#[test]
fn a_subscription_is_refused() {
    let mut test = connected();
    test.inject_message("secret/1", "hi", 0, true);
    test.inject(Fault::RefuseSubscription("secret/#".to_owned()));
    test.subscribe(1, 1, &[("x", 1), ("secret/#", 1)]);
    test.expect(1, &["SUBACK id=1 q1, refused"]);
    test.inject_message("secret/2", "hi", 0, false);
    test.expect(1, &[]);
    test.clear_faults();
    test.subscribed(1, "secret/2", 1);
}

#[test]
fn reading_stops_and_resumes() {
    let mut test = Test::new();
    let mut connect = connect("a");
    connect.keep_alive = 10;
    test.connect_with(1, connect);
    assert!(test.core.wants_read(ConnectionId(1)));
    assert!(!test.core.wants_read(ConnectionId(2)));
    test.inject(Fault::StopReading);
    assert!(!test.core.wants_read(ConnectionId(1)));
    // Keep-alive is not watched: a broker that hangs closes nothing.
    test.pass(seconds(100));
    test.expect_open(1);
    test.inject(Fault::ResumeReading);
    assert!(test.core.wants_read(ConnectionId(1)));
    test.pass(Duration::from_millis(14_999));
    test.expect_open(1);
    test.pass(Duration::from_millis(1));
    test.expect_closed(1, CloseReason::KeepAlive);
}

#[test]
fn clearing_the_faults_resumes_reading() {
    let mut test = connected();
    test.inject(Fault::StopReading);
    test.clear_faults();
    assert!(test.core.wants_read(ConnectionId(1)));
}

#[test]
fn a_session_is_forgotten() {
    let mut test = Test::new();
    test.resume(1, "a");
    test.expect(1, &["CONNACK accepted"]);
    test.subscribed(1, "t", 1);
    test.inject(Fault::ForgetSession("a".to_owned()));
    // The connection stays, but nothing comes any more.
    test.inject_message("t", "hi", 1, false);
    test.expect(1, &[]);
    test.expect_open(1);
    test.lose(1);
    test.resume(2, "a");
    test.expect(2, &["CONNACK accepted"]);
    test.lose(2);
    test.inject(Fault::ForgetSession("a".to_owned()));
    test.resume(3, "a");
    test.expect(3, &["CONNACK accepted"]);
}

#[test]
fn a_client_id_is_taken_over() {
    let mut test = connected();
    test.inject(Fault::TakeOver("b".to_owned()));
    test.expect_open(1);
    test.inject(Fault::TakeOver("a".to_owned()));
    test.expect_closed(1, CloseReason::TakenOver);
    test.expect_messages(&["w gone"]);
}
