//! What benchmarks of the post office measure, a round at a time.
//!
//! The same calls lead to the same work, to the instruction.

use std::hint::black_box;
use std::time::Duration;

use jackalope::office::{
    Answer, Call, Delivery, Effects, GuestId, Incoming, Letter, Outgoing, PacketId, Payload,
    Publish, Qos, Schedule, Settings,
};

use super::{TestOffice, guest, settings, with_room_for};

/// The size of every payload here.
pub const PAYLOAD: usize = 64;

/// The topic of every letter here, each of which has a copy of its own.
pub const TOPIC: &str = "site/device/measured";

/// The guest that is measured.
pub const GUEST: GuestId = GuestId(0);

/// Another one, whose letters wait.
pub const OTHER: GuestId = GuestId(1);

/// More than the configuration allows, so that a list of that size is never full.
const MAX_LETTERS: usize = 2_000_000;

impl TestOffice {
    /// Online, with so many guests that have nothing to do. Guest `n` is
    /// subscribed to `in/n/+`. Nobody reads the log.
    pub fn measured(guests: u16) -> Self {
        let settings = Settings {
            keep_alive: Duration::ZERO,
            guests: (0..guests)
                .map(|n| guest(&[&format!("in/{n}/+")]))
                .collect(),
            ..settings()
        };
        let mut test = Self::offline(with_room_for(MAX_LETTERS, settings));
        test.office.set_detailed_notices(false);
        test.connect(false);
        test.take_notices();
        test
    }

    /// The same, where so many timers of a thousand guests wait, each due once an hour,
    /// a millisecond apart and in no order.
    pub fn with_timers(timers: usize) -> Self {
        const GUESTS: usize = 1_000;
        let hour = Duration::from_hours(1);
        let mut guests: Vec<_> = (0..GUESTS).map(|_| guest(&[])).collect();
        for n in 0..timers {
            let schedule = Schedule {
                first: hour + Duration::from_millis(shuffled(n, timers)),
                period: Some(hour),
            };
            let name = format!("timer {n}");
            guests[n % GUESTS]
                .timers
                .given
                .push((name.into(), schedule));
        }
        let mut test = Self::offline(Settings {
            keep_alive: Duration::ZERO,
            guests,
            ..settings()
        });
        test.office.set_detailed_notices(false);
        test.connect(false);
        test.take_notices();
        test
    }

    /// The next timer is due, and its guest is called.
    pub fn next_timer(&mut self) {
        self.now = self.office.next_timeout().expect("timers wait");
        let assignment = self.call().expect("it is due");
        self.answer(assignment.guest, Answer::Done(Effects::default()));
    }

    /// A letter, with a topic and a payload of its own as guests write them.
    pub fn measured_letter(&mut self, qos: Qos, ttl: Duration) -> Letter {
        self.letter_with(TOPIC, Payload::new(vec![7; PAYLOAD]), qos, ttl)
    }

    /// Lets `letters` letters of `guest` wait, with deadlines from one hour on,
    /// a millisecond apart and in no order. As many as may be are on their way, so
    /// none of this guest goes out before one of them is acknowledged: their
    /// packet ids. None of QoS 0 goes out, for which nobody has asked.
    pub fn wait(&mut self, guest: GuestId, qos: Qos, letters: usize) -> Vec<PacketId> {
        for n in 0..letters {
            let ttl = Duration::from_hours(1) + Duration::from_millis(shuffled(n, letters));
            let letter = self.measured_letter(qos, ttl);
            self.post_letter(guest, letter);
        }
        let mut ids = Vec::new();
        while qos != Qos::AtMostOnce
            && let Some(Outgoing::Publish(publish)) = self.packet()
        {
            ids.extend(publish.delivery.packet_id());
        }
        self.take_notices();
        ids
    }

    /// The id of the packet that is sent next, if it is a PUBLISH that has one.
    /// It must be there.
    pub fn next_id(&mut self) -> Option<PacketId> {
        self.publish().delivery.packet_id()
    }

    /// The broker acknowledges a letter.
    pub fn acknowledge(&mut self, qos: Qos, id: Option<PacketId>) {
        match (qos, id) {
            (Qos::AtLeastOnce, Some(id)) => self.receive(Incoming::PubAck(id)),
            (Qos::ExactlyOnce, Some(id)) => {
                self.receive(Incoming::PubRec(id));
                assert_eq!(self.packet(), Some(Outgoing::PubRel(id)));
                self.receive(Incoming::PubComp(id));
            }
            _ => {}
        }
    }

    /// A letter from being posted until its guest has heard what became of it.
    pub fn post_send_ack(&mut self, letter: Letter) {
        let qos = letter.qos;
        self.post_letter(GUEST, letter);
        let id = self.next_id();
        self.acknowledge(qos, id);
        self.take_outcome();
        self.take_notices();
    }

    /// The call that tells of an outcome, which is due.
    pub fn take_outcome(&mut self) {
        let assignment = self.call().expect("a call is due");
        debug_assert!(matches!(assignment.call, Call::Outcomes(_)));
        self.answer(assignment.guest, Answer::Done(Effects::default()));
    }

    /// Time passes until the next letter has expired, and its guest hears of it.
    pub fn expire_next(&mut self) {
        self.now = self.office.next_timeout().expect("letters have deadlines");
        self.office.handle_timeout(self.now);
        self.take_outcome();
        self.take_notices();
    }

    /// Time passes until all letters have expired, with nobody told yet.
    pub fn expire_all(&mut self) {
        self.now = self.now + Duration::from_hours(2);
        self.office.handle_timeout(self.now);
        assert_eq!(self.office.open_letters(), 0);
    }

    /// A message for [`GUEST`], as the broker sends it.
    pub fn message(&mut self, qos: Qos) -> Publish {
        self.packet_id = self.packet_id.checked_add(1).unwrap_or(1);
        let id = PacketId::new(self.packet_id).expect("it is never zero");
        Publish {
            topic: "in/0/request".into(),
            payload: Payload::new(vec![7; PAYLOAD]),
            delivery: match qos {
                Qos::AtMostOnce => Delivery::AtMostOnce,
                Qos::AtLeastOnce => Delivery::AtLeastOnce(id),
                Qos::ExactlyOnce => Delivery::ExactlyOnce(id),
            },
            retain: false,
            duplicate: false,
            properties: None,
            lifetime: None,
        }
    }

    /// A message comes in and is answered with a letter, which is acknowledged:
    /// turns of the gateway's loop with nothing else in them.
    pub fn echo(&mut self, message: Publish, letter: Letter) {
        let received = message.delivery;
        self.turn(Incoming::Publish(message, Vec::new()));
        let mut answer = Effects::default();
        answer.letters.push_back(letter);
        self.call_one(answer);
        let mut published = None;
        while let Some(packet) = self.packet() {
            if let Outgoing::Publish(publish) = packet {
                published = Some(publish.delivery);
            }
        }
        self.end_turn();
        match published.expect("the letter goes out") {
            Delivery::AtMostOnce => {}
            Delivery::AtLeastOnce(id) => self.turn(Incoming::PubAck(id)),
            Delivery::ExactlyOnce(id) => {
                self.turn(Incoming::PubRec(id));
                self.packet().expect("PUBREL is due");
                self.receive(Incoming::PubComp(id));
            }
        }
        if let Delivery::ExactlyOnce(id) = received {
            self.receive(Incoming::PubRel(id));
        }
        self.call_one(Effects::default());
        while self.packet().is_some() {}
        self.end_turn();
    }

    fn turn(&mut self, packet: Incoming) {
        self.office.handle_timeout(self.now);
        assert!(self.office.wants_read());
        self.receive(packet);
    }

    fn end_turn(&mut self) {
        assert!(self.office.poll_close().is_none());
        assert!(self.office.poll_connect(self.now).is_none());
        self.take_notices();
        assert!(!self.office.is_finished(self.now));
        black_box(self.office.next_timeout());
    }

    /// Calls the guest that is to be called, and looks for another one.
    fn call_one(&mut self, effects: Effects) {
        let assignment = self.call().expect("a call is due");
        self.answer(assignment.guest, Answer::Done(effects));
        assert!(self.call().is_none());
    }

    /// What the gateway does at the end of each turn.
    pub fn take_notices(&mut self) {
        while self.office.poll_notice().is_some() {}
    }
}

/// The numbers below `count`, each once, in no order.
pub fn shuffled(n: usize, count: usize) -> u64 {
    // A prime that divides no count that is measured.
    const STEP: usize = 7_368_787;
    (n * STEP % count) as u64
}

/// Posts so many letters, each sent and acknowledged before the next, while
/// 1,000 letters of another guest wait. What an instruction counter counts.
pub fn post_send_ack(qos: Qos, rounds: usize) {
    let mut test = TestOffice::measured(2);
    let waiting = if qos == Qos::ExactlyOnce {
        Qos::AtLeastOnce
    } else {
        Qos::ExactlyOnce
    };
    test.wait(OTHER, waiting, 1_000);
    for n in 0..rounds {
        let ttl = Duration::from_hours(1) + Duration::from_millis(shuffled(n, 1_000));
        let letter = test.measured_letter(qos, ttl);
        test.post_send_ack(letter);
    }
}
