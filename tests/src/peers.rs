//! Clients and brokers of other hands, as `tests/peers/install` installs them. A
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
    let installed = format!("{PEERS}/node/node_modules/{package}");
    if Path::new(&installed).exists() {
        Some(installed)
    } else {
        missing(package)
    }
}

/// Says it where the test runner does not swallow it.
fn missing(peer: &str) -> Option<String> {
    let test = std::thread::current();
    let test = test.name().unwrap_or("a test");
    let why = format!("skipped {test}: there is no {peer}, see tests/peers/install");
    let _ = writeln!(std::io::stderr(), "{why}");
    None
}
