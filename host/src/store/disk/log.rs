//! The log: groups, one behind the other, in segments, of which the oldest is given up
//! once nothing lives in it.
//!
//! A group is durable when its frame is synced, and the next one is written before that.
//! When the segments take much more than what lives in them, each group takes along some
//! of what lives in the oldest segment, until that has moved: so there is no pause in
//! which all is written anew. Segments are given up from the oldest on alone. So a record
//! that removes something is given up no earlier than the one that has put it.
//!
//! Files are numbered. A segment is begun when all before it is durable, and gets its
//! name when its header and its first groups are. From then on the segments that its
//! header no longer counts are nothing, and are removed.

use std::collections::VecDeque;
use std::mem;
use std::sync::Arc;

use super::files::{File, Files};
use super::found::{CutOff, Found};
use super::frame;
use super::header::{Header, Position, VERSION, put_moment};
use super::index::Index;
use super::mark::Mark;
use super::record::Texts;
use super::records::{Records, each_record, place};
use super::replay::Replay;
use super::segments::{NOT_AS_WRITTEN, Segment, damaged, header, name, read, remove, salt};
use super::tail::{Tail, UNDER_WAY};
use crate::office::Change;
use crate::store::{Contents, Group, StoreError};

/// How large things get.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sizes {
    /// A segment that has so many bytes is followed by another one.
    pub(super) segment: u64,
    /// So many bytes are left to lie beside twice those that live.
    pub(super) slack: u64,
    /// So many bytes at least are moved with a group.
    pub(super) moved: usize,
}

impl Sizes {
    pub(super) const DISK: Self = Self {
        segment: 8 << 20,
        slack: 16 << 20,
        moved: 64 << 10,
    };
}

/// The memory of a larger frame is not kept for the next one.
const LARGEST_KEPT: usize = 4 << 20;

#[derive(Debug)]
pub(super) struct Log<F: Files> {
    files: F,
    sizes: Sizes,
    /// What salts are made of.
    random: u64,
    /// How it is after the last group.
    position: Position,
    index: Index,
    /// Those that are needed before the current one, from the oldest on.
    older: VecDeque<Segment>,
    current: Segment,
    tail: Arc<Tail<F>>,
    /// That of its header.
    version: u32,
    salt: u64,
    /// Those that the next header does not count any more.
    given_up: Vec<u32>,
    /// Those that the header of the current one does not count any more.
    over: Vec<u32>,
    /// The oldest segment, while what lives in it is moved.
    moving: Option<Moving>,
    /// What was cut off when it was opened.
    cut_off: Option<CutOff>,
    /// The memory of the last frame, for the next one.
    frame: Vec<u8>,
}

/// A segment that is read to be given up.
#[derive(Debug)]
struct Moving {
    salt: u64,
    bytes: Vec<u8>,
    /// What comes next.
    at: usize,
}

impl<F: Files> Log<F> {
    /// Reads what is there, and goes on behind the last group that is whole. Returns what
    /// lives as well, if it is asked for: a log is only begun then, as else there was one.
    pub(super) fn open(
        files: F,
        sizes: Sizes,
        random: u64,
        is_asked: bool,
    ) -> Result<(Self, Contents), StoreError> {
        let io = |doing, error| StoreError::io(doing, &files.path(""), error);
        if is_asked {
            files.make().map_err(|error| io("make", error))?;
        }
        let Some(mut found) = Found::read(&files)? else {
            return match is_asked {
                true => Ok((Self::new(files, sizes, random)?, Contents::default())),
                false => Err(StoreError::Gone {
                    path: files.path(""),
                }),
            };
        };
        // A name may be there that is not durable.
        files.sync().map_err(|error| io("sync", error))?;
        let contents = match is_asked {
            true => found.contents(&files)?,
            false => Contents::default(),
        };
        let cut_off = found.cut_off(&files);
        let Found {
            replay,
            older,
            over,
            newest,
            header,
            bytes,
            last,
        } = found;
        for segment in over {
            remove(&files, segment)?;
        }

        let file_name = name(newest);
        let io = |doing, error| StoreError::io(doing, &files.path(&file_name), error);
        let file = files.open(&file_name).map_err(|error| io("open", error))?;
        // After a sync that has failed, the kernel may have the last groups and the length,
        // and the disk may not, and the next sync would not write them.
        let end = last.end as u64;
        let cut = file.set_length(end);
        cut.map_err(|error| io("shorten", error))?;
        let written = file.write(last.start as u64, &bytes[last]);
        written.map_err(|error| io("write", error))?;
        file.sync().map_err(|error| io("sync", error))?;
        let Replay {
            mut position,
            index,
            ..
        } = replay;
        if is_asked {
            position.boots = contents.boots.clone();
        }
        let mark = Arc::new(Mark::open(&files)?);
        let tail = Tail::of(files.clone(), file, newest, mark, position.number);
        let mut log = Self {
            sizes,
            random,
            position,
            index,
            older,
            current: Segment {
                number: newest,
                length: end,
            },
            tail: Arc::new(tail),
            version: header.version,
            salt: header.salt,
            given_up: Vec::new(),
            over: Vec::new(),
            moving: None,
            cut_off,
            frame: Vec::new(),
            files,
        };
        log.give_up();
        log.tail.mark_for_good()?;
        Ok((log, contents))
    }

    /// The first one of a directory.
    fn new(files: F, sizes: Sizes, random: u64) -> Result<Self, StoreError> {
        let header = Header {
            version: VERSION,
            segment: 1,
            oldest: 1,
            salt: salt(random, 1),
            position: Position::default(),
        };
        let mark = Arc::new(Mark::open(&files)?);
        let (tail, length) = Tail::begin(&files, &header, mark)?;
        tail.sync(0)?;
        Ok(Self {
            files,
            sizes,
            random,
            position: header.position,
            index: Index::default(),
            older: VecDeque::new(),
            current: Segment { number: 1, length },
            tail: Arc::new(tail),
            version: VERSION,
            salt: header.salt,
            given_up: Vec::new(),
            over: Vec::new(),
            moving: None,
            cut_off: None,
            frame: Vec::new(),
        })
    }

    /// The number of the last group.
    pub(super) fn number(&self) -> u64 {
        self.position.number
    }

    pub(super) fn cut_off(&self) -> Option<&CutOff> {
        self.cut_off.as_ref()
    }

    /// What is durable of the segment that the last group is in.
    pub(super) fn tail(&self) -> Arc<Tail<F>> {
        self.tail.clone()
    }

    /// Writes a group, which is durable when the [tail](Self::tail) is synced. Returns how
    /// many bytes it takes. After an error the log is of no use any more.
    pub(super) fn write(&mut self, group: &Group) -> Result<usize, StoreError> {
        let (number, next) = (group.number, self.position.number + 1);
        if number != next {
            return Err(StoreError::Number { number, next });
        }
        // An older program does not know all that comes.
        let is_full = self.current.length >= self.sizes.segment || self.version < VERSION;
        if is_full || number > self.tail.durable() + UNDER_WAY {
            self.tail.sync(self.position.number)?;
        }
        if self.tail.is_named() {
            for segment in self.over.drain(..) {
                remove(&self.files, segment)?;
            }
        }
        if is_full {
            self.begin_segment()?;
        }
        let mut position = self.position.clone();
        let boot = position.begin(number, group.moment);
        let mut frame = mem::take(&mut self.frame);
        frame.clear();
        frame.resize(frame::HEAD, 0);
        put_moment(&mut frame, &group.moment);
        let content = frame.len();
        let mut changes = Records::behind(frame);
        for change in &group.changes {
            position.note(change);
            changes.put(boot, change);
        }
        let moved = self.take_along(self.sizes.moved.max(2 * changes.bytes.len()))?;
        // What moves was there before.
        let mut frame = mem::take(&mut changes.bytes);
        frame.splice(content..content, moved.bytes.iter().copied());
        let moved_at = self.current.length + content as u64;
        let changes_at = self.current.length + moved.bytes.len() as u64;
        let end = self.current.length + frame.len() as u64;
        let is_sealed = frame::seal(&mut frame, self.salt, number).is_some();
        if !is_sealed || u32::try_from(end).is_err() {
            let bytes = frame.len() as u64;
            return Err(StoreError::TooLarge { bytes });
        }

        self.tail.write(self.current.length, &frame, number)?;

        self.position = position;
        self.current.length = end;
        moved.note(&mut self.index, self.current.number, moved_at);
        changes.note(&mut self.index, self.current.number, changes_at);
        let bytes = frame.len();
        if bytes <= LARGEST_KEPT {
            self.frame = frame;
        }
        self.give_up();
        Ok(bytes)
    }

    /// Goes on in another segment: all that was written is durable.
    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let segment = self.current.number + 1;
        let oldest = self.older.front().unwrap_or(&self.current);
        let header = Header {
            version: VERSION,
            segment,
            oldest: oldest.number,
            salt: salt(self.random, segment),
            position: self.position.clone(),
        };
        let (tail, length) = Tail::begin(&self.files, &header, self.tail.mark())?;
        self.older.push_back(self.current);
        self.current = Segment {
            number: segment,
            length,
        };
        self.tail = Arc::new(tail);
        (self.version, self.salt) = (VERSION, header.salt);
        self.over.append(&mut self.given_up);
        Ok(())
    }

    /// Gives up the oldest segments, as far as nothing lives in them.
    fn give_up(&mut self) {
        while let Some(oldest) = self.older.front()
            && self.index.living_in(oldest.number) == 0
        {
            self.given_up.push(oldest.number);
            self.older.pop_front();
            self.moving = None;
        }
    }

    /// Some of what lives in the oldest segment, if there is too much else: so many
    /// bytes, and the rest of the group that they are of.
    fn take_along(&mut self, most: usize) -> Result<Records<Change>, StoreError> {
        let mut moved = Records::default();
        let Some(oldest) = self.older.front().copied() else {
            return Ok(moved);
        };
        let older: u64 = self.older.iter().map(|segment| segment.length).sum();
        let is_too_much = older + self.current.length > 2 * self.index.living() + self.sizes.slack;
        if self.moving.is_none() && is_too_much {
            let bytes = read(&self.files, oldest.number)?;
            let (header, at) = header(&self.files, oldest.number, &bytes)?;
            self.moving = Some(Moving {
                salt: header.salt,
                bytes,
                at,
            });
        }
        let Some(Moving { salt, bytes, at }) = &mut self.moving else {
            return Ok(moved);
        };
        let mut texts = Texts::default();
        while moved.bytes.len() < most && *at < bytes.len() {
            let damaged = || damaged(&self.files, oldest.number, *at, NOT_AS_WRITTEN);
            let frame = frame::read(&bytes[*at..], *salt).ok_or_else(damaged)?;
            let index = &self.index;
            let taken = each_record(frame, &mut texts, |_, change, range| {
                let range = *at + range.start..*at + range.end;
                if index.is_at(&change, place(oldest.number, &range)) {
                    moved.copy(change, &bytes[range]);
                }
            });
            taken.ok_or_else(damaged)?;
            *at += frame.size();
        }
        Ok(moved)
    }
}
