//! What the fuzz targets do: each has a plan, which is made of the fuzzer's bytes,
//! and carries it out.
//!
//! The gateway is here as its sources, those of the engine, of what it drives and of the
//! store: without wasmtime, the sanitizer's build takes seconds.

#[allow(
    dead_code,
    unused_imports,
    reason = "what drives the host needs more of it"
)]
#[path = "../../../host/src/engine/mod.rs"]
mod engine;
#[allow(
    dead_code,
    unused_imports,
    reason = "what drives the host needs more of it"
)]
#[path = "../../../host/src/office/mod.rs"]
mod office;
#[allow(dead_code, reason = "what drives the host needs more of it")]
#[path = "../../../host/src/own_directory.rs"]
mod own_directory;
#[path = "../../../host/src/shown.rs"]
mod shown;
#[allow(
    dead_code,
    unused_imports,
    reason = "what drives the host needs more of it"
)]
#[path = "../../../host/src/store/mod.rs"]
mod store;
#[path = "../../../host/src/wire/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "what drives the host needs more of it"
)]
mod wire;

mod allocation;
pub mod broker;
mod disk;
pub mod frames;
pub mod gateway;
mod settings;
pub mod websocket;
pub mod work_list;
