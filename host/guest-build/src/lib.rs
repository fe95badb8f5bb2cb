//! Builds guests from a build script.
//!
//! A guest is WebAssembly, the host is not: guests live in a cargo workspace of
//! their own, and the build script of whoever needs them calls [`build`]:
//!
//! ```no_run
//! for (name, component) in guest_build::build("../guest-example", &["door"]) {
//!     println!("cargo::rustc-env={}={}", name.to_uppercase(), component.display());
//! }
//! ```
//!
//! The workspace must have a lock file; its dependencies come from the same
//! place as all others, so that a vendored build has to vendor them, too
//! (`cargo vendor --sync <workspace>/Cargo.toml`).

// What a build script prints is how it talks to cargo and to the reader.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod watch;

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fmt, io};

/// What guests are compiled to.
const TARGET: &str = "wasm32-wasip2";

/// Variables that are meant for the build of the host, and would change or
/// break that of a guest: flags and targets of the host, the wrappers with
/// which `cargo clippy` and compiler caches work, the target directory that the
/// outer cargo has locked.
const NOT_FOR_GUESTS: &[&str] = &[
    "CARGO_BUILD_RUSTC_WORKSPACE_WRAPPER",
    "CARGO_BUILD_RUSTC_WRAPPER",
    "CARGO_BUILD_RUSTFLAGS",
    "CARGO_BUILD_TARGET",
    "CARGO_BUILD_TARGET_DIR",
    "CARGO_ENCODED_RUSTFLAGS",
    "CARGO_TARGET_DIR",
    "CLIPPY_ARGS",
    "CLIPPY_CONF_DIR",
    "RUSTC_WORKSPACE_WRAPPER",
    "RUSTC_WRAPPER",
    "RUSTFLAGS",
];

/// Builds packages of the cargo workspace at `workspace`, a path relative to
/// the manifest of the build script, and tells cargo to run the script again
/// when one of their sources changes. Gives back each package with the path of
/// its component, in the order of `packages`.
///
/// When a guest cannot be built, this ends the build script with a message that
/// says what to do about it. Workspaces that one script builds share their
/// dependencies.
pub fn build(workspace: impl AsRef<Path>, packages: &[&str]) -> Vec<(String, PathBuf)> {
    try_build(workspace.as_ref(), packages).unwrap_or_else(|error| {
        // Not a panic: its backtrace would bury the message.
        eprintln!("\nerror: {error}\n");
        std::process::exit(1)
    })
}

fn try_build(workspace: &Path, packages: &[&str]) -> Result<Vec<(String, PathBuf)>, Error> {
    // First of all, so that nothing stands before what a newcomer has to do.
    check_target(&variable("RUSTC")?)?;

    let workspace = Path::new(&variable("CARGO_MANIFEST_DIR")?).join(workspace);
    let workspace = workspace
        .canonicalize()
        .map_err(|error| Error::Io(workspace, error))?;
    for path in watch::paths(&workspace)? {
        println!("cargo::rerun-if-changed={}", path.display());
    }

    let target_dir = Path::new(&variable("OUT_DIR")?).join("guests");
    run(cargo(
        &variable("CARGO")?,
        &workspace,
        packages,
        &target_dir,
    ))?;

    let release = target_dir.join(TARGET).join("release");
    let component = |name: &&str| {
        let file = release.join(name.replace('-', "_")).with_extension("wasm");
        match file.try_exists() {
            Ok(true) => Ok(((*name).to_owned(), file)),
            Ok(false) => Err(Error::NoComponent(file)),
            Err(error) => Err(Error::Io(file, error)),
        }
    };
    packages.iter().map(component).collect()
}

/// The command that builds the packages.
fn cargo(cargo: &OsStr, workspace: &Path, packages: &[&str], target_dir: &Path) -> Command {
    let mut command = Command::new(cargo);
    command
        // Where cargo looks for its configuration: vendored sources, for one.
        .current_dir(workspace)
        .args(["build", "--release", "--locked", "--target", TARGET])
        .arg("--target-dir")
        .arg(target_dir);
    for package in packages {
        command.args(["--package", package]);
    }
    for name in NOT_FOR_GUESTS {
        command.env_remove(name);
    }
    command
}

/// Runs a command and keeps its output to itself unless it fails: cargo would
/// take what a command prints for instructions.
fn run(mut command: Command) -> Result<Vec<u8>, Error> {
    let program = PathBuf::from(command.get_program());
    let output = command
        .output()
        .map_err(|error| Error::Io(program, error))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(Error::Failed {
        command: format!("{command:?}"),
        output: String::from_utf8_lossy(&output.stderr).into_owned(),
    })
}

/// Asks the compiler whether it can build for the target, that is, whether it
/// has the standard library of it.
fn check_target(rustc: &OsStr) -> Result<(), Error> {
    let mut command = Command::new(rustc);
    command.args(["--print", "target-libdir", "--target", TARGET]);
    let output = run(command)?;
    check_library(String::from_utf8_lossy(&output).trim_end().into())
}

fn check_library(folder: PathBuf) -> Result<(), Error> {
    if folder.is_dir() {
        return Ok(());
    }
    Err(Error::NoTarget(folder))
}

/// A variable that cargo sets for every build script.
fn variable(name: &'static str) -> Result<OsString, Error> {
    env::var_os(name).ok_or(Error::NoBuildScript(name))
}

/// Why a guest is not built.
#[derive(Debug)]
enum Error {
    /// A variable of a build script is missing.
    NoBuildScript(&'static str),
    /// The compiler has no standard library for the target; it would be here.
    NoTarget(PathBuf),
    /// A command failed and said why.
    Failed { command: String, output: String },
    /// The build succeeded and left no component.
    NoComponent(PathBuf),
    /// A file or a program cannot be read or run.
    Io(PathBuf, io::Error),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoBuildScript(name) => {
                write!(f, "{name} is not set: guests are built from a build script")
            }
            Self::NoTarget(folder) => write!(
                f,
                "guests are WebAssembly, and this Rust toolchain cannot build it yet. Run\n\
                 \n    rustup target add {TARGET}\n\n\
                 and try again. (Without rustup: install the standard library of {TARGET} as {}.)",
                folder.display()
            ),
            Self::Failed { command, output } => {
                write!(f, "guests are not built: {command} failed:\n{output}")
            }
            Self::NoComponent(file) => write!(
                f,
                "guests are built, but there is no {}: is the package a cdylib?",
                file.display()
            ),
            Self::Io(path, error) => write!(f, "guests are not built: {}: {error}", path.display()),
        }
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests;
