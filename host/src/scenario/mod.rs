//! Scenarios: tests of a guest as files, run in virtual time.
//!
//! ```
//! use jackalope::scenario::File;
//!
//! let file = File::parse("outage.toml".as_ref(), r##"
//!     ## What the guest subscribes to, as in the configuration.
//!     subscriptions = ["doors/+/request"]
//!
//!     [[scenario]]
//!     name = "a request during an outage is never carried out"
//!     step = [
//!         { message = { topic = "doors/front/request", json = { action = "unlock" }, then-network = "down" } },
//!         { advance = "2h" },
//!         { expect-outcome = { topic = "doors/front/command", outcome = "expired" } },
//!         { network = "up" },
//!         { expect-published = { topic = "doors/front/status", json = { outcome = "expired" } } },
//!     ]
//! "##)?;
//! assert_eq!(file.scenarios().len(), 1);
//! # Ok::<(), jackalope::config::ConfigError>(())
//! ```
//!
//! # A file
//! | key | |
//! | --- | --- |
//! | `subscriptions` | what the guest subscribes to, as in the configuration |
//! | `[[timer]]` | timers that the guest has from the start, as `[[guest.timer]]` in the configuration |
//! | `[env]` | the guest's environment, as in the configuration |
//! | `[settings]` | its settings, as `[guest.settings]` in the configuration; a scenario may have its own, `settings` |
//! | `[work-list]` | the bounds of its work list, as in the configuration |
//! | `[[scenario]]` | one or more, each with a guest and a broker of its own |
//!
//! # A scenario
//! | key | |
//! | --- | --- |
//! | `name` | what it shows |
//! | `network` | `"up"` (default): begins connected and subscribed; `"down"` |
//! | `subscriptions` | in place of those of the file |
//! | `version` | the version of MQTT: `"5"` (default), `"3.1.1"` |
//! | `allow-unexpected` | `true`: what no step has expected is no failure |
//! | `step` | a list of steps, or `[[scenario.step]]` for each |
//!
//! # A step
//! Does one thing or expects one thing.
//!
//! | key | |
//! | --- | --- |
//! | `message` | somebody publishes: `topic`, `payload` or `json`, `qos` (default 1), `retain`, `properties`; with `then-network = "down"` it is the last message to get through |
//! | `network` | `"down"` or `"up"`; the gateway is back as soon as the network is |
//! | `acks` | `"withheld"`: the broker takes messages and does not say so; `"sent"` |
//! | `guest` | `"restarted"`: what it has in its memory is gone, as after a trap; its state, its timers and its letters are there |
//! | `advance` | so much time passes: `"2h"`; timers that are due meanwhile are called, each at its moment |
//! | `expect-published` | the broker has a message of the guest: `topic`, `payload` (all of it) or `json` (the fields that must be there), `qos`, `retain`, `properties` (those that must be there); and what the guest has asked of its host: `priority`, `replace-key`, `after-reboot` |
//! | `expect-nothing-published` | `true`: but for what was expected before |
//! | `expect-outcome` | a letter has its `outcome`: `"delivered"`, `"expired"`, `"displaced"`, `"refused"`; a `topic` and a `tag`; of one that is `"displaced"`, `by` what: `"overflow"` (the work list was full) or `"replace-key"` |
//! | `expect-rejected` | the guest has rejected a message, with this text in its reason |
//! | `expect-retried` | the guest has put a message off, with this text in its reason |
//! | `expect-failed` | calls of the guest have failed, with this text in the error |
//! | `expect-printed` | the guest has printed a line with this text in it |
//!
//! `properties` is a table of what MQTT 5 carries: `content-type`, `response-topic`,
//! `correlation-data`, and `user`, a table of names and values.
//!
//! An expectation looks at what has happened so far; it does not wait. It takes
//! the first thing it fits, so two equal expectations want two things
//! (`expect-retried` and `expect-failed` take all they fit, since the host
//! tries again by itself). At the end of a scenario nothing may be left that no
//! step has expected: no message, no outcome but `delivered`, nothing rejected,
//! put off or failed. What a guest prints is left alone.

mod expected;
mod failed;
mod file;
mod lines;
mod message_line;
mod resolve;
mod run;
mod step;

#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};

use crate::config::{self, ConfigError};

pub use failed::Failed;
pub(crate) use lines::split as split_line;
pub use lines::{Lines, LinesError};
pub(crate) use message_line::read as read_message;
pub use run::Scenario;

/// A scenario file that was read.
#[derive(Debug)]
pub struct File {
    path: PathBuf,
    scenarios: Vec<Scenario>,
}

impl File {
    /// Reads a scenario file.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its place.
    pub fn load(path: &Path) -> Result<Self, ConfigError> {
        Self::parse(path, &config::read_text(path)?)
    }

    /// Takes a text for that of the file at `path`.
    pub fn parse(path: &Path, text: &str) -> Result<Self, ConfigError> {
        let text = config::without_byte_order_mark(text);
        let written = file::parse(path, text)?;
        let scenarios = resolve::resolve(path, text, &written)
            .map_err(|refusal| ConfigError::refused(path, text, refusal))?;
        Ok(Self {
            path: path.to_owned(),
            scenarios,
        })
    }

    /// Its path, as it was given.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its scenarios, in their order; at least one.
    pub fn scenarios(&self) -> &[Scenario] {
        &self.scenarios
    }
}
