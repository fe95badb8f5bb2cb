//! What stands behind the `?` of an address.

use percent_encoding::percent_decode_str;

/// Names with their values, none of them twice, all of them known.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Query(Vec<(&'static str, String)>);

impl Query {
    /// Reads it by RFC 3986: a `+` is a `+`. Says what is wrong.
    pub(super) fn parse(text: &str, known: &[&'static str]) -> Result<Self, String> {
        let mut found = Vec::new();
        for pair in text.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let Some(name) = known.iter().find(|known| **known == name) else {
                return Err(match known {
                    [] => format!("there is no parameter {name:?}, nor any other"),
                    _ => format!("there is no parameter {name:?}, only {}", known.join(", ")),
                });
            };
            if found.iter().any(|(other, _)| other == name) {
                return Err(format!("{name} is there twice"));
            }
            let value = percent_decode_str(value).decode_utf8();
            let value = value.map_err(|_| format!("{name} is no UTF-8 text"))?;
            found.push((*name, value.into_owned()));
        }
        Ok(Self(found))
    }

    /// The value of this name.
    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let mut all = self.0.iter();
        all.find(|(known, _)| *known == name)
            .map(|(_, value)| &value[..])
    }

    /// The value of this name, without which nothing can be done.
    pub(super) fn required(&self, name: &str) -> Result<&str, String> {
        self.get(name)
            .ok_or_else(|| format!("the parameter {name} is missing"))
    }

    /// The value of this name as one of these, or else the default.
    pub(super) fn read<T>(
        &self,
        name: &str,
        default: T,
        read: impl FnOnce(&str) -> Option<T>,
        expected: &str,
    ) -> Result<T, String> {
        match self.get(name) {
            None => Ok(default),
            Some(value) => {
                read(value).ok_or_else(|| format!("{name}: {value:?} is not {expected}"))
            }
        }
    }

    /// Whether this is so; a name without a value says that it is.
    pub(super) fn flag(&self, name: &str) -> Result<bool, String> {
        let flag = |value: &str| match value {
            "" | "true" => Some(true),
            "false" => Some(false),
            _ => None,
        };
        self.read(name, false, flag, "true or false")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
    use proptest::prelude::*;
    use proptest::sample::select;

    use super::*;

    const KNOWN: &[&str] = &["topic", "wait"];

    #[test]
    fn names_and_values() {
        let query = Query::parse("topic=a%2Fb+c%20d&&wait", KNOWN).expect("it is well");
        assert_eq!(query.get("topic"), Some("a/b+c d"));
        assert_eq!(query.flag("wait"), Ok(true));
        let query = Query::parse("", KNOWN).expect("it is well");
        assert_eq!(query.flag("wait"), Ok(false));
        let missing = Err("the parameter topic is missing".to_owned());
        assert_eq!(query.required("topic"), missing);
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, error) in [
            (
                "topik=a",
                "there is no parameter \"topik\", only topic, wait",
            ),
            ("topic=a&topic=b", "topic is there twice"),
            ("topic=%ff", "topic is no UTF-8 text"),
        ] {
            assert_eq!(Query::parse(text, KNOWN), Err(error.into()));
        }
        let nothing = Query::parse("x", &[]);
        assert_eq!(
            nothing,
            Err("there is no parameter \"x\", nor any other".into())
        );
        let query = Query::parse("wait=perhaps", KNOWN).expect("it is well formed");
        let error = "wait: \"perhaps\" is not true or false";
        assert_eq!(query.flag("wait"), Err(error.into()));
    }

    /// Text between `&`s, of pieces that mean something, and of anything.
    fn some_text() -> impl Strategy<Value = String> {
        const PIECES: &[&str] = &[
            "topic", "wait", "=", "&", "%", "%2", "%ff", "%26", "+", "true", "false",
        ];
        let piece = prop_oneof![4 => select(PIECES).prop_map_into(), 1 => ".{0,3}"];
        prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
    }

    proptest! {
        #[test]
        fn any_text_is_read_or_named(text in some_text()) {
            let pairs = text.split('&').filter(|pair| !pair.is_empty());
            let names = pairs.map(|pair| pair.split('=').next().unwrap_or_default());
            let names: Vec<_> = names.collect();
            match Query::parse(&text, KNOWN) {
                Ok(query) => {
                    for name in KNOWN {
                        let count = names.iter().filter(|it| *it == name).count();
                        prop_assert_eq!(usize::from(query.get(name).is_some()), count);
                    }
                    prop_assert_eq!(query.0.len(), names.len());
                    let is_flag = matches!(query.get("wait"), None | Some("" | "true" | "false"));
                    prop_assert_eq!(query.flag("wait").is_ok(), is_flag);
                }
                Err(error) => {
                    let at_fault = names.iter().find(|name| {
                        error.starts_with(**name) || error.contains(&format!("{name:?}"))
                    });
                    prop_assert!(at_fault.is_some(), "{}", error);
                }
            }
        }

        #[test]
        fn what_is_encoded_comes_back(
            values in prop::collection::btree_map(select(KNOWN), any::<String>(), 0..3),
        ) {
            let pairs = values.iter().map(|(name, value)| {
                format!("{name}={}", utf8_percent_encode(value, NON_ALPHANUMERIC))
            });
            let text = pairs.collect::<Vec<_>>().join("&");
            let query = Query::parse(&text, KNOWN).expect("it is well");
            let read: BTreeMap<_, _> = query.0.into_iter().collect();
            prop_assert_eq!(read, values);
        }
    }
}
