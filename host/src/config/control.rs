//! From where the gateway can be operated.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use super::entry::{Entry, Refusal};
use super::file::Written;
use super::resolve::path;

/// From where the gateway can be operated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ControlConfig {
    /// By a socket in the directory that systemd gives the service at run time, if
    /// it does.
    Default,
    /// By a Unix socket.
    Socket(PathBuf),
    /// By a TCP port of this machine.
    Address {
        /// A loopback address; port 0 lets the system choose.
        address: SocketAddr,
        /// Where the token stands that each request has to name.
        token_file: PathBuf,
    },
    /// From nowhere.
    None,
}

/// Paths of the file are relative to `directory`.
pub(super) fn resolve(written: &Written, directory: &Path) -> Result<ControlConfig, Refusal> {
    let token_file = &written.control_token_file;
    let Some(entry) = &written.control_address else {
        if let Some(entry) = token_file {
            let reason = entry.but("is for a control-address, which is missing");
            return Err(entry.refuse("control-token-file", reason));
        }
        return match &written.control_socket {
            None => Ok(ControlConfig::Default),
            Some(entry) => {
                socket(entry, directory).map_err(|reason| entry.refuse("control-socket", reason))
            }
        };
    };
    let refuse = |reason: String| entry.refuse("control-address", reason);
    if written.control_socket.is_some() {
        let reason = entry.but("is there together with control-socket; take one of them away");
        return Err(refuse(reason));
    }
    let address = address(entry).map_err(refuse)?;
    let Some(file) = token_file else {
        let reason = "needs a control-token-file: any user of this machine can reach it";
        return Err(refuse(entry.but(reason)));
    };
    let token_file = path(file)
        .map(|path| file.place(directory, path))
        .map_err(|reason| file.refuse("control-token-file", reason))?;
    Ok(ControlConfig::Address {
        address,
        token_file,
    })
}

fn socket(entry: &Entry, directory: &Path) -> Result<ControlConfig, String> {
    // What the kernel takes, with a null character at its end.
    const MAX: usize = 107;
    if entry.text()?.is_empty() {
        return Ok(ControlConfig::None);
    }
    let path = entry.place(directory, path(entry)?);
    if path.as_os_str().len() > MAX {
        return Err(entry.but(format_args!(
            "is longer than the {MAX} bytes of a socket's path"
        )));
    }
    if path.file_name().is_none() {
        return Err(entry.but("names no file"));
    }
    Ok(ControlConfig::Socket(path))
}

fn address(entry: &Entry) -> Result<SocketAddr, String> {
    let address: Option<SocketAddr> = entry.value.as_str().and_then(|text| text.parse().ok());
    match address {
        Some(address) if address.ip().is_loopback() => Ok(address),
        Some(_) => Err(entry.but("can be reached from other machines; write 127.0.0.1 or [::1]")),
        None => Err(entry.but(r#"is no address; write e.g. "127.0.0.1:9883""#)),
    }
}
