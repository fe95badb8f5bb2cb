//! The gateway without guests and sockets, and a broker that sends it anything.
//!
//! Whatever comes, nothing panics, no turn is without end, what the gateway writes
//! are packets, and each letter gets exactly one outcome. Where the work list is durable,
//! no letter is written before it is kept, and what is kept is what the office has.

use std::collections::BTreeMap;
use std::io;
use std::time::Duration;

use arbitrary::Arbitrary;
use bytes::BytesMut;

use crate::disk::{self, Disk};
use crate::engine::{Engine, Machine};
use crate::frames::{self, Frame};
use crate::office::{
    self, Answer, Assignment, Call, Effects, GuestId, Letter, Notice, Office, Payload, Priority,
    Qos, SessionChange, Settings, Ticket, Time,
};
use crate::settings::{ALL, FIRST, SECOND, guest, settings};
use crate::websocket::{self, Server};
use crate::wire::{Handshake, Layers, Version, Versions, WebSocketPath};

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Plan {
    /// Whether the work list is durable, and what becomes then of what is to be kept.
    disk: Option<Vec<disk::Planned>>,
    is_clean: bool,
    version: PlannedVersion,
    /// Whether there is WebSocket in between, which the broker accepts.
    is_websocket: bool,
    /// Which packets the broker answers as it should: CONNECT, SUBSCRIBE, PUBLISH,
    /// PUBREL and UNSUBSCRIBE, a bit each.
    answered: u8,
    steps: Vec<Step>,
    answers: Vec<PlannedAnswer>,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum PlannedVersion {
    V4,
    V5,
    Any,
}

#[derive(Debug, Arbitrary)]
enum Step {
    /// The broker sends these bytes.
    Send(Vec<u8>),
    /// It accepts the connection, with these properties where there are some.
    Accept {
        is_present: bool,
        properties: Vec<u8>,
    },
    /// It sends a message under this topic.
    Message {
        flags: u8,
        id: u16,
        topic: Topic,
        rest: Vec<u8>,
    },
    /// It acknowledges a packet that it got, the latest or one before, in this way.
    Acknowledge {
        kind: u8,
        back: u8,
        reason: Option<u8>,
    },
    /// It closes the connection.
    End,
    /// The connection is not made, the next time.
    Refuse,
    /// So many milliseconds pass.
    Wait(u16),
    /// The kernel takes so many bytes more, and the peer has acknowledged what it
    /// took before.
    Carry(u16),
    /// The configuration changes: what becomes of the guests, and whether a new session
    /// begins.
    Change([Change; 2], bool),
    /// A guest publishes.
    Publish {
        guest: bool,
        qos: u8,
        retain: bool,
        size: u16,
        ttl: u16,
    },
}

/// What becomes of a guest.
#[derive(Debug, Clone, Copy, Arbitrary)]
enum Change {
    /// It stays, with these subscriptions. If it is not there, it comes.
    Stays(u8),
    /// Another one takes its place, with these.
    Another(u8),
    Gone,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Topic {
    First,
    Second,
    Both,
    Nobody,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum PlannedAnswer {
    Done,
    Publishes(u8),
    Retry,
    Reject,
    Fails,
    Reconnects,
}

/// Carries the plan out.
pub fn run(plan: Plan) {
    let mut run = Run::new(&plan);
    run.turn();
    for step in plan.steps.into_iter().take(200) {
        run.step(step);
        run.turn();
    }
    run.finish();
}

struct Run {
    engine: Engine,
    settings: Settings,
    /// Where the guests are that are there.
    places: [Option<GuestId>; 2],
    machine: Planned,
    handshake: Handshake,
    outcomes: BTreeMap<Ticket, usize>,
}

/// The machine that does what was planned.
struct Planned {
    now: Time,
    is_dialing: bool,
    is_refused: bool,
    is_open: bool,
    /// What the broker has sent, and whether it has closed the connection.
    input: BytesMut,
    is_ended: bool,
    /// How many bytes the kernel takes.
    room: usize,
    unacknowledged: usize,
    written: Vec<u8>,
    /// The packets that the broker got on this connection and could acknowledge.
    got: Vec<[u8; 2]>,
    is_v5: bool,
    websocket: Option<Server>,
    answered: u8,
    answers: Vec<PlannedAnswer>,
    letters: u64,
    disk: Option<Disk>,
}

impl Run {
    fn new(plan: &Plan) -> Self {
        let now = Time::default();
        let settings = Settings {
            clean_session: plan.is_clean,
            is_durable: plan.disk.is_some(),
            ..settings([FIRST, SECOND].map(|name| guest(name, ALL)).into())
        };
        let office = Office::new(now, settings.clone());
        let versions = match plan.version {
            PlannedVersion::V4 => Versions::Only(Version::V4),
            PlannedVersion::V5 => Versions::Only(Version::V5),
            PlannedVersion::Any => Versions::Any,
        };
        Self {
            engine: Engine::new(office),
            settings,
            places: [0, 1].map(|place| Some(GuestId(place))),
            machine: Planned {
                now,
                is_dialing: false,
                is_refused: false,
                is_open: false,
                input: BytesMut::new(),
                is_ended: false,
                room: 1_000,
                unacknowledged: 0,
                written: Vec::new(),
                got: Vec::new(),
                is_v5: false,
                websocket: plan.is_websocket.then(Server::default),
                answered: plan.answered,
                answers: plan.answers.clone(),
                letters: 0,
                disk: plan.disk.clone().map(Disk::new),
            },
            handshake: Handshake {
                versions,
                client_id: "gateway".into(),
                keep_alive: Duration::from_secs(20),
                session_expiry: Duration::from_secs(if plan.is_clean { 0 } else { 100 }),
                login: None,
                max_packet_size: 4_096,
            },
            outcomes: BTreeMap::new(),
        }
    }

    fn step(&mut self, step: Step) {
        let machine = &mut self.machine;
        match step {
            Step::Send(bytes) => machine.send(&[&bytes]),
            Step::Accept {
                is_present,
                properties,
            } if machine.is_v5 => {
                let flags = u8::from(is_present);
                machine.packet(
                    0x20,
                    &[&[flags, 0, length(&properties)], short(&properties)],
                );
            }
            Step::Accept { is_present, .. } => machine.packet(0x20, &[&[u8::from(is_present), 0]]),
            Step::Message {
                flags,
                id,
                topic,
                rest,
            } => {
                let topic: &[u8] = match topic {
                    Topic::First => b"\0\x07first/1",
                    Topic::Second => b"\0\x06second",
                    Topic::Both => b"\0\x06both/b",
                    Topic::Nobody => b"\0\x01n",
                };
                let id = id.to_be_bytes();
                let id: &[u8] = if flags & 0b110 == 0 { &[] } else { &id };
                machine.packet(0x30 | flags & 0xf, &[topic, id, short(&rest)]);
            }
            Step::Acknowledge { kind, back, reason } => {
                let Some(id) = machine.got.iter().rev().nth(usize::from(back)) else {
                    return;
                };
                let id = *id;
                let first = match kind % 6 {
                    0 => 0x40,
                    1 => 0x50,
                    2 => 0x70,
                    3 => 0x90,
                    4 => 0xb0,
                    _ => 0x62,
                };
                match reason {
                    Some(reason) if matches!(first, 0x90 | 0xb0) && machine.is_v5 => {
                        machine.packet(first, &[&id, &[0, reason]]);
                    }
                    Some(reason) => machine.packet(first, &[&id, &[reason]]),
                    None => machine.packet(first, &[&id]),
                }
            }
            Step::End => machine.is_ended = true,
            Step::Refuse => machine.is_refused = true,
            Step::Wait(millis) => machine.wait(Duration::from_millis(millis.into())),
            Step::Carry(count) => machine.carry(count.into()),
            Step::Publish {
                guest,
                qos,
                retain,
                size,
                ttl,
            } => {
                let Some(guest) = self.places[usize::from(guest)] else {
                    return;
                };
                let letter = machine.letter(qos, retain, size, ttl);
                self.engine.office_mut().post(machine.now, guest, letter);
            }
            Step::Change(changes, is_session) => self.change(changes, is_session),
        }
    }

    fn change(&mut self, changes: [Change; 2], is_session: bool) {
        let mut guests = Vec::new();
        let mut places = Vec::new();
        let mut stay = Vec::new();
        for (at, (change, name)) in changes.into_iter().zip([FIRST, SECOND]).enumerate() {
            let (place, subscriptions) = match change {
                Change::Stays(subscriptions) => (self.places[at], subscriptions),
                Change::Another(subscriptions) => (None, subscriptions),
                Change::Gone => continue,
            };
            guests.push(guest(name, subscriptions));
            places.push(place);
            stay.push(at);
        }
        let settings = Settings {
            guests,
            ..self.settings.clone()
        };
        let session = match is_session {
            true => SessionChange::New,
            false => SessionChange::None,
        };
        let office = self.engine.office_mut();
        let taken = office.handle_changed(self.machine.now, settings, &places, session);
        self.places = [None; 2];
        for (at, place) in stay.into_iter().zip(taken) {
            self.places[at] = Some(place);
        }
    }

    /// As many turns as there is something to do.
    fn turn(&mut self) {
        if let Some(disk) = &mut self.machine.disk {
            disk.step(self.engine.office_mut());
        }
        for turns in 0.. {
            assert!(turns < 10_000, "turns without end");
            let is_more = self.engine.turn(&mut self.machine);
            self.take_notices();
            if std::mem::take(&mut self.machine.is_dialing) {
                let dialed = match std::mem::take(&mut self.machine.is_refused) {
                    true => Err("refused".to_owned()),
                    false => Ok((&self.handshake, self.machine.layers())),
                };
                self.machine.open();
                self.engine.handle_dialed_through(&mut self.machine, dialed);
                continue;
            }
            if !self.keep() && !is_more {
                break;
            }
        }
        if let Some(disk) = &self.machine.disk {
            disk.check(self.engine.office());
        }
    }

    /// Returns whether something is kept that was not before.
    fn keep(&mut self) -> bool {
        let machine = &mut self.machine;
        let is_kept = machine.disk.as_mut().is_some_and(|it| it.keep(machine.now));
        if is_kept {
            self.engine.office_mut().handle_commit_possible();
            self.engine.handle_committed(&mut self.machine);
        }
        is_kept
    }

    fn take_notices(&mut self) {
        while let Some(notice) = self.engine.office_mut().poll_notice() {
            if let Notice::Outcome { ticket, .. } = notice {
                *self.outcomes.entry(ticket).or_default() += 1;
            }
        }
    }

    /// Every letter expires at last, whatever the broker does from here on.
    fn finish(&mut self) {
        self.machine.answers.clear();
        if let Some(disk) = &mut self.machine.disk {
            disk.recover(self.engine.office_mut());
            self.turn();
        }
        for _ in 0..1_000 {
            if self.engine.office().open_letters() == 0 {
                break;
            }
            let next = self.engine.next_timeout();
            let wait = next.map_or(Duration::from_secs(1), |next| next.since(self.machine.now));
            self.machine
                .wait(wait.clamp(Duration::from_millis(1), Duration::from_secs(10)));
            self.machine.carry(1_000_000);
            self.turn();
        }
        for ticket in (1..=self.machine.letters).map(Ticket) {
            let count = self.outcomes.get(&ticket);
            assert_eq!(count, Some(&1), "outcomes of {ticket:?}");
        }
    }
}

impl Planned {
    fn open(&mut self) {
        self.is_open = true;
        self.is_ended = false;
        self.input.clear();
        self.written.clear();
        self.got.clear();
        self.unacknowledged = 0;
        self.websocket = self.websocket.take().map(|_| Server::default());
    }

    /// What there is between packets and the network.
    fn layers(&self) -> Layers {
        let begin = |_| {
            let websocket = WebSocketPath::default().begin("broker", &[]);
            Box::new(websocket.expect("there is such a request"))
        };
        Layers {
            websocket: self.websocket.as_ref().map(begin),
            ..Layers::default()
        }
    }

    fn send(&mut self, parts: &[&[u8]]) {
        if self.is_open && self.input.len() < 1 << 20 {
            parts
                .iter()
                .for_each(|part| self.input.extend_from_slice(part));
        }
    }

    fn packet(&mut self, first: u8, parts: &[&[u8]]) {
        let body = parts.concat();
        let packet = [&[first, length(&body)], short(&body)].concat();
        if self.websocket.is_none() {
            return self.send(&[&packet]);
        }
        // Frames end where they like.
        for piece in packet.chunks(100) {
            self.send(&[&websocket::frame(piece)]);
        }
    }

    /// Answers as a broker should, where it is to.
    fn answer(&mut self, frame: Frame<'_>) {
        let is_answered = |bit: u8| self.answered & 1 << bit != 0;
        let id = frame.id().unwrap_or_default();
        let nothing: &[u8] = if self.is_v5 { &[0] } else { &[] };
        match frame.kind() {
            1 if is_answered(0) => self.packet(0x20, &[&[0, 0], nothing]),
            8 if is_answered(1) => {
                let granted = vec![1; frame.filters(self.is_v5)];
                self.packet(0x90, &[&id, nothing, &granted]);
            }
            10 if is_answered(4) => {
                let reasons: &[u8] = if self.is_v5 { &[0] } else { &[] };
                self.packet(0xb0, &[&id, nothing, reasons]);
            }
            3 if is_answered(2) && id != [0, 0] => {
                let first = if frame.first & 0b10 != 0 { 0x40 } else { 0x50 };
                self.packet(first, &[&id]);
            }
            6 if is_answered(3) => self.packet(0x70, &[&id]),
            _ => {}
        }
    }

    fn wait(&mut self, time: Duration) {
        self.now = self.now + time;
    }

    fn carry(&mut self, count: usize) {
        self.unacknowledged = 0;
        self.room += count;
    }

    fn letter(&mut self, qos: u8, retain: bool, size: u16, ttl: u16) -> Letter {
        self.letters += 1;
        let mut payload = vec![0; usize::from(size % 3_000)];
        if self.disk.is_some() {
            let number = self.letters.to_be_bytes();
            payload.resize(payload.len().max(number.len()), 0);
            payload[..number.len()].copy_from_slice(&number);
        }
        Letter {
            ticket: Ticket(self.letters),
            topic: "letters".into(),
            payload: Payload::new(payload),
            qos: match qos % 3 {
                0 => Qos::AtMostOnce,
                1 => Qos::AtLeastOnce,
                _ => Qos::ExactlyOnce,
            },
            retain,
            ttl: Duration::from_millis(u64::from(ttl) + 1),
            when_off: None,
            priority: Priority::Normal,
            replace_key: None,
            tag: None,
            properties: None,
        }
    }
}

impl Machine for Planned {
    fn now(&mut self) -> Time {
        self.now
    }

    fn dial(&mut self, _: usize) {
        self.is_dialing = true;
    }

    fn read(&mut self, buffer: &mut BytesMut) -> io::Result<usize> {
        let count = self.input.len().min(buffer.capacity() - buffer.len());
        if count > 0 {
            buffer.extend_from_slice(&self.input.split_to(count));
            return Ok(count);
        }
        match self.is_ended {
            true => Ok(0),
            false => Err(io::ErrorKind::WouldBlock.into()),
        }
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(self.room);
        if count == 0 {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        self.room -= count;
        self.unacknowledged += count;
        let bytes = &bytes[..count];
        match &mut self.websocket {
            None => self.written.extend_from_slice(bytes),
            Some(websocket) => {
                if let Some(answer) = websocket.read(bytes, &mut self.written) {
                    self.send(&[answer.as_bytes()]);
                }
            }
        }
        let written = std::mem::take(&mut self.written);
        let mut rest = &written[..];
        while let Some(frame) = frames::take(&mut rest) {
            look(frame);
            if frame.kind() == 3
                && let Some(disk) = &self.disk
            {
                let number = frame.payload(self.is_v5).first_chunk();
                let number = number.copied().map(u64::from_be_bytes);
                let is_kept = number.is_some_and(|it| disk.has_kept(Ticket(it)));
                assert!(is_kept, "{number:?} is not kept");
            }
            if frame.kind() == 1 {
                self.is_v5 = frame.body[6] == 5;
            }
            self.got.extend(frame.id());
            self.answer(frame);
        }
        self.written = rest.to_vec();
        Ok(count)
    }

    fn unacknowledged(&mut self) -> usize {
        self.unacknowledged
    }

    fn shutdown(&mut self) {
        self.is_ended = true;
    }

    fn close(&mut self) {
        self.is_open = false;
    }

    fn reset(&mut self) {
        self.is_dialing = false;
        self.is_open = false;
    }

    fn commit(&mut self, changes: Vec<office::Change>) {
        if let Some(disk) = &mut self.disk {
            disk.begin(changes);
        }
    }

    fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        let is_message = matches!(assignment.call, Call::Message(_));
        Some(match self.answers.pop() {
            Some(PlannedAnswer::Publishes(qos)) if assignment.room.accept > 0 => {
                let letter = self.letter(qos, false, 10, 5_000);
                Answer::Done(Effects {
                    letters: [letter].into(),
                    ..Effects::default()
                })
            }
            Some(PlannedAnswer::Reconnects) => Answer::Done(Effects {
                reconnect: true,
                ..Effects::default()
            }),
            Some(PlannedAnswer::Retry) if is_message => Answer::Retry("later".to_owned()),
            Some(PlannedAnswer::Reject) if is_message => {
                Answer::Rejected("never".to_owned(), Effects::default())
            }
            Some(PlannedAnswer::Fails) => Answer::Failed("a trap".to_owned()),
            _ => Answer::Done(Effects::default()),
        })
    }
}

/// What a client writes is a packet of a client.
fn look(frame: Frame<'_>) {
    assert!(
        matches!(frame.kind(), 1 | 3..=8 | 10 | 12 | 14),
        "{frame:?}"
    );
    if frame.kind() == 3 {
        assert_ne!(frame.first & 0b110, 0b110, "a quality of service of 3");
    }
    assert_ne!(frame.id(), Some([0, 0]), "{frame:?}");
}

/// The length of what [`short`] leaves.
fn length(bytes: &[u8]) -> u8 {
    short(bytes).len() as u8
}

/// As much as a length of one byte can tell.
fn short(bytes: &[u8]) -> &[u8] {
    &bytes[..bytes.len().min(0x7f)]
}
