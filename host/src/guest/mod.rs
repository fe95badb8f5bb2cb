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
//! | sleeps in a host call | ends the call at [`Limits::call_time`] |
//! | allocates | refuses more than [`Limits::memory`], all its memories together |
//! | recurses | has given it a stack of its own, whose end is a trap |
//! | prints | logs so many lines a call and counts the rest |
//! | keeps streams or timers open | ends the call that opens too many |
//! | traps | drops its instance and makes a new one at the next call |

mod allowed_imports;
mod bindings;
mod cache;
mod checksums;
mod clocks;
mod component;
mod convert;
mod engine;
mod error;
mod failure;
mod gateway_imports;
mod instance;
mod limits;
mod meter;
mod output;
mod own_directory;
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

pub use clocks::{Clocks, VIRTUAL_START, VirtualClock};
pub use component::{Component, MAX_COMPONENT_SIZE};
pub use engine::{Engine, EngineError};
pub use error::{LoadError, LoadProblem};
pub use limits::{Grants, GuestOptions, Limits};
pub use output::{Printed, Prints};
pub use own_directory::{NotOwn, OwnDirectory};
pub use report::Report;
pub use runner::Guest;
pub use ticker::TICK;
