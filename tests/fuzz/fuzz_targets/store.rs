//! Files of anything, in the place of those that a work list is kept in.

#![no_main]

use fuzz::work_list::{Plan, run};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|plan: Plan| run(plan));
