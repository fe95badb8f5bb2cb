use std::fs;

use super::*;

/// A folder that is gone after the test.
struct Folder(PathBuf);

impl Folder {
    #[track_caller]
    fn new(name: &str) -> Self {
        let folder = format!("guest-build-{}-{name}", std::process::id());
        let folder = env::temp_dir().join(folder);
        fs::create_dir_all(&folder).expect("a temporary folder");
        Self(folder.canonicalize().expect("it is there"))
    }

    /// Writes a file, and the folders that it is in.
    #[track_caller]
    fn write(&self, path: &str, content: &str) -> PathBuf {
        let path = self.0.join(path);
        fs::create_dir_all(path.parent().expect("it is in the folder")).expect("a folder");
        fs::write(&path, content).expect("a file");
        path
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn a_missing_target_is_answered_with_the_command_that_adds_it() {
    let folder = Folder::new("no-target");
    check_library(folder.0.clone()).expect("the library is there");

    let error = check_library(folder.0.join("not-there")).expect_err("the library is missing");
    assert!(matches!(error, Error::NoTarget(_)), "{error}");
    let command = "rustup target add wasm32-wasip2";
    let lines = error.to_string();
    assert!(lines.lines().any(|line| line.trim() == command), "{lines}");
}

#[test]
fn a_failed_command_is_passed_on_with_what_it_said() {
    let error = check_target(OsStr::new("no-such-compiler")).expect_err("no compiler");
    assert!(error.to_string().contains("no-such-compiler"), "{error}");

    let mut command = Command::new(env!("CARGO"));
    command.args(["build", "--no-such-option"]);
    let error = run(command).expect_err("no such option");
    assert!(error.to_string().contains("--no-such-option"), "{error}");
}

#[test]
fn the_settings_of_the_host_are_kept_from_the_guests() {
    let command = cargo(
        OsStr::new("cargo"),
        Path::new("guests"),
        &["echo", "will"],
        Path::new("out"),
    );
    let removed: Vec<_> = command
        .get_envs()
        .filter(|(_, value)| value.is_none())
        .map(|(name, _)| name)
        .collect();
    for name in [
        "RUSTFLAGS",
        "CARGO_ENCODED_RUSTFLAGS",
        "RUSTC_WORKSPACE_WRAPPER",
    ] {
        assert!(removed.contains(&OsStr::new(name)), "{name}");
    }
    let arguments: Vec<_> = command.get_args().collect();
    assert!(arguments.contains(&OsStr::new("--locked")));
    assert!(arguments.ends_with(&["--package", "echo", "--package", "will"].map(OsStr::new)));
}

#[test]
fn sources_are_watched_and_output_is_not() {
    let folder = Folder::new("watch");
    for path in [
        "wit/gateway.wit",
        "guests/Cargo.toml",
        "guests/Cargo.lock",
        "guests/README.md",
        "guests/echo/Cargo.toml",
        "guests/echo/src/lib.rs",
        "guests/will/Cargo.toml",
        "guests/will/build.rs",
        "guests/will/src/lib.rs",
        "guests/target/CACHEDIR.TAG",
        "guests/target/src/lib.rs",
        "guests/.cache/Cargo.toml",
    ] {
        folder.write(path, "");
    }
    let watched = watch::paths(&folder.0.join("guests")).expect("it can be read");
    let watched: Vec<_> = watched
        .iter()
        .map(|path| path.strip_prefix(&folder.0).expect("it is in the folder"))
        .collect();
    assert_eq!(
        watched,
        [
            "guests/Cargo.lock",
            "guests/Cargo.toml",
            "guests/echo/Cargo.toml",
            "guests/echo/src",
            "guests/will/Cargo.toml",
            "guests/will/build.rs",
            "guests/will/src",
            "wit",
        ]
        .map(Path::new)
    );
}
