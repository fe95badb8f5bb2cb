//! User names and passwords in files.

use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

use crate::wire::Secret;

/// Enough to tell that a text is too long, even of a source without end.
pub(super) const MOST: usize = Secret::MAX + "\r\n".len() + 1;

const TOO_LONG: &str = "is longer than 65535 bytes";

/// Reads a password file, less the line break that an editor leaves at its end.
/// The error says what is wrong with the file.
pub(super) fn read(path: &Path) -> Result<Secret, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // A pipe could not be read a second time, and might be waited for.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(MOST as u64).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    without_line_break(&mut bytes);
    // The cut may run through a character: too long comes before not text.
    if bytes.len() > Secret::MAX {
        return Err(TOO_LONG.to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    Secret::new(text).ok_or_else(|| TOO_LONG.to_owned())
}

/// The same for a user name, which is not empty and has no null characters
/// ([MQTT-1.5.3-2]).
pub(super) fn read_user_name(path: &Path) -> Result<String, String> {
    let name = read(path)?.expose().to_owned();
    match name.find('\0') {
        _ if name.is_empty() => Err("is empty".into()),
        Some(_) => Err("holds a null character ([MQTT-1.5.3-2])".into()),
        None => Ok(name),
    }
}

/// Takes one line break off the end.
pub(super) fn without_line_break(bytes: &mut Vec<u8>) {
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
}
