//! A gateway for tests in Rust.

// A test that can not go on says so by panicking.
#![allow(clippy::panic)]

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::event::{Acks, Asked, Event, Network, Published, Record};
use super::load::{GuestError, load};
use super::world::{World, WorldOptions};
use crate::guest::{Component, Engine, EngineError};
use crate::office::{Filter, Outcome, Qos, Schedule};

/// Why there is no site.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SiteError {
    /// This machine can not run WebAssembly.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The guest can not be loaded.
    #[error(transparent)]
    Guest(#[from] GuestError),
    /// A subscription is not a topic filter.
    #[error("{filter:?} {reason}")]
    Filter {
        /// What it is.
        filter: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The guest does not take what the site has for it, or the machine gives no
    /// runtime.
    #[error("the guest can not be run")]
    Runtime(#[from] io::Error),
}

/// A site that has not begun yet.
#[derive(Debug, Clone)]
#[must_use]
pub struct SiteOptions {
    component: Component,
    filters: Vec<(String, Qos)>,
    timers: Vec<(Arc<str>, Schedule)>,
    env: Vec<(String, String)>,
    settings: Arc<str>,
}

/// A gateway with one guest, a broker, and the network between them.
///
/// What happens is recorded. These take records out, so that each is seen
/// once: [`published`](Self::published), [`outcomes`](Self::outcomes),
/// [`rejections`](Self::rejections), or [`records`](Self::records).
///
/// Must not be used within an async runtime: it brings its own.
#[derive(Debug)]
pub struct Site {
    pub(super) world: World,
    records: Vec<Record>,
}

impl SiteOptions {
    /// A subscription of the guest, with QoS 1.
    pub fn subscribe(self, filter: &str) -> Self {
        self.subscribe_with(filter, Qos::AtLeastOnce)
    }

    /// A subscription of the guest.
    pub fn subscribe_with(mut self, filter: &str, qos: Qos) -> Self {
        self.filters.push((filter.to_owned(), qos));
        self
    }

    /// A timer that the guest has from the start, by which it is called again and
    /// again.
    pub fn timer(mut self, name: &str, every: Duration) -> Self {
        self.timers.push((Arc::from(name), Schedule::every(every)));
        self
    }

    /// A variable of the guest's environment.
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.env.push((name.to_owned(), value.to_owned()));
        self
    }

    /// What the guest gets as its settings: a JSON object. Without, `{}`.
    pub fn settings(mut self, json: &str) -> Self {
        self.settings = json.into();
        self
    }

    /// Begins with the network up, the gateway connected and subscribed.
    pub fn online(self) -> Result<Site, SiteError> {
        self.begin(Network::Up)
    }

    /// Begins with the network down.
    pub fn offline(self) -> Result<Site, SiteError> {
        self.begin(Network::Down)
    }

    fn begin(self, network: Network) -> Result<Site, SiteError> {
        let mut subscriptions = Vec::new();
        for (filter, qos) in self.filters {
            match filter.parse::<Filter>() {
                Ok(filter) => subscriptions.push((filter, qos)),
                Err(reason) => {
                    let reason = reason.to_string();
                    return Err(SiteError::Filter { filter, reason });
                }
            }
        }
        let options = WorldOptions {
            subscriptions,
            timers: self.timers,
            env: self.env,
            settings: self.settings,
            ..WorldOptions::default()
        };
        Ok(Site {
            world: World::new(&self.component, options, network)?,
            records: Vec::new(),
        })
    }
}

impl Site {
    /// A site for this guest: the path of a component, or `example:door`.
    ///
    /// This compiles the component. Where many tests share one, load it once
    /// and use [`Site::of`].
    #[expect(clippy::new_ret_no_self, reason = "a site has options first")]
    pub fn new(guest: &str) -> Result<SiteOptions, SiteError> {
        let engine = Engine::start()?;
        Ok(Self::of(&load(&engine, guest)?))
    }

    /// A site for a guest that is loaded already.
    pub fn of(component: &Component) -> SiteOptions {
        SiteOptions {
            component: component.clone(),
            filters: Vec::new(),
            timers: Vec::new(),
            env: Vec::new(),
            settings: "{}".into(),
        }
    }

    // ---- inputs ----

    /// Somebody publishes a message with QoS 1.
    ///
    /// # Panics
    /// If the broker does not take it, because the topic is not a topic name or
    /// the message is too large. All methods that publish do so.
    #[track_caller]
    pub fn message(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        self.publish(message(topic, payload.into()));
    }

    /// Somebody publishes a message.
    ///
    /// The guest finds it `retained` if the broker has it from before the guest
    /// has subscribed: publish it with `retain` while the network is down.
    #[track_caller]
    pub fn publish(&mut self, message: Published) {
        if let Err(error) = self.world.publish(message) {
            panic!("the broker does not take the message: {error}");
        }
    }

    /// Somebody publishes a message with QoS 1, and then the network goes down:
    /// the message reaches the guest, but nothing that it publishes gets out.
    #[track_caller]
    pub fn message_then_network_down(&mut self, topic: &str, payload: impl Into<Vec<u8>>) {
        if let Err(error) = self
            .world
            .publish_then_network_down(message(topic, payload.into()))
        {
            panic!("the broker does not take the message: {error}");
        }
    }

    /// The network goes down.
    pub fn network_down(&mut self) {
        self.world.set_network(Network::Down);
    }

    /// The network comes back, and the gateway connects at once.
    pub fn network_up(&mut self) {
        self.world.set_network(Network::Up);
    }

    /// Makes the broker send or withhold acknowledgements from now on. Those that
    /// it has withheld are never sent.
    pub fn acks(&mut self, acks: Acks) {
        self.world.set_acks(acks);
    }

    /// Starts the guest anew, as after a trap: what it had in its memory is gone, and its
    /// state and its timers are there.
    pub fn restart_guest(&mut self) {
        self.world.restart_guest();
    }

    /// Lets time pass.
    pub fn advance(&mut self, duration: Duration) {
        self.world.advance(duration);
    }

    // ---- results ----

    /// Takes the messages that the guest has published and the broker has
    /// received, the oldest first.
    pub fn published(&mut self) -> Vec<Published> {
        self.take(|event| match event {
            Event::Published(message) => Ok(message),
            other => Err(other),
        })
    }

    /// Takes the outcomes of the guest's letters, each with its topic, the oldest
    /// first. Letters that others of the same call have displaced are not in it.
    pub fn outcomes(&mut self) -> Vec<(String, Outcome)> {
        self.take(|event| match event {
            Event::Outcome {
                topic: Some(topic),
                outcome,
                ..
            } => Ok((topic.to_string(), outcome)),
            other => Err(other),
        })
    }

    /// Takes the reasons for which the guest has rejected messages, the oldest
    /// first.
    pub fn rejections(&mut self) -> Vec<String> {
        self.take(|event| match event {
            Event::Rejected { reason, .. } => Ok(reason),
            other => Err(other),
        })
    }

    /// Takes all records that are left, the oldest first.
    pub fn records(&mut self) -> Vec<Record> {
        self.take_from_world();
        std::mem::take(&mut self.records)
    }

    fn take<T>(&mut self, select: impl Fn(Event) -> Result<T, Event>) -> Vec<T> {
        self.take_from_world();
        let mut taken = Vec::new();
        let mut left = Vec::new();
        for Record { at, event } in std::mem::take(&mut self.records) {
            match select(event) {
                Ok(item) => taken.push(item),
                Err(event) => left.push(Record { at, event }),
            }
        }
        self.records = left;
        taken
    }

    fn take_from_world(&mut self) {
        self.records.append(&mut self.world.take_records());
    }
}

fn message(topic: &str, payload: Vec<u8>) -> Published {
    Published {
        topic: topic.to_owned(),
        payload,
        qos: Qos::AtLeastOnce,
        retain: false,
        properties: None,
        asked: Asked::default(),
    }
}
