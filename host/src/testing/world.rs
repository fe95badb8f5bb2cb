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

use super::happening::{Acks, Happened, Happening, Network, Published};
use super::in_memory::{InMemory, MOMENT};
use crate::broker::{Ack, Core, CoreOptions, Fault, PublishError};
use crate::config::{Config, SessionConfig};
use crate::engine::{Engine, Machine};
use crate::guest::{Clocks, Component, Grants, Guest, GuestOptions, Printed, Prints, VirtualClock};
use crate::office::{BackoffSettings, GuestSettings, Office, Qos, Settings, Status, Time};
use crate::wire::Handshake;

const CLIENT: &str = "jackalope";

/// The first pause between tries to connect: as good as none.
const FIRST_PAUSE: Duration = Duration::from_millis(1);

/// What a world begins with.
#[derive(Debug, Clone, Default)]
pub(crate) struct WorldOptions {
    pub(crate) subscriptions: Vec<(Arc<str>, Qos)>,
    pub(crate) env: Vec<(String, String)>,
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
        let (clock, printed) = (VirtualClock::default(), Printed::default());
        let Config {
            session,
            max_packet_size,
            ..
        } = Config::default();
        let handshake = Handshake {
            client_id: CLIENT.to_owned(),
            keep_alive: session.keep_alive,
            login: None,
            max_packet_size,
        };
        let guest_options = GuestOptions {
            grants: Grants { env: options.env },
            max_packet_size,
            clocks: Clocks::Virtual(clock.clone()),
            prints: Prints::Kept(printed.clone()),
            ..GuestOptions::new("guest")
        };
        let guest_settings = GuestSettings {
            subscriptions: options.subscriptions,
            retries: RETRIES,
            retry_for: RETRY_FOR,
            has_will: component.exports_will(),
        };
        let settings = settings(session, max_packet_size, guest_settings);
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
        world.do_all();
        Ok(world)
    }

    /// Takes what has happened since the last time, the oldest first.
    pub(crate) fn take_happened(&mut self) -> Vec<Happened> {
        self.machine.journal.take()
    }

    /// What the gateway did that a client of MQTT must not do: a fault of the
    /// host, never of a guest.
    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.machine.broker.violations().iter();
        violations.map(ToString::to_string).collect()
    }

    // ---- what can be done to it ----

    /// Somebody publishes a message.
    pub(crate) fn publish(&mut self, message: Published) -> Result<(), PublishError> {
        self.give_to_broker(message)?;
        self.do_all();
        Ok(())
    }

    /// Somebody publishes a message, and it is the last one to get through:
    /// the network is down before the guest is called with it.
    pub(crate) fn publish_and_cut(&mut self, message: Published) -> Result<(), PublishError> {
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
        self.machine.happen(Happening::Network(network));
        if network == Network::Up {
            let now = self.machine.now();
            self.engine.office_mut().handle_reconnect(now);
        }
        self.do_all();
    }

    pub(crate) fn set_acks(&mut self, acks: Acks) {
        self.machine.happen(Happening::Acks(acks));
        let (now, broker) = (self.machine.now(), &mut self.machine.broker);
        match acks {
            Acks::Sent => broker.clear_faults(now.into()),
            Acks::Withheld => {
                let acks = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp];
                broker.inject(now.into(), Fault::WithholdAcks(acks));
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let until = self.machine.now() + duration;
        while self.step_towards(until) {
            self.do_all();
        }
    }

    // ---- how it goes on ----

    /// To the next moment at which something is due, but not beyond `until`.
    /// Returns whether that was not reached before.
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
        self.machine.set_time(next.max(now + MOMENT).min(until));
        true
    }

    /// Does all that there is to do now, and connects if it can.
    fn do_all(&mut self) {
        // More than one pause can only follow from a guest that reconnects.
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
        self.machine.note(self.engine.office_mut());
        let dialed = self.machine.poll_dialed();
        let has_dialed = dialed.is_some();
        if let Some(dialed) = dialed {
            let dialed = dialed.map(|()| &self.handshake);
            self.engine.handle_dialed(&mut self.machine, dialed);
        }
        let is_due = |at: Option<Time>| at.is_some_and(|at| at <= now);
        !self.machine.has_called_enough()
            && (has_more
                || has_dialed
                || self.machine.has_input()
                || is_due(self.engine.next_timeout()))
    }

    fn give_to_broker(&mut self, message: Published) -> Result<(), PublishError> {
        let Published {
            topic,
            payload,
            qos,
            retain,
        } = message.clone();
        let (now, broker) = (self.machine.now(), &mut self.machine.broker);
        broker.publish(now.into(), &topic, payload, qos.into(), retain)?;
        self.machine.happen(Happening::Message(message));
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
        max_packet_size,
        work_list: session.work_list,
        guests: vec![guest],
        seed: 0,
    }
}
