//! The disk of a gateway whose work list is durable: what was planned becomes of what it is
//! given.

use std::collections::{BTreeSet, VecDeque};
use std::vec;

use arbitrary::Arbitrary;

use crate::office::{Change, Office, Ticket, Time};
use crate::store::{BootId, Contents, Group, Moment, Trust};

/// What becomes of groups of changes in a step.
#[derive(Debug, Clone, Copy, Arbitrary)]
pub enum Planned {
    /// Each is kept at once.
    All,
    /// The oldest one is kept.
    One,
    /// The disk still writes.
    None,
    /// It still writes, and is given the next one, however small.
    Next,
    /// The oldest one could not be kept, or what nobody has asked for.
    Fails,
    /// They can be kept again.
    Possible,
}

/// What is on the disk, and what is not yet.
pub struct Disk {
    /// What becomes of groups, step by step. After that each is kept at once.
    plan: vec::IntoIter<Planned>,
    under_way: VecDeque<Vec<Change>>,
    /// How many are kept in this step.
    keeps: usize,
    contents: Contents,
    /// The letters that were ever kept.
    letters: BTreeSet<Ticket>,
}

impl Disk {
    pub fn new(plan: Vec<Planned>) -> Self {
        Self {
            plan: plan.into_iter(),
            under_way: VecDeque::new(),
            keeps: 0,
            contents: Contents::default(),
            letters: BTreeSet::new(),
        }
    }

    /// The next step begins.
    pub fn step(&mut self, office: &mut Office) {
        self.keeps = 0;
        match self.plan.next().unwrap_or(Planned::All) {
            Planned::All => self.keeps = usize::MAX,
            Planned::One => self.keeps = 1,
            Planned::None => {}
            Planned::Next => {
                if let Some(changes) = office.poll_commit() {
                    self.begin(changes);
                }
            }
            Planned::Fails => office.handle_commit_failed("it is full".into()),
            Planned::Possible => office.handle_commit_possible(),
        }
    }

    /// From here on nothing fails.
    pub fn recover(&mut self, office: &mut Office) {
        self.plan = Vec::new().into_iter();
        office.handle_commit_possible();
    }

    /// A group was handed out.
    pub fn begin(&mut self, changes: Vec<Change>) {
        self.under_way.push_back(changes);
        assert!(self.under_way.len() <= 4, "a fifth group");
    }

    /// Keeps a group, if one is to be kept now. Returns whether there was one.
    pub fn keep(&mut self, now: Time) -> bool {
        if self.keeps == 0 {
            return false;
        }
        let Some(changes) = self.under_way.pop_front() else {
            return false;
        };
        self.keeps -= 1;
        for change in &changes {
            if let Change::Accepted(kept) = change {
                self.letters.insert(kept.letter.ticket);
            }
        }
        self.contents.apply(&Group {
            number: self.contents.number + 1,
            moment: Moment {
                boot: BootId::default(),
                running: now,
                wall: 0,
                trust: Trust::Never,
            },
            changes,
        });
        true
    }

    /// Whether a letter was ever kept.
    pub fn has_kept(&self, ticket: Ticket) -> bool {
        self.letters.contains(&ticket)
    }

    /// When all is kept, it is what the office has.
    pub fn check(&self, office: &Office) {
        if office.is_kept() {
            let kept = (self.contents.letters.len(), self.contents.outcomes.len());
            let has = (office.open_letters(), office.untold_outcomes());
            assert_eq!(kept, has, "letters and outcomes that are kept");
        }
    }
}
