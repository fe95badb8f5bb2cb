//! The settings of a guest: any TOML, which it gets as JSON.

use std::sync::Arc;

use serde_json::{Map, Number, Value as Json};
use toml::{Table, Value};

use super::entry::{Entry, Refusal};

/// A table as the JSON that the guest gets. Dates and times become texts. Errors call
/// the table by `key`.
pub(crate) fn settings(entry: Option<&Entry>, key: &'static str) -> Result<Arc<str>, Refusal> {
    let Some(entry) = entry else {
        return Ok("{}".into());
    };
    let object = match &entry.value {
        Value::Table(table) => object(table, ""),
        _ => Err(entry.but("is not a table")),
    };
    let object = object.map_err(|reason| entry.refuse(key, reason))?;
    Ok(object.to_string().into())
}

fn object(table: &Table, path: &str) -> Result<Json, String> {
    let values = table.iter().map(|(name, value)| {
        let path = match path {
            "" => name.clone(),
            _ => format!("{path}.{name}"),
        };
        Ok((name.clone(), json(value, &path)?))
    });
    values
        .collect::<Result<Map<_, _>, String>>()
        .map(Json::Object)
}

fn json(value: &Value, path: &str) -> Result<Json, String> {
    Ok(match value {
        Value::String(text) => Json::from(text.as_str()),
        Value::Integer(number) => Json::from(*number),
        Value::Float(number) => match Number::from_f64(*number) {
            Some(number) => Json::Number(number),
            None => return Err(format!("{path} is {number}, which JSON has no word for")),
        },
        Value::Boolean(value) => Json::from(*value),
        Value::Datetime(moment) => Json::from(moment.to_string()),
        Value::Array(list) => {
            let values = list.iter().map(|value| json(value, path));
            Json::Array(values.collect::<Result<_, _>>()?)
        }
        Value::Table(table) => object(table, path)?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::entry::Origin;

    fn of(text: &str) -> Result<Arc<str>, Refusal> {
        let table: Table = toml::from_str(text).expect("it is TOML");
        let entry = Entry {
            value: Value::Table(table),
            origin: Origin::File(0..0),
        };
        settings(Some(&entry), "guest.settings")
    }

    #[test]
    fn settings_are_json() {
        let text = r#"
            name = "a \"b\""
            limit = 22.5
            count = -9_000_000_000
            on = true
            since = 2026-11-28T07:00:00Z
            at = 07:30:00
            list = [1, "two", [3]]
            nested = { deep = { er = [] } }
        "#;
        let expect = r#"{"at":"07:30:00","count":-9000000000,"limit":22.5,"list":[1,"two",[3]],"name":"a \"b\"","nested":{"deep":{"er":[]}},"on":true,"since":"2026-11-28T07:00:00Z"}"#;
        assert_eq!(&*of(text).expect("it is valid"), expect);
        let none = settings(None, "guest.settings").expect("it is valid");
        assert_eq!(&*none, "{}");
    }

    #[test]
    fn what_json_has_no_word_for_is_refused_with_its_place() {
        let refusal = of("a = [{ b = inf }]").expect_err("there is no such number");
        assert_eq!(refusal.key, "guest.settings");
        assert_eq!(refusal.reason, "a.b is inf, which JSON has no word for");
    }
}
