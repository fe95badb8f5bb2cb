//! Clients that send anything, to the fake broker.

#![no_main]

use fuzz::broker::{Plan, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: Plan| run(plan));
