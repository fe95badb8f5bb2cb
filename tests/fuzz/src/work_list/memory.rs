//! A disk in memory on which nothing fails.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use super::files::{File, Files};
use super::segments;

#[derive(Debug, Clone, Default)]
pub(super) struct Memory(Arc<Mutex<BTreeMap<String, MemoryFile>>>);

#[derive(Debug, Clone, Default)]
pub(super) struct MemoryFile(Arc<Mutex<Vec<u8>>>);

impl Memory {
    pub(super) fn put(&self, segment: u32, bytes: Vec<u8>) {
        let file = MemoryFile(Arc::new(Mutex::new(bytes)));
        self.files().insert(segments::name(segment), file);
    }

    /// The segments that there are, in their order.
    pub(super) fn segments(&self) -> Vec<u32> {
        let files = self.files();
        let mut found: Vec<_> = files
            .keys()
            .filter_map(|name| segments::number(name))
            .collect();
        found.sort_unstable();
        found
    }

    pub(super) fn bytes(&self, segment: u32) -> Option<Vec<u8>> {
        self.read(&segments::name(segment)).ok()
    }

    /// How many bytes all files have.
    pub(super) fn size(&self) -> usize {
        self.files().values().map(|file| file.bytes().len()).sum()
    }

    fn files(&self) -> MutexGuard<'_, BTreeMap<String, MemoryFile>> {
        self.0.lock().expect("nothing goes on after a panic")
    }
}

impl MemoryFile {
    fn bytes(&self) -> MutexGuard<'_, Vec<u8>> {
        self.0.lock().expect("nothing goes on after a panic")
    }
}

impl Files for Memory {
    type File = MemoryFile;

    fn path(&self, name: &str) -> PathBuf {
        name.into()
    }

    fn make(&self) -> io::Result<()> {
        Ok(())
    }

    fn names(&self) -> io::Result<Vec<String>> {
        Ok(self.files().keys().cloned().collect())
    }

    fn read(&self, name: &str) -> io::Result<Vec<u8>> {
        Ok(self.open(name)?.bytes().clone())
    }

    fn open(&self, name: &str) -> io::Result<MemoryFile> {
        let file = self.files().get(name).cloned();
        file.ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn create(&self, name: &str) -> io::Result<MemoryFile> {
        let file = MemoryFile::default();
        self.files().insert(name.to_owned(), file.clone());
        Ok(file)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let file = self.open(from)?;
        self.remove(from)?;
        self.files().insert(to.to_owned(), file);
        Ok(())
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        let removed = self.files().remove(name);
        removed
            .map(|_| ())
            .ok_or_else(|| ErrorKind::NotFound.into())
    }

    fn is_there(&self, name: &str, file: &MemoryFile) -> io::Result<bool> {
        let named = self.open(name);
        Ok(named.is_ok_and(|named| Arc::ptr_eq(&named.0, &file.0)))
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }
}

impl File for MemoryFile {
    fn write(&mut self, at: u64, bytes: &[u8]) -> io::Result<()> {
        let (at, mut file) = (at as usize, self.bytes());
        let end = at + bytes.len();
        if file.len() < end {
            file.resize(end, 0);
        }
        file[at..end].copy_from_slice(bytes);
        Ok(())
    }

    fn set_length(&mut self, length: u64) -> io::Result<()> {
        self.bytes().resize(length as usize, 0);
        Ok(())
    }

    fn sync(&mut self) -> io::Result<()> {
        Ok(())
    }
}
