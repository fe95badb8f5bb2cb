//! Who the gateway is to the broker.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use super::entry::{Entry, Origin, Refusal};
use super::file::Written;
use super::resolve::{mqtt_text, path};

/// A user name and its password.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// At most 65,535 bytes, without null characters.
    pub user_name: String,
    /// None sends the user name alone.
    pub password: Option<Secret>,
}

/// A text that no log shows, at most 65,535 bytes.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

const MAX_PASSWORD: usize = u16::MAX as usize;
const TOO_LONG: &str = "is longer than 65535 bytes";

impl Secret {
    /// The text itself.
    pub fn expose(&self) -> &str {
        &self.0
    }

    fn new(password: String) -> Result<Self, String> {
        if password.len() > MAX_PASSWORD {
            return Err(TOO_LONG.to_owned());
        }
        Ok(Self(password))
    }

    /// Reads a password file, less the line break that an editor leaves at its
    /// end. The error says what is wrong with the file.
    fn read(path: &Path) -> Result<Self, String> {
        // Enough to tell that it is too long, even of a file without end.
        let most = MAX_PASSWORD + "\r\n".len() + 1;
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(most as u64).read_to_end(&mut bytes))
            .map_err(|error| format!("cannot be read: {error}"))?;
        if bytes.last() == Some(&b'\n') {
            bytes.pop();
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
        }
        // The cut may run through a character: too long comes before not text.
        if bytes.len() > MAX_PASSWORD {
            return Err(TOO_LONG.to_owned());
        }
        String::from_utf8(bytes)
            .map_err(|_| "is not UTF-8 text".to_owned())
            .and_then(Self::new)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

/// The login that is written. A password of the environment goes before a
/// password file of the configuration file.
pub(super) fn resolve(written: &Written, directory: &Path) -> Result<Option<Login>, Refusal> {
    let password = Password::of(written)?;
    match (&written.user_name, password) {
        (None, None) => Ok(None),
        (None, Some(password)) => {
            let reason = "needs a user name, too ([MQTT-3.1.2-22])";
            Err(password.refuse(reason.to_owned()))
        }
        (Some(entry), password) => Ok(Some(Login {
            user_name: mqtt_text(entry).map_err(|reason| entry.refuse("user-name", reason))?,
            password: match password {
                Some(password) => Some(password.secret(directory)?),
                None => None,
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

    fn secret(&self, directory: &Path) -> Result<Secret, Refusal> {
        match self {
            Self::Here(entry) => entry
                .text()
                .and_then(|password| Secret::new(password.to_owned()))
                .map_err(|reason| self.refuse(reason)),
            Self::InFile(entry) => path(entry)
                .and_then(|path| {
                    // What the environment says is said in the working directory.
                    let path = match entry.origin {
                        Origin::File(_) => directory.join(path),
                        Origin::Variable(_) => path.to_owned(),
                    };
                    Secret::read(&path).map_err(|what| entry.but(what))
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
