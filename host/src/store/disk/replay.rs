//! Reads what is there when a log is opened: first what lives and where, then, if it is
//! asked for, just that.

use std::collections::VecDeque;
use std::ops::{Range, RangeInclusive};

use super::files::Files;
use super::frame::{self, Frame};
use super::header::Position;
use super::index::Index;
use super::record::Texts;
use super::records::{each_record, place};
use super::segments::{NOT_AS_WRITTEN, damaged, header, read};
use super::tail::UNDER_WAY;
use crate::store::{Contents, StoreError};

/// What is known of the segments that were read, in their order.
#[derive(Debug, Default)]
pub(super) struct Replay {
    pub(super) position: Position,
    pub(super) index: Index,
    texts: Texts,
    /// Whether there was a segment before.
    is_begun: bool,
}

impl Replay {
    /// Reads a segment, up to where it is no longer as it was written. Returns where its
    /// last groups are, as many as can have been under way; where they would be, if there
    /// are none.
    pub(super) fn segment<F: Files>(
        &mut self,
        files: &F,
        segment: u32,
        bytes: &[u8],
    ) -> Result<Range<usize>, StoreError> {
        let (header, mut at) = header(files, segment, bytes)?;
        if self.is_begun && !header.position.is_after(&self.position) {
            let what = "it does not follow on the file before";
            return Err(damaged(files, segment, 0, what));
        }
        self.is_begun = true;
        self.position = header.position;
        let mut last = VecDeque::new();
        while let Some(frame) = frame::read(&bytes[at..], header.salt) {
            let expected = self.position.number + 1;
            if frame.number != expected || self.group(segment, at, frame).is_none() {
                let what = "this is not the group that follows";
                return Err(damaged(files, segment, at, what));
            }
            if last.len() as u64 == UNDER_WAY {
                last.pop_front();
            }
            last.push_back(at);
            at += frame.size();
        }
        Ok(last.front().copied().unwrap_or(at)..at)
    }

    fn group(&mut self, segment: u32, at: usize, frame: Frame<'_>) -> Option<()> {
        let Self {
            position,
            index,
            texts,
            ..
        } = self;
        let moment = each_record(frame, texts, |_, change, range| {
            position.note(&change);
            let range = at + range.start..at + range.end;
            index.note(&change, place(segment, &range));
        })?;
        position.begin(frame.number, moment);
        Some(())
    }

    /// What lives in these segments.
    pub(super) fn contents<F: Files>(
        &mut self,
        files: &F,
        segments: RangeInclusive<u32>,
    ) -> Result<Contents, StoreError> {
        let mut contents = Contents {
            number: self.position.number,
            last_ticket: self.position.last_ticket,
            boots: self.position.boots.clone(),
            session: self.position.session,
            ..Contents::default()
        };
        for segment in segments {
            if self.index.living_in(segment) == 0 {
                continue;
            }
            let bytes = read(files, segment)?;
            let (header, mut at) = header(files, segment, &bytes)?;
            while let Some(frame) = frame::read(&bytes[at..], header.salt) {
                let Self { index, texts, .. } = self;
                let taken = each_record(frame, texts, |boot, change, range| {
                    let range = at + range.start..at + range.end;
                    if index.is_at(&change, place(segment, &range)) {
                        contents.apply_change(boot, change);
                    }
                });
                taken.ok_or_else(|| damaged(files, segment, at, NOT_AS_WRITTEN))?;
                at += frame.size();
            }
        }
        contents.forget_boots();
        Ok(contents)
    }
}
