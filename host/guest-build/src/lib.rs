//! Builds guests from a build script.
