//! How much of what was written to a TCP socket is not acknowledged yet.
//!
//! A crate of its own because of its one `unsafe` block, so that all others can
//! forbid unsafe code.

use std::ffi::c_int;
use std::io;
use std::os::fd::AsFd;

use rustix::ioctl::{Getter, Opcode, ioctl};

/// `SIOCOUTQ` of Linux, which has the number of `TIOCOUTQ` (tcp(7)).
const SIOCOUTQ: Opcode = {
    #[cfg(any(
        target_arch = "mips",
        target_arch = "mips64",
        target_arch = "powerpc64"
    ))]
    compile_error!("the number of SIOCOUTQ is another one on this architecture");
    0x5411
};

/// How many bytes the kernel has taken from this process and the peer's kernel
/// has not acknowledged, sent or not.
///
/// The socket is a connected TCP socket; of any other the answer says nothing.
pub fn unacknowledged(socket: impl AsFd) -> io::Result<usize> {
    // SAFETY: SIOCOUTQ writes one int and reads nothing.
    let bytes = unsafe { ioctl(socket, Getter::<SIOCOUTQ, c_int>::new()) }?;
    Ok(usize::try_from(bytes).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    #[expect(clippy::disallowed_methods, reason = "two sockets of this test")]
    fn what_the_peer_has_no_room_for_is_counted_until_it_reads() -> io::Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let mut socket = TcpStream::connect(listener.local_addr()?)?;
        let (mut peer, _) = listener.accept()?;
        assert_eq!(unacknowledged(&socket)?, 0);
        socket.set_nonblocking(true)?;
        let mut written = 0;
        while let Ok(bytes) = socket.write(&[0; 65_536]) {
            written += bytes;
        }
        let open = unacknowledged(&socket)?;
        assert!(0 < open && open <= written, "{open} of {written}");
        peer.read_exact(&mut vec![0; written])?;
        // The last acknowledgement may be on its way.
        while unacknowledged(&socket)? > 0 {
            std::thread::yield_now();
        }
        Ok(())
    }
}
