//! The gateway: drives the [engine](crate::engine) on this machine.
//!
//! Its loop runs a turn of the engine and then waits for whatever comes first:
//! the network, a guest, the clock, a command, or the end. All decisions are the
//! post office's, and the order in which things are done is the engine's.
//!
//! Guests are called in the loop itself, which costs no hop between threads. A
//! call that is not over within one tick of the guests' clock goes on in another
//! thread, so that a slow guest holds up the loop for a moment and no more; a guest
//! that was slow is called there from the start.

mod change;
mod command;
mod control;
mod control_sender;
mod dial;
mod dropped;
mod followers;
mod guests;
mod keeper;
mod log;
mod machine;
mod news;
mod observer;
mod probe;
mod repeats;
mod report;
mod server;
mod socket;

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future, pending};
use std::io;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::runtime::Handle;
use tokio::task::yield_now;
use tracing::info;

pub use change::{Change, Changed};
pub use control::{Control, Ended, UnknownGuest};
pub use control_sender::{Accepted, ControlSender, Draft, NotPublished};
pub use dial::{Dialer, Proxy};
pub use dropped::Dropped;
pub(crate) use dropped::{dropped_in_words, warn_of_dropped};
pub use followers::Followers;
pub(crate) use followers::{Following, Line, NotFollowed};
pub use guests::{Handler, Logger};
pub use keeper::KeepingOptions;
pub(crate) use news::{Event as NewsEvent, News, Subject, Teller};
pub use observer::Observed;
pub use report::{GuestReport, LetterList, PastError, Report};
pub use server::Server;

use crate::clock::{self, Alarm};
use crate::engine::Engine;
use crate::login::{Credentials, HeaderSource};
use crate::office::{GuestId, GuestSettings, Office, Settings, WorkListSettings};
use crate::wire::Handshake;
use control::CommandQueue;
use guests::Guests;
use keeper::{Keeper, Report as FromStore};
use log::Log;
use machine::RealMachine;
use probe::Probe;
use socket::{Event, Socket};

/// How the broker is reached, and who the gateway is to it.
#[derive(Debug)]
pub struct ConnectionOptions {
    /// How connections are made.
    pub dialer: Arc<Dialer>,
    /// The brokers, at least one. The first is preferred.
    pub servers: Vec<Server>,
    /// After so long with another one it is looked whether the first can be reached
    /// again; never, if there is none.
    pub server_return: Option<Duration>,
    /// What a web server is told before MQTT.
    pub headers: Arc<[HeaderSource]>,
    /// What CONNECT says, but for the login.
    pub handshake: Handshake,
    /// Who the gateway is to the broker, asked before each connection. One that
    /// there is no answer for is tried again as if it had failed.
    pub login: Option<Arc<Credentials>>,
}

/// What a gateway is made of.
#[derive(Debug)]
pub struct Options {
    /// How the broker is reached, and who the gateway is to it.
    pub connection: ConnectionOptions,
    /// What the post office is told; its guests are described in the order of
    /// `guests`.
    pub settings: Settings,
    /// The guests, with their names.
    pub guests: Vec<(String, Handler)>,
    /// How the work list is kept. None: it is not, and the post office is not told that
    /// it [is](Settings::is_durable).
    pub keeping: Option<KeepingOptions>,
    /// The runtime on which slow calls go on. Not the one that the gateway runs
    /// on, unless that has threads to spare.
    pub slow_calls: Handle,
}

/// How a gateway has ended. All is 0 where it was to be kept and not all could be: the log
/// says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Summary {
    /// How many letters had no outcome at the end, and never will have.
    pub letters_lost: usize,
    /// How many letters had an outcome at the end that their guest was not told,
    /// and never will be.
    pub outcomes_lost: usize,
    /// How many letters had no outcome at the end, and are kept.
    pub letters_kept: usize,
}

/// Something that only a fault of the machine or of the gateway can bring about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The machine's timers do not work.
    #[error("the machine's timer does not work")]
    Clock(#[source] io::Error),
    /// There can be no more threads.
    #[error("no thread can be started that keeps the work list")]
    Thread(#[source] io::Error),
    /// What keeps the work list has taken its thread down.
    #[error(
        "the thread that keeps the work list panicked, which is a fault of the gateway; what was \
         kept before is there at the next start"
    )]
    NotKept,
    /// A call of a guest has taken its task down.
    #[error("a call of a guest panicked, which is a fault of the gateway")]
    Panicked(#[source] tokio::task::JoinError),
}

/// A gateway that is ready to [run](Gateway::run).
#[derive(Debug)]
pub struct Gateway {
    engine: Engine,
    machine: RealMachine,
    commands: CommandQueue,
    alarm: Alarm,
}

impl Gateway {
    /// Must be called within a tokio runtime. Nothing happens before
    /// [`run`](Self::run).
    pub fn new(options: Options) -> Result<Self, GatewayError> {
        let Options {
            connection,
            mut settings,
            guests,
            keeping,
            slow_calls,
        } = options;
        let (mut names, guests): (Vec<_>, Vec<_>) = guests.into_iter().unzip();
        let mut guests = Guests::new(guests, slow_calls);
        let mut gone = BTreeSet::new();
        if let Some(keeping) = &keeping {
            gone = keeping.gone(&settings);
            for name in &gone {
                guests.add_gone();
                names.push(name.to_string());
                let work_list = WorkListSettings::default();
                settings
                    .guests
                    .push(GuestSettings::gone(name.clone(), work_list));
            }
        }
        let places: BTreeMap<Arc<str>, GuestId> = settings
            .guests
            .iter()
            .zip((0..).map(GuestId))
            .map(|(guest, place)| (guest.name.clone(), place))
            .collect();
        let log = Log::new(clock::now(), names, connection.identity());
        let mut office = Office::new(clock::now(), settings);
        for name in &gone {
            match **name == *ControlSender::NAME {
                true => office.restore_away(places[name]),
                false => office.restore_gone(places[name]),
            }
        }
        let keeper = keeping
            .map(|keeping| Keeper::start(keeping, &mut office, |name| places.get(name).copied()))
            .transpose()
            .map_err(GatewayError::Thread)?;
        Ok(Self {
            engine: Engine::new(office)
                .with_brokers(connection.servers.len(), connection.server_return),
            machine: RealMachine {
                connection,
                socket: Socket::None,
                probe: Probe::default(),
                guests,
                log,
                keeper,
            },
            commands: CommandQueue::default(),
            alarm: Alarm::new().map_err(GatewayError::Clock)?,
        })
    }

    /// Has all that happens shown to `observer`, besides the log. It is called
    /// in the loop, which waits for it.
    #[must_use]
    pub fn observed_by(mut self, observer: impl FnMut(&Observed<'_>) + Send + 'static) -> Self {
        let own = self.machine.log.observer();
        own.set_callback(Box::new(observer));
        self
    }

    /// Has those who follow be these, who also hear what the guests print.
    #[must_use]
    pub fn followed_by(mut self, followers: Followers) -> Self {
        self.machine.log.observer().set_followers(followers);
        self
    }

    /// A handle that sends commands to the gateway while it runs.
    pub fn control(&mut self) -> Control {
        self.commands.control()
    }

    /// Runs until `shutdown` is ready and what is under way is finished, which
    /// takes [`SHUTDOWN_TIME`](crate::office::SHUTDOWN_TIME) at most.
    pub async fn run(
        mut self,
        shutdown: impl Future<Output = ()>,
    ) -> Result<Summary, GatewayError> {
        let mut shutdown = pin!(shutdown);
        let mut is_stopping = false;
        loop {
            let has_more = self.engine.turn(&mut self.machine);
            let now = clock::now();
            self.machine.log.drain(now, self.engine.office_mut());
            if self.engine.office().is_finished(now) {
                self.engine.finish(&mut self.machine);
                if self.engine.is_closed() {
                    break;
                }
            }
            if !has_more {
                self.machine.log.handle_waiting(now, self.engine.office());
            }
            let keeper = self.machine.keeper.as_mut();
            let kept = keeper.and_then(|keeper| {
                let office = self.engine.office_mut();
                keeper.handle_timeout(now, office);
                keeper.next_timeout(office)
            });
            let log = self.machine.log.next_timeout();
            let timeout = [self.engine.next_timeout(), log, kept];
            let timeout = timeout.into_iter().flatten().min();
            let (reads, writes) = (self.engine.wants_read(), self.engine.wants_write());
            tokio::select! {
                biased;
                () = &mut shutdown, if !is_stopping => {
                    is_stopping = true;
                    self.engine.office_mut().handle_shutdown(clock::now());
                }
                finished = self.machine.guests.finished() => {
                    let (guest, answer) = finished.map_err(GatewayError::Panicked)?;
                    self.engine.handle_answer(&mut self.machine, guest, answer);
                    self.install(guest);
                }
                command = self.commands.next() => self.handle_command(command),
                report = report(&mut self.machine.keeper) => {
                    self.handle_report(report.ok_or(GatewayError::NotKept)?);
                }
                reached = self.machine.probe.done() => self.handle_reached(reached),
                event = self.machine.socket.wait(reads, writes) => self.handle_event(event),
                // The runtime looks at the network when this task yields, and only then.
                () = yield_now(), if has_more => {}
                alarm = self.alarm.wait_until(timeout) => alarm.map_err(GatewayError::Clock)?,
            }
        }
        self.machine.log.handle_end();
        let is_durable = self.machine.keeper.is_some();
        if let Some(keeper) = self.machine.keeper.take() {
            keeper.finish(self.engine.office());
        }
        let office = self.engine.office();
        let (letters, outcomes) = (office.open_letters(), office.untold_outcomes());
        Ok(match (is_durable, office.is_kept()) {
            (true, true) => Summary {
                letters_kept: letters,
                ..Summary::default()
            },
            (true, false) => Summary::default(),
            (false, _) => Summary {
                letters_lost: letters,
                outcomes_lost: outcomes,
                ..Summary::default()
            },
        })
    }

    fn handle_report(&mut self, report: FromStore) {
        if let Some(keeper) = &mut self.machine.keeper
            && keeper.handle_report(clock::now(), self.engine.office_mut(), report)
        {
            self.engine.handle_committed(&mut self.machine);
            if let Some(keeper) = &mut self.machine.keeper {
                keeper.handle_committed(self.engine.office_mut());
            }
        }
    }

    fn handle_event(&mut self, event: Event) {
        if let Event::Dialed(dialed) = event {
            let mut handshake = self.machine.connection.handshake.clone();
            let dialed = dialed.map(|opened| {
                handshake.login = opened.login;
                (&handshake, opened.layers)
            });
            self.engine.handle_dialed_through(&mut self.machine, dialed);
        }
    }

    /// Whether the preferred server can be reached.
    fn handle_reached(&mut self, reached: Result<(), String>) {
        let server = self.machine.connection.servers[0].to_string();
        match reached {
            Ok(()) => {
                if self.engine.handle_reachable(&mut self.machine) {
                    info!(
                        server,
                        "the preferred server can be reached again, and is moved to"
                    );
                }
            }
            Err(error) => info!(server, "the preferred server cannot be reached: {error}"),
        }
    }

    /// Lets the successor of a guest take its place, if there is one and the
    /// guest is at no call.
    fn install(&mut self, guest: GuestId) {
        if self.machine.guests.install(guest) {
            self.engine.office_mut().handle_replaced(guest);
            self.machine.log.handle_replaced(guest);
        }
    }
}

/// What comes next of the store, if there is one.
async fn report(keeper: &mut Option<Keeper>) -> Option<FromStore> {
    match keeper {
        Some(keeper) => keeper.report().await,
        None => pending().await,
    }
}

impl ConnectionOptions {
    /// Who the gateway is to the broker, for whoever has to find out why it is refused.
    fn identity(&self) -> String {
        let mut servers = self.servers.iter();
        let tls = servers.find_map(|server| server.tls.as_deref());
        match (&self.login, tls) {
            (Some(credentials), _) => credentials.to_string(),
            (None, Some(tls)) if tls.has_identity() => {
                "the gateway gave a certificate and no user name".into()
            }
            (None, _) => "the gateway gave no user name".into(),
        }
    }
}
