//! Where user name and password come from, connection by connection: they may
//! change while the gateway runs, so files are read and commands are run anew for
//! each.
//!
//! ```no_run
//! use std::sync::Arc;
//! use jackalope::login::{Credentials, PasswordSource, UserName};
//!
//! # async fn connect() -> Result<(), String> {
//! let credentials = Arc::new(Credentials {
//!     user_name: UserName::Given("gateway".into()),
//!     password: PasswordSource::File("/etc/jackalope/password".into()),
//! });
//! let login = credentials.login().await?;
//! # let _ = login;
//! # Ok(())
//! # }
//! ```

mod command;
mod file;
mod headers;

use std::fmt;
use std::path::{Path, PathBuf};

use tokio::task::JoinSet;

use crate::wire::{Login, Secret, open_to_others};
pub use command::PasswordCommand;
pub use headers::{HeaderSource, HeaderValueSource, read_headers};

/// A user name, and where its password is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Credentials {
    /// Where the user name is.
    pub user_name: UserName,
    /// Where the password is.
    pub password: PasswordSource,
}

/// Where a user name is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum UserName {
    /// Here: at most 65,535 bytes, without null characters.
    Given(String),
    /// In this file, less a line break at its end. It is read each time.
    File(PathBuf),
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
    /// It is what this command prints, less a line break at its end.
    Command(PasswordCommand),
}

impl Credentials {
    /// The login of this moment. Dropped before it is ready, it ends the command
    /// that it may be waiting for.
    ///
    /// # Errors
    /// There is none: what is wrong, as a line for the log, without any secret.
    pub async fn login(&self) -> Result<Login, String> {
        let files = self.clone();
        // Files may take longer than the loop can wait.
        let (user_name, password) = elsewhere(move || files.read()).await?;
        let password = match &self.password {
            PasswordSource::Command(command) => Some(command.run().await?),
            _ => password,
        };
        Ok(Login {
            user_name,
            password,
        })
    }

    /// Looks at what can be looked at before there is a connection to make: the
    /// files, and whether there is such a command.
    ///
    /// # Errors
    /// What is wrong, and whether it is the user name's.
    pub fn check(&self) -> Result<(), LoginError> {
        if let UserName::File(path) = &self.user_name {
            file::read_user_name(path).map_err(LoginError::UserName)?;
        }
        match &self.password {
            PasswordSource::File(path) => file::read(path).map(|_| ()),
            PasswordSource::Command(command) => command.check(),
            PasswordSource::None | PasswordSource::Given(_) => Ok(()),
        }
        .map_err(LoginError::Password)
    }

    /// The password file and its permissions, if other users may open it.
    pub fn open_to_others(&self) -> Option<(&Path, u32)> {
        let PasswordSource::File(path) = &self.password else {
            return None;
        };
        let about = std::fs::metadata(path).ok()?;
        open_to_others(&about).map(|mode| (path.as_path(), mode))
    }

    /// What is in files, or here.
    fn read(&self) -> Result<(String, Option<Secret>), String> {
        let user_name = match &self.user_name {
            UserName::Given(name) => name.clone(),
            UserName::File(path) => file::read_user_name(path)
                .map_err(|what| format!("user name file {} {what}", path.display()))?,
        };
        let password = match &self.password {
            PasswordSource::None | PasswordSource::Command(_) => None,
            PasswordSource::Given(secret) => Some(secret.clone()),
            PasswordSource::File(path) => Some(
                file::read(path)
                    .map_err(|what| format!("password file {} {what}", path.display()))?,
            ),
        };
        Ok((user_name, password))
    }
}

/// What is wrong with a file or a command, as what is said after its name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginError {
    /// With that of the user name.
    UserName(String),
    /// With that of the password.
    Password(String),
}

/// Where both come from, for whoever has to find out why a broker refuses them.
impl fmt::Display for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.user_name {
            UserName::Given(_) => f.write_str("the user name is from user-name")?,
            UserName::File(path) => {
                write!(f, "the user name is from the file {}", path.display())?;
            }
        }
        match &self.password {
            PasswordSource::None => f.write_str(", and there is no password"),
            PasswordSource::Given(_) => f.write_str(", the password from JACKALOPE_PASSWORD"),
            PasswordSource::File(path) => {
                write!(f, ", the password from the file {}", path.display())
            }
            PasswordSource::Command(command) => {
                write!(f, ", the password from the command {command}")
            }
        }
    }
}

/// Does what may take longer than the gateway's loop can wait. What has not begun
/// when nobody waits for it any more is not done.
async fn elsewhere<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, String> + Send + 'static,
) -> Result<T, String> {
    let mut task = JoinSet::new();
    task.spawn_blocking(work);
    match task.join_next().await {
        Some(Ok(done)) => done,
        Some(Err(error)) => Err(error.to_string()),
        None => Err("the machine has no thread for it".into()),
    }
}

#[cfg(test)]
mod tests;
