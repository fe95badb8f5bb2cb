//! The guests of one gateway, and the calls they are at.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use super::ControlSender;
use crate::guest::{Guest, TICK};
use crate::office::{Answer, Assignment, Call, Effects, GuestId};
use crate::shown::shown;

/// Something that can be called as a guest is.
#[derive(Debug)]
pub enum Handler {
    /// A component.
    Component(Box<Guest>),
    /// The handler that is built in.
    Logger(Logger),
    /// The sender of letters that come over the control socket.
    ControlSender(ControlSender),
}

impl Handler {
    async fn call(&mut self, assignment: &Assignment) -> Answer {
        match self {
            Self::Component(guest) => guest.call(assignment).await,
            Self::Logger(logger) => logger.call(&assignment.call),
            Self::ControlSender(sender) => sender.call(&assignment.call),
        }
    }
}

/// The built-in handler: takes everything, says so in the log, sends nothing.
#[derive(Debug)]
pub struct Logger {
    /// Whether it shows the beginning of payloads.
    pub show_payloads: bool,
}

impl Logger {
    fn call(&self, call: &Call) -> Answer {
        match call {
            Call::Connection(status) => tracing::info!(?status, "connection"),
            Call::Subscription { filter, granted } => {
                tracing::info!(%filter, granted, "subscription");
            }
            Call::Message(message) => {
                let (topic, bytes) = (&message.topic, message.payload.len());
                let text = || shown(&String::from_utf8_lossy(&message.payload));
                let payload = self.show_payloads.then(text);
                tracing::info!(%topic, bytes, qos = message.qos as u8, payload, "message");
            }
            Call::Outcomes(outcomes) => {
                for told in outcomes {
                    let (ticket, outcome) = (told.ticket.0, told.outcome);
                    tracing::info!(ticket, %outcome, "outcome");
                }
            }
            Call::Timer(due) => tracing::info!(name = %due.name, "timer"),
            Call::LastWill => return Answer::Will(None),
        }
        Answer::Done(Effects::default())
    }
}

#[derive(Debug)]
struct Slot {
    /// The guest, unless it is at a call on another thread.
    handler: Option<Handler>,
    /// Whether its last call computed for longer than a tick.
    is_slow: bool,
    /// Who is to take its place.
    successor: Option<Handler>,
    /// Whether it is gone, and what is left is the call that it is at.
    is_gone: bool,
}

impl Slot {
    fn of(handler: Handler) -> Self {
        Self {
            handler: Some(handler),
            is_slow: false,
            successor: None,
            is_gone: false,
        }
    }
}

/// A call that was finished on another thread.
struct Finished {
    guest: GuestId,
    handler: Handler,
    answer: Answer,
    was_slow: bool,
}

type Running = Pin<Box<dyn Future<Output = (Handler, Answer)> + Send>>;

/// The guests of one gateway.
#[derive(Debug)]
pub(super) struct Guests {
    slots: Vec<Slot>,
    running: JoinSet<Finished>,
    slow_calls: Handle,
}

impl Guests {
    pub(super) fn new(guests: Vec<Handler>, slow_calls: Handle) -> Self {
        Self {
            slots: guests.into_iter().map(Slot::of).collect(),
            running: JoinSet::new(),
            slow_calls,
        }
    }

    /// The sender of letters that come over the control socket, and the number that
    /// it has among guests.
    pub(super) fn control_sender(&mut self) -> Option<(GuestId, &mut ControlSender)> {
        let mut slots = (0..).map(GuestId).zip(&mut self.slots);
        slots.find_map(|(guest, slot)| match &mut slot.handler {
            Some(Handler::ControlSender(sender)) => Some((guest, sender)),
            _ => None,
        })
    }

    /// A guest comes, to the place of one that is gone or behind all others.
    pub(super) fn add(&mut self, guest: GuestId, handler: Handler) {
        match self.slots.get_mut(guest.index()) {
            Some(slot) => *slot = Slot::of(handler),
            None => self.slots.push(Slot::of(handler)),
        }
    }

    /// One that is gone is back, and takes its place when its last call is over.
    pub(super) fn take_back(&mut self, guest: GuestId, handler: Handler) {
        if let Some(slot) = self.slots.get_mut(guest.index()) {
            (slot.successor, slot.is_gone) = (Some(handler), false);
        }
    }

    /// One that is gone has a place behind all others.
    pub(super) fn add_gone(&mut self) {
        self.slots.push(Slot {
            handler: None,
            is_slow: false,
            successor: None,
            is_gone: true,
        });
    }

    /// A guest is gone.
    pub(super) fn remove(&mut self, guest: GuestId) {
        if let Some(slot) = self.slots.get_mut(guest.index()) {
            (slot.handler, slot.successor, slot.is_gone) = (None, None, true);
        }
    }

    /// Names the successor of a guest. Does nothing if there is no such guest.
    pub(super) fn replace(&mut self, guest: GuestId, handler: Handler) {
        if let Some(slot) = self.slots.get_mut(guest.index()) {
            slot.successor = Some(handler);
        }
    }

    /// Lets the successor take the place of a guest, unless the guest is at a call
    /// on another thread. Returns whether it took the place.
    pub(super) fn install(&mut self, guest: GuestId) -> bool {
        let Some(slot) = self.slots.get_mut(guest.index()) else {
            return false;
        };
        if slot.handler.is_none() || slot.successor.is_none() {
            return false;
        }
        slot.handler = slot.successor.take();
        slot.is_slow = false;
        true
    }

    /// Calls a guest. Returns its answer, unless the call takes longer than a tick;
    /// then the answer comes with [`finished`](Self::finished).
    pub(super) fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        let guest = assignment.guest;
        let slot = &mut self.slots[guest.index()];
        let Some(mut handler) = slot.handler.take() else {
            return Some(Answer::Failed("it is at another call".into()));
        };
        let mut running: Running = Box::pin(async move {
            let answer = handler.call(&assignment).await;
            (handler, answer)
        });
        if !slot.is_slow {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready((handler, answer)) = running.as_mut().poll(&mut cx) {
                slot.handler = Some(handler);
                return Some(answer);
            }
        }
        let finish = async move {
            // What it waits for, a thread or a timer, holds up nobody.
            let mut busy = Duration::ZERO;
            let (handler, answer) = poll_fn(|cx| {
                #[expect(
                    clippy::disallowed_methods,
                    reason = "only decides on which thread the next call begins"
                )]
                let begun = Instant::now();
                let polled = running.as_mut().poll(cx);
                busy += begun.elapsed();
                polled
            })
            .await;
            Finished {
                guest,
                handler,
                answer,
                was_slow: busy > TICK,
            }
        };
        slot.is_slow = true;
        self.running.spawn_on(finish, &self.slow_calls);
        None
    }

    /// Waits for a call that takes longer. Can be dropped and called again.
    pub(super) async fn finished(&mut self) -> Result<(GuestId, Answer), JoinError> {
        let Some(finished) = self.running.join_next().await else {
            return pending().await;
        };
        let Finished {
            guest,
            handler,
            answer,
            was_slow,
        } = finished?;
        let slot = &mut self.slots[guest.index()];
        slot.handler = Some(handler).filter(|_| !slot.is_gone);
        slot.is_slow = was_slow;
        Ok((guest, answer))
    }
}
