//! Runs a schedule: the engine with its post office, the fake broker, and what is
//! between them, in one thread and in simulated time.
//!
//! The engine is the gateway's own, and so are its transport and the order of its
//! turns. Here is only what is not the gateway's: the [`Side`] plays the clock,
//! the network with its kernels, the broker and the guests, and watches each step
//! of the engine.

mod broker_side;
mod calm;
mod gateway_side;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::BytesMut;
use jackalope::broker::{ConnectionId, Core, CoreOptions, DeliverQos2, Fault, PublishError};
use jackalope::engine::{Engine, Machine, Step as EngineStep};
use jackalope::office::{
    BackoffSettings, GoneGuests, GuestId, GuestSettings, Letter, Office, Qos,
    Schedule as TimerSchedule, Settings, Time, TimerSettings,
};
use jackalope::wire::{Handshake, TlsClient, Versions};

use crate::broker_log::BrokerLog;
use crate::calls::Calls;
use crate::equals::Equals;
use crate::guests::{Guest, Key, next_ticket, time, to_letter};
use crate::messages::Messages;
use crate::model::{Check, Model, ensure};
use crate::network::{Network, Piece};
use crate::schedule::{CutPlan, LetterPlan, Schedule, Setup, Step, TimerPlan};
use crate::terms::Terms;
use crate::timers::{OPENED, Timers};
use crate::tls::{self, Server};
use crate::unwritten::Unwritten;
use gateway_side::Pending;

/// The client id of the gateway.
const CLIENT: &str = "gateway";

/// How often everything may happen at one moment before that is a livelock.
const PATIENCE: u32 = 20_000;

/// More than a batch, with a packet beyond it, never waits for the network.
const MOST_UNWRITTEN: usize = (64 << 10) + 1_000;

/// A record of TLS, and what it takes beside what is in it.
const RECORD: usize = (16 << 10) + 1_000;

/// Ends a simulation that has nothing more to say. The broker has lost the
/// session and begun another with a CONNACK that never arrived; the next
/// CONNACK says "session present", and nothing in MQTT 3.1.1 tells the gateway
/// that it is not the session it knows.
const MISTAKEN: &str = "mistaken session";

/// A connection that is being made.
#[derive(Debug)]
struct Dial {
    /// When it is made, if ever.
    until: Option<u64>,
    succeeds: bool,
}

/// The gateway's end of a connection.
#[derive(Debug)]
struct Socket {
    id: ConnectionId,
    /// What has come and was not read.
    input: BytesMut,
    is_ended: bool,
    /// None: TLS hides it.
    unwritten: Option<Unwritten>,
}

/// A schedule at work.
#[derive(Debug)]
pub(crate) struct Run {
    engine: Engine,
    side: Side,
}

/// All that is not the engine.
#[derive(Debug)]
struct Side {
    setup: Setup,
    now: u64,
    /// The clock jumps after so many more looks at it.
    jump: Option<(u32, u64)>,
    core: Core,
    network: Network,
    socket: Option<Socket>,
    tls: Option<TlsClient>,
    /// The broker's ends, with TLS.
    servers: BTreeMap<ConnectionId, Server>,
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
    timers: Timers,
    broker_log: BrokerLog,
    equals: Option<Equals>,
    /// What the broker is reading.
    arrives: Option<Piece>,
    /// What the latest input of the post office must lead to.
    pending: Pending,
    /// What was found wrong first.
    wrong: Option<String>,
    /// How often something was done.
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
        *trace = run.side.trace.unwrap_or_default();
    }
    result
}

impl Run {
    fn new(schedule: &Schedule, traces: bool) -> Self {
        let setup = schedule.setup.clone();
        let given = |plan: &TimerPlan| {
            let (first, period) = plan.schedule?;
            let schedule = TimerSchedule {
                first: Duration::from_millis(first),
                period: period.map(Duration::from_millis),
            };
            Some((plan.name.into(), schedule))
        };
        let guests = setup.guests.iter().map(|guest| GuestSettings {
            name: "guest".into(),
            subscriptions: guest
                .subscriptions
                .iter()
                .map(|(filter, qos)| (filter.parse().expect("it is valid"), *qos))
                .collect(),
            retries: guest.retries,
            retry_for: Duration::from_millis(guest.retry_for),
            has_will: guest.has_will,
            outcomes: guest.outcomes,
            hears_subscriptions: true,
            work_list: guest.work_list,
            timers: TimerSettings {
                max: guest.max_timers,
                given: guest.timers.iter().filter_map(given).collect(),
            },
            max_state: jackalope::office::MAX_STATE,
            permissions: None,
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
            status_topic: None,
            max_packet_size: setup.max_sent,
            max_qos: Qos::ExactlyOnce,
            carries_properties: true,
            guests: guests.collect(),
            is_durable: false,
            gone_guests: GoneGuests::Keep,
            sessions: Vec::new(),
            seed: setup.seed,
        };
        let mut options = CoreOptions {
            window: setup.window,
            queue: 100_000,
            deliver_qos2: if setup.deliver_at_publish {
                DeliverQos2::AtPublish
            } else {
                DeliverQos2::AtPubrel
            },
            ..CoreOptions::default()
        };
        setup.terms.apply(&mut options);
        let core = Core::new(options);
        let now = OPENED;
        let side = Side {
            now,
            jump: None,
            core,
            network: Network::new(setup.seed, setup.split),
            socket: None,
            tls: setup.is_secure.then(tls::client),
            servers: BTreeMap::new(),
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
                versions: Versions::Only(setup.version),
                client_id: CLIENT.into(),
                session_expiry: match setup.clean_session {
                    true => Duration::ZERO,
                    false => Duration::from_secs(setup.session_expiry),
                },
                keep_alive,
                login: None,
                max_packet_size: setup.max_read,
            },
            model: Model::new(&setup),
            messages: Messages::new(&setup),
            calls: Calls::new(&setup),
            timers: Timers::new(&setup),
            broker_log: BrokerLog::new(schedule),
            equals: setup.equals.then(|| Equals::new(&setup)),
            arrives: None,
            pending: Pending::Nothing,
            wrong: None,
            deeds: 0,
            trace: traces.then(Vec::new),
            setup,
        };
        Self {
            engine: Engine::new(Office::new(time(now), settings)),
            side,
        }
    }

    fn steps(&mut self, schedule: &Schedule) -> Check {
        for step in &schedule.steps {
            self.side.note(|| format!("-- {step:?}"));
            self.step(step)?;
            self.pass(0)?;
        }
        self.calm(schedule)
    }

    fn step(&mut self, step: &Step) -> Check {
        let side = &mut self.side;
        match step {
            Step::Wait(millis) => return self.pass(*millis),
            Step::Jump(millis) => side.sleep(*millis),
            Step::JumpAfter(looks, millis) => side.jump = Some((*looks, *millis)),
            Step::Plan(guest, plan) => side.guests[*guest].plans.push_back(plan.clone()),
            Step::Post(guest, letter, times) => {
                for _ in 0..*times {
                    self.post(*guest, letter)?;
                    self.pass(0)?;
                }
            }
            Step::Message(message, times) => {
                for _ in 0..*times {
                    side.publish(message)?;
                }
            }
            Step::Fault(fault) => return side.inject(*fault),
            Step::ClearFaults => {
                side.core.clear_faults(side.moment());
                side.reading_stopped = false;
                return side.drain_broker();
            }
            Step::Terms(terms) => return side.change_terms(terms),
            Step::Delay(up, down) => (side.network.up, side.network.down) = (*up, *down),
            Step::Capacity(bytes) => side.network.capacity = *bytes,
            Step::Pace(pace) => side.network.pace = *pace,
            Step::Freeze => side.network.is_frozen = true,
            Step::Thaw => side.network.thaw(side.now),
            Step::Cut(cut) => side.cut(*cut),
            Step::RefuseDials(times) => side.refused_dials = *times,
            Step::HangDials(hang) => side.dials_hang = *hang,
            Step::Reconnect => {
                self.input(Office::handle_reconnect);
                return self.settled();
            }
        }
        Ok(())
    }

    /// Posts a letter outside of any call; its ticket.
    fn post(&mut self, guest: usize, plan: &LetterPlan) -> Result<u64, String> {
        let letter = to_letter(next_ticket(&mut self.side.tickets), plan);
        let ticket = letter.ticket.0;
        let guest = GuestId(guest as u16);
        let now = self.side.now();
        let office = self.engine.office_mut();
        self.side.observe(now, office, EngineStep::Time);
        self.side.expect_post(now, guest, &letter);
        office.post(now, guest, letter);
        self.settled()?;
        Ok(ticket)
    }

    /// An input of the post office that carries the time.
    fn input(&mut self, handle: impl FnOnce(&mut Office, Time)) {
        let now = self.side.now();
        let office = self.engine.office_mut();
        self.side.observe(now, office, EngineStep::Time);
        handle(office, now);
    }

    /// Compares what came of the latest input with the model, and says what was
    /// found wrong until now.
    fn settled(&mut self) -> Check {
        self.side.compare(self.engine.office_mut());
        self.side.wrong.take().map_or(Ok(()), Err)
    }

    /// Does all that can be done at this moment.
    fn turn(&mut self) -> Check {
        let mut turns = 0;
        while self.engine.turn(&mut self.side) {
            self.settled()?;
            turns += 1;
            ensure!(turns < PATIENCE, "livelock: a turn without end");
        }
        let unwritten = self.engine.unwritten();
        let record = if self.side.tls.is_some() { RECORD } else { 0 };
        ensure!(
            unwritten < MOST_UNWRITTEN + record,
            "{unwritten} bytes wait for the network"
        );
        self.settled()
    }

    /// Lets time pass, with all that happens meanwhile.
    fn pass(&mut self, millis: u64) -> Check {
        let end = self.side.now + millis;
        let (mut moment, mut turns, mut idle) = (self.side.now, 0, 0);
        loop {
            let deeds = self.side.deeds;
            self.turn()?;
            let due = self.next_event();
            let at = due.map_or(end, |due| due.max(self.side.now));
            if at > end || due.is_none() {
                self.side.now = self.side.now.max(end);
                return Ok(());
            }
            turns += 1;
            if self.side.now.max(at) > moment {
                (moment, turns) = (self.side.now.max(at), 0);
                idle = 0;
            }
            ensure!(turns < PATIENCE, "livelock: it does not come to rest");
            self.side.now = at;
            self.deliver()?;
            idle = if deeds == self.side.deeds {
                idle + 1
            } else {
                0
            };
            ensure!(
                idle < 5,
                "the next timeout, {:?}, is past at {}, and nothing is done",
                self.engine.next_timeout(),
                self.side.now
            );
        }
    }

    /// When anything happens next.
    fn next_event(&mut self) -> Option<u64> {
        let engine = self.engine.next_timeout().map(Time::as_millis);
        [engine, self.side.next_event()].into_iter().flatten().min()
    }
}

impl Side {
    fn moment(&self) -> jackalope::broker::Time {
        time(self.now).into()
    }

    /// The machine sleeps.
    fn sleep(&mut self, millis: u64) {
        self.network.sleep(self.now, millis);
        self.now += millis;
    }

    /// Someone else publishes.
    fn publish(&mut self, message: &LetterPlan) -> Check {
        self.messages_sent += 1;
        let payload = Key::Message(self.messages_sent).payload(message.padding);
        let now = self.moment();
        let (qos, retain) = (message.qos.into(), message.retain);
        let published = self.core.publish(now, message.topic, payload, qos, retain);
        match published {
            Ok(()) => self.drain_broker(),
            // The broker takes no packets as large, from whomever they come.
            Err(PublishError::TooLarge) => Ok(()),
            Err(error) => Err(error.to_string()),
        }
    }

    /// The broker is started again, and keeps its sessions.
    fn change_terms(&mut self, terms: &Terms) -> Check {
        self.core.inject(self.moment(), Fault::DropNow);
        terms.apply(self.core.options_mut());
        self.drain_broker()?;
        self.broker_log.terms = *terms;
        Ok(())
    }

    fn cut(&mut self, cut: CutPlan) {
        if let Some(socket) = &self.socket {
            self.network.cut(self.now, socket.id, cut);
        }
    }

    fn expect_post(&mut self, now: Time, guest: GuestId, letter: &Letter) {
        let now = now.as_millis();
        if let Some(equals) = &mut self.equals {
            equals.handle_posted(now, guest, letter.ticket);
        }
        self.model.post(now, now, guest, letter);
    }

    /// When anything happens next that the engine does not do by itself.
    fn next_event(&self) -> Option<u64> {
        let broker = self
            .core
            .next_timeout()
            .map(jackalope::broker::Time::as_millis);
        let dial = self.dial.as_ref().and_then(|dial| dial.until);
        let guests = self
            .guests
            .iter()
            .filter_map(|guest| guest.running.as_ref());
        let answer = guests.map(|running| running.until).min();
        let arrival = self.network.next_arrival(self.broker_reads());
        [broker, dial, answer, arrival].into_iter().flatten().min()
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push(format!("{:>10} {}", self.now, line()));
        }
    }

    /// Keeps the first thing that is wrong.
    fn check(&mut self, check: Check) {
        if let (Err(wrong), None) = (check, &self.wrong) {
            self.wrong = Some(wrong);
        }
    }
}
