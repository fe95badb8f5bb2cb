//! What is said to a web server before MQTT.

use std::path::Path;

use toml::Value;

use super::entry::{Entry, Origin, Refusal};
use super::file::Written;
use crate::login::{HeaderSource, HeaderValueSource};
use crate::wire::{HeaderName, Secret};

const KEY: &str = "websocket.headers";

/// What the upgrade itself says.
const OWN: [&str; 6] = [
    "host",
    "connection",
    "upgrade",
    "content-length",
    "transfer-encoding",
    "sec-websocket-",
];

/// The headers that are written, after a look into the files that they name.
/// `has_websocket` is whether there is a server that they are for.
pub(super) fn resolve(
    written: &Written,
    has_websocket: bool,
    directory: &Path,
) -> Result<Vec<HeaderSource>, Refusal> {
    let Some(table) = &written.websocket else {
        return Ok(Vec::new());
    };
    if !has_websocket {
        return Err(Refusal {
            origin: Origin::File(table.span.clone()),
            key: "websocket",
            reason: "is for a server that begins with ws:// or wss://, which this one does not"
                .to_owned(),
        });
    }
    let headers = table.keys.headers.iter().map(|(name, entry)| {
        let origin = Origin::File(name.span());
        let name = header_name(name.get_ref()).map_err(|reason| Refusal {
            origin,
            key: KEY,
            reason,
        })?;
        let source = HeaderSource {
            value: source(entry, directory).map_err(|reason| entry.refuse(KEY, reason))?,
            name,
        };
        match source.read() {
            Ok(_) => Ok(source),
            // The value may be secret.
            Err(what) => Err(entry.refuse(KEY, format!("{} {what}", source.name))),
        }
    });
    headers.collect()
}

fn header_name(text: &str) -> Result<HeaderName, String> {
    let name: HeaderName = text
        .parse()
        .map_err(|_| format!("{text:?} is not the name of a header"))?;
    let is_own = OWN.iter().any(|own| match own.ends_with('-') {
        true => name.as_str().starts_with(own),
        false => name == *own,
    });
    match is_own {
        true => Err(format!("{name} is a header that the gateway says itself")),
        false => Ok(name),
    }
}

/// A text, or a table that names a file.
fn source(entry: &Entry, directory: &Path) -> Result<HeaderValueSource, String> {
    const WRONG: &str =
        r#"has a value that is neither a text nor a file; write e.g. { file = "token" }"#;
    match &entry.value {
        Value::String(text) => {
            let secret = Secret::new(text.clone());
            let secret = secret.ok_or("has a value that is longer than 65535 bytes")?;
            Ok(HeaderValueSource::Given(secret))
        }
        Value::Table(keys) => match (keys.get("file").and_then(Value::as_str), keys.len()) {
            (Some(path), 1) if !path.is_empty() && !path.contains('\0') => Ok(
                HeaderValueSource::File(entry.place(directory, Path::new(path))),
            ),
            _ => Err(WRONG.to_owned()),
        },
        _ => Err(WRONG.to_owned()),
    }
}
