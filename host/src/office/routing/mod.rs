//! Whom a message goes to: subscriptions, and the guests behind their filters.

mod filter;
mod routes;
mod subscriptions;
pub mod topic;

pub use filter::{Filter, FilterError};
pub(super) use routes::Route;
pub(super) use subscriptions::{Ruling, Subscriptions, Verdict, WrongCount};
