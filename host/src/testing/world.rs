//! A gateway, its broker and the network between them, in one thread and in a
//! time of its own.
//!
//! Engine, post office, guest and broker are the real ones. Only three things
//! are not: packets travel in memory and at once, nobody waits for the clock, and
//! when the network comes back the gateway does not pause before it connects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Builder;

use super::convert::to_broker;
use super::event::{Acks, Event, Network, Published, Record};
use super::in_memory::{InMemory, SHORTEST_STEP};
use crate::broker::{Ack, Core, CoreOptions, Fault, PublishError};
use crate::config::{Config, SessionConfig};
use crate::engine::{Engine, Machine};
use crate::guest::{Clocks, Component, Grants, Guest, GuestOptions, Printed, Prints, VirtualClock};
use crate::office::{
    BackoffSettings, Filter, GoneGuests, GuestSettings, MAX_STATE, Office, Qos, Schedule, Settings,
    Status, Time, TimerSettings, WorkListSettings,
};
use crate::wire::{Handshake, Version, Versions};

const CLIENT: &str = "jackalope";

/// The first pause between tries to connect: the shortest there is.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// What a world is made of.
#[derive(Debug, Clone)]
pub(crate) struct WorldOptions {
    pub(crate) version: Version,
    pub(crate) subscriptions: Vec<(Filter, Qos)>,
    pub(crate) timers: Vec<(Arc<str>, Schedule)>,
    pub(crate) env: Vec<(String, String)>,
    /// A JSON object.
    pub(crate) settings: Arc<str>,
    pub(crate) work_list: WorkListSettings,
}

impl Default for WorldOptions {
    /// MQTT 5, and nothing that the guest would subscribe to.
    fn default() -> Self {
        Self {
            version: Version::V5,
            subscriptions: Vec::new(),
            timers: Vec::new(),
            env: Vec::new(),
            settings: "{}".into(),
            work_list: WorkListSettings::default(),
        }
    }
}

/// A gateway with one guest, its broker, and the network.
#[derive(Debug)]
pub(crate) struct World {
    engine: Engine,
    machine: InMemory,
    handshake: Handshake,
}

impl World {
    /// Begins at time zero.
    pub(crate) fn new(
        component: &Component,
        options: WorldOptions,
        network: Network,
    ) -> io::Result<Self> {
        if !options.timers.is_empty() && !component.hears_timers() {
            let error = "there are timers for a guest that does not export timer-handler";
            return Err(io::Error::other(error));
        }
        let (clock, printed) = (VirtualClock::default(), Printed::default());
        let Config {
            session,
            max_packet_size,
            ..
        } = Config::default();
        let handshake = Handshake {
            versions: Versions::Only(options.version),
            session_expiry: Duration::ZERO,
            client_id: CLIENT.to_owned(),
            keep_alive: session.keep_alive,
            login: None,
            max_packet_size,
        };
        let guest_options = GuestOptions {
            grants: Grants { env: options.env },
            settings: options.settings,
            max_packet_size,
            clocks: Clocks::Virtual(clock.clone()),
            prints: Prints::Kept(printed.clone()),
            ..GuestOptions::new("guest")
        };
        let guest_settings = GuestSettings {
            name: "guest".into(),
            subscriptions: options.subscriptions,
            retries: RETRIES,
            retry_for: RETRY_FOR,
            has_will: component.exports_will(),
            outcomes: component.outcomes(),
            hears_subscriptions: component.hears_subscriptions(),
            work_list: options.work_list,
            timers: TimerSettings {
                given: options.timers,
                ..TimerSettings::default()
            },
            max_state: MAX_STATE,
            permissions: None,
        };
        let settings = Settings {
            carries_properties: options.version == Version::V5,
            ..settings(session, max_packet_size, guest_settings)
        };
        let broker = CoreOptions {
            messages_kept: usize::MAX,
            ..CoreOptions::default()
        };
        // Not for waiting: it yields where a guest computes for long.
        let runtime = Builder::new_current_thread().enable_time().build()?;
        let guest = Guest::new(component, guest_options);
        let broker = Core::new(broker);
        let mut world = Self {
            engine: Engine::new(Office::new(Time::default(), settings)),
            machine: InMemory::new(network, broker, guest, clock, printed, runtime),
            handshake,
        };
        world.run_until_idle();
        Ok(world)
    }

    /// Takes what was recorded since the last time, the oldest first.
    pub(crate) fn take_records(&mut self) -> Vec<Record> {
        self.machine.journal.take()
    }

    /// What the gateway did that MQTT forbids: a bug of the host, not of a guest.
    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.machine.broker.violations().iter();
        violations.map(ToString::to_string).collect()
    }

    // ---- inputs ----

    /// Somebody publishes a message.
    pub(crate) fn publish(&mut self, message: Published) -> Result<(), PublishError> {
        self.give_to_broker(message)?;
        self.run_until_idle();
        Ok(())
    }

    /// Somebody publishes a message, and then the network goes down: the message
    /// reaches the gateway, but nothing that the guest answers gets out.
    pub(crate) fn publish_then_network_down(
        &mut self,
        message: Published,
    ) -> Result<(), PublishError> {
        self.give_to_broker(message)?;
        self.machine.carry();
        self.set_network(Network::Down);
        Ok(())
    }

    pub(crate) fn set_network(&mut self, network: Network) {
        if self.machine.network == network {
            return;
        }
        self.machine.network = network;
        self.machine.record(Event::Network(network));
        if network == Network::Up {
            let now = self.machine.now();
            self.engine.office_mut().handle_reconnect(now);
        }
        self.run_until_idle();
    }

    pub(crate) fn set_acks(&mut self, acks: Acks) {
        self.machine.record(Event::Acks(acks));
        let (now, broker) = (self.machine.now(), &mut self.machine.broker);
        match acks {
            Acks::Sent => broker.clear_faults(now.into()),
            Acks::Withheld => {
                let acks = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp];
                broker.inject(now.into(), Fault::WithholdAcks(acks));
            }
        }
    }

    /// Starts the guest anew, as after a trap.
    pub(crate) fn restart_guest(&mut self) {
        self.machine.restart_guest();
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let until = self.machine.now() + duration;
        while self.step_towards(until) {
            self.run_until_idle();
        }
    }

    // ---- virtual time ----

    /// Sets the clock to the next moment at which something is due, at most to
    /// `until`. Returns false if it had reached that before.
    fn step_towards(&mut self, until: Time) -> bool {
        let now = self.machine.now();
        if until <= now {
            return false;
        }
        let next = [
            self.engine.next_timeout(),
            self.machine.broker.next_timeout().map(Time::from),
        ];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        // What is still due now was left undone for a reason.
        self.machine
            .set_time(next.max(now + SHORTEST_STEP).min(until));
        true
    }

    /// Runs turns until nothing more happens at this moment. While the network is
    /// up and the gateway is not online, time passes until it has connected.
    fn run_until_idle(&mut self) {
        // It takes more than one try only if a guest keeps asking for a new
        // connection.
        let give_up = self.machine.now() + Duration::from_secs(1);
        loop {
            while self.turn() {}
            let is_offline = self.engine.office().status() == Status::Offline;
            let waits = is_offline && self.machine.network == Network::Up;
            if !waits || !self.step_towards(give_up) {
                return;
            }
        }
    }

    /// One turn of the gateway and the broker. Returns whether there may be more
    /// to do at this moment.
    fn turn(&mut self) -> bool {
        let now = self.machine.now();
        self.machine.broker.handle_timeout(now.into());
        let has_more = self.engine.turn(&mut self.machine);
        self.machine.record_reports(self.engine.office_mut());
        let is_dialing = self.machine.is_dialing();
        if is_dialing {
            let dialed = self.machine.finish_dial().map(|()| &self.handshake);
            self.engine.handle_dialed(&mut self.machine, dialed);
        }
        self.machine.carry();
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        !self.machine.has_called_enough()
            && (has_more
                || is_dialing
                || self.machine.has_input()
                || is_due(self.engine.next_timeout()))
    }

    fn give_to_broker(&mut self, message: Published) -> Result<(), PublishError> {
        let Published {
            topic,
            payload,
            qos,
            retain,
            properties,
            ..
        } = message.clone();
        let properties = to_broker(properties.as_deref());
        let (now, broker) = (self.machine.now(), &mut self.machine.broker);
        let (now, qos) = (now.into(), qos.into());
        broker.publish_with(now, &topic, payload, qos, retain, properties)?;
        self.machine.record(Event::Message(message));
        Ok(())
    }
}

/// How often a call that failed is made again: the configuration's default.
const RETRIES: u32 = 3;

/// How long it may put a message off: the configuration's default.
const RETRY_FOR: Duration = Duration::from_secs(3600);

fn settings(session: SessionConfig, max_packet_size: usize, guest: GuestSettings) -> Settings {
    Settings {
        clean_session: session.clean_session,
        keep_alive: session.keep_alive,
        backoff: BackoffSettings {
            min: FIRST_PAUSE,
            ..session.backoff
        },
        first_connect_delay: Duration::ZERO,
        last_will: None,
        status_topic: None,
        max_packet_size,
        max_qos: Qos::ExactlyOnce,
        carries_properties: false,
        guests: vec![guest],
        is_durable: false,
        gone_guests: GoneGuests::Keep,
        sessions: Vec::new(),
        seed: 0,
    }
}
