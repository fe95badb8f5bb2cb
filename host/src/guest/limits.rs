//! What a guest may use and what it is given.

use std::sync::Arc;
use std::time::Duration;

use super::clocks::Clocks;
use super::output::Prints;
use crate::office::MAX_PACKET_SIZE;

/// How much a guest may use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// How many bytes all its memories may have together. By default 64 MiB.
    pub memory: usize,
    /// How much time one call may use: what it computes, and what it sleeps until
    /// it goes on. What it waits for a thread while others compute is not its
    /// own, so that a call can take longer by the clock: as long as the others'
    /// limits are, together. Where it takes a new instance, making that may take
    /// as long again. By default 1 s.
    pub call_time: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            memory: 64 * 1024 * 1024,
            call_time: Duration::from_secs(1),
        }
    }
}

/// What a guest is given of the world outside: by default nothing but clocks
/// and random numbers. There are no files, no network and no input.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Grants {
    /// Its environment variables, name and value.
    pub env: Vec<(String, String)>,
}

impl std::fmt::Debug for Grants {
    /// Without the values: they may be secrets.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("Grants").field("env", &names).finish()
    }
}

/// How a guest is to be run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GuestOptions {
    /// What the log calls it.
    pub name: String,
    /// How much it may use.
    pub limits: Limits,
    /// What it is given.
    pub grants: Grants,
    /// What `settings` answers: a JSON object. By default `{}`.
    pub settings: Arc<str>,
    /// How many bytes the largest PUBLISH packet may have, from its first byte
    /// to its last. By default as many as MQTT allows: 268,435,460.
    pub max_packet_size: usize,
    /// What its clocks show. By default the time.
    pub clocks: Clocks,
    /// Where what it prints goes. By default to the log.
    pub prints: Prints,
}

impl GuestOptions {
    /// The default limits, no grants, packets as large as MQTT allows, the
    /// machine's clocks and the log.
    pub fn new(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            limits: Limits::default(),
            grants: Grants::default(),
            settings: "{}".into(),
            max_packet_size: MAX_PACKET_SIZE,
            clocks: Clocks::default(),
            prints: Prints::default(),
        }
    }
}
