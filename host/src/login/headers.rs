//! Headers of HTTP that come before MQTT, and may be secret.

use std::path::PathBuf;

use super::{elsewhere, file};
use crate::wire::{HeaderName, HttpHeader, Secret};

/// A header, and where its value is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderSource {
    /// What it is called.
    pub name: HeaderName,
    /// Where its value is.
    pub value: HeaderValueSource,
}

/// Where the value of a header is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HeaderValueSource {
    /// Here.
    Given(Secret),
    /// In this file, less a line break at its end. It is read each time.
    File(PathBuf),
}

impl HeaderSource {
    /// The header of this moment. May take a while.
    ///
    /// # Errors
    /// There is none: what is wrong with its value or its file, without the value.
    pub fn read(&self) -> Result<HttpHeader, String> {
        let (value, what) = match &self.value {
            HeaderValueSource::Given(value) => (value.clone(), String::new()),
            HeaderValueSource::File(path) => {
                let what = format!("file {} ", path.display());
                let value = file::read(path).map_err(|error| format!("{what}{error}"))?;
                (value, what)
            }
        };
        HttpHeader::new(self.name.clone(), &value)
            .ok_or_else(|| format!("{what}holds characters that no header can have"))
    }
}

/// The headers of this moment.
///
/// # Errors
/// There are none: what is wrong, as a line for the log, without any secret.
pub async fn read_headers(sources: &[HeaderSource]) -> Result<Vec<HttpHeader>, String> {
    if sources.is_empty() {
        return Ok(Vec::new());
    }
    let sources = sources.to_vec();
    // Files may take longer than the loop can wait.
    elsewhere(move || {
        let read = |source: &HeaderSource| {
            let header = source.read();
            header.map_err(|what| format!("websocket.headers: {}: {what}", source.name))
        };
        sources.iter().map(read).collect()
    })
    .await
}
