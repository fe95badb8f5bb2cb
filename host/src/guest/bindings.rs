//! Rust types and traits generated from the contract in `wit/`, in each version that
//! the host serves.
//!
//! Of both the largest world, which names every interface once: the host binds
//! interface by interface and never asks for a whole world.

/// The contract 0.1.
pub(super) mod v0_1 {
    wasmtime::component::bindgen!({
        path: "../wit/0.1",
        world: "guest-with-will",
        imports: { default: trappable },
        exports: { default: async },
        // Topics and payloads are lent to the guest, not copied for the call.
        ownership: Borrowing { duplicate_if_necessary: false },
    });
}

/// The contract 0.2.
pub(super) mod v0_2 {
    wasmtime::component::bindgen!({
        path: "../wit",
        world: "full-guest",
        imports: { default: trappable },
        exports: { default: async },
        // Properties go both ways.
        ownership: Borrowing { duplicate_if_necessary: true },
    });
}
