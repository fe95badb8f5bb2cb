//! What the office hands out is kept, by a naive model of a store or by one on a disk.

use jackalope::office::Change;
use jackalope::store::Group;

use super::Run;
use crate::clocks::Instant;
use crate::facts::Facts;

/// A group that was handed out, and what had happened by then.
pub(super) struct UnderWay {
    pub(super) group: Group,
    facts: Facts,
    instant: Instant,
    was_trusted: bool,
    /// Whether it is durable, which nobody knows yet.
    is_there: bool,
}

impl Run<'_> {
    pub(super) fn commit(&mut self) {
        let Some(changes) = self.life.office.poll_commit() else {
            // It is noted now and then what time it is.
            if self.under_way.is_empty() && !self.fails && self.random.one_in(2) {
                self.keep_at_once(Vec::new());
            }
            return;
        };
        self.note(|| format!("  group: {changes:?}"));
        let last = self.under_way.back().map(|it| it.group.number);
        match self.under_way.len() {
            0 => {}
            1 => self.see("two groups under way"),
            2 | 3 => self.see("three or four groups under way"),
            _ => panic!("a fifth group"),
        }
        let group = Group {
            number: 1 + last.unwrap_or(self.contents.number),
            moment: self.clocks.moment(),
            changes,
        };
        self.live.order = std::array::from_fn(|guest| self.order(guest));
        self.under_way.push_back(UnderWay {
            group,
            facts: self.live.clone(),
            instant: self.clocks.instant(),
            was_trusted: self.clocks.is_trusted(),
            is_there: false,
        });
    }

    /// Has a group of its own kept.
    pub(super) fn keep_at_once(&mut self, changes: Vec<Change>) {
        let group = Group {
            number: self.contents.number + 1,
            moment: self.clocks.moment(),
            changes,
        };
        if let Some(on_disk) = &mut self.on_disk {
            on_disk.keep(&group).expect("nothing fails");
        }
        self.contents.apply(&group);
        let (instant, is_trusted) = (self.clocks.instant(), self.clocks.is_trusted());
        self.clocks.handle_durable(instant, is_trusted);
    }

    pub(super) fn store(&mut self) {
        let Some(under_way) = self.under_way.front() else {
            return;
        };
        let is_kept = match &mut self.on_disk {
            None => !self.fails,
            Some(on_disk) if self.fails => {
                let kept = on_disk.keep_on_failing(&under_way.group, &mut self.random);
                kept.is_ok()
            }
            Some(on_disk) => {
                let kept = on_disk.keep(&under_way.group);
                kept.expect("nothing fails");
                true
            }
        };
        if !is_kept {
            self.see("store failed");
            if self.on_disk.is_some() {
                self.see("store on a disk failed");
            } else if self.random.one_in(4) {
                self.see("group durable in spite of the error");
                self.make_durable();
            }
            self.life.has_failed = true;
            self.life.office.handle_commit_failed("it is full".into());
            return;
        }
        self.make_durable();
        self.under_way.pop_front();
        self.life.has_failed = false;
        self.life.office.handle_committed();
        self.answer_reloads();
        self.note(|| "  durable".to_owned());
    }

    /// The oldest group that is under way is durable from here on.
    pub(super) fn make_durable(&mut self) {
        let Some(under_way) = self.under_way.front_mut() else {
            return;
        };
        if std::mem::replace(&mut under_way.is_there, true) {
            return;
        }
        self.contents.apply(&under_way.group);
        self.durable = under_way.facts.clone();
        self.clocks
            .handle_durable(under_way.instant, under_way.was_trusted);
        self.durable.check(&self.contents);
        self.ever.extend(self.durable.letters.keys());
        self.ever.extend(self.durable.owed.keys());
    }
}
