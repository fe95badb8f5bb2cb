//! A directory that nobody but its user can change.

use std::fs::{self, DirBuilder, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

/// The bits of a mode that let the group and others write.
const OTHERS_WRITE: u32 = 0o022;

/// With it, whoever can write to a directory can still not rename or remove
/// what belongs to others.
const STICKY: u32 = 0o1000;

/// A directory that belongs to the effective user of this process, that nobody
/// else can write to, and that nobody else can put another one in the place of:
/// each directory above it belongs to this user or to root, and either nobody
/// else can write to it or it is sticky, as `/tmp` is.
///
/// That is known of the moment in which this is made. Only this user and root
/// can change it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnDirectory(PathBuf);

/// Why a directory is not one's own.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum NotOwn {
    /// It can not be made or looked at.
    #[error("{} can not be used", path.display())]
    Unusable {
        /// The directory, or one above it.
        path: PathBuf,
        /// What the operating system says.
        source: io::Error,
    },
    /// There is something else.
    #[error("{} is not a directory", .0.display())]
    NotADirectory(PathBuf),
    /// It belongs to somebody else.
    #[error(
        "{} belongs to user {owner}, who can change what is kept there; this is user {us}",
        path.display()
    )]
    Foreign {
        /// The directory, or one above it.
        path: PathBuf,
        /// The id of the user whom it belongs to.
        owner: u32,
        /// The id of the user of this process.
        us: u32,
    },
    /// Others can write to it.
    #[error(
        "other users can write to {0} (mode {mode:04o}) and change what is kept there; \
         `chmod go-w {0}` prevents that",
        path.display()
    )]
    Writable {
        /// The directory, or one above it.
        path: PathBuf,
        /// Its mode.
        mode: u32,
    },
}

impl NotOwn {
    /// Whether somebody else could change what is kept there, as opposed to a
    /// directory that is of no use at all.
    pub fn is_unsafe(&self) -> bool {
        matches!(self, Self::Foreign { .. } | Self::Writable { .. })
    }
}

impl OwnDirectory {
    /// Looks at a directory, and makes it where there is none, with mode 0700,
    /// as well as what is missing above it; what is made is durable then. A relative path is relative to the
    /// working directory.
    ///
    /// # Errors
    /// The first thing that is wrong, from the root downwards; then nothing has
    /// been made below it.
    pub fn open(path: &Path) -> Result<Self, NotOwn> {
        let real = real(path)?;
        let us = rustix::process::geteuid().as_raw();
        // Downwards: what is above a directory says who can replace it.
        let above: Vec<&Path> = real.ancestors().skip(1).collect();
        for directory in above.into_iter().rev() {
            check_above(directory, us)?;
        }
        check_itself(&real, us)?;
        Ok(Self(real))
    }

    /// A directory in this one.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn subdirectory(&self, name: &str) -> Result<Self, NotOwn> {
        Self::open(&self.0.join(name))
    }

    /// Its path, absolute and without symbolic links.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

/// The path without symbolic links, of a directory that is there afterwards.
fn real(path: &Path) -> Result<PathBuf, NotOwn> {
    match path.canonicalize() {
        Err(error) if error.kind() == ErrorKind::NotFound => make(path)?,
        _ => {}
    }
    path.canonicalize().map_err(|error| unusable(path, error))
}

fn make(path: &Path) -> Result<(), NotOwn> {
    let missing = || unusable(path, ErrorKind::NotFound.into());
    let parent = match path.parent().ok_or_else(missing)? {
        // A relative path of one name.
        parent if parent.as_os_str().is_empty() => Path::new("."),
        parent => parent,
    };
    // Nothing is made where somebody else could put something in its place, nor
    // in what belongs to somebody else.
    let parent = real(parent)?;
    let us = rustix::process::geteuid().as_raw();
    for directory in parent.ancestors() {
        check_above(directory, us)?;
    }
    let name = path.file_name().ok_or_else(missing)?;
    match DirBuilder::new().mode(0o700).create(parent.join(name)) {
        // Another process was faster, or it is a link that leads nowhere.
        Err(error) if error.kind() != ErrorKind::AlreadyExists => Err(unusable(path, error)),
        _ => sync_above(&parent).map_err(|error| unusable(&parent, error)),
    }
}

/// Returns when the names in a directory above one's own are durable, unless this user
/// can not look into it.
pub(crate) fn sync_above(path: &Path) -> io::Result<()> {
    match sync_directory(path) {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => Ok(()),
        synced => synced,
    }
}

/// Returns when the names in a directory are durable.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    fs::File::open(path)?.sync_all()?;
    #[cfg(test)]
    SYNCED.with_borrow_mut(|synced| synced.push(path.to_owned()));
    Ok(())
}

#[cfg(test)]
thread_local! {
    /// The directories that were synced: nothing else shows it but a power cut.
    pub(crate) static SYNCED: std::cell::RefCell<Vec<PathBuf>> = const {
        std::cell::RefCell::new(Vec::new())
    };
}

fn check_above(path: &Path, us: u32) -> Result<(), NotOwn> {
    let about = about(path)?;
    match about.uid() {
        0 => {}
        owner if owner == us => {}
        owner => return Err(foreign(path, owner, us)),
    }
    if about.mode() & OTHERS_WRITE != 0 && about.mode() & STICKY == 0 {
        return Err(writable(path, &about));
    }
    Ok(())
}

fn check_itself(path: &Path, us: u32) -> Result<(), NotOwn> {
    let about = about(path)?;
    if about.uid() != us {
        return Err(foreign(path, about.uid(), us));
    }
    if about.mode() & OTHERS_WRITE != 0 {
        return Err(writable(path, &about));
    }
    Ok(())
}

/// What the file system says about a directory.
fn about(path: &Path) -> Result<Metadata, NotOwn> {
    // The path has no links any more; one that comes up now is not followed.
    let about = fs::symlink_metadata(path).map_err(|error| unusable(path, error))?;
    if !about.is_dir() {
        return Err(NotOwn::NotADirectory(path.to_owned()));
    }
    Ok(about)
}

fn unusable(path: &Path, source: io::Error) -> NotOwn {
    NotOwn::Unusable {
        path: path.to_owned(),
        source,
    }
}

fn foreign(path: &Path, owner: u32, us: u32) -> NotOwn {
    NotOwn::Foreign {
        path: path.to_owned(),
        owner,
        us,
    }
}

fn writable(path: &Path, about: &Metadata) -> NotOwn {
    NotOwn::Writable {
        path: path.to_owned(),
        mode: about.mode() & 0o7777,
    }
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt, chown, symlink};

    use tempfile::TempDir;

    use super::*;

    fn place() -> TempDir {
        TempDir::new().expect("there is a place for temporary files")
    }

    /// A directory with this mode, whatever the umask.
    fn directory(path: PathBuf, mode: u32) -> PathBuf {
        fs::create_dir(&path).expect("it can be made");
        fs::set_permissions(&path, Permissions::from_mode(mode)).expect("it is ours");
        path
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").mode() & 0o7777
    }

    #[track_caller]
    fn check_writable(path: &Path, culprit: &Path) {
        let error = OwnDirectory::open(path).expect_err("it is not safe");
        let culprit = culprit.canonicalize().expect("it is there");
        match &error {
            NotOwn::Writable { path, .. } => assert_eq!(*path, culprit),
            other => panic!("{other:?}"),
        }
        assert!(error.is_unsafe());
        let remedy = format!("`chmod go-w {}`", culprit.display());
        assert!(error.to_string().contains(&remedy), "{error}");
    }

    #[track_caller]
    fn check_foreign(path: &Path, culprit: &Path) {
        let error = OwnDirectory::open(path).expect_err("it is somebody else's");
        assert!(error.is_unsafe());
        match error {
            NotOwn::Foreign { path, owner, .. } => {
                assert_eq!((&*path, owner), (culprit, 1));
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_that_is_there() {
        let place = place();
        for mode in [0o700, 0o755] {
            let path = directory(place.path().join(mode.to_string()), mode);
            let own = OwnDirectory::open(&path).expect("it is ours");
            assert_eq!(own.path(), path.canonicalize().expect("it is there"));
        }
    }

    #[test]
    fn one_that_is_missing_is_made_for_us_alone() {
        let place = place();
        let path = place.path().join("a/b");
        let own = OwnDirectory::open(&path).expect("it can be made");
        assert_eq!(own, OwnDirectory::open(&path).expect("it is there"));
        assert_eq!(mode(&path), 0o700);
        assert_eq!(mode(&place.path().join("a")), 0o700);
        let inner = own.subdirectory("c").expect("it can be made");
        assert_eq!(inner.path(), own.path().join("c"));
    }

    #[test]
    fn what_is_made_is_durable() {
        let place = place();
        let real = place.path().canonicalize().expect("it is there");
        SYNCED.take();
        OwnDirectory::open(&real.join("a/b/c")).expect("it can be made");
        assert_eq!(
            SYNCED.take(),
            [real.clone(), real.join("a"), real.join("a/b")]
        );
    }

    #[test]
    fn others_can_write_to_it() {
        let place = place();
        for mode in [0o777, 0o775, 0o757, 0o720, 0o1777] {
            let path = directory(place.path().join(mode.to_string()), mode);
            check_writable(&path, &path);
        }
    }

    #[test]
    fn others_can_write_above_it() {
        let place = place();
        let open = directory(place.path().join("open"), 0o777);
        let path = directory(open.join("mine"), 0o700);
        check_writable(&path, &open);
        check_writable(&directory(path.join("deeper"), 0o700), &open);
        check_writable(&open.join("missing/deeper"), &open);
        assert!(!open.join("missing").exists());
    }

    #[test]
    fn above_it_sticky_is_enough() {
        let place = place();
        let open = directory(place.path().join("open"), 0o1777);
        OwnDirectory::open(&open.join("mine")).expect("it can be made");
    }

    #[test]
    fn a_link_is_what_it_leads_to() {
        let place = place();
        let open = directory(place.path().join("open"), 0o777);
        let mine = directory(open.join("mine"), 0o700);
        let bad = place.path().join("bad");
        symlink(&mine, &bad).expect("it can be made");
        check_writable(&bad, &open);

        let good = place.path().join("good");
        let target = directory(place.path().join("target"), 0o700);
        symlink(&target, &good).expect("it can be made");
        let own = OwnDirectory::open(&good).expect("it is ours");
        assert_eq!(own.path(), target.canonicalize().expect("it is there"));

        let nowhere = place.path().join("nowhere");
        symlink(open.join("missing"), &nowhere).expect("it can be made");
        let error = OwnDirectory::open(&nowhere).expect_err("it leads nowhere");
        assert!(matches!(error, NotOwn::Unusable { .. }), "{error:?}");
    }

    #[test]
    fn a_file_is_no_directory() {
        let place = place();
        let file = place.path().join("file");
        fs::write(&file, "").expect("it can be written");
        let error = OwnDirectory::open(&file).expect_err("it is a file");
        assert!(matches!(error, NotOwn::NotADirectory(_)), "{error:?}");
        assert!(!error.is_unsafe());
        let error = OwnDirectory::open(&file.join("below")).expect_err("it is a file");
        assert!(matches!(error, NotOwn::Unusable { .. }), "{error:?}");
    }

    #[test]
    fn somebody_else_has_it_or_what_is_above_it() {
        if rustix::process::geteuid().is_root() {
            let place = place();
            let theirs = directory(place.path().join("theirs"), 0o755);
            let ours = directory(theirs.join("ours"), 0o700);
            chown(&theirs, Some(1), None).expect("root may");
            let culprit = theirs.canonicalize().expect("it is there");
            check_foreign(&theirs, &culprit);
            check_foreign(&ours, &culprit);
            check_foreign(&theirs.join("missing"), &culprit);
            assert!(!theirs.join("missing").exists());
        } else {
            // Root's are trusted above ours, and are not ours.
            let error = OwnDirectory::open(Path::new("/")).expect_err("it is root's");
            assert!(
                matches!(error, NotOwn::Foreign { owner: 0, .. }),
                "{error:?}"
            );
        }
    }

    #[test]
    fn a_relative_path() {
        // The working directory of a test is that of its package.
        let own = OwnDirectory::open(Path::new("src"));
        match own {
            Ok(own) => assert!(own.path().is_absolute()),
            Err(error) => assert!(error.is_unsafe(), "{error:?}"),
        }
    }
}
