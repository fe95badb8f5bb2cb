//! The engine, with its cache where there can be one.

use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tracing::{debug, info, warn};

use super::{Failure, systemd};
use crate::config::{CacheDirectory, Config};
use crate::guest::{Engine, EngineError};
use crate::own_directory::OwnDirectory;

/// What to do about a named directory that can not be used.
const REMEDY: &str =
    "cache-directory: name one that only this user can write to, or \"\" to do without a cache";

/// What the log says then.
const NO_CACHE: &str = "no cache of compiled components";

/// Starts an engine that keeps what it compiles in this directory.
///
/// If the configuration names a directory that can not be used, that is an error.
/// If it names none and the default one can not be used, there is no cache.
pub(super) fn start(wanted: &CacheDirectory) -> Result<Engine, Failure> {
    let without = || Engine::start().map_err(Failure::other);
    match wanted {
        CacheDirectory::None => without(),
        CacheDirectory::Named(path) => start_in(path).map_err(|error| match error {
            EngineError::NoCache(why) => Failure::Config(anyhow::Error::from(why).context(REMEDY)),
            error => Failure::other(error),
        }),
        CacheDirectory::Default => {
            let Some(path) = default_path(|name| env::var_os(name)) else {
                debug!("{NO_CACHE}: there is neither CACHE_DIRECTORY nor HOME");
                return without();
            };
            match start_in(&path) {
                Err(EngineError::NoCache(why)) => {
                    let is_unsafe = why.is_unsafe();
                    let why = anyhow::Error::from(why);
                    if is_unsafe {
                        warn!("{NO_CACHE}: {why:#}");
                    } else {
                        info!("{NO_CACHE}: {why:#}");
                    }
                    without()
                }
                started => started.map_err(Failure::other),
            }
        }
    }
}

fn start_in(path: &Path) -> Result<Engine, EngineError> {
    let directory = OwnDirectory::open(path).map_err(EngineError::NoCache)?;
    Engine::start_cached(&directory)
}

/// Starts an engine for a command without a configuration file: of the variables,
/// it reads that of `cache-directory` alone.
pub(super) fn start_unconfigured() -> Result<Engine, Failure> {
    const VARIABLE: &str = "JACKALOPE_CACHE_DIRECTORY";
    let variable = env::var_os(VARIABLE).map(|value| (VARIABLE.into(), value));
    let config = Config::load(None, variable.into_iter()).map_err(Failure::config)?;
    start(&config.cache_directory)
}

/// The directory that systemd gives the service, or else that of the user's
/// caches.
fn default_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let of = |name| variable(name).map(PathBuf::from).and_then(absolute);
    systemd::directory(variable("CACHE_DIRECTORY"))
        .or_else(|| of("XDG_CACHE_HOME").map(|path| path.join("jackalope")))
        .or_else(|| of("HOME").map(|path| path.join(".cache/jackalope")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(variables: &[(&str, &str)], expect: Option<&str>) {
        let variable = |name: &str| {
            let found = variables.iter().find(|(known, _)| *known == name);
            found.map(|(_, value)| OsString::from(value))
        };
        assert_eq!(default_path(variable), expect.map(PathBuf::from));
    }

    #[test]
    fn the_usual_place() {
        let home = ("HOME", "/home/me");
        let xdg = ("XDG_CACHE_HOME", "/caches");
        let systemd = ("CACHE_DIRECTORY", "/var/cache/door:/var/cache/other");
        check(&[home, xdg, systemd], Some("/var/cache/door"));
        check(&[home, xdg], Some("/caches/jackalope"));
        check(&[home], Some("/home/me/.cache/jackalope"));
        check(&[], None);
    }

    #[test]
    fn what_is_no_absolute_path_is_passed_over() {
        let home = ("HOME", "/home/me");
        for nothing in ["", "caches", "./caches"] {
            let others = [("CACHE_DIRECTORY", nothing), ("XDG_CACHE_HOME", nothing)];
            check(
                &[home, others[0], others[1]],
                Some("/home/me/.cache/jackalope"),
            );
            check(&[("HOME", nothing)], None);
        }
    }
}
