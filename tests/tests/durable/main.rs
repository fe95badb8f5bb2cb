//! A work list on a disk, and gateways that end over it: in good order, by SIGKILL, with
//! a disk that does not take what it is given, and with guests that are not there any
//! more. A real broker sees what comes of it.

// What was seen is for those who ask for it, and why a test is skipped for everyone.
#![allow(clippy::print_stderr)]
// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

mod full;
mod kills;
mod refusals;
mod restarts;
mod site;

const BINARY: &str = env!("CARGO_BIN_EXE_jackalope-under-test");
