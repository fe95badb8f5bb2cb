//! The post office, seen from its counter: what it does when, told as small
//! stories. Here each test is one promise. Random schedules are
//! elsewhere, but for those of changes of the guests.

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

mod bounds;
mod calls;
mod changes;
mod connection;
mod exchanges;
mod gone;
mod hang_ups;
mod hang_ups_at_subscriptions;
mod kept;
mod letters;
mod messages;
mod network;
mod operate;
mod outcomes;
mod permissions;
mod priorities;
mod replaced;
mod shared;
mod shutdown;
mod status;
mod subscriptions;
mod terms;
mod timers;
mod timers_kept;
mod wills;
mod windows;
