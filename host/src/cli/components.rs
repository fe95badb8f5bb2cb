//! The components of the guests, each loaded once.

use std::borrow::Cow;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::config::ComponentSource;
use crate::guest::{Component, Engine};
use crate::testing::bytes_of;

/// Loads components. Guests share the code of one that they have in common,
/// even if they know it by different paths; and one that is loaded again is compiled
/// again only if it has changed.
pub(super) struct Components {
    engine: Engine,
    known: Vec<(ContentId, Component)>,
}

/// What is in a component: its size, and a hash of its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct ContentId(usize, u64);

impl Components {
    pub(super) fn of(engine: Engine) -> Self {
        Self {
            engine,
            known: Vec::new(),
        }
    }

    /// Reads a component, and compiles it if it is new.
    pub(super) fn get(&mut self, source: &ComponentSource) -> anyhow::Result<Component> {
        let bytes = read(source)?;
        let id = ContentId::of(&bytes);
        if let Some((_, component)) = self.known.iter().find(|(known, _)| *known == id) {
            return Ok(component.clone());
        }
        let component = compile(&self.engine, source, &bytes)?;
        self.known.push((id, component.clone()));
        Ok(component)
    }

    /// Forgets those that nobody uses.
    pub(super) fn retain(&mut self, is_used: impl Fn(&Component) -> bool) {
        self.known.retain(|(_, component)| is_used(component));
    }
}

impl ContentId {
    fn of(bytes: &[u8]) -> Self {
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self(bytes.len(), hasher.finish())
    }
}

/// Reads and compiles a component.
pub(super) fn load(engine: &Engine, source: &ComponentSource) -> anyhow::Result<Component> {
    compile(engine, source, &read(source)?)
}

fn read(source: &ComponentSource) -> anyhow::Result<Cow<'static, [u8]>> {
    Ok(match source {
        ComponentSource::File(path) => Component::read(path)?.into(),
        ComponentSource::Example(name) => bytes_of(name)?.into(),
    })
}

fn compile(engine: &Engine, source: &ComponentSource, bytes: &[u8]) -> anyhow::Result<Component> {
    let name = match source {
        ComponentSource::File(path) => path.display().to_string(),
        ComponentSource::Example(name) => format!("example:{name}"),
    };
    Ok(Component::from_bytes(engine, &name, bytes)?)
}
