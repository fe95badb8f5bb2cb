//! Configuration: TOML as written becomes values that cannot be wrong.
//!
//! A value takes three steps. The file is read as it is written, each value
//! with its place; `JACKALOPE_…` variables of the environment are laid over it;
//! and what is there is resolved into [`Config`], where every value is known to
//! be allowed. What is wrong is refused with the place it was written at, be it
//! a line of the file or a variable.
//!
//! ```no_run
//! use std::path::Path;
//! let config = jackalope::config::Config::load(
//!     Some(Path::new("jackalope.toml")),
//!     std::env::vars_os(),
//! )?;
//! # Ok::<(), jackalope::config::ConfigError>(())
//! ```

mod cache;
mod control;
pub(crate) mod entry;
mod env;
mod error;
pub(crate) mod file;
pub(crate) mod guest;
mod keeping;
mod login;
mod permissions;
mod placeholders;
mod proxy;
pub(crate) mod resolve;
mod server;
pub(crate) mod settings;
mod status;
pub(crate) mod table;
pub(crate) mod timer;
mod tls;
pub(crate) mod values;
mod websocket;
pub(crate) mod work_list;

use std::ffi::OsString;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use crate::login::{Credentials, HeaderSource};
use crate::office::{
    BackoffSettings, Filter, GoneGuests, LastWill, Permissions, Qos, StatusTopic, WorkListSettings,
};
use crate::wire::{Binding, Versions};

pub use cache::CacheDirectory;
pub use control::ControlConfig;
pub use env::UnknownVariable;
pub use error::{ConfigError, Place};
pub use guest::{ComponentSource, GuestConfig, GuestLimits};
pub use keeping::{Keeping, OnDamage};
pub use proxy::ProxyConfig;
pub use server::{DEFAULT_TLS_PORT, ServerAddressError, ServerConfig};
pub(crate) use values::parse_duration;

/// Everything a gateway is told before it starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `version`: the versions of MQTT that may be spoken. Default: 5 if the broker
    /// speaks it, else 3.1.1.
    pub versions: Versions,
    /// `client-id`: the name of the session at the broker, its placeholders filled
    /// in, at most 65,535 bytes. Empty only with a clean session ([MQTT-3.1.3-7]). Default:
    /// `jackalope`.
    pub client_id: String,
    /// `server`, with `[tls]`: the brokers, 1 to 16, of which the first is preferred,
    /// and how connections to them are secured. Default: `localhost:1883`.
    pub servers: Vec<ServerConfig>,
    /// `server-return`: after how long with another broker it is looked whether the
    /// first can be reached again, from 1 s to 24 h; none never looks. Default:
    /// 10 min.
    pub server_return: Option<Duration>,
    /// `interface` and `local-address`: from where connections are made. Default:
    /// from wherever the machine likes.
    pub binding: Binding,
    /// `[proxy]`: the HTTP proxy that connects to the broker. Default: none.
    pub proxy: Option<ProxyConfig>,
    /// `[websocket.headers]`: what is sent along with the upgrade to WebSocket.
    /// Default: nothing.
    pub headers: Vec<HeaderSource>,
    /// `user-name`, `password-file`, `password-command` and the like: who the
    /// gateway is to the broker. Default: nobody.
    pub login: Option<Credentials>,
    /// `max-packet-size`: the largest packet that is read or written, in bytes,
    /// from 128 bytes to 256 MiB. Default: 1 MiB.
    pub max_packet_size: usize,
    /// `cache-directory`: where compiled components are kept; nowhere if it is
    /// empty. Default: where this machine keeps caches.
    pub cache_directory: CacheDirectory,
    /// `control-socket`, `control-address`: from where the gateway can be operated.
    /// Default: by a socket where systemd keeps what it has at run time.
    pub control: ControlConfig,
    /// `[control-permissions]`: what may be published and asked for over it. Default:
    /// everything.
    pub control_permissions: Option<Permissions>,
    /// `[work-list]` with `store = "disk"`: how letters are kept so that they outlive
    /// the gateway. Default: they are not.
    pub keeping: Option<Keeping>,
    /// What the post office has to know.
    pub session: SessionConfig,
    /// `subscriptions`: what the built-in handler hears of, which there is where no
    /// guest is. Default: nothing.
    pub subscriptions: Vec<(Filter, Qos)>,
    /// `show-payloads`: whether it shows payloads in the log. Default: false.
    pub show_payloads: bool,
    /// The guests, in the order they are written; at most 65,536. Default: none.
    pub guests: Vec<GuestConfig>,
    /// Variables that begin with `JACKALOPE_` and mean nothing, in the order of
    /// their names. They change nothing; a log should name them, since one may
    /// be misspelt. Default: none.
    pub unknown_variables: Vec<UnknownVariable>,
}

/// What the configuration says to [`office::Settings`](crate::office::Settings).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionConfig {
    /// `clean-session`: whether each connection starts a new session. Default:
    /// true.
    pub clean_session: bool,
    /// `session-expiry`: for how long a broker of MQTT 5 keeps a session that is
    /// not clean while the gateway is away, from 1 s to 365 days in whole seconds.
    /// Default: 24 h.
    pub session_expiry: Duration,
    /// `keep-alive`: the longest silence towards the broker, whole seconds up
    /// to 65,535 s; zero turns it off ([MQTT-3.1.2-24]). Default: 60 s.
    pub keep_alive: Duration,
    /// `backoff.min`, `backoff.max`: the pauses between tries, from 10 ms to
    /// 1 h. Default: 1 s to 30 s.
    pub backoff: BackoffSettings,
    /// `max-qos`: the highest quality of service of letters, subscriptions and the
    /// last will. Default: 2.
    pub max_qos: Qos,
    /// `first-connect-delay`: the pause before the first try to connect, up to
    /// 24 h. Default: none.
    pub first_connect_delay: Duration,
    /// `[last-will]`: the last will when no guest names one. Default: none.
    pub last_will: Option<LastWill>,
    /// `[status]`: where the broker is told whether the gateway is online. Not
    /// together with a last will. Default: nowhere.
    pub status_topic: Option<StatusTopic>,
    /// `[work-list]`: the bounds of the work list of each guest that does not say
    /// otherwise, and of the sender behind the control socket: from 1 to 1,000,000
    /// letters and from 128 bytes to 64 GiB, and what happens at them. Default: 100
    /// letters of any size, and the oldest is dropped. `total-max` and `total-max-bytes`
    /// are not here: they are no less than all of these together, or refused.
    pub work_list: WorkListSettings,
    /// `work-list.gone-guests`: what becomes of what guests have that are not there any
    /// more, be it at a start or by a reload. Default: it is kept.
    pub gone_guests: GoneGuests,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            versions: Versions::Any,
            client_id: "jackalope".to_owned(),
            servers: vec![ServerConfig::default()],
            server_return: Some(Duration::from_secs(600)),
            binding: Binding::default(),
            proxy: None,
            headers: Vec::new(),
            login: None,
            max_packet_size: 1024 * 1024,
            cache_directory: CacheDirectory::Default,
            control: ControlConfig::Default,
            control_permissions: None,
            keeping: None,
            session: SessionConfig::default(),
            subscriptions: Vec::new(),
            show_payloads: false,
            guests: Vec::new(),
            unknown_variables: Vec::new(),
        }
    }
}

impl Default for SessionConfig {
    fn default() -> Self {
        Self {
            clean_session: true,
            session_expiry: Duration::from_secs(24 * 60 * 60),
            keep_alive: Duration::from_secs(60),
            backoff: BackoffSettings {
                min: Duration::from_secs(1),
                max: Duration::from_secs(30),
            },
            max_qos: Qos::ExactlyOnce,
            first_connect_delay: Duration::ZERO,
            last_will: None,
            status_topic: None,
            work_list: WorkListSettings::default(),
            gone_guests: GoneGuests::Keep,
        }
    }
}

impl Config {
    /// Reads the file at `path`, where there is one, lays the `JACKALOPE_…`
    /// variables of `environment` over it and looks into the password file and
    /// those of TLS that they name.
    ///
    /// Relative paths in the file are relative to its directory; relative ones
    /// in variables are relative to the working directory.
    ///
    /// # Errors
    /// The first thing that is wrong, with its place.
    pub fn load(
        path: Option<&Path>,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        match path {
            Some(path) => Self::build(path, &read_text(path)?, environment),
            None => Self::build(Path::new(""), "", environment),
        }
    }

    /// Reads the guests of the file at `path`, and looks at nothing else that it says:
    /// what the way to its broker needs may be on another machine.
    ///
    /// # Errors
    /// The first thing that is wrong with the file or its guests, with its place.
    pub fn load_guests(path: &Path) -> Result<Vec<GuestConfig>, ConfigError> {
        let text = read_text(path)?;
        let text = without_byte_order_mark(&text);
        let directory = path.parent().unwrap_or(Path::new(""));
        let written = file::parse(path, text)?;
        resolve::guests(&written, directory)
            .map_err(|refusal| ConfigError::refused(path, text, refusal))
    }

    /// As [`Config::load`], with the text of the file already read.
    fn build(
        path: &Path,
        text: &str,
        environment: impl Iterator<Item = (OsString, OsString)>,
    ) -> Result<Self, ConfigError> {
        let text = without_byte_order_mark(text);
        let directory = path.parent().unwrap_or(Path::new(""));
        let mut written = file::parse(path, text)?;
        let refused = |refusal| ConfigError::refused(path, text, refusal);
        let unknown_variables = env::overlay(&mut written, environment).map_err(refused)?;
        let machine = placeholders::Machine::this();
        let config = resolve::resolve(&written, directory, machine).map_err(refused)?;
        Ok(Self {
            unknown_variables,
            ..config
        })
    }
}

/// The text of a file, which must be UTF-8.
pub(crate) fn read_text(path: &Path) -> Result<String, ConfigError> {
    let bytes = std::fs::read(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => ConfigError::NotFound(path.to_owned()),
        _ => ConfigError::Unreadable {
            path: path.to_owned(),
            reason: error.to_string(),
        },
    })?;
    String::from_utf8(bytes).map_err(|error| {
        let good = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes());
        ConfigError::NotUtf8(Place::in_file(path, &text, good))
    })
}

/// A byte order mark is no column of the first line.
pub(crate) fn without_byte_order_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests;
