//! The log: groups, one behind the other, in segments, of which the oldest is given up
//! once nothing lives in it.
//!
//! A group is durable when its frame is synced. When the segments take much more than
//! what lives in them, each group takes along some of what lives in the oldest segment,
//! until that has moved: so there is no pause in which all is written anew. Segments
//! are given up from the oldest on alone. So a record that removes something is given
//! up no earlier than the one that has put it.
//!
//! Files are numbered. A segment gets its name when its header is durable, and its
//! first group after its name is. From then on the segments that its header no longer
//! counts are nothing, and are removed.

use std::borrow::Borrow;
use std::collections::VecDeque;
use std::io;
use std::mem;
use std::ops::Range;

use super::codec::Reader;
use super::files::{File, Files};
use super::frame::{self, Frame};
use super::header::{Header, NoHeader, Position, VERSION, moment, put_moment};
use super::index::{Index, Place};
use super::record::{self, Texts};
use crate::office::Change;
use crate::store::{Contents, Group, Moment, StoreError};

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
        segment: 4 << 20,
        slack: 16 << 20,
        moved: 64 << 10,
    };
}

/// A segment that is needed.
#[derive(Debug, Clone, Copy)]
struct Segment {
    number: u32,
    length: u64,
}

#[derive(Debug)]
pub(super) struct Log<F: Files> {
    files: F,
    sizes: Sizes,
    /// What salts are made of.
    random: u64,
    /// How it is after the last durable group.
    position: Position,
    index: Index,
    /// Those that are needed before the current one, from the oldest on.
    older: VecDeque<Segment>,
    current: Segment,
    file: F::File,
    salt: u64,
    /// Those that the next header does not count any more.
    given_up: Vec<u32>,
    /// The oldest segment, while what lives in it is moved.
    moving: Option<Moving>,
}

/// A segment that is read to be given up.
#[derive(Debug)]
struct Moving {
    salt: u64,
    bytes: Vec<u8>,
    /// What comes next.
    at: usize,
}

/// What the next segment is called before its header is durable.
const TEMPORARY: &str = "next";

const NOT_AS_WRITTEN: &str = "what is there is not what was written";

impl<F: Files> Log<F> {
    /// Reads what is there, into `contents` if they are asked for, and goes on behind
    /// the last group that is whole.
    pub(super) fn open(
        files: F,
        sizes: Sizes,
        random: u64,
        contents: Option<&mut Contents>,
    ) -> Result<Self, StoreError> {
        let io = |doing, error| StoreError::io(doing, &files.path(""), error);
        files.make().map_err(|error| io("make", error))?;
        let names = files.names().map_err(|error| io("read", error))?;
        let mut found: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
        found.sort_unstable();
        let Some(newest) = found.pop() else {
            return Self::new(files, sizes, random);
        };
        // A name may be there that is not durable.
        files.sync().map_err(|error| io("sync", error))?;
        let bytes = read(&files, newest)?;
        let (header, _) = header(&files, newest, &bytes)?;

        let mut replay = Replay::new(&files, contents);
        let mut older = VecDeque::new();
        for segment in header.oldest..newest {
            if !found.contains(&segment) {
                return Err(damaged(&files, segment, 0, "the file is missing"));
            }
            let bytes = read(&files, segment)?;
            let end = replay.segment(segment, &bytes)?.end;
            if end < bytes.len() {
                return Err(damaged(&files, segment, end as u64, NOT_AS_WRITTEN));
            }
            older.push_back(Segment {
                number: segment,
                length: bytes.len() as u64,
            });
        }
        let last = replay.segment(newest, &bytes)?;
        let end = last.end;
        // What was under way when the power was cut is the last group, and is cut off. If
        // there is another one behind it, that is not what has happened.
        if frame::is_any_behind(&bytes[end..], header.salt, replay.position.number + 1) {
            return Err(damaged(&files, newest, end as u64, NOT_AS_WRITTEN));
        }
        let Replay {
            position, index, ..
        } = replay.finish();
        for segment in found.into_iter().filter(|it| *it < header.oldest) {
            remove(&files, segment)?;
        }

        let file_name = name(newest);
        let io = |doing, error| StoreError::io(doing, &files.path(&file_name), error);
        let mut file = files.open(&file_name).map_err(|error| io("open", error))?;
        if end < bytes.len() {
            let cut = file.set_length(end as u64);
            cut.map_err(|error| io("shorten", error))?;
        }
        // After a sync that has failed, the kernel may have the last group and the disk
        // may not, and the next sync would not write it.
        let written = file.write(last.start as u64, &bytes[last]);
        written.map_err(|error| io("write", error))?;
        file.sync().map_err(|error| io("sync", error))?;
        let mut log = Self {
            sizes,
            random,
            position,
            index,
            older,
            current: Segment {
                number: newest,
                length: end as u64,
            },
            file,
            salt: header.salt,
            given_up: Vec::new(),
            moving: None,
            files,
        };
        log.give_up();
        Ok(log)
    }

    /// The first one of a directory.
    fn new(files: F, sizes: Sizes, random: u64) -> Result<Self, StoreError> {
        let header = Header {
            segment: 1,
            oldest: 1,
            salt: salt(random, 1),
            position: Position::default(),
        };
        let (file, length) = begin(&files, &header)?;
        Ok(Self {
            files,
            sizes,
            random,
            position: header.position,
            index: Index::default(),
            older: VecDeque::new(),
            current: Segment { number: 1, length },
            file,
            salt: header.salt,
            given_up: Vec::new(),
            moving: None,
        })
    }

    /// The number of the last group that is durable.
    pub(super) fn number(&self) -> u64 {
        self.position.number
    }

    /// Makes a group durable. After an error the log is of no use any more.
    pub(super) fn commit(&mut self, group: &Group) -> Result<(), StoreError> {
        let (number, next) = (group.number, self.position.number + 1);
        if number != next {
            return Err(StoreError::Number { number, next });
        }
        if self.current.length >= self.sizes.segment {
            self.begin_segment()?;
        }
        let mut position = self.position.clone();
        let boot = position.begin(number, group.moment);
        let mut changes = Records::default();
        for change in &group.changes {
            position.note(change);
            changes.put(boot, change);
        }
        let moved = self.take_along(self.sizes.moved.max(2 * changes.bytes.len()))?;

        let mut frame = vec![0; frame::HEAD];
        put_moment(&mut frame, &group.moment);
        // What moves was there before.
        let moved_at = self.current.length + frame.len() as u64;
        frame.extend(&moved.bytes);
        let changes_at = self.current.length + frame.len() as u64;
        frame.extend(&changes.bytes);
        let end = self.current.length + frame.len() as u64;
        let is_sealed = frame::seal(&mut frame, self.salt, number).is_some();
        if !is_sealed || u32::try_from(end).is_err() {
            let bytes = frame.len() as u64;
            return Err(StoreError::TooLarge { bytes });
        }

        let written = self.file.write(self.current.length, &frame);
        written.map_err(|error| self.io("write", error))?;
        let synced = self.file.sync();
        synced.map_err(|error| self.io("sync", error))?;

        self.position = position;
        self.current.length = end;
        moved.note(&mut self.index, self.current.number, moved_at);
        changes.note(&mut self.index, self.current.number, changes_at);
        self.give_up();
        Ok(())
    }

    fn io(&self, doing: &'static str, error: io::Error) -> StoreError {
        let name = name(self.current.number);
        StoreError::io(doing, &self.files.path(&name), error)
    }

    /// Goes on in another segment.
    fn begin_segment(&mut self) -> Result<(), StoreError> {
        let segment = self.current.number + 1;
        let oldest = self.older.front().unwrap_or(&self.current);
        let header = Header {
            segment,
            oldest: oldest.number,
            salt: salt(self.random, segment),
            position: self.position.clone(),
        };
        let (file, length) = begin(&self.files, &header)?;
        self.older.push_back(self.current);
        self.current = Segment {
            number: segment,
            length,
        };
        self.file = file;
        self.salt = header.salt;
        for segment in mem::take(&mut self.given_up) {
            remove(&self.files, segment)?;
        }
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
            let damaged = || damaged(&self.files, oldest.number, *at as u64, NOT_AS_WRITTEN);
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

/// Records that are put behind each other, and where each one is.
#[derive(Debug)]
struct Records<C> {
    bytes: Vec<u8>,
    changes: Vec<(C, Range<usize>)>,
}

impl<C: Borrow<Change>> Records<C> {
    fn put(&mut self, boot: u32, change: C) {
        let start = self.bytes.len();
        self.bytes.extend([0; LENGTH]);
        record::encode(&mut self.bytes, boot, change.borrow());
        let length = self.bytes.len() - start - LENGTH;
        // One that is longer makes its group too large.
        let length = u32::try_from(length).unwrap_or(u32::MAX);
        self.bytes[start..start + LENGTH].copy_from_slice(&length.to_le_bytes());
        self.changes.push((change, start..self.bytes.len()));
    }

    /// Takes one as it stands elsewhere.
    fn copy(&mut self, change: C, record: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend(record);
        self.changes.push((change, start..self.bytes.len()));
    }

    /// They stand in this segment, from this byte on.
    fn note(self, index: &mut Index, segment: u32, at: u64) {
        for (change, range) in self.changes {
            let at = at as usize;
            let range = at + range.start..at + range.end;
            index.note(change.borrow(), place(segment, &range));
        }
    }
}

impl<C> Default for Records<C> {
    fn default() -> Self {
        Self {
            bytes: Vec::new(),
            changes: Vec::new(),
        }
    }
}

/// What stands before a record: its length, with the lowest byte first.
const LENGTH: usize = 4;

/// Hands out the records of a group: the boot and the change, and where it stands in the
/// frame. None: it is not as it was written.
fn each_record(
    frame: Frame<'_>,
    texts: &mut Texts,
    mut each: impl FnMut(u32, Change, Range<usize>),
) -> Option<Moment> {
    let mut reader = Reader(frame.content);
    let moment = moment(&mut reader)?;
    while !reader.is_at_end() {
        let start = frame.size() - reader.0.len();
        let length = u32::from_le_bytes(reader.array()?);
        let record = reader.take(usize::try_from(length).ok()?)?;
        let (boot, change) = record::decode(record, texts)?;
        each(boot, change, start..frame.size() - reader.0.len());
    }
    Some(moment)
}

/// A place in a segment. None is larger than [`u32::MAX`].
fn place(segment: u32, range: &Range<usize>) -> Place {
    Place {
        segment,
        at: range.start as u32,
        size: range.len() as u32,
    }
}

/// Reads segments, in their order.
struct Replay<'a, F> {
    files: &'a F,
    position: Position,
    index: Index,
    contents: Option<&'a mut Contents>,
    texts: Texts,
    /// Whether there was a segment before.
    is_begun: bool,
}

impl<'a, F: Files> Replay<'a, F> {
    fn new(files: &'a F, contents: Option<&'a mut Contents>) -> Self {
        Self {
            files,
            position: Position::default(),
            index: Index::default(),
            contents,
            texts: Texts::default(),
            is_begun: false,
        }
    }

    /// Reads a segment, up to where it is no longer as it was written. Returns where its
    /// last group is; where it would be, if there is none.
    fn segment(&mut self, segment: u32, bytes: &[u8]) -> Result<Range<usize>, StoreError> {
        let (header, mut at) = header(self.files, segment, bytes)?;
        if self.is_begun && !header.position.is_after(&self.position) {
            return Err(damaged(
                self.files,
                segment,
                0,
                "it does not follow on the file before",
            ));
        }
        self.is_begun = true;
        self.position = header.position;
        let mut last = at..at;
        while let Some(frame) = frame::read(&bytes[at..], header.salt) {
            let expected = self.position.number + 1;
            if frame.number != expected || self.group(segment, at, frame).is_none() {
                let what = "this is not the group that follows";
                return Err(damaged(self.files, segment, at as u64, what));
            }
            last = at..at + frame.size();
            at = last.end;
        }
        Ok(last)
    }

    fn group(&mut self, segment: u32, at: usize, frame: Frame<'_>) -> Option<()> {
        let Self {
            position,
            index,
            contents,
            texts,
            ..
        } = self;
        let moment = each_record(frame, texts, |boot, change, range| {
            position.note(&change);
            let range = at + range.start..at + range.end;
            index.note(&change, place(segment, &range));
            if let Some(contents) = contents {
                contents.apply_change(boot, change);
            }
        })?;
        position.begin(frame.number, moment);
        Some(())
    }

    /// All segments were read.
    fn finish(self) -> Self {
        let mut this = self;
        if let Some(contents) = &mut this.contents {
            let Position {
                number,
                last_ticket,
                boots,
                session,
            } = this.position.clone();
            contents.number = number;
            contents.last_ticket = last_ticket;
            contents.boots = boots;
            contents.session = session;
            contents.forget_boots();
            this.position.boots = contents.boots.clone();
        }
        this
    }
}

/// The name of a segment.
fn name(segment: u32) -> String {
    format!("{segment:010}.log")
}

/// The segment of this name.
fn number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

fn read<F: Files>(files: &F, segment: u32) -> Result<Vec<u8>, StoreError> {
    let name = name(segment);
    let bytes = files.read(&name);
    bytes.map_err(|error| StoreError::io("read", &files.path(&name), error))
}

fn remove<F: Files>(files: &F, segment: u32) -> Result<(), StoreError> {
    let name = name(segment);
    let removed = files.remove(&name);
    removed.map_err(|error| StoreError::io("remove", &files.path(&name), error))
}

/// The header of a segment, and its length.
fn header<F: Files>(files: &F, segment: u32, bytes: &[u8]) -> Result<(Header, usize), StoreError> {
    match Header::decode(bytes) {
        Ok((header, length)) if header.segment == segment && header.oldest <= segment => {
            Ok((header, length))
        }
        Err(NoHeader::Newer(version)) => Err(StoreError::Newer {
            path: files.path(&name(segment)),
            version,
            ours: VERSION,
        }),
        _ => Err(damaged(
            files,
            segment,
            0,
            "its header is not what was written",
        )),
    }
}

/// Begins a segment. Returns its file and the length of its header.
fn begin<F: Files>(files: &F, header: &Header) -> Result<(F::File, u64), StoreError> {
    let name = name(header.segment);
    let io = |doing, name: &str, error| StoreError::io(doing, &files.path(name), error);
    let bytes = header.encode();
    let file = files.create(TEMPORARY);
    let mut file = file.map_err(|error| io("make", TEMPORARY, error))?;
    file.write(0, &bytes)
        .map_err(|error| io("write", TEMPORARY, error))?;
    file.sync().map_err(|error| io("sync", TEMPORARY, error))?;
    files
        .rename(TEMPORARY, &name)
        .map_err(|error| io("name", &name, error))?;
    files.sync().map_err(|error| io("sync", "", error))?;
    Ok((file, bytes.len() as u64))
}

fn damaged<F: Files>(files: &F, segment: u32, at: u64, what: &'static str) -> StoreError {
    StoreError::Damaged {
        path: files.path(&name(segment)),
        at,
        what,
    }
}

fn salt(random: u64, segment: u32) -> u64 {
    next_random(random ^ u64::from(segment))
}

/// The next number by chance (SplitMix64).
pub(super) fn next_random(random: u64) -> u64 {
    let mixed = random.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
    mixed ^ mixed >> 31
}
