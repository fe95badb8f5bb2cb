//! The post office, seen from its counter: what it does when, told as small
//! stories. Random schedules are elsewhere; here each test is one promise.

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

use std::num::NonZeroU16;
use std::time::Duration;

use jackalope::office::{
    Answer, Assignment, Backlog, BackoffSettings, Call, Delivery, Disconnection, Effects, GuestId,
    GuestSettings, Incoming, LastWill, Letter, Notice, Office, Outcome, Outgoing, Outlook,
    Overflow, PacketId, Payload, Publish, QOS2_WINDOW, Qos, SHUTDOWN_TIME, Settings, Status,
    Ticket, Time, WorkListSettings,
};

const A: GuestId = GuestId(0);
const B: GuestId = GuestId(1);
const SECOND: Duration = Duration::from_secs(1);
const TWO_HOURS: Duration = Duration::from_secs(7_200);

/// A post office with its clock, its broker and its guests played by the test.
struct Desk {
    now: Time,
    office: Office,
    tickets: u64,
}

fn settings() -> Settings {
    let guest = |filters: &[&str]| GuestSettings {
        subscriptions: filters
            .iter()
            .map(|filter| ((*filter).into(), Qos::ExactlyOnce))
            .collect(),
        retries: 3,
        has_will: false,
    };
    Settings {
        clean_session: true,
        keep_alive: Duration::from_secs(60),
        backoff: BackoffSettings {
            min: SECOND,
            max: 30 * SECOND,
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        max_packet_size: 1 << 20,
        work_list: WorkListSettings {
            max: 100,
            overflow: Overflow::DropOldest,
        },
        guests: vec![guest(&["a/+", "both"]), guest(&["b/#", "both"])],
        seed: 1,
    }
}

impl Desk {
    fn open(settings: Settings) -> Self {
        let now = Time::from_millis(1_000_000);
        Self {
            now,
            office: Office::new(now, settings),
            tickets: 0,
        }
    }

    /// Open, with a session, the subscriptions granted, and guests that have
    /// heard of it.
    fn online(settings: Settings) -> Self {
        let mut desk = Self::open(settings);
        desk.connect(false);
        desk
    }

    fn connect(&mut self, session_present: bool) {
        self.pass(30 * SECOND);
        assert!(
            self.office.poll_connect(self.now).is_some(),
            "a connection is due"
        );
        self.receive(Incoming::ConnAck { session_present });
        self.grant_all();
        self.serve_all();
    }

    /// All filters fit into one SUBSCRIBE, which comes before any letter.
    fn grant_all(&mut self) {
        let dispatch = self.office.poll_packet(self.now, Outlook::default());
        let Some(Outgoing::Subscribe { id, filters }) = dispatch.map(|it| it.packet) else {
            panic!("no SUBSCRIBE");
        };
        let granted = filters.iter().map(|(_, qos)| Some(*qos)).collect();
        self.receive(Incoming::SubAck { id, granted });
    }

    fn pass(&mut self, time: Duration) {
        self.now = self.now + time;
        self.office.handle_timeout(self.now);
    }

    fn receive(&mut self, packet: Incoming) {
        self.office.handle_packet(self.now, packet);
    }

    fn lose_connection(&mut self) {
        self.office
            .handle_disconnected(self.now, Disconnection::Closed);
    }

    fn letter(&mut self, qos: Qos, ttl: Duration) -> Letter {
        self.tickets += 1;
        Letter {
            ticket: Ticket(self.tickets),
            topic: format!("t/{}", self.tickets).into(),
            payload: Payload::new("x"),
            qos,
            retain: false,
            ttl,
        }
    }

    fn post(&mut self, qos: Qos, ttl: Duration) -> Ticket {
        let letter = self.letter(qos, ttl);
        let ticket = letter.ticket;
        self.office.post(self.now, A, letter);
        ticket
    }

    fn packets(&mut self) -> Vec<Outgoing> {
        let next = || {
            let dispatch = self.office.poll_packet(self.now, Outlook::default())?;
            self.office.handle_written(self.now, dispatch.carried);
            Some(dispatch.packet)
        };
        std::iter::from_fn(next).collect()
    }

    fn publishes(&mut self) -> Vec<(String, Delivery, bool)> {
        let publish = |packet| match packet {
            Outgoing::Publish(publish) => (
                publish.topic.to_string(),
                publish.delivery,
                publish.duplicate,
            ),
            other => panic!("{other:?}"),
        };
        self.packets().into_iter().map(publish).collect()
    }

    fn call(&mut self) -> Option<Assignment> {
        self.office.poll_call(self.now)
    }

    fn answer(&mut self, guest: GuestId, answer: Answer) {
        self.office.handle_answer(self.now, guest, answer);
    }

    /// Has all guests take all there is, and returns what they were told.
    fn serve_all(&mut self) -> Vec<(GuestId, Call)> {
        let mut calls = Vec::new();
        while let Some(assignment) = self.call() {
            self.answer(assignment.guest, Answer::Done(Effects::default()));
            calls.push((assignment.guest, assignment.call));
        }
        calls
    }

    fn outcomes(&mut self) -> Vec<(Ticket, Outcome)> {
        let outcome = |(_, call)| match call {
            Call::Outcome(ticket, outcome) => Some((ticket, outcome)),
            _ => None,
        };
        self.serve_all().into_iter().filter_map(outcome).collect()
    }

    fn deliver(&mut self, topic: &str, delivery: Delivery, duplicate: bool) {
        let payload = Payload::new("x");
        let topic = topic.into();
        self.receive(Incoming::Publish(Publish {
            topic,
            payload,
            delivery,
            retain: false,
            duplicate,
        }));
    }

    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.office.poll_notice()).collect()
    }
}

fn id(id: u16) -> PacketId {
    NonZeroU16::new(id).expect("not zero")
}

fn id_of(delivery: Delivery) -> PacketId {
    delivery.packet_id().expect("QoS 0 has no packet id")
}

#[test]
fn a_letter_goes_out_is_acknowledged_and_its_guest_told() {
    let mut desk = Desk::online(settings());
    let ticket = desk.post(Qos::AtLeastOnce, TWO_HOURS);
    let [(_, delivery, false)] = desk.publishes()[..] else {
        panic!("one PUBLISH")
    };
    assert_eq!(desk.outcomes(), []);
    desk.receive(Incoming::PubAck(id_of(delivery)));
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Delivered)]);
    desk.receive(Incoming::PubAck(id_of(delivery)));
    assert_eq!(desk.outcomes(), [], "a second PUBACK says nothing new");
}

#[test]
fn letters_wait_for_a_connection_and_go_out_first_in_first_out() {
    let mut desk = Desk::open(settings());
    for _ in 0..3 {
        desk.post(Qos::AtLeastOnce, TWO_HOURS);
    }
    assert_eq!(desk.packets(), []);
    desk.connect(false);
    let topics: Vec<_> = desk
        .publishes()
        .into_iter()
        .map(|publish| publish.0)
        .collect();
    assert_eq!(topics, ["t/1", "t/2", "t/3"]);
}

#[test]
fn expiry_is_noticed_when_it_happens_wherever_the_letter_is() {
    let mut desk = Desk::online(settings());
    let in_flight = desk.post(Qos::AtLeastOnce, 5 * SECOND);
    desk.publishes();
    desk.lose_connection();
    let waiting = desk.post(Qos::AtLeastOnce, 3 * SECOND);
    assert!(
        desk.office.next_timeout() <= Some(desk.now),
        "guests are to be told: offline"
    );
    desk.serve_all();
    let mut seen = Vec::new();
    for _ in 0..5 {
        desk.pass(SECOND);
        seen.push(desk.outcomes());
    }
    let expect = [
        vec![],
        vec![],
        vec![(waiting, Outcome::Expired)],
        vec![],
        vec![(in_flight, Outcome::Expired)],
    ];
    assert_eq!(seen, expect);
}

#[test]
fn nothing_expired_is_sent_after_an_outage() {
    for qos in [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce] {
        let mut desk = Desk::online(settings());
        desk.post(qos, 5 * SECOND);
        desk.publishes();
        desk.lose_connection();
        let late = desk.post(qos, 5 * SECOND);
        desk.now = desk.now + TWO_HOURS;
        desk.connect(false);
        assert_eq!(desk.packets(), []);
        assert_eq!(desk.outcomes().last(), None, "told while connecting");
        let told = desk.notices();
        let expired = Notice::Outcome {
            guest: A,
            ticket: late,
            outcome: Outcome::Expired,
        };
        assert_eq!(told.iter().filter(|notice| **notice == expired).count(), 1);
    }
}

#[test]
fn the_second_half_of_a_qos_2_exchange_expires_too() {
    let mut desk = Desk::online(settings());
    let ticket = desk.post(Qos::ExactlyOnce, 5 * SECOND);
    let id = id_of(desk.publishes()[0].1);
    desk.now = desk.now + TWO_HOURS;
    desk.receive(Incoming::PubRec(id));
    assert_eq!(desk.packets(), [], "a broker delivers at PUBREL");
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Expired)]);
}

#[test]
fn a_released_qos_2_letter_is_delivered_at_pubcomp() {
    let mut desk = Desk::online(settings());
    let ticket = desk.post(Qos::ExactlyOnce, TWO_HOURS);
    let id = id_of(desk.publishes()[0].1);
    desk.receive(Incoming::PubRec(id));
    assert_eq!(desk.packets(), [Outgoing::PubRel(id)]);
    desk.receive(Incoming::PubRec(id));
    assert_eq!(desk.packets(), [], "a duplicate PUBREC");
    assert_eq!(desk.outcomes(), []);
    desk.receive(Incoming::PubComp(id));
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Delivered)]);
}

#[test]
fn after_a_lost_session_letters_go_out_again_in_order_with_fresh_ids() {
    let mut desk = Desk::online(settings());
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::AtLeastOnce] {
        desk.post(qos, TWO_HOURS);
    }
    let before = desk.publishes();
    desk.receive(Incoming::PubAck(id_of(before[0].1)));
    desk.lose_connection();
    desk.connect(false);
    let after = desk.publishes();
    let topics: Vec<_> = after.iter().map(|publish| publish.0.as_str()).collect();
    assert_eq!(topics, ["t/2", "t/3"]);
    assert!(
        after.iter().all(|publish| !publish.2),
        "to this session they are new"
    );
}

#[test]
fn in_a_kept_session_exchanges_go_on_under_their_ids() {
    let mut desk = Desk::online(Settings {
        clean_session: false,
        ..settings()
    });
    for qos in [Qos::AtLeastOnce, Qos::ExactlyOnce, Qos::ExactlyOnce] {
        desk.post(qos, TWO_HOURS);
    }
    let sent = desk.publishes();
    let released = id_of(sent[2].1);
    desk.receive(Incoming::PubRec(released));
    assert_eq!(desk.packets(), [Outgoing::PubRel(released)]);
    desk.lose_connection();
    desk.connect(true);
    let packets = desk.packets();
    let [
        Outgoing::Publish(first),
        Outgoing::Publish(second),
        Outgoing::PubRel(third),
    ] = &packets[..]
    else {
        panic!("{packets:?}");
    };
    assert_eq!((first.delivery, first.duplicate), (sent[0].1, true));
    assert_eq!((second.delivery, second.duplicate), (sent[1].1, true));
    assert_eq!(*third, released);
}

#[test]
fn a_full_work_list_displaces_the_oldest_or_accepts_no_more() {
    let work_list = |overflow| WorkListSettings { max: 2, overflow };
    let mut desk = Desk::open(Settings {
        work_list: work_list(Overflow::DropOldest),
        ..settings()
    });
    desk.serve_all();
    let oldest = desk.post(Qos::AtLeastOnce, TWO_HOURS);
    let short = desk.post(Qos::AtLeastOnce, SECOND);
    desk.now = desk.now + SECOND;
    desk.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(
        desk.outcomes(),
        [(short, Outcome::Expired)],
        "expired ones go first"
    );
    desk.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(desk.outcomes(), [(oldest, Outcome::Displaced)]);

    let mut desk = Desk::online(Settings {
        work_list: work_list(Overflow::Reject),
        ..settings()
    });
    desk.post(Qos::AtLeastOnce, TWO_HOURS);
    desk.deliver("a/x", Delivery::AtMostOnce, false);
    let assignment = desk.call().expect("a message");
    assert_eq!(
        assignment.room.accept, 1,
        "and for one more the answer is work-list-full"
    );
}

#[test]
fn the_qos_2_window_stays_below_what_a_broker_bears() {
    let mut desk = Desk::online(settings());
    for _ in 0..QOS2_WINDOW + 5 {
        desk.post(Qos::ExactlyOnce, TWO_HOURS);
    }
    let sent = desk.publishes();
    assert_eq!(sent.len(), QOS2_WINDOW);
    let first = id_of(sent[0].1);
    desk.receive(Incoming::PubRec(first));
    assert_eq!(
        desk.packets(),
        [Outgoing::PubRel(first)],
        "a received one is still open"
    );
    desk.receive(Incoming::PubComp(first));
    assert_eq!(desk.publishes().len(), 1);
}

#[test]
fn a_window_full_of_expired_exchanges_is_cleared_by_a_new_session() {
    let mut desk = Desk::online(Settings {
        clean_session: false,
        ..settings()
    });
    for _ in 0..QOS2_WINDOW {
        desk.post(Qos::ExactlyOnce, SECOND);
    }
    desk.publishes();
    desk.pass(SECOND);
    assert_eq!(desk.office.poll_close(), Some(Disconnection::Clogged));
    desk.pass(30 * SECOND);
    let connect = desk
        .office
        .poll_connect(desk.now)
        .expect("a connection is due");
    assert!(connect.clean_session);
    desk.receive(Incoming::ConnAck {
        session_present: false,
    });
    desk.grant_all();
    desk.post(Qos::ExactlyOnce, TWO_HOURS);
    assert_eq!(desk.publishes().len(), 1);
}

#[test]
fn what_one_call_publishes_is_committed_when_it_has_succeeded() {
    let mut desk = Desk::online(settings());
    let effects = |desk: &mut Desk| {
        let letters = (0..2)
            .map(|_| desk.letter(Qos::AtLeastOnce, TWO_HOURS))
            .collect();
        Effects {
            letters,
            ..Effects::default()
        }
    };
    desk.deliver("a/x", Delivery::AtMostOnce, false);
    for failed in [
        Answer::Failed("a trap".into()),
        Answer::Retry("not now".into()),
    ] {
        effects(&mut desk);
        assert!(matches!(
            desk.call().map(|it| it.call),
            Some(Call::Message(_))
        ));
        desk.answer(A, failed);
        assert_eq!(desk.packets(), []);
    }
    desk.pass(SECOND);
    let Some(Call::Message(message)) = desk.call().map(|it| it.call) else {
        panic!("again")
    };
    assert!(message.duplicate);
    let kept = effects(&mut desk);
    desk.answer(A, Answer::Rejected("never".into(), kept));
    assert_eq!(desk.publishes().len(), 2, "a rejected call may say why");
}

#[test]
fn a_ttl_counts_from_the_beginning_of_the_call() {
    let mut desk = Desk::online(settings());
    desk.deliver("a/x", Delivery::AtMostOnce, false);
    assert!(desk.call().is_some());
    let letter = desk.letter(Qos::AtLeastOnce, SECOND);
    let ticket = letter.ticket;
    desk.now = desk.now + SECOND;
    desk.answer(
        A,
        Answer::Done(Effects {
            letters: [letter].into(),
            ..Effects::default()
        }),
    );
    assert_eq!(desk.packets(), []);
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Expired)]);
}

#[test]
fn a_message_is_acknowledged_when_all_its_guests_have_taken_it() {
    let mut desk = Desk::online(settings());
    desk.deliver("both", Delivery::AtLeastOnce(id(7)), false);
    assert_eq!(desk.packets(), []);
    let first = desk.call().expect("a message");
    let second = desk.call().expect("a message for the other");
    assert_ne!(first.guest, second.guest);
    assert_eq!(desk.call(), None, "one call at a time");
    desk.answer(first.guest, Answer::Done(Effects::default()));
    assert_eq!(desk.packets(), []);
    desk.answer(
        second.guest,
        Answer::Rejected("no".into(), Effects::default()),
    );
    assert_eq!(desk.packets(), [Outgoing::PubAck(id(7))]);
}

#[test]
fn a_qos_2_message_is_handed_over_once() {
    let mut desk = Desk::online(Settings {
        clean_session: false,
        ..settings()
    });
    desk.deliver("a/x", Delivery::ExactlyOnce(id(7)), false);
    desk.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(desk.serve_all().len(), 1);
    assert_eq!(desk.packets(), [Outgoing::PubRec(id(7))]);
    desk.lose_connection();
    desk.connect(true);
    desk.deliver("a/x", Delivery::ExactlyOnce(id(7)), true);
    assert_eq!(desk.packets(), [Outgoing::PubRec(id(7))]);
    assert_eq!(desk.serve_all(), []);
    desk.receive(Incoming::PubRel(id(7)));
    assert_eq!(desk.packets(), [Outgoing::PubComp(id(7))]);
}

#[test]
fn a_failing_message_is_given_up_after_three_retries() {
    let mut desk = Desk::online(settings());
    desk.deliver("a/x", Delivery::AtLeastOnce(id(7)), false);
    let mut pauses = Vec::new();
    for _ in 0..4 {
        let before = desk.now;
        let mut assignment = desk.call();
        while assignment.is_none() {
            desk.now = desk.office.next_timeout().expect("it is tried again");
            assignment = desk.call();
        }
        pauses.push(desk.now.since(before).as_millis());
        assert_eq!(desk.packets(), []);
        desk.answer(A, Answer::Failed("a trap".into()));
    }
    assert_eq!(pauses, [0, 0, 100, 200], "repeated failures back off");
    assert_eq!(desk.packets(), [Outgoing::PubAck(id(7))]);
    let given_up = |notice: &Notice| matches!(notice, Notice::GivenUp { guest: A, .. });
    assert_eq!(
        desk.notices()
            .iter()
            .filter(|notice| given_up(notice))
            .count(),
        1
    );
}

#[test]
fn a_message_put_off_holds_back_messages_and_not_events() {
    let mut desk = Desk::online(settings());
    desk.deliver("a/1", Delivery::AtMostOnce, false);
    desk.deliver("a/2", Delivery::AtMostOnce, false);
    assert!(desk.call().is_some());
    let ticket = desk.post(Qos::AtMostOnce, TWO_HOURS);
    desk.publishes();
    desk.answer(A, Answer::Retry("waiting for an outcome".into()));
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Delivered)]);
    assert_eq!(desk.call(), None);
    desk.pass(SECOND);
    let topics: Vec<_> = desk
        .serve_all()
        .into_iter()
        .map(|(_, call)| match call {
            Call::Message(message) => message.topic.to_string(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(topics, ["a/1", "a/2"]);
}

#[test]
fn one_failing_guest_does_not_hold_back_another() {
    let mut desk = Desk::online(settings());
    desk.deliver("a/x", Delivery::AtMostOnce, false);
    assert_eq!(desk.call().map(|it| it.guest), Some(A));
    desk.deliver("b/x", Delivery::AtLeastOnce(id(9)), false);
    assert_eq!(desk.call().map(|it| it.guest), Some(B));
    desk.answer(B, Answer::Done(Effects::default()));
    assert_eq!(desk.packets(), [Outgoing::PubAck(id(9))]);
}

#[test]
fn a_slow_guest_stops_the_reading_and_keep_alive_goes_on() {
    let mut desk = Desk::online(settings());
    assert!(desk.office.wants_read(desk.now));
    let mut taken = 0;
    while desk.office.wants_read(desk.now) {
        desk.deliver("a/x", Delivery::AtMostOnce, false);
        taken += 1;
        assert!(taken <= 1_000, "nothing buffers without bound");
    }
    for _ in 0..10 {
        desk.pass(60 * SECOND);
        assert_eq!(desk.office.poll_close(), None, "its silence is our doing");
        assert_eq!(desk.packets(), [Outgoing::PingReq]);
        assert!(!desk.office.wants_read(desk.now));
    }
    desk.serve_all();
    assert!(desk.office.wants_read(desk.now));
}

#[test]
fn a_silent_broker_is_given_up_within_one_and_a_half_keep_alives() {
    let mut desk = Desk::online(settings());
    desk.pass(60 * SECOND);
    assert_eq!(desk.packets(), [Outgoing::PingReq]);
    desk.pass(29 * SECOND);
    assert_eq!(desk.office.poll_close(), None);
    desk.pass(SECOND);
    assert_eq!(desk.office.poll_close(), Some(Disconnection::Unresponsive));
    assert_eq!(desk.office.status(), Status::Offline);
}

#[test]
fn sending_alone_does_not_prove_that_the_broker_lives() {
    let mut desk = Desk::online(settings());
    for _ in 0..6 {
        desk.pass(10 * SECOND);
        desk.post(Qos::AtMostOnce, TWO_HOURS);
        assert_eq!(desk.office.poll_close(), None);
        let packets = desk.packets();
        assert!(!packets.is_empty());
    }
    desk.pass(30 * SECOND);
    assert_eq!(desk.office.poll_close(), Some(Disconnection::Unresponsive));
}

#[test]
fn a_refused_subscription_is_reported_once_and_tried_again() {
    let mut desk = Desk::open(settings());
    desk.pass(SECOND);
    desk.office
        .poll_connect(desk.now)
        .expect("a connection is due");
    desk.receive(Incoming::ConnAck {
        session_present: false,
    });
    desk.serve_all();
    let mut told = Vec::new();
    for granted in [false, false, true] {
        desk.pass(30 * SECOND);
        let [Outgoing::Subscribe { id, filters }] = &desk.packets()[..] else {
            panic!("SUBSCRIBE")
        };
        let verdict = |(filter, qos): &(std::sync::Arc<str>, Qos)| {
            (granted || &**filter != "a/+").then_some(*qos)
        };
        desk.receive(Incoming::SubAck {
            id: *id,
            granted: filters.iter().map(verdict).collect(),
        });
        told.push(
            desk.serve_all()
                .into_iter()
                .filter(|(guest, _)| *guest == A)
                .collect::<Vec<_>>(),
        );
        assert_eq!(desk.office.poll_close(), None, "the connection stays");
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
fn guests_are_asked_for_the_last_will_and_the_first_answer_counts() {
    let mut with_wills = settings();
    for guest in &mut with_wills.guests {
        guest.has_will = true;
    }
    let will = |topic: &str| LastWill {
        topic: topic.into(),
        payload: Payload::new("gone"),
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    with_wills.last_will = Some(will("configured"));
    let asked = |answers: [Option<LastWill>; 2]| {
        let mut desk = Desk::open(with_wills.clone());
        desk.serve_all();
        desk.pass(Duration::ZERO);
        for _ in 0..2 {
            let assignment = desk.call().expect("both are asked");
            assert_eq!(assignment.call, Call::LastWill);
            desk.answer(
                assignment.guest,
                Answer::Will(answers[assignment.guest.index()].clone()),
            );
        }
        desk.pass(Duration::ZERO);
        let connect = desk
            .office
            .poll_connect(desk.now)
            .expect("a connection is due");
        connect.will.map(|will| will.topic.to_string())
    };
    assert_eq!(asked([Some(will("a")), Some(will("b"))]), Some("a".into()));
    assert_eq!(asked([None, Some(will("b"))]), Some("b".into()));
    assert_eq!(asked([None, None]), Some("configured".into()));
    assert_eq!(
        asked([Some(will("not/#")), None]),
        Some("configured".into())
    );
}

#[test]
fn a_guest_that_does_not_answer_does_not_keep_the_gateway_offline() {
    let mut with_will = settings();
    with_will.guests[0].has_will = true;
    let mut desk = Desk::open(with_will);
    assert!(desk.call().is_some(), "busy with being told: offline");
    desk.pass(Duration::ZERO);
    assert_eq!(desk.office.poll_connect(desk.now), None);
    desk.pass(2 * SECOND);
    desk.pass(Duration::ZERO);
    assert!(desk.office.poll_connect(desk.now).is_some());
}

#[test]
fn reconnecting_is_at_once_and_not_more_often_than_the_shortest_pause() {
    let mut desk = Desk::online(settings());
    desk.pass(10 * SECOND);
    desk.office.handle_reconnect(desk.now);
    assert_eq!(desk.office.poll_close(), Some(Disconnection::Reconnect));
    desk.pass(Duration::ZERO);
    assert!(desk.office.poll_connect(desk.now).is_some());
    desk.receive(Incoming::ConnAck {
        session_present: false,
    });
    desk.office.handle_reconnect(desk.now);
    assert_eq!(desk.office.poll_close(), Some(Disconnection::Reconnect));
    desk.pass(SECOND - Duration::from_millis(1));
    assert_eq!(desk.office.poll_connect(desk.now), None);
    desk.pass(Duration::from_millis(1));
    assert!(desk.office.poll_connect(desk.now).is_some());
}

#[test]
fn an_oversize_letter_is_refused_alone() {
    let mut desk = Desk::online(Settings {
        max_packet_size: 10,
        ..settings()
    });
    let mut letter = desk.letter(Qos::AtLeastOnce, TWO_HOURS);
    letter.payload = Payload::new([0; 10]);
    let ticket = letter.ticket;
    desk.office.post(desk.now, A, letter);
    desk.post(Qos::AtLeastOnce, TWO_HOURS);
    assert_eq!(desk.publishes().len(), 1);
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Refused)]);
    assert_eq!(desk.office.poll_close(), None);
}

#[test]
fn a_broker_that_breaks_the_rules_is_left() {
    let mut desk = Desk::open(settings());
    desk.pass(SECOND);
    desk.office
        .poll_connect(desk.now)
        .expect("a connection is due");
    desk.receive(Incoming::PingResp);
    assert!(matches!(
        desk.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));

    let mut desk = Desk::online(settings());
    desk.receive(Incoming::ConnAck {
        session_present: false,
    });
    assert!(matches!(
        desk.office.poll_close(),
        Some(Disconnection::Violation(_))
    ));
}

#[test]
fn at_the_end_letters_go_out_and_messages_are_left_to_the_broker() {
    let mut desk = Desk::online(settings());
    let ticket = desk.post(Qos::AtLeastOnce, TWO_HOURS);
    desk.office.handle_shutdown(desk.now);
    desk.deliver("a/x", Delivery::AtLeastOnce(id(1)), false);
    assert!(!desk.office.is_finished(desk.now));
    let [(_, delivery, _)] = desk.publishes()[..] else {
        panic!("one PUBLISH")
    };
    desk.receive(Incoming::PubAck(id_of(delivery)));
    assert!(
        !desk.office.is_finished(desk.now),
        "its guest is to be told"
    );
    assert_eq!(desk.outcomes(), [(ticket, Outcome::Delivered)]);
    assert!(desk.office.is_finished(desk.now));
    assert_eq!(desk.packets(), [], "the message is not acknowledged");

    let mut desk = Desk::online(settings());
    desk.post(Qos::AtLeastOnce, TWO_HOURS);
    desk.office.handle_shutdown(desk.now);
    desk.pass(SHUTDOWN_TIME);
    assert!(desk.office.is_finished(desk.now), "not for ever");
    assert_eq!(desk.office.open_letters(), 1);
}

#[test]
fn a_local_message_needs_no_connection_and_no_acknowledgement() {
    let mut desk = Desk::open(settings());
    desk.serve_all();
    let payload = Payload::new("x");
    desk.office
        .handle_local_message(desk.now, "both".into(), payload);
    let told: Vec<GuestId> = desk
        .serve_all()
        .into_iter()
        .map(|(guest, _)| guest)
        .collect();
    assert_eq!(told, [A, B]);
    desk.connect(false);
    assert_eq!(desk.packets(), []);
}

#[test]
fn a_guest_that_was_replaced_does_not_wait_for_what_the_old_one_failed_at() {
    let mut desk = Desk::online(settings());
    for (answer, calls) in [
        (Answer::Retry("later".into()), 1),
        (Answer::Failed("a trap".into()), 2),
    ] {
        desk.deliver("a/x", Delivery::AtMostOnce, false);
        for _ in 0..calls {
            assert!(desk.call().is_some());
            desk.answer(A, answer.clone());
        }
        assert_eq!(desk.call(), None, "it waits");
        desk.office.handle_replaced(A);
        assert_eq!(desk.serve_all().len(), 1);
    }
}

#[test]
fn the_backlog_is_what_is_not_over_yet() {
    let mut desk = Desk::online(settings());
    assert_eq!(desk.office.backlog(desk.now), Backlog::default());
    desk.deliver("both", Delivery::AtMostOnce, false);
    desk.post(Qos::AtLeastOnce, SECOND);
    let mut expect = Backlog {
        letters: 1,
        messages: 2,
        events: 0,
        is_calling: true,
    };
    assert_eq!(desk.office.backlog(desk.now), expect);
    for guest in [A, B] {
        assert!(desk.call().is_some());
        desk.answer(guest, Answer::Retry("later".into()));
    }
    expect.is_calling = false;
    assert_eq!(desk.office.backlog(desk.now), expect, "nothing is due");
    desk.pass(SECOND);
    let expired = Backlog {
        letters: 0,
        events: 1,
        is_calling: true,
        ..expect
    };
    assert_eq!(desk.office.backlog(desk.now), expired);
    desk.serve_all();
    assert_eq!(desk.office.backlog(desk.now), Backlog::default());
}
