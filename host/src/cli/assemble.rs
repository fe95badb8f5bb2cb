//! From a configuration to the options of a gateway.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use anyhow::{Context, anyhow, ensure};
use tokio::runtime::Handle;

use super::components::Components;
use super::{Failure, random};
use crate::clock::TimeOfDay;
use crate::config::{ComponentSource, Config, GuestConfig, ServerConfig};
use crate::gateway::{
    ConnectionOptions, ControlSender, Dialer, Handler, KeepingOptions, Logger, Options, Proxy,
    Server,
};
use crate::guest::{Component, Grants, Guest, GuestOptions, Limits, Listener, Prints};
use crate::office::{
    GuestSettings, MAX_OUTCOMES, Permissions, Settings, TimerSettings, WorkListSettings,
};
use crate::wire::{Handshake, TlsClient, Version, Versions};

/// A guest with what the post office has to know about it.
pub(super) struct Loaded {
    pub(super) name: String,
    pub(super) handler: Handler,
    pub(super) make: Make,
    pub(super) settings: GuestSettings,
}

/// What a handler is made of.
#[derive(Clone)]
pub(super) enum Make {
    Component(Component, GuestOptions),
    Logger { show_payloads: bool },
    ControlSender,
}

impl Make {
    pub(super) fn component(&self) -> Option<&Component> {
        match self {
            Self::Component(component, _) => Some(component),
            Self::Logger { .. } | Self::ControlSender => None,
        }
    }

    /// As long as it is the same, there is no reason to make the handler anew.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Component(one, options), Self::Component(other, theirs)) => {
                one.is_same(other) && options == theirs
            }
            (
                Self::Logger { show_payloads },
                Self::Logger {
                    show_payloads: theirs,
                },
            ) => show_payloads == theirs,
            (Self::ControlSender, Self::ControlSender) => true,
            _ => false,
        }
    }
}

impl Loaded {
    /// A guest of this component, under its limits. Its lines are in the log, and go to
    /// who listens.
    pub(super) fn new(
        guest: &GuestConfig,
        component: &Component,
        max_packet_size: usize,
        listener: Listener,
    ) -> Self {
        let limits = Limits {
            memory: guest.limits.memory,
            call_time: guest.limits.call_time,
        };
        let options = GuestOptions {
            limits,
            grants: Grants {
                env: guest.env.clone(),
            },
            settings: guest.settings.clone(),
            max_packet_size,
            prints: Prints::Heard(listener),
            ..GuestOptions::new(&guest.name)
        };
        Self {
            name: guest.name.clone(),
            make: Make::Component(component.clone(), options.clone()),
            handler: Handler::Component(Box::new(Guest::new(component, options))),
            settings: GuestSettings {
                name: guest.name.as_str().into(),
                subscriptions: guest.subscriptions.clone(),
                retries: guest.retries,
                retry_for: guest.retry_for,
                has_will: component.exports_will(),
                outcomes: component.outcomes(),
                hears_subscriptions: component.hears_subscriptions(),
                work_list: guest.work_list,
                timers: TimerSettings {
                    max: guest.limits.timers,
                    given: guest.timers.clone(),
                },
                max_state: guest.limits.state,
                permissions: guest.permissions.clone().map(Arc::new),
            },
        }
    }

    /// Has the guest look at its settings.
    ///
    /// # Errors
    /// What it says is wrong with them.
    pub(super) async fn configure(&mut self) -> anyhow::Result<()> {
        if let Handler::Component(component) = &mut self.handler {
            let configured = component.configure().await;
            configured.map_err(|why| anyhow!("guest \"{}\": {why}", self.name))?;
        }
        Ok(())
    }
}

/// Has each guest look at its settings.
pub(super) async fn configure(loaded: &mut [Loaded]) -> Result<(), Failure> {
    for guest in loaded {
        guest.configure().await.map_err(Failure::Config)?;
    }
    Ok(())
}

/// The sender of letters that come over the control socket. To the post office it is
/// one more guest.
pub(super) fn control_sender(
    tickets: Arc<AtomicU64>,
    work_list: WorkListSettings,
    permissions: Option<Permissions>,
) -> Loaded {
    Loaded {
        name: ControlSender::NAME.into(),
        handler: Handler::ControlSender(ControlSender::new(tickets)),
        make: Make::ControlSender,
        settings: GuestSettings {
            permissions: permissions.map(Arc::new),
            ..without_component(ControlSender::NAME, work_list)
        },
    }
}

/// Of what is built in, which does not fail.
fn without_component(name: &str, work_list: WorkListSettings) -> GuestSettings {
    GuestSettings {
        name: name.into(),
        subscriptions: Vec::new(),
        retries: 0,
        retry_for: Duration::ZERO,
        has_will: false,
        outcomes: MAX_OUTCOMES,
        hears_subscriptions: true,
        work_list,
        timers: TimerSettings::default(),
        max_state: 0,
        permissions: None,
    }
}

/// The handler that there is where no guest is.
pub(super) fn logger(config: &Config) -> Loaded {
    let show_payloads = config.show_payloads;
    Loaded {
        name: "logger".into(),
        handler: Handler::Logger(Logger { show_payloads }),
        make: Make::Logger { show_payloads },
        settings: GuestSettings {
            subscriptions: config.subscriptions.clone(),
            ..without_component("(log)", config.session.work_list)
        },
    }
}

/// Loads every guest. What they print goes to who listens, too.
pub(super) fn load_guests(
    config: &Config,
    components: &mut Components,
    listener: &Listener,
) -> Result<Vec<Loaded>, Failure> {
    let mut loaded = Vec::new();
    // Guests that name the same file are made of what is in it at one moment.
    let mut read: Vec<(&ComponentSource, Component)> = Vec::new();
    for guest in &config.guests {
        let known = read.iter().find(|(known, _)| **known == guest.component);
        let component = match known {
            Some((_, component)) => component.clone(),
            None => {
                let component = components
                    .get(&guest.component)
                    .with_context(|| format!("guest \"{}\"", guest.name))
                    .map_err(Failure::Config)?;
                read.push((&guest.component, component.clone()));
                component
            }
        };
        check_guest(config, guest, &component).map_err(Failure::Config)?;
        let (max, listener) = (config.max_packet_size, listener.clone());
        loaded.push(Loaded::new(guest, &component, max, listener));
    }
    Ok(loaded)
}

/// Whether a guest of this component goes with the rest of the configuration.
pub(super) fn check_guest(
    config: &Config,
    guest: &GuestConfig,
    component: &Component,
) -> anyhow::Result<()> {
    ensure!(
        config.session.status_topic.is_none() || !component.exports_will(),
        "guest \"{}\" names a last will, and so does [status]: a connection has one, \
         so take [status] or the guest away",
        guest.name
    );
    check_timers(guest, component)
}

/// A guest that is given timers is called by them.
pub(super) fn check_timers(guest: &GuestConfig, component: &Component) -> anyhow::Result<()> {
    ensure!(
        guest.timers.is_empty() || component.hears_timers(),
        "guest \"{}\" has [[guest.timer]], and its component does not export timer-handler, so \
         it would never be called: export it, or take the timers away",
        guest.name
    );
    Ok(())
}

/// A gateway of these guests.
pub(super) fn options(
    config: Config,
    loaded: Vec<Loaded>,
    keeping: Option<KeepingOptions>,
    slow_calls: Handle,
) -> Options {
    let (guests, settings) = loaded
        .into_iter()
        .map(|guest| ((guest.name, guest.handler), guest.settings))
        .unzip();
    Options {
        settings: Settings {
            is_durable: keeping.is_some(),
            ..settings_of(&config, settings)
        },
        guests,
        keeping,
        slow_calls,
        connection: connection(config),
    }
}

/// What the post office is told.
pub(super) fn settings_of(config: &Config, guests: Vec<GuestSettings>) -> Settings {
    let session = &config.session;
    Settings {
        clean_session: session.clean_session,
        keep_alive: session.keep_alive,
        backoff: session.backoff,
        first_connect_delay: session.first_connect_delay,
        last_will: session.last_will.clone(),
        status_topic: session.status_topic.clone(),
        max_packet_size: config.max_packet_size,
        max_qos: session.max_qos,
        carries_properties: config.versions != Versions::Only(Version::V4),
        is_durable: false,
        sessions: sessions(config),
        gone_guests: session.gone_guests,
        guests,
        seed: random(),
    }
}

/// What the session with each broker is called: by where the broker is, and who the
/// gateway is to it.
fn sessions(config: &Config) -> Vec<u64> {
    let session = |server: &ServerConfig| {
        let path = server.websocket.iter().map(ToString::to_string);
        let path: String = path.collect();
        checksum(&format!("{}{path} {}", server.address, config.client_id))
    };
    config.servers.iter().map(session).collect()
}

/// FNV-1a: it is kept on disk, so it has to be the same for ever.
fn checksum(text: &str) -> u64 {
    text.bytes().fold(0xCBF2_9CE4_8422_2325, |sum, byte| {
        (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
    })
}

/// How the broker is reached.
pub(super) fn connection(config: Config) -> ConnectionOptions {
    let session = &config.session;
    let session_expiry = match session.clean_session {
        true => Duration::ZERO,
        false => session.session_expiry,
    };
    ConnectionOptions {
        dialer: Arc::new(Dialer {
            binding: config.binding,
            proxy: config.proxy.map(|proxy| Proxy {
                address: proxy.address,
                login: proxy.login,
            }),
        }),
        servers: config.servers.into_iter().map(server).collect(),
        server_return: config.server_return,
        headers: config.headers.into(),
        login: config.login.map(Arc::new),
        handshake: Handshake {
            versions: config.versions,
            client_id: config.client_id,
            session_expiry,
            keep_alive: session.keep_alive,
            login: None,
            max_packet_size: config.max_packet_size,
        },
    }
}

fn server(config: ServerConfig) -> Server {
    let clock = Arc::new(TimeOfDay);
    Server {
        address: config.address,
        tls: config.tls.map(|tls| Arc::new(TlsClient::new(tls, clock))),
        websocket: config.websocket,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_is_called_by_where_the_broker_is_and_who_the_gateway_is_to_it() {
        let config = |host: &str, client_id: &str| {
            let mut config = Config {
                client_id: client_id.into(),
                ..Config::default()
            };
            config.servers[0].address.host = host.into();
            config
        };
        let one = sessions(&config("a", "gateway"));
        // As it is on disks.
        assert_eq!(one, [0xC062_0364_C9A4_003C]);
        assert_ne!(sessions(&config("b", "gateway")), one);
        assert_ne!(sessions(&config("a", "gateway-2")), one);
    }
}
