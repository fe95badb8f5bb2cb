//! Jackalope: a host for IoT gateway devices.
//!
//! It owns one MQTT session and a *work list* with a time to live on every
//! publish: accepted at once, online or offline, tried again until it is
//! acknowledged, never sent after its ttl. The application is in *guests*,
//! WebAssembly components that the host calls and that publish through it.
//!
//! The modules, in reading order:
//!
//! - [`office`] decides: a pure state machine that owns the work list and the
//!   session. Time and events come in, actions go out.
//! - [`wire`] carries: one network connection, as packets.
//! - [`guest`] calls: components, under their limits.
//! - [`engine`] joins the three: the order in which things are done.
//! - [`store`] keeps the work list, so that it outlives the process.
//! - [`login`] is where user name and password come from.
//! - [`gateway`] drives the engine on a real machine.
//! - [`control`] is HTTP for whoever operates it.
//! - [`config`] reads what an operator wrote into values that cannot be wrong.
//! - [`cli`] is what the binary runs.
//! - [`broker`] is the fake broker, for development and tests.
//! - [`testing`] is for tests of guests in Rust, in virtual time, and
//!   [`scenario`] for the same as files.
//! - [`clock`] is where the time comes from by which letters expire.
//! - [`own_directory`] is a directory that nobody else can change.
//! - [`example`] holds the guests that are built into the binary.

pub mod office;

pub mod wire;

pub mod guest;

pub mod engine;

pub mod store;

pub mod login;

pub mod gateway;

pub mod control;

pub mod config;

pub mod cli;

pub use jackalope_broker as broker;

pub mod testing;

pub mod scenario;

pub mod clock;

pub mod example;

pub mod own_directory;

mod shown;
mod words;
