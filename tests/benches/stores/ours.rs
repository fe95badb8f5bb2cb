//! What the gateway has: [`Disk`].

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use jackalope::office::{
    self, KeptLetter, Letter, LetterOutcome, Outcome, Payload, Priority, Qos, Ticket, Time,
};
use jackalope::store::{BootId, Disk, Group, Moment, Store as _, Trust};

use super::{Change, Kept, LETTER, Result, Store};

/// What of a letter is payload.
const PAYLOAD: usize = 200;

const NOW: Time = Time::from_millis(1_000_000);

pub(crate) struct Ours {
    disk: Disk,
    number: u64,
    kept: Option<Kept>,
    guest: Arc<str>,
    topic: Arc<str>,
}

impl Ours {
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let mut disk = Disk::open(directory, 1)?;
        let contents = disk.load()?;
        Ok(Self {
            disk,
            number: contents.number,
            kept: Some(Kept::Ours(contents)),
            guest: "door".into(),
            topic: "x".repeat(LETTER - PAYLOAD - 20).into(),
        })
    }

    fn change(&self, change: &Change) -> office::Change {
        match change {
            Change::Accepted(ticket, letter) => office::Change::Accepted(KeptLetter {
                guest: self.guest.clone(),
                letter: Letter {
                    ticket: Ticket(*ticket),
                    topic: self.topic.clone(),
                    payload: Payload::new(&letter[..PAYLOAD]),
                    qos: Qos::AtLeastOnce,
                    retain: false,
                    ttl: Duration::from_hours(1),
                    when_off: None,
                    priority: Priority::Normal,
                    replace_key: None,
                    tag: None,
                    properties: None,
                },
                posted: NOW,
                place: None,
            }),
            Change::Concluded(ticket) => office::Change::Concluded {
                guest: self.guest.clone(),
                told: LetterOutcome {
                    ticket: Ticket(*ticket),
                    tag: None,
                    outcome: Outcome::Delivered,
                },
            },
            Change::Told(ticket) => office::Change::Over(Ticket(*ticket)),
        }
    }
}

impl Store for Ours {
    fn commit(&mut self, changes: &[Change]) -> Result<()> {
        let group = Group {
            number: self.number + 1,
            moment: Moment {
                boot: BootId([1; 16]),
                running: NOW,
                wall: 1_800_000_000_000,
                trust: Trust::Synchronised,
            },
            changes: changes.iter().map(|change| self.change(change)).collect(),
        };
        if let Err(error) = self.disk.commit(&group) {
            // So that the next one can be tried.
            self.number = self.disk.reopen()?;
            return Err(error.into());
        }
        self.number = group.number;
        Ok(())
    }

    fn load(&mut self) -> Result<Kept> {
        self.kept.take().ok_or_else(|| "it was read before".into())
    }
}
