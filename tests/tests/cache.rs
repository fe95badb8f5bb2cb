//! The cache of compiled components: the second start finds them, a damaged
//! cache does no harm, and one that others could change is not used.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use jackalope_tests::{DOOR, GatewayOptions, free_port, run_to_end};
use tempfile::TempDir;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");

const FOUND: &str = "component found in the cache";
const ADDED: &str = "component compiled and added to the cache";

fn place() -> TempDir {
    TempDir::new().expect("there is a place for temporary files")
}

/// A directory that everybody can write to.
fn open_to_all(path: PathBuf) -> PathBuf {
    fs::create_dir(&path).expect("it can be made");
    fs::set_permissions(&path, Permissions::from_mode(0o777)).expect("it is ours");
    path
}

/// Has the door run a scenario with this cache; what the log says.
#[track_caller]
fn play(cache: &Path) -> String {
    let scenario = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../guest-example/scenarios/01-outage.toml"
    );
    let cache = cache.display().to_string();
    let output = run_to_end(
        BINARY,
        Path::new("."),
        &["test", DOOR, scenario],
        &[
            ("JACKALOPE_CACHE_DIRECTORY", &cache),
            ("JACKALOPE_LOG", "debug"),
        ],
    );
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(0), "{log}");
    log
}

/// Starts a gateway with these lines of configuration.
#[track_caller]
fn check_refused(config: &str, texts: &[&str]) {
    let place = place();
    open_to_all(place.path().join("open"));
    fs::create_dir(place.path().join("open/mine")).expect("it can be made");
    symlink("open/mine", place.path().join("link")).expect("it can be made");
    fs::write(place.path().join("file"), "").expect("it can be written");
    let config = format!("{config}\nguest = [{{ component = {DOOR:?} }}]");
    fs::write(place.path().join("j.toml"), config).expect("it can be written");
    let output = run_to_end(BINARY, place.path(), &["run", "--config", "j.toml"], &[]);
    let error = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(78), "{error}");
    for text in texts {
        assert!(error.contains(text), "no `{text}` in: {error}");
    }
}

/// All files below a directory.
fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        match entry.path() {
            path if path.is_dir() => found.extend(files(&path)),
            path => found.push(path),
        }
    }
    found
}

#[test]
fn the_second_start_finds_what_the_first_has_compiled() {
    let place = place();
    let cache = place.path().join("cache");
    assert!(play(&cache).contains(ADDED));
    assert!(play(&cache).contains(FOUND));
}

#[test]
fn guests_share_a_component_also_under_different_paths() {
    let place = place();
    let other = place.path().join("other.wasm").display().to_string();
    fs::copy(DOOR, &other).expect("it can be copied");
    let cache = place.path().join("cache").display().to_string();
    for (with, without) in [(ADDED, FOUND), (FOUND, ADDED)] {
        let gateway = GatewayOptions::new(BINARY, free_port())
            .config(&format!("cache-directory = {cache:?}"))
            .guest("one", DOOR, &[], "")
            .guest("two", &other, &[], "")
            .guest("three", DOOR, &[], "")
            .env("JACKALOPE_LOG", "debug")
            .start();
        gateway.log.wait_for(" starts ");
        assert_eq!(gateway.log.count(with), 1);
        assert_eq!(gateway.log.count(without), 0);
    }
}

#[test]
fn a_damaged_cache_does_no_harm() {
    let place = place();
    play(place.path());
    let files = files(place.path());
    assert!(!files.is_empty());
    for damaged in ["", "garbage"] {
        for file in &files {
            fs::write(file, damaged).expect("it is ours");
        }
        assert!(play(place.path()).contains(ADDED));
    }
    assert!(play(place.path()).contains(FOUND));
}

#[test]
fn the_directory_may_be_that_of_the_guests() {
    let place = place();
    let guests = place.path().join("components");
    fs::create_dir(&guests).expect("it can be made");
    let names = ["door.wasm", "door"].map(|name| guests.join(name));
    for name in &names {
        fs::copy(DOOR, name).expect("it can be copied");
    }
    for text in [ADDED, FOUND] {
        assert!(play(place.path()).contains(text));
        assert!(names.iter().all(|name| name.exists()));
    }
}

#[test]
fn the_usual_place_is_below_home() {
    let place = place();
    let home = place.path().display().to_string();
    let output = run_to_end(BINARY, place.path(), &["check", DOOR], &[("HOME", &home)]);
    assert_eq!(output.status.code(), Some(0));
    assert!(!files(&place.path().join(".cache/jackalope/compiled-components")).is_empty());
}

#[test]
fn an_empty_name_keeps_nothing() {
    let place = place();
    let home = place.path().display().to_string();
    let none = [("HOME", &*home), ("JACKALOPE_CACHE_DIRECTORY", "")];
    let output = run_to_end(BINARY, place.path(), &["check", DOOR], &none);
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(files(place.path()), [""; 0].map(PathBuf::from));
}

#[test]
fn an_unsafe_directory_that_was_named_is_refused() {
    let remedy = "cache-directory: name one that only this user can write to, or \"\"";
    let others = "other users can write to ";
    for name in ["open", "open/mine", "open/missing", "link"] {
        check_refused(
            &format!("cache-directory = {name:?}"),
            &[remedy, others, "/open (mode 0777)", "`chmod go-w "],
        );
    }
    check_refused(
        "cache-directory = \"file\"",
        &[remedy, "/file is not a directory"],
    );
}

#[test]
fn an_unsafe_usual_place_is_done_without() {
    let place = place();
    let home = open_to_all(place.path().join("home"));
    let gateway = GatewayOptions::new(BINARY, free_port())
        .guest("door", DOOR, &[], "")
        .env("HOME", &home.display().to_string())
        .start();
    gateway.log.wait_for(" starts ");
    let line = gateway.log.wait_for("WARN no cache of compiled components");
    assert!(line.contains("/home (mode 0777)"), "{line}");
    assert_eq!(files(&home), [""; 0].map(PathBuf::from));
}
