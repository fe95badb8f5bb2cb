//! What an engine does in which order, on a machine that writes it down.

mod closing;
mod keeping;
mod leaving;
mod silence;
mod wills;

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use bytes::BytesMut;

use super::*;
use crate::office::{
    Assignment, BackoffSettings, Call, Change, Delivery, Effects, GoneGuests, GuestSettings,
    Incoming, Letter, Outgoing, Overflow, Payload, Priority, Publish, Qos, Settings, Status,
    StatusTopic, Ticket, TimerSettings, WorkListSettings,
};

/// What the machine was asked for.
#[derive(Debug, PartialEq, Eq)]
enum Deed {
    Dialed,
    Wrote(usize),
    Called(u16),
    /// So many changes are to be kept.
    Committed(usize),
    ShutDown,
    Closed,
    Reset,
}

#[derive(Debug)]
struct Recorder {
    now: u64,
    /// Time passes by so much before the looks at the clock that come next.
    passes: VecDeque<u64>,
    deeds: Vec<Deed>,
    input: BytesMut,
    is_ended: bool,
    /// How many bytes the kernel takes.
    room: usize,
    written: BytesMut,
    /// When something was first written.
    written_at: Option<u64>,
    unacknowledged: usize,
    /// How long a call of each guest keeps everyone waiting.
    call_times: [u64; 2],
    posts: Option<Letter>,
}

impl Recorder {
    fn deeds(&mut self) -> Vec<Deed> {
        std::mem::take(&mut self.deeds)
    }

    /// The broker sends this.
    fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn message(&mut self, topic: &str, id: u16) {
        let packet = Outgoing::Publish(Publish {
            topic: topic.into(),
            payload: Payload::new("x"),
            delivery: Delivery::AtLeastOnce(id.try_into().expect("not zero")),
            retain: false,
            duplicate: false,
            properties: None,
            lifetime: None,
        });
        crate::wire::encode(packet, &mut self.input).expect("it is valid");
    }
}

impl Machine for Recorder {
    fn now(&mut self) -> Time {
        self.now += self.passes.pop_front().unwrap_or(0);
        Time::from_millis(self.now)
    }

    fn dial(&mut self, _: usize) {
        self.deeds.push(Deed::Dialed);
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let count = self.input.len().min(buffer.capacity() - buffer.len());
        if count == 0 && !self.is_ended {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        buffer.extend_from_slice(&self.input.split_to(count));
        Ok(count)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.written_at.get_or_insert(self.now);
        self.deeds.push(Deed::Wrote(count));
        self.written.extend_from_slice(&bytes[..count]);
        Ok(count)
    }

    fn unacknowledged(&mut self) -> usize {
        self.unacknowledged
    }

    fn shutdown(&mut self) {
        self.deeds.push(Deed::ShutDown);
    }

    fn close(&mut self) {
        self.deeds.push(Deed::Closed);
    }

    fn reset(&mut self) {
        self.deeds.push(Deed::Reset);
    }

    fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        let guest = assignment.guest;
        self.deeds.push(Deed::Called(guest.0));
        self.now += self.call_times[guest.index()];
        let mut effects = Effects::default();
        if let Call::Message(_) = assignment.call {
            effects.letters.extend(self.posts.take());
        }
        Some(Answer::Done(effects))
    }

    fn commit(&mut self, changes: Vec<Change>) {
        self.deeds.push(Deed::Committed(changes.len()));
    }
}

const A: GuestId = GuestId(0);
const SECOND: Duration = Duration::from_secs(1);
const CONNACK: &[u8] = b"\x20\x02\x00\x00";

fn letter(ticket: u64, qos: Qos, ttl: Duration) -> Letter {
    Letter {
        ticket: Ticket(ticket),
        topic: "t".into(),
        payload: Payload::new([7; 100]),
        qos,
        retain: false,
        ttl,
        when_off: None,
        priority: Priority::Normal,
        replace_key: None,
        tag: None,
        properties: None,
    }
}

fn handshake() -> Handshake {
    Handshake {
        versions: Versions::Only(Version::V4),
        client_id: "gateway".into(),
        session_expiry: Duration::ZERO,
        keep_alive: Duration::ZERO,
        login: None,
        max_packet_size: 1 << 20,
    }
}

/// Online, with two guests that are subscribed to `a` and `b`, and nothing to do.
fn online() -> (Engine, Recorder) {
    let guests = vec![guest(&["a"]), guest(&["b"])];
    let (mut engine, mut machine) = dialed(guests, true, &handshake());
    machine.receive(CONNACK);
    while engine.turn(&mut machine) {}
    machine.receive(b"\x90\x04\x00\x01\x01\x01");
    rest(&mut engine, &mut machine);
    (engine, machine)
}

/// Turns until nothing is to be done, and forgets what was done.
fn rest(engine: &mut Engine, machine: &mut Recorder) {
    while engine.turn(machine) {}
    assert!(engine.is_idle());
    machine.deeds();
    machine.written.clear();
    machine.written_at = None;
}

fn guest(filters: &[&str]) -> GuestSettings {
    let subscription = |filter: &&str| (filter.parse().expect("it is valid"), Qos::AtLeastOnce);
    GuestSettings {
        name: "guest".into(),
        subscriptions: filters.iter().map(subscription).collect(),
        retries: 0,
        retry_for: SECOND,
        has_will: false,
        outcomes: 1,
        hears_subscriptions: true,
        work_list: WorkListSettings {
            max: 1_000,
            overflow: Overflow::Reject,
            ..WorkListSettings::default()
        },
        timers: TimerSettings::default(),
        max_state: crate::office::MAX_STATE,
        permissions: None,
    }
}

/// With a connection, on which CONNECT goes out.
fn dialed(
    guests: Vec<GuestSettings>,
    clean_session: bool,
    handshake: &Handshake,
) -> (Engine, Recorder) {
    dialed_with(settings(guests, clean_session), handshake)
}

fn settings(guests: Vec<GuestSettings>, clean_session: bool) -> Settings {
    Settings {
        clean_session,
        keep_alive: Duration::ZERO,
        backoff: BackoffSettings {
            min: SECOND,
            max: SECOND,
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size: 1 << 20,
        max_qos: Qos::ExactlyOnce,
        carries_properties: true,
        guests,
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 1,
    }
}

fn dialed_with(settings: Settings, handshake: &Handshake) -> (Engine, Recorder) {
    let mut machine = Recorder {
        now: 1_000,
        passes: VecDeque::new(),
        deeds: Vec::new(),
        input: BytesMut::new(),
        is_ended: false,
        room: usize::MAX,
        written: BytesMut::new(),
        written_at: None,
        unacknowledged: 0,
        call_times: [0, 0],
        posts: None,
    };
    let mut engine = Engine::new(Office::new(Time::from_millis(machine.now), settings));
    while engine.turn(&mut machine) {}
    assert!(machine.deeds().contains(&Deed::Dialed));
    engine.handle_dialed(&mut machine, Ok(handshake));
    (engine, machine)
}

impl Engine {
    fn is_idle(&self) -> bool {
        self.office.backlog(Time::default()).events == 0 && self.unwritten() == 0
    }

    fn post(&mut self, machine: &mut Recorder, ticket: u64, qos: Qos, ttl: Duration) {
        let now = machine.now();
        self.office.post(now, A, letter(ticket, qos, ttl));
    }
}

#[test]
fn what_an_acknowledgement_lets_go_is_written_before_guests_are_called() {
    let (mut engine, mut machine) = online();
    machine.message("a", 1);
    machine.posts = Some(letter(2, Qos::AtMostOnce, SECOND));
    engine.post(&mut machine, 1, Qos::AtMostOnce, SECOND);
    engine.turn(&mut machine);
    let deeds = machine.deeds();
    let [Deed::Wrote(_), Deed::Called(0), rest @ ..] = &deeds[..] else {
        panic!("{deeds:?}");
    };
    // What the guest has posted goes out in the same turn, and the PUBACK.
    assert!(matches!(rest.last(), Some(Deed::Wrote(_))), "{rest:?}");
    let puback = b"\x40\x02\x00\x01";
    assert!(machine.written.windows(4).any(|bytes| bytes == puback));
}

#[test]
fn what_expires_between_being_encoded_and_being_written_is_not_written() {
    // However many looks at the clock there are in between.
    let mut outcomes = Vec::new();
    for looks in 0..20 {
        let (mut engine, mut machine) = online();
        engine.post(&mut machine, 1, Qos::AtLeastOnce, SECOND);
        machine.passes = VecDeque::from(vec![0; looks]);
        machine.passes.push_back(1_000);
        engine.turn(&mut machine);
        let is_written = !machine.written.is_empty();
        assert!(machine.written_at.is_none_or(|at| at < 2_000), "{looks}");
        outcomes.push(is_written);
    }
    assert!(outcomes.contains(&false) && outcomes.contains(&true));
}

#[test]
fn what_was_written_and_is_late_ends_the_connection_by_a_reset() {
    let (mut engine, mut machine) = online();
    engine.post(&mut machine, 1, Qos::AtMostOnce, SECOND);
    engine.turn(&mut machine);
    machine.unacknowledged = 1;
    machine.deeds();
    assert_eq!(
        engine.next_timeout(),
        Some(Time::from_millis(machine.now) + 3 * SECOND)
    );
    machine.now += 2_999;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), []);
    machine.now += 1;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds()[0], Deed::Reset);
    assert!(engine.is_closed());
}

#[test]
fn a_turn_ends_after_a_few_milliseconds_of_calls_and_guests_share_them() {
    let (mut engine, mut machine) = online();
    // One that takes a millisecond a call, and one that takes none.
    machine.call_times = [1, 0];
    for id in 1..=40 {
        machine.message("a", 2 * id - 1);
        machine.message("b", 2 * id);
    }
    assert!(engine.turn(&mut machine), "there is more");
    let deeds = machine.deeds();
    let calls = |deeds: &[Deed], guest| {
        deeds
            .iter()
            .filter(|deed| **deed == Deed::Called(guest))
            .count()
    };
    assert_eq!((calls(&deeds, 0), calls(&deeds, 1)), (5, 40));
    assert!(engine.turn(&mut machine));
    assert_eq!(calls(&machine.deeds(), 0), 5);
}

#[test]
fn time_that_a_guest_had_alone_is_not_held_against_it() {
    let (mut engine, mut machine) = online();
    machine.call_times = [1, 1];
    for id in 1..=40 {
        machine.message("a", id);
    }
    while engine.turn(&mut machine) {}
    machine.deeds();
    for id in 1..=10 {
        machine.message("a", 100 + id);
        machine.message("b", 200 + id);
    }
    engine.turn(&mut machine);
    let deeds = machine.deeds();
    for guest in [0, 1] {
        let calls = deeds.iter().filter(|deed| **deed == Deed::Called(guest));
        assert!(calls.count() >= 2, "{deeds:?}");
    }
}

#[test]
fn a_turn_reads_so_much_and_no_more() {
    let (mut engine, mut machine) = online();
    for _ in 0..TURN_PACKETS {
        machine.message("elsewhere", 1);
    }
    let before = machine.input.len();
    machine.receive(&b"\xd0\x00".repeat(2 * TURN_BYTES));
    assert!(engine.turn(&mut machine));
    let read = before + 4 * TURN_BYTES - machine.input.len();
    assert!(read <= TURN_BYTES + (128 << 10), "{read}");
}

#[test]
fn the_end_in_good_order_finishes_what_was_begun_and_nothing_else() {
    let (mut engine, mut machine) = online();
    machine.room = 50;
    engine.post(&mut machine, 1, Qos::AtMostOnce, SECOND);
    engine.post(&mut machine, 2, Qos::AtMostOnce, SECOND);
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), [Deed::Wrote(50)]);
    machine.unacknowledged = 50;
    engine.finish(&mut machine);
    machine.room = usize::MAX;
    engine.turn(&mut machine);
    // The rest of the first letter, and DISCONNECT.
    let deeds = machine.deeds();
    assert!(
        deeds.starts_with(&[Deed::Wrote(105 - 50 + 2), Deed::ShutDown]),
        "{deeds:?}"
    );
    assert!(machine.written.ends_with(b"\xe0\x00"));
    machine.unacknowledged = 0;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), [], "the broker has not closed");
    machine.is_ended = true;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), [Deed::Closed]);
    assert!(engine.is_closed());
}

#[test]
fn the_last_word_before_the_end_in_good_order_is_the_status() {
    let status = StatusTopic {
        topic: "status".into(),
        online: Payload::new("online"),
        offline: Payload::new("offline"),
        qos: Qos::AtLeastOnce,
        retain: true,
    };
    let settings = Settings {
        status_topic: Some(status),
        ..settings(vec![guest(&[])], true)
    };
    let (mut engine, mut machine) = dialed_with(settings, &handshake());
    machine.receive(CONNACK);
    while engine.turn(&mut machine) {}
    let online = b"\x33\x10\x00\x06status\x00\x01online";
    assert!(machine.written.ends_with(online));
    machine.receive(b"\x40\x02\x00\x01");
    rest(&mut engine, &mut machine);

    machine.room = 0;
    engine.post(&mut machine, 1, Qos::AtLeastOnce, SECOND);
    engine.turn(&mut machine);
    machine.room = usize::MAX;
    engine.finish(&mut machine);
    // The letter was not begun, and is not.
    let offline = b"\x33\x11\x00\x06status\x00\x01offline\xe0\x00";
    assert_eq!(&machine.written[..], offline);
}

#[test]
fn an_end_that_the_network_does_not_carry_is_a_reset_after_a_second() {
    let (mut engine, mut machine) = online();
    engine.post(&mut machine, 1, Qos::AtMostOnce, 60 * SECOND);
    engine.turn(&mut machine);
    machine.unacknowledged = 100;
    engine.finish(&mut machine);
    machine.deeds();
    machine.now += 999;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), []);
    machine.now += 1;
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), [Deed::Reset]);
    assert!(engine.is_closed());
}

#[test]
fn a_packet_that_breaks_the_protocol_ends_the_connection_by_a_reset() {
    let (mut engine, mut machine) = online();
    machine.receive(b"\xf0\x00");
    engine.turn(&mut machine);
    assert_eq!(machine.deeds()[0], Deed::Reset);
    let unknown = Incoming::PingResp;
    engine
        .office
        .handle_packet(Time::from_millis(machine.now), unknown);
}

#[test]
fn a_letter_that_would_be_late_waits_until_nobody_knows_that_the_network_is_slow() {
    let (mut engine, mut machine) = on_a_slow_network();
    (machine.now, machine.unacknowledged) = (machine.now + 1_000, 0);
    engine.turn(&mut machine);
    machine.deeds();
    let mut large = letter(2, Qos::AtMostOnce, 15 * SECOND);
    large.payload = Payload::new([7; 5_000]);
    let now = machine.now();
    engine.office.post(now, A, large);
    engine.turn(&mut machine);
    assert!(
        !machine
            .deeds()
            .iter()
            .any(|deed| matches!(deed, Deed::Wrote(_)))
    );
    assert!(
        engine
            .next_timeout()
            .is_some_and(|at| at <= now + Duration::from_millis(50))
    );
    machine.now += 10_000;
    engine.turn(&mut machine);
    assert!(
        machine
            .deeds()
            .iter()
            .any(|deed| matches!(deed, Deed::Wrote(_)))
    );
}

#[test]
fn the_rest_of_a_letter_that_is_late_is_not_written() {
    // However many looks at the clock there are before it is.
    let mut outcomes = Vec::new();
    for looks in 0..20 {
        let (mut engine, mut machine) = online();
        machine.room = 50;
        engine.post(&mut machine, 1, Qos::AtMostOnce, SECOND);
        engine.turn(&mut machine);
        assert_eq!(machine.deeds(), [Deed::Wrote(50)]);
        machine.unacknowledged = 50;
        machine.room = usize::MAX;
        machine.written_at = None;
        machine.passes = VecDeque::from(vec![0; looks]);
        machine.passes.push_back(3_000);
        engine.turn(&mut machine);
        assert!(machine.written_at.is_none_or(|at| at < 4_000), "{looks}");
        outcomes.push(machine.written_at.is_some());
    }
    assert!(outcomes.contains(&false) && outcomes.contains(&true));
}

#[test]
fn no_more_than_64_kib_are_written_at_once() {
    let (mut engine, mut machine) = online();
    for ticket in 1..=1_000 {
        let mut letter = letter(ticket, Qos::AtMostOnce, 60 * SECOND);
        letter.payload = Payload::new([7; 1_000]);
        let now = machine.now();
        engine.office.post(now, A, letter);
    }
    while engine.turn(&mut machine) {}
    let deeds = machine.deeds();
    let writes = deeds.iter().filter_map(|deed| match deed {
        Deed::Wrote(bytes) => Some(*bytes),
        _ => None,
    });
    let largest = writes.max().expect("letters are written");
    assert!((60_000..(64 << 10) + 1_010).contains(&largest), "{largest}");
}

#[test]
fn what_comes_all_at_once_is_read_no_faster_than_guests_take_it() {
    // More than an inbox holds, by number and by size.
    for (count, size) in [(3_000, 1), (100, 64 << 10)] {
        let (mut engine, mut machine) = online();
        for _ in 0..count {
            let packet = Outgoing::Publish(Publish {
                topic: "a".into(),
                payload: Payload::new(vec![0; size]),
                delivery: Delivery::AtMostOnce,
                retain: false,
                duplicate: false,
                properties: None,
                lifetime: None,
            });
            crate::wire::encode(packet, &mut machine.input).expect("it is valid");
        }
        while engine.turn(&mut machine) {}
        let deeds = machine.deeds();
        let calls = deeds.iter().filter(|deed| **deed == Deed::Called(0));
        assert_eq!(calls.count(), count, "none is dropped");
    }
}

/// The network has taken half of a letter and acknowledged a few bytes of it in
/// 200 ms, and 100 are on their way.
fn on_a_slow_network() -> (Engine, Recorder) {
    let (mut engine, mut machine) = online();
    (machine.room, machine.unacknowledged) = (50, 50);
    engine.post(&mut machine, 1, Qos::AtMostOnce, 60 * SECOND);
    engine.turn(&mut machine);
    machine.unacknowledged = 45;
    machine.now += 200;
    engine.turn(&mut machine);
    machine.room = usize::MAX;
    engine.turn(&mut machine);
    machine.unacknowledged = 100;
    machine.deeds();
    (engine, machine)
}

#[test]
fn what_would_come_too_late_goes_as_soon_as_the_network_has_room() {
    let (mut engine, mut machine) = on_a_slow_network();
    engine.post(&mut machine, 2, Qos::AtMostOnce, 2 * SECOND);
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), []);
    let soon = Time::from_millis(machine.now + 50);
    assert_eq!(engine.next_timeout(), Some(soon));
    machine.unacknowledged = 0;
    machine.now += 50;
    engine.turn(&mut machine);
    assert!(matches!(machine.deeds()[0], Deed::Wrote(_)));
}

#[test]
fn a_network_that_was_slow_is_so_on_the_next_connection() {
    let (mut engine, mut machine) = on_a_slow_network();
    machine.is_ended = true;
    while engine.turn(&mut machine) {}
    assert_eq!(machine.deeds()[0], Deed::Reset);
    machine.is_ended = false;
    machine.now += 1_000;
    while engine.turn(&mut machine) {}
    assert!(machine.deeds().contains(&Deed::Dialed));
    machine.unacknowledged = 10;
    engine.handle_dialed(&mut machine, Ok(&handshake()));
    machine.receive(CONNACK);
    while engine.turn(&mut machine) {}
    machine.receive(b"\x90\x04\x00\x01\x01\x01");
    while engine.turn(&mut machine) {}
    machine.deeds();
    engine.post(&mut machine, 2, Qos::AtMostOnce, SECOND);
    engine.turn(&mut machine);
    assert_eq!(machine.deeds(), [], "it would come too late");
}
