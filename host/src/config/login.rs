//! Who the gateway is to the broker.

use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Origin, Refusal};
use super::file::Written;
use super::resolve::{mqtt_text, path};
use crate::wire::{Login, LoginSource, Secret};

/// A user name, and where its password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// At most 65,535 bytes, without null characters.
    pub user_name: String,
    /// Where the password is.
    pub password: PasswordSource,
}

/// Where a password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PasswordSource {
    /// There is none.
    None,
    /// Here.
    Given(Secret),
    /// In this file, less a line break at its end. It is read each time.
    File(PathBuf),
}

const TOO_LONG: &str = "is longer than 65535 bytes";

impl LoginSource for Credentials {
    fn login(&self) -> Result<Login, String> {
        let password = match &self.password {
            PasswordSource::None => None,
            PasswordSource::Given(secret) => Some(secret.clone()),
            PasswordSource::File(path) => Some(
                read(path).map_err(|what| format!("password file {} {what}", path.display()))?,
            ),
        };
        Ok(Login {
            user_name: self.user_name.clone(),
            password,
        })
    }
}

/// Reads a password file, less the line break that an editor leaves at its end.
/// The error says what is wrong with the file.
fn read(path: &Path) -> Result<Secret, String> {
    let unreadable = |error| format!("cannot be read: {error}");
    // A pipe could not be read a second time, and might be waited for.
    if !fs::metadata(path).map_err(unreadable)?.is_file() {
        return Err("is not a regular file".to_owned());
    }
    // Enough to tell that it is too long, even of a file without end.
    let most = Secret::MAX + "\r\n".len() + 1;
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most as u64).read_to_end(&mut bytes))
        .map_err(unreadable)?;
    if bytes.last() == Some(&b'\n') {
        bytes.pop();
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
    }
    // The cut may run through a character: too long comes before not text.
    if bytes.len() > Secret::MAX {
        return Err(TOO_LONG.to_owned());
    }
    let text = String::from_utf8(bytes).map_err(|_| "is not UTF-8 text")?;
    Secret::new(text).ok_or_else(|| TOO_LONG.to_owned())
}

/// The credentials that are written, after a look into the password file. A
/// password of the environment goes before a password file of the configuration
/// file.
pub(super) fn resolve(written: &Written, directory: &Path) -> Result<Option<Credentials>, Refusal> {
    let password = Password::of(written)?;
    match (&written.user_name, password) {
        (None, None) => Ok(None),
        (None, Some(password)) => {
            let reason = "needs a user name, too ([MQTT-3.1.2-22])";
            Err(password.refuse(reason.to_owned()))
        }
        (Some(entry), password) => Ok(Some(Credentials {
            user_name: mqtt_text(entry).map_err(|reason| entry.refuse("user-name", reason))?,
            password: match password {
                Some(password) => password.source(directory)?,
                None => PasswordSource::None,
            },
        })),
    }
}

/// Where the password is.
enum Password<'a> {
    Here(&'a Entry),
    InFile(&'a Entry),
}

impl<'a> Password<'a> {
    fn of(written: &'a Written) -> Result<Option<Self>, Refusal> {
        match (&written.password, &written.password_file) {
            (Some(password), Some(file)) if matches!(file.origin, Origin::Variable(_)) => {
                let reason = "is set together with JACKALOPE_PASSWORD_FILE; set one of them";
                Err(Self::Here(password).refuse(reason.to_owned()))
            }
            (Some(password), _) => Ok(Some(Self::Here(password))),
            (None, Some(file)) => Ok(Some(Self::InFile(file))),
            (None, None) => Ok(None),
        }
    }

    fn source(&self, directory: &Path) -> Result<PasswordSource, Refusal> {
        match self {
            Self::Here(entry) => entry
                .text()
                .and_then(|text| Secret::new(text.to_owned()).ok_or_else(|| TOO_LONG.to_owned()))
                .map(PasswordSource::Given)
                .map_err(|reason| self.refuse(reason)),
            Self::InFile(entry) => path(entry)
                .and_then(|path| {
                    let path = entry.place(directory, path);
                    read(&path).map_err(|what| entry.but(what))?;
                    Ok(PasswordSource::File(path))
                })
                .map_err(|reason| self.refuse(reason)),
        }
    }

    fn refuse(&self, reason: String) -> Refusal {
        match self {
            Self::Here(entry) => entry.refuse("password", reason),
            Self::InFile(entry) => entry.refuse("password-file", reason),
        }
    }
}
