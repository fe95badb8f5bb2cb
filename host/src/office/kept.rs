//! The state of a guest: what it has written down, and finds again after a trap.
//!
//! Values by keys. A call works on a [`Draft`]: it reads what is [`Kept`] and its own
//! changes, and the changes are committed with all else that the call has asked for, if
//! it succeeds.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::Payload;
use super::rarely::{Rarely, beginning};

/// How long a key may be, in bytes.
pub const MAX_KEY: usize = 256;

/// What a key takes beside its bytes and those of its value.
const OVERHEAD: usize = 32;

/// What a call has changed: the new value of each key, or none if it is deleted.
pub type Changes = Rarely<Option<Payload>>;

/// The state of one guest as it was committed last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    values: BTreeMap<Arc<str>, Payload>,
    /// What they take.
    size: usize,
    max: usize,
}

/// The state of a guest as one of its calls sees it.
#[derive(Debug)]
pub struct Draft {
    /// None: nothing can be read or written.
    kept: Option<Arc<Kept>>,
    changes: Changes,
    /// What all takes with the changes.
    size: usize,
}

/// Why a value is not written. Nothing is changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotWritten {
    /// The key is longer than [`MAX_KEY`] bytes.
    KeyTooLong,
    /// The value of this key may have so many bytes.
    Full(usize),
    /// What keeps it has failed: this is how.
    NotKept(Arc<str>),
}

impl fmt::Display for NotWritten {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::KeyTooLong => write!(f, "the key is longer than {MAX_KEY} bytes"),
            Self::Full(left) => write!(f, "the state is full: there is room for {left} bytes"),
            Self::NotKept(why) => write!(f, "the state cannot be kept: {why}"),
        }
    }
}

impl Kept {
    /// Nothing, and room for so many bytes: each key takes its own, those of its value
    /// and 32.
    pub fn new(max: usize) -> Self {
        Self {
            values: BTreeMap::new(),
            size: 0,
            max,
        }
    }

    /// Keys and values, in the order of the keys.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&Arc<str>, &Payload)> {
        self.values.iter()
    }

    /// How much it may take.
    pub(super) fn max(&self) -> usize {
        self.max
    }

    /// It may take so much from now on. What is there stays.
    pub(super) fn set_max(&mut self, max: usize) {
        self.max = max;
    }

    /// Writes what was written in an earlier life of the gateway, however much it may
    /// take by now.
    pub(super) fn restore(&mut self, key: Arc<str>, value: Payload) {
        self.size += size(&key, &value);
        self.values.insert(key, value);
    }

    pub(super) fn commit(&mut self, changes: Changes) {
        for (key, value) in changes {
            let before = match value {
                Some(value) => {
                    self.size += size(&key, &value);
                    self.values.insert(key.clone(), value)
                }
                None => self.values.remove(&key),
            };
            self.size -= before.map_or(0, |before| size(&key, &before));
        }
    }
}

impl Draft {
    /// In which nothing can be read or written.
    pub const fn closed() -> Self {
        Self {
            kept: None,
            changes: Changes::new(),
            size: 0,
        }
    }

    /// Of a call that begins with this state.
    pub fn of(kept: Arc<Kept>) -> Self {
        Self {
            size: kept.size,
            kept: Some(kept),
            changes: Changes::new(),
        }
    }

    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Payload> {
        match self.changes.get(key) {
            Some(changed) => changed.as_ref(),
            None => self.kept.as_ref()?.values.get(key),
        }
    }

    /// Checks whether a key may have a value of so many bytes.
    ///
    /// # Errors
    /// It may not.
    pub fn check(&self, key: &str, value: usize) -> Result<(), NotWritten> {
        if key.len() > MAX_KEY {
            return Err(NotWritten::KeyTooLong);
        }
        let max = self.kept.as_ref().map_or(0, |kept| kept.max);
        let others = self.size - self.size_of(key);
        let left = max.saturating_sub(others + key.len() + OVERHEAD);
        // Where even the key has no room, there is none for an empty value.
        let has_room = others + key.len() + OVERHEAD <= max;
        match has_room && value <= left {
            true => Ok(()),
            false => Err(NotWritten::Full(left)),
        }
    }

    /// Writes the value of a key.
    ///
    /// # Errors
    /// What [`check`](Self::check) says.
    pub fn set(&mut self, key: &str, value: Payload) -> Result<(), NotWritten> {
        self.check(key, value.len())?;
        self.size = self.size - self.size_of(key) + size(key, &value);
        self.changes.insert(key.into(), Some(value));
        Ok(())
    }

    /// Deletes a key, if it is there.
    pub fn delete(&mut self, key: &str) {
        self.size -= self.size_of(key);
        let kept = self.kept.as_ref().map(|kept| &kept.values);
        match kept.and_then(|values| values.get_key_value(key)) {
            Some((key, _)) => {
                let key = key.clone();
                self.changes.insert(key, None);
            }
            None => {
                self.changes.remove(key);
            }
        }
    }

    /// The keys that begin like this, in their order.
    pub fn keys(&self, prefix: &str) -> Vec<Arc<str>> {
        let kept = self.kept.as_ref().map(|kept| &kept.values);
        let kept = kept
            .into_iter()
            .flat_map(|values| beginning(values, prefix));
        let kept = kept.filter(|(key, _)| !self.changes.contains_key(key));
        let changed = self
            .changes
            .beginning(prefix)
            .filter(|(_, value)| value.is_some());
        let mut keys: Vec<_> = kept
            .map(|(key, _)| key.clone())
            .chain(changed.map(|(key, _)| key.clone()))
            .collect();
        keys.sort_unstable();
        keys
    }

    /// Closes it, and hands out what was changed.
    pub fn take_changes(&mut self) -> Changes {
        std::mem::replace(self, Self::closed()).changes
    }

    fn size_of(&self, key: &str) -> usize {
        self.get(key).map_or(0, |value| size(key, value))
    }
}

fn size(key: &str, value: &Payload) -> usize {
    key.len() + value.len() + OVERHEAD
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Step {
        Set(String, usize),
        Delete(String),
        Keys(String),
        Commit,
        Fail,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let key = || "[ab]{0,3}";
        let step = prop_oneof![
            4 => (key(), 0..60_usize).prop_map(|(key, len)| Step::Set(key, len)),
            2 => key().prop_map(Step::Delete),
            1 => key().prop_map(Step::Keys),
            1 => Just(Step::Commit),
            1 => Just(Step::Fail),
        ];
        prop::collection::vec(step, 0..60)
    }

    fn size_of_all(model: &BTreeMap<String, usize>) -> usize {
        model.iter().map(|(key, len)| key.len() + len + 32).sum()
    }

    proptest! {
        #[test]
        fn is_a_map_that_is_committed_or_not(steps in steps()) {
            const MAX: usize = 300;
            let mut kept = Arc::new(Kept::new(MAX));
            let mut draft = Draft::of(kept.clone());
            let (mut committed, mut model) = (BTreeMap::new(), BTreeMap::new());
            for step in steps {
                match step {
                    Step::Set(key, len) => {
                        let mut changed = model.clone();
                        changed.insert(key.clone(), len);
                        let fits = size_of_all(&changed) <= MAX;
                        let set = draft.set(&key, Payload::new(vec![0; len]));
                        prop_assert_eq!(set.is_ok(), fits);
                        if fits {
                            model = changed;
                        } else if let Err(NotWritten::Full(left)) = set
                            && left > 0
                        {
                            prop_assert_eq!(draft.check(&key, left), Ok(()));
                            prop_assert!(draft.check(&key, left + 1).is_err());
                        }
                    }
                    Step::Delete(key) => {
                        draft.delete(&key);
                        model.remove(&key);
                    }
                    Step::Keys(prefix) => {
                        let expect: Vec<_> =
                            model.keys().filter(|key| key.starts_with(&prefix)).collect();
                        let keys = draft.keys(&prefix);
                        prop_assert!(keys.iter().map(|key| &**key).eq(expect));
                    }
                    Step::Commit => {
                        let changes = draft.take_changes();
                        Arc::make_mut(&mut kept).commit(changes);
                        draft = Draft::of(kept.clone());
                        committed = model.clone();
                        prop_assert_eq!(kept.size, size_of_all(&committed));
                    }
                    Step::Fail => {
                        draft = Draft::of(kept.clone());
                        model = committed.clone();
                    }
                }
                for (key, len) in &model {
                    prop_assert_eq!(draft.get(key).map(|value| value.len()), Some(*len));
                }
                prop_assert_eq!(draft.keys("").len(), model.len());
            }
        }
    }

    #[test]
    fn a_key_is_not_too_long_and_nothing_is_written_where_nothing_is_kept() {
        let mut draft = Draft::of(Arc::new(Kept::new(1000)));
        let (longest, longer) = ("ä".repeat(128), "a".repeat(257));
        assert_eq!(draft.set(&longest, Payload::new(vec![])), Ok(()));
        let too_long = Err(NotWritten::KeyTooLong);
        assert_eq!(draft.set(&longer, Payload::new(vec![])), too_long);
        let mut closed = Draft::closed();
        let full = Err(NotWritten::Full(0));
        assert_eq!(closed.set("", Payload::new(vec![])), full);
        closed.delete("a");
        assert_eq!(closed.take_changes(), Changes::new());
    }
}
