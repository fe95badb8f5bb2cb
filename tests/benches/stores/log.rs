//! The bar: a file that groups are appended to, each with a checksum, written anew when
//! three quarters of it are of no use any more.

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::{ByTicket, Change, Kept, OUTCOME, Result, Store};

/// A file smaller than this is not worth to be written anew.
const SMALL: usize = 4 << 20;

pub(crate) struct Log {
    directory: PathBuf,
    file: File,
    length: usize,
    letters: ByTicket,
    outcomes: ByTicket,
    /// The bytes of the letters.
    living: usize,
}

impl Log {
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        let path = directory.join("list.log");
        let bytes = if path.exists() {
            fs::read(&path)?
        } else {
            Vec::new()
        };
        let mut log = Self {
            directory: directory.to_owned(),
            file: File::options().append(true).create(true).open(&path)?,
            length: bytes.len(),
            letters: ByTicket::new(),
            outcomes: ByTicket::new(),
            living: 0,
        };
        let mut rest = &*bytes;
        while let Some((head, behind)) = rest.split_first_chunk::<8>() {
            let (length, sum) = head.split_at(4);
            let length = u32::from_le_bytes(length.try_into()?) as usize;
            let (group, behind) = behind.split_at_checked(length).ok_or("it is damaged")?;
            if crc32fast::hash(group).to_le_bytes() != sum {
                return Err("it is damaged".into());
            }
            log.read(group)?;
            rest = behind;
        }
        Ok(log)
    }

    fn read(&mut self, mut group: &[u8]) -> Result<()> {
        while let Some((head, behind)) = group.split_first_chunk::<13>() {
            let ticket = u64::from_le_bytes(head[1..9].try_into()?);
            let length = u32::from_le_bytes(head[9..].try_into()?) as usize;
            let (letter, behind) = behind.split_at(length);
            group = behind;
            match head[0] {
                0 => self.accept(ticket, letter),
                1 => self.conclude(ticket),
                _ => self.tell(ticket),
            }
        }
        Ok(())
    }

    fn accept(&mut self, ticket: u64, letter: &[u8]) {
        self.living += letter.len();
        self.letters.insert(ticket, letter.into());
    }

    fn conclude(&mut self, ticket: u64) {
        let letter = self.letters.remove(&ticket);
        self.living -= letter.map_or(0, |letter| letter.len());
        self.outcomes.insert(ticket, OUTCOME.into());
    }

    fn tell(&mut self, ticket: u64) {
        self.outcomes.remove(&ticket);
    }

    /// Writes what lives into another file, which takes the place of this one.
    fn write_anew(&mut self) -> Result<()> {
        let mut group = Vec::with_capacity(self.living + 13 * self.letters.len());
        for (ticket, letter) in &self.letters {
            put(&mut group, 0, *ticket, letter);
        }
        for ticket in self.outcomes.keys() {
            put(&mut group, 1, *ticket, &[]);
        }
        let (old, new) = (
            self.directory.join("list.log"),
            self.directory.join("list.new"),
        );
        let mut file = File::create(&new)?;
        write(&mut file, &group)?;
        fs::rename(new, old)?;
        File::open(&self.directory)?.sync_all()?;
        self.file = file;
        self.length = group.len() + 8;
        Ok(())
    }
}

fn put(group: &mut Vec<u8>, kind: u8, ticket: u64, letter: &[u8]) {
    group.push(kind);
    group.extend(ticket.to_le_bytes());
    group.extend(
        u32::try_from(letter.len())
            .unwrap_or(u32::MAX)
            .to_le_bytes(),
    );
    group.extend(letter);
}

fn write(file: &mut File, group: &[u8]) -> Result<()> {
    let mut bytes = Vec::with_capacity(group.len() + 8);
    bytes.extend(u32::try_from(group.len())?.to_le_bytes());
    bytes.extend(crc32fast::hash(group).to_le_bytes());
    bytes.extend(group);
    file.write_all(&bytes)?;
    Ok(file.sync_data()?)
}

impl Store for Log {
    fn commit(&mut self, changes: &[Change]) -> Result<()> {
        let mut group = Vec::new();
        for change in changes {
            match change {
                Change::Accepted(ticket, letter) => put(&mut group, 0, *ticket, letter),
                Change::Concluded(ticket) => put(&mut group, 1, *ticket, &[]),
                Change::Told(ticket) => put(&mut group, 2, *ticket, &[]),
            }
        }
        write(&mut self.file, &group)?;
        self.read(&group)?;
        self.length += group.len() + 8;
        if self.length > SMALL + 4 * self.living {
            self.write_anew()?;
        }
        Ok(())
    }

    fn load(&mut self) -> Result<Kept> {
        Ok(Kept::Bytes {
            letters: std::mem::take(&mut self.letters),
            outcomes: std::mem::take(&mut self.outcomes),
        })
    }
}
