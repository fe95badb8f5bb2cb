//! Directories, and what the kernel counts.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

/// A directory that is not where temporary files are, which may be memory.
pub(crate) fn place() -> TempDir {
    let program = std::env::current_exe().expect("it runs");
    TempDir::new_in(program.parent().expect("it is in a directory")).expect("there is room")
}

/// What the files below a directory take on the disk. They come and go meanwhile.
pub(crate) fn size(directory: &Path) -> u64 {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(about) if about.is_dir() => size(&entry.path()),
            Ok(about) => about.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// The files below a directory, with their lengths.
pub(crate) fn list(directory: &Path) -> Vec<(PathBuf, u64)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(directory).expect("it is there").flatten() {
        let about = entry.metadata().expect("it is there");
        if about.is_dir() {
            files.extend(list(&entry.path()));
        } else {
            files.push((entry.path(), about.len()));
        }
    }
    files
}

pub(crate) fn copy(from: &Path, to: &Path) {
    for (path, _) in list(from) {
        let to = to.join(path.strip_prefix(from).expect("it is below"));
        fs::create_dir_all(to.parent().expect("it is in a directory")).expect("there is room");
        fs::copy(path, to).expect("there is room");
    }
}
