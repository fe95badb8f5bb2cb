//! Configuration: TOML as written becomes values that cannot be wrong.
