//! Why a file is no guest, in words for whoever has built it.

use std::error::Error;
use std::fmt;
use std::io;

use super::allowed_imports::Served;
use super::component::MAX_COMPONENT_SIZE;
use super::hint;
use crate::words::in_full;

/// A file that is no guest.
#[derive(Debug)]
pub struct LoadError {
    /// What the caller calls the file: its path, where it has one.
    pub name: String,
    /// What is wrong with it.
    pub problem: LoadProblem,
}

/// What is wrong with a file that is to be a guest.
#[derive(Debug)]
#[non_exhaustive]
pub enum LoadProblem {
    /// The operating system does not hand it out.
    Unreadable(io::Error),
    /// It has more than [`MAX_COMPONENT_SIZE`] bytes. Compiling it could cost
    /// minutes and gigabytes.
    TooLarge,
    /// It does not begin as WebAssembly does.
    NotWasm,
    /// It is a WebAssembly module, which is only a part of a component.
    CoreModule {
        /// What to do about it.
        hint: &'static str,
    },
    /// It begins as a component does, but can not be compiled.
    Malformed(Box<dyn Error + Send + Sync>),
    /// It imports or exports an interface in a version that does not fit.
    OtherVersion {
        /// The interface, with its version.
        interface: String,
        /// The version that the host has.
        served: &'static str,
    },
    /// It imports or exports interfaces of the contract in versions that do not fit
    /// together.
    MixedVersions {
        /// Its handler, with its version.
        one: String,
        /// An interface of another version.
        other: String,
    },
    /// It imports what the host does not have.
    UnknownImports(Vec<String>),
    /// It imports an interface of the host, but with other functions or types.
    WrongImport {
        /// The interface, where it is known.
        interface: Option<String>,
        /// What the engine says about it.
        source: Box<dyn Error + Send + Sync>,
    },
    /// It does not export an interface that every guest has.
    MissingExport {
        /// The interface.
        interface: &'static str,
        /// What it does export.
        found: Vec<String>,
    },
    /// It sets timers, and does not export what they call.
    UnheardTimers,
    /// It exports an interface of the contract, but with other functions or
    /// types.
    WrongExport {
        /// The interface.
        interface: &'static str,
        /// What the engine says about it.
        source: Box<dyn Error + Send + Sync>,
    },
}

const HOW_TO_BUILD: &str = "Build it with `cargo build --target wasm32-wasip2`";

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.problem)
    }
}

impl fmt::Display for LoadProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable(_) => {
                f.write_str("can not be read. Check the path and who may read it")
            }
            Self::TooLarge => write!(
                f,
                "has more than {} MiB, too much for a guest. Build it with `--release`, and leave \
                 out what it does not need",
                MAX_COMPONENT_SIZE / (1024 * 1024)
            ),
            Self::NotWasm => write!(
                f,
                "is not WebAssembly: it does not begin with `\\0asm`. A guest is a component, a \
                 file that usually ends in .wasm. {HOW_TO_BUILD}; for other languages `jackalope \
                 new` writes down how"
            ),
            Self::CoreModule { hint } => write!(
                f,
                "is a WebAssembly module, and a guest is a component. {hint}"
            ),
            Self::Malformed(source) => write!(
                f,
                "is a component that this host can not compile: it is damaged, or it uses a \
                 feature of WebAssembly that the host does not have. {}",
                hint::of_compiler(&in_full(source.as_ref()))
            ),
            Self::OtherVersion { interface, served } => write!(
                f,
                "uses {interface}, and this host has version {served} of it. Build the guest with \
                 the wit files of this host, for wasm32-wasip2"
            ),
            Self::MixedVersions { one, other } => write!(
                f,
                "speaks two versions of the contract: it exports {one}, and has {other}. Build all \
                 of it with the wit files of one version"
            ),
            Self::UnknownImports(names) => write!(
                f,
                "imports what this host does not have: {}. {}; a guest may import:{Served}",
                names.join(", "),
                hint::of_imports(names)
            ),
            Self::WrongImport { interface, .. } => {
                let interface = interface.as_deref().unwrap_or("an interface of this host");
                write!(
                    f,
                    "imports {interface} with other functions or types than this host has. Build \
                     the guest with the wit files of this host"
                )
            }
            Self::MissingExport { interface, found } => {
                write!(f, "does not export {interface}, as every guest does. It ")?;
                match found.as_slice() {
                    [] => f.write_str("exports nothing at all")?,
                    found => write!(f, "exports {}", found.join(", "))?,
                }
                write!(f, ". {}", hint::of_exports(found))
            }
            Self::UnheardTimers => f.write_str(
                "imports jackalope:gateway/timers, and does not export \
                 jackalope:gateway/timer-handler, so it would never be called with them. Export \
                 both or neither",
            ),
            Self::WrongExport { interface, .. } => write!(
                f,
                "exports {interface} with other functions or types than this host calls. Build \
                 the guest with the wit files of this host"
            ),
        }
    }
}

impl Error for LoadError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        // The problem is part of this error's own text; its cause is next.
        self.problem.source()
    }
}

impl Error for LoadProblem {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Unreadable(source) => Some(source),
            Self::Malformed(source)
            | Self::WrongImport { source, .. }
            | Self::WrongExport { source, .. } => Some(source.as_ref()),
            Self::TooLarge
            | Self::NotWasm
            | Self::CoreModule { .. }
            | Self::OtherVersion { .. }
            | Self::MixedVersions { .. }
            | Self::UnknownImports(_)
            | Self::MissingExport { .. }
            | Self::UnheardTimers => None,
        }
    }
}
