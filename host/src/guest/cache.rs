//! Compiled components, kept from one start to the next.
//!
//! This is wasmtime's own cache: a file for each component, named by a hash of
//! its bytes, the version of the engine, its settings and the processor's
//! features, so that whatever has changed is compiled anew. Files are replaced
//! as a whole. They have no checksum, though, and what is in them is executed:
//! one changed bit can crash every start. So there are [`Checksums`] beside
//! them, against accidents; against malice they are in an [`OwnDirectory`].

use std::fs;
use std::io;
use std::path::PathBuf;

use wasmtime::CacheConfig;

use super::checksums::Checksums;
use super::own_directory::{NotOwn, OwnDirectory};

/// A directory of its own: wasmtime deletes from time to time what it does not
/// know, and nobody else has to be able to look into it.
const SUBDIRECTORY: &str = "components";

/// The list of their checksums.
const CHECKSUMS: &str = "components.checksums";

/// How many bytes are kept, more or less; what was used last stays. A component
/// takes some 200 KB, and each start reads them all.
const SIZE: u64 = 16 << 20;

/// As fast as the others to read, and the fastest to write.
const COMPRESSION: i32 = 1;

pub(super) struct Cache {
    wasmtime: wasmtime::Cache,
    own: OwnDirectory,
    /// Where wasmtime keeps it all, in `own`.
    directory: PathBuf,
    checksums: Checksums,
}

/// What became of a component in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    Found,
    Added,
    /// It could not be written.
    Not,
}

impl Cache {
    /// Removes what is damaged, and starts a thread, which sleeps while nothing
    /// is compiled.
    pub(super) fn start(own: &OwnDirectory) -> Result<Self, NotOwn> {
        let directory = own.subdirectory(SUBDIRECTORY)?.path().to_owned();
        let unusable = |source: io::Error| NotOwn::Unusable {
            path: directory.clone(),
            source,
        };
        let list = own.path().join(CHECKSUMS);
        let checksums = Checksums::check(&directory, &list).map_err(unusable)?;
        let mut config = CacheConfig::new();
        config
            .with_directory(&directory)
            .with_files_total_size_soft_limit(SIZE)
            .with_baseline_compression_level(COMPRESSION)
            // By default, what is used often is compressed again, which takes
            // more memory than a gateway may have.
            .with_optimized_compression_level(COMPRESSION);
        let wasmtime =
            wasmtime::Cache::new(config).map_err(|error| unusable(io::Error::other(error)))?;
        Ok(Self {
            wasmtime,
            own: own.clone(),
            directory,
            checksums,
        })
    }

    pub(super) fn wasmtime(&self) -> wasmtime::Cache {
        self.wasmtime.clone()
    }

    /// Compiles something with an engine that has this cache, and sees to it
    /// that the cache goes on being of use.
    pub(super) fn compile<T, E>(&self, compile: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
        let count = || (self.wasmtime.cache_hits(), self.wasmtime.cache_misses());
        let (hits, misses) = count();
        let compiled = compile()?;
        let kept = match count() {
            (now, _) if now > hits => Kept::Found,
            // It counts only what it has written.
            (_, now) if now > misses && self.checksums.add_new().is_ok() => Kept::Added,
            _ => Kept::Not,
        };
        match kept {
            Kept::Found => tracing::debug!("component found in the cache"),
            Kept::Added => tracing::debug!("component compiled and added to the cache"),
            Kept::Not => self.clear(),
        }
        Ok(compiled)
    }

    /// Makes a new beginning. A file that was left half-written, by a process
    /// that was killed or on a disk that was full, would otherwise be in the way
    /// for ever.
    fn clear(&self) {
        let cleared = fs::remove_dir_all(&self.directory).is_ok()
            // At once, for us alone: wasmtime would make it for everybody.
            && self.own.subdirectory(SUBDIRECTORY).is_ok();
        tracing::warn!(
            directory = %self.directory.display(),
            cleared,
            "a compiled component could not be kept, and is compiled again at the next start; \
             is the disk full or read-only?"
        );
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use tempfile::TempDir;
    use wasmtime::{Config, Engine, Module};

    use super::*;

    /// A cache in this directory, and an engine that uses it.
    fn start(directory: &TempDir) -> (Cache, Engine) {
        let directory = OwnDirectory::open(directory.path()).expect("it is ours");
        let cache = Cache::start(&directory).expect("it is ours");
        let mut config = Config::new();
        config.cache(Some(cache.wasmtime()));
        (cache, Engine::new(&config).expect("an engine"))
    }

    /// Compiles the same module as always.
    fn compile((cache, engine): &(Cache, Engine)) -> (usize, usize) {
        let module = wat::parse_str("(module (func (export \"f\")))").expect("a module");
        cache
            .compile(|| Module::new(engine, &module))
            .expect("it can be compiled");
        (cache.wasmtime.cache_hits(), cache.wasmtime.cache_misses())
    }

    /// The files of components.
    fn entries(directory: &Path) -> Vec<PathBuf> {
        let mut found = Vec::new();
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                found.extend(entries(&path));
            } else if path.extension().is_none() {
                found.push(path);
            }
        }
        found
    }

    fn place() -> TempDir {
        TempDir::new().expect("there is a place for temporary files")
    }

    #[test]
    fn the_second_engine_finds_it() {
        let place = place();
        assert_eq!(compile(&start(&place)), (0, 1));
        assert_eq!(compile(&start(&place)), (1, 0));
        assert_eq!(entries(place.path()).len(), 1);
    }

    #[test]
    fn nobody_else_can_look_into_it() {
        let place = place();
        let cache = start(&place).0;
        let about = fs::metadata(cache.directory).expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, 0o700);
    }

    #[test]
    fn other_files_beside_it_stay() {
        let place = place();
        let other = place.path().join("other");
        fs::write(&other, "").expect("it can be written");
        compile(&start(&place));
        assert!(other.exists());
    }

    #[test]
    fn what_is_damaged_is_replaced() {
        let place = place();
        compile(&start(&place));
        let [entry] = &entries(place.path())[..] else {
            panic!("there is one");
        };
        let good = fs::read(entry).expect("it is there");
        let mut damages = vec![
            Vec::new(),
            b"garbage".to_vec(),
            good[..good.len() / 2].to_vec(),
            good[1..].to_vec(),
        ];
        for at in (0..good.len()).step_by(good.len() / 20) {
            let mut damaged = good.clone();
            damaged[at] ^= 1;
            damages.push(damaged);
        }
        for damaged in damages {
            fs::write(entry, damaged).expect("it can be written");
            let damaged = start(&place);
            assert!(!entry.exists());
            assert_eq!(compile(&damaged), (0, 1));
        }
        assert_eq!(compile(&start(&place)), (1, 0));
    }

    #[test]
    fn without_its_checksum_it_is_compiled_again() {
        let place = place();
        for damaged in ["", "garbage", "0 garbage\n"] {
            compile(&start(&place));
            fs::write(place.path().join(CHECKSUMS), damaged).expect("it can be written");
            assert_eq!(compile(&start(&place)), (0, 1));
            assert_eq!(compile(&start(&place)), (1, 0));
        }
    }

    #[test]
    fn a_file_left_half_written_is_cleared_away() {
        let place = place();
        compile(&start(&place));
        let [entry] = &entries(place.path())[..] else {
            panic!("there is one");
        };
        fs::rename(entry, entry.with_extension("wip-atomic-write-mod")).expect("it is ours");
        assert_eq!(compile(&start(&place)), (0, 0));
        assert_eq!(compile(&start(&place)), (0, 1));
        assert_eq!(compile(&start(&place)), (1, 0));
    }
}
