//! Builds the guests that the tests run.

// The standard output of a build script is how it talks to cargo.
#![allow(clippy::print_stdout)]

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    let names = [
        "burst", "echo", "flood", "hostile", "keeper", "sensor", "teller", "will",
    ];
    let mut guests = guest_build::build("guests", &names);
    guests.extend(guest_build::build("../guest-example", &["door"]));
    for (name, component) in guests {
        let name = name.to_uppercase();
        let component = component.display();
        println!("cargo::rustc-env=TEST_GUEST_{name}={component}");
    }
}
