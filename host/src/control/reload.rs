//! Asking for the configuration to be read again, which is not the gateway's to do.

use tokio::sync::mpsc::{Receiver, Sender, channel};
use tokio::sync::oneshot;

use crate::gateway::{Changed, Ended};
use crate::office::Rule;

/// What a reload has led to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reloaded {
    /// What is other than before.
    pub changed: Changed,
    /// What else is other than before of guests that were there: their names, and in
    /// brackets the keys.
    pub settings: Vec<String>,
    /// Keys that are others than before, beside those of guests.
    pub keys: Vec<String>,
    /// Whether all is as it was read before.
    pub is_same: bool,
    /// What waits for the next start of the gateway, by the names of the settings.
    pub at_next_start: Vec<String>,
}

/// Why nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotReloaded {
    /// What is wrong with the configuration.
    Invalid(String),
    /// Whoever asks may not.
    NotPermitted(Rule),
}

/// Whom to tell what a reload has led to, or why nothing was changed.
pub type ReloadAnswer = oneshot::Sender<Result<Reloaded, NotReloaded>>;

/// Asks for reloads. They are made one after another.
#[derive(Debug, Clone)]
pub struct Reloads(Sender<ReloadAnswer>);

impl Reloads {
    /// With what whoever makes them hears of them by.
    pub fn new() -> (Self, Receiver<ReloadAnswer>) {
        let (sender, asked) = channel(1);
        (Self(sender), asked)
    }

    /// Has the configuration read again.
    ///
    /// # Errors
    /// The gateway has ended; and, within, why nothing was changed.
    pub async fn reload(&self) -> Result<Result<Reloaded, NotReloaded>, Ended> {
        let (answer, answered) = oneshot::channel();
        self.0.send(answer).await.map_err(|_| Ended)?;
        answered.await.map_err(|_| Ended)
    }
}
