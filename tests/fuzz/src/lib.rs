//! What the fuzz targets do: each has a plan, which is made of the fuzzer's bytes,
//! and carries it out.
//!
//! The gateway is here as its sources, those of the engine and of what it drives:
//! without wasmtime, the sanitizer's build takes seconds.

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
#[path = "../../../host/src/shown.rs"]
mod shown;
#[path = "../../../host/src/wire/mod.rs"]
#[allow(
    dead_code,
    unused_imports,
    reason = "what drives the host needs more of it"
)]
mod wire;

pub mod broker;
pub mod frames;
pub mod gateway;
pub mod websocket;
