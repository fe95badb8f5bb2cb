//! A table of the file, with the place where it begins.

use std::fmt;
use std::marker::PhantomData;
use std::ops::Range;

use serde::de::value::MapAccessDeserializer;
use serde::de::{MapAccess, Visitor};
use serde::{Deserialize, Deserializer};
use toml::{Spanned, Value};

use super::entry::{Entry, Origin};

/// The keys of a table. Unlike what serde derives, it does not take a list of the
/// values in the place of a table.
#[derive(Default)]
pub(crate) struct Table<T> {
    /// The table's header or braces; empty where there is no such table.
    pub(crate) span: Range<usize>,
    pub(crate) keys: T,
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Table<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Keys<T>>::deserialize(deserializer)?;
        Ok(Self {
            span: spanned.span(),
            keys: spanned.into_inner().0,
        })
    }
}

struct Keys<T>(T);

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Keys<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct KeysVisitor<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for KeysVisitor<T> {
            type Value = Keys<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a table")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Keys<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Keys)
            }
        }

        deserializer.deserialize_any(KeysVisitor(PhantomData))
    }
}

/// A subscription, whether it is written as a filter alone or as a table.
pub(crate) struct Subscription {
    /// The filter or the table.
    pub(crate) span: Range<usize>,
    pub(crate) filter: Option<Entry>,
    pub(crate) qos: Option<Entry>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct SubscriptionKeys {
    filter: Option<Entry>,
    qos: Option<Entry>,
}

impl<'de> Deserialize<'de> for Subscription {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let spanned = Spanned::<Either>::deserialize(deserializer)?;
        let span = spanned.span();
        let keys = match spanned.into_inner() {
            Either::Table(keys) => keys,
            Either::Filter(filter) => SubscriptionKeys {
                filter: Some(Entry {
                    value: Value::String(filter),
                    origin: Origin::File(span.clone()),
                }),
                qos: None,
            },
        };
        Ok(Self {
            span,
            filter: keys.filter,
            qos: keys.qos,
        })
    }
}

enum Either {
    Filter(String),
    Table(SubscriptionKeys),
}

// By hand, because an untagged enum would lose the places of what is in it.
impl<'de> Deserialize<'de> for Either {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EitherVisitor;

        impl<'de> Visitor<'de> for EitherVisitor {
            type Value = Either;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a topic filter")
            }

            fn visit_str<E>(self, filter: &str) -> Result<Either, E> {
                Ok(Either::Filter(filter.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Either, A::Error> {
                SubscriptionKeys::deserialize(MapAccessDeserializer::new(map)).map(Either::Table)
            }
        }

        deserializer.deserialize_any(EitherVisitor)
    }
}
