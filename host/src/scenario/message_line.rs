//! A message as a step has it, alone on a line: `message = { topic = "a/b", … }`.

use super::file::{self, Line};
use super::resolve::message;
use crate::config::{ConfigError, Place};
use crate::testing::Published;

/// What the keys of a message are called in a file.
const STEP: &str = "scenario.step.";

/// Reads a message.
///
/// # Errors
/// What is wrong with it, with its column.
pub(crate) fn read(line: &str) -> Result<Published, String> {
    let Line { message: written } = file::parse_line(line).map_err(told)?;
    let written = written.ok_or("write message = { topic = \"a/b\", … }")?;
    let refused = |refusal| told(ConfigError::refused("".as_ref(), line, refusal));
    match message(&written).map_err(refused)? {
        (message, false) => Ok(message),
        (_, true) => Err("message.then-network: is for scenarios, where no time passes".into()),
    }
}

fn told(error: ConfigError) -> String {
    let (place, key, reason) = match error {
        ConfigError::Malformed { place, key, reason } => (place, key, reason),
        ConfigError::Refused { place, key, reason } => (place, Some(key), reason),
        error => return error.to_string(),
    };
    let column = match place {
        Place::File { column, .. } => column,
        Place::Variable(_) => 0,
    };
    let key = key.map(|key| format!("{}: ", key.strip_prefix(STEP).unwrap_or(&key)));
    format!("column {column}: {}{reason}", key.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::office::Qos;

    #[test]
    fn a_message_is_read_as_in_a_step() {
        let line = r#"message = { topic = "a/b", json = { c = 1 }, qos = 2, retain = true, properties = { content-type = "application/json", response-topic = "answers", correlation-data = "7", user = { trace = "x" } } }"#;
        let message = read(line).expect(line);
        let shown = "a/b {\"c\":1} (qos 2, retain, content-type application/json, \
            response-topic answers, correlation-data 7, trace=x)";
        assert_eq!(message.to_string(), shown);
        let message = read(r#"message = { topic = "a/b" }"#).expect("a topic is enough");
        assert_eq!((message.qos, message.retain), (Qos::AtLeastOnce, false));
    }

    #[test]
    fn what_is_wrong_is_told_with_its_column() {
        for (line, expected) in [
            (
                "message = { qos = 1 }",
                "column 11: message.topic: is missing",
            ),
            ("message = {", "column 12: "),
            ("message", "column 8: "),
            (
                r#"message = { topic = "a/#" }"#,
                "column 21: message.topic: ",
            ),
            (
                r#"message = { topic = "a", colour = 1 }"#,
                "unknown key `colour`",
            ),
            (r#"message = "a""#, "message: found string"),
            (
                r#"message = { topic = "a", properties = { user = { a = 1 } } }"#,
                "message.properties: ",
            ),
            (
                r#"message = { topic = "a", then-network = "down" }"#,
                "is for scenarios",
            ),
        ] {
            let error = read(line).expect_err(line);
            assert!(error.contains(expected), "{line}: {error}");
        }
    }
}
