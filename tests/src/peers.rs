//! Clients, brokers and compilers of other hands, as `tests/peers/install` installs them. A
//! test whose peer is missing says so and passes; the project's own check installs
//! them before.

use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

const PEERS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/peers");

/// A Python that has this module.
pub fn python(module: &str) -> Option<String> {
    let installed = format!("{PEERS}/venv/bin/python");
    let import = format!("import {module}");
    let found = [installed.as_str(), "python3"].into_iter().find(|python| {
        let tried = Command::new(python)
            .args(["-c", &import])
            .stderr(Stdio::null())
            .status();
        tried.is_ok_and(|status| status.success())
    });
    found.map(str::to_owned).or_else(|| missing(module))
}

/// The directory of this npm package.
pub fn node(package: &str) -> Option<String> {
    installed(&format!("node/node_modules/{package}")).or_else(|| missing(package))
}

/// This program of the Python that is installed.
pub fn python_program(name: &str) -> Option<String> {
    installed(&format!("venv/bin/{name}")).or_else(|| missing(name))
}

/// The directory of the programs that cargo has installed, if this one is among them,
/// and what compiles and links C for WebAssembly is there as well.
pub fn cargo_programs_and_clang(name: &str) -> Option<String> {
    let links = "int main(void) { return 0; }";
    let link = format!(
        "command -v make && echo '{links}' | clang --target=wasm32-wasi -x c -o /dev/null -"
    );
    let tried = Command::new("sh")
        .args(["-c", &link])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    if !tried.is_ok_and(|status| status.success()) {
        return missing("clang for wasm32-wasi");
    }
    installed(&format!("cargo/bin/{name}"))
        .or_else(|| missing(name))
        .map(|path| path.trim_end_matches(name).to_owned())
}

fn installed(path: &str) -> Option<String> {
    let path = format!("{PEERS}/{path}");
    Path::new(&path).exists().then_some(path)
}

/// Says it where the test runner does not swallow it.
fn missing(peer: &str) -> Option<String> {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let why = format!("skipped {test}: there is no {peer}, see tests/peers/install");
    let _ = writeln!(std::io::stderr(), "{why}");
    None
}
