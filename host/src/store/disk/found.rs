//! What there is of a log, read and not changed.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::path::PathBuf;

use super::files::{Files, is_missing};
use super::frame;
use super::header::Header;
use super::mark::Durable;
use super::replay::Replay;
use super::segments::{NOT_AS_WRITTEN, Segment, damaged, header, name, number, read};
use super::tail::UNDER_WAY;
use crate::store::{Contents, StoreError};

/// A log whose segments belong together.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) replay: Replay,
    /// Those that are needed before the newest one, from the oldest on.
    pub(super) older: VecDeque<Segment>,
    /// Those that no header counts any more.
    pub(super) over: Vec<u32>,
    pub(super) newest: u32,
    pub(super) header: Header,
    /// What is in the newest one, and where its last groups are, which may not be durable.
    pub(super) bytes: Vec<u8>,
    pub(super) last: Range<usize>,
}

/// The end of a log, behind its last whole group: what was being written when the power was cut
/// or the disk failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CutOff {
    /// In which file.
    pub path: PathBuf,
    /// How many bytes there are.
    pub bytes: u64,
}

impl fmt::Display for CutOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, bytes } = self;
        let path = path.display();
        write!(
            f,
            "the last {bytes} bytes of {path} are no whole groups and are left out: if the \
             power was cut or the disk has failed, that is what was being written"
        )
    }
}

impl Found {
    /// Reads it. None: there is none.
    ///
    /// # Errors
    /// It can not be read, or something is missing that was not under way when the
    /// power was cut.
    pub(super) fn read<F: Files>(files: &F) -> Result<Option<Self>, StoreError> {
        let names = match files.names() {
            Err(error) if is_missing(&error) => return Ok(None),
            names => names.map_err(|error| StoreError::io("read", &files.path(""), error))?,
        };
        let durable = Durable::read(files)?;
        let mut found: Vec<u32> = names.iter().filter_map(|name| number(name)).collect();
        found.sort_unstable();
        let newest = found.pop();
        if let Some(durable) = durable
            && newest.is_none_or(|newest| newest < durable.segment)
        {
            return Err(damaged(files, durable.segment, 0, MISSING));
        }
        let Some(newest) = newest else {
            return Ok(None);
        };
        let bytes = read(files, newest)?;
        let (header, _) = header(files, newest, &bytes)?;
        let mut replay = Replay::default();
        let mut older = VecDeque::new();
        for segment in header.oldest..newest {
            if !found.contains(&segment) {
                return Err(damaged(files, segment, 0, MISSING));
            }
            let bytes = read(files, segment)?;
            let end = replay.segment(files, segment, &bytes)?.end;
            if end < bytes.len() {
                return Err(damaged(files, segment, end, NOT_AS_WRITTEN));
            }
            older.push_back(Segment {
                number: segment,
                length: bytes.len() as u64,
            });
        }
        let last = replay.segment(files, newest, &bytes)?;
        replay.index.shrink();
        let number = replay.position.number;
        if !is_under_way(&bytes[last.end..], header.salt, number) {
            return Err(damaged(files, newest, last.end, NOT_AS_WRITTEN));
        }
        if durable.is_some_and(|durable| number < durable.number) {
            let what = "groups that were durable are missing from here on";
            return Err(damaged(files, newest, last.end, what));
        }
        found.retain(|segment| *segment < header.oldest);
        Ok(Some(Self {
            replay,
            older,
            over: found,
            newest,
            header,
            bytes,
            last,
        }))
    }

    /// What lives in it.
    pub(super) fn contents<F: Files>(&mut self, files: &F) -> Result<Contents, StoreError> {
        let segments = self.header.oldest..=self.newest;
        self.replay.contents(files, segments)
    }

    /// What is behind its last group.
    pub(super) fn cut_off<F: Files>(&self, files: &F) -> Option<CutOff> {
        let bytes = self.bytes.len() - self.last.end;
        (bytes > 0).then(|| CutOff {
            path: files.path(&name(self.newest)),
            bytes: bytes as u64,
        })
    }
}

const MISSING: &str = "the file is missing";

/// Whether what is behind this group and not whole can be groups that were being written
/// when the power was cut. Any part of them may have become durable before others, and
/// zeros be in the place of those; but there are only so many.
fn is_under_way(mut bytes: &[u8], salt: u64, number: u64) -> bool {
    let last = number + UNDER_WAY;
    for number in number + 1..=last {
        match frame::head(bytes, salt) {
            Some(head) if head.number == number => {
                bytes = bytes.get(head.size()..).unwrap_or_default();
            }
            Some(_) => return false,
            None => return !frame::is_any_behind(bytes, salt, last),
        }
    }
    bytes.iter().all(|byte| *byte == 0)
}
