//! A disk in memory that knows what is durable, and what a power cut may leave of what
//! is not.
//!
//! What was written since the last sync may be there or not, whatever came before or
//! behind it, each sector of it for itself, and at the end of what survives up to any
//! byte; where a length has grown and the bytes are missing, there are zeros. The same
//! holds for names.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::files::{File, Files};
use super::keeper::Keeper;
use super::log::Sizes;
use super::segments::next_random;
use crate::store::Store;

/// A disk writes so many bytes as a whole.
const SECTOR: usize = 512;

/// So small that segments come and go, and what lives moves, all the time.
pub(super) const SMALL: Sizes = Sizes {
    segment: 1_000,
    slack: 1_000,
    moved: 300,
};

/// Numbers by chance, the same for the same seed.
#[derive(Debug, Clone)]
pub(crate) struct Chance(pub(crate) u64);

impl Chance {
    /// A number below this one.
    pub(super) fn below(&mut self, end: usize) -> usize {
        self.0 = next_random(self.0);
        (self.0 % end.max(1) as u64) as usize
    }

    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Memory(Arc<Mutex<State>>);

#[derive(Debug)]
pub(crate) struct MemoryFile {
    memory: Memory,
    inode: usize,
}

/// What a disk looked like after one of the operations.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    content: Content,
    /// The groups whose commit had begun, and had ended, by then.
    pub(super) begun: u64,
    pub(super) ended: u64,
}

#[derive(Debug, Default)]
struct State {
    content: Content,
    begun: u64,
    ended: u64,
    /// Kept if it is asked for.
    history: Option<Vec<Snapshot>>,
    /// How many operations there were, and which of them fails.
    operations: usize,
    fails: Option<(usize, i32)>,
    during_sync: Meanwhile,
}

/// What another thread does meanwhile.
#[derive(Default)]
struct Meanwhile(Option<Box<dyn FnOnce() + Send>>);

impl fmt::Debug for Meanwhile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Meanwhile").finish_non_exhaustive()
    }
}

#[derive(Debug, Clone, Default)]
struct Content {
    files: Vec<Inode>,
    names: BTreeMap<String, usize>,
    durable_names: BTreeMap<String, usize>,
    pending_names: Vec<NameChange>,
}

#[derive(Debug, Clone, Default)]
struct Inode {
    bytes: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Written>,
}

#[derive(Debug, Clone)]
enum Written {
    Bytes { at: usize, bytes: Vec<u8> },
    Length(usize),
}

#[derive(Debug, Clone)]
struct NameChange {
    removed: Option<String>,
    added: Option<(String, usize)>,
}

impl Memory {
    /// A store whose files are on it, in small segments.
    pub(crate) fn open(&self, random: u64) -> Box<dyn Store> {
        Box::new(Keeper::new(self.clone(), SMALL, random))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().expect("no test goes on after a panic")
    }

    /// From here on what the disk looks like is kept after each operation, and now.
    pub(crate) fn record(&self) {
        let mut state = self.state();
        state.history = Some(Vec::new());
        state.note();
    }

    pub(crate) fn take_history(&self) -> Vec<Snapshot> {
        self.state().history.take().unwrap_or_default()
    }

    pub(crate) fn snapshot(&self) -> Snapshot {
        self.state().snapshot()
    }

    /// How many operations there were.
    pub(crate) fn operations(&self) -> usize {
        self.state().operations
    }

    /// The operation after so many fails, with this error.
    pub(crate) fn fail(&self, operations: usize, errno: i32) {
        self.state().fails = Some((operations, errno));
    }

    /// Nothing fails any more.
    pub(crate) fn heal(&self) {
        self.state().fails = None;
    }
}

/// What the tests of the store alone ask for.
#[cfg(test)]
impl Memory {
    /// The commit of a group begins.
    pub(super) fn begin(&self, group: u64) {
        self.state().begun = group;
    }

    /// It has ended.
    pub(super) fn end(&self, group: u64) {
        self.state().ended = group;
    }

    /// While a file is synced the next time, this is done.
    pub(super) fn during_sync(&self, meanwhile: impl FnOnce() + Send + 'static) {
        self.state().during_sync = Meanwhile(Some(Box::new(meanwhile)));
    }

    /// Whether that is still to come.
    pub(super) fn is_to_fail(&self) -> bool {
        self.state().fails.is_some()
    }

    /// Changes a file as nobody should.
    pub(super) fn damage(&self, name: &str, change: impl FnOnce(&mut Vec<u8>)) {
        let mut state = self.state();
        let inode = state.content.names[name];
        change(&mut state.content.files[inode].bytes);
    }
}

impl Snapshot {
    /// The same disk without any power cut.
    pub(crate) fn as_it_is(&self) -> Memory {
        self.of(self.content.clone())
    }

    /// What a power cut may leave.
    pub(crate) fn cut(&self, chance: &mut Chance) -> Memory {
        let mut content = self.content.clone();
        for file in &mut content.files {
            file.cut(chance);
        }
        let pending = std::mem::take(&mut content.pending_names);
        let mut names = content.durable_names.clone();
        let most = chance.below(pending.len() + 1);
        let way = chance.below(3);
        for (n, change) in pending.into_iter().enumerate() {
            let survives = match way {
                0 => true,
                1 => n < most,
                _ => chance.one_in(2),
            };
            if survives {
                change.apply(&mut names);
            }
        }
        content.durable_names = names.clone();
        content.names = names;
        self.of(content)
    }

    fn of(&self, content: Content) -> Memory {
        let (begun, ended) = (self.begun, self.ended);
        Memory(Arc::new(Mutex::new(State {
            content,
            begun,
            ended,
            ..State::default()
        })))
    }
}

impl State {
    fn snapshot(&self) -> Snapshot {
        Snapshot {
            content: self.content.clone(),
            begun: self.begun,
            ended: self.ended,
        }
    }

    fn note(&mut self) {
        let snapshot = self.snapshot();
        if let Some(history) = &mut self.history {
            history.push(snapshot);
        }
    }

    /// An operation comes. Whether it fails.
    fn begin(&mut self) -> Option<io::Error> {
        self.operations += 1;
        let fails = self.fails.filter(|(at, _)| *at < self.operations)?;
        self.fails = None;
        Some(io::Error::from_raw_os_error(fails.1))
    }

    fn inode(&self, name: &str) -> io::Result<usize> {
        let inode = self.content.names.get(name).copied();
        inode.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn name(&mut self, removed: Option<&str>, added: Option<(&str, usize)>) {
        let change = NameChange {
            removed: removed.map(str::to_owned),
            added: added.map(|(name, inode)| (name.to_owned(), inode)),
        };
        change.clone().apply(&mut self.content.names);
        self.content.pending_names.push(change);
    }
}

impl NameChange {
    fn apply(self, names: &mut BTreeMap<String, usize>) {
        if let Some(name) = self.removed {
            names.remove(&name);
        }
        names.extend(self.added);
    }
}

impl Inode {
    fn write(&mut self, written: Written) {
        written.apply(&mut self.bytes);
        self.pending.push(written);
    }

    fn cut(&mut self, chance: &mut Chance) {
        let pending = std::mem::take(&mut self.pending);
        let most = chance.below(pending.len() + 1);
        let way = chance.below(5);
        for (n, written) in pending.into_iter().enumerate() {
            match way {
                // All is lost, or nothing.
                0 => {}
                1 => written.apply(&mut self.durable),
                // Up to any byte.
                2 if n < most => written.apply(&mut self.durable),
                2 if n == most => written.first(chance).apply(&mut self.durable),
                2 => {}
                // Any of them, any sector.
                3 if chance.one_in(2) => {}
                3 | 4 => written.some_sectors(chance, &mut self.durable),
                _ => unreachable!("there are five ways"),
            }
        }
        self.bytes.clone_from(&self.durable);
    }
}

impl Written {
    fn apply(&self, file: &mut Vec<u8>) {
        match self {
            Self::Bytes { at, bytes } => {
                let end = at + bytes.len();
                if file.len() < end {
                    file.resize(end, 0);
                }
                file[*at..end].copy_from_slice(bytes);
            }
            Self::Length(length) => file.resize(*length, 0),
        }
    }

    /// Its first bytes.
    fn first(self, chance: &mut Chance) -> Self {
        match self {
            Self::Bytes { at, mut bytes } => {
                bytes.truncate(chance.below(bytes.len() + 1));
                Self::Bytes { at, bytes }
            }
            length => length,
        }
    }

    fn some_sectors(self, chance: &mut Chance, file: &mut Vec<u8>) {
        let Self::Bytes { at, bytes } = self else {
            return self.apply(file);
        };
        // The length may be there without what is in it.
        if chance.one_in(2) && file.len() < at + bytes.len() {
            file.resize(at + bytes.len(), 0);
        }
        let mut from = at;
        while from < at + bytes.len() {
            let to = (at + bytes.len()).min((from / SECTOR + 1) * SECTOR);
            if chance.one_in(2) {
                let bytes = bytes[from - at..to - at].to_vec();
                Self::Bytes { at: from, bytes }.apply(file);
            }
            from = to;
        }
    }
}

impl Files for Memory {
    type File = MemoryFile;

    fn path(&self, name: &str) -> PathBuf {
        PathBuf::from("log").join(name)
    }

    fn make(&self) -> io::Result<()> {
        self.state().begin().map_or(Ok(()), Err)
    }

    fn names(&self) -> io::Result<Vec<String>> {
        let mut state = self.state();
        match state.begin() {
            Some(error) => Err(error),
            None => Ok(state.content.names.keys().cloned().collect()),
        }
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        match state.begin() {
            Some(error) => Err(error),
            None => Ok(state.content.files[state.inode(name)?].bytes.clone()),
        }
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let mut state = self.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        Ok(MemoryFile {
            memory: self.clone(),
            inode: state.inode(name)?,
        })
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let mut state = self.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        let inode = match state.inode(name) {
            Ok(inode) => {
                state.content.files[inode].write(Written::Length(0));
                inode
            }
            Err(_) => {
                state.content.files.push(Inode::default());
                let inode = state.content.files.len() - 1;
                state.name(None, Some((name, inode)));
                inode
            }
        };
        state.note();
        Ok(MemoryFile {
            memory: self.clone(),
            inode,
        })
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        let inode = state.inode(from)?;
        state.name(Some(from), Some((to, inode)));
        state.note();
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        state.inode(name)?;
        state.name(Some(name), None);
        state.note();
        Ok(())
    }

    fn is_there(&self, name: &str, file: &MemoryFile) -> io::Result<bool> {
        Ok(self.state().content.names.get(name) == Some(&file.inode))
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        state.content.pending_names.clear();
        state.content.durable_names = state.content.names.clone();
        state.note();
        Ok(())
    }
}

impl File for MemoryFile {
    fn write(&self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.memory.state();
        let error = state.begin();
        // An error comes when half of it is written.
        let most = if error.is_some() {
            bytes.len() / 2
        } else {
            bytes.len()
        };
        state.content.files[self.inode].write(Written::Bytes {
            at: at as usize,
            bytes: bytes[..most].to_vec(),
        });
        state.note();
        error.map_or(Ok(()), Err)
    }

    fn set_length(&self, length: u64) -> io::Result<()> {
        let mut state = self.memory.state();
        if let Some(error) = state.begin() {
            return Err(error);
        }
        state.content.files[self.inode].write(Written::Length(length as usize));
        state.note();
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.memory.state();
        let error = state.begin();
        let pending = std::mem::take(&mut state.content.files[self.inode].pending);
        if let Some(meanwhile) = state.during_sync.0.take() {
            drop(state);
            meanwhile();
            state = self.memory.state();
        }
        let file = &mut state.content.files[self.inode];
        // As Linux does: what could not be written is clean from then on, so that only
        // reading finds it, and no later sync writes it.
        if error.is_none() {
            for written in pending {
                written.apply(&mut file.durable);
            }
        }
        state.note();
        error.map_or(Ok(()), Err)
    }
}
