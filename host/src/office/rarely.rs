//! A map that is mostly empty.

use std::collections::BTreeMap;
use std::iter::Flatten;
use std::ops::Bound::{Included, Unbounded};
use std::option;
use std::sync::Arc;

/// Values by names, of which most calls have none: then it costs neither to make it nor
/// to drop it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rarely<V>(Option<BTreeMap<Arc<str>, V>>);

impl<V> Default for Rarely<V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<V> Rarely<V> {
    /// Nothing.
    pub const fn new() -> Self {
        Self(None)
    }

    /// Whether there is nothing.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// The value of a name.
    pub fn get(&self, name: &str) -> Option<&V> {
        self.0.as_ref()?.get(name)
    }

    /// The value of a name, to be changed.
    pub fn get_mut(&mut self, name: &str) -> Option<&mut V> {
        self.0.as_mut()?.get_mut(name)
    }

    /// Whether there is one.
    pub fn contains_key(&self, name: &str) -> bool {
        self.get(name).is_some()
    }

    /// Gives a name a value. Returns the one before.
    pub fn insert(&mut self, name: Arc<str>, value: V) -> Option<V> {
        self.0.get_or_insert_default().insert(name, value)
    }

    /// Takes a name away. Returns its value.
    pub fn remove(&mut self, name: &str) -> Option<V> {
        let all = self.0.as_mut()?;
        let removed = all.remove(name);
        if all.is_empty() {
            self.0 = None;
        }
        removed
    }

    /// All, in the order of their names.
    pub fn iter(&self) -> impl Iterator<Item = (&Arc<str>, &V)> {
        self.0.iter().flat_map(|all| all.iter())
    }

    /// Those whose names begin like this.
    pub fn beginning<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = (&'a Arc<str>, &'a V)> {
        self.0.iter().flat_map(move |all| beginning(all, prefix))
    }
}

/// The entries whose names begin like this.
pub(super) fn beginning<'a, V>(
    all: &'a BTreeMap<Arc<str>, V>,
    prefix: &'a str,
) -> impl Iterator<Item = (&'a Arc<str>, &'a V)> {
    let entries = all.range::<str, _>((Included(prefix), Unbounded));
    entries.take_while(move |(name, _)| name.starts_with(prefix))
}

impl<V> FromIterator<(Arc<str>, V)> for Rarely<V> {
    fn from_iter<T: IntoIterator<Item = (Arc<str>, V)>>(entries: T) -> Self {
        let all = BTreeMap::from_iter(entries);
        Self(Some(all).filter(|all| !all.is_empty()))
    }
}

impl<V> IntoIterator for Rarely<V> {
    type Item = (Arc<str>, V);
    type IntoIter = Flatten<option::IntoIter<BTreeMap<Arc<str>, V>>>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter().flatten()
    }
}
