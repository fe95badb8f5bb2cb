//! The gateway: the one loop that joins post office, wire and guests.
//!
//! Each turn of the loop takes in what was read, has guests called, writes what
//! the post office wants written, and then waits for whatever comes first: the
//! network, a guest, the clock, or the end. All decisions are the post
//! office's.
//!
//! Guests are called in the loop itself, which costs no hop between threads. A
//! call that is not over within one tick of the guests' clock goes on elsewhere,
//! so that a slow guest holds up the loop for a moment and no more; a guest that
//! was slow is called elsewhere from the start.

mod connection;
mod control;
mod log;
mod observer;
mod repeats;
mod residents;

use std::future::{Future, ready};
use std::io;
use std::pin::pin;
use std::time::Duration;

use tokio::runtime::Handle;

pub use control::Control;
pub use observer::Observed;
pub use residents::{Logger, Resident};

use crate::clock::{self, Alarm};
use crate::office::{Answer, Connect, Disconnection, GuestId, Office, Settings, Time};
use crate::wire::{Address, Handshake, LoginSource, Progress, stuck};
use connection::{Connection, Event};
use control::{Order, Orders};
use log::Log;
use observer::Observer;
use residents::Residents;

/// How many packets or calls one turn takes at most before it looks at the
/// network again: about what is read at once when messages are small.
const TURN: usize = 512;

/// How long the broker may take to close the connection after DISCONNECT.
const GOODBYE: Duration = Duration::from_secs(1);

/// What a gateway is made of.
#[derive(Debug)]
pub struct Options {
    /// Where the broker is.
    pub address: Address,
    /// What CONNECT says, but for the login.
    pub handshake: Handshake,
    /// Who the gateway is to the broker, asked before each connection. One that
    /// there is no answer for is tried again as if it had failed.
    pub login: Option<Box<dyn LoginSource>>,
    /// What the post office is told; its guests are described in the order of
    /// `guests`.
    pub settings: Settings,
    /// The guests, with their names.
    pub guests: Vec<(String, Resident)>,
    /// The runtime on which slow calls go on. Not the one that the gateway runs
    /// on, unless that has threads to spare.
    pub slow_calls: Handle,
}

/// How a gateway has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Summary {
    /// How many letters had no outcome at the end, and never will have.
    pub letters_lost: usize,
}

/// Something that only a fault of the machine or of the gateway can bring about.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum GatewayError {
    /// The machine's timers do not work.
    #[error("the machine's timer does not work")]
    Clock(#[source] io::Error),
    /// A call of a guest has taken its task down.
    #[error("a call of a guest panicked, which is a fault of the gateway")]
    Panicked(#[source] tokio::task::JoinError),
}

/// A gateway that is ready to [run](Gateway::run).
#[derive(Debug)]
pub struct Gateway {
    office: Office,
    address: Address,
    handshake: Handshake,
    login: Option<Box<dyn LoginSource>>,
    connection: Connection,
    residents: Residents,
    orders: Orders,
    alarm: Alarm,
    log: Log,
}

impl Gateway {
    /// Must be called within a tokio runtime. Nothing happens before
    /// [`run`](Self::run).
    pub fn new(options: Options) -> Result<Self, GatewayError> {
        let Options {
            address,
            handshake,
            login,
            settings,
            guests,
            slow_calls,
        } = options;
        let (names, guests) = guests.into_iter().unzip();
        Ok(Self {
            office: Office::new(clock::now(), settings),
            connection: Connection::None,
            residents: Residents::new(guests, slow_calls),
            orders: Orders::default(),
            alarm: Alarm::new().map_err(GatewayError::Clock)?,
            log: Log::new(names),
            address,
            handshake,
            login,
        })
    }

    /// Has all that happens shown to `observer`, besides the log. It is called
    /// in the loop, which waits for it.
    #[must_use]
    pub fn observed_by(mut self, observer: impl FnMut(&Observed<'_>) + Send + 'static) -> Self {
        self.log.set_observer(Observer::new(Box::new(observer)));
        self
    }

    /// A handle that gives orders to the gateway while it runs.
    pub fn control(&mut self) -> Control {
        self.orders.control()
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
            let has_more = self.turn();
            let now = clock::now();
            if self.office.is_finished(now) {
                break;
            }
            if !has_more {
                self.log.handle_waiting(now, &self.office);
            }
            let reads = self.office.wants_read(now);
            let timeout = [
                self.office.next_timeout(),
                self.connection.next_timeout(),
                self.log.next_timeout(),
            ];
            let timeout = timeout.into_iter().flatten().min();
            tokio::select! {
                biased;
                () = &mut shutdown, if !is_stopping => {
                    is_stopping = true;
                    self.office.handle_shutdown(clock::now());
                }
                finished = self.residents.finished() => {
                    let (guest, answer) = finished.map_err(GatewayError::Panicked)?;
                    self.handle_answer(clock::now(), guest, answer);
                    self.install(guest);
                }
                order = self.orders.next() => self.handle_order(order),
                event = self.connection.wait(reads) => self.handle_event(event),
                () = ready(()), if has_more => {}
                alarm = self.alarm.wait_until(timeout) => alarm.map_err(GatewayError::Clock)?,
            }
        }
        self.log.handle_end();
        if let Connection::Open(wire) = self.connection {
            // Nothing depends on the answer; the broker may be gone.
            let _ = tokio::time::timeout(GOODBYE, wire.finish()).await;
        }
        Ok(Summary {
            letters_lost: self.office.open_letters(),
        })
    }

    /// Does what can be done without waiting, so much of it at most; whether
    /// there may be more.
    fn turn(&mut self) -> bool {
        let now = clock::now();
        self.office.handle_timeout(now);
        if self.connection.is_stuck(now) {
            self.lose(stuck());
        }
        let packets = self.read(now);
        // An acknowledgement lets the next letter go, which is on its way while
        // guests are called.
        self.write();
        let calls = self.call();
        let writes = self.write();
        self.close_if_due();
        let now = clock::now();
        if let Some(connect) = self.office.poll_connect(now) {
            self.dial(connect);
        }
        self.log.drain(now, &mut self.office);
        packets || calls || writes
    }

    fn dial(&mut self, connect: Connect) {
        let login = self.login.as_ref().map(|source| source.login());
        match login.transpose() {
            Ok(login) => {
                self.handshake.login = login;
                self.connection = Connection::dial(self.address.clone(), connect);
            }
            Err(error) => self.lose(Disconnection::Failed(error)),
        }
    }

    fn handle_event(&mut self, event: Event) {
        let now = clock::now();
        match event {
            Event::Dialed(Ok(stream), connect) => {
                match self.connection.open(now, stream, &self.handshake, &connect) {
                    Ok(()) => {}
                    Err(error) => self.lose(Disconnection::Failed(error.to_string())),
                }
            }
            Event::Dialed(Err(error), _) => {
                let error = format!("cannot connect to {}: {error}", self.address);
                self.lose(Disconnection::Failed(error));
            }
            Event::Progress(Ok(Progress::Read)) => self.office.handle_traffic(now),
            Event::Progress(Ok(Progress::Written)) => {}
            Event::Progress(Err(reason)) => self.lose(reason),
        }
    }

    /// Takes in what was read; whether there may be more of it.
    fn read(&mut self, now: Time) -> bool {
        for _ in 0..TURN {
            if !self.office.wants_read(now) {
                return false;
            }
            match self.connection.next_packet() {
                Ok(Some(packet)) => self.office.handle_packet(now, packet),
                Ok(None) => return false,
                Err(reason) => self.lose(reason),
            }
            self.close_if_due();
        }
        true
    }

    /// Has guests called; whether there may be more calls.
    fn call(&mut self) -> bool {
        let mut now = clock::now();
        for _ in 0..TURN {
            let Some(assignment) = self.office.poll_call(now) else {
                return false;
            };
            let guest = assignment.guest;
            self.log.handle_call(now, &mut self.office, &assignment);
            let answer = self.residents.call(assignment);
            // Each call takes its time, and the next begins when it is over.
            now = clock::now();
            if let Some(answer) = answer {
                self.handle_answer(now, guest, answer);
            }
        }
        true
    }

    fn handle_answer(&mut self, now: Time, guest: GuestId, answer: Answer) {
        self.log.handle_answer(guest, &answer);
        self.office.handle_answer(now, guest, answer);
    }

    fn handle_order(&mut self, order: Order) {
        let now = clock::now();
        match order {
            Order::Replace(guest, resident) => {
                self.residents.replace(guest, *resident);
                self.install(guest);
            }
            Order::Reconnect => self.office.handle_reconnect(now),
            Order::Deliver(topic, payload) => {
                self.office.handle_local_message(now, topic, payload);
            }
        }
    }

    /// Lets the successor of a guest take its place, if there is one and the
    /// guest is at no call.
    fn install(&mut self, guest: GuestId) {
        if self.residents.install(guest) {
            self.office.handle_replaced(guest);
            self.log.handle_replaced(guest);
        }
    }

    /// Writes a batch of what is to be written; whether there may be more that
    /// the network takes at once.
    fn write(&mut self) -> bool {
        let now = clock::now();
        let Connection::Open(wire) = &mut self.connection else {
            return false;
        };
        let mut is_all = false;
        while wire.has_room() && !is_all {
            match self.office.poll_packet(now) {
                None => is_all = true,
                Some(dispatch) => {
                    if let Err(error) = wire.push(now, dispatch) {
                        self.lose(Disconnection::Failed(error.to_string()));
                        return false;
                    }
                }
            }
        }
        if let Err(error) = wire.seal(now) {
            self.lose(Disconnection::Failed(format!(
                "the connection was lost: {error}"
            )));
            return false;
        }
        if let Err(reason) = wire.flush(clock::now) {
            self.lose(reason);
            return false;
        }
        !is_all && wire.has_room()
    }

    /// The connection is of no more use.
    fn lose(&mut self, reason: Disconnection) {
        self.connection.abort();
        self.office.handle_disconnected(clock::now(), reason);
    }

    /// The post office has no more use for the connection.
    fn close_if_due(&mut self) {
        match self.office.poll_close() {
            Some(Disconnection::Reconnect) => self.connection.close(),
            Some(_) => self.connection.abort(),
            None => {}
        }
    }
}
