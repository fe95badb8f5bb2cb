//! A post office alone, driven as the gateway drives it, with its broker and
//! its guests played by whoever measures it.
//!
//! The same calls lead to the same work, to the instruction.

use std::hint::black_box;
use std::time::Duration;

use jackalope::office::{
    Answer, BackoffSettings, Call, Delivery, Effects, GuestId, GuestSettings, Incoming, Letter,
    Office, Outgoing, Outlook, Overflow, PacketId, Payload, Publish, QOS1_WINDOW, QOS2_WINDOW, Qos,
    Settings, Ticket, Time, WorkListSettings,
};

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

/// A post office with a session, and its time.
pub struct Desk {
    office: Office,
    now: Time,
    tickets: u64,
    packet_id: u16,
}

impl Desk {
    /// Online, with so many guests that have nothing to do. Guest `n` is
    /// subscribed to `in/n/+`.
    pub fn online(guests: u16) -> Self {
        let now = Time::from_millis(1_000_000);
        let guest = |n| GuestSettings {
            subscriptions: vec![(format!("in/{n}/+").into(), Qos::ExactlyOnce)],
            retries: 3,
            has_will: false,
        };
        let settings = Settings {
            clean_session: true,
            keep_alive: Duration::ZERO,
            backoff: BackoffSettings {
                min: Duration::from_secs(1),
                max: Duration::from_secs(30),
            },
            first_connect_delay: Duration::ZERO,
            last_will: None,
            max_packet_size: 1 << 20,
            work_list: WorkListSettings {
                max: MAX_LETTERS,
                overflow: Overflow::DropOldest,
            },
            guests: (0..guests).map(guest).collect(),
            seed: 1,
        };
        let mut desk = Self {
            office: Office::new(now, settings),
            now,
            tickets: 0,
            packet_id: 0,
        };
        // Nobody reads the log.
        desk.office.set_detailed_notices(false);
        desk.office.handle_timeout(now);
        desk.office.poll_connect(now).expect("a connection is due");
        let session_present = false;
        desk.receive(Incoming::ConnAck { session_present });
        while let Some(packet) = desk.send() {
            if let Outgoing::Subscribe { id, filters } = packet {
                let granted = filters.iter().map(|(_, qos)| Some(*qos)).collect();
                desk.receive(Incoming::SubAck { id, granted });
            }
        }
        desk.take_calls();
        desk
    }

    /// A letter, with a topic and a payload of its own as guests write them.
    pub fn letter(&mut self, qos: Qos, ttl: Duration) -> Letter {
        self.tickets += 1;
        Letter {
            ticket: Ticket(self.tickets),
            topic: TOPIC.into(),
            payload: Payload::new(vec![7; PAYLOAD]),
            qos,
            retain: false,
            ttl,
        }
    }

    /// Posts a letter.
    pub fn post(&mut self, guest: GuestId, letter: Letter) {
        self.office.post(self.now, guest, letter);
    }

    /// Lets `letters` letters of `guest` wait, with deadlines from one hour on,
    /// a millisecond apart and in no order. A window's worth is on its way, so
    /// no letter of this quality of service goes out before one is acknowledged:
    /// their packet ids. None of QoS 0 goes out, for which nobody has asked.
    pub fn wait(&mut self, guest: GuestId, qos: Qos, letters: usize) -> Vec<PacketId> {
        for n in 0..letters {
            let ttl = Duration::from_hours(1) + Duration::from_millis(shuffled(n, letters));
            let letter = self.letter(qos, ttl);
            self.post(guest, letter);
        }
        let window = match qos {
            Qos::AtMostOnce => 0,
            Qos::AtLeastOnce => QOS1_WINDOW,
            Qos::ExactlyOnce => QOS2_WINDOW,
        };
        let ids = (0..window).filter_map(|_| self.publish()).collect();
        self.take_notices();
        ids
    }

    /// What time it is.
    pub fn now(&self) -> Time {
        self.now
    }

    /// The id of the packet that is sent next, if it is a PUBLISH that has one.
    /// It must be there.
    pub fn publish(&mut self) -> Option<PacketId> {
        match self.send() {
            Some(Outgoing::Publish(publish)) => publish.delivery.packet_id(),
            other => unreachable!("not a PUBLISH: {other:?}"),
        }
    }

    /// The broker acknowledges a letter.
    pub fn acknowledge(&mut self, qos: Qos, id: Option<PacketId>) {
        match (qos, id) {
            (Qos::AtLeastOnce, Some(id)) => self.receive(Incoming::PubAck(id)),
            (Qos::ExactlyOnce, Some(id)) => {
                self.receive(Incoming::PubRec(id));
                assert_eq!(self.send(), Some(Outgoing::PubRel(id)));
                self.receive(Incoming::PubComp(id));
            }
            _ => {}
        }
    }

    /// A letter from being posted until its guest has heard what became of it.
    pub fn post_send_ack(&mut self, letter: Letter) {
        let qos = letter.qos;
        self.post(GUEST, letter);
        let id = self.publish();
        self.acknowledge(qos, id);
        self.take_outcome();
        self.take_notices();
    }

    /// The call that tells of an outcome, which is due.
    pub fn take_outcome(&mut self) {
        let assignment = self.office.poll_call(self.now).expect("a call is due");
        debug_assert!(matches!(assignment.call, Call::Outcome(..)));
        let answer = Answer::Done(Effects::default());
        self.office
            .handle_answer(self.now, assignment.guest, answer);
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
        }
    }

    /// A message comes in and is answered with a letter, which is acknowledged:
    /// turns of the gateway's loop with nothing else in them.
    pub fn echo(&mut self, message: Publish, letter: Letter) {
        let received = message.delivery;
        self.turn(Incoming::Publish(message));
        let mut answer = Effects::default();
        answer.letters.push_back(letter);
        self.call(answer);
        let mut published = None;
        while let Some(packet) = self.send() {
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
                self.send().expect("PUBREL is due");
                self.receive(Incoming::PubComp(id));
            }
        }
        if let Delivery::ExactlyOnce(id) = received {
            self.receive(Incoming::PubRel(id));
        }
        self.call(Effects::default());
        while self.send().is_some() {}
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
    fn call(&mut self, effects: Effects) {
        let assignment = self.office.poll_call(self.now).expect("a call is due");
        let answer = Answer::Done(effects);
        self.office
            .handle_answer(self.now, assignment.guest, answer);
        assert!(self.office.poll_call(self.now).is_none());
    }

    fn receive(&mut self, packet: Incoming) {
        self.office.handle_packet(self.now, packet);
    }

    fn send(&mut self) -> Option<Outgoing> {
        let dispatch = self.office.poll_packet(self.now, Outlook::default())?;
        if dispatch.carried.is_told_when_written() {
            self.office.handle_written(self.now, dispatch.carried);
        }
        Some(dispatch.packet)
    }

    fn take_calls(&mut self) {
        while let Some(assignment) = self.office.poll_call(self.now) {
            let answer = Answer::Done(Effects::default());
            self.office
                .handle_answer(self.now, assignment.guest, answer);
        }
        self.take_notices();
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
    let mut desk = Desk::online(2);
    let waiting = if qos == Qos::ExactlyOnce {
        Qos::AtLeastOnce
    } else {
        Qos::ExactlyOnce
    };
    desk.wait(OTHER, waiting, 1_000);
    for n in 0..rounds {
        let ttl = Duration::from_hours(1) + Duration::from_millis(shuffled(n, 1_000));
        let letter = desk.letter(qos, ttl);
        desk.post_send_ack(letter);
    }
}
