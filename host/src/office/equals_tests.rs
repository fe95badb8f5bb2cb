//! Guests are equals: what one of them does, or does not do, costs no other.

use std::time::Duration;

use super::*;

const A: GuestId = GuestId(0);
const B: GuestId = GuestId(1);

/// A post office whose guests all subscribe to `all`, and each to its number.
struct Test {
    office: Office,
    now: u64,
    tickets: u64,
}

fn settings(guests: u16) -> Settings {
    let guest = |number: u16| GuestSettings {
        name: "guest".into(),
        subscriptions: vec![
            ("all".parse().expect("it is valid"), Qos::ExactlyOnce),
            (
                number.to_string().parse().expect("it is valid"),
                Qos::ExactlyOnce,
            ),
        ],
        retries: 3,
        retry_for: Duration::from_secs(60),
        has_will: false,
        outcomes: 1,
        hears_subscriptions: true,
        work_list: WorkListSettings {
            max: 3,
            ..WorkListSettings::default()
        },
        timers: TimerSettings::default(),
        max_state: crate::office::MAX_STATE,
        permissions: None,
    };
    Settings {
        clean_session: true,
        keep_alive: Duration::ZERO,
        backoff: BackoffSettings {
            min: Duration::from_secs(1),
            max: Duration::from_secs(30),
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size: 1 << 20,
        max_qos: Qos::ExactlyOnce,
        carries_properties: true,
        guests: (0..guests).map(guest).collect(),
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 1,
    }
}

impl Test {
    /// Offline, which the guests have heard.
    fn offline(guests: u16) -> Self {
        let mut test = Self {
            office: Office::new(Time::from_millis(0), settings(guests)),
            now: 0,
            tickets: 0,
        };
        test.take_calls();
        test
    }

    /// Online, which the guests have heard.
    fn online(guests: u16) -> Self {
        let mut test = Self::offline(guests);
        test.connect();
        test.take_calls();
        test
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.office.handle_timeout(self.time());
    }

    /// Waits for the next connection, which the broker accepts. Returns how long
    /// that took, in milliseconds.
    #[track_caller]
    fn connect(&mut self) -> u64 {
        let begun = self.now;
        self.pass(0);
        while self.office.poll_connect(self.time()).is_none() {
            assert!(self.now < begun + 60_000, "no connection is due");
            self.pass(100);
        }
        self.handle(Incoming::ConnAck {
            session_present: false,
            terms: Terms::default(),
        });
        while self.packet().is_some() {}
        self.now - begun
    }

    fn handle(&mut self, packet: Incoming) {
        self.office.handle_packet(self.time(), packet);
    }

    fn publish(&mut self, topic: &str, bytes: usize, delivery: Delivery) {
        let publish = Publish {
            topic: topic.into(),
            payload: Payload::new(vec![0; bytes]),
            delivery,
            retain: false,
            duplicate: false,
            properties: None,
            lifetime: None,
        };
        self.handle(Incoming::Publish(publish, Vec::new()));
    }

    fn packet(&mut self) -> Option<Outgoing> {
        let now = self.time();
        let dispatch = self.office.poll_packet(now, Outlook::default())?;
        self.office.handle_written(now, dispatch.carried);
        Some(dispatch.packet)
    }

    fn packets(&mut self) -> Vec<Outgoing> {
        std::iter::from_fn(|| self.packet()).collect()
    }

    fn poll(&mut self) -> Option<(GuestId, Call)> {
        let assignment = self.office.poll_call(self.time())?;
        Some((assignment.guest, assignment.call))
    }

    fn answer(&mut self, guest: GuestId, answer: Answer) {
        self.office.handle_answer(self.time(), guest, answer);
    }

    fn done(&mut self, guest: GuestId) {
        self.answer(guest, Answer::Done(Effects::default()));
    }

    /// Has every call that is due succeed. Returns them.
    fn take_calls(&mut self) -> Vec<(GuestId, Call)> {
        let mut taken = Vec::new();
        while let Some((guest, call)) = self.poll() {
            taken.push((guest, call));
            self.done(guest);
        }
        taken
    }

    fn letter(&mut self) -> Letter {
        self.tickets += 1;
        Letter {
            ticket: Ticket(self.tickets),
            topic: "t".into(),
            payload: Payload::new([]),
            qos: Qos::AtLeastOnce,
            retain: false,
            ttl: Duration::from_secs(3_600),
            when_off: None,
            priority: Priority::Normal,
            replace_key: None,
            tag: None,
            properties: None,
        }
    }

    fn letters(&mut self, count: usize) -> Effects {
        let letters = (0..count).map(|_| self.letter()).collect();
        Effects {
            letters,
            ..Effects::default()
        }
    }

    /// The notices since the last time.
    fn notices(&mut self) -> Vec<Notice> {
        std::iter::from_fn(|| self.office.poll_notice()).collect()
    }
}

fn id(id: usize) -> PacketId {
    u16::try_from(id)
        .ok()
        .and_then(PacketId::new)
        .expect("an id")
}

/// The messages of one guest among these.
fn messages_of(guest: GuestId, calls: &[(GuestId, Call)]) -> usize {
    let of_guest =
        |(whose, call): &&(GuestId, Call)| *whose == guest && matches!(call, Call::Message(_));
    calls.iter().filter(of_guest).count()
}

/// Sends messages that A, who is at a call for ever, does not take. Returns how
/// many wait for it then.
#[track_caller]
fn flood(test: &mut Test, count: usize, bytes: usize, delivery: fn(PacketId) -> Delivery) -> usize {
    test.publish("0", 0, Delivery::AtMostOnce);
    assert!(matches!(test.poll(), Some((A, Call::Message(_)))));
    for number in 1..=count {
        test.publish("all", bytes, delivery(id(number)));
        assert!(test.office.wants_read(), "nobody is kept from reading");
        assert_eq!(messages_of(B, &test.take_calls()), 1, "B hears of it");
    }
    test.office.backlog(test.time()).messages
}

#[test]
fn what_a_slow_guest_does_not_take_with_qos_0_is_dropped_for_it_alone() {
    for (count, bytes, kept) in [(2_500, 10, 1_000), (200, 64 << 10, 64)] {
        let mut test = Test::online(2);
        assert_eq!(
            flood(&mut test, count, bytes, |_| Delivery::AtMostOnce),
            kept
        );
        let dropped = count + 1 - kept;
        let notices = test.notices();
        let is_dropped = |notice: &&Notice| matches!(notice, Notice::Dropped { guest: A, .. });
        assert_eq!(notices.iter().filter(is_dropped).count(), dropped);
        assert!(notices.iter().any(|notice| matches!(
            notice,
            Notice::Dropped { guest: A, topic, count } if **topic == *"all" && *count == dropped as u64
        )));
        // What was kept is taken in its order, and then there is room again.
        test.done(A);
        assert_eq!(messages_of(A, &test.take_calls()), kept - 1);
        test.publish("all", bytes, Delivery::AtMostOnce);
        assert_eq!(messages_of(A, &test.take_calls()), 1);
    }
}

#[test]
fn what_a_slow_guest_does_not_take_with_qos_1_is_given_up_at_the_hard_bound() {
    for (count, bytes, kept) in [(2_500, 10, 2_000), (200, 64 << 10, 128)] {
        let mut test = Test::online(2);
        assert_eq!(flood(&mut test, count, bytes, Delivery::AtLeastOnce), kept);
        let given_up = count + 1 - kept;
        assert_eq!(test.packets().len(), given_up, "B has taken them");
        let is_given_up = |notice: &Notice| matches!(notice, Notice::GivenUp { guest: A, .. });
        let notices = test.notices();
        assert_eq!(
            notices.iter().filter(|it| is_given_up(it)).count(),
            given_up
        );
        test.done(A);
        assert_eq!(messages_of(A, &test.take_calls()), kept - 1);
        assert_eq!(
            test.packets().len(),
            kept - 1,
            "the others are acknowledged"
        );
    }
}

#[test]
fn a_message_larger_than_the_bound_finds_room_in_an_empty_inbox() {
    let mut test = Test::online(1);
    test.publish("all", 5 << 20, Delivery::AtMostOnce);
    assert_eq!(messages_of(A, &test.take_calls()), 1);
}

#[test]
fn publishing_again_on_displaced_costs_the_guest_and_not_the_loop() {
    let mut test = Test::offline(2);
    for _ in 0..4 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
    }
    let end = test.now + 10_000;
    let mut calls = 0;
    while test.now < end {
        while let Some((guest, call)) = test.poll() {
            assert!(matches!(
                (guest, call),
                (A, Call::Outcomes(told)) if told[0].outcome.word() == OutcomeWord::Displaced
            ));
            let effects = test.letters(1);
            test.answer(A, Answer::Done(effects));
            calls += 1;
            assert!(calls < 100, "it goes round without a pause");
        }
        // B has its turn meanwhile.
        test.office
            .handle_local_message(test.time(), "1".into(), Payload::new([]), None);
        assert!(matches!(test.poll(), Some((B, Call::Message(_)))));
        test.done(B);
        test.pass(10);
    }
    assert!(calls > 15, "it goes on, slowly: {calls}");

    // Once it stops, it is called as before.
    test.pass(1_000);
    test.take_calls();
    for _ in 0..9 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
        assert!(matches!(test.poll(), Some((A, Call::Outcomes(_)))));
        let effects = test.letters(0);
        test.answer(A, Answer::Done(effects));
    }
}

#[test]
fn a_guest_that_has_stopped_displacing_may_begin_again() {
    let mut test = Test::offline(2);
    for _ in 0..3 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
    }
    for _ in 0..2 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
        for _ in 0..10 {
            assert!(matches!(test.poll(), Some((A, Call::Outcomes(_)))));
            let effects = test.letters(1);
            test.answer(A, Answer::Done(effects));
        }
        assert_eq!(test.poll(), None, "it has to wait");
        test.pass(10);
        assert!(matches!(test.poll(), Some((A, Call::Outcomes(_)))));
        test.done(A);
    }
}

fn reconnect() -> Answer {
    Answer::Done(Effects {
        reconnect: true,
        ..Effects::default()
    })
}

#[test]
fn a_guest_that_reconnects_whenever_it_is_online_does_so_once_a_minute() {
    let mut test = Test::offline(2);
    while test.now < 600_000 {
        if test.office.status() == Status::Offline {
            test.connect();
        }
        while let Some((guest, call)) = test.poll() {
            match (guest, call) {
                (A, Call::Connection(Status::Online)) => test.answer(A, reconnect()),
                _ => test.done(guest),
            }
        }
        test.pass(100);
    }
    let is_offline = |notice: &&Notice| matches!(notice, Notice::Offline { .. });
    assert_eq!(test.notices().iter().filter(is_offline).count(), 1);
}

#[test]
fn a_guest_that_asks_for_a_connection_all_the_time_gets_one_a_minute() {
    let mut test = Test::online(2);
    test.notices();
    while test.now < 600_000 {
        if test.office.status() == Status::Offline {
            test.connect();
        }
        test.publish("0", 0, Delivery::AtMostOnce);
        while let Some((guest, _)) = test.poll() {
            let answer = match guest {
                A => reconnect(),
                _ => Answer::Done(Effects::default()),
            };
            test.answer(guest, answer);
        }
        test.pass(100);
    }
    let is_offline = |notice: &&Notice| matches!(notice, Notice::Offline { .. });
    let times = test.notices().iter().filter(is_offline).count();
    assert!((9..=10).contains(&times), "{times} times in ten minutes");
}

#[test]
fn a_reconnect_that_comes_too_soon_is_noticed_and_no_other_guest_s_affair() {
    let mut test = Test::online(2);
    for (guest, is_followed) in [(A, true), (A, false), (B, true), (B, false)] {
        test.publish(&guest.index().to_string(), 0, Delivery::AtMostOnce);
        assert!(matches!(test.poll(), Some((whose, Call::Message(_))) if whose == guest));
        test.notices();
        test.answer(guest, reconnect());
        assert_eq!(test.office.status() == Status::Offline, is_followed);
        let ignored = Notice::ReconnectIgnored { guest, rule: None };
        assert_eq!(test.notices().contains(&ignored), !is_followed);
        if is_followed {
            test.connect();
        }
        test.take_calls();
    }
}

#[test]
fn a_guest_s_reconnect_does_not_end_the_connection_of_a_gateway_that_stops() {
    let mut test = Test::online(2);
    let letter = test.letter();
    test.office.post(test.time(), B, letter);
    test.publish("0", 0, Delivery::AtMostOnce);
    assert!(matches!(test.poll(), Some((A, Call::Message(_)))));
    test.office.handle_shutdown(test.time());
    test.answer(A, reconnect());
    assert_eq!(test.office.status(), Status::Online);
}

#[test]
fn the_operator_reconnects_as_often_as_it_likes() {
    let mut test = Test::online(1);
    for _ in 0..5 {
        test.office.handle_reconnect(test.time());
        assert_eq!(test.office.status(), Status::Offline);
        test.connect();
    }
}

#[test]
fn outcomes_that_are_owed_are_told_before_an_offline_gateway_stops() {
    let mut test = Test::offline(2);
    for _ in 0..5 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
    }
    test.office.handle_shutdown(test.time());
    assert!(!test.office.is_finished(test.time()), "two were displaced");
    assert_eq!(test.office.untold_outcomes(), 2);
    assert_eq!(test.take_calls().len(), 2);
    assert_eq!(test.office.untold_outcomes(), 0);
    assert!(test.office.is_finished(test.time()));
}

#[test]
fn a_guest_that_fails_does_not_keep_an_offline_gateway_from_stopping() {
    let mut test = Test::offline(2);
    for _ in 0..5 {
        let letter = test.letter();
        test.office.post(test.time(), A, letter);
    }
    test.office.handle_shutdown(test.time());
    for _ in 0..SHUTDOWN_TIME.as_millis() {
        assert!(!test.office.is_finished(test.time()));
        while let Some((guest, _)) = test.poll() {
            test.answer(guest, Answer::Failed("trap".into()));
            test.answer(guest, Answer::Failed("trap".into()));
        }
        test.pass(1);
    }
    assert!(test.office.is_finished(test.time()));
}

#[test]
fn a_message_is_put_off_for_a_minute_and_then_given_up() {
    let mut test = Test::online(2);
    test.publish("all", 0, Delivery::AtLeastOnce(id(1)));
    test.publish("0", 0, Delivery::AtLeastOnce(id(2)));
    let (begun, mut tries) = (test.now, Vec::new());
    for _ in 0..100 {
        while let Some((guest, call)) = test.poll() {
            match (guest, call) {
                (A, Call::Message(message)) if *message.topic == *"all" => {
                    tries.push((test.now - begun) / 1_000);
                    test.answer(A, Answer::Retry("later".into()));
                }
                _ => test.done(guest),
            }
        }
        let is_over = test.now - begun >= 60_000;
        let acknowledged = test.packets();
        if is_over {
            let acks = [Outgoing::PubAck(id(1)), Outgoing::PubAck(id(2))];
            assert_eq!(acknowledged, acks, "the later one is taken at once");
            break;
        }
        assert_eq!(acknowledged, [], "they wait");
        test.pass(1_000);
    }
    assert_eq!(tries, [0, 1, 3, 7, 15, 31, 60]);
    let is_given_up = |notice: &Notice| matches!(notice, Notice::GivenUp { guest: A, .. });
    assert!(test.notices().iter().any(is_given_up));
}

/// The others are called at once with what comes in, whatever holds A up.
#[track_caller]
fn check_nobody_waits(test: &mut Test, guests: u16) {
    for _ in 0..100 {
        test.publish("all", 1, Delivery::AtMostOnce);
        while let Some((guest, call)) = test.poll() {
            match (guest, call) {
                (A, Call::Message(_)) => test.answer(A, Answer::Retry("later".into())),
                (A, _) => test.answer(A, Answer::Failed("trap".into())),
                (_, Call::Message(_)) => test.done(guest),
                (_, call) => panic!("{call:?}"),
            }
        }
        let waiting = test.office.backlog(test.time());
        assert!(!waiting.is_calling, "{guests} guests");
        assert!(
            test.office.next_timeout().is_none_or(|at| at > test.time()),
            "nothing is due"
        );
        test.pass(7);
    }
}

#[test]
fn a_guest_that_fails_or_puts_off_delays_no_other() {
    for guests in 2..=5 {
        let mut test = Test::online(guests);
        check_nobody_waits(&mut test, guests);
        let waiting = test.office.backlog(test.time()).messages;
        assert!((99..=100).contains(&waiting), "those of A alone: {waiting}");

        // Its failures pause it as well.
        let mut test = Test::online(guests);
        test.tickets = 1_000;
        for _ in 0..5 {
            let letter = test.letter();
            test.office.post(test.time(), A, letter);
        }
        check_nobody_waits(&mut test, guests);
    }
}
