//! Commands for a gateway that runs.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use super::Handler;
use super::change::{Change, Changed};
use super::control_sender::{Accepted, Draft, NotPublished};
use super::followers::{Following, NotFollowed};
use super::report::{LetterList, Report};
use crate::office::{GuestId, NotCancelled, NotHanded, Outcome, Payload, Properties, Rule, Ticket};

/// How many commands may wait to be carried out. Who sends one more waits.
const MAX_WAITING: usize = 64;

/// Sends commands to a gateway, from any thread. They are carried out in their
/// order, between two calls of guests; a gateway that has ended carries out
/// none.
#[derive(Debug, Clone)]
pub struct Control(Sender<Command>);

/// The gateway has ended, and answers nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the gateway has ended")]
pub struct Ended;

/// There is no guest of this name.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct UnknownGuest;

#[derive(Debug)]
pub(super) enum Command {
    Replace(GuestId, Box<Handler>),
    Change(Box<Change>, Reply<Result<Changed, UnknownGuest>>),
    Reconnect,
    RequestReconnect(Reply<Result<(), Rule>>),
    Deliver(Arc<str>, Payload, Option<Arc<Properties>>),
    Publish(Draft, Reply<Result<Accepted, NotPublished>>),
    Hand {
        guest: String,
        topic: Arc<str>,
        payload: Payload,
        reply: Reply<Result<Result<(), NotHanded>, UnknownGuest>>,
    },
    Cancel(Ticket, Reply<Result<Outcome, NotCancelled>>),
    Letters {
        guest: Option<String>,
        most: usize,
        reply: Reply<Result<LetterList, UnknownGuest>>,
    },
    Report(Reply<Report>),
    Follow {
        payloads: bool,
        reply: Reply<Result<(Following, Report), NotFollowed>>,
    },
}

type Reply<T> = oneshot::Sender<T>;

impl Control {
    /// Puts another guest in the place of one: at once, or when the call that
    /// it is at is over. Subscriptions, the work list and what waits for the
    /// guest stay; what the old one kept in its memory goes with it, and the
    /// new one is not told again what the old one was told.
    pub async fn replace(&self, guest: GuestId, handler: Handler) {
        self.send(Command::Replace(guest, Box::new(handler))).await;
    }

    /// Has the gateway go on with another configuration.
    ///
    /// # Errors
    /// The gateway has ended; and, within, a guest without a handler is not there, and
    /// nothing was changed.
    pub async fn change(&self, change: Change) -> Result<Result<Changed, UnknownGuest>, Ended> {
        let change = Box::new(change);
        self.ask(|reply| Command::Change(change, reply)).await
    }

    /// Drops the connection and makes a new one, as a guest's `reconnect` does:
    /// at once where one is waiting for its time, but never two within one
    /// `backoff.min`.
    pub async fn reconnect(&self) {
        self.send(Command::Reconnect).await;
    }

    /// The same for who sends over the control socket, if he may ask for it.
    ///
    /// # Errors
    /// The gateway has ended; and, within, the rule that does not permit it.
    pub async fn request_reconnect(&self) -> Result<Result<(), Rule>, Ended> {
        self.ask(Command::RequestReconnect).await
    }

    /// Hands a message to the guests that subscribe to its topic, with QoS 0,
    /// whether there is a connection or not. The topic must be a valid name.
    pub async fn deliver(
        &self,
        topic: &str,
        payload: Payload,
        properties: Option<Arc<Properties>>,
    ) {
        let command = Command::Deliver(topic.into(), payload, properties);
        self.send(command).await;
    }

    /// Publishes a letter in the name of the gateway's own sender.
    ///
    /// # Errors
    /// The gateway has ended; and, within, why it is not accepted.
    pub async fn publish(&self, draft: Draft) -> Result<Result<Accepted, NotPublished>, Ended> {
        self.ask(|reply| Command::Publish(draft, reply)).await
    }

    /// Hands a message to one guest that subscribes to its topic, as
    /// [`deliver`](Self::deliver) does.
    ///
    /// # Errors
    /// The gateway has ended; and, within, there is no such guest; and, within,
    /// why it does not get the message.
    pub async fn hand(
        &self,
        guest: String,
        topic: Arc<str>,
        payload: Payload,
    ) -> Result<Result<Result<(), NotHanded>, UnknownGuest>, Ended> {
        let command = |reply| Command::Hand {
            guest,
            topic,
            payload,
            reply,
        };
        self.ask(command).await
    }

    /// Takes a letter off the work list that is not under way. Returns its outcome,
    /// which is `expired`.
    ///
    /// # Errors
    /// The gateway has ended; and, within, why the letter is not called back.
    pub async fn cancel(&self, ticket: Ticket) -> Result<Result<Outcome, NotCancelled>, Ended> {
        self.ask(|reply| Command::Cancel(ticket, reply)).await
    }

    /// Lists letters without an outcome, so many at most: those of one guest or of
    /// all.
    ///
    /// # Errors
    /// The gateway has ended; and, within, there is no such guest.
    pub async fn letters(
        &self,
        guest: Option<String>,
        most: usize,
    ) -> Result<Result<LetterList, UnknownGuest>, Ended> {
        let command = |reply| Command::Letters { guest, most, reply };
        self.ask(command).await
    }

    /// How the gateway is doing.
    ///
    /// # Errors
    /// The gateway has ended.
    pub async fn report(&self) -> Result<Report, Ended> {
        self.ask(Command::Report).await
    }

    /// Begins to follow what the gateway does, with the beginning of payloads or without
    /// payloads: all that happens from the moment of the report on. The gateway waits for
    /// no follower.
    ///
    /// # Errors
    /// The gateway has ended; and, within, why nobody may follow like this.
    pub(crate) async fn follow(
        &self,
        payloads: bool,
    ) -> Result<Result<(Following, Report), NotFollowed>, Ended> {
        self.ask(|reply| Command::Follow { payloads, reply }).await
    }

    async fn send(&self, command: Command) {
        // Without a gateway there is nothing left to command.
        let _ = self.0.send(command).await;
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T, Ended> {
        let (reply, answer) = oneshot::channel();
        self.0.send(command(reply)).await.map_err(|_| Ended)?;
        answer.await.map_err(|_| Ended)
    }
}

/// The commands that are still to be carried out. Costs nothing until somebody
/// asks for a [`Control`].
#[derive(Debug, Default)]
pub(super) struct CommandQueue(Option<(Sender<Command>, Receiver<Command>)>);

impl CommandQueue {
    pub(super) fn control(&mut self) -> Control {
        let (sender, _) = self.0.get_or_insert_with(|| channel(MAX_WAITING));
        Control(sender.clone())
    }

    /// Waits for a command. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Command {
        if let Some((_, receiver)) = &mut self.0
            && let Some(command) = receiver.recv().await
        {
            return command;
        }
        pending().await
    }
}
