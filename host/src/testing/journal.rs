//! Writes down what happens, as far as a test of a guest is about it.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use super::happening::{Happened, Happening, Published, call_name};
use crate::broker::Message;
use crate::office::{Notice, Ticket, Time};

/// What has happened and was not taken yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    happened: Vec<Happened>,
    /// The topics of the letters without an outcome.
    topics: HashMap<Ticket, Arc<str>>,
    /// How many messages of the broker were looked at.
    looked_at: usize,
}

impl Journal {
    /// Takes what has happened, the oldest first.
    pub(super) fn take(&mut self) -> Vec<Happened> {
        std::mem::take(&mut self.happened)
    }

    pub(super) fn happen(&mut self, at: Time, what: Happening) {
        self.happened.push(Happened { at, what });
    }

    /// Looks at the messages that the broker has taken since the last time:
    /// those of the gateway are the guest's.
    pub(super) fn look_at(&mut self, now: Time, messages: &VecDeque<Message>) {
        let new = messages.range(self.looked_at..);
        for message in new.filter(|message| message.from.is_some()) {
            let message = Published {
                topic: message.topic.clone(),
                payload: message.payload.to_vec(),
                qos: message.qos.into(),
                retain: message.retain,
            };
            self.happen(now, Happening::Published(message));
        }
        self.looked_at = messages.len();
    }

    /// The post office has something to say.
    pub(super) fn handle_notice(&mut self, now: Time, notice: Notice) {
        let what = match notice {
            Notice::Accepted { ticket, topic, .. } => {
                self.topics.insert(ticket, topic);
                return;
            }
            Notice::Outcome {
                ticket, outcome, ..
            } => Happening::Outcome {
                topic: self.topics.remove(&ticket),
                outcome,
            },
            Notice::Rejected { topic, reason, .. } => Happening::Rejected { topic, reason },
            Notice::PutOff { topic, reason, .. } => Happening::Retried { topic, reason },
            Notice::Failed { call, error, .. } => Happening::Failed {
                call: call_name(&call),
                error,
                again: true,
            },
            Notice::GivenUp { call, error, .. } => Happening::Failed {
                call: call_name(&call),
                error,
                again: false,
            },
            Notice::InvalidWill { error, .. } => Happening::Failed {
                call: "last-will".into(),
                error,
                again: false,
            },
            _ => return,
        };
        self.happen(now, what);
    }
}
