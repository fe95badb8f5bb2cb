//! What a segment begins with: the version of the format, and what is to be known
//! before its first group.

use super::codec::{Reader, put_duration, put_number, put_option};
use crate::office::{Change, Time};
use crate::store::{Boot, BootId, Boots, Moment, Trust};

/// What every file of this format begins with, whatever its version.
const MAGIC: [u8; 8] = *b"jackalop";

/// The version that is written, and the newest that is read. Older ones are read: version 1
/// has no letters in the places of others.
pub(super) const VERSION: u32 = 2;

/// The beginning of a segment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Header {
    /// The version of the format.
    pub(super) version: u32,
    /// Segments are numbered from 1.
    pub(super) segment: u32,
    /// The oldest segment that is still needed.
    pub(super) oldest: u32,
    /// What the checksums of its groups begin with.
    pub(super) salt: u64,
    /// How it was after the group before its first.
    pub(super) position: Position,
}

/// What is known after a group, beside what it has put and removed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Position {
    /// The number of the group.
    pub(super) number: u64,
    pub(super) last_ticket: u64,
    pub(super) boots: Boots,
    pub(super) session: Option<u64>,
}

impl Position {
    /// Whether this comes behind that one, with nothing in between. Boots may have been
    /// forgotten.
    pub(super) fn is_after(&self, before: &Self) -> bool {
        let what = |it: &Self| (it.number, it.last_ticket, it.session);
        what(self) == what(before)
    }

    /// A group begins. Returns the boot that its times are of.
    pub(super) fn begin(&mut self, number: u64, moment: Moment) -> u32 {
        self.number = number;
        self.boots.observe(moment)
    }

    /// What a change of the group adds.
    pub(super) fn note(&mut self, change: &Change) {
        if let Some(ticket) = change.ticket() {
            self.last_ticket = self.last_ticket.max(ticket.0);
        }
        if let Change::Session(session) = change {
            self.session = Some(*session);
        }
    }
}

/// Why there is no header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoHeader {
    /// It is not as it was written.
    Damaged,
    /// It was written by a newer program.
    Newer(u32),
}

impl Header {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut content = Vec::new();
        put_number(&mut content, self.segment.into());
        put_number(&mut content, self.oldest.into());
        content.extend(self.salt.to_le_bytes());
        put_number(&mut content, self.position.number);
        put_number(&mut content, self.position.last_ticket);
        put_option(&mut content, self.position.session, put_number);
        put_number(&mut content, self.position.boots.0.len() as u64);
        for boot in &self.position.boots.0 {
            put_boot(&mut content, boot);
        }

        let mut out = MAGIC.to_vec();
        out.extend(self.version.to_le_bytes());
        // So that damage is not taken for another version.
        out.extend(crc32fast::hash(&out).to_le_bytes());
        out.extend((content.len() as u32).to_le_bytes());
        out.extend(crc32fast::hash(&content).to_le_bytes());
        out.extend(content);
        out
    }

    /// The header that bytes begin with, and its length.
    pub(super) fn decode(bytes: &[u8]) -> Result<(Self, usize), NoHeader> {
        let mut reader = Reader(bytes);
        let magic = reader.array::<8>().ok_or(NoHeader::Damaged)?;
        let version = reader.array().ok_or(NoHeader::Damaged)?;
        let sum = reader.array().ok_or(NoHeader::Damaged)?;
        if magic != MAGIC || crc32fast::hash(&bytes[..12]) != u32::from_le_bytes(sum) {
            return Err(NoHeader::Damaged);
        }
        let version = u32::from_le_bytes(version);
        if version > VERSION {
            return Err(NoHeader::Newer(version));
        }
        Self::decode_content(version, &mut reader)
            .map(|header| (header, bytes.len() - reader.0.len()))
            .ok_or(NoHeader::Damaged)
    }

    fn decode_content(version: u32, reader: &mut Reader<'_>) -> Option<Self> {
        let length = u32::from_le_bytes(reader.array()?);
        let sum = u32::from_le_bytes(reader.array()?);
        let (content, rest) = reader.0.split_at_checked(usize::try_from(length).ok()?)?;
        reader.0 = rest;
        if crc32fast::hash(content) != sum {
            return None;
        }
        let mut reader = Reader(content);
        let reader = &mut reader;
        Some(Self {
            version,
            segment: reader.number().filter(|segment| *segment < u32::MAX)?,
            oldest: reader.number()?,
            salt: u64::from_le_bytes(reader.array()?),
            position: Position {
                number: reader.counter()?,
                last_ticket: reader.counter()?,
                session: reader.option(Reader::number)?,
                boots: boots(reader)?,
            },
        })
    }
}

fn boots(reader: &mut Reader<'_>) -> Option<Boots> {
    let count = reader.number::<usize>()?;
    let boots = (0..count).map(|_| {
        Some(Boot {
            number: reader.number()?,
            id: BootId(reader.array()?),
            ran: Time::from_millis(reader.number()?),
            ran_before: reader.duration()?,
            began: reader.number()?,
            trust: trust(reader)?,
        })
    });
    boots.collect::<Option<_>>().map(Boots)
}

fn put_boot(out: &mut Vec<u8>, boot: &Boot) {
    let Boot {
        number,
        id,
        ran,
        ran_before,
        began,
        trust,
    } = boot;
    put_number(out, (*number).into());
    out.extend(id.0);
    put_number(out, ran.as_millis());
    put_duration(out, *ran_before);
    put_number(out, *began);
    put_trust(out, *trust);
}

/// Appends a moment.
pub(super) fn put_moment(out: &mut Vec<u8>, moment: &Moment) {
    let Moment {
        boot,
        running,
        wall,
        trust,
    } = moment;
    out.extend(boot.0);
    put_number(out, running.as_millis());
    put_number(out, *wall);
    put_trust(out, *trust);
}

fn put_trust(out: &mut Vec<u8>, trust: Trust) {
    out.push(match trust {
        Trust::Never => 0,
        Trust::PastRecord => 1,
        Trust::Synchronised => 2,
    });
}

fn trust(reader: &mut Reader<'_>) -> Option<Trust> {
    Some(match reader.byte()? {
        0 => Trust::Never,
        1 => Trust::PastRecord,
        2 => Trust::Synchronised,
        _ => return None,
    })
}

/// Reads a moment.
pub(super) fn moment(reader: &mut Reader<'_>) -> Option<Moment> {
    Some(Moment {
        boot: BootId(reader.array()?),
        running: Time::from_millis(reader.number()?),
        wall: reader.number()?,
        trust: trust(reader)?,
    })
}
