//! The jackalope binary.

fn main() {}
