//! Runs a schedule: post office, fake broker, and what is between them, in one
//! thread and in simulated time.
//!
//! The gateway's part is played as `host/src/gateway` and `host/src/wire` play
//! it: packets are encoded in batches at the moment they are polled, a batch
//! that the network does not take in time ends the connection, and what is
//! under way on a connection that is let go is lost.

mod broker_side;
mod calm;
mod gateway_side;

use std::time::Duration;

use bytes::BytesMut;
use jackalope::broker::{ConnectionId, Core, CoreOptions, DeliverQos2};
use jackalope::office::{
    BackoffSettings, Connect, Dispatch, GuestId, GuestSettings, Notice, Office, Outcome, Qos,
    Settings, Time, WorkListSettings,
};
use jackalope::wire::{Decoder, Handshake};

use crate::broker_log::BrokerLog;
use crate::calls::Calls;
use crate::guests::{Guest, Key, next_ticket, time, to_letter};
use crate::messages::Messages;
use crate::model::{Check, Model, ensure};
use crate::network::Network;
use crate::schedule::{CutPlan, LetterPlan, Schedule, Setup, Step};

/// The client id of the gateway.
const CLIENT: &str = "gateway";

/// How often everything may happen at one moment before that is a livelock.
const PATIENCE: u32 = 20_000;

/// Ends a simulation that has nothing more to say. The broker has lost the
/// session and begun another with a CONNACK that never arrived; the next
/// CONNACK says "session present", and nothing in MQTT 3.1.1 tells the gateway
/// that it is not the session it knows.
const MISTAKEN: &str = "mistaken session";

/// One connection, as the gateway has it.
#[derive(Debug)]
struct Wire {
    id: ConnectionId,
    decoder: Decoder,
    input: BytesMut,
    output: BytesMut,
    /// When the batch in `output` must be with the kernel.
    write_by: Option<u64>,
    /// When the first of the batch expires.
    expires: Option<u64>,
}

/// A connection that is being made.
#[derive(Debug)]
struct Dial {
    connect: Connect,
    /// When it is made, if ever.
    until: Option<u64>,
    succeeds: bool,
}

#[derive(Debug)]
pub(crate) struct Run {
    setup: Setup,
    now: u64,
    /// The clock jumps after so many more inputs.
    jump: Option<(u32, u64)>,
    office: Office,
    core: Core,
    network: Network,
    wire: Option<Wire>,
    dial: Option<Dial>,
    reading_stopped: bool,
    /// The session that the gateway knows.
    session: Option<u64>,
    refused_dials: u32,
    dials_hang: bool,
    last_connection: u64,
    guests: Vec<Guest>,
    tickets: u64,
    messages_sent: u64,
    handshake: Handshake,

    model: Model,
    messages: Messages,
    calls: Calls,
    broker_log: BrokerLog,
    /// How often the gateway has done something.
    deeds: u64,
    trace: Option<Vec<String>>,
}

/// Runs a schedule to its end, and what was found wrong. Fills in `trace`, if
/// there is one, with what has happened.
pub(crate) fn run(schedule: &Schedule, trace: Option<&mut Vec<String>>) -> Check {
    let mut run = Run::new(schedule, trace.is_some());
    let result = match run.steps(schedule) {
        Err(reason) if reason == MISTAKEN => Ok(()),
        result => result,
    };
    if let Some(trace) = trace {
        *trace = run.trace.unwrap_or_default();
    }
    result
}

impl Run {
    fn new(schedule: &Schedule, traces: bool) -> Self {
        let setup = schedule.setup.clone();
        let guests = setup.guests.iter().map(|guest| GuestSettings {
            subscriptions: guest
                .subscriptions
                .iter()
                .map(|(filter, qos)| ((*filter).into(), *qos))
                .collect(),
            retries: guest.retries,
            has_will: guest.has_will,
        });
        let keep_alive = Duration::from_secs(setup.keep_alive);
        let settings = Settings {
            clean_session: setup.clean_session,
            keep_alive,
            backoff: BackoffSettings {
                min: Duration::from_secs(1),
                max: Duration::from_secs(30),
            },
            first_connect_delay: Duration::ZERO,
            last_will: None,
            max_packet_size: setup.max_sent,
            work_list: WorkListSettings {
                max: setup.max,
                overflow: setup.overflow,
            },
            guests: guests.collect(),
            seed: setup.seed,
        };
        let core = Core::new(CoreOptions {
            window: setup.window,
            queue: 100_000,
            deliver_qos2: if setup.deliver_at_publish {
                DeliverQos2::AtPublish
            } else {
                DeliverQos2::AtPubrel
            },
            ..CoreOptions::default()
        });
        let now = 1_000;
        Self {
            now,
            jump: None,
            office: Office::new(time(now), settings),
            core,
            network: Network::new(setup.seed, setup.split),
            wire: None,
            dial: None,
            reading_stopped: false,
            session: None,
            refused_dials: 0,
            dials_hang: false,
            last_connection: 0,
            guests: setup.guests.iter().map(|_| Guest::default()).collect(),
            tickets: 0,
            messages_sent: 0,
            handshake: Handshake {
                client_id: CLIENT.into(),
                keep_alive,
                login: None,
                max_packet_size: setup.max_read,
            },
            model: Model::new(&setup),
            messages: Messages::new(&setup),
            calls: Calls::new(&setup),
            broker_log: BrokerLog::new(schedule),
            deeds: 0,
            trace: traces.then(Vec::new),
            setup,
        }
    }

    fn steps(&mut self, schedule: &Schedule) -> Check {
        for step in &schedule.steps {
            self.note(|| format!("-- {step:?}"));
            self.step(step)?;
            self.pass(0)?;
        }
        self.calm(schedule)
    }

    fn step(&mut self, step: &Step) -> Check {
        match step {
            Step::Wait(millis) => return self.pass(*millis),
            Step::Jump(millis) => self.now += millis,
            Step::JumpAfter(inputs, millis) => self.jump = Some((*inputs, *millis)),
            Step::Plan(guest, plan) => self.guests[*guest].plans.push_back(plan.clone()),
            Step::Post(guest, letter, times) => {
                for _ in 0..*times {
                    self.post(*guest, letter)?;
                    self.pass(0)?;
                }
            }
            Step::Message(message, times) => {
                for _ in 0..*times {
                    self.publish(message)?;
                }
            }
            Step::Fault(fault) => return self.inject(*fault),
            Step::ClearFaults => {
                self.core.clear_faults(time(self.now).into());
                self.reading_stopped = false;
                return self.drain_broker();
            }
            Step::Delay(up, down) => (self.network.up, self.network.down) = (*up, *down),
            Step::Capacity(bytes) => self.network.capacity = *bytes,
            Step::Cut(cut) => self.cut(*cut),
            Step::RefuseDials(times) => self.refused_dials = *times,
            Step::HangDials(hang) => self.dials_hang = *hang,
            Step::Reconnect => {
                let now = self.tick();
                self.office.handle_reconnect(time(now));
                self.reconcile()?;
                self.close_if_due();
            }
        }
        Ok(())
    }

    /// Posts a letter outside of any call; its ticket.
    fn post(&mut self, guest: usize, plan: &LetterPlan) -> Result<u64, String> {
        let letter = to_letter(next_ticket(&mut self.tickets), plan);
        let ticket = letter.ticket.0;
        let guest = GuestId(guest as u16);
        let now = self.tick();
        self.model.expire(now);
        self.model.post(now, now, guest, &letter);
        self.office.post(time(now), guest, letter);
        self.reconcile()?;
        Ok(ticket)
    }

    /// Someone else publishes.
    fn publish(&mut self, message: &LetterPlan) -> Check {
        self.messages_sent += 1;
        let payload = Key::Message(self.messages_sent).payload(message.padding);
        let (now, qos) = (time(self.now).into(), message.qos.into());
        self.core
            .publish(now, message.topic, payload, qos, message.retain)
            .map_err(|error| error.to_string())?;
        self.drain_broker()
    }

    fn cut(&mut self, cut: CutPlan) {
        if let Some(wire) = &self.wire {
            self.network.cut(self.now, wire.id, cut);
        }
    }

    /// The time, as every input of the post office asks for it anew.
    fn tick(&mut self) -> u64 {
        match &mut self.jump {
            Some((0, millis)) => {
                self.now += *millis;
                self.jump = None;
            }
            Some((inputs, _)) => *inputs -= 1,
            None => {}
        }
        self.now
    }

    /// Lets time pass, with all that happens meanwhile.
    fn pass(&mut self, millis: u64) -> Check {
        let end = self.now + millis;
        let (mut moment, mut turns, mut idle) = (self.now, 0, 0);
        loop {
            let deeds = self.deeds;
            self.turn()?;
            let due = self.next_event();
            let at = due.map_or(end, |due| due.max(self.now));
            if at > end || due.is_none() {
                self.now = self.now.max(end);
                return Ok(());
            }
            turns += 1;
            if self.now.max(at) > moment {
                (moment, turns) = (self.now.max(at), 0);
                idle = 0;
            }
            ensure!(turns < PATIENCE, "livelock: it does not come to rest");
            self.now = at;
            self.deliver()?;
            idle = if deeds == self.deeds { idle + 1 } else { 0 };
            ensure!(
                idle < 5,
                "the next timeout, {:?}, is past at {}, and nothing is done",
                self.office.next_timeout(),
                self.now
            );
        }
    }

    /// When anything happens next.
    fn next_event(&mut self) -> Option<u64> {
        let reads = self.broker_reads();
        let office = self.office.next_timeout().map(Time::as_millis);
        let broker = self.core.next_timeout().map(|at| at.as_millis());
        let stuck = self.wire.as_ref().and_then(|wire| wire.write_by);
        let dial = self.dial.as_ref().and_then(|dial| dial.until);
        let guests = self
            .guests
            .iter()
            .filter_map(|guest| guest.running.as_ref());
        let answer = guests.map(|running| running.until).min();
        let arrival = self.network.next_arrival(reads);
        [office, broker, stuck, dial, answer, arrival]
            .into_iter()
            .flatten()
            .min()
    }

    /// An input of the post office that carries the time.
    fn input<R>(&mut self, handle: impl FnOnce(&mut Office, Time) -> R) -> Result<R, String> {
        let now = self.tick();
        self.model.expire(now);
        let result = handle(&mut self.office, time(now));
        self.reconcile()?;
        Ok(result)
    }

    /// Compares the post office with the model; true if a call was given up.
    fn reconcile(&mut self) -> Result<bool, String> {
        let (mut outcomes, mut given_up) = (Vec::new(), false);
        while let Some(notice) = self.office.poll_notice() {
            self.note(|| format!("{notice:?}"));
            match notice {
                Notice::Outcome {
                    guest,
                    ticket,
                    outcome,
                } => outcomes.push((guest, ticket, outcome)),
                Notice::GivenUp { .. } => given_up = true,
                Notice::Offline { .. } => self.model.online = false,
                _ => {}
            }
        }
        for (_, ticket, outcome) in &outcomes {
            let is_acked = self
                .model
                .origin(ticket.0)
                .is_some_and(|(_, qos)| qos != Qos::AtMostOnce);
            if is_acked && *outcome == Outcome::Delivered {
                self.broker_log.check_delivered(*ticket)?;
            }
        }
        self.model.reconcile(outcomes)?;
        ensure!(
            self.office.open_letters() == self.model.open(),
            "{} letters are open and should be {}",
            self.office.open_letters(),
            self.model.open()
        );
        Ok(given_up)
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {}", self.now, line()));
        }
    }

    fn write(&mut self, now: u64, dispatch: Dispatch) -> Check {
        self.model.handle_written(now, &dispatch.packet)?;
        self.messages.handle_written(&dispatch.packet)?;
        let Some(wire) = &mut self.wire else {
            return Err("a packet is written without a connection".into());
        };
        if let Some(expires) = dispatch.expires.map(Time::as_millis) {
            wire.expires = Some(wire.expires.map_or(expires, |other| other.min(expires)));
        }
        jackalope::wire::encode(dispatch.packet, &mut wire.output)
            .map_err(|error| error.to_string())
    }
}
