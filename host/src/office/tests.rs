//! The post office, driven by hand: what the simulation has found, and what it
//! cannot reach.

use std::time::Duration;

use super::*;

/// A post office with one guest, and its time.
struct Test {
    office: Office,
    now: u64,
    tickets: u64,
}

fn settings() -> Settings {
    Settings {
        clean_session: false,
        keep_alive: Duration::ZERO,
        backoff: BackoffSettings {
            min: Duration::from_secs(1),
            max: Duration::from_secs(30),
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        max_packet_size: 1 << 20,
        work_list: WorkListSettings {
            max: 100,
            overflow: Overflow::DropOldest,
        },
        guests: vec![GuestSettings {
            subscriptions: Vec::new(),
            retries: 5,
            retry_for: HOUR,
            has_will: false,
        }],
        seed: 1,
    }
}

impl Test {
    fn new(settings: Settings) -> Self {
        Self {
            office: Office::new(Time::from_millis(0), settings),
            now: 0,
            tickets: 0,
        }
    }

    fn time(&self) -> Time {
        Time::from_millis(self.now)
    }

    fn pass(&mut self, millis: u64) {
        self.now += millis;
        self.office.handle_timeout(self.time());
    }

    /// Waits for the next connection, which the broker accepts.
    #[track_caller]
    fn connect(&mut self, session_present: bool) {
        let end = self.now + 60_000;
        while self.office.poll_connect(self.time()).is_none() {
            assert!(self.now < end, "no connection is due");
            self.pass(100);
        }
        self.handle(Incoming::ConnAck { session_present });
    }

    fn lose(&mut self) {
        let now = self.time();
        self.office.handle_disconnected(now, Disconnection::Closed);
    }

    fn handle(&mut self, packet: Incoming) {
        self.office.handle_packet(self.time(), packet);
    }

    fn post(&mut self, qos: Qos, ttl: Duration) {
        self.tickets += 1;
        let letter = Letter {
            ticket: Ticket(self.tickets),
            topic: "t".into(),
            payload: Payload::new([]),
            qos,
            retain: false,
            ttl,
        };
        self.office.post(self.time(), GuestId(0), letter);
    }

    fn packet(&mut self) -> Option<Outgoing> {
        let now = self.time();
        let dispatch = self.office.poll_packet(now, Outlook::default())?;
        self.office.handle_written(now, dispatch.carried);
        Some(dispatch.packet)
    }

    /// Polls the next packet, a PUBLISH, and returns its packet id.
    #[track_caller]
    fn published(&mut self) -> PacketId {
        match self.packet() {
            Some(Outgoing::Publish(Publish {
                delivery: Delivery::AtLeastOnce(id) | Delivery::ExactlyOnce(id),
                ..
            })) => id,
            other => panic!("no PUBLISH with a packet id: {other:?}"),
        }
    }

    fn call(&mut self) -> Option<Call> {
        Some(self.office.poll_call(self.time())?.call)
    }

    fn answer(&mut self, answer: Answer) {
        self.office.handle_answer(self.time(), GuestId(0), answer);
    }

    /// Takes every call that is due and returns the last one.
    fn take_calls(&mut self) -> Option<Call> {
        let mut last = None;
        while let Some(call) = self.call() {
            last = Some(call);
            self.answer(Answer::Done(Effects::default()));
        }
        last
    }
}

const HOUR: Duration = Duration::from_secs(3_600);

#[test]
fn a_guest_that_failed_to_hear_of_a_connection_hears_of_the_next() {
    let mut test = Test::new(settings());
    test.take_calls();
    test.connect(false);
    assert_eq!(test.call(), Some(Call::Connection(Status::Online)));
    test.answer(Answer::Failed("trap".into()));
    assert_eq!(test.call(), Some(Call::Connection(Status::Online)));
    test.lose();
    // The second failure: the guest is not called again at once.
    test.answer(Answer::Failed("trap".into()));
    test.connect(true);
    test.pass(30_000);
    let last = test.take_calls();
    assert_eq!(last, Some(Call::Connection(Status::Online)));
}

#[test]
fn letters_that_gave_their_place_up_do_not_clog_the_window_for_ever() {
    for (qos, window) in [
        (Qos::AtLeastOnce, QOS1_WINDOW),
        (Qos::ExactlyOnce, QOS2_WINDOW),
    ] {
        let mut settings = settings();
        settings.work_list.max = 1;
        let mut test = Test::new(settings);
        test.connect(false);
        for _ in 0..window {
            test.post(qos, Duration::from_secs(60));
            test.published();
        }
        test.post(qos, 2 * HOUR);
        assert_eq!(test.packet(), None, "the window is full");
        test.pass(3_600_000);
        assert_eq!(test.office.status(), Status::Offline, "it is given up");
        // QoS 2 needs a new session, too.
        test.connect(qos == Qos::AtLeastOnce);
        test.published();
    }
}

#[test]
fn a_subscription_that_waits_for_room_to_be_written_is_no_reason_to_wake_up() {
    let mut settings = settings();
    settings.guests[0].subscriptions = vec![("t".into(), Qos::AtLeastOnce)];
    let mut test = Test::new(settings);
    test.connect(false);
    let Some(Outgoing::Subscribe { id, .. }) = test.packet() else {
        panic!("no SUBSCRIBE");
    };
    let granted = vec![None];
    test.handle(Incoming::SubAck { id, granted });
    test.take_calls();
    let again = test.office.next_timeout().expect("it is tried again");
    assert!(again > test.time());

    test.pass(again.since(test.time()).as_millis() as u64);
    // Nothing is polled: the network takes nothing.
    assert_eq!(test.office.next_timeout(), None);
    assert!(matches!(test.packet(), Some(Outgoing::Subscribe { .. })));
}

#[test]
fn an_id_is_taken_until_the_exchange_is_over() {
    let mut test = Test::new(settings());
    test.connect(false);
    test.post(Qos::ExactlyOnce, 100 * HOUR);
    let held = test.published();
    test.handle(Incoming::PubRec(held));
    assert_eq!(test.packet(), Some(Outgoing::PubRel(held)));
    for _ in 0..2 * usize::from(u16::MAX) {
        test.post(Qos::AtLeastOnce, HOUR);
        let id = test.published();
        assert_ne!(id, held, "PUBCOMP has not come");
        test.handle(Incoming::PubAck(id));
        test.take_calls();
        while test.office.poll_notice().is_some() {}
    }
    test.handle(Incoming::PubComp(held));
    assert_eq!(test.office.open_letters(), 0);
}
