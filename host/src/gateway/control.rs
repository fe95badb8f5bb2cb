//! Commands for a gateway that runs.

use std::future::pending;
use std::sync::Arc;

use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Handler;
use crate::office::{GuestId, Payload};

/// Sends commands to a gateway, from any thread. They are carried out in their
/// command, between two calls of guests; a gateway that has ended carries out
/// none.
#[derive(Debug, Clone)]
pub struct Control(UnboundedSender<Command>);

#[derive(Debug)]
pub(super) enum Command {
    Replace(GuestId, Box<Handler>),
    Reconnect,
    Deliver(Arc<str>, Payload),
}

impl Control {
    /// Puts another guest in the place of one: at once, or when the call that
    /// it is at is over. Subscriptions, the work list and what waits for the
    /// guest stay; what the old one kept in its memory goes with it, and the
    /// new one is not told again what the old one was told.
    pub fn replace(&self, guest: GuestId, handler: Handler) {
        self.send(Command::Replace(guest, Box::new(handler)));
    }

    /// Drops the connection and makes a new one, as a guest's `reconnect` does:
    /// at once where one is waiting for its time, but never two within one
    /// `backoff.min`.
    pub fn reconnect(&self) {
        self.send(Command::Reconnect);
    }

    /// Hands a message to the guests that subscribe to its topic, with QoS 0,
    /// whether there is a connection or not. The topic must be a valid name.
    pub fn deliver(&self, topic: &str, payload: Payload) {
        self.send(Command::Deliver(topic.into(), payload));
    }

    fn send(&self, command: Command) {
        // Without a gateway there is nothing left to command.
        let _ = self.0.send(command);
    }
}

/// The commands that are still to be carried out. Costs nothing until somebody
/// asks for a [`Control`].
#[derive(Debug, Default)]
pub(super) struct CommandQueue(Option<(UnboundedSender<Command>, UnboundedReceiver<Command>)>);

impl CommandQueue {
    pub(super) fn control(&mut self) -> Control {
        let (sender, _) = self.0.get_or_insert_with(unbounded_channel);
        Control(sender.clone())
    }

    /// Waits for an command. Can be dropped and called again.
    pub(super) async fn next(&mut self) -> Command {
        if let Some((_, receiver)) = &mut self.0
            && let Some(command) = receiver.recv().await
        {
            return command;
        }
        pending().await
    }
}
