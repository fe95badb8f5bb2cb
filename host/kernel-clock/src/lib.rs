//! Whether the wall clock is synchronised, as the kernel says.
//!
//! A crate of its own because of its one `unsafe` block, so that all others can
//! forbid unsafe code.

use std::io;
use std::mem::MaybeUninit;

use libc::{adjtimex, c_long, timex};

/// By how much the clock may be wrong at most, in microseconds, when nobody has said
/// so: then the kernel says this (`NTP_PHASE_LIMIT`).
const UNKNOWN: c_long = 16_000_000;

/// Whether something keeps the wall clock right: NTP, PTP, a receiver of GPS. The
/// kernel is told so by whoever does, and believes it for nine hours; after the clock
/// was set by other means it does not.
///
/// It asks for the largest error and not for the flag `STA_UNSYNC`, as `timedatectl`
/// does: chrony sets that flag with a clock that is right, so that the kernel leaves
/// the battery clock alone.
///
/// # Errors
/// A sandbox does not allow the question (with systemd `ProtectClock=`).
pub fn is_synchronised() -> io::Result<bool> {
    let mut timex = MaybeUninit::<timex>::zeroed();
    // SAFETY: the pointer is to a timex that may be written to. All of its fields are
    // numbers, so that zeros are a value of it: that with `modes` 0, which changes
    // nothing.
    let (state, timex) = unsafe { (adjtimex(timex.as_mut_ptr()), timex.assume_init()) };
    match state {
        -1 => Err(io::Error::last_os_error()),
        _ => Ok(timex.maxerror < UNKNOWN),
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers() {
        // What it says is the machine's; a sandbox may forbid it.
        if let Err(error) = super::is_synchronised() {
            assert_eq!(error.kind(), std::io::ErrorKind::PermissionDenied);
        }
    }
}
