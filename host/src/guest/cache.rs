//! Compiled components, kept from one start to the next.
//!
//! This is wasmtime's own cache: a file for each component, named by a hash of
//! its bytes, the version of the engine, its settings and the processor's
//! features, so that whatever has changed is compiled anew. Files are replaced
//! as a whole. They have no checksum, though, and what is in them is executed:
//! one changed bit can crash every start. So there are [`Checksums`] beside
//! them, against accidents; against malice they are in an [`OwnDirectory`].
//!
//! Wasmtime would also delete from time to time whatever it does not know. It is
//! kept from that, and what has become too much is removed
//! [by name](super::cache_files).

use std::fs::File;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

use wasmtime::CacheConfig;

use super::cache_files::{self, Kept};
use super::checksums::Checksums;
use crate::own_directory::{NotOwn, OwnDirectory};

/// A directory of its own, which nobody else has to be able to look into.
const SUBDIRECTORY: &str = "compiled-components";

/// How many bytes are kept, more or less; what was used last stays. A component
/// takes some 200 KB, and each start reads them all.
const SIZE: u64 = 16 << 20;

/// As long as this file is there and is younger than [`FOR_EVER`], wasmtime
/// takes it that another process is deleting or has just done so.
const NO_CLEANUP: &str = ".cleanup.wip-never";

/// A thousand years.
const FOR_EVER: Duration = Duration::from_secs(1_000 * 365 * 86_400);

/// As fast as the others to read, and the fastest to write.
const COMPRESSION: i32 = 1;

pub(super) struct Cache {
    wasmtime: wasmtime::Cache,
    directory: PathBuf,
    checksums: Checksums,
}

/// What became of a component in the cache.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Found,
    Added,
    /// It could not be written.
    Failed,
}

impl Cache {
    /// Removes what is damaged, and starts a thread, which sleeps while nothing
    /// is compiled.
    pub(super) fn start(own: &OwnDirectory) -> Result<Self, NotOwn> {
        let directory = own.path().join(SUBDIRECTORY);
        if own.subdirectory(SUBDIRECTORY)?.path() != directory {
            // It is a link, perhaps to where somebody keeps something else.
            return Err(NotOwn::NotADirectory(directory));
        }
        let unusable = |source: io::Error| NotOwn::Unusable {
            path: directory.clone(),
            source,
        };
        let checksums = Checksums::check(&directory).map_err(unusable)?;
        let mut config = CacheConfig::new();
        config
            .with_directory(&directory)
            .with_cleanup_interval(FOR_EVER)
            .with_allowed_clock_drift_for_files_from_future(FOR_EVER)
            .with_baseline_compression_level(COMPRESSION)
            // By default, what is used often is compressed again, which takes
            // more memory than a gateway may have.
            .with_optimized_compression_level(COMPRESSION);
        let wasmtime =
            wasmtime::Cache::new(config).map_err(|error| unusable(io::Error::other(error)))?;
        Ok(Self {
            wasmtime,
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
        // Where this can not be written, neither can a component.
        let _ = File::create_new(self.directory.join(NO_CLEANUP));
        let count = || (self.wasmtime.cache_hits(), self.wasmtime.cache_misses());
        let (hits, misses) = count();
        let compiled = compile()?;
        let was = match count() {
            (now, _) if now > hits => Use::Found,
            // It counts only what it has written.
            (_, now) if now > misses && self.checksums.add_new(SIZE).is_ok() => Use::Added,
            _ => Use::Failed,
        };
        match was {
            Use::Found => tracing::debug!("component found in the cache"),
            Use::Added => tracing::debug!("component compiled and added to the cache"),
            Use::Failed => self.clear(),
        }
        Ok(compiled)
    }

    /// Makes a new beginning. A file that was left half-written, by a process
    /// that was killed or on a disk that was full, would otherwise be in the way
    /// for ever.
    fn clear(&self) {
        let cleared = cache_files::find(&self.directory)
            .and_then(|all| all.iter().try_for_each(Kept::remove))
            .is_ok();
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
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;
    use std::thread;
    use std::time::Instant;

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
    fn entries(place: &TempDir) -> Vec<PathBuf> {
        let all = cache_files::find(&place.path().join(SUBDIRECTORY)).expect("it can be read");
        let components = all.iter().filter_map(Kept::component);
        components.map(PathBuf::from).collect()
    }

    fn place() -> TempDir {
        TempDir::new().expect("there is a place for temporary files")
    }

    #[test]
    fn the_second_engine_finds_it() {
        let place = place();
        assert_eq!(compile(&start(&place)), (0, 1));
        assert_eq!(compile(&start(&place)), (1, 0));
        assert_eq!(entries(&place).len(), 1);
    }

    #[test]
    fn nobody_else_can_look_into_it() {
        let place = place();
        let cache = start(&place).0;
        let about = fs::metadata(cache.directory).expect("it is there");
        assert_eq!(about.permissions().mode() & 0o777, 0o700);
    }

    /// Files and directories of somebody else, wherever there could be some.
    fn make_others(place: &TempDir) -> Vec<PathBuf> {
        let hash = "a".repeat(43);
        let mut others = Vec::new();
        for name in [
            "door",
            "door.wasm",
            "components/door",
            "components/door.wasm",
            "components/modules/wasmtime-1/door",
            "compiled-components/door",
            "compiled-components/door.wasm",
            "compiled-components/modules/door",
            "compiled-components/modules/door.wasm",
            "compiled-components/modules/doors/door",
            "compiled-components/modules/doors/door.stats",
            "compiled-components/modules/doors/door.wip-7",
            &format!("compiled-components/modules/doors/{hash}.wasm"),
            &format!("compiled-components/modules/doors/more/{hash}"),
            "compiled-components/doors/1/2/door.wasm",
        ] {
            let other = place.path().join(name);
            fs::create_dir_all(other.parent().expect("it is below")).expect("it can be made");
            fs::write(&other, "theirs").expect("it can be written");
            others.push(other);
        }
        let own = place.path().join(SUBDIRECTORY);
        fs::set_permissions(&own, fs::Permissions::from_mode(0o700)).expect("it is ours");
        let empty = own.join("modules/empty");
        fs::create_dir(&empty).expect("it can be made");
        let link = own.join("link");
        symlink(place.path(), &link).expect("it can be made");
        others.extend([empty, link]);
        others
    }

    /// Waits until wasmtime's thread has done what it does after so many uses of
    /// a component.
    #[expect(clippy::disallowed_methods, reason = "a bound on the wait")]
    fn wait_for_uses(entry: &Path, uses: usize) {
        let expect = format!("usages = {uses}");
        let give_up = Instant::now() + Duration::from_secs(60);
        loop {
            let stats = fs::read_to_string(entry.with_extension("stats"));
            if stats.is_ok_and(|stats| stats.contains(&expect)) {
                return;
            }
            assert!(Instant::now() < give_up, "it does not count uses");
            thread::park_timeout(Duration::from_millis(1));
        }
    }

    #[test]
    fn what_is_not_of_the_cache_stays() {
        let place = place();
        let others = make_others(&place);
        let check = |when| {
            for other in &others {
                assert!(other.exists(), "{} {when}", other.display());
            }
        };
        let cache = start(&place);
        check("at the first start");
        assert_eq!(compile(&cache), (0, 1));
        assert_eq!(compile(&cache), (1, 1));
        let [entry] = &entries(&place)[..] else {
            panic!("there is one");
        };
        wait_for_uses(entry, 2);
        check("after wasmtime has seen it");

        fs::write(entry, "garbage").expect("it is ours");
        let cache = start(&place);
        assert!(!entry.exists());
        check("at a start with a damaged component");

        let unfinished = entry.with_extension("wip-atomic-write-mod");
        fs::write(&unfinished, "").expect("it can be written");
        assert_eq!(compile(&cache), (0, 0));
        assert!(!unfinished.exists());
        check("after a new beginning");

        fs::write(entry, "").expect("it can be written");
        let old = entry.with_file_name("b".repeat(43));
        let file = File::create(&old).expect("it can be made");
        file.set_len(2 * SIZE).expect("it may have holes");
        let long_ago = std::time::SystemTime::UNIX_EPOCH;
        file.set_modified(long_ago).expect("it is ours");
        cache.0.checksums.add_new(SIZE).expect("it is ours");
        assert!(entry.exists() && !old.exists());
        check("after old components were removed");
    }

    #[test]
    fn links_are_not_followed() {
        let hash = "a".repeat(43);
        let mut links = vec!["", "modules", "modules/wasmtime-1"];
        let component = format!("modules/wasmtime-1/{hash}");
        links.push(&component);
        for name in links {
            let place = place();
            let theirs = place.path().join("theirs");
            let below = theirs.join("modules").join(&hash);
            fs::create_dir_all(&below).expect("it can be made");
            let file = below.join(&hash);
            fs::write(&file, "theirs").expect("it can be written");
            let link = match name {
                "" => place.path().join(SUBDIRECTORY),
                name => place.path().join(SUBDIRECTORY).join(name),
            };
            fs::create_dir_all(link.parent().expect("it is below")).expect("it can be made");
            symlink(&theirs, &link).expect("it can be made");

            let own = OwnDirectory::open(place.path()).expect("it is ours");
            let error = Cache::start(&own).err().expect("it is a link");
            assert!(!error.is_unsafe(), "{error:?}");
            assert!(file.exists() && link.is_symlink(), "{name}");
        }
    }

    #[test]
    fn what_is_damaged_is_replaced() {
        let place = place();
        compile(&start(&place));
        let [entry] = &entries(&place)[..] else {
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
            let list = place.path().join(SUBDIRECTORY).join("checksums.list");
            fs::write(list, damaged).expect("it can be written");
            assert_eq!(compile(&start(&place)), (0, 1));
            assert_eq!(compile(&start(&place)), (1, 0));
        }
    }

    #[test]
    fn a_file_left_half_written_is_cleared_away() {
        let place = place();
        compile(&start(&place));
        let [entry] = &entries(&place)[..] else {
            panic!("there is one");
        };
        fs::rename(entry, entry.with_extension("wip-atomic-write-mod")).expect("it is ours");
        assert_eq!(compile(&start(&place)), (0, 0));
        assert_eq!(compile(&start(&place)), (0, 1));
        assert_eq!(compile(&start(&place)), (1, 0));
    }
}
