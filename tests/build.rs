//! Builds the guests that the tests run, and looks for clients that they use
//! where there are any.

// The standard output of a build script is how it talks to cargo.
#![allow(clippy::print_stdout)]

use std::process::{Command, Stdio};

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let mut guests = guest_build::build("guests", &["burst", "echo", "flood", "hostile", "will"]);
    guests.extend(guest_build::build("../guest-example", &["door"]));
    for (name, component) in guests {
        let name = name.to_uppercase();
        let component = component.display();
        println!("cargo::rustc-env=TEST_GUEST_{name}={component}");
    }
    println!("cargo::rustc-check-cfg=cfg(has_paho)");
    println!("cargo::rerun-if-env-changed=PATH");
    if has_paho() {
        println!("cargo::rustc-cfg=has_paho");
    }
}

/// Whether python3 has paho-mqtt.
fn has_paho() -> bool {
    Command::new("python3")
        .args(["-c", "import paho.mqtt.client"])
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
