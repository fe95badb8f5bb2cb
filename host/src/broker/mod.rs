//! The fake broker: for development and tests, with faults on demand.
