//! A gateway, its broker and the network between them, in one thread and in a
//! time of its own.
//!
//! Post office, guest and broker are the real ones. Only three things are not:
//! packets travel in memory and at once, nobody waits for the clock, and when
//! the network comes back the gateway does not pause before it connects.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::{Builder, Runtime};

use super::happening::{Acks, Happened, Happening, Network, Published, call_name};
use super::journal::Journal;
use super::line::{Line, Read};
use crate::broker::{Ack, Core, CoreOptions, Fault, PublishError};
use crate::config::{Config, SessionConfig};
use crate::guest::{Clocks, Component, Grants, Guest, GuestOptions, Printed, Prints, VirtualClock};
use crate::office::{
    BackoffSettings, Disconnection, GuestSettings, Office, Qos, Settings, Status, Time,
};
use crate::wire::Handshake;

const CLIENT: &str = "jackalope";

/// A guest that is called more often than this without any time passing is
/// taken to answer itself.
const CALLS_AT_ONCE: usize = 10_000;

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
    now: Time,
    clock: VirtualClock,
    printed: Printed,
    runtime: Runtime,
    guest: Guest,
    office: Office,
    broker: Core,
    line: Line,
    /// How many calls were made since time has passed.
    calls: usize,
    journal: Journal,
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
            has_will: component.exports_will(),
        };
        let settings = settings(session, max_packet_size, guest_settings);
        let broker = CoreOptions {
            messages_kept: usize::MAX,
            ..CoreOptions::default()
        };
        let mut world = Self {
            now: Time::default(),
            clock,
            printed,
            // Not for waiting: it yields where a guest computes for long.
            runtime: Builder::new_current_thread().enable_time().build()?,
            guest: Guest::new(component, guest_options),
            office: Office::new(Time::default(), settings),
            broker: Core::new(broker),
            line: Line::new(network, handshake),
            calls: 0,
            journal: Journal::default(),
        };
        world.settle();
        Ok(world)
    }

    /// Takes what has happened since the last time, the oldest first.
    pub(crate) fn take_happened(&mut self) -> Vec<Happened> {
        self.journal.take()
    }

    /// What the gateway did that a client of MQTT must not do: a fault of the
    /// host, never of a guest.
    pub(crate) fn violations(&self) -> Vec<String> {
        let violations = self.broker.violations().iter();
        violations.map(ToString::to_string).collect()
    }

    // ---- what can be done to it ----

    /// Somebody publishes a message.
    pub(crate) fn publish(&mut self, message: Published) -> Result<(), PublishError> {
        self.give_to_broker(message)?;
        self.settle();
        Ok(())
    }

    /// Somebody publishes a message, and it is the last one to get through:
    /// the network is down before the guest is called with it.
    pub(crate) fn publish_and_cut(&mut self, message: Published) -> Result<(), PublishError> {
        self.give_to_broker(message)?;
        self.read();
        self.set_network(Network::Down);
        Ok(())
    }

    pub(crate) fn set_network(&mut self, network: Network) {
        if self.line.network == network {
            return;
        }
        self.line.network = network;
        self.happen(Happening::Network(network));
        match network {
            Network::Up => self.office.handle_reconnect(self.now),
            Network::Down => self.hang_up("the network is down"),
        }
        self.settle();
    }

    pub(crate) fn set_acks(&mut self, acks: Acks) {
        self.happen(Happening::Acks(acks));
        match acks {
            Acks::Sent => self.broker.clear_faults(self.now.into()),
            Acks::Withheld => {
                let acks = vec![Ack::PubAck, Ack::PubRec, Ack::PubComp];
                self.broker
                    .inject(self.now.into(), Fault::WithholdAcks(acks));
            }
        }
    }

    /// Lets time pass.
    pub(crate) fn advance(&mut self, duration: Duration) {
        let until = self.now + duration;
        while self.step_towards(until) {
            self.settle();
        }
    }

    // ---- how it goes on ----

    /// To the next moment at which something is due, but not beyond `until`;
    /// false when that is reached.
    fn step_towards(&mut self, until: Time) -> bool {
        if until <= self.now {
            return false;
        }
        let broker = self.broker.next_timeout().map(Time::from);
        let next = [self.office.next_timeout(), broker];
        let next = next.into_iter().flatten().min().unwrap_or(until);
        // What is still due now was left undone for a reason.
        self.now = next.max(self.now + Duration::from_millis(1)).min(until);
        self.clock.set(self.now);
        self.calls = 0;
        true
    }

    /// Does all that there is to do now, and connects if it can.
    fn settle(&mut self) {
        // More than one pause can only follow from a guest that reconnects.
        let give_up = self.now + Duration::from_secs(1);
        loop {
            while self.turn() {}
            let waits = self.line.network == Network::Up && self.office.status() == Status::Offline;
            if !waits || !self.step_towards(give_up) {
                return;
            }
        }
    }

    /// One turn of the gateway and the broker; whether anything was done.
    fn turn(&mut self) -> bool {
        self.office.handle_timeout(self.now);
        self.broker.handle_timeout(self.now.into());
        // First, as on a gateway: guests hear that there is no connection before
        // there is one.
        let called = self.call();
        let connected = self.connect();
        let read = self.read();
        let wrote = self.write();
        let closed = self.close();
        self.note();
        connected || read || called || wrote || closed
    }

    fn connect(&mut self) -> bool {
        let Some(connect) = self.office.poll_connect(self.now) else {
            return false;
        };
        if let Err(reason) = self.line.dial(self.now, &connect, &mut self.broker) {
            self.office.handle_disconnected(self.now, reason);
        }
        true
    }

    fn read(&mut self) -> bool {
        let mut did = false;
        while self.office.wants_read(self.now) {
            match self.line.read(&mut self.broker) {
                Read::Nothing => break,
                Read::Packet(packet) => self.office.handle_packet(self.now, packet),
                Read::End(reason) => {
                    self.line.hang_up(self.now, &mut self.broker);
                    self.office.handle_disconnected(self.now, reason);
                }
            }
            self.close();
            did = true;
        }
        did
    }

    fn call(&mut self) -> bool {
        let mut did = false;
        while self.calls < CALLS_AT_ONCE
            && let Some(assignment) = self.office.poll_call(self.now)
        {
            self.calls += 1;
            if self.calls == CALLS_AT_ONCE {
                self.happen(Happening::Failed {
                    call: call_name(&assignment.call),
                    error: format!("called {CALLS_AT_ONCE} times at once; does it answer itself?"),
                    again: true,
                });
            }
            let answer = self.runtime.block_on(self.guest.call(&assignment));
            for line in self.printed.take() {
                self.happen(Happening::Printed(line));
            }
            self.office
                .handle_answer(self.now, assignment.guest, answer);
            self.note();
            did = true;
        }
        did
    }

    fn write(&mut self) -> bool {
        let mut did = false;
        while self.line.is_open()
            && let Some(dispatch) = self.office.poll_packet(self.now)
        {
            if let Err(reason) = self.line.write(self.now, dispatch.packet, &mut self.broker) {
                self.line.hang_up(self.now, &mut self.broker);
                self.office.handle_disconnected(self.now, reason);
            }
            did = true;
        }
        did
    }

    /// Ends the connection if the post office wants that.
    fn close(&mut self) -> bool {
        let Some(reason) = self.office.poll_close() else {
            return false;
        };
        if reason == Disconnection::Reconnect {
            self.line.say_goodbye(self.now, &mut self.broker);
        }
        self.line.hang_up(self.now, &mut self.broker);
        true
    }

    fn hang_up(&mut self, reason: &str) {
        if self.line.hang_up(self.now, &mut self.broker) {
            let reason = Disconnection::Failed(reason.to_owned());
            self.office.handle_disconnected(self.now, reason);
        }
    }

    fn give_to_broker(&mut self, message: Published) -> Result<(), PublishError> {
        let Published {
            topic,
            payload,
            qos,
            retain,
        } = message.clone();
        self.broker
            .publish(self.now.into(), &topic, payload, qos.into(), retain)?;
        self.happen(Happening::Message(message));
        Ok(())
    }

    /// Writes down what broker and post office have to say.
    fn note(&mut self) {
        // The trace of packets is not what a test of a guest is about.
        while self.broker.poll_event().is_some() {}
        self.journal.look_at(self.now, self.broker.messages());
        while let Some(notice) = self.office.poll_notice() {
            self.journal.handle_notice(self.now, notice);
        }
    }

    fn happen(&mut self, what: Happening) {
        self.journal.happen(self.now, what);
    }
}

/// How often a call that failed is made again: the configuration's default.
const RETRIES: u32 = 3;

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
