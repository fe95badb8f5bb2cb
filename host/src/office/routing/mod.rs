//! Whom a message goes to: subscriptions, and the guests behind their filters.

mod routes;
mod subscriptions;
pub mod topic;

pub(super) use subscriptions::{Ruling, Subscriptions, Verdict, WrongCount};
