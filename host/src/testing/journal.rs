//! Keeps the records of a test: what the broker and the post office report, as
//! far as it concerns the guest.

use std::collections::VecDeque;
use std::sync::Arc;

use super::convert;
use super::event::{Event, Published, Record, call_name};
use crate::broker::Message;
use crate::office::{Notice, Time};

/// The records of a test that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    records: Vec<Record>,
    /// How many of the messages that the broker keeps were recorded.
    messages_recorded: usize,
}

impl Journal {
    /// Takes the records, the oldest first.
    pub(super) fn take(&mut self) -> Vec<Record> {
        std::mem::take(&mut self.records)
    }

    pub(super) fn record(&mut self, at: Time, event: Event) {
        self.records.push(Record { at, event });
    }

    /// Records what the guest has published: the messages that the broker has
    /// taken from the gateway since the last time.
    pub(super) fn record_messages(&mut self, now: Time, messages: &VecDeque<Message>) {
        let new = messages.range(self.messages_recorded..);
        for message in new.filter(|message| message.from.is_some()) {
            let message = Published {
                topic: message.topic.clone(),
                payload: message.payload.to_vec(),
                qos: message.qos.into(),
                retain: message.retain,
                properties: convert::from_broker(&message.properties).map(Arc::new),
            };
            self.record(now, Event::Published(message));
        }
        self.messages_recorded = messages.len();
    }

    /// Records what the post office reports, if it concerns the guest.
    pub(super) fn handle_notice(&mut self, now: Time, notice: Notice) {
        let event = match notice {
            Notice::Outcome { outcome, about, .. } => {
                let (topic, tag) = about.map(|about| (about.topic, about.tag)).unzip();
                Event::Outcome {
                    topic,
                    tag: tag.flatten(),
                    outcome,
                }
            }
            Notice::Rejected { topic, reason, .. } => Event::Rejected { topic, reason },
            Notice::PutOff { topic, reason, .. } => Event::Retried { topic, reason },
            Notice::Failed { call, error, .. } => Event::Failed {
                call: call_name(&call),
                error,
                again: true,
            },
            Notice::GivenUp { call, error, .. } => Event::Failed {
                call: call_name(&call),
                error,
                again: false,
            },
            Notice::InvalidWill { error, .. } => Event::Failed {
                call: "last-will".into(),
                error,
                again: false,
            },
            _ => return,
        };
        self.record(now, event);
    }
}
