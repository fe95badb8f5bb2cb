//! Rust types and traits generated from the contract in `wit/`.

// The larger world names every interface once, so that one set of types serves
// guests with and without `will`: the host binds interface by interface and
// never asks for a whole world.
wasmtime::component::bindgen!({
    path: "../wit",
    world: "guest-with-will",
    imports: { default: trappable },
    exports: { default: async },
    // Topics and payloads are lent to the guest, not copied for the call.
    ownership: Borrowing { duplicate_if_necessary: false },
});
