//! Where the control socket is, for the gateway and for those who speak to it.

use std::env;
use std::path::{Path, PathBuf};

use super::{Failure, systemd};
use crate::config::{Config, ControlConfig};
use crate::control::{Endpoint, Listener, Token};

/// What it is called in the directory that systemd gives the service.
const NAME: &str = "control.sock";

/// Where it is if systemd starts the gateway with `RuntimeDirectory=jackalope`.
const USUAL: &str = "/run/jackalope/control.sock";

/// The control socket of a gateway, before anybody is served.
#[derive(Debug)]
pub(super) struct Bound {
    pub(super) listener: Listener,
    pub(super) token: Option<Token>,
}

/// Binds the control socket, if there is to be one.
pub(super) fn bind(config: &ControlConfig) -> Result<Option<Bound>, Failure> {
    let Some((endpoint, token_file)) = endpoint(config) else {
        return Ok(None);
    };
    Ok(Some(Bound {
        token: read(token_file)?,
        listener: Listener::bind(&endpoint).map_err(Failure::config)?,
    }))
}

/// Where a gateway of this machine is spoken to, and the token that it wants: at
/// this socket, or at what the variables of the gateway say, or where it usually is.
pub(super) fn find(socket: Option<&Path>) -> Result<(Endpoint, Option<Token>), Failure> {
    if let Some(socket) = socket {
        return Ok((Endpoint::Unix(socket.to_owned()), None));
    }
    let is_ours = |name: &std::ffi::OsString| {
        let name = name.to_string_lossy();
        name.starts_with("JACKALOPE_CONTROL_")
    };
    let variables = env::vars_os().filter(|(name, _)| is_ours(name));
    let config = Config::load(None, variables).map_err(Failure::config)?;
    match endpoint(&config.control) {
        Some((endpoint, token_file)) => Ok((endpoint, read(token_file)?)),
        None => Ok((Endpoint::Unix(USUAL.into()), None)),
    }
}

fn endpoint(config: &ControlConfig) -> Option<(Endpoint, Option<&Path>)> {
    match config {
        ControlConfig::None => None,
        ControlConfig::Socket(path) => Some((Endpoint::Unix(path.clone()), None)),
        ControlConfig::Address {
            address,
            token_file,
        } => Some((Endpoint::Tcp(*address), Some(token_file))),
        ControlConfig::Default => {
            let directory = systemd::directory(env::var_os("RUNTIME_DIRECTORY"));
            let path: PathBuf = directory?.join(NAME);
            Some((Endpoint::Unix(path), None))
        }
    }
}

fn read(file: Option<&Path>) -> Result<Option<Token>, Failure> {
    file.map(Token::read).transpose().map_err(Failure::config)
}
