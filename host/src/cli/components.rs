//! The components of the guests, each loaded once.

use std::borrow::Cow;

use crate::config::ComponentSource;
use crate::guest::{Component, Engine};
use crate::testing::bytes_of;

/// Loads components. Guests share the code of one that they have in common,
/// even if they know it by different paths.
pub(super) struct Components<'a> {
    engine: Engine,
    known: Vec<Known<'a>>,
}

struct Known<'a> {
    source: &'a ComponentSource,
    bytes: Cow<'static, [u8]>,
    component: Component,
}

impl<'a> Components<'a> {
    pub(super) fn of(engine: Engine) -> Self {
        Self {
            engine,
            known: Vec::new(),
        }
    }

    /// Reads a component, and compiles it if it is new.
    pub(super) fn get(&mut self, source: &'a ComponentSource) -> anyhow::Result<Component> {
        if let Some(known) = self.known.iter().find(|known| known.source == source) {
            return Ok(known.component.clone());
        }
        let bytes = read(source)?;
        if let Some(known) = self.known.iter().find(|known| known.bytes == bytes) {
            return Ok(known.component.clone());
        }
        let component = compile(&self.engine, source, &bytes)?;
        self.known.push(Known {
            source,
            bytes,
            component: component.clone(),
        });
        Ok(component)
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
