//! Guests: load, link, call, limit and rebuild components.
//!
//! ```no_run
//! use std::path::Path;
//!
//! use jackalope::guest::{Component, Engine, Guest, GuestOptions};
//! use jackalope::office::Assignment;
//!
//! # async fn example(assignment: Assignment) -> anyhow::Result<()> {
//! let engine = Engine::start()?;
//! let component = Component::load(&engine, Path::new("door.wasm"))?;
//! let mut guest = Guest::new(&component, GuestOptions::new("door"));
//! let answer = guest.call(&assignment).await;
//! # Ok(())
//! # }
//! ```
//!
//! What a guest can do to its host, and what stops it:
//!
//! | the guest | the host |
//! | --- | --- |
//! | loops | takes the thread back every [`TICK`], ends the call at [`Limits::call_time`] |
//! | fills or copies its memory at one go | has it done elsewhere, if there is much of it |
//! | fills memories and tables at its start | has every instance made elsewhere |
//! | sleeps in a host call | ends the call at [`Limits::call_time`] |
//! | asks for many random bytes, polls many handles, writes much at once | ends the call |
//! | publishes what is too large | refuses it before it is copied |
//! | allocates | refuses more than [`Limits::memory`], all its memories together |
//! | recurses | has given it a stack of its own, whose end is a trap |
//! | prints | logs so many lines a call and counts the rest |
//! | keeps streams or timers open | ends the call that opens too many |
//! | traps | drops its instance and makes a new one at the next call |
//!
//! *Elsewhere* means in a later poll of [`Guest::call`] than the first, which is
//! the one that the gateway's loop makes. A thread is taken back only between two
//! instructions, and `memory.fill` is one, as is a function of the host. So a
//! call with more than 4 MiB of memory is pending at once.
//!
//! What is left for the first poll was measured with 4 MiB: filling them for the
//! first time 2.3 ms, filling or copying them again 0.2 ms; a text of that size
//! given to the host, as a reason or a topic, 2 ms to copy and 2 to 6 ms to check;
//! one in UTF-16, which hardly any language's guests have, 18 ms; 64 KiB of random
//! bytes 0.3 ms. Elsewhere other guests wait as they do for a loop: 50 ms for
//! filling 64 MiB for the first time. The segments of all its up to 200 instances
//! are written at one go when a component starts; 100,000 entries of a table took
//! 5 ms for each instance, so that a component made for nothing else can draw
//! this out to seconds.

mod abilities;
mod allowed_imports;
mod bindings;
mod cache;
mod cache_files;
mod checksums;
mod clocks;
mod component;
mod contract;
mod engine;
mod error;
mod failure;
mod gateway_imports;
mod hint;
mod instance;
mod limits;
mod meter;
mod output;
mod patience;
mod report;
mod runner;
mod state;
mod ticker;

#[cfg(test)]
mod hostile_tests;
#[cfg(test)]
mod load_tests;
#[cfg(test)]
mod print_tests;
#[cfg(test)]
mod publish_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod v0_2_tests;

pub use abilities::{Ask, Offer};
pub use clocks::{Clocks, VIRTUAL_START, VirtualClock};
pub use component::{Component, MAX_COMPONENT_SIZE};
pub use contract::ContractVersion;
pub use engine::{Engine, EngineError};
pub use error::{LoadError, LoadProblem};
pub use limits::{Grants, GuestOptions, Limits};
pub use output::{Listener, Printed, PrintedLine, Prints};
pub use report::Report;
pub use runner::Guest;
pub use ticker::TICK;
