//! From a file to a guest that can be instantiated.

use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::types::ComponentItem;
use wasmtime::component::{self, ComponentNamedList, InstancePre, Lift, Lower};

use super::allowed_imports::{self, Known};
use super::bindings::exports::jackalope::gateway::{handler, will};
use super::bindings::jackalope::gateway::types;
use super::engine::Engine;
use super::error::{LoadError, LoadProblem};
use super::state::State;

/// How many bytes the file of a component may have.
pub const MAX_COMPONENT_SIZE: usize = 64 * 1024 * 1024;

const HANDLER: &str = "jackalope:gateway/handler@0.1.0";
const WILL: &str = "jackalope:gateway/will@0.1.0";
/// The version of both as far as compatibility goes.
const CONTRACT_VERSION: &str = "0.1";

/// A compiled guest that fits this host. Clones share the compiled code.
#[derive(Clone)]
pub struct Component(Arc<Inner>);

struct Inner {
    engine: Engine,
    names: Names,
    size: usize,
    pre: InstancePre<State>,
    handler: handler::GuestIndices,
    will: Option<will::GuestIndices>,
}

/// What a component says about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
}

impl Component {
    /// Reads and compiles a component.
    ///
    /// This keeps a processor busy, for seconds if the component is large:
    /// within a Tokio runtime, call it in `spawn_blocking`.
    pub fn load(engine: &Engine, path: &Path) -> Result<Self, LoadError> {
        let bytes = Self::read(path)?;
        Self::from_bytes(engine, &path.display().to_string(), &bytes)
    }

    /// Reads the file of a component, for [`from_bytes`](Self::from_bytes).
    pub fn read(path: &Path) -> Result<Vec<u8>, LoadError> {
        read(path).map_err(|problem| LoadError {
            name: path.display().to_string(),
            problem,
        })
    }

    /// Compiles a component; `name` is what an error calls it.
    ///
    /// This keeps a processor busy, for seconds if the component is large:
    /// within a Tokio runtime, call it in `spawn_blocking`.
    pub fn from_bytes(engine: &Engine, name: &str, bytes: &[u8]) -> Result<Self, LoadError> {
        check_size(bytes)
            .and_then(|()| compile(engine, bytes))
            .and_then(|compiled| compiled.link(engine))
            .map_err(|problem| LoadError {
                name: name.to_owned(),
                problem,
            })
    }

    /// Whether the guest may choose the last will: it exports
    /// `jackalope:gateway/will@0.1.0`.
    pub fn exports_will(&self) -> bool {
        self.0.will.is_some()
    }

    /// The names of what it imports.
    pub fn imports(&self) -> &[String] {
        &self.0.names.imports
    }

    /// The names of what it exports.
    pub fn exports(&self) -> &[String] {
        &self.0.names.exports
    }

    /// How many bytes its file has.
    pub fn size(&self) -> usize {
        self.0.size
    }

    pub(super) fn engine(&self) -> &Engine {
        &self.0.engine
    }

    pub(super) fn pre(&self) -> &InstancePre<State> {
        &self.0.pre
    }

    pub(super) fn handler(&self) -> &handler::GuestIndices {
        &self.0.handler
    }

    pub(super) fn will(&self) -> Option<&will::GuestIndices> {
        self.0.will.as_ref()
    }
}

impl fmt::Debug for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Component")
            .field("names", &self.0.names)
            .field("size", &self.0.size)
            .finish_non_exhaustive()
    }
}

/// Reads a file that is not too large.
pub(super) fn read(path: &Path) -> Result<Vec<u8>, LoadProblem> {
    let read = || -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let limit = u64::try_from(MAX_COMPONENT_SIZE).unwrap_or(u64::MAX);
        // One byte more shows that there is more.
        File::open(path)?
            .take(limit.saturating_add(1))
            .read_to_end(&mut bytes)?;
        Ok(bytes)
    };
    let bytes = read().map_err(LoadProblem::Unreadable)?;
    check_size(&bytes)?;
    Ok(bytes)
}

fn check_size(bytes: &[u8]) -> Result<(), LoadProblem> {
    if bytes.len() > MAX_COMPONENT_SIZE {
        return Err(LoadProblem::TooLarge);
    }
    Ok(())
}

/// A component that is compiled and not yet known to fit this host.
pub(super) struct Compiled {
    component: component::Component,
    size: usize,
    pub(super) names: Names,
}

/// Compiles what may be a component.
pub(super) fn compile(engine: &Engine, bytes: &[u8]) -> Result<Compiled, LoadProblem> {
    match bytes {
        // Magic, two bytes of version, and the layer: 1 is a component.
        [b'\0', b'a', b's', b'm', _, _, 1, 0, ..] => {}
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => return Err(LoadProblem::CoreModule),
        _ => return Err(LoadProblem::NotWasm),
    }
    let component = engine
        .compile(bytes)
        .map_err(|error| LoadProblem::Malformed(error.into()))?;
    let ty = component.component_type();
    let names = Names {
        imports: ty
            .imports(engine.wasmtime())
            .map(|(name, _)| name.to_owned())
            .collect(),
        exports: ty
            .exports(engine.wasmtime())
            .map(|(name, _)| name.to_owned())
            .collect(),
    };
    Ok(Compiled {
        component,
        size: bytes.len(),
        names,
    })
}

impl Compiled {
    /// Joins it with what the host serves, and finds what the host calls.
    pub(super) fn link(self, engine: &Engine) -> Result<Component, LoadProblem> {
        check_imports(&self.names.imports)?;
        let pre = engine
            .linker()
            .instantiate_pre(&self.component)
            .map_err(|error| wrong_import(&self.names.imports, error))?;

        if !self.has(HANDLER)? {
            return Err(LoadProblem::MissingExport {
                interface: HANDLER,
                found: self.names.exports,
            });
        }
        let handler = find_handler(&pre).map_err(|error| wrong_export(HANDLER, error))?;
        let will = match self.has(WILL)? {
            true => Some(find_will(&pre).map_err(|error| wrong_export(WILL, error))?),
            false => None,
        };
        Ok(Component(Arc::new(Inner {
            engine: engine.clone(),
            names: self.names,
            size: self.size,
            pre,
            handler,
            will,
        })))
    }

    /// Whether it exports this interface; not silently in another version.
    fn has(&self, interface: &str) -> Result<bool, LoadProblem> {
        if self.component.get_export_index(None, interface).is_some() {
            return Ok(true);
        }
        let other = |name: &&String| allowed_imports::differ_in_version(name, interface);
        match self.names.exports.iter().find(other) {
            Some(name) => Err(LoadProblem::OtherVersion {
                interface: name.clone(),
                served: CONTRACT_VERSION,
            }),
            None => Ok(false),
        }
    }
}

fn check_imports(names: &[String]) -> Result<(), LoadProblem> {
    let mut unknown = Vec::new();
    for name in names {
        match allowed_imports::look_up(name) {
            Known::Served => {}
            Known::OtherVersion(served) => {
                return Err(LoadProblem::OtherVersion {
                    interface: name.clone(),
                    served,
                });
            }
            Known::Unknown => unknown.push(name.clone()),
        }
    }
    if unknown.is_empty() {
        Ok(())
    } else {
        Err(LoadProblem::UnknownImports(unknown))
    }
}

fn wrong_import(names: &[String], error: wasmtime::Error) -> LoadProblem {
    // The engine says which one only in its text.
    let text = format!("{error:#}");
    LoadProblem::WrongImport {
        interface: names.iter().find(|name| text.contains(*name)).cloned(),
        source: error.into(),
    }
}

fn wrong_export(interface: &'static str, error: wasmtime::Error) -> LoadProblem {
    LoadProblem::WrongExport {
        interface,
        source: error.into(),
    }
}

fn find_handler(pre: &InstancePre<State>) -> wasmtime::Result<handler::GuestIndices> {
    type Status = types::ConnectionStatus;
    type Verdict = Result<(), handler::Verdict>;

    let indices = handler::GuestIndices::new(pre)?;
    check_function::<(Status,), ()>(pre, HANDLER, "connection")?;
    check_function::<(handler::SubscriptionStatus, &str), ()>(pre, HANDLER, "subscription")?;
    check_function::<(handler::IncomingMessage<'_>,), (Verdict,)>(pre, HANDLER, "message")?;
    check_function::<(types::Ticket, handler::LetterOutcome), ()>(pre, HANDLER, "outcome")?;
    Ok(indices)
}

fn find_will(pre: &InstancePre<State>) -> wasmtime::Result<will::GuestIndices> {
    let indices = will::GuestIndices::new(pre)?;
    check_function::<(), (Option<will::WillMessage>,)>(pre, WILL, "last-will")?;
    Ok(indices)
}

/// Whether an exported function has the types that it will be called with. The
/// generated code looks at them only when there is an instance, which is too
/// late for a message about the file.
fn check_function<Params, Results>(
    pre: &InstancePre<State>,
    interface: &str,
    function: &str,
) -> wasmtime::Result<()>
where
    Params: ComponentNamedList + Lower,
    Results: ComponentNamedList + Lift,
{
    let component = pre.component();
    let interface = component.get_export_index(None, interface);
    match component.get_export(interface.as_ref(), function) {
        Some((ComponentItem::ComponentFunc(ty), _)) => ty
            .typecheck::<Params, Results>(&pre.instance_type())
            .map_err(|error| error.context(format!("the function `{function}`"))),
        _ => Err(wasmtime::Error::msg(format!(
            "`{function}` is not a function"
        ))),
    }
}
