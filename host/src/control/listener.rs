//! Where the control socket is, and how it comes to be there.

use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::{self, ErrorKind};
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt, FileTypeExt, MetadataExt, PermissionsExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};

/// Its owner and its group may use it.
const MODE: u32 = 0o660;

/// Its group can come to it, as it may use it.
const DIRECTORY_MODE: u32 = 0o750;

/// Where the control socket is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Endpoint {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port of this machine; 0 lets the system choose.
    Tcp(SocketAddr),
}

/// A socket that is bound, and that others can connect to.
#[derive(Debug)]
pub struct Listener {
    pub(super) socket: Socket,
    address: String,
    /// What is to be removed at the end.
    path: Option<OwnSocket>,
}

#[derive(Debug)]
pub(super) enum Socket {
    Unix(UnixListener),
    Tcp(TcpListener),
}

/// Why there is no control socket.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListenError {
    /// Another process listens there.
    #[error(
        "the control socket {} belongs to a gateway that is running; \
         stop that one, or give this one another `control-socket`",
        .0.display()
    )]
    Taken(PathBuf),
    /// There is something else.
    #[error("the control socket {} cannot be made: there is something else, no socket", .0.display())]
    NoSocket(PathBuf),
    /// It cannot be made.
    #[error("the control socket {place} cannot be made")]
    Failed {
        /// Where.
        place: String,
        /// What the operating system says.
        source: io::Error,
    },
}

impl Listener {
    /// Binds a socket. The directory of a Unix socket is made if it is missing; it
    /// and the socket are for this user and his group. What a gateway
    /// has left behind that is gone is replaced.
    ///
    /// # Errors
    /// There can be no socket.
    pub fn bind(endpoint: &Endpoint) -> Result<Self, ListenError> {
        let failed = |source| ListenError::Failed {
            place: endpoint.to_string(),
            source,
        };
        match endpoint {
            Endpoint::Unix(path) => bind_unix(path, failed),
            #[expect(clippy::disallowed_methods, reason = "this is where it listens")]
            Endpoint::Tcp(address) => {
                let listener = TcpListener::bind(address).map_err(failed)?;
                listener.set_nonblocking(true).map_err(failed)?;
                let address = listener.local_addr().map_err(failed)?.to_string();
                Ok(Self {
                    socket: Socket::Tcp(listener),
                    address,
                    path: None,
                })
            }
        }
    }

    /// Where it is: a path, or an address with its port.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// The socket, and what removes it when it is dropped.
    pub(super) fn into_parts(self) -> (Socket, Option<OwnSocket>) {
        (self.socket, self.path)
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(f, "{}", path.display()),
            Self::Tcp(address) => write!(f, "{address}"),
        }
    }
}

fn bind_unix(
    path: &Path,
    failed: impl Fn(io::Error) -> ListenError,
) -> Result<Listener, ListenError> {
    if let Some(directory) = path.parent().filter(|it| !it.as_os_str().is_empty()) {
        let mut missing = DirBuilder::new();
        missing.recursive(true).mode(DIRECTORY_MODE);
        missing.create(directory).map_err(&failed)?;
    }
    match fs::symlink_metadata(path) {
        Ok(about) if !about.file_type().is_socket() => {
            return Err(ListenError::NoSocket(path.to_owned()));
        }
        Ok(_) if is_answered(path).map_err(&failed)? => {
            return Err(ListenError::Taken(path.to_owned()));
        }
        Ok(_) => {}
        Err(error) if error.kind() == ErrorKind::NotFound => {}
        Err(error) => return Err(failed(error)),
    }
    // Under another name until its mode is right; then it takes the place of what
    // is there in one step.
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(format!(".{}", std::process::id()));
    let new = OwnSocketPath(path.with_file_name(name));
    let _ = fs::remove_file(&new.0);
    let listener = UnixListener::bind(&new.0).map_err(&failed)?;
    fs::set_permissions(&new.0, Permissions::from_mode(MODE)).map_err(&failed)?;
    let inode = fs::symlink_metadata(&new.0).map_err(&failed)?.ino();
    fs::rename(&new.0, path).map_err(&failed)?;
    listener.set_nonblocking(true).map_err(&failed)?;
    Ok(Listener {
        socket: Socket::Unix(listener),
        address: path.display().to_string(),
        path: Some(OwnSocket {
            path: path.to_owned(),
            inode,
        }),
    })
}

/// Whether somebody listens on a socket. One whose queue is full answers, too.
fn is_answered(path: &Path) -> io::Result<bool> {
    let flags = SocketFlags::NONBLOCK | SocketFlags::CLOEXEC;
    let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    match connect(&socket, &SocketAddrUnix::new(path)?) {
        Ok(()) => Ok(true),
        Err(error) => match io::Error::from(error).kind() {
            ErrorKind::ConnectionRefused | ErrorKind::NotFound => Ok(false),
            ErrorKind::WouldBlock => Ok(true),
            _ => Err(error.into()),
        },
    }
}

/// A socket that has its mode not yet. Removed when dropped, unless it was renamed.
struct OwnSocketPath(PathBuf);

impl Drop for OwnSocketPath {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A socket in the file system. Removed when dropped, unless another one is in its
/// place.
#[derive(Debug)]
pub(super) struct OwnSocket {
    path: PathBuf,
    inode: u64,
}

impl Drop for OwnSocket {
    fn drop(&mut self) {
        let about = fs::symlink_metadata(&self.path);
        if about.is_ok_and(|about| about.ino() == self.inode) {
            let _ = fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixStream;

    use super::*;

    fn directory() -> tempfile::TempDir {
        tempfile::tempdir().expect("there is a place for temporary files")
    }

    fn mode(path: &Path) -> u32 {
        let about = fs::symlink_metadata(path).expect("it is there");
        about.mode() & 0o777
    }

    #[test]
    fn directory_and_socket_are_made_for_the_user_and_go_with_the_gateway() {
        let directory = directory();
        let path = directory.path().join("run/jackalope/control.sock");
        let listener = Listener::bind(&Endpoint::Unix(path.clone())).expect("there is room");
        assert_eq!(mode(&path), 0o660);
        assert_eq!(mode(path.parent().expect("it has one")), 0o750);
        UnixStream::connect(&path).expect("it listens");
        assert_eq!(
            fs::read_dir(path.parent().expect("it has one"))
                .expect("ours")
                .count(),
            1
        );
        drop(listener);
        assert!(!path.exists());
    }

    #[test]
    fn what_a_dead_gateway_left_is_replaced_and_a_living_one_is_left_alone() {
        let directory = directory();
        let path = directory.path().join("control.sock");
        drop(UnixListener::bind(&path).expect("there is room"));
        assert!(path.exists(), "a socket stays when its process dies");
        let endpoint = Endpoint::Unix(path.clone());
        let listener = Listener::bind(&endpoint).expect("nobody answers there");
        let error = Listener::bind(&endpoint).expect_err("somebody answers there");
        assert!(
            matches!(&error, ListenError::Taken(taken) if *taken == path),
            "{error}"
        );
        UnixStream::connect(&path).expect("it still listens");
        drop(listener);
    }

    #[test]
    fn what_is_no_socket_stays() {
        let directory = directory();
        let path = directory.path().join("control.sock");
        fs::write(&path, "important").expect("it can be written");
        let error = Listener::bind(&Endpoint::Unix(path.clone())).expect_err("it is a file");
        assert!(matches!(error, ListenError::NoSocket(_)), "{error}");
        assert_eq!(fs::read_to_string(&path).expect("it is there"), "important");
    }

    #[test]
    fn a_successor_s_socket_stays() {
        let directory = directory();
        let path = directory.path().join("control.sock");
        let listener = Listener::bind(&Endpoint::Unix(path.clone())).expect("there is room");
        fs::remove_file(&path).expect("it is there");
        let _other = UnixListener::bind(&path).expect("there is room");
        drop(listener);
        assert!(path.exists());
    }
}
