//! The files that wasmtime's cache writes, told from those of anybody else by
//! their place and their name, which is a hash. Only they are ever removed.

use std::collections::BTreeMap;
use std::fs::{self, DirEntry};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// What wasmtime calls the directory of its directories, one for each compiler.
const MODULES: &str = "modules";

/// A SHA-256 in base64 has so many characters.
const HASH: usize = 43;

/// A compiled component with the files about it, or what is left of them.
#[derive(Debug)]
pub(super) struct Kept {
    /// Where the component is, if it is.
    path: PathBuf,
    /// It and the files about it.
    files: Vec<PathBuf>,
    size: u64,
    /// When one of the files was last written, as one of them is at each use.
    used: SystemTime,
}

impl Kept {
    /// The file that holds the component, if there is one.
    pub(super) fn component(&self) -> Option<&Path> {
        self.files.contains(&self.path).then_some(&*self.path)
    }

    /// Removes it with the files about it.
    pub(super) fn remove(&self) -> io::Result<()> {
        for file in &self.files {
            or_gone(fs::remove_file(file), ())?;
        }
        Ok(())
    }
}

/// All that is kept below a directory. What is none of it is passed over.
///
/// # Errors
/// The directory cannot be read, or there is a symbolic link where wasmtime
/// would follow it.
pub(super) fn find(directory: &Path) -> io::Result<Vec<Kept>> {
    let mut found = BTreeMap::new();
    for modules in entries(directory)? {
        if modules.file_name() != MODULES || !is_directory(&modules)? {
            continue;
        }
        for compiler in entries(&modules.path())? {
            if is_directory(&compiler)? {
                for file in entries(&compiler.path())? {
                    add(&mut found, &file)?;
                }
            }
        }
    }
    Ok(found.into_values().collect())
}

/// Removes what has not been used for the longest time, until the rest takes no
/// more than so many bytes, or is one component. The rest.
pub(super) fn shrink(mut kept: Vec<Kept>, most: u64) -> io::Result<Vec<Kept>> {
    kept.sort_by_key(|it| std::cmp::Reverse(it.used));
    let mut total = 0;
    let fit = |it: &&Kept| {
        total += it.size;
        total <= most
    };
    let stays = kept.iter().take_while(fit).count().max(1);
    for old in kept.drain(stays.min(kept.len())..) {
        old.remove()?;
    }
    Ok(kept)
}

/// Adds a file to the component that it is, or is about.
fn add(found: &mut BTreeMap<PathBuf, Kept>, file: &DirEntry) -> io::Result<()> {
    let path = file.path();
    let Some(component) = component_of(file) else {
        return Ok(());
    };
    let Some(about) = or_gone(file.metadata().map(Some), None)? else {
        return Ok(());
    };
    if !about.is_file() {
        return Err(unexpected(&path, "a file"));
    }
    let component = path.with_file_name(component);
    let kept = found.entry(component.clone()).or_insert_with(|| Kept {
        path: component,
        files: Vec::new(),
        size: 0,
        used: SystemTime::UNIX_EPOCH,
    });
    kept.files.push(path);
    kept.size += about.len();
    kept.used = kept.used.max(about.modified()?);
    Ok(())
}

/// The name of the component that a file is or is about; of another file there
/// is none.
fn component_of(file: &DirEntry) -> Option<String> {
    let name = file.file_name().into_string().ok()?;
    let (hash, about) = match name.split_once('.') {
        Some((hash, extension)) => (hash, Some(extension)),
        None => (&*name, None),
    };
    let is_hash = hash.len() == HASH
        && hash
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    // Its use is counted in one of them, and the others are half-written.
    let is_known = about.is_none_or(|it| it == "stats" || it.starts_with("wip-"));
    (is_hash && is_known).then(|| hash.to_owned())
}

/// Without following a link, which leads to what is not ours.
fn is_directory(entry: &DirEntry) -> io::Result<bool> {
    let kind = entry.file_type()?;
    if kind.is_symlink() {
        return Err(unexpected(&entry.path(), "a directory"));
    }
    Ok(kind.is_dir())
}

fn unexpected(path: &Path, expected: &str) -> io::Error {
    io::Error::other(format!("{} is not {expected}", path.display()))
}

fn entries(directory: &Path) -> io::Result<Vec<DirEntry>> {
    let entries = fs::read_dir(directory).and_then(Iterator::collect);
    or_gone(entries, Vec::new())
}

/// Another process may have been faster to remove it.
fn or_gone<T>(result: io::Result<T>, gone: T) -> io::Result<T> {
    match result {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(gone),
        result => result,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::time::Duration;

    use tempfile::TempDir;

    use super::*;

    /// A file of so many bytes, written in this second; its path.
    fn write(directory: &TempDir, name: &str, size: usize, second: u64) -> PathBuf {
        let path = directory.path().join("modules/wasmtime-1").join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it can be made");
        fs::write(&path, vec![0; size]).expect("it can be written");
        let when = SystemTime::UNIX_EPOCH + Duration::from_secs(second);
        let file = File::options().write(true).open(&path);
        let file = file.expect("it is there");
        file.set_modified(when).expect("it is ours");
        path
    }

    fn hash(letter: &str) -> String {
        letter.repeat(HASH)
    }

    #[track_caller]
    fn shrink_to(directory: &TempDir, most: u64) -> usize {
        let kept = find(directory.path()).expect("it can be read");
        shrink(kept, most).expect("it is ours").len()
    }

    #[test]
    fn what_was_used_last_stays() {
        let place = TempDir::new().expect("there is a place for temporary files");
        let files = [
            write(&place, &hash("a"), 100, 1),
            write(&place, &format!("{}.stats", hash("a")), 10, 9),
            write(&place, &hash("b"), 100, 5),
            write(&place, &hash("c"), 100, 6),
            write(
                &place,
                &format!("{}.wip-atomic-write-mod", hash("d")),
                50,
                4,
            ),
        ];
        let other = write(&place, "other", 1_000, 0);
        for (most, left, of_files) in [
            (360, 4, [true, true, true, true, true]),
            (359, 3, [true, true, true, true, false]),
            (210, 2, [true, true, false, true, false]),
            (0, 1, [true, true, false, false, false]),
        ] {
            assert_eq!(shrink_to(&place, most), left);
            assert_eq!(files.each_ref().map(|file| file.exists()), of_files);
        }
        assert!(other.exists());
    }

    #[test]
    fn there_may_be_nothing() {
        let place = TempDir::new().expect("there is a place for temporary files");
        assert_eq!(shrink_to(&place, 0), 0);
    }
}
