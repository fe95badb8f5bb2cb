//! What usually lies behind a file that is no guest, by what it is compiled with: one
//! line for whoever has built it.

use super::abilities::Ask;

/// What a module is linked with that knows WASI from before there were components.
const PREVIEW_1: &[u8] = b"wasi_snapshot_preview1";

/// What there is to do about a module.
pub(super) fn of_module(bytes: &[u8]) -> &'static str {
    let is_preview_1 = bytes
        .windows(PREVIEW_1.len())
        .any(|window| window == PREVIEW_1);
    if is_preview_1 {
        "It is made for WASI preview 1: build it with `cargo build --target wasm32-wasip2` \
         rather than for wasm32-wasip1; in C, link it with wasm-component-ld"
    } else {
        "Build it with `cargo build --target wasm32-wasip2` rather than for \
         wasm32-unknown-unknown, or make a component of it with `wasm-tools component new`"
    }
}

/// What there is to do about what can not be compiled, by the words of the engine.
pub(super) fn of_compiler(words: &str) -> &'static str {
    if words.contains("component model async") {
        "It is built for calls that wait, which this host does not make: for componentize-qjs \
         that is `--sync`, for jco `--backend-qjs-disable-async`"
    } else {
        "Build it again, with current tools"
    }
}

/// What there is to do about imports that the host does not have.
pub(super) fn of_imports(names: &[String]) -> &'static str {
    let has = |package: &str| names.iter().any(|name| name.starts_with(package));
    if has("wasi:http/") {
        "A guest in JavaScript is built without them by componentize-js with `--disable http \
         fetch-event`"
    } else if has("wasi:sockets/") {
        "A guest has no network but its letters: do without `std::net` in Rust, sockets in C; what \
         Python asks for in any case is served, of WASI 0.2"
    } else if has("wasi:filesystem/") {
        "A guest has no files, but its state: do without `std::fs` in Rust; what C, JavaScript and \
         Python ask for in any case is served, of WASI 0.2"
    } else {
        "Do without it"
    }
}

/// Where it comes from that a component asks for what there is none of, and what to do.
pub(super) fn of_ask(ask: Ask) -> Option<&'static str> {
    match ask {
        Ask::Files => Some(
            "what compiles C, JavaScript and Python asks in any case, in Rust `std::fs` does; what \
             is to last goes into the state of the guest",
        ),
        Ask::Network => Some(
            "what compiles Python asks in any case, in Rust `std::net` does, in C sockets do; what \
             is to go out is published",
        ),
        _ => None,
    }
}

/// What there is to do about exports that are none of a guest.
pub(super) fn of_exports(found: &[String]) -> &'static str {
    let has = |wanted: &str| found.iter().any(|name| name.starts_with(wanted));
    if has("wasi:cli/run@") {
        "It is a program with a `main`: in Rust write `crate-type = [\"cdylib\"]` below [lib], \
         and `export!`; in C link it with `-mexec-model=reactor`"
    } else if found.iter().any(|name| name == "exports") {
        "In Python, name a world that includes the world `guest` of the wit files of this \
         host: `componentize-py -d wit -w WORLD componentize`"
    } else {
        "Implement the world `guest` of the wit files of this host, and export it: in Rust by \
         `export!`"
    }
}
