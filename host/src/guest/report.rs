//! What there is to say about a file that may be a guest.

use std::collections::BTreeSet;
use std::error::Error;
use std::fmt;
use std::path::Path;

use super::abilities::{Ask, Offer};
use super::component::{Component, Names, compile, read};
use super::engine::Engine;
use super::error::{LoadError, LoadProblem};
use super::hint;
use crate::office::MAX_STATE;

/// What there is to say about a file that may be a guest. Displayed, it is the
/// output of `jackalope check`.
#[derive(Debug)]
pub struct Report {
    /// What it is called: by default, by the path of the file.
    pub name: String,
    /// How many bytes it has; none where it can not be read or is too large.
    pub size: Option<usize>,
    /// The names of what it imports; empty where it can not be compiled.
    pub imports: Vec<String>,
    /// The names of what it exports; empty where it can not be compiled.
    pub exports: Vec<String>,
    /// What it asks its host for; nothing where it can not be compiled.
    pub asks: BTreeSet<Ask>,
    /// What it offers its host; nothing where it can not be compiled.
    pub offers: BTreeSet<Offer>,
    /// How much its state may take, in bytes: by default [`MAX_STATE`].
    pub max_state: usize,
    /// The guest, or what stands in the way.
    pub verdict: Result<Component, LoadError>,
}

impl Report {
    /// Looks at a file, as [`Component::load`] does.
    ///
    /// This keeps a processor busy, for seconds if the component is large:
    /// within a Tokio runtime, call it in `spawn_blocking`.
    pub fn of(engine: &Engine, path: &Path) -> Self {
        let name = path.display().to_string();
        match read(path) {
            Ok(bytes) => Self::of_bytes(engine, name, &bytes),
            Err(problem) => Self::new(name, None, Names::default(), Err(problem)),
        }
    }

    /// The same of a component that was read already.
    pub fn of_bytes(engine: &Engine, name: String, bytes: &[u8]) -> Self {
        let mut names = Names::default();
        let verdict = compile(engine, bytes).and_then(|compiled| {
            names = compiled.names.clone();
            compiled.link(engine)
        });
        Self::new(name, Some(bytes.len()), names, verdict)
    }

    fn new(
        name: String,
        size: Option<usize>,
        names: Names,
        verdict: Result<Component, LoadProblem>,
    ) -> Self {
        Self {
            verdict: verdict.map_err(|problem| LoadError {
                name: name.clone(),
                problem,
            }),
            name,
            size,
            imports: names.imports,
            exports: names.exports,
            asks: names.asks,
            offers: names.offers,
            max_state: MAX_STATE,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => writeln!(f, "{}: {size} bytes", self.name)?,
            None => writeln!(f, "{}", self.name)?,
        }
        if !self.asks.is_empty() {
            writeln!(f, "by what it imports, it")?;
        }
        for ask in &self.asks {
            match (ask, hint::of_ask(*ask)) {
                (Ask::State, _) => writeln!(f, "  {ask} ({})", Bytes(self.max_state))?,
                (_, Some(hint)) => writeln!(f, "  {ask}: {hint}")?,
                (_, None) => writeln!(f, "  {ask}")?,
            }
        }
        if !self.offers.is_empty() {
            writeln!(f, "by what it exports, it")?;
        }
        for offer in &self.offers {
            writeln!(f, "  {offer}")?;
        }
        for (title, names) in [("imports", &self.imports), ("exports", &self.exports)] {
            if !names.is_empty() {
                writeln!(f, "{title}:")?;
            }
            for name in names {
                writeln!(f, "  {name}")?;
            }
        }
        match &self.verdict {
            Ok(component) => {
                let version = component.version();
                write!(f, "a guest that fits this host, of contract {version}")
            }
            Err(error) => {
                write!(f, "no guest for this host: it {}", error.problem)?;
                let mut source = error.source();
                while let Some(cause) = source {
                    write!(f, "\n  because: {cause}")?;
                    source = cause.source();
                }
                Ok(())
            }
        }
    }
}

/// A number of bytes, as people say it.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes.is_multiple_of(1 << 20) => write!(f, "{} MiB", bytes >> 20),
            bytes if bytes > 0 && bytes.is_multiple_of(1 << 10) => write!(f, "{} KiB", bytes >> 10),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}
