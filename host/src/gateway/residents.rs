//! The guests of one gateway, and the calls they are at.

use std::future::{Future, pending, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::task::{JoinError, JoinSet};

use crate::guest::{Guest, TICK};
use crate::office::{Answer, Assignment, Call, GuestId, Tray};

/// Something that can be called as a guest is.
#[derive(Debug)]
pub enum Resident {
    /// A component.
    Component(Box<Guest>),
    /// The handler that is built in.
    Logger(Logger),
}

impl Resident {
    async fn call(&mut self, assignment: &Assignment) -> Answer {
        match self {
            Self::Component(guest) => guest.call(assignment).await,
            Self::Logger(logger) => logger.call(&assignment.call),
        }
    }
}

/// The built-in handler: takes everything, says so in the log, sends nothing.
#[derive(Debug)]
pub struct Logger;

impl Logger {
    fn call(&self, call: &Call) -> Answer {
        match call {
            Call::Connection(status) => tracing::info!(?status, "connection"),
            Call::Subscription { filter, granted } => {
                tracing::info!(%filter, granted, "subscription");
            }
            Call::Message(message) => {
                let (topic, bytes) = (&message.topic, message.payload.len());
                tracing::info!(%topic, bytes, qos = message.qos as u8, "message");
            }
            Call::Outcome(ticket, outcome) => {
                tracing::info!(ticket = ticket.0, ?outcome, "outcome");
            }
            Call::LastWill => return Answer::Will(None),
        }
        Answer::Done(Tray::default())
    }
}

#[derive(Debug)]
struct Place {
    /// The guest, unless it is at a call elsewhere.
    resident: Option<Resident>,
    /// Whether its last call computed for longer than a tick.
    is_slow: bool,
    /// Who is to take its place.
    successor: Option<Resident>,
}

/// A call that was finished elsewhere.
struct Finished {
    guest: GuestId,
    resident: Resident,
    answer: Answer,
    was_slow: bool,
}

type Running = Pin<Box<dyn Future<Output = (Resident, Answer)> + Send>>;

/// The guests of one gateway.
#[derive(Debug)]
pub(super) struct Residents {
    places: Vec<Place>,
    elsewhere: JoinSet<Finished>,
    slow_calls: Handle,
}

impl Residents {
    pub(super) fn new(residents: Vec<Resident>, slow_calls: Handle) -> Self {
        let place = |resident| Place {
            resident: Some(resident),
            is_slow: false,
            successor: None,
        };
        Self {
            places: residents.into_iter().map(place).collect(),
            elsewhere: JoinSet::new(),
            slow_calls,
        }
    }

    /// Names the successor of a guest, if there is such a guest.
    pub(super) fn replace(&mut self, guest: GuestId, resident: Resident) {
        if let Some(place) = self.places.get_mut(guest.index()) {
            place.successor = Some(resident);
        }
    }

    /// Lets the successor take the place, unless the guest is at a call
    /// elsewhere; whether it has.
    pub(super) fn install(&mut self, guest: GuestId) -> bool {
        let Some(place) = self.places.get_mut(guest.index()) else {
            return false;
        };
        if place.resident.is_none() || place.successor.is_none() {
            return false;
        }
        place.resident = place.successor.take();
        place.is_slow = false;
        true
    }

    /// Calls a guest. The answer, unless it takes longer; then it comes with
    /// [`finished`](Self::finished).
    pub(super) fn call(&mut self, assignment: Assignment) -> Option<Answer> {
        let guest = assignment.guest;
        let place = &mut self.places[guest.index()];
        let Some(mut resident) = place.resident.take() else {
            return Some(Answer::Failed("it is at another call".into()));
        };
        let mut running: Running = Box::pin(async move {
            let answer = resident.call(&assignment).await;
            (resident, answer)
        });
        if !place.is_slow {
            let mut cx = Context::from_waker(Waker::noop());
            if let Poll::Ready((resident, answer)) = running.as_mut().poll(&mut cx) {
                place.resident = Some(resident);
                return Some(answer);
            }
        }
        let finish = async move {
            // What it waits for, a thread or a timer, holds up nobody.
            let mut busy = Duration::ZERO;
            let (resident, answer) = poll_fn(|cx| {
                let begun = Instant::now();
                let polled = running.as_mut().poll(cx);
                busy += begun.elapsed();
                polled
            })
            .await;
            Finished {
                guest,
                resident,
                answer,
                was_slow: busy > TICK,
            }
        };
        place.is_slow = true;
        self.elsewhere.spawn_on(finish, &self.slow_calls);
        None
    }

    /// Waits for a call that takes longer. Can be dropped and called again.
    pub(super) async fn finished(&mut self) -> Result<(GuestId, Answer), JoinError> {
        let Some(finished) = self.elsewhere.join_next().await else {
            return pending().await;
        };
        let Finished {
            guest,
            resident,
            answer,
            was_slow,
        } = finished?;
        let place = &mut self.places[guest.index()];
        place.resident = Some(resident);
        place.is_slow = was_slow;
        Ok((guest, answer))
    }
}
