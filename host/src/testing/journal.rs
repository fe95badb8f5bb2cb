//! Keeps the records of a test: what the broker and the post office report, as
//! far as it concerns the guest.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use super::convert;
use super::event::{Asked, Event, Published, Record, call_name};
use crate::broker::Message;
use crate::office::{Letter, Notice, Qos, Ticket, Time};

/// The records of a test that were not taken yet.
#[derive(Debug, Default)]
pub(super) struct Journal {
    records: Vec<Record>,
    /// How many of the messages that the broker keeps were recorded.
    messages_recorded: usize,
    /// Letters without an outcome.
    letters: BTreeMap<Ticket, Letter>,
    /// Those of them that were sent on this connection and have not arrived, in the order
    /// in which they were sent.
    sent: Vec<Ticket>,
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
            let asked = self.arrived(message).map(asked_for);
            let message = Published {
                topic: message.topic.clone(),
                payload: message.payload.to_vec(),
                qos: message.qos.into(),
                retain: message.retain,
                properties: convert::from_broker(&message.properties).map(Arc::new),
                asked: asked.unwrap_or_default(),
            };
            self.record(now, Event::Published(message));
        }
        self.messages_recorded = messages.len();
    }

    /// The letter that has arrived as this message: of those that look like it, the one
    /// that was sent first.
    fn arrived(&mut self, message: &Message) -> Option<&Letter> {
        let looks_like = |ticket: &Ticket| {
            self.letters.get(ticket).is_some_and(|letter| {
                *letter.topic == *message.topic
                    && letter.payload[..] == message.payload[..]
                    && letter.qos == Qos::from(message.qos)
                    && letter.retain == message.retain
            })
        };
        let place = self.sent.iter().position(looks_like)?;
        let ticket = self.sent.remove(place);
        self.letters.get(&ticket)
    }

    /// Notes what the post office has accepted and sent: before what has arrived of it is
    /// recorded.
    pub(super) fn note(&mut self, notice: &Notice) {
        match notice {
            Notice::Accepted { letter, .. } => {
                self.letters.insert(letter.ticket, letter.clone());
            }
            Notice::Sent { ticket, .. } => {
                self.sent.retain(|it| it != ticket);
                self.sent.push(*ticket);
            }
            _ => {}
        }
    }

    /// Records what the post office reports, if it concerns the guest.
    pub(super) fn handle_notice(&mut self, now: Time, notice: Notice) {
        let event = match notice {
            Notice::Offline { .. } => return self.sent.clear(),
            Notice::Outcome {
                ticket,
                outcome,
                by,
                about,
                ..
            } => {
                self.letters.remove(&ticket);
                self.sent.retain(|it| *it != ticket);
                let (topic, tag) = about.map(|about| (about.topic, about.tag)).unzip();
                Event::Outcome {
                    topic,
                    tag: tag.flatten(),
                    outcome,
                    by,
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

fn asked_for(letter: &Letter) -> Asked {
    Asked {
        priority: letter.priority,
        replace_key: letter.replace_key.clone(),
        after_reboot: letter.when_off,
    }
}
