//! Why a call has failed, in words for the operator of a gateway.

use std::fmt;
use std::time::Duration;

use wasmtime::Trap;
use wasmtime_wasi::{I32Exit, ResourceTableError};

use super::limits::Limits;
use super::meter::Meter;

/// Why a call has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Failure {
    /// It was not done in time.
    TooLong(Duration),
    /// It was denied memory and did not get over it.
    Memory(usize),
    /// It has opened streams and the like and not closed them.
    Handles,
    /// It has called too many functions inside each other.
    StackOverflow,
    /// It has done what WebAssembly forbids; the text says what.
    Trapped(String),
    /// It has ended itself.
    Exited(i32),
    /// Something else; the text is the engine's.
    Other(String),
    /// It says that its settings are wrong, and why.
    Settings(String),
    /// There is no instance.
    NotStarted(Box<Self>),
}

/// What ends a guest that computes for too long.
#[derive(Debug, thiserror::Error)]
#[error("out of time")]
pub(super) struct OutOfTime;

impl Failure {
    /// Finds the words for what the engine says.
    pub(super) fn new(error: &wasmtime::Error, meter: &Meter, limits: &Limits) -> Self {
        if error.is::<OutOfTime>() {
            return Self::TooLong(limits.call_time);
        }
        if let Some(ResourceTableError::Full) = error.downcast_ref() {
            return Self::Handles;
        }
        if let Some(I32Exit(status)) = error.downcast_ref() {
            return Self::Exited(*status);
        }
        // The trap is only what the guest made of it.
        if meter.denied() {
            return Self::Memory(limits.memory);
        }
        match error.downcast_ref::<Trap>() {
            Some(Trap::StackOverflow) => Self::StackOverflow,
            Some(trap) => {
                let text = trap.to_string();
                Self::Trapped(text.trim_start_matches("wasm trap: ").to_owned())
            }
            // The outer layers of the error hold a backtrace.
            None => Self::Other(error.root_cause().to_string()),
        }
    }

    /// Says that it was not even a call yet.
    pub(super) fn not_started(self) -> Self {
        Self::NotStarted(Box::new(self))
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLong(limit) => write!(f, "took longer than {limit:?}"),
            Self::Memory(limit) => write!(f, "wanted more than {} of memory", Bytes(*limit)),
            Self::Handles => f.write_str("held more handles (streams, timers) than a guest may"),
            Self::StackOverflow => f.write_str("stack overflow"),
            Self::Trapped(text) => write!(f, "trapped: {text}"),
            Self::Exited(status) => write!(f, "ended itself with exit status {status}"),
            Self::Other(text) => f.write_str(text),
            Self::Settings(text) => write!(f, "its settings are refused: {text}"),
            Self::NotStarted(failure) => write!(f, "did not start: {failure}"),
        }
    }
}

/// A number of bytes in the largest unit that makes it whole.
struct Bytes(usize);

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const KIB: usize = 1024;
        const MIB: usize = 1024 * KIB;
        match self.0 {
            bytes if bytes >= MIB && bytes.is_multiple_of(MIB) => write!(f, "{} MiB", bytes / MIB),
            bytes if bytes >= KIB && bytes.is_multiple_of(KIB) => write!(f, "{} KiB", bytes / KIB),
            bytes => write!(f, "{bytes} bytes"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_read_well() {
        let trapped = Failure::Trapped("integer divide by zero".to_owned());
        for (failure, text) in [
            (
                Failure::TooLong(Duration::from_secs(1)),
                "took longer than 1s",
            ),
            (
                Failure::Memory(64 * 1024 * 1024),
                "wanted more than 64 MiB of memory",
            ),
            (
                Failure::Memory(1000),
                "wanted more than 1000 bytes of memory",
            ),
            (Failure::Exited(1), "ended itself with exit status 1"),
            (
                trapped.not_started(),
                "did not start: trapped: integer divide by zero",
            ),
        ] {
            assert_eq!(failure.to_string(), text);
        }
    }
}
