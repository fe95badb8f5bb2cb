//! The way to the broker: from where, and through whom.

use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use super::entry::{Entry, Origin, Refusal};
use super::file::{self, Written};
use super::login::{one_of, source};
use super::resolve::set;
use super::server::parse_address;
use crate::login::{Credentials, LoginError, PasswordSource, UserName};
use crate::wire::{Address, Binding};

const URL: &str = "proxy.url";
const USER_NAME: &str = "proxy.user-name";
const PASSWORD: &str = "proxy.password";
const PASSWORD_FILE: &str = "proxy.password-file";

/// How long the name of a network interface is at most (IFNAMSIZ).
const LONGEST_INTERFACE: usize = 15;

/// An HTTP proxy that connects to the broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProxyConfig {
    /// `url`: where it is.
    pub address: Address,
    /// `user-name` and `password-file`: who the gateway is to it. Default: nobody.
    pub login: Option<Credentials>,
}

/// From where connections are made.
pub(super) fn binding(written: &Written) -> Result<Binding, Refusal> {
    let mut binding = Binding::default();
    set(
        &mut binding.interface,
        &written.interface,
        "interface",
        |entry| interface(entry).map(Some),
    )?;
    set(
        &mut binding.address,
        &written.local_address,
        "local-address",
        |entry| local_address(entry).map(Some),
    )?;
    Ok(binding)
}

/// The proxy that is written, after a look into the password file.
pub(super) fn resolve(written: &Written, directory: &Path) -> Result<Option<ProxyConfig>, Refusal> {
    let Some(table) = &written.proxy else {
        return Ok(None);
    };
    let keys = &table.keys;
    let Some(entry) = &keys.url else {
        let entries = [&keys.user_name, &keys.password_file, &keys.password];
        let mut origins = entries.into_iter().flatten().map(|entry| &entry.origin);
        let variable = origins.find(|origin| matches!(origin, Origin::Variable(_)));
        return Err(Refusal {
            origin: variable
                .cloned()
                .unwrap_or(Origin::File(table.span.clone())),
            key: "proxy",
            reason: format!("a proxy needs an address, {URL}"),
        });
    };
    Ok(Some(ProxyConfig {
        address: url(entry).map_err(|reason| entry.refuse(URL, reason))?,
        login: login(keys, directory)?,
    }))
}

fn url(entry: &Entry) -> Result<Address, String> {
    const FORM: &str = r#"is not a proxy; write e.g. "http://proxy.example:3128""#;
    let text = entry.value.as_str().ok_or_else(|| entry.but(FORM))?;
    if text.contains('@') {
        // It may hold a password, which no error shows.
        return Err(format!(
            "holds a user name, which has a key of its own, {USER_NAME}"
        ));
    }
    let address = text.strip_prefix("http://").ok_or_else(|| {
        entry.but(match text.starts_with("https://") {
            true => r#"asks for a proxy that is spoken to through TLS, which is not supported; write "http://…""#,
            false => FORM,
        })
    })?;
    let address = address.strip_suffix('/').unwrap_or(address);
    parse_address(address, 80).map_err(|error| entry.but(error))
}

fn login(keys: &file::Proxy, directory: &Path) -> Result<Option<Credentials>, Refusal> {
    let password = one_of(&[
        (PASSWORD, &keys.password),
        (PASSWORD_FILE, &keys.password_file),
    ])?;
    let user_name = match (&keys.user_name, password) {
        (None, None) => return Ok(None),
        (None, Some((key, entry))) => {
            return Err(entry.refuse(key, format!("needs a user name, too, {USER_NAME}")));
        }
        (Some(entry), _) => entry,
    };
    let name = name(user_name).map_err(|reason| user_name.refuse(USER_NAME, reason))?;
    let password_source = match password {
        None => PasswordSource::None,
        Some((key, entry)) => {
            let of_file = if key == PASSWORD_FILE {
                "password-file"
            } else {
                "password"
            };
            let read = source((of_file, entry), Duration::ZERO, directory);
            read.map_err(|what| entry.refuse(key, what))?
        }
    };
    let credentials = Credentials {
        user_name: UserName::Given(name),
        password: password_source,
    };
    match (credentials.check(), password) {
        (Err(LoginError::Password(what)), Some((key, entry))) => {
            Err(entry.refuse(key, entry.but(what)))
        }
        _ => Ok(Some(credentials)),
    }
}

/// What can stand before a colon and a password (RFC 7617).
fn name(entry: &Entry) -> Result<String, String> {
    let text = entry.text()?;
    match text.contains(|c: char| c == ':' || c.is_control()) {
        true => {
            Err(entry.but("holds a colon or a control character, which no proxy can tell apart"))
        }
        false => Ok(text.to_owned()),
    }
}

fn interface(entry: &Entry) -> Result<String, String> {
    let text = entry.text()?;
    let is_name = (1..=LONGEST_INTERFACE).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_graphic() && c != '/');
    match is_name {
        true => Ok(text.to_owned()),
        false => Err(entry.but(r#"is not the name of a network interface; write e.g. "eth0""#)),
    }
}

fn local_address(entry: &Entry) -> Result<IpAddr, String> {
    let address = entry.text()?.parse();
    address.map_err(|_| entry.but(r#"is not an IP address; write e.g. "192.0.2.10""#))
}
