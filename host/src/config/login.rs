//! Who the gateway is to the broker.

use std::path::Path;
use std::time::Duration;

use toml::Value;

use super::entry::{Entry, Origin, Refusal};
use super::file::Written;
use super::placeholders::Placeholders;
use super::resolve::{mqtt_text, path, set};
use super::values::{Period, period};
use crate::login::{Credentials, LoginError, PasswordCommand, PasswordSource, UserName};
use crate::wire::Secret;

const USER_NAME: &str = "user-name";
const USER_NAME_FILE: &str = "user-name-file";
const PASSWORD: &str = "password";
const PASSWORD_FILE: &str = "password-file";
const PASSWORD_COMMAND: &str = "password-command";
const TIMEOUT: &str = "password-command-timeout";

const NOT_A_COMMAND: &str = r#"is not a list of a program and its arguments; write e.g. ["/usr/lib/gateway/token", "--sas"]"#;

/// A command may not take so long that no time is left to connect.
const LONGEST: Period = Period::from_secs(15);

/// The credentials that are written, after a look at the files and the command.
pub(super) fn resolve(
    written: &Written,
    directory: &Path,
    placeholders: &Placeholders<'_>,
) -> Result<Option<Credentials>, Refusal> {
    let user_name = one_of(&[
        (USER_NAME, &written.user_name),
        (USER_NAME_FILE, &written.user_name_file),
    ])?;
    let password = one_of(&[
        (PASSWORD, &written.password),
        (PASSWORD_FILE, &written.password_file),
        (PASSWORD_COMMAND, &written.password_command),
    ])?;
    let mut timeout = Duration::from_secs(10);
    set(
        &mut timeout,
        &written.password_command_timeout,
        TIMEOUT,
        |entry| match &written.password_command {
            Some(_) => period(entry, Period::from_millis(100)..=LONGEST),
            None => Err(format!("is for {PASSWORD_COMMAND}, which there is not")),
        },
    )?;
    let user_name = match (user_name, password) {
        (None, None) => return Ok(None),
        (None, Some((key, entry))) => {
            let reason = "needs a user name, too ([MQTT-3.1.2-22])";
            return Err(entry.refuse(key, reason.to_owned()));
        }
        (Some(user_name), _) => user_name,
    };
    let refuse = |(key, entry): (&'static str, &Entry), what| entry.refuse(key, what);
    let credentials = Credentials {
        user_name: name(user_name, directory, placeholders)
            .map_err(|what| refuse(user_name, what))?,
        password: match password {
            None => PasswordSource::None,
            Some(password) => {
                source(password, timeout, directory).map_err(|what| refuse(password, what))?
            }
        },
    };
    credentials
        .check()
        .map_err(|error| match (error, password) {
            (LoginError::Password(what), Some(password)) => match &credentials.password {
                PasswordSource::Command(command) => refuse(password, format!("{command} {what}")),
                _ => refuse(password, password.1.but(what)),
            },
            (LoginError::Password(what) | LoginError::UserName(what), _) => {
                refuse(user_name, user_name.1.but(what))
            }
        })?;
    Ok(Some(credentials))
}

/// The one of several keys that is used: a variable goes before the file.
pub(super) fn one_of<'a>(
    keys: &[(&'static str, &'a Option<Entry>)],
) -> Result<Option<(&'static str, &'a Entry)>, Refusal> {
    let written = || {
        let keys = keys.iter();
        keys.filter_map(|(key, entry)| entry.as_ref().map(|entry| (*key, entry)))
    };
    let variables = || {
        written().filter_map(|(key, entry)| match entry.origin {
            Origin::Variable(name) => Some((key, entry, name)),
            Origin::File(_) => None,
        })
    };
    let mut named = variables();
    if let Some((key, entry, _)) = named.next() {
        return match named.next() {
            None => Ok(Some((key, entry))),
            Some((_, _, other)) => Err(entry.refuse(
                key,
                format!("is set together with {other}; set one of them"),
            )),
        };
    }
    let mut written = written();
    match (written.next(), written.next()) {
        (Some((other, _)), Some((key, entry))) => {
            let reason = format!("is there together with {other}; write one of them");
            Err(entry.refuse(key, reason))
        }
        (first, _) => Ok(first),
    }
}

fn name(
    (key, entry): (&str, &Entry),
    directory: &Path,
    placeholders: &Placeholders<'_>,
) -> Result<UserName, String> {
    Ok(match key {
        USER_NAME_FILE => UserName::File(entry.place(directory, path(entry)?)),
        _ => UserName::Given(mqtt_text(&placeholders.fill(entry)?)?),
    })
}

/// Where the password is.
pub(super) fn source(
    (key, entry): (&str, &Entry),
    timeout: Duration,
    directory: &Path,
) -> Result<PasswordSource, String> {
    Ok(match key {
        PASSWORD_FILE => PasswordSource::File(entry.place(directory, path(entry)?)),
        PASSWORD_COMMAND => PasswordSource::Command(command(entry, timeout, directory)?),
        _ => {
            let secret = Secret::new(entry.text()?.to_owned());
            PasswordSource::Given(secret.ok_or("is longer than 65535 bytes")?)
        }
    })
}

/// A list of a program and its arguments; in a variable written as in the file.
fn command(entry: &Entry, timeout: Duration, directory: &Path) -> Result<PasswordCommand, String> {
    let in_variable = match (&entry.value, &entry.origin) {
        (Value::String(text), Origin::Variable(_)) => text.parse::<Value>().ok(),
        _ => None,
    };
    let list = in_variable.as_ref().unwrap_or(&entry.value).as_array();
    let words: Option<Vec<&str>> = list.and_then(|words| words.iter().map(Value::as_str).collect());
    let is_usable = |words: &Vec<&str>| {
        words.first().is_some_and(|program| !program.is_empty())
            && words.iter().all(|word| !word.contains('\0'))
    };
    // What was written is not shown: its words may be secret.
    let words = words.filter(is_usable).ok_or(NOT_A_COMMAND)?;
    let program = Path::new(words[0]);
    // A name alone is looked for in PATH.
    let program = match words[0].contains('/') {
        true => entry.place(directory, program),
        false => program.to_owned(),
    };
    let arguments = words[1..].iter().map(|word| (*word).to_owned()).collect();
    Ok(PasswordCommand::new(program, arguments, timeout))
}
