//! From a file to a guest that can be instantiated.

use std::collections::BTreeSet;
use std::fmt;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::Arc;

use wasmtime::component::types::{ComponentExtern, ComponentItem};
use wasmtime::component::{self, InstancePre};

use super::abilities::{Ask, Offer};
use super::allowed_imports::{self, Known};
use super::contract::{ContractVersion, Exports, version_of};
use super::engine::Engine;
use super::error::{LoadError, LoadProblem};
use super::hint;
use super::state::State;

/// How many bytes the file of a component may have.
pub const MAX_COMPONENT_SIZE: usize = 64 * 1024 * 1024;

/// A compiled guest that fits this host. Clones share the compiled code.
#[derive(Clone)]
pub struct Component(Arc<Inner>);

struct Inner {
    engine: Engine,
    names: Names,
    size: usize,
    pre: InstancePre<State>,
    contract: Exports,
}

/// What a component says about itself.
#[derive(Debug, Clone, Default)]
pub(super) struct Names {
    pub(super) imports: Vec<String>,
    pub(super) exports: Vec<String>,
    /// The same in plain words.
    pub(super) asks: BTreeSet<Ask>,
    pub(super) offers: BTreeSet<Offer>,
}

impl Component {
    /// Whether both are clones of one.
    pub fn is_same(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

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

    /// The version of the contract that it speaks.
    pub fn version(&self) -> ContractVersion {
        self.0.contract.version()
    }

    /// Whether the guest looks at its settings before it begins: it exports
    /// `configure`.
    pub fn exports_configure(&self) -> bool {
        self.0.contract.has_configure()
    }

    /// Whether the guest may choose the last will: it exports `will`.
    pub fn exports_will(&self) -> bool {
        self.0.contract.has_will()
    }

    /// How many outcomes the guest is told at once, at most; 0 if it does not export
    /// `outcomes`.
    pub fn outcomes(&self) -> usize {
        self.0.contract.outcomes()
    }

    /// Whether the guest hears what the broker makes of its subscriptions: it exports
    /// `subscriptions`.
    pub fn hears_subscriptions(&self) -> bool {
        self.0.contract.hears_subscriptions()
    }

    /// Whether the guest is called by timers: it exports `timer-handler`.
    pub fn hears_timers(&self) -> bool {
        self.0.contract.hears_timers()
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

    pub(super) fn contract(&self) -> &Exports {
        &self.0.contract
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
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => {
            let hint = hint::of_module(bytes);
            return Err(LoadProblem::CoreModule { hint });
        }
        _ => return Err(LoadProblem::NotWasm),
    }
    let component = engine
        .compile(bytes)
        .map_err(|error| LoadProblem::Malformed(error.into()))?;
    Ok(Compiled {
        names: names(engine, &component),
        component,
        size: bytes.len(),
    })
}

fn names(engine: &Engine, component: &component::Component) -> Names {
    let (ty, engine) = (component.component_type(), engine.wasmtime());
    let mut names = Names::default();
    for (name, import) in ty.imports(engine) {
        names.imports.push(name.to_owned());
        let functions = functions(engine, &import);
        let asks = functions.iter().filter_map(|it| Ask::of(name, it));
        names.asks.extend(asks);
    }
    for (name, _) in ty.exports(engine) {
        names.exports.push(name.to_owned());
        names.offers.extend(Offer::of(name));
    }
    names
}

/// The names of the functions of an interface.
fn functions(engine: &wasmtime::Engine, interface: &ComponentExtern<'_>) -> Vec<String> {
    let ComponentItem::ComponentInstance(instance) = &interface.ty else {
        return Vec::new();
    };
    let functions = instance
        .exports(engine)
        .filter(|(_, item)| matches!(item.ty, ComponentItem::ComponentFunc(_)));
    functions.map(|(name, _)| name.to_owned()).collect()
}

impl Compiled {
    /// Joins it with what the host serves, and finds what the host calls.
    pub(super) fn link(self, engine: &Engine) -> Result<Component, LoadProblem> {
        check_imports(&self.names.imports)?;
        let pre = engine
            .linker()
            .instantiate_pre(&self.component)
            .map_err(|error| wrong_import(&self.names.imports, error))?;
        let version = version_of(&self.names.imports, &self.names.exports)?;
        let contract = Exports::find(&pre, version).map_err(|(interface, error)| {
            LoadProblem::WrongExport {
                interface,
                source: error.into(),
            }
        })?;
        let imports_timers = self
            .names
            .imports
            .iter()
            .any(|name| allowed_imports::is_timers(name));
        if imports_timers && !contract.hears_timers() {
            return Err(LoadProblem::UnheardTimers);
        }
        Ok(Component(Arc::new(Inner {
            engine: engine.clone(),
            names: self.names,
            size: self.size,
            pre,
            contract,
        })))
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
