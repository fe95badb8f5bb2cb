//! Groups of changes by chance, as an office could hand them out.

use std::sync::Arc;
use std::time::Duration;

use super::Chance;
use crate::office::{
    Change, KeptLetter, KeptTimer, Letter, LetterOutcome, Outcome, Payload, Priority, Properties,
    Qos, Refused, SHORTEST_PERIOD, Ticket, Time, WhenOff,
};
use crate::store::{BootId, Contents, Group, Moment, Trust};

#[derive(Debug)]
pub(super) struct Generator {
    chance: Chance,
    boot: u8,
    running: u64,
    ticket: u64,
}

impl Generator {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            chance: Chance(seed),
            boot: 1,
            running: 0,
            ticket: 0,
        }
    }

    /// The group that comes after these contents, and what it makes of them.
    pub(super) fn group(&mut self, before: &Contents) -> (Group, Contents) {
        let changes = match self.chance.below(20) {
            0 => 0,
            1 => 40,
            n => n / 3,
        };
        let picks = (0..changes).map(|_| self.pick()).collect::<Vec<_>>();
        self.of_picks(before, &picks)
    }

    /// What to do, with what, how much.
    fn pick(&mut self) -> (u8, u8, u16) {
        let kind = self.chance.below(256) as u8;
        (
            kind,
            self.chance.below(256) as u8,
            self.chance.below(1 << 16) as u16,
        )
    }

    /// The same, with changes that are picked by these numbers.
    pub(super) fn of_picks(
        &mut self,
        before: &Contents,
        picks: &[(u8, u8, u16)],
    ) -> (Group, Contents) {
        let mut group = Group {
            number: before.number + 1,
            moment: self.moment(),
            changes: Vec::new(),
        };
        let mut after = before.clone();
        for (kind, which, size) in picks {
            let change = self.change(&after, *kind, usize::from(*which), usize::from(*size));
            group.changes.extend(change);
            after = before.clone();
            after.apply(&group);
        }
        after = before.clone();
        after.apply(&group);
        (group, after)
    }

    fn moment(&mut self) -> Moment {
        self.running += self.chance.below(1_000) as u64;
        if self.chance.one_in(10) {
            self.boot += 1;
            self.running = 0;
        }
        Moment {
            boot: BootId([self.boot; 16]),
            running: Time::from_millis(self.running),
            wall: 1_800_000_000_000 + self.running,
            trust: [Trust::Never, Trust::PastRecord, Trust::Synchronised][self.chance.below(3)],
        }
    }

    fn change(&mut self, now: &Contents, kind: u8, which: usize, size: usize) -> Option<Change> {
        Some(match kind % 16 {
            0..=4 => {
                let letter = self.letter(which, size);
                Change::Accepted(KeptLetter {
                    guest: guest(which),
                    posted: Time::from_millis(self.running),
                    place: size
                        .is_multiple_of(12)
                        .then_some(Ticket(letter.ticket.0 / 2)),
                    letter,
                })
            }
            5..=7 => Change::Concluded {
                guest: guest(which),
                told: LetterOutcome {
                    ticket: now
                        .letters
                        .tickets()
                        .nth(which % now.letters.len().max(1))?,
                    tag: size.is_multiple_of(3).then(|| "a tag".into()),
                    outcome: outcome(size),
                },
            },
            8 => Change::Concluded {
                guest: guest(which),
                told: LetterOutcome {
                    ticket: self.ticket(),
                    tag: None,
                    outcome: outcome(size),
                },
            },
            9 | 10 => {
                let outcomes = now.outcomes.keys().copied();
                Change::Over(outcomes.chain(now.letters.tickets()).nth(which % 8)?)
            }
            11 => Change::Wrote {
                guest: guest(which),
                key: format!("key {}", which % 5).into(),
                value: (!size.is_multiple_of(4)).then(|| payload(which, size % 300)),
            },
            12 => Change::Timer {
                guest: guest(which),
                name: format!("timer {}", which % 5).into(),
                timer: (!size.is_multiple_of(4)).then(|| KeptTimer {
                    first: Time::from_millis(self.running + size as u64),
                    period: (!size.is_multiple_of(2))
                        .then(|| SHORTEST_PERIOD + Duration::from_micros(size as u64)),
                }),
            },
            13 => Change::Received((which as u16 % 6 + 1).try_into().ok()?),
            14 => Change::Released((which as u16 % 6 + 1).try_into().ok()?),
            _ if size.is_multiple_of(4) => Change::Session(which as u64 % 3),
            _ => return None,
        })
    }

    fn ticket(&mut self) -> Ticket {
        self.ticket += 1 + self.chance.below(3) as u64;
        Ticket(self.ticket)
    }

    fn letter(&mut self, which: usize, size: usize) -> Letter {
        let text = |text: &str| -> Option<Arc<str>> { Some(text.into()) };
        Letter {
            ticket: self.ticket(),
            topic: format!("doors/{}/request", which % 4).into(),
            payload: payload(
                which,
                if size.is_multiple_of(16) {
                    size / 32
                } else {
                    size % 100
                },
            ),
            qos: [Qos::AtMostOnce, Qos::AtLeastOnce, Qos::ExactlyOnce][which % 3],
            retain: which.is_multiple_of(2),
            ttl: Duration::from_millis(1 + size as u64),
            when_off: [
                None,
                Some(WhenOff::Count),
                Some(WhenOff::Pause),
                Some(WhenOff::Drop),
            ][which % 4],
            priority: [Priority::Low, Priority::Normal, Priority::High][which % 3],
            replace_key: size.is_multiple_of(6).then(|| "a key".into()),
            tag: size.is_multiple_of(5).then(|| format!("tag {size}").into()),
            properties: size.is_multiple_of(7).then(|| {
                Arc::new(Properties {
                    content_type: text("text/plain").filter(|_| which.is_multiple_of(2)),
                    response_topic: text("answers").filter(|_| which.is_multiple_of(3)),
                    correlation_data: which.is_multiple_of(5).then(|| payload(which, 8)),
                    user: vec![("name".into(), "value".into()); which % 3],
                })
            }),
        }
    }
}

fn guest(which: usize) -> Arc<str> {
    ["door", "sensor", "a guest with a long name"][which % 3].into()
}

fn payload(which: usize, size: usize) -> Payload {
    let mut chance = Chance(which as u64);
    Payload::new(
        (0..size)
            .map(|_| chance.below(256) as u8)
            .collect::<Vec<_>>(),
    )
}

fn outcome(which: usize) -> Outcome {
    let sent = which.is_multiple_of(2);
    match which % 12 {
        0..=2 => Outcome::Delivered,
        3 => Outcome::Expired { sent },
        4 => Outcome::Displaced { sent },
        5 => Outcome::Refused(Refused::TooLarge),
        6 => Outcome::Refused(Refused::Qos),
        7 => Outcome::Refused(Refused::Retain),
        8 => Outcome::Refused(Refused::NotAuthorized),
        9 => Outcome::Refused(Refused::Topic),
        10 => Outcome::Refused(Refused::HangsUp),
        _ => Outcome::Refused(Refused::Unspecified),
    }
}
