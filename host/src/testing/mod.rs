//! Tests of guests, in virtual time.
//!
//! A [`Site`] is a gateway with one guest, a broker and the network between
//! them. The post office, the guest's runtime and the broker are the real ones;
//! there is no socket, and time passes when the test says so: an outage of two
//! hours is over in milliseconds.
//!
//! ```
//! use std::time::Duration;
//! use jackalope::testing::Site;
//!
//! # #[cfg(feature = "example")]
//! # fn main() -> Result<(), jackalope::testing::SiteError> {
//! // A guest of your own is a path: Site::new("door.wasm").
//! let mut site = Site::new("example:door")?
//!     .subscribe("doors/+/request")
//!     .online()?;
//!
//! site.message("doors/front/request", r#"{"action":"unlock"}"#);
//!
//! let command = ("doors/front/command", r#"{"action":"unlock"}"#);
//! let status = r#"{"action":"unlock","outcome":"delivered"}"#;
//! assert_eq!(site.published(), [command, ("doors/front/status", status)]);
//!
//! // Whoever asks when the network is about to go, asks in vain.
//! site.message_then_network_down("doors/front/request", r#"{"action":"unlock"}"#);
//! site.advance(Duration::from_secs(7_200));
//! site.network_up();
//!
//! let status = r#"{"action":"unlock","outcome":"expired"}"#;
//! assert_eq!(site.published(), [("doors/front/status", status)]);
//! # Ok(())
//! # }
//! # #[cfg(not(feature = "example"))]
//! # fn main() {}
//! ```
//!
//! The clocks of the guest show virtual time: zero at the beginning, and
//! 2030-01-01, 00:00 UTC on the wall. They stand still during a call. A guest
//! that sleeps does so for real, and its call fails when it takes longer than
//! 1 s, as on a gateway.
//!
//! A [`MemoryDisk`] is for whoever tests what a gateway finds again after a power cut.
//!
//! Scenario files do the same without Rust: see [`scenario`](crate::scenario).

mod convert;
mod disk;
mod event;
mod in_memory;
mod journal;
mod load;
mod site;
mod world;

#[cfg(test)]
mod tests;

pub(crate) use convert::to_broker;
pub(crate) use load::bytes_of;
pub(crate) use world::{World, WorldOptions};

pub use disk::MemoryDisk;
pub use event::{Acks, Asked, Event, Network, Published, Record};
pub use load::{GuestError, load};
pub use site::{Site, SiteError, SiteOptions};
