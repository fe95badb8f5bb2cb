//! What there is to say about a file that may be a guest.

use std::error::Error;
use std::fmt;
use std::path::Path;

use super::component::{Component, Names, compile, read};
use super::engine::Engine;
use super::error::LoadError;

/// What there is to say about a file that may be a guest. Displayed, it is the
/// output of `jackalope check`.
#[derive(Debug)]
pub struct Report {
    /// The path of the file.
    pub name: String,
    /// How many bytes it has; none where it can not be read or is too large.
    pub size: Option<usize>,
    /// The names of what it imports; empty where it can not be compiled.
    pub imports: Vec<String>,
    /// The names of what it exports; empty where it can not be compiled.
    pub exports: Vec<String>,
    /// The guest, or what stands in the way.
    pub verdict: Result<Component, LoadError>,
}

impl Report {
    /// Looks at a file, as [`Component::load`] does.
    ///
    /// This keeps a processor busy, for seconds if the component is large:
    /// within a Tokio runtime, call it in `spawn_blocking`.
    pub fn of(engine: &Engine, path: &Path) -> Self {
        let mut size = None;
        let mut names = Names::default();
        let verdict = read(path)
            .and_then(|bytes| {
                size = Some(bytes.len());
                compile(engine, &bytes)
            })
            .and_then(|compiled| {
                names = compiled.names.clone();
                compiled.link(engine)
            });
        let name = path.display().to_string();
        Self {
            verdict: verdict.map_err(|problem| LoadError {
                name: name.clone(),
                problem,
            }),
            name,
            size,
            imports: names.imports,
            exports: names.exports,
        }
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.size {
            Some(size) => writeln!(f, "{}: {size} bytes", self.name)?,
            None => writeln!(f, "{}", self.name)?,
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
                write!(f, "a guest that fits this host, of contract {version}")?;
                for (exports, what) in [
                    (component.outcomes() > 0, "hears of outcomes"),
                    (
                        component.hears_subscriptions(),
                        "hears of its subscriptions",
                    ),
                    (component.hears_timers(), "is called by timers"),
                    (component.exports_will(), "chooses the last will"),
                ] {
                    if exports {
                        write!(f, ", {what}")?;
                    }
                }
                Ok(())
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
