//! The engine, with its cache where there can be one.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use anyhow::Context;
use tracing::{debug, info, warn};

use super::Failure;
use crate::config::{CacheDirectory, Config};
use crate::guest::{Engine, OwnDirectory};

/// What is done about a named directory that can not be used.
const REMEDY: &str =
    "cache-directory: name one that only this user can write to, or \"\" to do without a cache";

/// Starts an engine that keeps what it compiles in this directory.
///
/// One that was named and is not safe is a fault of the configuration. Where
/// nobody has named one it is done without.
pub(super) fn start(wanted: &CacheDirectory) -> Result<Engine, Failure> {
    let directory = match wanted {
        CacheDirectory::None => None,
        CacheDirectory::Named(path) => {
            let directory = OwnDirectory::open(path).context(REMEDY);
            Some(directory.map_err(Failure::Config)?)
        }
        CacheDirectory::Usual => usual(),
    };
    match directory {
        Some(directory) => Engine::start_cached(&directory),
        None => Engine::start(),
    }
    .map_err(Failure::other)
}

/// The same for a command that has no configuration: only the variable of this
/// one key is for it.
pub(super) fn start_unconfigured() -> Result<Engine, Failure> {
    const VARIABLE: &str = "JACKALOPE_CACHE_DIRECTORY";
    let variable = env::var(VARIABLE).map(|value| (VARIABLE.to_owned(), value));
    let config = Config::load(None, variable.into_iter()).map_err(Failure::config)?;
    start(&config.cache_directory)
}

fn usual() -> Option<OwnDirectory> {
    let Some(path) = usual_path(|name| env::var_os(name)) else {
        debug!("no cache of compiled components: there is neither CACHE_DIRECTORY nor HOME");
        return None;
    };
    match OwnDirectory::open(&path) {
        Ok(directory) => Some(directory),
        Err(error) => {
            let is_unsafe = error.is_unsafe();
            let error = anyhow::Error::from(error);
            if is_unsafe {
                warn!("no cache of compiled components: {error:#}");
            } else {
                info!("no cache of compiled components: {error:#}");
            }
            None
        }
    }
}

/// Where systemd gives the service a directory, there; else where the user's
/// caches are.
fn usual_path(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    // Relative ones mean nothing: the working directory is anywhere.
    let absolute = |path: PathBuf| path.is_absolute().then_some(path);
    let of = |name| variable(name).map(PathBuf::from).and_then(absolute);
    // Of a service that has several, it lists them all.
    let systemd = variable("CACHE_DIRECTORY").and_then(|list| env::split_paths(&list).next());
    systemd
        .and_then(absolute)
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
        assert_eq!(usual_path(variable), expect.map(PathBuf::from));
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
