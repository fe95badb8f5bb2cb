//! Jackalope: a host for IoT gateway devices.

pub mod broker;
pub mod clock;
pub mod config;
pub mod example;
pub mod guest;
pub mod office;
pub mod wire;
