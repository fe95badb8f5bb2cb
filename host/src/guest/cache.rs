//! Compiled components, kept from one start to the next.
//!
//! This is wasmtime's own cache: a file for each component, named by a hash of
//! its bytes, the version of the engine, its settings and the processor's
//! features, so that whatever has changed is compiled anew. Files are replaced
//! as a whole. One that is damaged is compiled again, but only as far as that
//! shows: it has no checksum, and what is in it is executed. So it has to be in
//! an [`OwnDirectory`].

use std::fs;
use std::path::{Path, PathBuf};

use wasmtime::CacheConfig;

use super::own_directory::{NotOwn, OwnDirectory};

/// A directory of its own: wasmtime deletes from time to time what it does not
/// know, and nobody else has to be able to look into it.
const SUBDIRECTORY: &str = "components";

/// How many bytes are kept, more or less; what was used last stays. One
/// component of a guest takes some 100 KB.
const SIZE: u64 = 64 << 20;

/// As fast as the others to read, and the fastest to write.
const COMPRESSION: i32 = 1;

pub(super) struct Cache {
    wasmtime: wasmtime::Cache,
    directory: PathBuf,
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
    /// Starts a thread, which sleeps while nothing is compiled.
    pub(super) fn start(directory: &OwnDirectory) -> Result<Self, NotOwn> {
        let directory = directory.subdirectory(SUBDIRECTORY)?.path().to_owned();
        let mut config = CacheConfig::new();
        config
            .with_directory(&directory)
            .with_files_total_size_soft_limit(SIZE)
            .with_baseline_compression_level(COMPRESSION)
            // By default, what is used often is compressed again, which takes
            // more memory than a gateway may have.
            .with_optimized_compression_level(COMPRESSION);
        match wasmtime::Cache::new(config) {
            Ok(wasmtime) => Ok(Self {
                wasmtime,
                directory,
            }),
            Err(error) => Err(NotOwn::Unusable {
                path: directory,
                source: std::io::Error::other(error),
            }),
        }
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
            (_, now) if now > misses => Kept::Added,
            _ => Kept::Not,
        };
        match kept {
            Kept::Found => tracing::debug!("component found in the cache"),
            Kept::Added => tracing::debug!("component compiled and added to the cache"),
            Kept::Not => clear(&self.directory),
        }
        Ok(compiled)
    }
}

/// Makes a new beginning. A file that was left half-written, by a process that
/// was killed or on a disk that was full, would otherwise be in the way for
/// ever.
fn clear(directory: &Path) {
    let cleared = match fs::remove_dir_all(directory) {
        Ok(()) => "cleared",
        Err(_) => "can not be cleared either",
    };
    tracing::warn!(
        directory = %directory.display(),
        "a compiled component could not be kept, so the next start compiles it again; \
         the cache is {cleared}; is the disk full or read-only?"
    );
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

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
        for damaged in [&b""[..], b"garbage", &good[..good.len() / 2], &good[1..]] {
            fs::write(entry, damaged).expect("it can be written");
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
