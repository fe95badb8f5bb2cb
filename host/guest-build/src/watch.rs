//! What a guest is made of: the files whose change makes a new build necessary.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};

use crate::Error;

/// Paths for `cargo::rerun-if-changed`. Cargo looks into folders, at any depth,
/// so target directories must not be below one of them: of each package, its
/// manifest, its build script and its `src` are named, not its own folder.
pub(crate) fn paths(workspace: &Path) -> Result<Vec<PathBuf>, Error> {
    let mut paths = vec![workspace.join("Cargo.lock")];
    let wit = |folder: &Path| Some(folder.join("wit")).filter(|wit| wit.is_dir());
    // The contract, and worlds: beside the guests, or further up.
    paths.extend(workspace.ancestors().filter_map(wit));
    add_packages(workspace, &mut paths)?;
    paths.sort();
    Ok(paths)
}

/// Adds what belongs to the packages in a folder and in the folders in it.
fn add_packages(folder: &Path, paths: &mut Vec<PathBuf>) -> Result<(), Error> {
    let failed = |error| Error::Io(folder.to_owned(), error);
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        let (name, path) = (entry.file_name(), entry.path());
        if ["Cargo.toml", "build.rs", "src"]
            .map(OsStr::new)
            .contains(&name.as_os_str())
        {
            paths.push(path);
        } else if entry.file_type().map_err(failed)?.is_dir() && !is_output(&name, &path) {
            add_packages(&path, paths)?;
        }
    }
    Ok(())
}

/// Whether a folder is none of a package's own: hidden, or cargo's output,
/// which cargo marks.
fn is_output(name: &OsStr, path: &Path) -> bool {
    name.as_encoded_bytes().starts_with(b".") || path.join("CACHEDIR.TAG").exists()
}
