//! Builds the example guest, which the feature `example` puts into the binary.

// The standard output of a build script is how it talks to cargo.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    if std::env::var_os("CARGO_FEATURE_EXAMPLE").is_none() {
        return;
    }
    for (name, component) in guest_build::build("../guest-example", &["door"]) {
        let name = name.to_uppercase();
        let component = component.display();
        println!("cargo::rustc-env=EXAMPLE_GUEST_{name}={component}");
    }
}
