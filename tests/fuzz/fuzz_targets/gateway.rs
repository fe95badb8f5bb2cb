//! A broker that sends anything, to a gateway that is whole but for its guests.

#![no_main]

use fuzz::gateway::{Plan, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: Plan| run(plan));
