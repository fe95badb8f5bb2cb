//! What is in the files, and what is committed behind it.

use std::sync::Arc;
use std::time::Duration;

use arbitrary::Arbitrary;

use super::header::{Header, Position, VERSION, put_moment};
use super::memory::Memory;
use super::record::{self, Texts};
use super::segments::salt;
use super::{disk, frame};
use crate::office::{
    Change, KeptLetter, KeptTimer, Letter, LetterOutcome, Outcome, PacketId, Payload, Priority,
    Properties, Qos, Refused, SHORTEST_PERIOD, Ticket, Time, WhenOff,
};
use crate::settings::{FIRST, SECOND};
use crate::store::{Boot, BootId, Boots, EARLIEST, Moment, Trust};

/// What happens.
#[derive(Debug, Arbitrary)]
pub struct Plan {
    /// The number of the first segment.
    first: Number,
    /// How it is before its first group.
    number: Number,
    last_ticket: Number,
    session: Option<Number>,
    boots: Vec<PlannedBoot>,
    segments: Vec<Segment>,
    /// Bits of which segment are turned over, at which byte.
    damage: Vec<(u8, u16, u8)>,
    /// When the files are opened.
    moment: PlannedMoment,
    /// What is committed then, and how many groups without any change come behind it; also
    /// whether the files are of an older version.
    groups: Vec<Vec<PlannedChange>>,
    more: u8,
}

#[derive(Debug, Arbitrary)]
enum Segment {
    /// A file of these bytes.
    Bytes(Vec<u8>),
    /// One with this behind the beginning of a header, and no group.
    Header(Vec<u8>),
    /// One that follows on the one before, and at last these bytes.
    Groups(Vec<PlannedGroup>, Vec<u8>),
}

#[derive(Debug, Arbitrary)]
struct PlannedGroup {
    /// By how much its number is too high.
    skips: u8,
    moment: PlannedMoment,
    records: Vec<PlannedRecord>,
}

#[derive(Debug, Arbitrary)]
enum PlannedRecord {
    Bytes(Vec<u8>),
    /// Of the boot of its group, or of another one.
    Change(Option<u8>, PlannedChange),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
struct PlannedMoment {
    boot: u8,
    running: Number,
    wall: Number,
    trust: PlannedTrust,
}

#[derive(Debug, Arbitrary)]
struct PlannedBoot {
    number: u8,
    id: u8,
    ran: Number,
    ran_before: PlannedDuration,
    began: Number,
    trust: PlannedTrust,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum PlannedTrust {
    Never,
    PastRecord,
    Synchronised,
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum Number {
    Small(u8),
    /// Milliseconds of some days.
    Large(u32),
    /// A moment of the wall clock.
    Wall(u32),
    Any(u64),
}

#[derive(Debug, Clone, Copy, Arbitrary)]
enum PlannedDuration {
    Millis(u32),
    Any(u64, u32),
}

#[derive(Debug, Clone, Arbitrary)]
enum Name {
    First,
    Second,
    Gone,
    Any(String),
}

#[derive(Debug, Clone, Arbitrary)]
enum PlannedChange {
    Accepted(Box<PlannedLetter>),
    Concluded {
        guest: Name,
        ticket: Number,
        tag: Option<Name>,
        outcome: u8,
    },
    Over(Number),
    Wrote(Name, Name, Option<Vec<u8>>),
    Timer(Name, Name, Option<(Number, Option<PlannedDuration>)>),
    Received(PacketId),
    Released(PacketId),
    Session(Number),
}

#[derive(Debug, Clone, Arbitrary)]
struct PlannedLetter {
    guest: Name,
    posted: Number,
    ticket: Number,
    topic: Name,
    payload: Vec<u8>,
    /// Quality of service, retain, what the ttl does, priority, and whether one with a key
    /// has another's place.
    few: u8,
    ttl: PlannedDuration,
    replace_key: Option<Name>,
    tag: Option<Name>,
    properties: Option<PlannedProperties>,
}

#[derive(Debug, Clone, Arbitrary)]
struct PlannedProperties {
    content_type: Option<Name>,
    response_topic: Option<Name>,
    correlation_data: Option<Vec<u8>>,
    user: Vec<(Name, Name)>,
}

impl Plan {
    /// The files.
    pub(super) fn disk(&self) -> Memory {
        let boots = self.boots.iter().take(10).map(PlannedBoot::boot);
        let mut position = Position {
            number: self.number.get(),
            last_ticket: self.last_ticket.get(),
            session: self.session.map(|broker| broker.get()),
            boots: Boots(boots.collect()),
        };
        // Those that are never there are not the first.
        let oldest = (self.first.get() as u32).max(1);
        let mut files: Vec<_> = (oldest..=u32::MAX)
            .zip(self.segments.iter().take(5))
            .map(|(segment, planned)| {
                let header = Header {
                    version: if self.more < 128 { VERSION } else { 1 },
                    segment,
                    oldest,
                    salt: salt(1, segment),
                    position: position.clone(),
                };
                (segment, planned.bytes(&header, &mut position))
            })
            .collect();
        for (file, at, bits) in self.damage.iter().take(5) {
            let file = files.get_mut(usize::from(*file));
            if let Some(byte) = file.and_then(|(_, bytes)| bytes.get_mut(usize::from(*at))) {
                *byte ^= bits;
            }
        }
        disk(files)
    }

    pub(super) fn moment(&self) -> Moment {
        self.moment.moment()
    }

    /// What is committed.
    pub(super) fn groups(&self) -> impl Iterator<Item = Vec<Change>> {
        let groups = self.groups.iter().take(20);
        let groups = groups.map(|changes| changes.iter().map(PlannedChange::change).collect());
        groups.chain((0..self.more % 32).map(|_| Vec::new()))
    }
}

impl Segment {
    fn bytes(&self, header: &Header, position: &mut Position) -> Vec<u8> {
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Header(content) => {
                let mut bytes = header.encode();
                bytes.truncate(16);
                bytes.extend((content.len() as u32).to_le_bytes());
                bytes.extend(crc32fast::hash(content).to_le_bytes());
                bytes.extend(content);
                bytes
            }
            Self::Groups(groups, rest) => {
                let mut bytes = header.encode();
                for group in groups.iter().take(50) {
                    bytes.extend(group.frame(header.salt, position));
                }
                bytes.extend(rest);
                bytes
            }
        }
    }
}

impl PlannedGroup {
    fn frame(&self, salt: u64, position: &mut Position) -> Vec<u8> {
        let number = position.number.wrapping_add(1 + u64::from(self.skips));
        let moment = self.moment.moment();
        let present = position.begin(number, moment);
        let mut frame = vec![0; frame::HEAD];
        put_moment(&mut frame, &moment);
        for planned in &self.records {
            let mut record = Vec::new();
            match planned {
                PlannedRecord::Bytes(bytes) => record.extend(bytes),
                PlannedRecord::Change(boot, change) => {
                    let boot = boot.map_or(present, u32::from);
                    record::encode(&mut record, boot, &change.change());
                }
            }
            if let Some((_, change)) = record::decode(&record, &mut Texts::default()) {
                position.note(&change);
            }
            frame.extend((record.len() as u32).to_le_bytes());
            frame.extend(record);
        }
        frame::seal(&mut frame, salt, number).expect("it is small");
        frame
    }
}

impl PlannedMoment {
    fn moment(self) -> Moment {
        Moment {
            boot: BootId([self.boot; 16]),
            running: self.running.time(),
            wall: self.wall.get(),
            trust: self.trust.trust(),
        }
    }
}

impl PlannedBoot {
    fn boot(&self) -> Boot {
        Boot {
            number: self.number.into(),
            id: BootId([self.id; 16]),
            ran: self.ran.time(),
            ran_before: self.ran_before.duration(),
            began: self.began.get(),
            trust: self.trust.trust(),
        }
    }
}

impl PlannedTrust {
    fn trust(self) -> Trust {
        match self {
            Self::Never => Trust::Never,
            Self::PastRecord => Trust::PastRecord,
            Self::Synchronised => Trust::Synchronised,
        }
    }
}

impl Number {
    fn get(self) -> u64 {
        match self {
            Self::Small(number) => number.into(),
            Self::Large(number) => number.into(),
            Self::Wall(number) => EARLIEST + u64::from(number),
            Self::Any(number) => number,
        }
    }

    /// Of what is counted, which never gets near the end.
    fn count(self) -> u64 {
        self.get() / 4
    }

    fn time(self) -> Time {
        Time::from_millis(self.get())
    }
}

impl PlannedDuration {
    fn duration(self) -> Duration {
        match self {
            Self::Millis(millis) => Duration::from_millis(millis.into()),
            Self::Any(seconds, nanos) => Duration::new(seconds, nanos % 1_000_000_000),
        }
    }
}

impl Name {
    fn get(&self) -> Arc<str> {
        match self {
            Self::First => FIRST.into(),
            Self::Second => SECOND.into(),
            Self::Gone => "gone".into(),
            Self::Any(text) => text.as_str().into(),
        }
    }
}

impl PlannedChange {
    fn change(&self) -> Change {
        match self {
            Self::Accepted(letter) => Change::Accepted(letter.letter()),
            Self::Concluded {
                guest,
                ticket,
                tag,
                outcome,
            } => Change::Concluded {
                guest: guest.get(),
                told: LetterOutcome {
                    ticket: Ticket(ticket.count()),
                    tag: tag.as_ref().map(Name::get),
                    outcome: match outcome % 5 {
                        0 => Outcome::Delivered,
                        1 => Outcome::Expired { sent: false },
                        2 => Outcome::Displaced { sent: true },
                        3 => Outcome::Refused(Refused::Topic),
                        _ => Outcome::Refused(Refused::Unspecified),
                    },
                },
            },
            Self::Over(ticket) => Change::Over(Ticket(ticket.count())),
            Self::Wrote(guest, key, value) => Change::Wrote {
                guest: guest.get(),
                key: key.get(),
                value: value.as_ref().map(Payload::new),
            },
            Self::Timer(guest, name, timer) => Change::Timer {
                guest: guest.get(),
                name: name.get(),
                timer: timer.map(|(first, period)| KeptTimer {
                    first: first.time(),
                    period: period.map(|period| period.duration().max(SHORTEST_PERIOD)),
                }),
            },
            Self::Received(id) => Change::Received(*id),
            Self::Released(id) => Change::Released(*id),
            Self::Session(broker) => Change::Session(broker.get()),
        }
    }
}

impl PlannedLetter {
    fn letter(&self) -> KeptLetter {
        let properties = self.properties.as_ref().map(|planned| {
            let user = planned.user.iter();
            Arc::new(Properties {
                content_type: planned.content_type.as_ref().map(Name::get),
                response_topic: planned.response_topic.as_ref().map(Name::get),
                correlation_data: planned.correlation_data.as_ref().map(Payload::new),
                user: user
                    .map(|(name, value)| (name.get(), value.get()))
                    .collect(),
            })
        });
        KeptLetter {
            guest: self.guest.get(),
            posted: self.posted.time(),
            place: (self.replace_key.is_some() && self.few & 0x80 != 0)
                .then_some(Ticket(self.ticket.count() / 2)),
            letter: Letter {
                ticket: Ticket(self.ticket.count()),
                topic: self.topic.get(),
                payload: Payload::new(&self.payload),
                qos: match self.few & 0b11 {
                    0 => Qos::AtMostOnce,
                    1 => Qos::AtLeastOnce,
                    _ => Qos::ExactlyOnce,
                },
                retain: self.few & 0b100 != 0,
                ttl: self.ttl.duration(),
                when_off: match self.few >> 3 & 0b11 {
                    0 => None,
                    1 => Some(WhenOff::Count),
                    2 => Some(WhenOff::Pause),
                    _ => Some(WhenOff::Drop),
                },
                priority: match self.few >> 5 & 0b11 {
                    0 => Priority::Low,
                    1 => Priority::High,
                    _ => Priority::Normal,
                },
                replace_key: self.replace_key.as_ref().map(Name::get),
                tag: self.tag.as_ref().map(Name::get),
                properties,
            },
        }
    }
}
